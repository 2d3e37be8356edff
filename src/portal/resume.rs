//! What a client has had of its stream, as the id of an event: it comes back as `Last-Event-ID`.
//!
//! Pure, and nothing is kept here: the id itself says which offers of this visit were sent, by a few characters of a
//! digest of each. One that was made up, or is of another visit or another run of the agent, fits nothing and hides
//! nothing. Clients do not look into it.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{Context, SHA256};
use welcome_core::SessionId;
use welcome_proto::OfferId;
use welcome_proto::offer::Sender;

/// What one client has had in one visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Had {
    /// New with each run of the agent, for which visits begin at the same number again.
    seed: [u8; 16],
    /// One name after the other, each of [`LENGTH`] characters.
    names: String,
}

impl Had {
    /// By the id that came last, or an empty text.
    #[must_use]
    pub fn parse(seed: [u8; 16], last_id: &str) -> Self {
        let is_one = last_id.len().is_multiple_of(LENGTH) && last_id.bytes().all(|b| b.is_ascii_graphic());
        let names = if is_one && last_id.len() <= MOST * LENGTH { last_id.to_owned() } else { String::new() };
        Self { seed, names }
    }

    /// Notes an offer. Whether it is new.
    pub fn add(&mut self, session: SessionId, sender: Sender, id: &OfferId) -> bool {
        let name = name(self.seed, session, sender, id);
        if self.names.as_bytes().chunks(LENGTH).any(|had| had == name.as_bytes()) {
            return false;
        }
        if self.names.len() >= MOST * LENGTH {
            self.names.drain(..LENGTH);
        }
        self.names.push_str(&name);
        true
    }

    /// The id to send.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.names
    }
}

fn name(seed: [u8; 16], session: SessionId, sender: Sender, id: &OfferId) -> String {
    let mut digest = Context::new(&SHA256);
    digest.update(&seed);
    // Neither a number nor a sender's name has a space.
    digest.update(format!("{session} {} {id}", sender.as_str()).as_bytes());
    let mut name = URL_SAFE_NO_PAD.encode(digest.finish());
    name.truncate(LENGTH);
    name
}

/// 36 bits: among 64 offers two are taken for one in a case of 30 million.
const LENGTH: usize = 6;
/// The most offers an id names; the oldest one is left out.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::portal::tests::guest_view;

    fn visit() -> SessionId {
        *guest_view(vec![]).sessions.keys().next().unwrap()
    }

    fn id(n: usize) -> OfferId {
        format!("o{n}").parse().unwrap()
    }

    #[test]
    fn what_was_had_is_known_again_in_the_same_visit_and_run() {
        let mut had = Had::parse([1; 16], "");
        assert!(had.add(visit(), Sender::Device, &id(1)) && had.add(visit(), Sender::Server, &id(1)));
        assert!(!had.add(visit(), Sender::Device, &id(1)));
        let again = |seed| Had::parse(seed, had.as_str()).add(visit(), Sender::Device, &id(1));
        assert!(!again([1; 16]));
        assert!(again([2; 16]), "another run");
    }

    #[test]
    fn an_id_stays_short() {
        let mut had = Had::parse([1; 16], "");
        for n in 0..200 {
            assert!(had.add(visit(), Sender::Device, &id(n)));
        }
        assert_eq!(had.as_str().len(), MOST * LENGTH);
        assert!(!had.add(visit(), Sender::Device, &id(199)) && had.add(visit(), Sender::Device, &id(0)));
    }

    proptest! {
        #[test]
        fn what_was_made_up_hides_nothing(last_id in "[ -~]{0,40}|.{0,20}|[a-z]{500}") {
            let mut had = Had::parse([1; 16], &last_id);
            prop_assert!(had.as_str().len() <= MOST * LENGTH);
            prop_assert!(had.add(visit(), Sender::Device, &id(1)));
        }
    }
}
