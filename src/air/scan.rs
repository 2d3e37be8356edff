//! Who sends a name: what a router hears of a challenge of somebody else's.
//!
//! OpenWrt scans by rpcd's `iwinfo`; elsewhere wpa_supplicant does, if there is one. Of all that is heard only what has
//! exactly the name that was asked for goes any further.

use sorted::SortedMap;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_ubus::{Blobmsg, Client, Error, Ref, Status};
use welcome_core::Event;
use welcome_proto::challenge::{ChallengeName, Heard, MAX_HEARD, WitnessReport};
use welcome_proto::{Bssid, ChallengeId, Mac};
use wpa_ctrl::{Control, supplicant};

use super::{Ways, short};
use crate::bus::NoArguments;
use crate::tasks::Stop;

/// Listens whenever it is called, until told to stop.
///
/// # Errors
/// Never; the signature is that of a task.
pub async fn run(
    ways: Ways,
    mut calls: mpsc::Receiver<(ChallengeId, ChallengeName)>,
    events: mpsc::Sender<Event>,
    mut stop: Stop,
) -> anyhow::Result<()> {
    let listening = async {
        while let Some((id, name)) = calls.recv().await {
            let report = match listen(&ways, &name).await {
                Ok(heard) => WitnessReport { heard, refused: None },
                Err(why) => WitnessReport { heard: vec![], refused: Some(short(&why)) },
            };
            // It fails when the agent ends, and then nobody needs to know.
            let _ended = events.send(Event::Listened { id, report }).await.is_err();
        }
    };
    tokio::select! {
        () = listening => {}
        () = stop.stopped() => {}
    }
    Ok(())
}

/// Listens once; why not, if there is no way to.
async fn listen(ways: &Ways, name: &ChallengeName) -> Result<Vec<Heard>, String> {
    let heard = match by_iwinfo(&ways.bus, name).await {
        Err(Error::Closed | Error::Refused(Status::NotFound)) => by_supplicant(&ways.supplicant_dir, name).await?,
        heard => heard.map_err(|error| format!("iwinfo: {error}"))?,
    };
    let mut heard: Vec<_> = heard.into_iter().map(|(bssid, (signal, freq))| Heard { bssid, signal, freq }).collect();
    heard.truncate(MAX_HEARD);
    Ok(heard)
}

/// By address: signal and channel.
type Found = SortedMap<Bssid, (i16, u16)>;

async fn by_iwinfo(bus: &Client, name: &ChallengeName) -> Result<Found, Error> {
    let devices = bus.call("iwinfo", "devices", &NoArguments {}, LIMIT).await?;
    let devices = devices.data.into_iter().next().unwrap_or_default();
    let devices = devices.get("devices").map(|d| d.elements()).unwrap_or_default();
    let devices: Vec<_> = devices.filter_map(|d| d.as_str().map(str::to_owned)).take(MAX_RADIOS).collect();
    let mut found = Found::new();
    let mut outcome = Err(Error::Refused(Status::NotFound));
    for device in devices {
        match bus.call("iwinfo", "scan", &Device { device: &device }, SCAN).await {
            Ok(answer) => {
                outcome = Ok(());
                found.extend(answer.data.first().map(|a| read(a, name)).unwrap_or_default());
            }
            // One that is off may be followed by one that is not.
            Err(error) => outcome = outcome.or(Err(error)),
        }
    }
    outcome.map(|()| found)
}

#[derive(serde::Serialize)]
struct Device<'a> {
    device: &'a str,
}

/// What iwinfo says of those with this name.
fn read(answer: &Blobmsg, name: &ChallengeName) -> Found {
    let results = answer.get("results").map(|r| r.elements()).unwrap_or_default();
    let one = |cell: Ref<'_>| {
        let is_it = cell.get("ssid").and_then(|s| s.as_bytes()) == Some(name.ssid().as_bytes());
        let bssid = cell.get("bssid").and_then(|b| b.as_str()?.parse::<Bssid>().ok()).filter(|_| is_it)?;
        let number = |name: &str| cell.get(name).and_then(|n| n.as_i64());
        let signal = number("signal").and_then(|s| s.try_into().ok()).unwrap_or_default();
        let freq = number("mhz").and_then(|f| f.try_into().ok()).unwrap_or_default();
        Some((bssid, (signal, freq)))
    };
    results.filter_map(one).collect()
}

async fn by_supplicant(dir: &Path, name: &ChallengeName) -> Result<Found, String> {
    let nobody = || "neither rpcd-mod-iwinfo nor wpa_supplicant is there to scan".to_owned();
    let entries = std::fs::read_dir(dir).map_err(|_| nobody())?;
    let mut ifnames: Vec<_> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    ifnames.sort();
    let ifname = ifnames.into_iter().find(|i| !i.starts_with("p2p") && i != "global").ok_or_else(nobody)?;
    let scan = async {
        let mut control = Control::open(dir.join(ifname), std::env::temp_dir())?;
        // Another one that is under way will do as well.
        let _started = supplicant::scan(&mut control, &[]).await.is_ok();
        let late = Instant::now() + SCAN;
        loop {
            sleep(LOOK).await;
            let all = supplicant::scan_results(&mut control).await?;
            let fresh = all.into_iter().filter(|h| h.age_s.is_none_or(|age| age <= FRESH_S));
            let its = fresh.filter(|h| h.ssid == name.ssid().as_bytes());
            let found: Found = its
                .filter_map(|h| {
                    let bssid = Mac(h.bssid).try_into().ok()?;
                    Some((bssid, (h.signal.try_into().unwrap_or_default(), h.freq.try_into().unwrap_or_default())))
                })
                .collect();
            if !found.is_empty() || Instant::now() >= late {
                return Ok(found);
            }
        }
    };
    scan.await.map_err(|error: wpa_ctrl::Error| format!("wpa_supplicant: {error}"))
}

const LIMIT: Duration = Duration::from_secs(5);
/// Over all channels.
const SCAN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_secs(1);
/// What was heard longer ago may be off the air.
const FRESH_S: u32 = 20;
/// Each takes seconds, during which a radio hears its own stations badly.
const MAX_RADIOS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_sends_exactly_this_name_is_told() {
        // The members as rpcd's iwinfo.c writes them.
        let answer = serde_json::json!({"results": [
            {"ssid": "welcome-0123456789abcdef", "bssid": "02:00:00:00:0A:00", "mode": "Master", "channel": 6,
             "mhz": 2437, "signal": -61, "quality": 49, "quality_max": 70},
            {"ssid": "welcome-0123456789abcdef", "bssid": "02:00:00:00:0B:00", "channel": 6, "signal": -70},
            {"ssid": "welcome-0123456789abcdeg", "bssid": "02:00:00:00:0C:00", "signal": -40},
            {"ssid": "The neighbours", "bssid": "02:00:00:00:0D:00", "signal": -40},
            {"bssid": "02:00:00:00:0E:00"},
            {"ssid": "welcome-0123456789abcdef", "bssid": "no address"},
        ]});
        let answer = Blobmsg::from_json(answer.as_object().unwrap()).unwrap();
        let found = read(&answer, &"welcome-0123456789abcdef".parse().unwrap());
        let expected = [("02:00:00:00:0a:00", (-61, 2437)), ("02:00:00:00:0b:00", (-70, 0))];
        assert_eq!(found, expected.map(|(bssid, of)| (bssid.parse().unwrap(), of)).into());
        assert!(read(&Blobmsg::new(), &"welcome-0123456789abcdef".parse().unwrap()).is_empty());
    }
}
