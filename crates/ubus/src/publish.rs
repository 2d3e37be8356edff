//! Objects of our own: their registration, and what is asked of them.
//!
//! In: objects to publish, and from ubusd calls and who subscribes. Out: requests to whoever serves the object. What no
//! object can serve is answered here: an unknown method, arguments that cannot be read.

use crate::message::{Attribute, Kind, Message};
use crate::state::{Key, Phase, Role, Standing, State, Step, Todo, encode};
use crate::{Blobmsg, EncodeError, Error, Object, ObjectState, Request, Status};
use std::os::fd::OwnedFd;
use tokio::sync::{mpsc, watch};

/// A published object, as the driver sees it.
pub(crate) struct Registration {
    object: Object,
    requests: mpsc::Sender<Request>,
    state: watch::Sender<ObjectState>,
    id: Option<u32>,
    standing: Standing,
    subscribers: bool,
}

/// A call of one of our methods.
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) args: Blobmsg,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) fd: Option<OwnedFd>,
    pub(crate) epoch: u64,
    pub(crate) object: u32,
    pub(crate) seq: u16,
    pub(crate) peer: u32,
}

impl Registration {
    pub(crate) fn lose(&mut self) {
        self.id = None;
        self.standing = Standing::New;
        self.subscribers = false;
        self.state.send_replace(ObjectState::Waiting);
    }
}

impl State {
    pub(crate) fn publish(
        &mut self,
        object: Object,
        requests: mpsc::Sender<Request>,
    ) -> (Key, watch::Receiver<ObjectState>) {
        let key = self.new_key();
        let (state, receiver) = watch::channel(ObjectState::Waiting);
        if self.phase != Phase::Ended {
            let standing = Standing::New;
            self.published
                .insert(key, Registration { object, requests, state, id: None, standing, subscribers: false });
        }
        if self.phase == Phase::Connected {
            self.publish_all();
        }
        (key, receiver)
    }

    pub(crate) fn unpublish(&mut self, key: Key) {
        if let Some(id) = self.published.remove(&key).and_then(|registration| registration.id) {
            self.remove(id);
        }
    }

    /// Registers all that are not.
    pub(crate) fn publish_all(&mut self) {
        for key in self.published.keys().copied().collect::<Vec<_>>() {
            let Some(registration) = self.published.get_mut(&key) else { continue };
            if !registration.standing.ask() {
                continue;
            }
            let path = registration.object.path.clone();
            match registration.object.signature() {
                Ok(signature) => {
                    let attributes = [Attribute::Path(&path), Attribute::Signature(signature.as_bytes())];
                    self.ask(Step::Publish(key), Kind::AddObject, 0, attributes);
                }
                Err(_) => self.publish_ended(key, Status::InvalidArgument),
            }
        }
    }

    /// ubusd gave it an id. It may be called at once.
    pub(crate) fn published_as(&mut self, key: Key, id: Option<u32>) {
        let Some(id) = id else { return };
        match self.published.get_mut(&key) {
            Some(registration) if registration.id.is_none() => {
                registration.id = Some(id);
                self.roles.insert(id, Role::Published(key));
            }
            Some(_) => {}
            // Not wanted any more.
            None => self.remove(id),
        }
    }

    pub(crate) fn publish_ended(&mut self, key: Key, status: Status) {
        let Some(registration) = self.published.get_mut(&key) else { return };
        let status = if status == Status::Ok && registration.id.is_none() { Status::UnknownError } else { status };
        let news = registration.standing.settle(status);
        let Some(id) = registration.id.filter(|_| status == Status::Ok) else {
            registration.state.send_replace(ObjectState::Denied(status));
            self.retry = true;
            if news {
                let path = &registration.object.path;
                tracing::warn!(path, %status, "cannot publish: the name is taken, or not allowed; trying again");
            }
            return;
        };
        registration.state.send_replace(ObjectState::Registered(id));
    }

    /// ubusd says whether an object has subscribers.
    pub(crate) fn activated(&mut self, message: &Message) {
        let (Some(object), Some(active)) = (message.object(), message.active()) else { return };
        if let Some(Role::Published(key)) = self.roles.get(&object)
            && let Some(registration) = self.published.get_mut(key)
        {
            registration.subscribers = active;
        }
    }

    /// The object's id, if it has subscribers.
    pub(crate) fn subscribed_object(&self, key: Key) -> Result<Option<u32>, Error> {
        let registration = self.published.get(&key).ok_or(Error::Closed)?;
        let id = registration.id.ok_or(Error::Closed)?;
        Ok(Some(id).filter(|_| registration.subscribers))
    }

    pub(crate) fn notify(&mut self, key: Key, kind: &str, data: &Blobmsg) -> Result<(), EncodeError> {
        let Ok(Some(object)) = self.subscribed_object(key) else { return Ok(()) };
        let seq = self.calls.number().filter(|_| self.out.has_room());
        let attributes = [
            Attribute::Object(object),
            Attribute::Method(kind),
            Attribute::Data(data.as_bytes()),
            Attribute::NoReply(1),
        ];
        match seq {
            Some(seq) => self.out.push(encode(Kind::Notify, seq, object, attributes)?, None),
            None => self.counters.unsent += 1,
        }
        Ok(())
    }

    /// Somebody calls one of our objects.
    pub(crate) fn requested(&mut self, key: Key, id: u32, message: &Message, fd: Option<OwnedFd>) -> Option<Todo> {
        let registration = self.published.get(&key)?;
        let method = message.method().unwrap_or_default();
        if !registration.object.methods.iter().any(|(known, _)| known == method) {
            self.reply_at_once(message, id, Status::MethodNotFound);
            return None;
        }
        let Ok(args) = message.data().unwrap_or_else(|| Ok(Blobmsg::new())) else {
            self.reply_at_once(message, id, Status::InvalidArgument);
            return None;
        };
        let incoming = Incoming {
            method: method.to_owned(),
            args,
            user: message.user().map(str::to_owned),
            group: message.group().map(str::to_owned),
            fd,
            epoch: self.epoch,
            object: id,
            seq: message.seq,
            peer: message.peer,
        };
        Some(Todo::Request(registration.requests.clone(), incoming))
    }
}
