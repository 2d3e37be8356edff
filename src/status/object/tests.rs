//! The object on a stand-in for ubusd, with what the core would say.

use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Value, json};
use testkit::ubus::Broker;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Error, Notice as Heard, Reply, frame};
use welcome_core::Audience;

use super::super::tests::{crowd, source};
use super::*;
use crate::status::ask;
use crate::tasks::Tasks;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_list_is_cut_where_the_room_ends() {
    let item = |n: usize| json!({"n": "x".repeat(n)});
    let (all, cut) = fit([item(1000), item(2000)].into_iter());
    assert_eq!((all.len(), cut), (2, false));
    let (some, cut) = fit(std::iter::repeat_with(|| item(1000)).take(1000));
    assert!(cut && (500..524).contains(&some.len()), "{}", some.len());
    let whole = to_blobmsg(&json!({ "items": some })).unwrap();
    assert!(whole.as_bytes().len() <= ROOM + 16, "{}", whole.as_bytes().len());
}

#[tokio::test]
async fn the_status_is_the_document_and_its_parts_can_be_asked_for() {
    let bench = Bench::start(source()).await;
    let status = bench.call("status", json!({})).await.unwrap();
    assert_eq!((&status["version"], &status["server"]["link"]), (&env!("CARGO_PKG_VERSION").into(), &"away".into()));
    assert_eq!(status["sessions"][0]["mac"], "02:00:00:00:01:00");
    assert_eq!(status.get("truncated"), None);
    let networks = bench.call("networks", json!({})).await.unwrap();
    assert_eq!(networks, json!({"networks": status["networks"]}));
    let stations = bench.call("stations", json!({"network": "cafe", "guests": true})).await.unwrap();
    assert_eq!(stations["stations"][0]["id"], status["sessions"][0]["id"]);
    // A shell's way to say true; and rpcd's addition.
    let asked = json!({"network": "yard", "guests": 1, "ubus_rpc_session": "0"});
    assert_eq!(bench.call("stations", asked).await.unwrap(), json!({"stations": []}));
    let offer = json!({"sender": "device", "id": "hello", "title": "Hello", "networks": [], "priority": 50, "cap_per_visit": 1});
    assert_eq!(bench.call("offers", json!({"network": "yard"})).await.unwrap(), json!({"offers": [offer]}));
    for method in ["stations", "offers"] {
        assert_eq!(bench.refused(method, json!({"network": "bar"})).await, Status::NotFound);
        assert_eq!(bench.refused(method, json!({"network": 5})).await, Status::InvalidArgument);
    }
    assert_eq!(bench.refused("fly", json!({})).await, Status::MethodNotFound);
}

#[tokio::test]
async fn a_crowd_is_told_in_part_and_the_connection_holds() {
    let bench = Bench::start(crowd(2048)).await;
    for (method, list) in [("status", "sessions"), ("stations", "stations")] {
        let answer = bench.call(method, json!({})).await.unwrap();
        let told = answer[list].as_array().unwrap().len();
        assert!(answer["truncated"] == true && (500..2048).contains(&told), "{told}");
    }
    let status = bench.call("status", json!({})).await.unwrap();
    assert_eq!(status["networks"]["cafe"]["guests"], 2048, "the numbers are of all");
    let counters = bench.call("counters", json!({})).await.unwrap();
    assert_eq!(counters["ubus"]["connects"], 1);
}

#[tokio::test]
async fn what_happens_to_guests_is_told_to_who_subscribes() {
    let bench = Bench::start(source()).await;
    let session = *bench.source.view().sessions.keys().next().unwrap();
    let notice = |what| {
        let mac = Mac([0xa2, 0, 0, 0, 0, 0xff]);
        Notice { what, session, mac, network: "cafe".parse().unwrap(), ifname: "cafe0".to_owned() }
    };
    // To nobody.
    bench.notices.send(notice(Happened::Left)).await.unwrap();
    let mut subscription = bench.client.subscribe(PATH).start();
    assert!(matches!(subscription.next().await, Some(Heard::Subscribed { .. })));
    // ubusd has told us of the subscriber before it answers the next call.
    bench.call("counters", json!({})).await.unwrap();
    for (what, expected) in [(Happened::Arrived, "arrived"), (Happened::Greeted, "greeted"), (Happened::Left, "left")] {
        bench.notices.send(notice(what)).await.unwrap();
        let heard = tokio::time::timeout(SOON, subscription.next()).await.unwrap();
        let Some(Heard::Notification { kind, data, .. }) = heard else { panic!("{heard:?}") };
        let told = json!({"network": "cafe", "ifname": "cafe0", "address": "a2:00:00:00:00:ff", "session": session.to_string()});
        assert_eq!((kind.as_str(), data.to_json()), (expected, told));
    }
    let counters = bench.call("counters", json!({})).await.unwrap();
    let expected = json!({
        "arrived": 1, "greeted": 1, "left": 2, "shown": 0, "said": 0, "joins": 1,
        "reports": {"waiting": 2, "dropped": 1},
        "ubus": {"connects": 1, "lagged": 0, "passed_over": 0, "answered": 0, "unsent": 0},
    });
    assert_eq!(counters, expected);
}

