//! Figures of `tokio-ubus`, measured on what hostapd was recorded to say: `bench-ubus`, to be built with `--release`.
//!
//! One row a figure: `bench`, name, value, unit, separated by tabs.
#![allow(clippy::unwrap_used, reason = "a bench may")]
#![allow(clippy::print_stdout, reason = "its rows are its purpose")]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Blobmsg, Builder, Client, Object, frame, from_blobmsg, to_blobmsg};

/// hostapd's own connection, and that of a subscriber to its object.
const RECORDED: &str = include_str!("../../../ubus/tests/captures/40-hostapd-main.jsonl");
/// As many stations as a busy access point has.
const STATIONS: u32 = 64;
/// Of each figure the median of so many runs is told.
const RUNS: usize = 5;
/// How long a run takes at least.
const RUN: Duration = Duration::from_millis(300);

fn main() {
    let clients = clients64();
    row("ubus.decode_clients64", rate(|| decode_clients(&clients)), "messages/s");
    let message = decode(&clients).data().unwrap().unwrap();
    let read: Clients<'_> = from_blobmsg(&message).unwrap();
    assert_eq!(read.clients.len(), STATIONS as usize);
    row("ubus.encode_clients64", rate(|| encode_clients(&read)), "messages/s");
    let probe = recorded(|m| m.kind == Kind::Invoke && m.method() == Some("probe"));
    row("ubus.decode_probe", rate(|| decode_probe(&probe)), "messages/s");
    call_roundtrips();
}

