//! The client in the place of recorded ones: ubusd's side of a recording is played to it, and what it says is compared
//! with what was said then.
//!
//! Numbers of requests are the client's own choice and may differ. So may its anonymous objects: it has one more, which
//! hears of objects that come and go, and may ask for that at any time.

#![allow(clippy::unwrap_used)]

use bytes::BytesMut;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{
    Asked, Blobmsg, Client, Error, EventNotice, Notice, Notifier, Object, ObjectState, Published, Request, Status,
    Type, frame, from_blobmsg, to_blobmsg,
};

#[tokio::test]
async fn look_ups_find_what_ubus_found() {
    for (capture, conn, pattern) in [
        ("02-lookup-all", 1, "*"),
        ("03-lookup-one", 1, "session"),
        ("04-lookup-wildcard", 1, "r*"),
        ("05-lookup-missing", 1, "nosuch"),
        ("05-lookup-missing", 2, "zzz*"),
        ("05-lookup-missing", 4, "*"),
    ] {
        let recording = Recording::read(capture, conn);
        let expected: Vec<_> = recording.said(Kind::Data).iter().map(ids).collect();
        let found = recording.replay(async |client, _| client.lookup(pattern).await.unwrap()).await;
        let found: Vec<_> = found.into_iter().map(|object| (Some(object.path), Some(object.id))).collect();
        assert_eq!(found, expected, "{capture} {conn}");
    }
    let empty = Recording::read("05-lookup-missing", 3);
    let result = empty.replay(async |client, _| client.lookup("").await).await;
    assert!(matches!(result, Err(Error::Refused(Status::InvalidArgument))), "{result:?}");
}

/// Every call of `ubus` and of a small program linked to libubus: the same question, the same answer.
#[tokio::test]
async fn calls_are_answered_as_those_of_ubus_were() {
    let calls = [
        ("05-lookup-missing", 5..=5),
        ("06-invoke-all-types", 2..=2),
        ("07-invoke-json", 1..=5),
        ("08-invoke-errors", 1..=17),
        ("20-fd-passing", 2..=3),
    ];
    let mut replayed = 0;
    for (capture, conns) in calls {
        for conn in conns {
            let recording = Recording::read(capture, conn);
            let invoke = recording.asked(Kind::Invoke).cloned();
            let path = recording.asked(Kind::Lookup).unwrap().path().unwrap().to_owned();
            let method = invoke.as_ref().and_then(Message::method).unwrap_or("x").to_owned();
            let args = invoke.as_ref().map_or(json!({}), |invoke| value(invoke.data()));
            let last = recording.said(Kind::Status).pop().unwrap();
            let expected: Vec<_> = recording.said(Kind::Data).iter().filter_map(Message::data).collect();
            let result = recording.replay(async |client, _| client.call(&path, &method, &args, LIMIT).await).await;
            match result {
                Ok(reply) => {
                    assert_eq!(last.status(), Some(0));
                    let data: Vec<_> = reply.data.into_iter().map(|data| value(Some(Ok(data)))).collect();
                    assert_eq!(data, expected.into_iter().map(|data| value(Some(data))).collect::<Vec<_>>());
                }
                Err(Error::Refused(status)) => assert_eq!(last.status(), Some(status.code())),
                Err(error) => panic!("{capture} {conn}: {error}"),
            }
            replayed += 1;
        }
    }
    assert_eq!(replayed, 26);
}

