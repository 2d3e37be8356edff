//! Plays the clients of a recording against the broker, and compares everything that it says with what ubusd said.
//!
//! Ids are random: the first time that one is heard it is known whose place it takes, and from then on it must be that
//! one, here and in what clients say. Besides, only the count of events is allowed to begin elsewhere, and of two frames
//! for one client that come from two other clients either may be first.
//!
//! Some programs of the recordings were not recorded themselves. What they did is seen by what it led to, and is done
//! off stage when that is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tempfile::TempDir;
use testkit::ubus::Broker;
use tokio_ubus::Attrs;
use tokio_ubus::message::{Attribute, Kind, Message};

use crate::recording::{Recording, Step};
use crate::wire::{Frame, Wire, data, decode, encode};

/// One recording, on stage.
pub(crate) struct Play {
    name: &'static str,
    recording: Recording,
    broker: Broker,
    /// Where those come in who were recorded.
    door: PathBuf,
    /// Those who were recorded, by their number.
    cast: BTreeMap<u64, Wire>,
    /// Those who were not, by their client ids here.
    crew: BTreeMap<u32, Wire>,
    /// Objects of theirs: path, and ids of owner and object.
    props: BTreeMap<String, (u32, u32)>,
    ids: Ids,
    _dir: TempDir,
}

impl Play {
    /// With objects at these paths, whose owners were not recorded.
    pub(crate) fn new(name: &'static str, off_stage: &[&str]) -> Self {
        let recording = Recording::read(name);
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(dir.path());
        let door = match &recording.acl {
            Some(acl) => broker.listen_as("nobody", acl.clone()),
            None => broker.path().to_owned(),
        };
        // The file was read again before, for other recordings.
        for _ in 1..recording.acl_sequence() {
            broker.set_acl(recording.acl.clone().unwrap());
        }
        let (cast, crew, props, ids) = Default::default();
        let mut play = Self { name, recording, broker, door, cast, crew, props, ids, _dir: dir };
        for path in off_stage {
            play.publish(path);
        }
        play
    }

    /// Somebody uses this id and was never told it.
    pub(crate) fn knowing(mut self, path: &str, recorded: u32) -> Self {
        let (_, id) = self.props[path];
        self.ids.here.insert(recorded, id);
        self.ids.recorded.insert(id, recorded);
        self
    }

    /// Plays it to the end.
    ///
    /// # Panics
    /// Where the broker says anything else than ubusd did.
    pub(crate) fn run(mut self) {
        let steps = std::mem::take(&mut self.recording.steps);
        for (n, step) in steps.iter().enumerate() {
            // What is said and done in one go finds ubusd still at something else.
            let is_hasty = matches!((step, steps.get(n + 1)), (Step::Said(a, _), Some(Step::Closed(b))) if a == b);
            let frozen = is_hasty.then(|| self.broker.freeze());
            self.step(step).unwrap_or_else(|what| panic!("{}, step {n}: {what}", self.name));
            if let (Step::Said(conn, _), true) = (step, is_hasty) {
                self.cast.remove(conn);
            }
            drop(frozen);
            self.settle();
        }
        for (conn, wire) in &self.cast {
            assert!(wire.heard.is_empty(), "{}: connection {conn} hears more than ubusd said", self.name);
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Said(conn, frame) => {
                let bytes = self.ids.translate(&frame.bytes);
                self.cast[conn].say(&Frame { bytes, ..*frame });
                Ok(())
            }
            Step::Heard(conn, frame) => {
                if !self.cast.contains_key(conn) {
                    self.cast.insert(*conn, Wire::connect(&self.door));
                    self.settle();
                }
                if self.take(*conn, frame).is_ok() {
                    return Ok(());
                }
                if let Some(message) = decode(&frame.bytes) {
                    self.prompt(&message, frame.descriptors);
                }
                self.take(*conn, frame)
            }
            Step::Closed(conn) => {
                let left = self.cast.remove(conn).map(|wire| wire.heard).unwrap_or_default();
                left.first().map_or(Ok(()), |frame| Err(format!("ubusd did not say\n  {}", show(&frame.bytes))))
            }
            Step::Ended(conn) => {
                let ended = self.cast.get(conn).is_none_or(|wire| wire.ended);
                ended.then_some(()).ok_or_else(|| format!("connection {conn} is not ended"))
            }
        }
    }

    /// Waits until the broker has done all that was asked of it, and lets everybody hear what it said.
    fn settle(&mut self) {
        loop {
            drop(self.broker.used());
            let all = self.cast.values_mut().chain(self.crew.values_mut());
            // A long message comes in pieces.
            if all.map(Wire::listen).max() != Some(true) {
                return;
            }
        }
    }

