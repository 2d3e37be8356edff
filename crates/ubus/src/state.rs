//! What the handles and the driver have in common, behind one lock: what is registered with ubusd and for whom.
//!
//! In: what handles want, and messages from ubusd. Out: frames into [`Outgoing`], notices into queues, and [`Todo`],
//! which the driver does after it has let go of the lock. Knows no socket and no clock; never waits.
//!
//! Whatever takes several requests goes [`Step`] by step: each is sent when the one before it was answered.

use crate::calls::{Calls, Told, Waiter};
use crate::event::Listener;
use crate::follow::{Follower, Notified};
use crate::message::{Attribute, Kind, Message};
use crate::out::{Frame, Outgoing};
use crate::publish::{Incoming, Registration};
use crate::queue::Queue;
use crate::subscription::{Answerer, Notice};
use crate::{Counters, EncodeError, Error, Misuse, Request, Status, frame};
use sorted::SortedMap;
use std::collections::HashMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, mpsc, watch};

/// The lock, and what wakes the driver.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) wake: Notify,
    pub(crate) connected: watch::Sender<bool>,
}

/// One in each kind of handle; when the last is dropped, the driver ends.
pub(crate) struct Handle(pub(crate) Arc<Shared>);

/// Of a subscription, a listener or a published object.
pub(crate) type Key = u64;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// Which connection this is; an answer to a request of another one is not sent.
    pub(crate) epoch: u64,
    /// Descriptors can be sent.
    pub(crate) descriptors: bool,
    /// No handle is left.
    pub(crate) abandoned: bool,
    /// Something was refused and is to be tried again.
    pub(crate) retry: bool,
    pub(crate) out: Outgoing,
    pub(crate) calls: Calls,
    /// Our objects on this connection.
    pub(crate) roles: HashMap<u32, Role>,
    pub(crate) published: SortedMap<Key, Registration>,
    pub(crate) listeners: SortedMap<Key, Listener>,
    pub(crate) followers: SortedMap<Key, Follower>,
    /// Whether ubusd has said yes or no to telling us of objects that come: only then is a look-up complete.
    pub(crate) watching: bool,
    /// Ids of paths that were called.
    pub(crate) paths: HashMap<String, u32>,
    pub(crate) counters: Counters,
    last_key: Key,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Waiting,
    Connected,
    /// The driver ended.
    Ended,
}

/// What one of our objects is for.
#[derive(Clone)]
pub(crate) enum Role {
    Published(Key),
    Listener(Key),
    Subscriber(Key, Arc<str>),
    /// A subscriber that is being removed. To an answer that is no OK, a notifier may do its worst.
    Leaving,
}

/// How far a registration has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    Asked,
    Granted,
    Refused,
    /// Refused, and asked for again.
    AskedAgain,
}

/// What a request of the client itself is for.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Publish(Key),
    AddListener(Key),
    /// The pattern of this index.
    Register(Key, usize),
    Look(Key),
    /// A subscriber for the object of this path and id.
    AddSubscriber(Key, Arc<str>, u32),
    Subscribe(Key, Arc<str>, u32),
    /// A subscriber.
    Remove(u32),
}

/// Is done without the lock.
pub(crate) enum Todo {
    /// Ask the subscriber's function what to answer, and then [`State::answer`].
    Ask(Answerer, Notified),
    /// Hand a request to whoever serves the object.
    Request(mpsc::Sender<Request>, Incoming),
}

