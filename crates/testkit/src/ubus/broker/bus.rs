//! The bus itself: who is connected, what each message means, and who is told.
//!
//! In: clients that come and go, and their messages. Out: messages to clients, through their [`Link`]s. Nothing here
//! waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_ubus::Status;
use tokio_ubus::message::{Attribute, Kind, Message};

use super::acl::Acl;
use super::link::{Link, Received};
use super::lookup::Lookup;
use super::objects::{Objects, unused};
use super::system::{Listeners, Monitors};

/// Everything that ubusd knows.
#[derive(Default)]
pub(super) struct Bus {
    pub(super) clients: BTreeMap<u32, Client>,
    pub(super) objects: Objects,
    pub(super) listeners: Listeners,
    pub(super) monitors: Monitors,
    pub(super) acls: Acls,
    asked: BTreeMap<Question, (String, Instant)>,
    /// How long answers to notifications took, by the kind of these.
    pub(super) answered: Vec<(String, Duration)>,
}

pub(super) struct Client {
    pub(super) link: Link,
    /// An ordinary user's name; root has none here.
    pub(super) user: Option<String>,
    /// Not answered yet, the oldest first.
    pub(super) lookups: VecDeque<Lookup>,
}

/// Who may do what, and who did.
#[derive(Default)]
pub(super) struct Acls {
    by_user: BTreeMap<String, Acl>,
    /// How often files were read.
    pub(super) sequence: u32,
    pub(super) used: BTreeSet<(String, String, String)>,
}

/// A notification that wants an answer: the publisher's client and number, and the subscriber's object.
type Question = (u32, u16, u32);

/// How a request that was accepted is answered.
pub(super) enum Answer {
    /// At once, by ubusd, with [`Status::Ok`].
    Ok,
    /// Later or by somebody else, or not at all.
    None,
}

impl Bus {
    /// Forgets everything but the access lists, which are files, and what a test may want to know.
    pub(super) fn restart(&mut self) {
        let Self { acls, answered, .. } = std::mem::take(self);
        *self = Self { acls, answered, ..Self::default() };
    }

    /// Somebody connected; the number of the connection.
    pub(super) fn connect(&mut self, link: Link, user: Option<String>) -> u32 {
        let id = unused(|id| self.clients.contains_key(&id));
        self.clients.insert(id, Client { link, user, lookups: VecDeque::new() });
        self.tell(id, Kind::Hello, 0, id, []);
        id
    }

    /// Somebody is gone, and everything of theirs.
    pub(super) fn disconnect(&mut self, client: u32) {
        self.clients.remove(&client);
        self.monitors.remove(client);
        for object in self.objects.owned_by(client) {
            self.drop_object(object);
        }
        self.asked.retain(|(publisher, ..), _| *publisher != client);
    }

    /// Somebody said something.
    pub(super) fn handle(&mut self, from: u32, received: Received) {
        let Received { message: request, descriptor } = received;
        self.monitor(from, &request, false);
        let outcome = match request.kind {
            Kind::Status | Kind::Data => return self.relay(from, request, descriptor),
            Kind::Ping => {
                let mut echo = request.clone();
                echo.kind = Kind::Data;
                self.send(from, &echo, None);
                Ok(Answer::Ok)
            }
            Kind::Lookup => self.lookup(from, &request),
            Kind::Invoke => self.invoke(from, &request, descriptor),
            Kind::AddObject => self.add_object(from, &request),
            Kind::RemoveObject => self.remove_object(from, &request),
            Kind::Subscribe => self.subscribe(from, &request),
            Kind::Unsubscribe => self.unsubscribe(from, &request),
            Kind::Notify => self.notify(from, &request),
            _ => Err(Status::InvalidCommand),
        };
        match outcome {
            Ok(Answer::Ok) => self.answer(from, &request, Status::Ok),
            Ok(Answer::None) => {}
            Err(status) => self.answer(from, &request, status),
        }
    }

    /// The last word of ubusd itself on a request.
    pub(super) fn answer(&mut self, to: u32, request: &Message, status: Status) {
        self.tell(to, Kind::Status, request.seq, request.peer, [Attribute::Status(status.code())]);
    }