    /// Takes what ubusd said from what the broker said, if it did.
    fn take(&mut self, conn: u64, recorded: &Frame) -> Result<(), String> {
        let heard = &mut self.cast.get_mut(&conn).ok_or("nobody is there")?.heard;
        let mut senders = Vec::new();
        for (index, frame) in heard.iter().enumerate() {
            let sender = &frame.bytes[4..8];
            if senders.contains(&sender) {
                continue;
            }
            senders.push(sender);
            if let Some(ids) = self.ids.matched(&self.recording.ids, recorded, frame) {
                self.ids = ids;
                heard.remove(index);
                return Ok(());
            }
        }
        let heard: Vec<_> = heard.iter().map(|frame| show(&frame.bytes)).collect();
        Err(format!("connection {conn}: ubusd said\n  {}\nand not\n  {}", show(&recorded.bytes), heard.join("\n  ")))
    }

    /// Does what somebody must have done who was not recorded, for ubusd to say this.
    fn prompt(&mut self, led_to: &Message, descriptors: usize) {
        let event = led_to.method().filter(|_| led_to.kind == Kind::Invoke && led_to.peer == 0);
        let path = led_to.data().and_then(Result::ok).and_then(|data| data.get("path")?.as_str().map(str::to_owned));
        match (event, path) {
            (Some("ubus.object.add"), Some(path)) => self.publish(&path),
            (Some("ubus.object.remove"), Some(path)) => self.remove(&path),
            (Some(event), _) => panic!("nobody sends {event}"),
            (None, _) => match led_to.kind {
                Kind::Invoke if self.subscribed(led_to.object()) => self.notify(led_to),
                Kind::Invoke => self.call(led_to),
                Kind::Data | Kind::Status => self.answer(led_to, descriptors),
                Kind::Unsubscribe => {
                    let target = led_to.target().and_then(|id| self.ids.here(id));
                    let path = self.props.iter().find(|(_, (_, id))| Some(*id) == target).map(|(path, _)| path.clone());
                    self.remove(&path.expect("it is gone because its owner is"));
                }
                Kind::Monitor => self.act(led_to),
                _ => {}
            },
        }
        self.settle();
    }

    /// Connects somebody; the id.
    fn engage(&mut self) -> u32 {
        let mut wire = Wire::connect(self.broker.path());
        self.settle();
        assert!(wire.listen());
        let hello = decode(&wire.heard.remove(0).bytes).expect("the broker greets");
        self.crew.insert(hello.peer, wire);
        hello.peer
    }

    fn publish(&mut self, path: &str) {
        let owner = self.engage();
        let signature = signature(path);
        let attributes = [Attribute::Path(path), Attribute::Signature(&signature)];
        self.crew[&owner].tell(Kind::AddObject, 1, 0, attributes);
        self.settle();
        let heard = std::mem::take(&mut self.crew.get_mut(&owner).unwrap().heard);
        let object = heard.iter().find_map(|frame| decode(&frame.bytes)?.object()).expect("it is added");
        self.props.insert(path.to_owned(), (owner, object));
    }

    fn remove(&mut self, path: &str) {
        let (owner, _) = self.props.remove(path).expect("it is there");
        self.crew.remove(&owner);
    }

    /// Whether this is a recorded subscriber's object, by the recorded ids.
    fn subscribed(&self, object: Option<u32>) -> bool {
        object.is_some_and(|object| self.recording.subscribers.contains(&object))
    }

    /// The object that was not recorded notifies those who subscribe to it.
    fn notify(&mut self, led_to: &Message) {
        let (owner, object) = *self.props.values().next().expect("somebody is there to notify");
        let flag = led_to.no_reply().then_some(Attribute::NoReply(1));
        let attributes = [Attribute::Object(object), Attribute::Method(led_to.method().unwrap())];
        let attributes = attributes.into_iter().chain(data(led_to).map(Attribute::Data)).chain(flag);
        self.crew[&owner].tell(Kind::Notify, led_to.seq, object, attributes);
    }

    fn call(&mut self, led_to: &Message) {
        let caller = self.engage();
        let object = led_to.object().and_then(|id| self.ids.here(id)).expect("it was added before");
        let attributes = [Attribute::Object(object), Attribute::Method(led_to.method().unwrap())];
        let attributes = attributes.into_iter().chain(data(led_to).map(Attribute::Data));
        self.crew[&caller].tell(Kind::Invoke, led_to.seq, object, attributes);
    }

    /// The owner of an object that was not recorded answers what it was asked last under this number.
    fn answer(&mut self, led_to: &Message, descriptors: usize) {
        let asked = self.crew.iter().flat_map(|(owner, wire)| wire.heard.iter().map(move |frame| (*owner, frame)));
        let asked = asked.filter_map(|(owner, frame)| Some((owner, decode(&frame.bytes)?)));
        let object = led_to.object().and_then(|id| self.ids.here(id));
        let asked = asked.filter(|(_, asked)| asked.object() == object && asked.seq == led_to.seq);
        let (owner, asked) = asked.last().expect("it was asked");
        let mut answer = decode(&self.ids.translate(&encode(led_to))).expect("it is a frame");
        answer.peer = asked.peer;
        self.crew[&owner].say(&Frame { bytes: encode(&answer), descriptors });
    }

