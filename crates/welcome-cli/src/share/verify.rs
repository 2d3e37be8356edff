//! `welcome share verify`: a network carries a name that the server chose, and this computer says from where it was heard.
//!
//! In: which network, or a challenge that was asked for elsewhere. Out: each step as it happens; success once the server
//! has registered what was heard. Nothing of what is heard leaves this computer but networks with such a name.

use super::api::{Api, Asked, ChallengeStanding, SharedNetwork};
use super::args::Verify;
use super::choose::{Chosen, choose, name_of, radios};
use super::hearing::Hearing;
use crate::exit::Failure;
use crate::run::Run;
use anyhow::Context as _;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use welcome_client::Sighting;
use welcome_proto::announce::{AnnouncedBss, AnnouncedNetwork, MAX_BSS};
use welcome_proto::challenge::{LIFETIME, Outcome, Verdict};
use welcome_proto::{ChallengeId, NetworkId, RouterId, Secret};

impl Run<'_> {
    pub(super) async fn share_verify(&self, how: &Verify) -> Result<(), Failure> {
        if let Some((challenge, code)) = how.challenge.as_ref().zip(how.code.as_ref()) {
            let api = Api::of_witness(&self.common)?;
            self.output.doing("listening for the challenge");
            let mut ear = Ear { run: self, api: &api, challenge, code, asked: None, hearing: Hearing::default() };
            let verdict = ear.listen().await?;
            return self.tell_verified(&verdict, None);
        }
        let api = Api::of_sharer(&self.common)?;
        let networks = api.networks().await?;
        self.output.doing("listening for networks");
        let heard = self.hear().await?;
        let network = match choose(&how.which, &networks, &heard)? {
            Chosen::Ours(network) => self.with_new_radios(&api, network, &heard).await?,
            Chosen::Unknown(sighting) => self.add(&api, sighting, how, &heard).await?,
        };
        self.prove(&api, &network).await
    }

    async fn prove(&self, api: &Api, network: &SharedNetwork) -> Result<(), Failure> {
        let asked = api.challenge(network).await?;
        self.pending.challenge.replace(Some(asked.challenge.clone()));
        let Asked { challenge, ssid, until, by_hand, witnesses, code } = &asked;
        let fields = json!({
            "router": network.router, "network": network.network, "ssid": network.ssid, "challenge": challenge,
            "carries": ssid, "until": until, "by_hand": by_hand, "witnesses": witnesses,
        });
        let who = if *by_hand { "you rename" } else { "its router renames" };
        let text = format!("{} is to be called {ssid} for a while: {who} it", network.ssid);
        self.output.event("challenge", fields, &text);
        if *by_hand {
            let text = format!(
                "in your router's settings, rename {} to {ssid} now and change nothing else; there are {} minutes",
                network.ssid,
                LIFETIME / 60
            );
            self.output.event("rename", json!({ "from": network.ssid, "to": ssid }), &text);
        }
        let mut ear =
            Ear { run: self, api, challenge, code, asked: Some((&asked, network)), hearing: Hearing::default() };
        let verdict = ear.listen().await?;
        self.pending.settle();
        self.tell_verified(&verdict, Some((network, *by_hand)))
    }

    fn tell_verified(&self, verdict: &Verdict, whose: Option<(&SharedNetwork, bool)>) -> Result<(), Failure> {
        let registered = &verdict.registered;
        let text = match registered.len() {
            0 => "verified, by what another witness heard".to_owned(),
            1 => "verified: one radio is in the directory".to_owned(),
            several => format!("verified: {several} radios are in the directory"),
        };
        self.output.event("verified", json!({ "registered": registered }), &text);
        let Some((network, by_hand)) = whose else { return Ok(()) };
        let missing: Vec<_> =
            network.bss.iter().filter(|bss| !bss.listed && !registered.contains(&bss.bssid)).collect();
        if !missing.is_empty() && !registered.is_empty() {
            let missing: Vec<_> = missing.iter().map(|bss| bss.bssid.to_string()).collect();
            self.output.note(&format!("{} was not heard: verify again closer to it", missing.join(", ")));
        }
        let ssid = &network.ssid;
        let text = if by_hand {
            format!("you may call the network {ssid} again")
        } else {
            format!("its router calls it {ssid} again by itself")
        };
        self.output.event("name-back", json!({ "ssid": ssid, "by_hand": by_hand }), &text);
        Ok(())
    }

    /// Offers a network to the directory that it does not know yet.
    async fn add(
        &self,
        api: &Api,
        strongest: &Sighting,
        how: &Verify,
        heard: &[Sighting],
    ) -> Result<SharedNetwork, Failure> {
        let ssid = strongest.ssid.as_ref().ok_or_else(|| Failure::NotHeard("no network with a name".into()))?;
        let no_word = || Failure::Usage(format!("{ssid} is protected in a way that the directory has no word for"));
        let security = strongest.security.ok_or_else(no_word)?;
        let id = name_of(ssid).parse().context("failed to name the network")?;
        let key = how.key_file.as_ref().map(|path| {
            let what = || format!("failed to read the passphrase in {}", path.display());
            std::fs::read_to_string(path)
                .with_context(what)
                .map(|text| Secret::new(text.trim_end_matches(['\r', '\n'])))
        });
        let bss = radios(ssid, heard);
        let place = self.place().await?;
        let new = AnnouncedNetwork { id, ssid: ssid.clone(), security, key: key.transpose()?, place, bss };
        let (router, network) = api.add(&new).await?;
        self.pending.added.replace(Some((router.clone(), network.clone())));
        let fields = json!({ "router": router, "network": network, "ssid": ssid, "bss": new.bss });
        let text = format!("{ssid} is known to the directory as {router}/{network}, with {} radios", new.bss.len());
        self.output.event("added", fields, &text);
        self.again(api, &router, &network).await
    }

    /// A network of theirs, with the radios that carry its name and that the directory does not know: a replaced access point,
    /// or another one. An agent announces them by itself.
    async fn with_new_radios(
        &self,
        api: &Api,
        network: &SharedNetwork,
        heard: &[Sighting],
    ) -> Result<SharedNetwork, Failure> {
        let known: BTreeSet<_> = network.bss.iter().map(|bss| bss.bssid).collect();
        let found = radios(&network.ssid, heard);
        let new: Vec<_> = found.iter().filter(|bss| !known.contains(&bss.bssid)).map(|bss| bss.bssid).collect();
        if !network.by_hand || new.is_empty() {
            return Ok(network.clone());
        }
        // What is out of earshot stays: it may be around the corner.
        let unheard = known.iter().filter(|bssid| found.iter().all(|bss| bss.bssid != **bssid));
        let unheard: Vec<_> = unheard.map(|bssid| AnnouncedBss { bssid: *bssid, freq: None }).collect();
        let mut all = [found, unheard].concat();
        all.truncate(MAX_BSS);
        all.sort_by_key(|bss| bss.bssid);
        api.change_bss(network, &all).await?;
        let text = format!("{} has {} radios that the directory did not know", network.ssid, new.len());
        self.output.event("new-radios", json!({ "network": network.network, "bssids": new }), &text);
        self.again(api, &network.router, &network.network).await
    }

    /// As the server has it.
    async fn again(&self, api: &Api, router: &RouterId, name: &NetworkId) -> Result<SharedNetwork, Failure> {
        let networks = api.networks().await?;
        let found = networks.into_iter().find(|network| network.router == *router && network.network == *name);
        Ok(found.context("the server does not know the network that it was just told")?)
    }
}