#[tokio::test]
async fn an_object_of_ours_answers_as_that_of_libubus_did() {
    for capture in ["06-invoke-all-types", "10-being-invoked", "11-deferred", "20-fd-passing", "09-add-object"] {
        let recording = Recording::read(capture, 1);
        let object = recording.object();
        recording
            .replay(async |client, played| {
                let mut published = client.publish(object);
                loop {
                    let request = tokio::select! {
                        request = published.next() => request.unwrap(),
                        () = played.notified() => break,
                    };
                    if request.method == "remove" {
                        request.done(Ok(()));
                        sleep(Duration::from_millis(10)).await;
                        break;
                    }
                    tokio::spawn(serve(request));
                }
            })
            .await;
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_as_it_was() {
    let recording = Recording::read("09-add-object", 2);
    let object = recording.object();
    let denied = ObjectState::Denied(Status::InvalidArgument);
    recording
        .replay(async |client, _| {
            let published = client.publish(object);
            published.state().wait_for(|state| *state == denied).await.unwrap();
        })
        .await;
}

#[tokio::test]
async fn an_object_of_ours_notifies_as_that_of_libubus_did() {
    for (capture, expected) in [
        ("12-notify-no-reply", vec![]),
        ("13-notify-reply", vec![(0x1185_0100, Some(Status::MethodNotFound), 1), (0x3c84_ff21, Some(Status::Ok), 1)]),
    ] {
        let recording = Recording::read(capture, 1);
        let object = recording.object();
        recording
            .replay(async |client, _| {
                let mut published = client.publish(object);
                let notifier = published.notifier();
                let request = published.next().await.unwrap();
                request.done(Ok(()));
                let answers = notify(&notifier, capture.starts_with("13")).await;
                assert_eq!(answers, expected);
                unsubscribed(&published).await;
            })
            .await;
    }
}

#[tokio::test]
async fn a_subscriber_of_ours_hears_and_answers_what_those_of_libubus_did() {
    for (capture, conn) in [
        ("12-notify-no-reply", 2),
        ("12-notify-no-reply", 3),
        ("13-notify-reply", 2),
        ("14-subscribe-cli", 2),
        ("15-object-removed", 2),
        ("15-object-removed", 3),
        ("16-publisher-dies", 2),
    ] {
        let recording = Recording::read(capture, conn);
        let path: std::sync::Arc<str> = "wirelab".into();
        let leaves = recording.asked(Kind::Unsubscribe).is_some();
        let mut expected = Vec::new();
        if recording.asked(Kind::Subscribe).is_some() {
            expected.push(("subscribed".to_owned(), Value::Null));
        }
        for message in recording.said(Kind::Invoke) {
            expected.push((message.method().unwrap().to_owned(), value(message.data())));
        }
        if !recording.said(Kind::Unsubscribe).is_empty() {
            expected.push(("gone".to_owned(), Value::Null));
        }
        recording
            .replay(async |client, played| {
                let answer = |_: &Asked<'_>| Some(to_blobmsg(&json!({"from": "subscriber"})).unwrap());
                let subscribe = client.subscribe(&path);
                let subscribe = if capture.starts_with("13") { subscribe.answer(answer) } else { subscribe };
                let mut heard = subscribe.start();
                for expected in expected {
                    let notice = match timeout(LIMIT, heard.next()).await.unwrap().unwrap() {
                        Notice::Subscribed { .. } => ("subscribed".to_owned(), Value::Null),
                        Notice::Gone { .. } => ("gone".to_owned(), Value::Null),
                        Notice::Notification { kind, data, .. } => (kind, value(Some(Ok(data)))),
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(notice, expected, "{capture} {conn}");
                }
                if leaves {
                    drop(heard);
                }
                played.notified().await;
            })
            .await;
    }
}

#[tokio::test]
async fn events_are_heard_as_they_were_and_sent_as_they_were() {
    for (capture, conn, pattern) in [("16-publisher-dies", 1, "ubus.object.*"), ("17-events", 10, "*")] {
        let recording = Recording::read(capture, conn);
        let expected = recording.said(Kind::Invoke);
        recording
            .replay(async |client, _| {
                let mut events = client.listen(pattern);
                assert_eq!(events.next().await, Some(EventNotice::Listening));
                for message in expected {
                    match timeout(LIMIT, events.next()).await.unwrap() {
                        Some(EventNotice::Event { name, data, .. }) => {
                            assert_eq!(Some(&*name), message.method());
                            assert_eq!(value(Some(Ok(data))), value(message.data()));
                        }
                        other => panic!("{other:?}"),
                    }
                }
            })
            .await;
    }
    for conn in (2..=9).chain([11]) {
        let recording = Recording::read("17-events", conn);
        let sent = value(recording.asked(Kind::Invoke).unwrap().data());
        let allowed = recording.said(Kind::Status)[0].status() == Some(0);
        let name = sent["id"].as_str().unwrap();
        let result = recording.replay(async |client, _| client.send(name, &sent["data"]).await).await;
        assert_eq!(result.is_ok(), allowed, "{name}: {result:?}");
    }
}

/// What one connection said and heard.
struct Recording {
    frames: Vec<(Direction, Message)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    ToUbusd,
    FromUbusd,
}

impl Recording {
    fn read(capture: &str, conn: u64) -> Self {
        let path = format!("{}/tests/captures/{capture}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let lines = std::fs::read_to_string(path).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let frames = lines.filter(|line| line["conn"] == conn && line["hex"].is_string()).map(|line| {
            let direction = if line["dir"] == "c2s" { Direction::ToUbusd } else { Direction::FromUbusd };
            (direction, frame::decode(&mut unhex(line["hex"].as_str().unwrap())).unwrap().unwrap())
        });
        Self { frames: frames.collect() }
    }

    /// The request of this kind.
    fn asked(&self, kind: Kind) -> Option<&Message> {
        self.frames.iter().find(|(to, m)| *to == Direction::ToUbusd && m.kind == kind).map(|(_, m)| m)
    }

    /// All that ubusd said of this kind.
    fn said(&self, kind: Kind) -> Vec<Message> {
        let said = self.frames.iter().filter(|(to, m)| *to == Direction::FromUbusd && m.kind == kind);
        said.map(|(_, message)| message.clone()).collect()
    }

    /// The object that was published.
    fn object(&self) -> Object {
        let added = self.asked(Kind::AddObject).unwrap();
        let signature = added.signature().unwrap().unwrap();
        signature.fields().fold(Object::new(added.path().unwrap()), |object, method| {
            let tokio_ubus::Ref::Table(args) = method.value else { panic!("a method is a table") };
            let args: Vec<_> = args
                .map(|arg| {
                    let number = arg.value.as_u32().and_then(|number| u8::try_from(number).ok()).unwrap();
                    (std::str::from_utf8(arg.name).unwrap(), Type::from_number(number).unwrap())
                })
                .collect();
            object.method(std::str::from_utf8(method.name).unwrap(), &args)
        })
    }

    /// Plays ubusd, while `act` does what the recorded client did; it is told when all was played.
    async fn replay<T>(&self, act: impl AsyncFnOnce(&Client, &Notify) -> T) -> T {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ubus.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (client, driver) = tokio_ubus::connect(path);
        tokio::spawn(driver.run());
        let (stream, _) = listener.accept().await.unwrap();
        let mut player = Player { stream, input: BytesMut::new(), seqs: HashMap::new(), ids: HashMap::new(), next: 1 };
        player.say(&self.frames[0].1).await;
        client.connected().wait_for(|connected| *connected).await.unwrap();
        let played = Notify::new();
        let playing = async {
            for (direction, message) in &self.frames[1..] {
                match direction {
                    Direction::FromUbusd => player.say(message).await,
                    Direction::ToUbusd => player.expect(message).await,
                }
            }
            played.notify_one();
        };
        timeout(LIMIT * 2, async { tokio::join!(act(&client, &played), playing).0 }).await.expect("it comes to an end")
    }
}

struct Player {
    stream: UnixStream,
    input: BytesMut,
    /// Recorded numbers of requests, and the client's.
    seqs: HashMap<u16, u16>,
    /// Recorded anonymous objects, and those that the client uses in their place.
    ids: HashMap<u32, u32>,
    next: u32,
}

impl Player {
    async fn say(&mut self, message: &Message) {
        let answer = matches!(message.kind, Kind::Data | Kind::Status);
        let seq = if answer { self.seqs[&message.seq] } else { message.seq };
        let attributes = message.attributes().map(|attribute| match attribute.unwrap() {
            Attribute::Object(id) => Attribute::Object(*self.ids.get(&id).unwrap_or(&id)),
            other => other,
        });
        let message = Message::new(message.kind, seq, message.peer, attributes).unwrap();
        self.write(&message).await;
    }

    async fn write(&mut self, message: &Message) {
        let mut out = Vec::new();
        frame::encode(message, &mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    /// Hears what the recorded client said, and perhaps what it did not say.
    async fn expect(&mut self, recorded: &Message) {
        // libubus answers events, which nobody waits for.
        if recorded.kind == Kind::Status && recorded.peer == 0 {
            return;
        }
        loop {
            let message = timeout(LIMIT, self.read()).await.unwrap_or_else(|_| panic!("never said: {recorded:?}"));
            if self.is_same(recorded, &message) {
                if !matches!(message.kind, Kind::Data | Kind::Status) {
                    self.seqs.insert(recorded.seq, message.seq);
                }
                return;
            }
            self.answer_more(&message).await;
        }
    }

    fn is_same(&mut self, recorded: &Message, message: &Message) -> bool {
        let mine = matches!(message.kind, Kind::Data | Kind::Status) && recorded.seq != message.seq;
        if recorded.kind != message.kind || recorded.peer != message.peer || mine {
            return false;
        }
        let attributes = |message: &Message| -> Vec<String> {
            let attributes = message.attributes().map(Result::unwrap);
            let all = attributes.filter(|attribute| !matches!(attribute, Attribute::Path("*") | Attribute::Object(_)));
            all.map(|attribute| match attribute {
                Attribute::Data(bytes) | Attribute::Signature(bytes) => {
                    let mut data = value(Some(Blobmsg::parse(bytes.to_vec())));
                    // The object that hears events.
                    if message.method() == Some("register") {
                        data["object"].take();
                    }
                    data.to_string()
                }
                other => format!("{other:?}"),
            })
            .collect()
        };
        if attributes(recorded) != attributes(message) {
            return false;
        }
        match (recorded.object(), message.object()) {
            (Some(recorded), Some(own)) => *self.ids.entry(recorded).or_insert(own) == own,
            (recorded, own) => recorded == own,
        }
    }

    /// What the client says beside what was recorded: it hears which objects come, and tidies up.
    async fn answer_more(&mut self, message: &Message) {
        let register = message.kind == Kind::Invoke && message.method() == Some("register");
        let more = matches!(message.kind, Kind::AddObject | Kind::RemoveObject | Kind::Unsubscribe);
        assert!(register || more && message.path().is_none(), "not what was recorded: {message:?}");
        let status = Message::new(Kind::Status, message.seq, message.peer, [Attribute::Status(0)]).unwrap();
        if message.kind == Kind::AddObject {
            self.next += 1;
            let added = [Attribute::Object(self.next)];
            self.write(&Message::new(Kind::Data, message.seq, 0, added).unwrap()).await;
        }
        self.write(&status).await;
    }

    async fn read(&mut self) -> Message {
        loop {
            if let Some(message) = frame::decode(&mut self.input).unwrap() {
                return message;
            }
            assert_ne!(self.stream.read_buf(&mut self.input).await.unwrap(), 0, "it has hung up");
        }
    }
}

/// Does what the recorded server did.
async fn serve(mut request: Request) {
    let number = request.args.get("n").and_then(|n| n.as_u32()).unwrap_or_default();
    match &*request.method {
        "echo" => {
            let args = request.read::<Value>().unwrap();
            request.reply(&args).unwrap();
        }
        "status" => request.done(Err(Status::from(number))),
        "nodata" => request.done(Ok(())),
        "deferred" => {
            sleep(Duration::from_millis(number.into())).await;
            request.reply(&json!({"late": "reply"})).unwrap();
        }
        "givefd" => {
            request.data(&json!({"note": "fd follows on STATUS"})).unwrap();
            request.attach(tempfile::tempfile().unwrap().into());
            request.done(Ok(()));
        }
        "takefd" => request.reply(&json!({"read": 9, "data": "caller-fd"})).unwrap(),
        method => panic!("{method}"),
    }
}

async fn notify(notifier: &Notifier, wait: bool) -> Vec<(u32, Option<Status>, usize)> {
    let data = json!({"address": "02:00:00:00:01:00", "n": 7});
    if !wait {
        notifier.notify("ping", &data).unwrap();
        return Vec::new();
    }
    let answers = notifier.notify_wait("ping", &data, LIMIT).await.unwrap();
    answers.into_iter().map(|answer| (answer.subscriber, answer.status, answer.data.len())).collect()
}

async fn unsubscribed(published: &Published) {
    let notifier = published.notifier();
    while notifier.has_subscribers() {
        sleep(Duration::from_millis(2)).await;
    }
}

fn ids(message: &Message) -> (Option<String>, Option<u32>) {
    (message.path().map(str::to_owned), message.object())
}

fn value(data: Option<Result<Blobmsg, tokio_ubus::Malformed>>) -> Value {
    from_blobmsg(&data.unwrap().unwrap()).unwrap()
}

fn unhex(text: &str) -> BytesMut {
    let digit = |d: u8| char::from(d).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

const LIMIT: Duration = Duration::from_secs(5);
