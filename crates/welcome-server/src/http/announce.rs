//! `PUT /v1/routers/{router}/announce`: the whole list of what a router shares takes the place of the former one.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use http::StatusCode;
use welcome_proto::announce::{Announce, AnnouncedBss, AnnouncedNetwork, MAX_BSS, MAX_NETWORKS};

use super::error::Error;
use super::guard::Signed;
use super::{Shared, parse};
use crate::app::unix_now;
use crate::signal::Signal;
use crate::store::Announced;

pub(crate) async fn announce(State(app): Shared, signed: Signed) -> Result<StatusCode, Error> {
    let Announce { generation, mut networks, left_out } = parse(&signed.body)?;
    check(generation, &networks).map_err(|why| Error::BadRequest(why.to_owned()))?;
    if left_out.len() > MAX_NETWORKS {
        return Err(Error::BadRequest("left_out: at most 64".to_owned()));
    }

    // Our agent leaves them out by itself; whoever does not is understood, too.
    let mut left_out: BTreeMap<_, _> = left_out.into_iter().map(|l| (l.id, l.mark)).collect();
    networks.retain(|network| {
        let mark = network.ssid.mark();
        left_out.extend(mark.map(|mark| (network.id.clone(), mark)));
        mark.is_none()
    });
    let (router, taken, refused) = (&signed.router, networks.len(), left_out.len());
    let outcome = app.store.announce(&app.seal, router, generation, &networks, &left_out, unix_now()).await?;
    app.metrics.announce(match outcome {
        Announced::Taken => "taken",
        Announced::Stale(_) => "stale",
        Announced::UnknownRouter => "unknown-router",
    });
    match outcome {
        Announced::Taken => {
            tracing::info!(%router, generation, taken, refused, "took an announce");
            app.signal(Signal::Router(router.clone())).await;
            Ok(StatusCode::NO_CONTENT)
        }
        Announced::Stale(generation) => Err(Error::StaleGeneration { generation }),
        Announced::UnknownRouter => Err(Error::UnknownRouter),
    }
}

pub(super) fn check(generation: u64, networks: &[AnnouncedNetwork]) -> Result<(), &'static str> {
    if i64::try_from(generation).is_err() {
        return Err("generation: below 2 to the power of 63");
    }
    if networks.len() > MAX_NETWORKS {
        return Err("networks: at most 64");
    }
    let mut ids = BTreeSet::new();
    for network in networks {
        if !ids.insert(&network.id) {
            return Err("networks: each id once");
        }
        check_bss(&network.bss)?;
        if let Some(key) = &network.key {
            // Clients hand it to their own Wi-Fi software: nothing but what a passphrase may have (IEEE 802.11, J.4).
            let fits = (8..=63).contains(&key.reveal().len()) && key.reveal().bytes().all(|b| matches!(b, 32..=126));
            if !network.security.needs_key() || !fits {
                return Err("key: 8 to 63 printable ASCII characters, and only where a key is needed");
            }
        }
    }
    Ok(())
}

pub(super) fn check_bss(bss: &[AnnouncedBss]) -> Result<(), &'static str> {
    if bss.len() > MAX_BSS {
        return Err("bss: at most 64 for one network");
    }
    let bssids: BTreeSet<_> = bss.iter().map(|b| b.bssid).collect();
    if bssids.len() < bss.len() {
        return Err("bss: each BSSID once in one network");
    }
    Ok(())
}
