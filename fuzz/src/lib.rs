//! What must hold for any bytes at all: one function for each parser of bytes from outside.
//!
//! `make fuzz` looks for bytes that break one of them (cargo-fuzz, nightly); `tests/replay.rs` replays every file of
//! `corpus/` on any toolchain. A failure found becomes a file there.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use tokio_ubus::message::Message;
use tokio_ubus::{Blobmsg, Builder, frame, from_blobmsg, to_blobmsg};
use welcome_core::{Access, Event};
use welcome_proto::announce::Announce;
use welcome_proto::challenge::{
    self, Challenge, ChallengeState, EVENT_CHALLENGE, EVENT_STANDING, EVENT_WITNESS, Testimony, Witness, WitnessReport,
};
use welcome_proto::enrol::EnrolRequest;
use welcome_proto::lan::{Shown, StationOffers, Welcome};
use welcome_proto::language::{MAX_HEADER, MAX_RANGES, Preferred};
use welcome_proto::lookup::{BssidQuery, Listing};
use welcome_proto::offer::{OffersPush, SayPush};
use welcome_proto::problem::Problem;
use welcome_proto::report::ReportBatch;
use welcome_proto::signed::Statement;
use welcome_proto::{signature, sse};
use welcomed::config::Config;
use welcomed::portal::catch::{self, Verdict};
use welcomed::portal::form;
use welcomed::portal::words::Languages;
use welcomed::upstream::ownership;
use welcomed::upstream::push::{Push, Sieve, read_say};
use welcomed::upstream::trust::Trust;
use welcomed::watch::address::parse_leases;
use wpa_ctrl::reply;

/// A target: its name, which is also that of its corpus, and what must hold.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 10] = [
    ("wpa_event", wpa_event),
    ("wpa_reply", wpa_reply),
    ("uci_text", uci_text),
    ("sse", sse_stream),
    ("wire_json", wire_json),
    ("texts", texts),
    ("ubus_frame", ubus_frame),
    ("blobmsg", blobmsg),
    ("accept_language", accept_language),
    ("caught", caught),
];

/// A datagram from an attached control socket.
pub fn wpa_event(data: &[u8]) {
    seen(wpa_ctrl::Event::parse(data));
}

/// An answer on a control socket.
pub fn wpa_reply(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(radio) = reply::Radio::parse(&text) {
        // No answer may make a list longer than itself.
        assert!(radio.bss.len() <= text.lines().count());
    }
    seen(reply::Station::parse(&text));
    seen(text.lines().filter_map(reply::Heard::parse_row).collect::<Vec<_>>());
    seen(reply::Heard::parse_entry(&text));
    assert_eq!(wpa_ctrl::text::unescape(&wpa_ctrl::text::escape(data)), data, "escaping loses a byte");
}

/// A configuration file.
pub fn uci_text(data: &[u8]) {
    if let Err(error) = Config::parse(Path::new("welcomed"), data) {
        assert!(!error.to_string().is_empty(), "refused without a reason");
    }
}

/// A stream of server-sent events, in two pieces.
pub fn sse_stream(data: &[u8]) {
    let decode = |pieces: [&[u8]; 2]| {
        let mut decoder = sse::Decoder::new(256);
        let mut events = Vec::new();
        for piece in pieces {
            match decoder.push(piece) {
                Ok(more) => events.extend(more),
                Err(_) => return None,
            }
        }
        Some(events)
    };
    let whole = decode([data, b""]);
    assert_eq!(whole, decode(data.split_at(data.len() / 2).into()), "it matters where the network cuts");
    for event in whole.into_iter().flatten().filter(|e| !e.name.contains('\r')) {
        let again = sse::Decoder::new(4096).push(sse::encode(&event.name, None, &event.data).as_bytes());
        assert!(again.is_ok_and(|e| e.len() == 1 && e[0].data == event.data));
    }
}

