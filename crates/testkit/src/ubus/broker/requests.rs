//! What clients ask of ubusd about objects: add and remove them, call them, subscribe to them, notify.

use std::os::fd::OwnedFd;

use tokio_ubus::Status;
use tokio_ubus::message::{Attribute, Kind, Message, subscriber_list};

use super::bus::{Answer, Bus, Use, raw_data};
use super::objects::methods;
use super::system::is_system;

impl Bus {
    pub(super) fn add_object(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let signature = raw_signature(request).filter(|_| request.object_type().is_none());
        let kind = match signature.map(methods) {
            Some(methods) => methods.map(|methods| self.objects.add_kind(methods)),
            None => request.object_type().filter(|kind| self.objects.is_kind(*kind)),
        };
        let path = request.path();
        if let Some(path) = path
            && (!self.may(from, Use::Publish(path)) || self.objects.at(path).is_some())
        {
            return Err(Status::InvalidArgument);
        }
        let id = self.objects.add(from, path, kind);
        if let Some(path) = path {
            self.object_event("ubus.object.add", id, path);
        }
        // Whoever named the type knows it.
        let told = kind.filter(|_| signature.is_some()).map(Attribute::Type);
        let attributes = [Attribute::Object(id)].into_iter().chain(told);
        self.tell(from, Kind::Data, request.seq, request.peer, attributes);
        Ok(Answer::Ok)
    }

    pub(super) fn remove_object(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let id = request.object().ok_or(Status::InvalidArgument)?;
        self.owned(id, from, Status::PermissionDenied)?;
        let kind = self.objects.last_of_kind(id);
        let attributes = [Attribute::Object(id)].into_iter().chain(kind.map(Attribute::Type));
        self.tell(from, Kind::Data, request.seq, request.peer, attributes);
        self.drop_object(id);
        Ok(Answer::Ok)
    }

    /// Removes an object and tells everybody concerned.
    pub(super) fn drop_object(&mut self, id: u32) {
        let Some(mut removed) = self.objects.remove(id) else { return };
        for target in removed.deserted {
            self.tell_active(target, false);
        }
        for subscriber in &removed.subscribers {
            self.tell_gone(*subscriber, id);
        }
        if !removed.subscribers.is_empty() {
            let seq = removed.object.next_told();
            let attributes = [Attribute::Object(id), Attribute::Active(0)];
            self.tell(removed.object.owner, Kind::Notify, seq, 0, attributes);
        }
        self.listeners.remove(id);
        if let Some(path) = &removed.object.path {
            self.object_event("ubus.object.remove", id, path);
        }
    }

    pub(super) fn invoke(
        &mut self,
        from: u32,
        request: &Message,
        descriptor: Option<OwnedFd>,
    ) -> Result<Answer, Status> {
        let (Some(id), Some(method)) = (request.object(), request.method()) else {
            return Err(Status::InvalidArgument);
        };
        if is_system(id) {
            return self.invoke_system(from, id, method, request);
        }
        let object = self.objects.get(id).ok_or(Status::NotFound)?;
        let (owner, path) = (object.owner, object.path.clone());
        // Whoever has the id of an object without a path may call it.
        if let Some(path) = &path
            && !self.may(from, Use::Call { path, method })
        {
            return Err(Status::PermissionDenied);
        }
        let user = self.user(from).unwrap_or(ROOT).to_owned();
        let attributes =
            [Attribute::Object(id), Attribute::Method(method), Attribute::User(&user), Attribute::Group(&user)];
        let attributes = attributes.into_iter().chain(raw_data(request).map(Attribute::Data));
        self.tell_with(owner, Kind::Invoke, request.seq, from, attributes, descriptor);
        Ok(Answer::None)
    }

    pub(super) fn subscribe(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let (subscriber, target) = self.subscription(from, request)?;
        let object = self.objects.get(target).ok_or(Status::NotFound)?;
        if object.owner == from {
            return Err(Status::InvalidArgument);
        }
        let allowed = match object.path.clone() {
            Some(path) => self.may(from, Use::Subscribe(&path)),
            None => self.user(object.owner) == self.user(from),
        };
        if !allowed {
            return Err(Status::NotFound);
        }
        let is_first = !self.objects.has_subscribers(target);
        self.objects.subscribe(target, subscriber);
        if is_first {
            self.tell_active(target, true);
        }
        Ok(Answer::Ok)
    }

