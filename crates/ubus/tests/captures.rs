//! What real programs sent, recorded: every frame has the meaning that stands beside it in `*.meaning.txt`, and becomes
//! the same bytes again. See `captures/README.md`.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use serde_json::Value;
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Attrs, Blobmsg, Builder, Fields, Ref, frame};

#[test]
fn every_frame_has_its_meaning() {
    let mut compared = 0;
    for capture in captures() {
        let meanings = text(&capture, "meaning.txt");
        let frames = frames(&capture);
        assert_eq!(frames.len(), meanings.lines().count(), "{}", capture.display());
        for (n, (frame, meaning)) in frames.iter().zip(meanings.lines()).enumerate() {
            assert_eq!(render(&frame.bytes), meaning, "frame {n} of {}", capture.display());
            compared += 1;
        }
    }
    assert!(compared > 1900, "only {compared} frames were found");
}

#[test]
fn every_frame_becomes_the_same_bytes_again() {
    for capture in captures() {
        for (n, Frame { bytes, .. }) in frames(&capture).iter().enumerate() {
            let Ok(message) = decode(bytes) else { continue };
            let attributes: Vec<_> = message.attributes().map(Result::unwrap).collect();
            let again = Message::new(message.kind, message.seq, message.peer, attributes).unwrap();
            let mut encoded = Vec::new();
            frame::encode(&again, &mut encoded);
            assert!(encoded == *bytes, "frame {n} of {}", capture.display());
        }
    }
}

#[test]
fn every_message_is_rebuilt_value_by_value_to_the_same_bytes() {
    let mut rebuilt = 0;
    for capture in captures() {
        for (n, Frame { bytes, .. }) in frames(&capture).iter().enumerate() {
            let Ok(message) = decode(bytes) else { continue };
            for list in [message.data(), message.signature()].into_iter().flatten().flatten() {
                let mut builder = Builder::new();
                rebuild(&mut builder, list.fields());
                assert_eq!(builder.finish().unwrap(), list, "frame {n} of {}", capture.display());
                rebuilt += 1;
            }
        }
    }
    assert!(rebuilt > 900, "only {rebuilt} messages were found");
}

/// The other side of the mapping was done by `ubus subscribe`, of ubus itself.
#[test]
fn json_says_what_ubus_printed() {
    for name in ["40-hostapd-main", "41-hostapd-2410", "42-hostapd-2305"] {
        let capture = folder().join(name).with_extension("jsonl");
        let printed = text(&capture, "printed.txt");
        let heard = frames(&capture).into_iter().filter(|f| f.conn == 3 && f.dir == "s2c");
        let heard: Vec<_> = heard.map(|f| decode(&f.bytes).unwrap()).filter(|m| m.kind == Kind::Invoke).collect();
        assert_eq!(heard.len(), printed.lines().count(), "{name}");
        for (message, printed) in heard.iter().zip(printed.lines()) {
            let data = message.data().unwrap().unwrap();
            let said = serde_json::json!({ message.method().unwrap(): data.to_json() });
            assert_eq!(said, serde_json::from_str::<Value>(printed).unwrap(), "{name}");
            let again = Blobmsg::from_json(data.to_json().as_object().unwrap()).unwrap();
            assert_eq!(again.to_json(), data.to_json(), "{name}");
        }
    }
}

struct Frame {
    conn: u64,
    dir: String,
    bytes: Vec<u8>,
}

fn captures() -> Vec<PathBuf> {
    let all = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut captures: Vec<_> = all.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).collect();
    captures.sort();
    assert_eq!(captures.len(), 35);
    captures
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

fn text(capture: &Path, extension: &str) -> String {
    fs::read_to_string(capture.with_extension(extension)).unwrap()
}

