//! A client of the broker, as a test needs one: nothing happens behind its back.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::ubus::Broker;
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Blobmsg, Builder, Ref, Status};

use crate::wire::{Wire, decode};

/// A client that does one thing after the other.
pub(crate) struct Client<'a> {
    broker: &'a Broker,
    pub(crate) wire: Wire,
    seq: u16,
    inbox: Vec<Message>,
}

impl<'a> Client<'a> {
    pub(crate) fn connect(broker: &'a Broker, door: &Path) -> Self {
        let mut client = Self { broker, wire: Wire::connect(door), seq: 100, inbox: Vec::new() };
        let hello = client.hear().remove(0);
        assert_eq!(hello.kind, Kind::Hello);
        client
    }

    /// Everything that the broker has said to it and nobody has taken.
    pub(crate) fn hear(&mut self) -> Vec<Message> {
        drop(self.broker.used());
        while self.wire.listen() {
            drop(self.broker.used());
        }
        self.inbox.extend(self.wire.heard.drain(..).filter_map(|frame| decode(&frame.bytes)));
        std::mem::take(&mut self.inbox)
    }

    /// The same, but only this.
    fn take(&mut self, is_wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        let (wanted, rest) = self.hear().into_iter().partition(is_wanted);
        self.inbox = rest;
        wanted
    }

    pub(crate) fn ask(&mut self, kind: Kind, attributes: &[Attribute<'_>]) -> Status {
        self.answers(kind, attributes).iter().find_map(Message::status).map(Status::from).expect("it is answered")
    }

    pub(crate) fn answers(&mut self, kind: Kind, attributes: &[Attribute<'_>]) -> Vec<Message> {
        self.seq += 1;
        self.wire.tell(kind, self.seq, 0, attributes.iter().copied());
        let seq = self.seq;
        let is_answer = |message: &Message| matches!(message.kind, Kind::Data | Kind::Status) && message.peer == 0;
        self.take(|message| message.seq == seq && is_answer(message))
    }

    pub(crate) fn add(&mut self, path: Option<&str>) -> u32 {
        let attributes: Vec<_> = path.map(Attribute::Path).into_iter().collect();
        self.answers(Kind::AddObject, &attributes).iter().find_map(Message::object).expect("it is added")
    }

    pub(crate) fn add_with(&mut self, path: &str, method: &str) {
        let mut signature = Builder::new();
        signature.table(method, |_| {});
        let signature = signature.finish().unwrap();
        let attributes = [Attribute::Path(path), Attribute::Signature(signature.as_bytes())];
        assert_eq!(self.ask(Kind::AddObject, &attributes), Status::Ok);
    }

    pub(crate) fn subscribe(&mut self, target: u32) -> u32 {
        let own = self.add(None);
        assert_eq!(self.ask(Kind::Subscribe, &[Attribute::Object(own), Attribute::Target(target)]), Status::Ok);
        own
    }

    pub(crate) fn listen(&mut self, pattern: &str) {
        let own = self.add(None);
        let mut data = Builder::new();
        data.push("object", Ref::Int32(own.cast_signed())).push("pattern", pattern);
        let data = data.finish().unwrap();
        let attributes = [Attribute::Object(1), Attribute::Method("register"), Attribute::Data(data.as_bytes())];
        assert_eq!(self.ask(Kind::Invoke, &attributes), Status::Ok);
    }

    pub(crate) fn notify(&mut self, target: u32, kind: &str, data: &[u8]) {
        let attributes =
            [Attribute::Object(target), Attribute::Method(kind), Attribute::Data(data), Attribute::NoReply(1)];
        self.wire.tell(Kind::Notify, 1, target, attributes);
        drop(self.broker.used());
    }

    /// The object at a path.
    pub(crate) fn find(&mut self, path: &str) -> Option<u32> {
        self.answers(Kind::Lookup, &[Attribute::Path(path)]).iter().find_map(Message::object)
    }

    /// Subscribes to the object at a path; the own object that hears of it.
    pub(crate) fn subscribe_to(&mut self, path: &str) -> u32 {
        let target = self.find(path).unwrap_or_else(|| panic!("there is no {path}"));
        self.subscribe(target)
    }

    /// Calls a method and waits for the answer.
    pub(crate) fn call(&mut self, path: &str, method: &str, arguments: &Value) -> Result<Blobmsg, Status> {
        let id = self.find(path).unwrap_or_else(|| panic!("there is no {path}"));
        let seq = self.begin(id, method, arguments);
        let (mut data, began) = (Blobmsg::new(), Instant::now());
        while began.elapsed() < LIMIT {
            for message in self.take(|message| message.seq == seq && message.peer == id) {
                match message.status().map(Status::from) {
                    Some(Status::Ok) => return Ok(data),
                    Some(status) => return Err(status),
                    None => data = message.data().expect("it has data").expect("it is well formed"),
                }
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("{path} does not answer {method}");
    }

    /// Calls a method and does not wait; the number of the call.
    pub(crate) fn begin(&mut self, object: u32, method: &str, arguments: &Value) -> u16 {
        let arguments = Blobmsg::from_json(arguments.as_object().unwrap()).unwrap();
        self.seq += 1;
        let attributes = [Attribute::Object(object), Attribute::Method(method), Attribute::Data(arguments.as_bytes())];
        self.wire.tell(Kind::Invoke, self.seq, object, attributes);
        self.seq
    }

    /// Answers a notification, if an answer is wanted.
    pub(crate) fn answer(&self, asked: &Message, data: &[&Blobmsg], status: Status) {
        let Some(own) = asked.object().filter(|_| !asked.no_reply()) else { return };
        for data in data {
            let attributes = [Attribute::Object(own), Attribute::Data(data.as_bytes())];
            self.wire.tell(Kind::Data, asked.seq, asked.peer, attributes);
        }
        let attributes = [Attribute::Status(status.code()), Attribute::Object(own)];
        self.wire.tell(Kind::Status, asked.seq, asked.peer, attributes);
    }

    /// The methods of the object at a path.
    pub(crate) fn signature(&mut self, path: &str) -> Option<Blobmsg> {
        let found = self.answers(Kind::Lookup, &[Attribute::Path(path)]);
        found.iter().find_map(|message| message.signature()?.ok())
    }

    /// What is notified of: kinds and data.
    pub(crate) fn notifications(&mut self) -> Vec<(String, Value)> {
        let heard = self.hear();
        let invoked = heard.iter().filter(|message| message.kind == Kind::Invoke);
        invoked.map(|m| (m.method().unwrap().to_owned(), m.data().unwrap().unwrap().to_json())).collect()
    }
}

const LIMIT: Duration = Duration::from_secs(5);