/// Every JSON document that travels.
pub fn wire_json(data: &[u8]) {
    if let Ok(push) = serde_json::from_slice::<OffersPush>(data) {
        for signed in push.offers {
            seen((signed.message::<Statement>(), signed.signature_bytes()));
            if let Ok(statement) = serde_json::from_str::<Statement>(&signed.statement) {
                seen(statement.offer.check());
                let again = serde_json::to_string(&statement).expect("what was read can be written");
                assert_eq!(serde_json::from_str::<Statement>(&again).ok(), Some(statement));
            }
        }
    }
    seen(serde_json::from_slice::<SayPush>(data));
    pushed(data);
    challenged(data);
    if let Ok(announce) = serde_json::from_slice::<Announce>(data) {
        let text = serde_json::to_string(&announce).expect("what was read can be written");
        assert_eq!(serde_json::from_str::<Announce>(&text).ok(), Some(announce));
    }
    seen(serde_json::from_slice::<EnrolRequest>(data));
    seen(serde_json::from_slice::<Shown>(data));
    seen(serde_json::from_slice::<StationOffers>(data));
    seen(serde_json::from_slice::<Welcome>(data));
    seen(serde_json::from_slice::<BssidQuery>(data));
    seen(serde_json::from_slice::<Listing>(data));
    seen(serde_json::from_slice::<ReportBatch>(data));
    seen(serde_json::from_slice::<Problem>(data));
}

/// What a server pushes without the operator's key: nothing of it is ever shown.
fn pushed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let trust = Trust { router: "r-1".parse().expect("a router's name"), key: NOBODY };
    if let Some(push) = Push::read(&text) {
        let mut sieve = Sieve::new(&trust, &[]);
        push.offers.into_iter().for_each(|raw| sieve.take(raw));
        assert!(sieve.finish().good.is_empty(), "taken without a signature");
    }
    assert!(read_say(&text, &trust, 0).is_err(), "said without a signature");
}

/// What is asked of the radios: nothing without the operator's key, and no other name than that of a challenge.
fn challenged(data: &[u8]) {
    let trust = Trust { router: "r-1".parse().expect("a router's name"), key: NOBODY };
    for name in [EVENT_CHALLENGE, EVENT_WITNESS, EVENT_STANDING] {
        let data = String::from_utf8_lossy(data).into_owned();
        let read = ownership::read(&sse::Event { name: name.to_owned(), id: None, data }, &trust, 0);
        assert!(matches!(read, Some(Err(_) | Ok(Event::Standing(_)))), "taken without a signature");
    }
    if let Ok(challenge) = serde_json::from_slice::<Challenge>(data) {
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        assert!(challenge.ssid.iter().all(|name| name.ssid().as_bytes().iter().all(plain)), "not on our air");
        let text = serde_json::to_string(&challenge).expect("what was read can be written");
        assert_eq!(serde_json::from_str::<Challenge>(&text).ok(), Some(challenge));
    }
    seen(serde_json::from_slice::<Witness>(data));
    seen(serde_json::from_slice::<ChallengeState>(data));
    seen(serde_json::from_slice::<WitnessReport>(data));
    seen(serde_json::from_slice::<Testimony>(data));
    seen(serde_json::from_slice::<challenge::Verdict>(data));
}

/// A key that signs nothing here.
const NOBODY: [u8; 32] = [
    0xfd, 0x17, 0x24, 0x38, 0x5a, 0xa0, 0xc7, 0x5b, 0x64, 0xfb, 0x78, 0xcd, 0x60, 0x2f, 0xa1, 0xd9, 0x91, 0xfd, 0xeb,
    0xf7, 0x6b, 0x13, 0xc5, 0x8e, 0xd7, 0x02, 0xea, 0xc8, 0x35, 0xe9, 0xf6, 0x18,
];

/// The small texts: names, signatures, leases, places.
pub fn texts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(ssid) = text.parse::<welcome_proto::Ssid>() {
        assert_eq!(ssid.to_string().parse(), Ok(ssid));
    }
    if let Ok(params) = signature::parse_input(&text, true) {
        assert_eq!(signature::signature_input(&params, true), text, "two texts for one signature");
    }
    seen(signature::parse_signature(&text));
    seen(text.parse::<welcome_proto::Mac>());
    seen(text.parse::<welcome_proto::announce::Place>());
    seen(text.parse::<welcomed::config::ServerUrl>());
    assert!(parse_leases(&text).len() <= text.lines().count());
}

