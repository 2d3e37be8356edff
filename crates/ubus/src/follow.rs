//! What subscriptions follow: which objects match, and what they notify.
//!
//! In: look-ups, events of objects that come and go, notifications. Out: a subscriber of its own for each object, since
//! a notification does not name its source; notices. An object is never subscribed to twice, although look-up and event
//! may both tell of it: what counts is its path and id.

use crate::event::{Listener, WATCH};
use crate::message::{Attribute, Kind, Message};
use crate::queue::Queue;
use crate::state::{Key, Phase, Role, Standing, State, Step, Todo, encode, status_frame};
use crate::subscription::{Answerer, Notice};
use crate::{Asked, Blobmsg, Malformed, Status};
use sorted::SortedMap;
use std::sync::Arc;
use std::time::Instant;

/// What a subscriber wants to hear.
pub(crate) struct Wanted {
    pub(crate) pattern: Arc<str>,
    /// Paths that are left out.
    pub(crate) except: Vec<String>,
    /// Kinds of notifications; all when there is none.
    pub(crate) only: Option<Vec<String>>,
    pub(crate) answer: Option<Answerer>,
}

/// A subscription, as the driver sees it.
pub(crate) struct Follower {
    wanted: Wanted,
    queue: Arc<Queue<Notice>>,
    targets: SortedMap<Arc<str>, Target>,
    /// The look-up.
    refused: bool,
}

struct Target {
    id: u32,
    /// Our subscriber.
    own: Option<u32>,
    standing: Standing,
}

/// A notification, while it is decided what to answer.
pub(crate) struct Notified {
    queue: Arc<Queue<Notice>>,
    own: u32,
    seq: u16,
    peer: u32,
    wants_answer: bool,
    passes: bool,
    path: Arc<str>,
    at: Instant,
    kind: String,
    data: Result<Blobmsg, Malformed>,
}

impl Follower {
    pub(crate) fn new(wanted: Wanted, queue: Arc<Queue<Notice>>) -> Self {
        Self { wanted, queue, targets: SortedMap::new(), refused: false }
    }

    pub(crate) fn lose(&mut self) {
        self.refused = false;
        for (path, target) in std::mem::take(&mut self.targets) {
            if target.standing == Standing::Granted {
                self.queue.push(Notice::Gone { path });
            }
        }
    }

    pub(crate) fn end(&self) {
        self.queue.close();
    }

    /// The target, while it is still the object of this id.
    fn target(&mut self, path: &str, id: u32) -> Option<&mut Target> {
        self.targets.get_mut(path).filter(|target| target.id == id)
    }
}

impl Notified {
    /// What the subscriber's function wants to know; nothing when it cannot be read.
    pub(crate) fn asked(&self) -> Option<Asked<'_>> {
        self.data.as_ref().ok().map(|data| Asked { path: &self.path, kind: &self.kind, data })
    }
}

impl State {
    pub(crate) fn follow(&mut self, key: Key, follower: Follower) {
        if self.phase == Phase::Ended {
            follower.end();
        }
        self.followers.insert(key, follower);
        if self.watching {
            self.look(key);
        } else if !self.listeners.contains_key(&WATCH) {
            // An object that comes after we looked would be missed without it.
            self.listen(WATCH, Listener::watch());
        }
    }

    /// Gives it back, to be dropped without the lock: its function may hold anything.
    #[must_use]
    pub(crate) fn unfollow(&mut self, key: Key) -> Option<Follower> {
        let mut follower = self.followers.remove(&key)?;
        for (_, target) in std::mem::take(&mut follower.targets) {
            if let (Some(own), Standing::Granted) = (target.own, target.standing) {
                self.say(Kind::Unsubscribe, [Attribute::Object(own), Attribute::Target(target.id)]);
            }
            self.dismiss(&target);
        }
        Some(follower)
    }

    /// ubusd will tell us of objects that come, or will not: now a look-up is complete, or all there is.
    pub(crate) fn look_all(&mut self) {
        self.watching = true;
        for key in self.followers.keys().copied().collect::<Vec<_>>() {
            self.look(key);
        }
    }