    /// Sends a message of these attributes.
    pub(super) fn tell<'a>(
        &mut self,
        to: u32,
        kind: Kind,
        seq: u16,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
    ) {
        self.tell_with(to, kind, seq, peer, attributes, None);
    }

    /// The same with a descriptor.
    pub(super) fn tell_with<'a>(
        &mut self,
        to: u32,
        kind: Kind,
        seq: u16,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
        descriptor: Option<OwnedFd>,
    ) {
        // What grew too long on its way reaches nobody: its receiver would end the connection.
        if let Ok(message) = Message::new(kind, seq, peer, attributes) {
            self.send(to, &message, descriptor);
        }
    }

    /// Sends a message, if the client is there.
    pub(super) fn send(&mut self, to: u32, message: &Message, descriptor: Option<OwnedFd>) {
        if self.clients.contains_key(&to) {
            self.monitor(to, message, true);
        }
        if let Some(client) = self.clients.get_mut(&to) {
            client.link.send(message, descriptor);
        }
    }

    /// An ordinary user's name; nothing for root.
    pub(super) fn user(&self, client: u32) -> Option<&str> {
        self.clients.get(&client)?.user.as_deref()
    }

    /// Whether the client may do this; and notes that it did. Root may do everything, and nobody minds.
    pub(super) fn may(&mut self, client: u32, what: Use<'_>) -> bool {
        let Some(user) = self.clients.get(&client).and_then(|client| client.user.as_deref()) else { return true };
        self.acls.may(user, what)
    }

    /// A notification goes to a subscriber who is to answer it.
    pub(super) fn ask(&mut self, question: Question, kind: &str) {
        self.asked.insert(question, (kind.to_owned(), Instant::now()));
    }

    /// An object's owner answers a call or a notification.
    fn relay(&mut self, from: u32, mut answer: Message, descriptor: Option<OwnedFd>) {
        let is_last = answer.kind == Kind::Status;
        let is_complete = if is_last { answer.status().is_some() } else { raw_data(&answer).is_some() };
        let Some(object) = answer.object().filter(|_| is_complete) else { return };
        if self.objects.get(object).is_none_or(|object| object.owner != from) {
            return;
        }
        let caller = answer.peer;
        if is_last && let Some((kind, since)) = self.asked.remove(&(caller, answer.seq, object)) {
            self.answered.push((kind, since.elapsed()));
        }
        answer.peer = object;
        self.send(caller, &answer, descriptor.filter(|_| is_last));
    }
}

/// Something that an ordinary user needs a right for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use<'a> {
    Call { path: &'a str, method: &'a str },
    Publish(&'a str),
    Subscribe(&'a str),
    Listen(&'a str),
    Send(&'a str),
}

impl Acls {
    /// Reads the file for this user.
    pub(super) fn set(&mut self, user: &str, file: &Value) {
        self.by_user.insert(user.to_owned(), Acl::new(file, user));
    }

    pub(super) fn users(&self) -> Vec<String> {
        self.by_user.keys().cloned().collect()
    }

    /// Whether an object may be called by this user, without a note.
    pub(super) fn may_call(&self, user: &str, path: &str, method: &str) -> bool {
        self.by_user.get(user).is_some_and(|acl| acl.may_call(path, method))
    }

    /// Notes that an ordinary user did this.
    pub(super) fn note(&mut self, what: &str, name: &str, method: &str) {
        self.used.insert((what.to_owned(), name.to_owned(), method.to_owned()));
    }

    fn may(&mut self, user: &str, what: Use<'_>) -> bool {
        let (verb, name, method) = match what {
            Use::Call { path, method } => ("access", path, method),
            Use::Publish(path) => ("publish", path, ""),
            Use::Subscribe(path) => ("subscribe", path, ""),
            Use::Listen(pattern) => ("listen", pattern, ""),
            Use::Send(event) => ("send", event, ""),
        };
        self.note(verb, name, method);
        let Some(acl) = self.by_user.get(user) else { return false };
        match what {
            Use::Call { path, method } => acl.may_call(path, method),
            Use::Publish(path) => acl.may_publish(path),
            Use::Subscribe(path) => acl.may_subscribe(path),
            Use::Listen(pattern) => acl.may_listen(pattern),
            Use::Send(event) => acl.may_send(event),
        }
    }
}

/// The content of the last DATA attribute, whatever it is.
pub(super) fn raw_data(message: &Message) -> Option<&[u8]> {
    let data = message.attributes().map_while(Result::ok).filter_map(|attribute| match attribute {
        Attribute::Data(bytes) => Some(bytes),
        _ => None,
    });
    data.last()
}
