//! What other programs of the router ask the agent over ubus, and what it tells them.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::ubus::Broker;
use tokio::time::{sleep, timeout};
use tokio_ubus::{Client, Error, Notice, Status};

use crate::kit::{ANN, Agent, BOB, GUEST, Kit, OWNER, SOON, config, eventually};
use crate::router::client;
use crate::station::Station;

/// An offer that is for one of the networks alone.
const ELSEWHERE: &str = "config network 'yard'\n\tlist ifname 'wlan1'\nconfig offer 'grass'\n\toption title 'Mind the grass'\n\tlist network 'yard'\n";

#[tokio::test]
async fn the_status_over_ubus_is_that_of_the_socket() {
    let (mut kit, _broker, bus) = start(ELSEWHERE).await;
    kit.join(ANN, GUEST, "127.0.0.10").await;
    kit.join(BOB, OWNER, "127.0.0.11").await;
    let over_ubus = call(&bus, "status", json!({})).await.unwrap();
    let socket = kit.dir.path().join("status.sock");
    let by_socket = tokio::task::spawn_blocking(move || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_welcomed"));
        let output = program.args(["status", "--json", "--socket"]).arg(socket).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    });
    assert_eq!(timeless(over_ubus), timeless(by_socket.await.unwrap()));

    let stations = call(&bus, "stations", json!({"network": "cafe", "guests": true})).await.unwrap();
    let macs: Vec<_> = stations["stations"].as_array().unwrap().iter().map(|s| &s["mac"]).collect();
    assert_eq!(macs, [ANN]);
    assert_eq!(call(&bus, "stations", json!({})).await.unwrap()["stations"].as_array().unwrap().len(), 2);
    let offers = async |asked| {
        let offers = call(&bus, "offers", asked).await.unwrap();
        offers["offers"].as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offers(json!({})).await, ["hello", "grass"]);
    assert_eq!(offers(json!({"network": "cafe"})).await, ["hello"]);
    let networks = call(&bus, "networks", json!({})).await.unwrap();
    assert_eq!(
        (&networks["networks"]["cafe"]["guests"], &networks["networks"]["yard"]["bss"]),
        (&json!(1), &json!([]))
    );
}

#[tokio::test]
async fn what_is_said_to_guests_is_on_their_streams_at_once() {
    let (mut kit, _broker, bus) = start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let bob = kit.join(BOB, GUEST, "127.0.0.11").await;
    let (mut to_ann, mut to_bob) = (ann.stream().await, bob.stream().await);
    assert_eq!((to_ann.offer().await.id.as_str(), to_bob.offer().await.id.as_str()), ("hello", "hello"));
    let said = json!({"network": "cafe", "title": "We close at six", "link": "https://cafe.example"});
    assert_eq!(call(&bus, "say", said).await.unwrap(), json!({"stations": 2}));
    for stream in [&mut to_ann, &mut to_bob] {
        assert_eq!(stream.offer().await.content.title, "We close at six");
    }
    let said = json!({"station": ANN.to_uppercase(), "title": "Your bicycle is open"});
    assert_eq!(call(&bus, "say", said).await.unwrap(), json!({"stations": 1}));
    let offer = to_ann.offer().await;
    assert!(offer.content.title == "Your bicycle is open" && offer.id.as_str().starts_with("say-"), "{offer:?}");
    let nothing = timeout(Duration::from_millis(300), to_bob.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    ann.show(&offer).await;
    eventually("it is shown once", async || ann.due().await.unwrap().iter().all(|o| o.id != offer.id)).await;
    let counters = call(&bus, "counters", json!({})).await.unwrap();
    assert_eq!((&counters["said"], &counters["arrived"], &counters["shown"]), (&json!(2), &json!(2), &json!(1)));
}

#[tokio::test]
async fn arrivals_and_greetings_are_told_to_who_subscribes() {
    let (mut kit, _broker, bus) = start("").await;
    let mut subscription = bus.subscribe("welcomed").start();
    let mut heard = async || timeout(SOON, subscription.next()).await.expect("something is heard in time");
    assert!(matches!(heard().await, Some(Notice::Subscribed { .. })));
    kit.join(BOB, OWNER, "127.0.0.11").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    assert!(ann.get("/").await.1.contains("Coffee"));
    for expected in ["arrived", "greeted"] {
        let Some(Notice::Notification { kind, data, .. }) = heard().await else { panic!() };
        let told = data.to_json();
        assert_eq!((kind.as_str(), &told["address"]), (expected, &json!(ANN)), "nobody hears of the owner");
        assert_eq!((&told["network"], &told["ifname"]), (&json!("cafe"), &json!("wlan0")));
    }
}

#[tokio::test]
async fn a_new_configuration_is_taken_up_and_a_wrong_one_is_not() {
    let (mut kit, _broker, bus) = start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let file = kit.dir.path().join("welcomed");
    let text = config(kit.dir.path(), "config offer 'soup'\n\toption title 'Soup of the day'\n");
    std::fs::write(&file, text.replace("hostapd_dir '", "hostapd_dir '/elsewhere")).unwrap();
    assert_eq!(call(&bus, "reload", json!({})).await.unwrap(), json!({"restart": ["main.hostapd_dir"]}));
    eventually("the new offer is there", async || ann.due().await.unwrap().iter().map(|o| o.id.as_str()).eq(["soup"]))
        .await;

    std::fs::write(&file, "config welcomed 'main'\n\toption enabled 'maybe'\n").unwrap();
    assert!(matches!(call(&bus, "reload", json!({})).await, Err(Error::Refused(Status::InvalidArgument))));
    sleep(Duration::from_millis(200)).await;
    assert_eq!(ann.due().await.unwrap()[0].id.as_str(), "soup");
}

#[tokio::test]
async fn without_ubusd_guests_are_greeted_and_the_object_comes_when_it_does() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    assert_eq!(ann.stream().await.offer().await.id.as_str(), "hello");
    let broker = Broker::start(kit.dir.path());
    let bus = client(broker.path());
    published(&bus).await;
    broker.restart();
    let bob = kit.join(BOB, GUEST, "127.0.0.11").await;
    assert_eq!(bob.stream().await.offer().await.id.as_str(), "hello");
    eventually("it is there again", async || {
        call(&bus, "stations", json!({})).await.is_ok_and(|s| s["stations"].as_array().unwrap().len() == 2)
    })
    .await;
}

