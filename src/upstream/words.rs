//! What the server asked for, waiting for it: how challenges stand, and what was heard of others'.
//!
//! In: words of the core. Out: the next one to send. Of one challenge only the latest counts; nobody waits for room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use welcome_core::Word;
use welcome_proto::RouterId;

/// The most that wait. There is one challenge at a time; the rest are refusals.
const KEPT: usize = 16;

/// The queue. Clones are handles of the same one.
#[derive(Debug, Clone, Default)]
pub struct Words {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<VecDeque<Word>>,
    more: Notify,
}

impl Words {
    /// Adds a word, in place of an older one about the same; if there is no room the oldest goes.
    pub fn push(&self, word: Word) {
        let mut waiting = self.waiting();
        waiting.retain(|other| name(other) != name(&word));
        if waiting.len() == KEPT {
            waiting.pop_front();
        }
        waiting.push_back(word);
        drop(waiting);
        self.shared.more.notify_one();
    }

    /// Waits until there is one.
    pub(super) async fn wait(&self) {
        loop {
            let more = self.shared.more.notified();
            if !self.waiting().is_empty() {
                return;
            }
            more.await;
        }
    }

    /// The next one, which stays until [`Self::done`].
    pub(super) fn next(&self) -> Option<Word> {
        self.waiting().front().cloned()
    }

    /// The server has this one, or will never take it.
    pub(super) fn done(&self, word: &Word) {
        self.waiting().retain(|other| other != word);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Word>> {
        // Whoever panicked while holding it left a queue behind that can be used.
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a word goes, and how it reads there.
///
/// # Errors
/// If it cannot be written as JSON, which does not happen.
pub(super) fn request(router: &RouterId, word: &Word) -> serde_json::Result<(String, Bytes)> {
    let (kind, id) = name(word);
    let body = match word {
        Word::Challenge(_, state) => serde_json::to_vec(state),
        Word::Witness(_, report) => serde_json::to_vec(report),
    };
    Ok((format!("/v1/routers/{router}/{kind}/{id}"), body?.into()))
}

fn name(word: &Word) -> (&'static str, &str) {
    match word {
        Word::Challenge(id, _) => ("challenges", id.as_str()),
        Word::Witness(id, _) => ("witness", id.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use welcome_proto::challenge::{ChallengeState, WitnessReport};

    use super::*;

    #[test]
    fn of_one_challenge_only_the_latest_counts_and_there_is_an_end_to_the_rest() {
        let words = Words::default();
        let challenge = |id: &str, state| Word::Challenge(id.parse().unwrap(), state);
        words.push(challenge("c-1", ChallengeState::OnAir { bssids: vec![] }));
        words.push(Word::Witness("c-1".parse().unwrap(), WitnessReport::default()));
        words.push(challenge("c-1", ChallengeState::OffAir));
        let witness = words.next().unwrap();
        let (target, body) = request(&"r-1".parse().unwrap(), &witness).unwrap();
        assert_eq!((target.as_str(), &body[..]), ("/v1/routers/r-1/witness/c-1", &br#"{"heard":[]}"#[..]));
        words.done(&witness);
        let (target, body) = request(&"r-1".parse().unwrap(), &words.next().unwrap()).unwrap();
        assert_eq!((target.as_str(), &body[..]), ("/v1/routers/r-1/challenges/c-1", &br#"{"state":"off-air"}"#[..]));
        // One that was replaced while it was on its way stays.
        words.push(challenge("c-1", ChallengeState::Refused { why: "x".to_owned() }));
        words.done(&challenge("c-1", ChallengeState::OffAir));
        assert!(words.next().is_some());
        (0..100).for_each(|n| words.push(challenge(&format!("c-{n}"), ChallengeState::OffAir)));
        assert_eq!(words.waiting().len(), KEPT);
    }
}