impl Shared {
    pub(crate) fn new(descriptors: bool) -> Arc<Self> {
        let state = Mutex::new(State { descriptors, ..State::default() });
        Arc::new(Self { state, wake: Notify::new(), connected: watch::Sender::new(false) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For handles: the driver looks afterwards whether there is something to write.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.wake.notify_one();
        result
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.with(|state| state.abandoned = true);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Standing {
    /// Whether it is to be asked for, and so it is.
    pub(crate) fn ask(&mut self) -> bool {
        *self = match self {
            Self::New => Self::Asked,
            Self::Refused => Self::AskedAgain,
            Self::Asked | Self::AskedAgain | Self::Granted => return false,
        };
        true
    }

    /// ubusd's word on it; whether that is news.
    pub(crate) fn settle(&mut self, status: Status) -> bool {
        let was = *self;
        *self = if status == Status::Ok { Self::Granted } else { Self::Refused };
        status == Status::Ok || was != Self::AskedAgain
    }
}

impl State {
    pub(crate) fn new_key(&mut self) -> Key {
        self.last_key += 1;
        self.last_key
    }

    /// Whether this is still the connection of that number.
    pub(crate) fn is_same(&self, epoch: u64) -> bool {
        self.phase == Phase::Connected && self.epoch == epoch
    }

    /// ubusd greeted us: everything is registered.
    pub(crate) fn begin(&mut self) {
        self.phase = Phase::Connected;
        self.epoch += 1;
        self.counters.connects += 1;
        self.publish_all();
        self.listen_all();
    }

    /// The connection is lost: nothing is registered any more.
    pub(crate) fn lose(&mut self) {
        self.phase = Phase::Waiting;
        self.retry = false;
        self.watching = false;
        // Answered or not, they were heard.
        while let Some(frame) = self.out.next() {
            self.written(frame);
        }
        self.calls.fail();
        self.roles.clear();
        self.paths.clear();
        self.published.values_mut().for_each(Registration::lose);
        self.listeners.values_mut().for_each(Listener::lose);
        self.followers.values_mut().for_each(Follower::lose);
    }

    /// The driver ends: all who wait are told.
    pub(crate) fn end(&mut self) {
        self.lose();
        self.phase = Phase::Ended;
        self.published = SortedMap::new();
        self.listeners.values().for_each(Listener::end);
        self.followers.values().for_each(Follower::end);
    }

    /// Tries again what was refused.
    pub(crate) fn try_again(&mut self) {
        self.retry = false;
        self.publish_all();
        self.listen_all();
        self.look_again();
    }

    /// A message from ubusd, read at this moment.
    pub(crate) fn receive(&mut self, message: Message, fd: Option<OwnedFd>, at: Instant) -> Option<Todo> {
        match message.kind {
            Kind::Data | Kind::Status => match self.calls.answer(message, fd) {
                Some((step, Told::Part(part))) => self.part(step, &part),
                Some((step, Told::End(status, parts))) => self.finish(step, status, parts),
                None => {}
            },
            Kind::Invoke => return self.invoked(&message, fd, at),
            Kind::Unsubscribe => self.unsubscribed(&message),
            Kind::Notify => self.activated(&message),
            kind => tracing::debug!(?kind, "passed over a message from ubusd"),
        }
        None
    }

    /// A frame was written. What had to wait for it is handed up.
    pub(crate) fn written(&mut self, frame: Frame) {
        if let Some((queue, notice)) = self.out.written(frame) {
            self.counters.lagged += u64::from(!queue.push(notice));
        }
    }

    /// Hands a notice up, behind those that wait for their answer to be written.
    pub(crate) fn tell(&mut self, queue: &Arc<Queue<Notice>>, notice: Notice) {
        if self.out.is_handing_up() {
            self.out.push_urgent(Vec::new(), Some((Arc::clone(queue), notice)));
        } else {
            self.counters.lagged += u64::from(!queue.push(notice));
        }
    }

    /// Sends a request for somebody who waits.
    pub(crate) fn call<'a>(
        &mut self,
        kind: Kind,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
        fd: Option<OwnedFd>,
        waiter: Waiter,
    ) -> Result<u16, Error> {
        if self.phase != Phase::Connected {
            return Err(Error::Closed);
        }
        if fd.is_some() && !self.descriptors {
            return Err(Misuse::NoDescriptors.into());
        }
        if !self.out.has_room() {
            return Err(Misuse::TooMuchWaiting.into());
        }
        let seq = self.calls.number().ok_or(Misuse::TooMuchWaiting)?;
        let frame = encode(kind, seq, peer, attributes).map_err(Misuse::from)?;
        self.calls.insert(seq, peer, waiter);
        self.out.push(frame, fd);
        Ok(seq)
    }

    /// Sends a request of the client itself. There is always room: they are few for each handle, and short.
    pub(crate) fn ask<'a>(
        &mut self,
        step: Step,
        kind: Kind,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
    ) {
        let Some(seq) = self.calls.number() else { return self.finish(step, Status::NoMemory, 0) };
        match encode(kind, seq, peer, attributes) {
            Ok(frame) => {
                self.calls.insert(seq, peer, Waiter::Step(step));
                self.out.push(frame, None);
            }
            // A pattern or path that cannot be sent.
            Err(_) => self.finish(step, Status::InvalidArgument, 0),
        }
    }

    /// Removes one of our objects; nobody needs to know when it is done.
    pub(crate) fn remove(&mut self, object: u32) {
        self.roles.remove(&object);
        self.say(Kind::RemoveObject, [Attribute::Object(object)]);
    }

    /// Sends a request of which the answer is passed over, by this number.
    pub(crate) fn say<'a>(&mut self, kind: Kind, attributes: impl IntoIterator<Item = Attribute<'a>>) -> Option<u16> {
        let seq = self.calls.number()?;
        self.out.push(encode(kind, seq, 0, attributes).ok()?, None);
        Some(seq)
    }

    /// A part of the answer to one of our steps.
    fn part(&mut self, step: Step, message: &Message) {
        match step {
            Step::Publish(key) => self.published_as(key, message.object()),
            Step::AddListener(key) => self.listener_added(key, message.object()),
            Step::Look(key) => self.found(key, message.path(), message.object()),
            Step::AddSubscriber(key, path, id) => self.subscriber_added(key, &path, id, message.object()),
            Step::Register(..) | Step::Subscribe(..) | Step::Remove(_) => {}
        }
    }

    /// The end of the answer to one of our steps.
    fn finish(&mut self, step: Step, status: Status, parts: usize) {
        match step {
            Step::Publish(key) => self.publish_ended(key, status),
            Step::AddListener(key) => self.listener_ended(key, status),
            Step::Register(key, pattern) => self.registered(key, pattern, status),
            Step::Look(key) => self.looked(key, status, parts),
            Step::AddSubscriber(key, path, id) => self.subscriber_ended(key, &path, id, status),
            Step::Subscribe(key, path, id) => self.subscribed(key, &path, id, status),
            Step::Remove(object) => drop(self.roles.remove(&object)),
        }
    }

    /// Something for one of our objects: a call, a notification or an event.
    fn invoked(&mut self, message: &Message, fd: Option<OwnedFd>, at: Instant) -> Option<Todo> {
        let object = message.object()?;
        match self.roles.get(&object).cloned() {
            Some(Role::Published(key)) => return self.requested(key, object, message, fd),
            Some(Role::Subscriber(key, path)) => return self.notified(key, path, object, message, at),
            // Only ubusd itself has no id: so nobody else can make us believe in an event.
            Some(Role::Listener(key)) if message.peer == 0 => self.heard(key, message, at),
            Some(Role::Leaving) => self.reply_at_once(message, object, Status::Ok),
            Some(Role::Listener(_)) => self.reply_at_once(message, object, Status::MethodNotFound),
            None => self.reply_at_once(message, object, Status::NotFound),
        }
        None
    }

    /// Answers what goes no further, if an answer is wanted.
    pub(crate) fn reply_at_once(&mut self, message: &Message, object: u32, status: Status) {
        if message.peer != 0 && !message.no_reply() {
            self.out.push_urgent(status_frame(message.seq, message.peer, object, status), None);
        }
    }
}

pub(crate) fn encode<'a>(
    kind: Kind,
    seq: u16,
    peer: u32,
    attributes: impl IntoIterator<Item = Attribute<'a>>,
) -> Result<Vec<u8>, EncodeError> {
    let mut frame = Vec::new();
    frame::encode(&Message::new(kind, seq, peer, attributes)?, &mut frame);
    Ok(frame)
}

/// The end of an answer of one of our objects.
pub(crate) fn status_frame(seq: u16, peer: u32, object: u32, status: Status) -> Vec<u8> {
    encode(Kind::Status, seq, peer, [Attribute::Status(status.code()), Attribute::Object(object)])
        .expect("two numbers are short")
}
