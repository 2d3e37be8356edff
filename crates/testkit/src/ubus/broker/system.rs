//! ubusd's own three objects: events, access lists, monitor.

use std::collections::BTreeMap;

use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Blobmsg, Builder, Ref, Status};

use super::acl::Pattern;
use super::bus::{Answer, Bus, Use};
use super::objects::FIRST_ID;

/// Objects that listen to events.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_pattern: BTreeMap<String, Vec<u32>>,
    /// Counts deliveries.
    sent: u16,
}

/// Clients that see everything, each with a count of what it saw.
#[derive(Debug, Default)]
pub(super) struct Monitors(BTreeMap<u32, u16>);

impl Bus {
    pub(super) fn invoke_system(
        &mut self,
        from: u32,
        object: u32,
        method: &str,
        request: &Message,
    ) -> Result<Answer, Status> {
        match (object, method) {
            (EVENT, "register") => self.register(from, request),
            (EVENT, "send") => self.send_event(from, request),
            (ACL, "query") => self.query(from, request),
            (EVENT | ACL, _) => Err(Status::InvalidCommand),
            (MONITOR, _) if self.user(from).is_some() => Err(Status::PermissionDenied),
            (MONITOR, "add") => {
                self.monitors.0.insert(from, 0);
                Ok(Answer::Ok)
            }
            (MONITOR, "remove") => {
                self.monitors.remove(from);
                Ok(Answer::Ok)
            }
            _ => Err(Status::MethodNotFound),
        }
    }

    /// Access lists were read anew.
    pub(super) fn acl_event(&mut self) {
        let mut data = Builder::new();
        data.push("sequence", Ref::Int32(self.acls.sequence.cast_signed()));
        self.deliver(None, "ubus.acl.sequence", &built(data));
    }

    /// An object came or went.
    pub(super) fn object_event(&mut self, event: &str, id: u32, path: &str) {
        let mut data = Builder::new();
        data.push("id", Ref::Int32(id.cast_signed())).push("path", path);
        self.deliver(None, event, &built(data));
    }

    /// Shows a message to those who watch, whether it came from this client or goes to it.
    pub(super) fn monitor(&mut self, client: u32, message: &Message, sent: bool) {
        for (watcher, seen) in &mut self.monitors.0 {
            // Never what monitors themselves are sent.
            let Some(watching) = self.clients.get_mut(watcher).filter(|_| message.kind != Kind::Monitor) else {
                continue;
            };
            *seen = seen.wrapping_add(1);
            let numbers = [(0, client), (1, message.peer), (3, message.seq.into()), (4, u8::from(message.kind).into())];
            let numbers = numbers.map(|(id, number)| (id, number.to_be_bytes()));
            let [client, peer, seq, kind] = &numbers;
            let attributes = [client, peer, seq, kind].map(|(id, payload)| Attribute::Other { id: *id, payload });
            let rest = [
                Attribute::Other { id: 2, payload: &[sent.into()] },
                Attribute::Other { id: 5, payload: message.body() },
            ];
            if let Ok(copy) = Message::new(Kind::Monitor, *seen, 0, attributes.into_iter().chain(rest)) {
                watching.link.send(&copy, None);
            }
        }
    }

    fn register(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let data = arguments(request)?;
        let (Some(Ref::Int32(object)), Some(pattern)) = (data.get("object"), data.get("pattern").and_then(text)) else {
            return Err(Status::InvalidArgument);
        };
        let object = object.cast_unsigned();
        if object < FIRST_ID {
            return Err(Status::PermissionDenied);
        }
        let owner = self.objects.get(object).ok_or(Status::NotFound)?.owner;
        if owner != from || pattern.is_empty() || !self.may(from, Use::Listen(pattern)) {
            return Err(Status::PermissionDenied);
        }
        self.listeners.by_pattern.entry(pattern.to_owned()).or_default().push(object);
        Ok(Answer::Ok)
    }

    fn send_event(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let data = arguments(request)?;
        let (Some(event), Some(Ref::Table(fields))) = (data.get("id").and_then(text), data.get("data")) else {
            return Err(Status::InvalidArgument);
        };
        if event.starts_with("ubus.") || !self.may(from, Use::Send(event)) {
            return Err(Status::PermissionDenied);
        }
        let mut content = Builder::new();
        for field in fields {
            content.push(field.name, field.value);
        }
        self.deliver(Some(from), event, &built(content));
        Ok(Answer::Ok)
    }

    /// Brings an event to each object that listens to it, except to those of its sender.
    fn deliver(&mut self, sender: Option<u32>, event: &str, data: &[u8]) {
        for object in self.listeners.of(event) {
            let Some(owner) = self.objects.get(object).map(|object| object.owner) else { continue };
            if Some(owner) == sender {
                continue;
            }
            self.listeners.sent = self.listeners.sent.wrapping_add(1);
            let attributes = [Attribute::Object(object), Attribute::Method(event), Attribute::Data(data)];
            self.tell(owner, Kind::Invoke, self.listeners.sent, 0, attributes);
        }
    }

    /// The free-form part of access lists is nobody's business here: there is none.
    fn query(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let mut data = Builder::new();
        data.push("seq", Ref::Int32(self.acls.sequence.cast_signed())).array("acl", |_| {});
        let attributes = [Attribute::Object(ACL), Attribute::Data(&built(data))];
        self.tell(from, Kind::Data, request.seq, request.peer, attributes);
        Ok(Answer::Ok)
    }
}

impl Listeners {
    pub(super) fn remove(&mut self, object: u32) {
        self.by_pattern.retain(|_, objects| {
            objects.retain(|other| *other != object);
            !objects.is_empty()
        });
    }

    /// In the order of patterns, and for one pattern in that of registration; each object once.
    fn of(&self, event: &str) -> Vec<u32> {
        let fitting = self.by_pattern.iter().filter(|(pattern, _)| Pattern::new(pattern).fits(event));
        let mut objects = Vec::new();
        for object in fitting.flat_map(|(_, objects)| objects) {
            if !objects.contains(object) {
                objects.push(*object);
            }
        }
        objects
    }
}

impl Monitors {
    pub(super) fn remove(&mut self, client: u32) {
        self.0.remove(&client);
    }
}

/// Whether it is one of ubusd's own objects.
pub(super) fn is_system(object: u32) -> bool {
    (EVENT..=MONITOR).contains(&object)
}

fn arguments(request: &Message) -> Result<Blobmsg, Status> {
    request.data().and_then(Result::ok).ok_or(Status::InvalidArgument)
}

fn text(value: Ref<'_>) -> Option<&str> {
    value.as_str()
}

fn built(builder: Builder) -> Vec<u8> {
    builder.finish().expect("it is shorter than the message that it came in, or a few words").as_bytes().to_vec()
}

const EVENT: u32 = 1;
const ACL: u32 = 2;
const MONITOR: u32 = 3;