    /// For those who were refused something.
    pub(crate) fn look_again(&mut self) {
        let refused = |follower: &Follower| {
            follower.refused || follower.targets.values().any(|target| target.standing == Standing::Refused)
        };
        let keys: Vec<Key> = self.followers.iter().filter(|(_, f)| refused(f)).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.look(key));
    }

    fn look(&mut self, key: Key) {
        let Some(pattern) = self.followers.get(&key).map(|follower| Arc::clone(&follower.wanted.pattern)) else {
            return;
        };
        self.ask(Step::Look(key), Kind::Lookup, 0, [Attribute::Path(&pattern)]);
    }

    /// An object, by a look-up or an event.
    pub(crate) fn found(&mut self, key: Key, path: Option<&str>, id: Option<u32>) {
        let (Some(path), Some(id)) = (path, id) else { return };
        let Some(follower) = self.followers.get_mut(&key) else { return };
        follower.refused = false;
        if follower.wanted.except.iter().any(|left_out| left_out == path) {
            return;
        }
        let path: Arc<str> = path.into();
        if follower.target(&path, id).is_none() {
            if follower.targets.len() >= MAX_TARGETS {
                return tracing::debug!(%path, "follows too many objects already");
            }
            let target = Target { id, own: None, standing: Standing::New };
            if let Some(other) = follower.targets.insert(Arc::clone(&path), target) {
                self.gone(key, Arc::clone(&path), &other);
            }
        }
        let Some(target) = self.target(key, &path, id) else { return };
        if target.standing.ask() {
            match target.own {
                Some(own) => self.subscribe_to(key, path, id, own),
                None => self.ask(Step::AddSubscriber(key, path, id), Kind::AddObject, 0, []),
            }
        }
    }

    /// The end of a look-up. What may not be seen is not said to be absent: there is just nothing.
    pub(crate) fn looked(&mut self, key: Key, status: Status, parts: usize) {
        let Some(follower) = self.followers.get_mut(&key) else { return };
        let status = match status {
            Status::Ok if parts == 0 && !follower.wanted.pattern.ends_with('*') => Status::PermissionDenied,
            Status::Ok | Status::NotFound => {
                follower.refused = false;
                return;
            }
            status => status,
        };
        let told = std::mem::replace(&mut follower.refused, true);
        self.retry = true;
        if !told {
            let (queue, path) = (Arc::clone(&follower.queue), Arc::clone(&follower.wanted.pattern));
            self.tell(&queue, Notice::Denied { path, status });
        }
    }

    pub(crate) fn subscriber_added(&mut self, key: Key, path: &Arc<str>, id: u32, own: Option<u32>) {
        let Some(own) = own else { return };
        match self.target(key, path, id) {
            Some(target) if target.own.is_none() => {
                target.own = Some(own);
                self.roles.insert(own, Role::Subscriber(key, Arc::clone(path)));
            }
            Some(_) => {}
            // Not wanted any more.
            None => self.remove(own),
        }
    }

    pub(crate) fn subscriber_ended(&mut self, key: Key, path: &Arc<str>, id: u32, status: Status) {
        let Some(target) = self.target(key, path, id) else { return };
        match (status, target.own) {
            (Status::Ok, Some(own)) => self.subscribe_to(key, Arc::clone(path), id, own),
            (Status::Ok, None) => self.subscribed(key, path, id, Status::UnknownError),
            (status, _) => self.subscribed(key, path, id, status),
        }
    }

    fn subscribe_to(&mut self, key: Key, path: Arc<str>, id: u32, own: u32) {
        let attributes = [Attribute::Object(own), Attribute::Target(id)];
        self.ask(Step::Subscribe(key, path, id), Kind::Subscribe, 0, attributes);
    }

    pub(crate) fn subscribed(&mut self, key: Key, path: &Arc<str>, id: u32, status: Status) {
        let Some(follower) = self.followers.get_mut(&key) else { return };
        let queue = Arc::clone(&follower.queue);
        let Some(target) = follower.target(path, id) else { return };
        let news = target.standing.settle(status);
        let path = Arc::clone(path);
        self.retry |= status != Status::Ok;
        if news {
            let granted = status == Status::Ok;
            self.tell(&queue, if granted { Notice::Subscribed { path } } else { Notice::Denied { path, status } });
        }
    }

    /// ubusd says that a target is gone.
    pub(crate) fn unsubscribed(&mut self, message: &Message) {
        let (Some(own), Some(id)) = (message.object(), message.target()) else { return };
        if let Some(Role::Subscriber(key, path)) = self.roles.get(&own).cloned() {
            self.forget(key, &path, id);
        }
    }

    /// An event says that an object came.
    pub(crate) fn object_came(&mut self, path: &str, id: u32) {
        self.paths.remove(path);
        let follow = |follower: &Follower| matches(&follower.wanted.pattern, path);
        let keys: Vec<Key> = self.followers.iter().filter(|(_, f)| follow(f)).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.found(key, Some(path), Some(id)));
    }

    /// An event says that an object went.
    pub(crate) fn object_went(&mut self, path: &str, id: u32) {
        self.paths.remove(path);
        for key in self.followers.keys().copied().collect::<Vec<_>>() {
            self.forget(key, path, id);
        }
    }

    fn target(&mut self, key: Key, path: &str, id: u32) -> Option<&mut Target> {
        self.followers.get_mut(&key)?.target(path, id)
    }

    /// An object of this path and id is there no more.
    fn forget(&mut self, key: Key, path: &str, id: u32) {
        let Some(follower) = self.followers.get_mut(&key) else { return };
        if follower.target(path, id).is_some()
            && let Some((path, target)) = follower.targets.remove_entry(path)
        {
            self.gone(key, path, &target);
        }
    }

    /// A target was taken out.
    fn gone(&mut self, key: Key, path: Arc<str>, target: &Target) {
        if target.standing == Standing::Granted
            && let Some(queue) = self.followers.get(&key).map(|follower| Arc::clone(&follower.queue))
        {
            self.tell(&queue, Notice::Gone { path });
        }
        self.dismiss(target);
    }

    /// Removes a subscriber, and with it the subscription.
    fn dismiss(&mut self, target: &Target) {
        if let Some(own) = target.own {
            self.roles.insert(own, Role::Leaving);
            self.ask(Step::Remove(own), Kind::RemoveObject, 0, [Attribute::Object(own)]);
        }
    }

    /// A notification. Nothing is read of it that nobody wants to know.
    pub(crate) fn notified(
        &mut self,
        key: Key,
        path: Arc<str>,
        own: u32,
        message: &Message,
        at: Instant,
    ) -> Option<Todo> {
        let follower = self.followers.get(&key)?;
        let kind = message.method().unwrap_or_default();
        let wants_answer = !message.no_reply();
        let passes = follower.wanted.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == kind));
        let answer = follower.wanted.answer.clone().filter(|_| wants_answer);
        if !passes && answer.is_none() {
            self.counters.passed_over += 1;
            if wants_answer {
                self.counters.answered += 1;
                self.out.push_urgent(status_frame(message.seq, message.peer, own, Status::Ok), None);
            }
            return None;
        }
        let notified = Notified {
            queue: Arc::clone(&follower.queue),
            own,
            seq: message.seq,
            peer: message.peer,
            wants_answer,
            passes,
            path,
            at,
            kind: kind.to_owned(),
            data: message.data().unwrap_or_else(|| Ok(Blobmsg::new())),
        };
        if let Some(answer) = answer {
            return Some(Todo::Ask(answer, notified));
        }
        self.answer(notified, None);
        None
    }

    /// Answers a notification, if that is wanted, and hands it up once the answer is written.
    pub(crate) fn answer(&mut self, notified: Notified, answer: Option<Blobmsg>) {
        let Notified { queue, own, seq, peer, wants_answer, passes, path, at, kind, data } = notified;
        let notice = match data {
            Ok(data) => Some(Notice::Notification { path, at, kind, data }).filter(|_| passes),
            Err(malformed) => {
                tracing::debug!(%path, %malformed, "could not read a notification");
                queue.lag();
                self.counters.lagged += 1;
                None
            }
        };
        if wants_answer {
            self.counters.answered += 1;
            let attributes = answer.as_ref().map(|answer| [Attribute::Object(own), Attribute::Data(answer.as_bytes())]);
            let data = attributes.map(|attributes| encode(Kind::Data, seq, peer, attributes));
            // What is too long is left out: the notifier must not wait.
            let mut frames = data.and_then(Result::ok).unwrap_or_default();
            frames.extend(status_frame(seq, peer, own, Status::Ok));
            self.out.push_urgent(frames, notice.map(|notice| (queue, notice)));
        } else if let Some(notice) = notice {
            self.tell(&queue, notice);
        }
        self.counters.passed_over += u64::from(!passes);
    }
}

/// Whether a path is the pattern, or begins as the pattern does before its `*`.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == pattern,
    }
}

/// More objects than any router has.
const MAX_TARGETS: usize = 1024;