fn frames(capture: &Path) -> Vec<Frame> {
    let lines = text(capture, "jsonl");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let frame = |line: Value| {
        let bytes = match (line.get("hex"), line.get("hex_prefix")) {
            (Some(hex), _) => unhex(hex.as_str().unwrap()),
            (None, Some(hex)) => complete(unhex(hex.as_str().unwrap()), line["bytes"].as_u64().unwrap() as usize),
            (None, None) => return None,
        };
        Some(Frame { conn: line["conn"].as_u64().unwrap(), dir: line["dir"].as_str().unwrap().to_owned(), bytes })
    };
    lines.filter_map(frame).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |d: u8| char::from(d).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Where the recording has only the beginning: what follows is the alphabet over and over, a NUL and three zeros.
fn complete(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    while bytes.len() < length - 4 {
        bytes.push(match bytes.last() {
            Some(b'z') => b'a',
            Some(b'Z') => b'A',
            letter => letter.unwrap() + 1,
        });
    }
    bytes.resize(length, 0);
    bytes
}

/// The one message in `bytes`.
fn decode(bytes: &[u8]) -> Result<Message, tokio_ubus::Malformed> {
    let mut input = BytesMut::from(bytes);
    let message = frame::decode(&mut input)?.expect("a recorded frame is whole");
    assert!(input.is_empty());
    Ok(message)
}

fn rebuild(builder: &mut Builder, fields: Fields<'_>) {
    for field in fields {
        rebuild_value(builder, field.name, field.value);
    }
}

fn rebuild_value(builder: &mut Builder, name: &[u8], value: Ref<'_>) {
    match value {
        Ref::Table(fields) => builder.table(name, |table| rebuild(table, fields)),
        Ref::Array(elements) => builder.array(name, |array| elements.for_each(|e| rebuild_value(array, b"", e))),
        _ => builder.push(name, value),
    };
}

/// In the notation of the meanings.
fn render(bytes: &[u8]) -> String {
    let Ok(message) = decode(bytes) else { return "refused".into() };
    let kind = match message.kind {
        Kind::Hello => "HELLO",
        Kind::Status => "STATUS",
        Kind::Data => "DATA",
        Kind::Ping => "PING",
        Kind::Lookup => "LOOKUP",
        Kind::Invoke => "INVOKE",
        Kind::AddObject => "ADD_OBJECT",
        Kind::RemoveObject => "REMOVE_OBJECT",
        Kind::Subscribe => "SUBSCRIBE",
        Kind::Unsubscribe => "UNSUBSCRIBE",
        Kind::Notify => "NOTIFY",
        Kind::Monitor => "MONITOR",
        Kind::Other(number) => &number.to_string(),
    };
    let mut line = format!("{kind} {} {:08x}", message.seq, message.peer);
    for attribute in message.attributes() {
        line.push(' ');
        line += &match attribute.unwrap() {
            Attribute::Other { id, payload } if message.kind == Kind::Monitor => render_copied(id, payload),
            attribute => render_attribute(attribute),
        };
    }
    line
}

fn render_attribute(attribute: Attribute<'_>) -> String {
    match attribute {
        Attribute::Status(n) => format!("STATUS={n}"),
        Attribute::Path(text) => format!("OBJPATH={}", quoted(text)),
        Attribute::Object(n) => format!("OBJID={n:08x}"),
        Attribute::Method(text) => format!("METHOD={}", quoted(text)),
        Attribute::Type(n) => format!("OBJTYPE={n:08x}"),
        Attribute::Signature(bytes) => format!("SIGNATURE={}", render_list(bytes)),
        Attribute::Data(bytes) => format!("DATA={}", render_list(bytes)),
        Attribute::Target(n) => format!("TARGET={n:08x}"),
        Attribute::Active(n) => format!("ACTIVE={n}"),
        Attribute::NoReply(n) => format!("NO_REPLY={n}"),
        Attribute::Subscribers(bytes) => {
            let ids: Vec<_> = Attrs::new(bytes).map(|attr| hex(attr.unwrap().payload)).collect();
            format!("SUBSCRIBERS=[{}]", ids.join(","))
        }
        Attribute::User(text) => format!("USER={}", quoted(text)),
        Attribute::Group(text) => format!("GROUP={}", quoted(text)),
        Attribute::Other { id, payload } => format!("attr{id}={}", hex(payload)),
    }
}

/// The attributes of a MONITOR message are numbered differently.
fn render_copied(id: u8, payload: &[u8]) -> String {
    let name = ["CLIENT", "PEER", "SEND", "SEQ", "TYPE", "DATA"][usize::from(id)];
    if name == "SEND" { format!("SEND={}", payload[0]) } else { format!("{name}={}", hex(payload)) }
}

/// What is no blobmsg, in hexadecimal: libubus puts the contents of its buffer into DATA where nobody reads it.
fn render_list(bytes: &[u8]) -> String {
    Blobmsg::parse(bytes.to_vec()).map_or_else(|_| hex(bytes), |message| render_fields(message.fields()))
}

fn render_fields(fields: Fields<'_>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:@-".contains(c);
    let field = |(name, value): (&str, Ref<'_>)| match name {
        "" => format!("\"\":{}", render_value(value)),
        name if name.chars().all(plain) => format!("{name}:{}", render_value(value)),
        name => format!("{}:{}", quoted(name), render_value(value)),
    };
    let fields: Vec<_> = fields.map(|f| field((str::from_utf8(f.name).unwrap(), f.value))).collect();
    format!("{{{}}}", fields.join(","))
}

fn render_value(value: Ref<'_>) -> String {
    match value {
        Ref::Null => "null".into(),
        Ref::Array(elements) => format!("[{}]", elements.map(render_value).collect::<Vec<_>>().join(",")),
        Ref::Table(fields) => render_fields(fields),
        Ref::String(text) => quoted(str::from_utf8(text).unwrap()),
        Ref::Int64(n) => format!("{n}l"),
        Ref::Int32(n) => format!("{n}"),
        Ref::Int16(n) => format!("{n}s"),
        Ref::Int8(n) => format!("{}b", n.cast_signed()),
        Ref::Double(n) => format!("{n}d"),
    }
}

fn quoted(text: &str) -> String {
    match text.get(..60) {
        Some(start) if text.len() > 100 => format!("{}...{}", quoted(start), text.len()),
        _ => Value::from(text).to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
