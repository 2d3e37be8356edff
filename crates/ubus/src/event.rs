//! Events: messages by name, from anybody to whoever listens.
//!
//! In: a pattern of names. Out: the events, and since when they are heard. ubusd's own events of objects that come and
//! go are heard in the same way, for the subscriptions.

use crate::message::{Attribute, Kind, Message};
use crate::queue::{self, Queue};
use crate::state::{Handle, Key, Phase, Role, Standing, State, Step};
use crate::{Blobmsg, Builder, Ref, Status};
use std::sync::Arc;
use std::time::Instant;

/// A listener. Dropping it ends it.
#[derive(Debug)]
pub struct Events {
    handle: Arc<Handle>,
    key: Key,
    queue: Arc<Queue<EventNotice>>,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventNotice {
    /// Registered, or registered again: what was sent before may be lost.
    Listening,
    /// ubusd refused. Told once, tried again every ten seconds.
    Denied(Status),
    /// Somebody sent an event.
    Event {
        /// When the message was read, before anything else was done with it.
        at: Instant,
        /// Its name.
        name: String,
        /// What it says.
        data: Blobmsg,
    },
    /// So many events were dropped because nobody took them, after those heard so far and before those to come.
    Lagged(u64),
}

/// A listener, as the driver sees it.
pub(crate) struct Listener {
    patterns: Vec<String>,
    sink: Sink,
    /// Our object that hears.
    object: Option<u32>,
    standing: Standing,
}

enum Sink {
    User(Arc<Queue<EventNotice>>),
    /// Subscriptions want to know which objects come and go.
    Objects,
}

impl Events {
    pub(crate) fn start(handle: Arc<Handle>, pattern: &str) -> Self {
        let queue = Arc::new(Queue::new(CAPACITY));
        let listener = Listener::new([pattern], Sink::User(Arc::clone(&queue)));
        let key = handle.0.with(|state| {
            let key = state.new_key();
            state.listen(key, listener);
            key
        });
        Self { handle, key, queue }
    }

    /// The next notice; `None` once the driver has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<EventNotice> {
        self.queue.next().await
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.handle.0.with(|state| state.unlisten(self.key));
    }
}

impl queue::Notice for EventNotice {
    fn lagged(count: u64) -> Self {
        Self::Lagged(count)
    }

    fn state_of(&self) -> Option<&str> {
        match self {
            Self::Listening | Self::Denied(_) => Some(""),
            Self::Event { .. } | Self::Lagged(_) => None,
        }
    }

    fn size(&self) -> usize {
        if let Self::Event { data, .. } = self { data.as_bytes().len() } else { 0 }
    }
}

impl Listener {
    /// For the subscriptions.
    pub(crate) fn watch() -> Self {
        Self::new([OBJECT_CAME, OBJECT_WENT], Sink::Objects)
    }

    fn new<const N: usize>(patterns: [&str; N], sink: Sink) -> Self {
        let patterns = patterns.map(str::to_owned).into();
        Self { patterns, sink, object: None, standing: Standing::New }
    }

    pub(crate) fn lose(&mut self) {
        self.object = None;
        self.standing = Standing::New;
    }

    pub(crate) fn end(&self) {
        if let Sink::User(queue) = &self.sink {
            queue.close();
        }
    }
}

impl State {
    pub(crate) fn listen(&mut self, key: Key, listener: Listener) {
        if self.phase == Phase::Ended {
            listener.end();
        }
        self.listeners.insert(key, listener);
        if self.phase == Phase::Connected {
            self.listen_all();
        }
    }

    fn unlisten(&mut self, key: Key) {
        if let Some(object) = self.listeners.remove(&key).and_then(|listener| listener.object) {
            self.remove(object);
        }
    }

    /// Registers all that are not.
    pub(crate) fn listen_all(&mut self) {
        for key in self.listeners.keys().copied().collect::<Vec<_>>() {
            let Some(listener) = self.listeners.get_mut(&key) else { continue };
            if !listener.standing.ask() {
                continue;
            }
            match listener.object {
                None => self.ask(Step::AddListener(key), Kind::AddObject, 0, []),
                Some(_) => self.register(key),
            }
        }
    }

