//! What waits for the user of a handle: bounded, and honest about what was dropped.
//!
//! In: notices, from the reader, which never waits. Out: the same in their order. Once it is full, notices are dropped
//! and counted until all that waits is taken; then the count is told, and only the latest state of each object. So a
//! user who takes nothing costs no more than the capacity and one notice for each object.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What can be queued.
pub(crate) trait Notice {
    /// Tells that so many were dropped.
    fn lagged(count: u64) -> Self;

    /// The object whose state this is, when it is one: then it may be replaced, but is not dropped.
    fn state_of(&self) -> Option<&str>;

    /// Bytes that it holds.
    fn size(&self) -> usize;
}

pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    ready: Notify,
}

struct Inner<T> {
    items: VecDeque<T>,
    capacity: usize,
    /// Of all items.
    size: usize,
    /// Since it was full.
    dropped: u64,
    /// Since it was full: the latest of each object.
    states: Vec<T>,
    closed: bool,
}

impl<T: Notice> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), capacity, size: 0, dropped: 0, states: Vec::new(), closed: false };
        Self { inner: Mutex::new(inner), ready: Notify::new() }
    }

    /// False when it was dropped.
    pub(crate) fn push(&self, item: T) -> bool {
        let kept = self.lock().push(item);
        self.ready.notify_one();
        kept
    }

    /// Something that cannot be passed on.
    pub(crate) fn lag(&self) {
        self.lock().dropped += 1;
        self.ready.notify_one();
    }

    /// What waits can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// The next one; `None` once it is closed and empty. For one taker; nothing is lost when it is cancelled.
    pub(crate) async fn next(&self) -> Option<T> {
        loop {
            {
                let mut inner = self.lock();
                if let Some(item) = inner.take() {
                    return Some(item);
                }
                if inner.closed {
                    return None;
                }
            }
            self.ready.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Notice> Inner<T> {
    fn push(&mut self, item: T) -> bool {
        let lagging = self.dropped > 0 || !self.states.is_empty();
        if !lagging && self.items.len() < self.capacity && self.size < MAX_SIZE {
            self.size += item.size();
            self.items.push_back(item);
            return true;
        }
        if let Some(object) = item.state_of() {
            match self.states.iter().position(|state| state.state_of() == Some(object)) {
                Some(known) => {
                    self.states[known] = item;
                    return true;
                }
                None if self.states.len() < MAX_STATES => {
                    self.states.push(item);
                    return true;
                }
                None => {}
            }
        }
        self.dropped += 1;
        false
    }

    fn take(&mut self) -> Option<T> {
        if self.items.is_empty() {
            if self.dropped > 0 {
                self.items.push_back(T::lagged(std::mem::take(&mut self.dropped)));
            }
            self.items.extend(self.states.drain(..));
        }
        let item = self.items.pop_front()?;
        self.size -= item.size();
        Some(item)
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// Bytes that may wait. A single notice may have 1 MiB, of which a router does not have many.
const MAX_SIZE: usize = 4 << 20;
/// Objects whose states may wait: more than there are.
const MAX_STATES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Item {
        Said(u32),
        State(&'static str, bool),
        Lagged(u64),
        Large(usize),
    }

    impl Notice for Item {
        fn lagged(count: u64) -> Self {
            Self::Lagged(count)
        }
        fn state_of(&self) -> Option<&str> {
            if let Self::State(object, _) = self { Some(object) } else { None }
        }
        fn size(&self) -> usize {
            if let Self::Large(size) = self { *size } else { 0 }
        }
    }

    fn take_all(queue: &Queue<Item>) -> Vec<Item> {
        std::iter::from_fn(|| queue.lock().take()).collect()
    }

    #[test]
    fn the_count_of_what_was_dropped_is_told_where_it_was_dropped() {
        let queue = Queue::new(2);
        assert!(queue.push(Item::Said(1)) && queue.push(Item::Said(2)));
        assert!(!queue.push(Item::Said(3)));
        assert_eq!(queue.lock().take(), Some(Item::Said(1)));
        assert!(!queue.push(Item::Said(4)), "it would come before the gap is told");
        assert_eq!(take_all(&queue), [Item::Said(2), Item::Lagged(2)]);
        assert!(queue.push(Item::Said(5)));
        assert_eq!(take_all(&queue), [Item::Said(5)]);
    }

    #[test]
    fn the_latest_state_of_each_object_is_never_dropped() {
        let queue = Queue::new(1);
        queue.push(Item::State("a", true));
        queue.push(Item::Said(1));
        for alive in [false, true, false] {
            queue.push(Item::State("a", alive));
            queue.push(Item::State("b", alive));
        }
        let told = [Item::State("a", true), Item::Lagged(1), Item::State("a", false), Item::State("b", false)];
        assert_eq!(take_all(&queue), told);
    }

    #[test]
    fn what_is_too_large_to_wait_is_dropped() {
        let queue = Queue::new(100);
        assert!((0..4).all(|_| queue.push(Item::Large(MAX_SIZE / 4))));
        assert!(!queue.push(Item::Said(1)));
        assert_eq!(take_all(&queue).len(), 5);
        assert_eq!(queue.lock().size, 0);
    }

    #[tokio::test]
    async fn what_waits_can_be_taken_after_the_end() {
        let queue = Queue::new(1);
        queue.push(Item::Said(1));
        queue.close();
        assert_eq!(queue.next().await, Some(Item::Said(1)));
        assert_eq!(queue.next().await, None);
    }
}
