//! Notifications of other objects: the handle.
//!
//! In: a path, or a prefix of paths; ubusd need not be there, nor the object. Out: what the objects notify, and when
//! they come and go. Whoever notifies may stand still until we have answered, so that is done by the reader, before the
//! notification is even queued here.

use crate::follow::{Follower, Wanted};
use crate::queue::{self, Queue};
use crate::state::{Handle, Key};
use crate::{Blobmsg, Status};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// A subscription being made: [`start`](Self::start) starts it.
#[must_use = "nothing happens before `start`"]
pub struct Subscribe {
    handle: Arc<Handle>,
    wanted: Wanted,
    capacity: usize,
}

/// A subscription. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    handle: Arc<Handle>,
    key: Key,
    queue: Arc<Queue<Notice>>,
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// Subscribed, or subscribed again: what happened before may be lost, so take a snapshot.
    Subscribed {
        /// The object.
        path: Arc<str>,
    },
    /// The object went, or the connection to ubusd did.
    Gone {
        /// The object.
        path: Arc<str>,
    },
    /// ubusd refused. Told once, tried again every ten seconds. A target that one may not subscribe to is `NotFound`.
    Denied {
        /// The object.
        path: Arc<str>,
        /// What ubusd answered.
        status: Status,
    },
    /// The object notified.
    Notification {
        /// The object.
        path: Arc<str>,
        /// When the message was read, before anything else was done with it.
        at: Instant,
        /// What kind of notification.
        kind: String,
        /// What it says.
        data: Blobmsg,
    },
    /// So many notifications were dropped because nobody took them, after those heard so far and before those to come.
    /// Take a snapshot. Of several changes of an object's state meanwhile, only the last follows.
    Lagged(u64),
}

/// A notification whose sender waits for an answer.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Path of the object that notifies.
    pub path: &'a str,
    /// What kind of notification.
    pub kind: &'a str,
    /// What it says.
    pub data: &'a Blobmsg,
}

/// Decides what a notification is answered with.
pub(crate) type Answerer = Arc<dyn Fn(&Asked<'_>) -> Option<Blobmsg> + Send + Sync>;

impl Subscribe {
    pub(crate) fn new(handle: Arc<Handle>, pattern: &str) -> Self {
        let wanted = Wanted { pattern: pattern.into(), except: Vec::new(), only: None, answer: None };
        Self { handle, wanted, capacity: CAPACITY }
    }

    /// Leaves out the objects at these paths, although the pattern matches them.
    pub fn except(mut self, paths: &[&str]) -> Self {
        self.wanted.except = paths.iter().map(|path| (*path).to_owned()).collect();
        self
    }

    /// Passes on only these kinds. The others cost little: they are dropped as they are read, and answered if that is
    /// wanted.
    pub fn only(mut self, kinds: &[&str]) -> Self {
        self.wanted.only = Some(kinds.iter().map(|kind| (*kind).to_owned()).collect());
        self
    }

    /// At most so many notices wait to be taken; 256 unless told.
    pub fn queue(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Decides what notifications that want an answer are answered with, of whatever kind; `None` is a plain OK, which
    /// is also the answer without this.
    ///
    /// It is called by the driver while the sender stands still, and nothing else is read meanwhile: it must not wait.
    pub fn answer(mut self, answer: impl Fn(&Asked<'_>) -> Option<Blobmsg> + Send + Sync + 'static) -> Self {
        self.wanted.answer = Some(Arc::new(answer));
        self
    }

    /// Starts it.
    #[must_use = "dropping it ends it"]
    pub fn start(self) -> Subscription {
        let Self { handle, wanted, capacity } = self;
        let queue = Arc::new(Queue::new(capacity));
        let follower = Follower::new(wanted, Arc::clone(&queue));
        let key = handle.0.with(|state| {
            let key = state.new_key();
            state.follow(key, follower);
            key
        });
        Subscription { handle, key, queue }
    }
}

impl Subscription {
    /// The next notice; `None` once the driver has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Notice> {
        self.queue.next().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let follower = self.handle.0.with(|state| state.unfollow(self.key));
        drop(follower);
    }
}

impl queue::Notice for Notice {
    fn lagged(count: u64) -> Self {
        Self::Lagged(count)
    }

    fn state_of(&self) -> Option<&str> {
        match self {
            Self::Subscribed { path } | Self::Gone { path } | Self::Denied { path, .. } => Some(path),
            Self::Notification { .. } | Self::Lagged(_) => None,
        }
    }

    fn size(&self) -> usize {
        if let Self::Notification { data, .. } = self { data.as_bytes().len() } else { 0 }
    }
}

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe").field("pattern", &self.wanted.pattern).finish_non_exhaustive()
    }
}

/// Some seconds of a busy access point.
const CAPACITY: usize = 256;