/// Listens for a challenge until the server has an answer.
struct Ear<'a> {
    run: &'a Run<'a>,
    api: &'a Api,
    challenge: &'a ChallengeId,
    code: &'a Secret,
    /// By whoever asked for it; absent for a witness who knows no more than its code.
    asked: Option<(&'a Asked, &'a SharedNetwork)>,
    hearing: Hearing,
}

impl Ear<'_> {
    async fn listen(&mut self) -> Result<Verdict, Failure> {
        let deadline = Instant::now() + Duration::from_secs(LIFETIME);
        let mut failures = 0;
        loop {
            match self.round().await {
                Ok(Some(verdict)) => return Ok(verdict),
                Ok(None) => failures = 0,
                // One scan or one answer that is lost is no reason to give up.
                Err(failure @ (Failure::Server(_) | Failure::Other(_))) if failures < MOST_FAILURES => {
                    failures += 1;
                    self.run.output.note(&failure.to_string());
                }
                Err(failure) => return Err(failure),
            }
            if Instant::now() > deadline {
                return Err(Failure::NotVerified("nobody heard the challenge in time".into()));
            }
            sleep(PAUSE).await;
        }
    }

    /// One scan, and what comes of it.
    async fn round(&mut self) -> Result<Option<Verdict>, Failure> {
        if let Some(verdict) = self.look().await? {
            return Ok(Some(verdict));
        }
        let name = self.asked.map(|(asked, _)| &asked.ssid);
        for sighting in self.hearing.note(self.run.hear().await?, name, Instant::now()) {
            let fields = json!({ "bssid": sighting.bssid, "signal": sighting.signal, "freq": sighting.freq });
            let text = format!("heard from {} ({} dBm)", sighting.bssid, sighting.signal);
            self.run.output.event("heard", fields, &text);
        }
        if !self.hearing.is_ready(Instant::now()) {
            return Ok(None);
        }
        let heard = self.hearing.tell();
        let verdict = self.api.testify(self.challenge, self.code, heard).await?;
        match verdict.result {
            Outcome::Verified => Ok(Some(verdict)),
            Outcome::NotHeard => Ok(None),
            Outcome::WrongBssid => {
                self.run.output.note("somebody sends the name who is none of the network's radios; listening on");
                Ok(None)
            }
            // Perhaps by what another witness has said meanwhile.
            Outcome::Over => match self.look().await? {
                Some(verdict) => Ok(Some(verdict)),
                None => Err(Failure::NotVerified("the challenge is over, or the code is not its own".into())),
            },
        }
    }

    /// How the server says that it stands, where one may ask.
    async fn look(&mut self) -> Result<Option<Verdict>, Failure> {
        let Some((asked, network)) = self.asked else { return Ok(None) };
        let ChallengeStanding { bssids, state, why } = self.api.standing(self.challenge).await?;
        self.hearing.expected = bssids.into_iter().collect();
        let because = if why.is_empty() { String::new() } else { format!(": {why}") };
        match state.as_str() {
            "on-air" => {
                if !std::mem::replace(&mut self.hearing.on_air, true) {
                    let text = format!("the router of {} carries {}", network.ssid, asked.ssid);
                    self.run.output.event("on-air", json!({ "carries": asked.ssid }), &text);
                }
                Ok(None)
            }
            "verified" => Ok(Some(Verdict { result: Outcome::Verified, registered: Vec::new() })),
            "refused" => Err(Failure::NotVerified(format!("the router carries no challenge{because}"))),
            "over" | "failed" => Err(Failure::NotVerified(format!("the challenge is over{because}"))),
            _ => Ok(None),
        }
    }
}

/// Between two scans.
const PAUSE: Duration = Duration::from_secs(1);
/// In a row.
const MOST_FAILURES: u32 = 5;