    /// Does what a monitor saw.
    fn act(&mut self, seen: &Message) {
        let [mut client, mut peer, mut sent, mut seq, mut kind] = [0; 5];
        let mut body = &[][..];
        for attribute in seen.attributes().map_while(Result::ok) {
            let Attribute::Other { id, payload } = attribute else { continue };
            let number = || payload.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
            match id {
                0 => client = number(),
                1 => peer = number(),
                2 => sent = number(),
                3 => seq = number(),
                4 => kind = number(),
                _ => body = payload,
            }
        }
        if sent == 1 {
            assert_eq!(kind, 0, "only a greeting is unasked for");
            self.engage();
            return;
        }
        let here = |id| self.ids.here(id).unwrap_or(id);
        let header = [kind << 16 | seq, here(peer), u32::try_from(body.len() + 4).unwrap()];
        let header = header.iter().flat_map(|word| word.to_be_bytes());
        let bytes: Vec<u8> = header.chain(self.ids.translate_words(body)).collect();
        self.crew[&here(client)].say(&bytes.into());
    }
}

/// Which id here takes the place of which recorded one.
#[derive(Clone, Default)]
struct Ids {
    here: BTreeMap<u32, u32>,
    recorded: BTreeMap<u32, u32>,
    /// How far the count of events is ahead of the recorded one.
    events: Option<u16>,
}

impl Ids {
    fn here(&self, recorded: u32) -> Option<u32> {
        self.here.get(&recorded).copied()
    }

    /// A recorded frame with the ids of here.
    fn translate(&self, recorded: &[u8]) -> Vec<u8> {
        let (header, rest) = recorded.split_at(4);
        [header.to_vec(), self.translate_words(rest)].concat()
    }

    fn translate_words(&self, recorded: &[u8]) -> Vec<u8> {
        // Ids are only where a word begins.
        let words = recorded.chunks(4).map(|word| match word.try_into().map(u32::from_be_bytes) {
            Ok(id) => self.here(id).unwrap_or(id).to_be_bytes().to_vec(),
            Err(_) => word.to_vec(),
        });
        words.flatten().collect()
    }

    /// With what becomes known when these two are the same; nothing when they are not.
    fn matched(&self, known: &BTreeSet<u32>, recorded: &Frame, frame: &Frame) -> Option<Self> {
        let mut ids = self.clone();
        let is_event = decode(&recorded.bytes).is_some_and(|m| m.kind == Kind::Invoke && m.peer == 0);
        if recorded.descriptors != frame.descriptors || recorded.bytes.len() != frame.bytes.len() {
            return None;
        }
        for (n, (a, b)) in recorded.bytes.chunks(4).zip(frame.bytes.chunks(4)).enumerate() {
            let words = a.try_into().ok().zip(b.try_into().ok());
            let words = words.map(|(a, b)| (u32::from_be_bytes(a), u32::from_be_bytes(b)));
            match words {
                Some((a, b)) if n == 0 && is_event => ids.match_count(a, b)?,
                Some((a, b)) if n > 0 && known.contains(&a) => ids.match_id(a, b)?,
                _ if a != b => return None,
                _ => {}
            }
        }
        Some(ids)
    }

    fn match_id(&mut self, recorded: u32, here: u32) -> Option<()> {
        let is_same = *self.here.entry(recorded).or_insert(here) == here;
        (is_same && *self.recorded.entry(here).or_insert(recorded) == recorded).then_some(())
    }

    /// Of the words that have an event's number in their second half.
    fn match_count(&mut self, recorded: u32, here: u32) -> Option<()> {
        let number = |word: u32| u16::try_from(word & 0xffff).expect("it is 16 bits");
        let ahead = number(here).wrapping_sub(number(recorded));
        (recorded >> 16 == here >> 16 && *self.events.get_or_insert(ahead) == ahead).then_some(())
    }
}

/// What the object at this path had for a signature, where it was recorded whole.
fn signature(path: &str) -> Vec<u8> {
    let recorded = ["02-lookup-all", "09-add-object"].map(Recording::read);
    let messages = recorded.iter().flat_map(Recording::messages);
    let mut of_path = messages.filter(|message| message.path() == Some(path));
    let signature = of_path.find_map(|message| message.signature()).expect("it was recorded");
    signature.expect("it is one").as_bytes().to_vec()
}

fn show(bytes: &[u8]) -> String {
    let Some(message) = decode(bytes) else { return format!("{bytes:02x?}") };
    let attributes: Vec<_> =
        Attrs::new(message.body()).map(|attr| format!("{:02x?}", attr.map(|a| (a.id, a.payload)))).collect();
    format!("{:?} {} {:08x} {}", message.kind, message.seq, message.peer, attributes.join(" "))
}
