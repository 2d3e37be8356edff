//! `welcome share`: what a sharer does by hand, whether their router has an agent or not.
//!
//! [`args`] says what is asked, `choose` finds the network that is meant among theirs and those on the air, `api` asks
//! the server. `verify` proves a network by what `hearing` has gathered, `message` writes what is shown there, `serve` says
//! it in the network, `show` tells how things stand.
//!
//! What was begun at the server and is not finished is kept in `Pending`, and taken back when the command fails or is
//! interrupted. A challenge that is left behind by a crash ends by itself, and the router's name comes back with it.

mod api;
pub mod args;
mod choose;
mod hearing;
mod message;
mod serve;
mod show;
mod verify;

use self::api::Api;
use self::args::Share;
use crate::exit::Failure;
use crate::run::Run;
use std::cell::RefCell;
use std::time::Duration;
use tokio::time::timeout;
use welcome_client::Sighting;
use welcome_proto::{ChallengeId, NetworkId, RouterId};

/// What this run began at the server.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    challenge: RefCell<Option<ChallengeId>>,
    added: RefCell<Option<(RouterId, NetworkId)>>,
}

impl Pending {
    /// It is finished: it stays.
    fn settle(&self) {
        self.challenge.take();
        self.added.take();
    }
}

impl Run<'_> {
    pub(crate) async fn share(&self, what: &Share) -> Result<(), Failure> {
        match what {
            Share::List => self.share_list().await,
            Share::Status => self.share_status().await,
            Share::Verify(how) => self.share_verify(how).await,
            Share::Offer(offer) => self.share_offer(offer).await,
            Share::Serve(how) => self.share_serve(how).await,
            Share::Remove(which) => self.share_remove(which).await,
        }
    }

    /// Takes back at the server what was begun and not finished, as well as it can be done in a few seconds.
    pub(crate) async fn take_back(&self) {
        let (challenge, added) = (self.pending.challenge.take(), self.pending.added.take());
        if challenge.is_none() && added.is_none() {
            return;
        }
        self.output.doing("taking back what was asked of the server");
        let taking_back = async {
            let api = Api::of_sharer(&self.common)?;
            if let Some(challenge) = challenge {
                api.end_challenge(&challenge).await?;
            }
            if let Some((router, network)) = added {
                api.remove(&router, &network).await?;
            }
            Ok::<_, Failure>(())
        };
        let result = timeout(TAKE_BACK_WITHIN, taking_back).await;
        let result = result.unwrap_or_else(|_| Err(Failure::Server("it takes too long".into())));
        match result {
            Ok(()) => self.output.event("taken-back", (), "the challenge is over; every name may be as it was"),
            Err(failure) => {
                self.output.note(&format!("failed to take it back: {failure}; it ends by itself within ten minutes"));
            }
        }
    }

    /// What is on the air at this moment.
    async fn hear(&self) -> Result<Vec<Sighting>, Failure> {
        self.open(&mut None).await?.scan(&self.common.freq).await
    }
}

const TAKE_BACK_WITHIN: Duration = Duration::from_secs(5);
