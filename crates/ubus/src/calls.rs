//! Requests that wait for their answer, by number.
//!
//! In: who waits, and each DATA and STATUS that comes. Out: to a caller, all parts at once; to the client itself, each
//! part as it comes, so that it is seen in its order among all else that ubusd says. An answer belongs to a request by
//! its number and its peer; what belongs to none is late, and passed over.

use crate::message::{Kind, Message};
use crate::state::Step;
use crate::{Broken, Error, Status};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::OwnedFd;
use tokio::sync::oneshot;

/// All that a request was answered with.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// DATA; for a notification also each STATUS, ubusd's own first.
    pub(crate) parts: Vec<Message>,
    pub(crate) fd: Option<OwnedFd>,
}

pub(crate) enum Waiter {
    Caller(oneshot::Sender<Result<Collected, Error>>),
    /// Waits for ubusd's STATUS, and then for one of each subscriber that it names.
    Notifier(oneshot::Sender<Result<Collected, Error>>),
    Step(Step),
}

/// What the client's own request was told.
pub(crate) enum Told {
    Part(Message),
    /// After so many parts.
    End(Status, usize),
}

#[derive(Default)]
pub(crate) struct Calls {
    last: u16,
    pending: HashMap<u16, Call>,
}

struct Call {
    waiter: Waiter,
    /// Who has not sent a STATUS.
    peers: Vec<u32>,
    collected: Collected,
    size: usize,
    /// How many DATA.
    count: usize,
}

impl Calls {
    /// A number that no request has at the moment.
    pub(crate) fn number(&mut self) -> Option<u16> {
        let next = self.last.wrapping_add(1);
        self.last = (0..=u16::MAX).map(|i| next.wrapping_add(i)).find(|seq| !self.pending.contains_key(seq))?;
        Some(self.last)
    }

    /// `seq` is one that [`number`](Self::number) just gave.
    pub(crate) fn insert(&mut self, seq: u16, peer: u32, waiter: Waiter) {
        let call = Call { waiter, peers: vec![peer], collected: Collected::default(), size: 0, count: 0 };
        self.pending.insert(seq, call);
    }

    /// The caller waits no more. What came so far.
    pub(crate) fn give_up(&mut self, seq: u16) -> Option<Collected> {
        match self.pending.entry(seq) {
            // Not another that has the number by now.
            Entry::Occupied(call) if call.get().waiter.is_gone() => Some(call.remove().collected),
            _ => None,
        }
    }

    /// The connection is lost.
    pub(crate) fn fail(&mut self) {
        for (_, call) in self.pending.drain() {
            call.waiter.tell(Err(Error::Closed));
        }
    }

    /// A DATA or STATUS.
    pub(crate) fn answer(&mut self, message: Message, fd: Option<OwnedFd>) -> Option<(Step, Told)> {
        let Entry::Occupied(mut entry) = self.pending.entry(message.seq) else { return None };
        let call = entry.get_mut();
        let peer = call.peers.iter().position(|peer| *peer == message.peer)?;
        if message.kind == Kind::Data {
            call.count += 1;
            return match &call.waiter {
                Waiter::Step(step) => Some((step.clone(), Told::Part(message))),
                _ => {
                    if !call.collect(message) {
                        entry.remove().waiter.tell(Err(Broken::TooLong.into()));
                    }
                    None
                }
            };
        }
        let status = Status::from(message.status().unwrap_or(Status::UnknownError.code()));
        call.peers.swap_remove(peer);
        let mut outcome = if status == Status::Ok { Ok(()) } else { Err(Error::Refused(status)) };
        if matches!(call.waiter, Waiter::Notifier(_)) {
            if call.collected.parts.is_empty() {
                call.peers = message.subscribers().unwrap_or_default();
            } else {
                // A subscriber's answer, whatever it is.
                outcome = Ok(());
            }
            if !call.collect(message) {
                outcome = Err(Broken::TooLong.into());
            }
            if outcome.is_ok() && !call.peers.is_empty() {
                return None;
            }
        }
        let Call { waiter, mut collected, count, .. } = entry.remove();
        collected.fd = fd;
        if let Waiter::Step(step) = waiter {
            return Some((step, Told::End(status, count)));
        }
        waiter.tell(outcome.map(|()| collected));
        None
    }
}

impl Call {
    /// False when it is too much.
    fn collect(&mut self, message: Message) -> bool {
        self.size += size_of::<Message>() + message.body().len();
        self.collected.parts.push(message);
        self.size <= MAX_ANSWER
    }
}

impl Waiter {
    fn is_gone(&self) -> bool {
        match self {
            Self::Caller(caller) | Self::Notifier(caller) => caller.is_closed(),
            Self::Step(_) => false,
        }
    }

    fn tell(self, result: Result<Collected, Error>) {
        if let Self::Caller(caller) | Self::Notifier(caller) = self {
            // Nobody may wait any more; then nobody misses it.
            drop(caller.send(result));
        }
    }
}

/// All parts of an answer together. A single one may be 1 MiB.
const MAX_ANSWER: usize = 16 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_that_waits_no_more_frees_its_number_and_no_other() {
        let mut calls = Calls::default();
        let seq = calls.number().unwrap();
        let (caller, answer) = oneshot::channel();
        calls.insert(seq, 7, Waiter::Caller(caller));
        assert!(calls.give_up(seq).is_none(), "it waits");
        drop(answer);
        assert!(calls.give_up(seq).is_some());
        assert!(calls.pending.is_empty());
    }

    #[test]
    fn there_are_as_many_numbers_as_a_message_can_tell() {
        let mut calls = Calls::default();
        for _ in 0..=u16::MAX {
            let seq = calls.number().unwrap();
            calls.insert(seq, 7, Waiter::Step(Step::Remove(1)));
        }
        assert_eq!(calls.number(), None);
    }
}
