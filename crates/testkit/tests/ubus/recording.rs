//! What was recorded between real programs and the real ubusd, see `crates/ubus/tests/captures/README.md`.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use tokio_ubus::Attrs;
use tokio_ubus::message::{Attribute, Kind, Message};

use crate::wire::{Frame, decode};

pub(crate) struct Recording {
    pub(crate) steps: Vec<Step>,
    /// What the ordinary user might do; nobody is one where there is no such file.
    pub(crate) acl: Option<Value>,
    /// Every id that ubusd made up at random.
    pub(crate) ids: BTreeSet<u32>,
    /// Those of objects that subscribe to others.
    pub(crate) subscribers: BTreeSet<u32>,
}

pub(crate) enum Step {
    Said(u64, Frame),
    Heard(u64, Frame),
    /// A client closed its connection.
    Closed(u64),
    /// ubusd closed it.
    Ended(u64),
}

impl Recording {
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("{}/../ubus/tests/captures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"));
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let steps: Vec<Step> = lines.iter().filter_map(Step::read).collect();
        let acl = lines.iter().find_map(|line| line.get("acl")).cloned();
        let mut recording = Self { steps, acl, ids: BTreeSet::new(), subscribers: BTreeSet::new() };
        recording.ids = recording.messages().flat_map(|message| ids(&message)).collect();
        let subscribe = recording.messages().filter(|message| message.kind == Kind::Subscribe);
        recording.subscribers = subscribe.filter_map(|message| message.object()).collect();
        recording
    }

    /// How often ubusd had read its access lists.
    pub(crate) fn acl_sequence(&self) -> u32 {
        let answers = self.messages().filter(|message| message.kind == Kind::Data && message.object() == Some(2));
        answers.filter_map(|message| message.data()?.ok()?.get("seq")?.as_u32()).last().unwrap_or(0)
    }

    /// What was said and heard, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> {
        self.steps.iter().filter_map(Step::frame).filter_map(|frame| decode(&frame.bytes))
    }
}

impl Step {
    fn read(line: &Value) -> Option<Self> {
        if let Some(note) = line["note"].as_str() {
            let (conn, what) = note.strip_prefix("conn ")?.split_once(": ")?;
            return match what {
                "client end closed" => Some(Self::Closed(conn.parse().unwrap())),
                "ubusd end closed" => Some(Self::Ended(conn.parse().unwrap())),
                _ => None,
            };
        }
        let conn = line["conn"].as_u64().unwrap();
        let frame =
            Frame { bytes: bytes(line), descriptors: line["fds"].as_u64().map_or(0, |n| n.try_into().unwrap()) };
        Some(if line["dir"] == "c2s" { Self::Said(conn, frame) } else { Self::Heard(conn, frame) })
    }

    fn frame(&self) -> Option<&Frame> {
        match self {
            Self::Said(_, frame) | Self::Heard(_, frame) => Some(frame),
            _ => None,
        }
    }
}

fn bytes(line: &Value) -> Vec<u8> {
    if let Some(hex) = line["hex"].as_str() {
        return unhex(hex);
    }
    // Shortened: the alphabet over and over, a NUL and three zeros.
    let mut bytes = unhex(line["hex_prefix"].as_str().unwrap());
    let length = usize::try_from(line["bytes"].as_u64().unwrap()).unwrap();
    let last = *bytes.last().unwrap();
    let base = if last.is_ascii_lowercase() { b'a' } else { b'A' };
    let letters = (0u8..26).cycle().skip(usize::from(last - base) + 1).map(|n| base + n);
    bytes.extend(letters.take(length - 4 - bytes.len()));
    bytes.extend([0; 4]);
    bytes
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn ids(message: &Message) -> Vec<u32> {
    let mut ids = vec![message.peer];
    for attribute in message.attributes().map_while(Result::ok) {
        match attribute {
            Attribute::Object(id) | Attribute::Type(id) | Attribute::Target(id) => ids.push(id),
            Attribute::Subscribers(list) => ids.extend(numbers(list, |_| true)),
            Attribute::Other { id: 0 | 1, payload } if message.kind == Kind::Monitor => ids.extend(number(payload)),
            // What another message holds: the attributes that are ids.
            Attribute::Other { id: 5, payload } if message.kind == Kind::Monitor => {
                ids.extend(numbers(payload, |id| [3, 5, 8].contains(&id)));
            }
            _ => {}
        }
    }
    // An object that came or went.
    if message.kind == Kind::Invoke && message.peer == 0 {
        let id = message.data().and_then(Result::ok).and_then(|data| data.get("id")?.as_u32());
        ids.extend(id);
    }
    // ubusd's own numbers are the same everywhere.
    ids.retain(|id| *id >= 1024);
    ids
}

fn numbers(list: &[u8], wanted: impl Fn(u8) -> bool) -> Vec<u32> {
    let attributes = Attrs::new(list).map_while(Result::ok).filter(|attribute| wanted(attribute.id));
    attributes.filter_map(|attribute| number(attribute.payload)).collect()
}

fn number(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}