#[tokio::test]
async fn who_may_not_publish_greets_all_the_same_and_may_later() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let socket = broker.listen_as("welcomed", json!({"user": "welcomed"}));
    let text = config(dir.path(), "config offer 'hello'\n\toption title 'Hello'\n");
    let text = text.replace(&format!("{}/ubus.sock", dir.path().display()), &socket.display().to_string());
    let agent = Agent::run(dir.path(), &text).await;
    let bus = client(broker.path());
    let anybody = Station { from: "127.0.0.10".parse().unwrap(), portal: agent.portal };
    assert_eq!(anybody.get(welcome_proto::lan::WELL_KNOWN).await.0, http::StatusCode::OK);
    assert!(matches!(call(&bus, "counters", json!({})).await, Err(Error::Closed | Error::Refused(Status::NotFound))));
    broker.set_acl(json!({"user": "welcomed", "publish": ["welcomed"]}));
    // A new list is told by an event that this user may not hear; so it takes until the next try.
    eventually_within(Duration::from_secs(20), &bus).await;
}

/// An agent whose hostapd is heard by its control socket, and somebody else on the same ubus.
async fn start(more: &str) -> (Kit, Broker, Client) {
    let kit = Kit::start(more).await;
    let broker = Broker::start(kit.dir.path());
    let bus = client(broker.path());
    published(&bus).await;
    (kit, broker, bus)
}

async fn published(bus: &Client) {
    eventually_within(SOON, bus).await;
}

async fn eventually_within(limit: Duration, bus: &Client) {
    let trying = async {
        while !bus.lookup("welcomed").await.is_ok_and(|found| !found.is_empty()) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(limit, trying).await.is_ok(), "never published");
}

async fn call(bus: &Client, method: &str, args: Value) -> Result<Value, Error> {
    bus.call("welcomed", method, &args, SOON).await.map(|reply| reply.data[0].to_json())
}

/// The status without what is another from one moment to the next.
fn timeless(mut status: Value) -> Value {
    let object = status.as_object_mut().unwrap();
    for moment in ["since", "uptime_s"] {
        assert!(object.remove(moment).is_some());
    }
    for session in status["sessions"].as_array_mut().unwrap() {
        assert!(session.as_object_mut().unwrap().remove("heard_at").is_some());
    }
    status
}