#[tokio::test]
async fn what_somebody_says_goes_to_the_core_and_mistakes_come_back() {
    let mut bench = Bench::start(source()).await;
    let said =
        json!({"station": "02:00:00:00:01:00", "title": "Closing soon", "text": "At six.", "ubus_rpc_session": "0"});
    assert_eq!(bench.call("say", said).await.unwrap(), json!({"stations": 1}));
    let Some(Event::Say { to, said: Given { offer, .. } }) = bench.asked.recv().await else { panic!() };
    assert_eq!(to, Audience::Station(Mac([2, 0, 0, 0, 1, 0])));
    assert!(offer.id.as_str().starts_with("say-") && offer.id.as_str().ends_with("-0"), "{}", offer.id);
    assert_eq!(offer.content.text, "At six.");
    assert_eq!(bench.call("say", json!({"network": "yard", "title": "x"})).await.unwrap(), json!({"stations": 0}));
    assert!(
        matches!(bench.asked.recv().await, Some(Event::Say { said, .. }) if said.offer.id.as_str().ends_with("-1"))
    );
    for (said, status, problem) in [
        (json!({"title": "x"}), Status::InvalidArgument, "network, station: "),
        (json!({"network": "cafe"}), Status::InvalidArgument, "title: "),
        (json!({"network": "bar", "title": "x"}), Status::NotFound, "network: "),
        (json!({"station": "02:00:00:00:01:ff", "title": "x"}), Status::NotFound, "station: "),
    ] {
        let (answer, ended) = bench.whole("say", &said).await;
        assert_eq!(ended, Some(status), "{said}");
        assert!(answer["problem"].as_str().unwrap().starts_with(problem), "{said}: {answer}");
    }
    assert!(bench.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_busy_agent_says_so() {
    let bench = Bench::start(source()).await;
    let said = || json!({"network": "cafe", "title": "x"});
    for _ in 0..ASKED {
        bench.call("say", said()).await.unwrap();
    }
    assert_eq!(bench.refused("say", said()).await, Status::Timeout);
}

#[tokio::test]
async fn a_reload_tells_what_waits_for_a_restart_or_every_problem() {
    let bench = Bench::start(source()).await;
    assert_eq!(bench.call("reload", json!({})).await.unwrap(), json!({"restart": ["main.listen"]}));
    *bench.broken.lock().unwrap() = true;
    let (answer, ended) = bench.whole("reload", &json!({})).await;
    assert_eq!(ended, Some(Status::InvalidArgument));
    let problems: Vec<_> = answer["problems"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    assert!(problems.len() == 2 && problems[0].starts_with("welcomed:2: main.enabled: "), "{problems:?}");
}

#[tokio::test]
async fn whoever_asks_is_answered_over_ubus_or_else_by_the_socket() {
    let bench = Bench::start(source()).await;
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("status.sock");
    let asked = async |ubus: &Path| {
        let (ubus, socket) = (ubus.to_owned(), socket.clone());
        let asking = tokio::task::spawn_blocking(move || ask::anywhere(&[&ubus], &socket));
        asking.await.unwrap().map_err(|error| format!("{error:#}"))
    };
    let document = asked(bench.broker.path()).await.unwrap();
    assert_eq!(document["sessions"].as_array().unwrap().len(), 1, "{document}");

    let empty = tempfile::tempdir().unwrap();
    let other = Broker::start(empty.path());
    let held_back = other.listen_as("nobody", json!({"user": "nobody"}));
    for (ubus, reason) in [
        (other.path(), "(ubus has no object `welcomed`)"),
        (held_back.as_path(), "(ubus has no object `welcomed`)"),
        (&bench.broker.listen_as("nobody", json!({"user": "nobody"})), "(ubus lets only root ask)"),
        (&dir.path().join("none"), "(no ubus here)"),
    ] {
        let error = asked(ubus).await.unwrap_err();
        assert!(error.starts_with("find a running agent: ") && error.ends_with(reason), "{error}");
    }
    let status = crate::status::Status::bind(&socket).unwrap();
    let tasks = Tasks::new();
    let task = tokio::spawn(status.run(Arc::clone(&bench.source), tasks.stop_signal()));
    assert_eq!(asked(other.path()).await.unwrap()["sessions"].as_array().unwrap().len(), 1);
    drop(tasks);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn after_a_restart_of_ubusd_it_answers_again() {
    let bench = Bench::start(source()).await;
    bench.broker.restart();
    for _ in 0..200 {
        if bench.call("counters", json!({})).await.is_ok_and(|c| c["ubus"]["connects"] == 2) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never again");
}

/// The object, and somebody else on the same bus.
struct Bench {
    broker: Broker,
    source: Arc<Source>,
    client: Client,
    asked: mpsc::Receiver<Event>,
    notices: mpsc::Sender<Notice>,
    /// Whether the configuration is, from now on.
    broken: Arc<std::sync::Mutex<bool>>,
    _running: (Tasks, JoinHandle<anyhow::Result<()>>, tempfile::TempDir),
}

impl Bench {
    async fn start(source: Source) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(dir.path());
        let [bus, client] = [(); 2].map(|()| {
            let (client, driver) = tokio_ubus::connect(broker.path());
            tokio::spawn(driver.run());
            client
        });
        let source = Arc::new(source);
        let (ask, asked) = mpsc::channel(ASKED);
        let (notices, notified) = mpsc::channel(16);
        let broken = Arc::new(std::sync::Mutex::new(false));
        let reload = {
            let broken = Arc::clone(&broken);
            Box::new(move || {
                let text = b"config welcomed 'main'\n\toption enabled 'maybe'\n\toption colour 'red'\n";
                let config = broken.lock().unwrap().then(|| crate::config::Config::parse(Path::new("welcomed"), text));
                config.transpose().map(|_| Reloaded { restart: vec!["main.listen"] })
            })
        };
        let object = Object { bus, source: Arc::clone(&source), ask, notices: notified, reload };
        let tasks = Tasks::new();
        let task = tokio::spawn(object.run(tasks.stop_signal()));
        let bench = Self { broker, source, client, asked, notices, broken, _running: (tasks, task, dir) };
        while !bench.client.lookup(PATH).await.is_ok_and(|found| !found.is_empty()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bench
    }

    async fn call(&self, method: &str, args: Value) -> Result<Value, Error> {
        self.client.call(PATH, method, &args, SOON).await.map(|reply: Reply| reply.data[0].to_json())
    }

    /// All of an answer. [`Client::call`] keeps only the end of a refusal.
    async fn whole(&self, method: &str, args: &Value) -> (Value, Option<Status>) {
        let object = self.client.lookup(PATH).await.unwrap()[0].id;
        let args = to_blobmsg(args).unwrap();
        let attributes = [Attribute::Object(object), Attribute::Method(method), Attribute::Data(args.as_bytes())];
        let mut sent = Vec::new();
        frame::encode(&Message::new(Kind::Invoke, 1, object, attributes).unwrap(), &mut sent);
        let mut stream = UnixStream::connect(self.broker.path()).await.unwrap();
        stream.write_all(&sent).await.unwrap();
        let (mut read, mut data) = (BytesMut::new(), Value::Null);
        loop {
            while let Some(message) = frame::decode(&mut read).unwrap() {
                match message.kind {
                    Kind::Data => data = message.data().unwrap().unwrap().to_json(),
                    Kind::Status => return (data, message.status().map(Status::from)),
                    _ => {}
                }
            }
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
    }

    async fn refused(&self, method: &str, args: Value) -> Status {
        match self.call(method, args).await {
            Err(Error::Refused(status)) => status,
            other => panic!("{other:?}"),
        }
    }
}

const ASKED: usize = 4;