/// From the frame to every field of every station.
fn decode_clients(frame: &[u8]) {
    let message = decode(frame).data().unwrap().unwrap();
    black_box(from_blobmsg::<Clients<'_>>(&message).unwrap());
}

/// From the fields to the frame.
fn encode_clients(clients: &Clients<'_>) {
    let data = to_blobmsg(black_box(clients)).unwrap();
    black_box(encode(&data));
}

/// What a subscriber looks at of a notification before it passes it over.
fn decode_probe(frame: &[u8]) {
    let message = decode(frame);
    black_box(message.method());
    let data = message.data().unwrap().unwrap();
    black_box(data.get("address").unwrap().as_str());
}

fn decode(frame: &[u8]) -> Message {
    frame::decode(&mut BytesMut::from(frame)).unwrap().unwrap()
}

fn encode(data: &Blobmsg) -> Vec<u8> {
    let mut out = Vec::new();
    let attributes = [Attribute::Object(1), Attribute::Data(data.as_bytes())];
    frame::encode(&Message::new(Kind::Data, 1, 1, attributes).unwrap(), &mut out);
    out
}

/// An answer to `get_clients`.
#[derive(Debug, Serialize, Deserialize)]
struct Clients<'a> {
    freq: u32,
    #[serde(borrow)]
    clients: BTreeMap<&'a str, Station>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Station {
    auth: bool,
    assoc: bool,
    authorized: bool,
    preauth: bool,
    wds: bool,
    wmm: bool,
    ht: bool,
    vht: bool,
    he: bool,
    wps: bool,
    mfp: bool,
    mbo: bool,
    rrm: [u8; 5],
    extended_capabilities: Vec<u8>,
    aid: u16,
    bytes: Pair,
    airtime: Pair,
    packets: Pair,
    rate: Pair,
    signal: i32,
    capabilities: Capabilities,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pair {
    rx: u64,
    tx: u64,
}

/// Empty as recorded.
#[derive(Debug, Serialize, Deserialize)]
struct Capabilities {}

/// The recorded answer with its one station 64 times.
fn clients64() -> Vec<u8> {
    let has_clients = |m: &Message| m.data().is_some_and(|d| d.unwrap().get("clients").is_some());
    let one = decode(&recorded(|m| m.kind == Kind::Data && has_clients(m))).data().unwrap().unwrap();
    let station = one.get("clients").unwrap().get("02:00:00:00:01:00").unwrap();
    let mut out = Builder::new();
    out.push("freq", one.get("freq").unwrap()).table("clients", |clients| {
        for n in 0..STATIONS {
            clients.push(format!("02:00:00:00:01:{n:02x}"), station);
        }
    });
    encode(&out.finish().unwrap())
}

/// The first recorded frame of this kind.
fn recorded(wanted: impl Fn(&Message) -> bool) -> Vec<u8> {
    let lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut frames = lines.filter_map(|line| line["hex"].as_str().map(unhex));
    frames.find(|frame| wanted(&decode(frame))).expect("it was recorded")
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |d: u8| char::from(d).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// A call and its answer: over a socket to a peer that echoes, and through ubusd to an object of ours, where there is
/// one.
fn call_roundtrips() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::spawn(move || echo(theirs));
    let runtime = runtime();
    ours.set_nonblocking(true).unwrap();
    let (client, driver) = {
        let _within = runtime.enter();
        tokio_ubus::over(tokio::net::UnixStream::from_std(ours).unwrap())
    };
    runtime.spawn(driver.run());
    row("ubus.call_roundtrip", roundtrip(&runtime, &client), "us");

    let configured = std::env::var_os("UBUS_SOCK").map(PathBuf::from);
    let found = configured.or_else(|| tokio_ubus::SOCKETS.map(PathBuf::from).into_iter().find(|path| path.exists()));
    let Some(socket) = found else { return };
    let (server, driver) = tokio_ubus::connect(&socket);
    thread::spawn(move || self::runtime().block_on(driver.run()));
    let mut object = server.publish(Object::new("bench").method("echo", &[]));
    thread::spawn(move || {
        self::runtime().block_on(async {
            while let Some(request) = object.next().await {
                let args: Value = request.read().unwrap();
                request.reply(&args).unwrap();
            }
        });
    });
    let (client, driver) = tokio_ubus::connect(&socket);
    runtime.spawn(driver.run());
    row("ubus.call_roundtrip.ubusd", roundtrip(&runtime, &client), "us");
}

fn roundtrip(runtime: &Runtime, client: &Client) -> String {
    let args = serde_json::json!({ "address": "02:00:00:00:01:00", "n": 1 });
    let call = || client.call("bench", "echo", &args, Duration::from_secs(1));
    runtime.block_on(async {
        client.connected().wait_for(|connected| *connected).await.unwrap();
        // The object may come a moment later.
        while call().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let rate = rate(|| drop(runtime.block_on(call()).unwrap()));
    format!("{:.1}", 1e6 / rate as f64)
}

/// The other end of a connection: finds whatever is looked up, and says back what it is called with.
fn echo(mut stream: UnixStream) {
    const OBJECT: Attribute<'_> = Attribute::Object(1000);
    let mut input = BytesMut::new();
    let mut out = Vec::new();
    let mut message = Message::new(Kind::Hello, 0, 1, []).unwrap();
    loop {
        let data = message.data().transpose().unwrap();
        let part = match message.kind {
            Kind::Lookup => Some([OBJECT, Attribute::Path(message.path().unwrap())]),
            _ => data.as_ref().map(|data| [OBJECT, Attribute::Data(data.as_bytes())]),
        };
        let parts = part.map(|part| Message::new(Kind::Data, message.seq, message.peer, part).unwrap());
        let last = match message.kind {
            Kind::Hello => message,
            _ => Message::new(Kind::Status, message.seq, message.peer, [Attribute::Status(0), OBJECT]).unwrap(),
        };
        out.clear();
        parts.into_iter().chain([last]).for_each(|message| frame::encode(&message, &mut out));
        stream.write_all(&out).unwrap();
        message = loop {
            if let Some(message) = frame::decode(&mut input).unwrap() {
                break message;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).unwrap() {
                0 => return,
                count => input.extend_from_slice(&chunk[..count]),
            }
        };
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// How often this can be done in a second.
fn rate(mut once: impl FnMut()) -> u64 {
    let mut run = || {
        let (start, mut done) = (Instant::now(), 0);
        while start.elapsed() < RUN {
            (0..100).for_each(|_| once());
            done += 100;
        }
        (f64::from(done) / start.elapsed().as_secs_f64()) as u64
    };
    let mut rates: Vec<_> = (0..RUNS).map(|_| run()).collect();
    rates.sort_unstable();
    rates[RUNS / 2]
}

fn row(name: &str, value: impl Display, unit: &str) {
    println!("bench\t{name}\t{value}\t{unit}");
}
