//! The status as text for a person. Pure.
//!
//! In: the document as JSON, maybe from an agent of another version: what is not there is left out. Out: lines.

use std::fmt::{self, Write as _};

use serde_json::Value;

/// What a person wants to know of a document.
#[must_use]
pub fn text(document: &Value) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _whole = write_text(&mut out, document).is_ok();
    out
}

fn write_text(f: &mut String, document: &Value) -> fmt::Result {
    let (version, uptime) = (word(&document["version"]), number(&document["uptime_s"]));
    writeln!(f, "welcomed {version}, running for {}", Span(uptime))?;
    let server = &document["server"];
    let link = word(&server["link"]);
    match link {
        "none" => writeln!(f, "server: none configured; the router works alone")?,
        "connected" => writeln!(f, "server: connected")?,
        _ => writeln!(f, "server: not connected: {}", word(&server["reason"]))?,
    }
    let (waiting, lost) = (number(&document["reports"]["waiting"]), number(&document["reports"]["dropped"]));
    if waiting > 0 || lost > 0 {
        writeln!(f, "reports: {waiting} waiting for the server, {lost} lost")?;
    }
    if let Some(trouble) = document["firewall"].as_str() {
        writeln!(f, "firewall: guests are not caught or held as they should be: {trouble}")?;
    }
    let networks = document["networks"].as_object();
    if networks.is_none_or(serde_json::Map::is_empty) {
        writeln!(f, "networks: none configured")?;
    }
    if list(&document["offers"]).is_empty() {
        writeln!(f, "offers: none; nobody is greeted until there is one")?;
    }
    for offer in list(&document["offers"]) {
        let from = match word(&offer["sender"]) {
            "device" => "this router's",
            "sharer" => "the sharer's",
            _ => "the server's",
        };
        write!(f, "offer {} ({from}): {:?}", word(&offer["id"]), word(&offer["title"]))?;
        match offer["waits"].as_str() {
            Some(why) => writeln!(f, "; {why}")?,
            None => writeln!(f)?,
        }
    }
    for (id, network) in networks.into_iter().flatten() {
        write_network(f, id, network, link)?;
    }
    let latency = &document["latency"];
    if let (Some(p50), Some(p99)) = (latency["p50_us"].as_u64(), latency["p99_us"].as_u64()) {
        let (p50, p99) = (Milliseconds(p50), Milliseconds(p99));
        writeln!(f, "a guest's messages are ready in {p50} ms, in 99 of 100 cases in {p99} ms")?;
    }
    Ok(())
}

fn write_network(f: &mut String, id: &str, network: &Value, link: &str) -> fmt::Result {
    let listed = match (network["announced"] == true, link) {
        (false, _) | (true, "none") => "not listed",
        (true, "connected") => "listed at the server",
        (true, _) => "to be listed when the server is reached",
    };
    let step = match network["verified"].as_str() {
        Some("verified") => ", verified as yours",
        Some("challenged") => ", being verified",
        Some("conflict") => ", but somebody else says that it is theirs",
        Some("expired") => ", to be verified again",
        _ => "",
    };
    writeln!(f, "network {id} ({listed}{step}):")?;
    if let Some(left) = network["challenge_s"].as_u64() {
        writeln!(f, "  carries a challenge of the server's for another {}", Span(left))?;
    }
    if list(&network["bss"]).is_empty() {
        writeln!(f, "  not on the air: hostapd has none of its interfaces")?;
    }
    for bss in list(&network["bss"]) {
        let (ssid, ifname, bssid) = (word(&bss["ssid"]), word(&bss["ifname"]), word(&bss["bssid"]));
        write!(f, "  on the air: \"{ssid}\" by {ifname} ({bssid}")?;
        match bss["freq"].as_u64() {
            Some(freq) => writeln!(f, ", {freq} MHz)")?,
            None => writeln!(f, ")")?,
        }
    }
    let n = |name: &str| number(&network[name]);
    writeln!(f, "  here now: {}, {} of them guests", Count(n("stations"), "device"), n("guests"))?;
    let (arrived, shown, today) = (Count(n("arrived"), "visit"), n("shown"), n("greeted_today"));
    writeln!(f, "  since the start: {arrived}; messages shown: {shown}; greeted today: {today}")
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

struct Count(u64, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, what) = self;
        write!(f, "{count} {what}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Microseconds, told in milliseconds with one decimal. Without floats: they would be the only ones that are formatted.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 + 50) / 100;
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

/// Seconds as a person says them.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s @ 0..60 => write!(f, "{s} s"),
            s @ 60..3600 => write!(f, "{} min", s / 60),
            s @ 3600..86_400 => write!(f, "{} h {} min", s / 3600, s / 60 % 60),
            s => write!(f, "{} d {} h", s / 86_400, s / 3600 % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_span_is_said_in_two_units_at_most() {
        let spans = [59, 3599, 3600, 90_000].map(|s| Span(s).to_string());
        assert_eq!(spans, ["59 s", "59 min", "1 h 0 min", "1 d 1 h"]);
    }

    #[test]
    fn how_far_the_proof_of_ownership_is_stands_with_the_network() {
        let document = |network| json!({"server": {"link": "connected"}, "networks": {"cafe": network}});
        let challenged = text(&document(json!({"announced": true, "verified": "challenged", "challenge_s": 61})));
        let expected = "network cafe (listed at the server, being verified):\n  \
                        carries a challenge of the server's for another 1 min\n";
        assert!(challenged.contains(expected), "{challenged}");
        let verified = text(&document(json!({"announced": true, "verified": "verified", "verified_until": 7})));
        assert!(verified.contains("network cafe (listed at the server, verified as yours):\n  not on"), "{verified}");
        let newer = text(&document(json!({"announced": true, "verified": "blessed"})));
        assert!(newer.contains("network cafe (listed at the server):\n"), "{newer}");
    }

    #[test]
    fn milliseconds_have_one_decimal() {
        assert_eq!([0, 49, 50, 12_345].map(|us| Milliseconds(us).to_string()), ["0.0", "0.0", "0.1", "12.3"]);
    }

    #[test]
    fn an_answer_of_another_version_is_shown_as_far_as_it_goes() {
        for odd in [json!(null), json!({"networks": 7, "offers": [null]}), json!({"networks": {"cafe": []}})] {
            assert!(text(&odd).starts_with("welcomed ?, running for 0 s\n"), "{odd}");
        }
    }
}
