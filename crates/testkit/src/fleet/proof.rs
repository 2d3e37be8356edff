//! What a simulated router does to prove its networks, and those of its neighbours: carries a challenge, listens for one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use welcome_proto::announce::AnnouncedNetwork;
use welcome_proto::challenge::{Challenge, ChallengeState, Heard, Witness, WitnessReport};
use welcome_proto::{ChallengeId, Ssid};

use super::Router;
use super::air::Air;
use super::http::Error;

/// The challenges of one router.
#[derive(Debug)]
pub(super) struct Proof {
    air: Arc<Air>,
    networks: Vec<AnnouncedNetwork>,
    carried: BTreeMap<ChallengeId, Ssid>,
    /// What it was asked to listen for, and has not heard yet.
    questions: Vec<Witness>,
}

impl Proof {
    pub(super) fn new(air: Arc<Air>, networks: Vec<AnnouncedNetwork>) -> Self {
        Self { air, networks, carried: BTreeMap::new(), questions: Vec::new() }
    }

    /// Carries a name, or carries it no longer. Returns what to tell the server, if that is news.
    pub(super) fn carry(&mut self, router: &Router, challenge: Challenge) -> Result<Option<Request<Bytes>>, Error> {
        let Challenge { id, network, ssid, .. } = challenge;
        let state = match ssid {
            Some(name) if self.carried.contains_key(&id) && self.carried[&id] == *name.ssid() => return Ok(None),
            Some(name) => {
                let network = self.networks.iter().find(|own| own.id == network);
                let bss = network.map(|network| network.bss.as_slice()).unwrap_or_default();
                let heard = |b: &welcome_proto::announce::AnnouncedBss| Heard {
                    bssid: b.bssid,
                    signal: SIGNAL,
                    freq: b.freq.unwrap_or_default(),
                };
                self.air.send(name.ssid(), bss.iter().map(heard).collect());
                self.carried.insert(id.clone(), name.ssid().clone());
                ChallengeState::OnAir { bssids: bss.iter().map(|b| b.bssid).collect() }
            }
            None => match self.carried.remove(&id) {
                Some(name) => {
                    self.air.end(&name);
                    ChallengeState::OffAir
                }
                None => return Ok(None),
            },
        };
        let body = serde_json::to_vec(&state)?;
        Ok(Some(router.sign(Method::POST, &format!("challenges/{id}"), body.into())))
    }

    /// Is going to listen for a name.
    pub(super) fn ask(&mut self, question: Witness) {
        self.questions.retain(|asked| asked.id != question.id);
        self.questions.push(question);
    }

    /// Whether there is something to listen for.
    pub(super) fn listens(&self) -> bool {
        !self.questions.is_empty()
    }

    /// What it has heard, to tell the server.
    pub(super) fn hear(&mut self, router: &Router, now: u64) -> Result<Option<Request<Bytes>>, Error> {
        self.questions.retain(|question| question.until > now);
        let heard = self.questions.iter().position(|question| !self.air.listen(question.ssid.ssid()).is_empty());
        let Some(at) = heard else { return Ok(None) };
        let Witness { id, ssid, .. } = self.questions.remove(at);
        let report = WitnessReport { heard: self.air.listen(ssid.ssid()), refused: None };
        let body = serde_json::to_vec(&report)?;
        Ok(Some(router.sign(Method::POST, &format!("witness/{id}"), body.into())))
    }
}

/// Through a wall, in dBm.
const SIGNAL: i16 = -60;
