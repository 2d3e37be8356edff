//! `welcome share list` and `welcome share status`: what is on the air and whose it is, and how one's networks stand.
//! `welcome share remove` stands here, too.

use super::api::{Api, SharedNetwork};
use super::args::Which;
use super::choose::choose_ours;
use crate::exit::Failure;
use crate::run::Run;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};
use welcome_client::Sighting;
use welcome_proto::Bssid;
use welcome_proto::challenge::Step;
use welcome_proto::lookup::MAX_BSSIDS;

impl Run<'_> {
    pub(super) async fn share_list(&self) -> Result<(), Failure> {
        let ours = match self.common.token_file {
            Some(_) => Api::of_sharer(&self.common)?.networks().await?,
            None => Vec::new(),
        };
        self.output.doing("listening for networks");
        let mut heard = self.hear().await?;
        heard.sort_by_key(|sighting| (-i64::from(sighting.signal), sighting.bssid));
        let listed = self.listed(&heard).await?;
        for Sighting { bssid, ssid, security, signal, freq } in &heard {
            let own = ours.iter().find(|network| network.bss.iter().any(|bss| bss.bssid == *bssid));
            // A radio under a name of ours that is not announced: a replaced one, or somebody else.
            let same_name = ours.iter().find(|network| Some(&network.ssid) == ssid.as_ref());
            let is_listed = listed.contains(bssid);
            let note = match (own, same_name) {
                (Some(network), _) => format!("yours ({}), {}", network.network, stands(is_listed)),
                (None, Some(network)) => format!("called like yours ({}), not announced", network.network),
                (None, None) if is_listed => "listed".to_owned(),
                (None, None) => String::new(),
            };
            let name = ssid.as_ref().map_or_else(|| "(hidden)".to_owned(), ToString::to_string);
            let fields = json!({
                "bssid": bssid, "ssid": ssid, "security": security, "signal": signal, "freq": freq,
                "listed": is_listed, "network": own.map(|network| &network.network),
                "router": own.map(|network| &network.router),
            });
            self.output.item("heard", fields, format!("{bssid} {signal:4} dBm {freq} MHz  {name}  {note}").trim_end());
        }
        Ok(())
    }

    pub(super) async fn share_status(&self) -> Result<(), Failure> {
        let networks = Api::of_sharer(&self.common)?.networks().await?;
        for network in &networks {
            let fields = json!({
                "router": network.router, "network": network.network, "ssid": network.ssid,
                "security": network.security, "by_hand": network.by_hand, "state": network.state,
                "until": network.until, "bss": network.bss,
            });
            self.output.item("network", fields, &standing(network));
        }
        if networks.is_empty() {
            self.output.note("the directory knows no network of yours; `welcome share verify` offers one");
        }
        Ok(())
    }

    pub(super) async fn share_remove(&self, which: &Which) -> Result<(), Failure> {
        if which.network.is_none() && which.ssid.is_none() {
            return Err(Failure::Usage("remove needs --network or --ssid".into()));
        }
        let api = Api::of_sharer(&self.common)?;
        let networks = api.networks().await?;
        let network = choose_ours(which, &networks, &[])?;
        if !api.remove(&network.router, &network.network).await? {
            let why = "an agent announces it: take it out of the router's configuration";
            return Err(Failure::Usage(format!("{} stays: {why}", network.network)));
        }
        let fields = json!({ "router": network.router, "network": network.network, "ssid": network.ssid });
        self.output.event("removed", fields, &format!("{} is out of the directory", network.ssid));
        Ok(())
    }

    /// What is listed of what is heard: by the server, or by the list that is kept.
    async fn listed(&self, heard: &[Sighting]) -> Result<BTreeSet<Bssid>, Failure> {
        if self.common.server.is_none() {
            let kept = self.kept_list();
            return Ok(heard
                .iter()
                .map(|sighting| sighting.bssid)
                .filter(|bssid| kept.get(*bssid).is_some())
                .collect());
        }
        let loudest = heard.iter().map(|sighting| sighting.bssid).take(MAX_BSSIDS).collect();
        match Api::of_witness(&self.common)?.look_up(loudest).await {
            Ok(listing) => Ok(listing.entries.into_iter().map(|entry| entry.bssid).collect()),
            // A directory that is closed to everybody may still be a sharer's own.
            Err(Failure::Other(error)) => {
                self.output.note(&format!("what is listed cannot be told: {error:#}"));
                Ok(BTreeSet::new())
            }
            Err(failure) => Err(failure),
        }
    }
}

fn stands(is_listed: bool) -> &'static str {
    if is_listed { "listed" } else { "not listed" }
}

fn standing(network: &SharedNetwork) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let state = match (network.state, network.until) {
        (Step::Verified, Some(until)) => format!("verified, for {} days more", until.saturating_sub(now) / DAY),
        (state, _) => state.as_str().to_owned(),
    };
    let listed = network.bss.iter().filter(|bss| bss.listed).count();
    let how = if network.by_hand { ", by hand" } else { "" };
    let SharedNetwork { router, network: name, ssid, bss, .. } = network;
    format!("{router}/{name}  {ssid}  {state}, {listed} of {} radios listed{how}", bss.len())
}

const DAY: u64 = 86_400;
