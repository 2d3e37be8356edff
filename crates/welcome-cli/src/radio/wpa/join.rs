//! Has wpa_supplicant join a network.
//!
//! In: a heard network with its entry in the list. Out: joined, with the keys in place; or why not.

use super::Wpa;
use crate::exit::{Failure, Reason};
use crate::output::Output;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use welcome_client::Candidate;
use welcome_proto::announce::Security as Heard;
use welcome_proto::lookup::ListEntry;
use wpa_ctrl::supplicant::{self, Join, Security};
use wpa_ctrl::{Error, Event, Notice};

/// See [`super::super::Radio::join`].
pub(super) async fn join(
    wpa: &mut Wpa,
    Candidate { sighting, entry, .. }: &Candidate,
    within: Duration,
    output: &Output,
) -> Result<(), Failure> {
    wpa.undo.begin(&mut wpa.control, &entry.ssid, entry.bssid).await?;
    let id = supplicant::add_network(&mut wpa.control).await?;
    wpa.undo.added(id)?;
    let bssid = entry.bssid.mac().0;
    let join = Join {
        ssid: entry.ssid.as_bytes(),
        bssid: &bssid,
        freq: Some(sighting.freq),
        security: security(sighting.security, entry)?,
    };
    match supplicant::set_network(&mut wpa.control, id, join).await {
        Err(Error::Misuse { why, .. }) => {
            return Err(Failure::join(Reason::WrongKey, format!("the key in the list is none: {why}")));
        }
        result => result?,
    }
    let began = Instant::now();
    supplicant::select_network(&mut wpa.control, id).await?;
    let mut last = Failure::join(Reason::NoAnswer, format!("the access point did not answer within {within:?}"));
    while let Some(left) = within.checked_sub(began.elapsed()) {
        let (at, event) = match timeout(left.min(LOOK), wpa.events.recv()).await {
            Ok(Notice::Event { at, event }) => (at, event),
            Ok(Notice::Gone(reason)) => return Err(Error::Gone(reason).into()),
            // Events make it fast, a look makes it true.
            Ok(Notice::Lagged(_)) | Err(_) => {
                let link = supplicant::status(&mut wpa.control).await?;
                if link.state == "COMPLETED" && link.id == Some(id) {
                    keyed(output, Instant::now(), entry);
                    return Ok(());
                }
                continue;
            }
        };
        // What waited in the queue is of an earlier network, which may have had the same number.
        if at < began {
            continue;
        }
        match event {
            Event::Associated { bssid: heard } if heard == bssid => {
                let fields = json!({ "bssid": entry.bssid, "network": id });
                output.event_at(at, "associate", fields, &format!("associated with {}", entry.bssid));
            }
            Event::Connected { bssid: heard, .. } if heard == bssid => {
                keyed(output, at, entry);
                return Ok(());
            }
            Event::TemporarilyDisabled { reason: Some(reason), id: which, .. } if which == Some(id) => {
                match reason.as_str() {
                    "WRONG_KEY" => return Err(Failure::wrong_key()),
                    reason => {
                        last = Failure::join(Reason::NoAnswer, format!("wpa_supplicant gave up for a while: {reason}"));
                    }
                }
            }
            Event::Rejected { status, .. } => {
                let status = status.map(|status| format!(" with status {status}")).unwrap_or_default();
                last = Failure::join(Reason::Rejected, format!("the access point refused{status}"));
            }
            Event::Disconnected { locally_generated: false, reason, .. } => {
                let reason = reason.map(|reason| format!(" with reason {reason}")).unwrap_or_default();
                last = Failure::join(Reason::Rejected, format!("the access point ended it{reason}"));
            }
            _ => {}
        }
    }
    Err(last)
}

fn keyed(output: &Output, at: Instant, entry: &ListEntry) {
    output.event_at(
        at,
        "keyed",
        json!({ "bssid": entry.bssid, "ssid": entry.ssid }),
        &format!("joined {}", entry.ssid),
    );
}

fn security(heard: Option<Heard>, entry: &ListEntry) -> Result<Security<'_>, Failure> {
    let (psk, sae) = match heard.unwrap_or(entry.security) {
        Heard::Open => return Ok(Security::Open),
        Heard::Owe => return Ok(Security::Owe),
        Heard::Psk => (true, false),
        Heard::PskSae => (true, true),
        Heard::Sae => (false, true),
    };
    let key = entry.key.as_ref().ok_or_else(Failure::no_key)?;
    Ok(Security::Passphrase { phrase: key.reveal(), psk, sae })
}

const LOOK: Duration = Duration::from_secs(1);