    pub(super) fn unsubscribe(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let (subscriber, target) = self.subscription(from, request)?;
        if !self.objects.unsubscribe(target, subscriber) {
            return Err(Status::NotFound);
        }
        if !self.objects.has_subscribers(target) {
            self.tell_active(target, false);
        }
        Ok(Answer::Ok)
    }

    pub(super) fn notify(&mut self, from: u32, request: &Message) -> Result<Answer, Status> {
        let (Some(id), Some(kind)) = (request.object(), request.method()) else {
            return Err(Status::InvalidArgument);
        };
        self.owned(id, from, Status::PermissionDenied)?;
        let subscribers = self.objects.subscribers(id);
        let wants_answers = !request.no_reply();
        if wants_answers {
            let list = subscriber_list(subscribers.iter().copied());
            let attributes = [Attribute::Object(id), Attribute::Subscribers(&list), Attribute::Status(0)];
            self.tell(from, Kind::Status, request.seq, request.peer, attributes);
        }
        let user = self.user(from).unwrap_or(ROOT).to_owned();
        for subscriber in subscribers {
            let Some(owner) = self.objects.get(subscriber).map(|object| object.owner) else { continue };
            if wants_answers {
                self.ask((from, request.seq, subscriber), kind);
            }
            let flag = (!wants_answers).then_some(Attribute::NoReply(1));
            let attributes = [
                Attribute::Object(subscriber),
                Attribute::Method(kind),
                Attribute::User(&user),
                Attribute::Group(&user),
            ];
            let data = raw_data(request).map(Attribute::Data);
            let attributes = flag.into_iter().chain(attributes).chain(data);
            self.tell(owner, Kind::Invoke, request.seq, from, attributes);
        }
        Ok(Answer::None)
    }

    /// Subscriber and target, the subscriber being the client's own.
    fn subscription(&self, from: u32, request: &Message) -> Result<(u32, u32), Status> {
        let (Some(subscriber), Some(target)) = (request.object(), request.target()) else {
            return Err(Status::InvalidArgument);
        };
        self.owned(subscriber, from, Status::InvalidArgument)?;
        Ok((subscriber, target))
    }

    /// Whether the object is the client's own; `otherwise` is what is said of somebody else's, and of ubusd's own.
    fn owned(&self, id: u32, client: u32, otherwise: Status) -> Result<(), Status> {
        match self.objects.get(id) {
            Some(object) if object.owner == client => Ok(()),
            None if !is_system(id) => Err(Status::NotFound),
            _ => Err(otherwise),
        }
    }

    /// Tells an owner that somebody subscribes to its object, or nobody any more.
    fn tell_active(&mut self, target: u32, active: bool) {
        let Some(owner) = self.objects.get(target).map(|object| object.owner) else { return };
        let seq = self.objects.next_told(target);
        let attributes = [Attribute::Object(target), Attribute::Active(active.into())];
        self.tell(owner, Kind::Notify, seq, 0, attributes);
    }

    /// Tells a subscriber that what it subscribed to is gone.
    fn tell_gone(&mut self, subscriber: u32, target: u32) {
        let Some(owner) = self.objects.get(subscriber).map(|object| object.owner) else { return };
        let seq = self.objects.next_told(subscriber);
        let attributes = [Attribute::Object(subscriber), Attribute::Target(target)];
        self.tell(owner, Kind::Unsubscribe, seq, 0, attributes);
    }
}

fn raw_signature(message: &Message) -> Option<&[u8]> {
    let signatures = message.attributes().map_while(Result::ok).filter_map(|attribute| match attribute {
        Attribute::Signature(bytes) => Some(bytes),
        _ => None,
    });
    signatures.last()
}

/// Name of the user and of its group.
const ROOT: &str = "root";
