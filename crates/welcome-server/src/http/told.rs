//! What a router's stream tells it of its networks: challenges to carry, challenges to listen for, and how they stand.
//!
//! Challenges and questions are signed with the organisation's key. All of it is told again when a stream begins, so a
//! router that was away misses nothing; the same id again changes nothing there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use welcome_proto::challenge::{
    Challenge, ChallengePush, EVENT_CHALLENGE, EVENT_STANDING, EVENT_WITNESS, NetworkStanding, Standing, Witness,
    WitnessPush,
};
use welcome_proto::{ChallengeId, RouterId, sse};

use super::App;
use crate::app::unix_now;
use crate::ids::OrgId;
use crate::store::{NetworkFilter, StoreError};

/// What one stream has told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether it was open then.
    challenges: BTreeMap<ChallengeId, bool>,
    questions: BTreeSet<ChallengeId>,
    standing: String,
}

impl Told {
    /// Reads what is new, and puts it behind what waits to be written.
    pub(super) async fn read(
        &mut self,
        app: &App,
        org: &OrgId,
        router: &RouterId,
        ready: &mut VecDeque<String>,
    ) -> Result<(), StoreError> {
        let now = unix_now();
        let unwritable = |_| StoreError::Unreadable("challenge");
        for row in app.store.challenges_of(router).await? {
            let open = row.is_open(now);
            let is_news = self.challenges.get(&row.id) != Some(&open);
            // One that is over by its time needs no telling.
            if !is_news || (!open && row.until <= now) {
                continue;
            }
            self.challenges.insert(row.id.clone(), open);
            let statement = Challenge {
                router: router.clone(),
                id: row.id,
                network: row.network,
                ssid: open.then_some(row.ssid),
                until: row.until,
            };
            let challenge = app.keys.of(org).await?.sign(&statement).map_err(unwritable)?;
            let data = serde_json::to_string(&ChallengePush { challenge }).map_err(unwritable)?;
            ready.push_back(sse::encode(EVENT_CHALLENGE, None, &data));
        }
        for row in app.store.questions_to(router, now).await? {
            if !self.questions.insert(row.id.clone()) {
                continue;
            }
            let statement = Witness { router: router.clone(), id: row.id, ssid: row.ssid, until: row.until };
            let witness = app.keys.of(org).await?.sign(&statement).map_err(unwritable)?;
            let data = serde_json::to_string(&WitnessPush { witness }).map_err(unwritable)?;
            ready.push_back(sse::encode(EVENT_WITNESS, None, &data));
        }
        let filter = NetworkFilter { router: Some(router), ..NetworkFilter::default() };
        let rows = app.store.networks(org, &filter, MAX_TOLD, now).await?;
        let networks =
            rows.iter().map(|row| (row.id.clone(), NetworkStanding { state: row.step(now), until: row.until(now) }));
        let standing = Standing { networks: networks.collect() };
        let data = serde_json::to_string(&standing).map_err(unwritable)?;
        if !standing.networks.is_empty() && data != self.standing {
            ready.push_back(sse::encode(EVENT_STANDING, None, &data));
            self.standing = data;
        }
        Ok(())
    }
}

/// As many as a router announces.
const MAX_TOLD: usize = welcome_proto::announce::MAX_NETWORKS;
