//! Whose address is whose, at the moment it is given: from dnsmasq and odhcpd by ubus.
//!
//! In: their notifications, and odhcpd's list of leases. Out: address events. The leases file and the neighbour table
//! ([`super::address`]) tell the same a little later, and on every Linux.

use std::future::pending;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_ubus::{Blobmsg, Client, Error, Notice, Ref, Status};
use tracing::{debug, warn};
use welcome_core::Event;
use welcome_proto::Mac;

use super::Heard;
use crate::bus::NoArguments;
use crate::tasks::Stop;

/// dnsmasq; further instances on the same router are `dnsmasq.` and the name of their section.
const DNSMASQ: &str = "dnsmasq*";
/// This one is for every name that is looked up, and dnsmasq waits for who subscribes to it.
const DNSMASQ_NAMES: &str = "dnsmasq.dns";
/// odhcpd.
const ODHCPD: &str = "dhcp";
const LEASES: &str = "ipv4leases";
/// An address is somebody's.
const GIVEN: [&str; 2] = ["dhcp.ack", "dhcp.lease4"];
/// An address is nobody's any more. The names with a digit are those of a younger odhcpd.
const TAKEN: [&str; 4] = ["dhcp.release", "dhcp.expire", "dhcp.release4", "dhcp.expire4"];
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Watches the DHCP servers over `bus` until told to stop.
///
/// # Errors
/// Never; the signature is that of a task.
pub async fn run(bus: Client, to: mpsc::Sender<Heard>, mut stop: Stop) -> anyhow::Result<()> {
    tokio::select! {
        () = watch(&bus, &to) => Ok(()),
        () = stop.stopped() => Ok(()),
    }
}

async fn watch(bus: &Client, to: &mpsc::Sender<Heard>) {
    let kinds = [&GIVEN[..], &TAKEN[..]].concat();
    let mut dnsmasq = bus.subscribe(DNSMASQ).except(&[DNSMASQ_NAMES]).only(&kinds).start();
    let mut odhcpd = bus.subscribe(ODHCPD).only(&kinds).start();
    loop {
        let notice = tokio::select! {
            notice = dnsmasq.next() => notice,
            notice = odhcpd.next() => notice,
        };
        match notice {
            Some(Notice::Notification { at, kind, data, .. }) => {
                if let Some(event) = change(&kind, &data) {
                    Heard { at, event }.tell(to).await;
                }
            }
            Some(Notice::Subscribed { path }) if &*path == ODHCPD => {
                for event in leases(bus).await {
                    Heard::now(event).tell(to).await;
                }
            }
            Some(Notice::Denied { path, status }) => {
                warn!(%path, %status, "ubus lets nobody hear of addresses that are given; they are learned later");
            }
            Some(_) => {}            // what was lost here is in the leases file and in the neighbour table
            None => pending().await, // the thread of the connection has ended, and the agent does
        }
    }
}

/// odhcpd's leases, of which dnsmasq's file has nothing.
async fn leases(bus: &Client) -> Vec<Event> {
    match bus.call(ODHCPD, LEASES, &NoArguments {}, ANSWER_WITHIN).await {
        Ok(reply) => read_leases(reply.data.first()),
        // It only serves IPv6, or has just gone again.
        Err(Error::Closed | Error::Refused(Status::NotFound | Status::MethodNotFound)) => vec![],
        Err(error) => {
            debug!(%error, "odhcpd does not tell its leases");
            vec![]
        }
    }
}

/// What a notification says.
fn change(kind: &str, data: &Blobmsg) -> Option<Event> {
    let ip = address(data.get("ip").or_else(|| data.get("ipv4")))?;
    if TAKEN.contains(&kind) {
        return Some(Event::AddressLost { ip });
    }
    GIVEN.contains(&kind).then_some(Event::AddressLearned { mac: mac(data.get("mac"))?, ip })
}

/// `{"device": {"br-lan": {"leases": [{"mac": "020000000100", "address": "192.168.1.5", ..}]}}}`
fn read_leases(answer: Option<&Blobmsg>) -> Vec<Event> {
    let Some(Ref::Table(devices)) = answer.and_then(|a| a.get("device")) else { return vec![] };
    let leases = devices.filter_map(|device| device.value.get("leases")).flat_map(|leases| leases.elements());
    let lease = |lease: Ref<'_>| {
        Some(Event::AddressLearned { mac: mac(lease.get("mac"))?, ip: address(lease.get("address"))? })
    };
    leases.filter_map(lease).collect()
}

fn address(value: Option<Ref<'_>>) -> Option<IpAddr> {
    value?.as_str()?.parse().ok()
}

/// With colons, or without as in odhcpd's list.
fn mac(value: Option<Ref<'_>>) -> Option<Mac> {
    let text = value?.as_str()?;
    if text.len() != 12 || !text.is_ascii() {
        return text.parse().ok();
    }
    let pairs: Vec<_> = (0..12).step_by(2).map(|at| &text[at..at + 2]).collect();
    pairs.join(":").parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(json: serde_json::Value) -> Blobmsg {
        Blobmsg::from_json(json.as_object().unwrap()).unwrap()
    }

    const ANN: Mac = Mac([2, 0, 0, 0, 0xa, 0]);

    fn learned(ip: &str) -> Event {
        Event::AddressLearned { mac: ANN, ip: ip.parse().unwrap() }
    }

    #[test]
    fn both_servers_words_for_an_address_are_understood() {
        let lost = Event::AddressLost { ip: "10.0.0.9".parse().unwrap() };
        for (kind, data, expected) in [
            (
                "dhcp.ack",
                json!({"mac": "02:00:00:00:0a:00", "ip": "10.0.0.9", "name": "x", "interface": "br-guest"}),
                Some(learned("10.0.0.9")),
            ),
            (
                "dhcp.lease4",
                json!({"mac": "02:00:00:00:0a:00", "ipv4": "10.0.0.9", "interface": "guest"}),
                Some(learned("10.0.0.9")),
            ),
            ("dhcp.release", json!({"mac": "02:00:00:00:0a:00", "ip": "10.0.0.9"}), Some(lost.clone())),
            ("dhcp.expire4", json!({"ipv4": "10.0.0.9"}), Some(lost)),
            ("dhcp.ack", json!({"ip": "10.0.0.9"}), None),
            ("dhcp.ack", json!({"mac": "02:00:00:00:0a:00", "ip": "x"}), None),
            ("dhcp.ack", json!({"mac": 1, "ip": 2}), None),
            ("dhcp.nak", json!({"mac": "02:00:00:00:0a:00", "ip": "10.0.0.9"}), None),
        ] {
            assert_eq!(change(kind, &message(data.clone())), expected, "{kind} {data}");
        }
    }

    #[test]
    fn odhcpds_leases_are_read_and_the_rest_is_passed_over() {
        let answer = message(json!({"device": {
            "br-guest": {"leases": [
                {"mac": "020000000a00", "hostname": "x", "flags": ["bound"], "address": "10.0.0.9", "valid": 7},
                {"mac": "02:00:00:00:0a:00", "address": "10.0.0.10"},
                {"mac": "02000000\u{e9}a0", "address": "10.0.0.11"},
                {"mac": "020000000a00"}, 7, "x"]},
            "br-lan": {"leases": []}, "odd": 1}}));
        assert_eq!(read_leases(Some(&answer)), [learned("10.0.0.9"), learned("10.0.0.10")]);
        assert_eq!(read_leases(Some(&message(json!({"device": 1})))), []);
        assert_eq!(read_leases(None), []);
    }
}