    pub(crate) fn listener_added(&mut self, key: Key, object: Option<u32>) {
        let Some(object) = object else { return };
        match self.listeners.get_mut(&key) {
            Some(listener) if listener.object.is_none() => {
                listener.object = Some(object);
                self.roles.insert(object, Role::Listener(key));
            }
            Some(_) => {}
            // Not wanted any more.
            None => self.remove(object),
        }
    }

    pub(crate) fn listener_ended(&mut self, key: Key, status: Status) {
        let object = self.listeners.get(&key).and_then(|listener| listener.object);
        match (status, object) {
            (Status::Ok, Some(_)) => self.register(key),
            (Status::Ok, None) => self.registered(key, 0, Status::UnknownError),
            (status, _) => self.registered(key, 0, status),
        }
    }

    fn register(&mut self, key: Key) {
        let Some(Listener { patterns, object: Some(object), .. }) = self.listeners.get(&key) else { return };
        let object = *object;
        for (index, pattern) in patterns.clone().into_iter().enumerate() {
            let mut data = Builder::new();
            data.push("object", Ref::Int32(object.cast_signed())).push("pattern", Ref::String(pattern.as_bytes()));
            match data.finish() {
                Ok(data) => {
                    let attributes =
                        [Attribute::Object(EVENTS), Attribute::Method("register"), Attribute::Data(data.as_bytes())];
                    self.ask(Step::Register(key, index), Kind::Invoke, EVENTS, attributes);
                }
                Err(_) => self.registered(key, index, Status::InvalidArgument),
            }
        }
    }

    /// ubusd's word on a pattern. The first decides: of objects that went we learn in other ways as well.
    pub(crate) fn registered(&mut self, key: Key, pattern: usize, status: Status) {
        let Some(listener) = self.listeners.get_mut(&key).filter(|_| pattern == 0) else { return };
        let news = listener.standing.settle(status);
        let refused = status != Status::Ok;
        self.retry |= refused;
        match &listener.sink {
            Sink::User(queue) if news => {
                queue.push(if refused { EventNotice::Denied(status) } else { EventNotice::Listening });
            }
            Sink::User(_) => {}
            Sink::Objects => {
                if refused && news {
                    tracing::warn!(%status, "may not hear which objects come: looking every ten seconds");
                }
                self.look_all();
            }
        }
    }

    pub(crate) fn heard(&mut self, key: Key, message: &Message, at: Instant) {
        let Some(listener) = self.listeners.get(&key) else { return };
        let name = message.method().unwrap_or_default();
        let data = message.data().unwrap_or_else(|| Ok(Blobmsg::new()));
        match (&listener.sink, data) {
            (Sink::User(queue), Ok(data)) => {
                let kept = queue.push(EventNotice::Event { at, name: name.to_owned(), data });
                self.counters.lagged += u64::from(!kept);
            }
            (Sink::User(queue), Err(_)) => {
                queue.lag();
                self.counters.lagged += 1;
            }
            (Sink::Objects, Ok(data)) => {
                let path = data.get("path").and_then(|path| path.as_str());
                let id = data.get("id").and_then(|id| id.as_u32());
                if let (Some(path), Some(id)) = (path, id) {
                    match name {
                        OBJECT_CAME => self.object_came(path, id),
                        OBJECT_WENT => self.object_went(path, id),
                        _ => {}
                    }
                }
            }
            (Sink::Objects, Err(_)) => {}
        }
    }
}

/// The listener of the subscriptions.
pub(crate) const WATCH: Key = 0;
/// ubusd's own object for events.
pub(crate) const EVENTS: u32 = 1;
const OBJECT_CAME: &str = "ubus.object.add";
const OBJECT_WENT: &str = "ubus.object.remove";
const CAPACITY: usize = 256;