/// A stream from ubusd, or whoever sits behind its socket.
pub fn ubus_frame(data: &[u8]) {
    let mut input = BytesMut::from(data);
    while let Ok(Some(message)) = frame::decode(&mut input) {
        seen((message.status(), message.path(), message.object(), message.method(), message.object_type()));
        seen((message.target(), message.active(), message.no_reply(), message.user(), message.group()));
        // No list may be longer than the frame has room for.
        assert!(message.subscribers().is_none_or(|s| s.len() <= data.len() / 8));
        for list in [message.data(), message.signature()].into_iter().flatten().flatten() {
            same_again(&list);
        }
        let Ok(attributes) = message.attributes().collect::<Result<Vec<_>, _>>() else { continue };
        let again = Message::new(message.kind, message.seq, message.peer, attributes.clone());
        let mut bytes = Vec::new();
        frame::encode(&again.expect("what was read can be sent"), &mut bytes);
        let again = frame::decode(&mut BytesMut::from(&bytes[..])).ok().flatten().expect("what was sent can be read");
        assert!(again.attributes().map(|a| a.expect("whole")).eq(attributes), "an attribute changed");
    }
}

/// The content of a DATA attribute.
pub fn blobmsg(data: &[u8]) {
    let Ok(message) = Blobmsg::parse(data.to_vec()) else { return };
    same_again(&message);
    let Ok(clients) = from_blobmsg::<Clients>(&message) else { return };
    let again = to_blobmsg(&clients).expect("what was read can be sent");
    assert_eq!(from_blobmsg::<Clients>(&again).ok(), Some(clients));
}

/// What a browser prefers, and which of our languages that is.
pub fn accept_language(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let preferred = Preferred::parse(&text);
    let again = preferred.to_string();
    assert!(again.len() <= MAX_HEADER && again.split(',').count() <= MAX_RANGES);
    assert_eq!(Preferred::parse(&again).to_string(), again, "it means something else when it is said again");
    let words = Languages::built_in();
    assert!(["en", "zh"].contains(&words.choose(&preferred).language()));
}

/// A caught request: method, target and `Host`s, a line each.
pub fn caught(data: &[u8]) {
    let mut lines = data.split(|b| *b == b'\n');
    let (Some(method), Some(target)) = (lines.next(), lines.next()) else { return };
    let mut request = http::Request::builder().method(method).uri(target);
    for host in lines.take(3) {
        request = request.header(http::header::HOST, host);
    }
    let Ok(request) = request.body(()) else { return };
    for access in [Access::Open, Access::Catch, Access::Held] {
        for has_uplink in [true, false] {
            let verdict = catch::judge(&request, access, has_uplink);
            if let Ok(Verdict::Through { url }) = &verdict {
                assert!(has_uplink && access != Access::Held);
                let again: http::Uri = url.parse().expect("it leads somewhere");
                assert_eq!((again.scheme_str(), again.port()), (Some("http"), None));
                assert!(!again.authority().is_some_and(|a| a.as_str().contains('@')), "{url}");
                assert!(!url.contains(['\r', '\n', ' ']), "{url}");
            }
            let reads = request.method() == "GET" || request.method() == "HEAD";
            assert!(reads || !matches!(verdict, Ok(Verdict::Page { .. } | Verdict::Success(_))));
        }
    }
    seen(form::is_ours(request.headers(), Some("router.example")));
}

/// An answer to hostapd's `get_clients`, or something like it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Clients {
    freq: Option<u32>,
    #[serde(default)]
    clients: BTreeMap<String, Station>,
    mode: Option<Mode>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Station {
    auth: Option<bool>,
    #[serde(default)]
    rrm: Vec<u8>,
    pair: Option<(i8, i64)>,
    bytes: Option<BTreeMap<String, i64>>,
    ssid: Option<char>,
    inner: Option<Box<Station>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Mode {
    Off,
    On(u16),
    At(i16, i32),
    For { seconds: i64 },
}

/// A message is the same when it is built again from its values. JSON tells less of it, but always the same.
fn same_again(message: &Blobmsg) {
    let mut again = Builder::new();
    for field in message.fields() {
        again.push(field.name, field.value);
    }
    let again = again.finish().expect("what was read can be sent");
    assert!(again.as_bytes().len() <= message.as_bytes().len());
    assert_eq!(format!("{again:?}"), format!("{message:?}"), "a value changed");
    let json = message.to_json();
    assert_eq!(again.to_json(), json);
    let object = json.as_object().expect("a message is an object");
    // Names that are no UTF-8 grow when they are said in JSON, perhaps beyond what a name may be.
    if let Ok(back) = Blobmsg::from_json(object) {
        assert_eq!(back.to_json(), json);
    }
    seen(from_blobmsg::<serde_json::Value>(message));
}

/// That the value came to be is all that is asked of it.
fn seen<T>(_value: T) {}
