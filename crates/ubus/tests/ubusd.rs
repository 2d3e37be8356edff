//! Both sides of everything, through a broker: the ubusd at `UBUS_SOCK`, or where ubusd usually listens, or else the
//! stand-in. Each test says which it was.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use serde_json::{Value, json};
use std::io::{Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use tokio_ubus::{
    Asked, Client, Error, EventNotice, Notice, Object, ObjectState, Published, Request, SOCKETS, Status, Subscription,
    Type, to_blobmsg,
};

#[tokio::test]
async fn objects_are_found_by_path_by_prefix_and_all() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    let _two = registered(server.publish(object("find.two"))).await;
    let _one = registered(server.publish(object("find.one"))).await;

    let [one] = &client.lookup("find.one").await.unwrap()[..] else { panic!("one object") };
    assert_eq!(one.path, "find.one");
    assert_eq!(one.signature.get("echo").and_then(|echo| echo.get("text")?.as_i64()), Some(3));
    let paths: Vec<_> = client.lookup("find.*").await.unwrap().into_iter().map(|object| object.path).collect();
    assert_eq!(paths, ["find.one", "find.two"]);
    assert!(client.lookup("*").await.unwrap().iter().any(|object| object == one));
    assert!(client.lookup("find.three").await.unwrap().is_empty());
    assert!(client.lookup("find.three*").await.unwrap().is_empty());
}

#[tokio::test]
async fn calls_are_answered_with_what_the_object_says() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    serve(registered(server.publish(object("calls"))).await);
    let call = async |method: &str, args: Value| client.call("calls", method, &args, LIMIT).await;

    let args = json!({"text": "héllo", "yes": true, "n": -7, "big": 5_000_000_000_i64, "list": [1, "two", {}]});
    assert_eq!(call("echo", args.clone()).await.unwrap().read::<Value>().unwrap(), args);
    let parts = call("parts", json!({"n": 3})).await.unwrap().data;
    assert_eq!(parts.iter().map(|part| part.get("part")?.as_i64()).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    let nothing = call("status", json!({"n": 0})).await.unwrap();
    assert!(nothing.data.is_empty() && nothing.read::<serde_json::Map<_, _>>().unwrap().is_empty());
    for code in [1, 4, 6, 13, 255] {
        assert_refused(call("status", json!({"n": code})).await, Status::from(code));
    }
    assert_refused(call("drop", json!({})).await, Status::UnknownError);
    assert_refused(call("nothing", json!({})).await, Status::MethodNotFound);
    assert_refused(client.call("nobody", "echo", &json!({}), LIMIT).await, Status::NotFound);
    assert_refused(client.invoke(0x7fff_fff0, "echo", Default::default(), None, LIMIT).await, Status::NotFound);
    let late = client.call("calls", "later", &json!({"ms": 300}), Duration::from_millis(50)).await;
    assert!(matches!(late, Err(Error::Timeout)), "{late:?}");
    assert_eq!(
        call("who", json!({})).await.unwrap().read::<Value>().unwrap(),
        json!({"user": "root", "group": "root"})
    );
}

#[tokio::test]
async fn an_answer_may_come_later_than_that_of_a_later_call() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    serve(registered(server.publish(object("later"))).await);
    let call = async |ms: u64| {
        client.call("later", "later", &json!({ "ms": ms }), LIMIT).await.unwrap();
        Instant::now()
    };
    let (slow, quick) = tokio::join!(call(300), call(100));
    assert!(quick < slow);
}

#[tokio::test]
async fn a_path_is_looked_up_again_when_its_object_was_made_anew() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    let nothing = json!({});
    for _ in 0..2 {
        let mut published = registered(server.publish(object("anew"))).await;
        let serving = async { published.next().await.unwrap().done(Ok(())) };
        let (answer, ()) = tokio::join!(client.call("anew", "status", &nothing, LIMIT), serving);
        answer.unwrap();
        drop(published);
        eventually(async || client.lookup("anew").await.unwrap().is_empty()).await;
    }
    assert_refused(client.call("anew", "status", &nothing, LIMIT).await, Status::NotFound);
}

#[tokio::test]
async fn a_name_that_is_taken_is_denied() {
    let bus = Bus::find();
    let (server, other) = (bus.client().await, bus.client().await);
    let _first = registered(server.publish(object("taken"))).await;
    let second = other.publish(object("taken"));
    let mut state = second.state();
    soon(state.wait_for(|state| *state == ObjectState::Denied(Status::InvalidArgument))).await.unwrap();
}

#[tokio::test]
async fn a_subscriber_hears_what_the_object_notifies_until_it_goes_and_when_it_is_back() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    let mut heard = client.subscribe("heard").start();
    for round in 0..3 {
        let published = registered(server.publish(object("heard"))).await;
        assert_eq!(next(&mut heard).await, Notice::Subscribed { path: "heard".into() });
        let notifier = published.notifier();
        eventually(async || notifier.has_subscribers()).await;
        notifier.notify("ping", &json!({ "round": round })).unwrap();
        assert_eq!(said(&mut heard).await, ("ping".into(), json!({ "round": round })));
        drop(published);
        assert_eq!(next(&mut heard).await, Notice::Gone { path: "heard".into() });
    }
    assert_eq!(client.counters().lagged, 0);
}

#[tokio::test]
async fn notifications_come_once_and_in_their_order_and_without_those_nobody_wants() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    let published = registered(server.publish(object("order"))).await;
    let mut heard = client.subscribe("order*").only(&["want"]).queue(2000).start();
    assert_eq!(next(&mut heard).await, Notice::Subscribed { path: "order".into() });
    let notifier = published.notifier();
    eventually(async || notifier.has_subscribers()).await;
    for n in 0..500 {
        notifier.notify("probe", &json!({ "n": n })).unwrap();
        notifier.notify("want", &json!({ "n": n })).unwrap();
        if n % 100 == 0 {
            // ubusd keeps no more than 1 MiB for us, the socket less.
            sleep(Duration::from_millis(5)).await;
        }
    }
    for n in 0..500 {
        assert_eq!(said(&mut heard).await, ("want".into(), json!({ "n": n })));
    }
    assert_eq!(client.counters().passed_over, 500);
    drop(heard);
    eventually(async || !notifier.has_subscribers()).await;
}

#[tokio::test]
async fn who_notifies_gets_the_answers_of_all_who_subscribe() {
    let bus = Bus::find();
    let (server, one, two) = (bus.client().await, bus.client().await, bus.client().await);
    let published = registered(server.publish(object("asks"))).await;
    let notifier = published.notifier();
    assert_eq!(notifier.notify_wait("who", &json!({}), LIMIT).await.unwrap(), []);
    let answer = |asked: &Asked<'_>| (asked.kind == "who").then(|| to_blobmsg(&json!({"from": asked.path})).unwrap());
    let mut answering = one.subscribe("asks").answer(answer).start();
    let mut plain = two.subscribe("asks").start();
    assert_eq!(next(&mut answering).await, Notice::Subscribed { path: "asks".into() });
    assert_eq!(next(&mut plain).await, Notice::Subscribed { path: "asks".into() });
    eventually(async || notifier.has_subscribers()).await;

    let asked = Instant::now();
    let mut answers = notifier.notify_wait("who", &json!({"n": 1}), LIMIT).await.unwrap();
    assert!(asked.elapsed() < LIMIT);
    answers.sort_by_key(|answer| answer.data.len());
    let [empty, full] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((empty.status, full.status), (Some(Status::Ok), Some(Status::Ok)));
    assert_eq!(full.data[0].get("from").and_then(|from| from.as_str()), Some("asks"));
    assert_eq!(said(&mut answering).await, ("who".into(), json!({"n": 1})));
    assert_eq!(said(&mut plain).await, ("who".into(), json!({"n": 1})));
    assert_eq!((one.counters().answered, two.counters().answered), (1, 1));
}

#[tokio::test]
async fn last_words_are_heard() {
    let bus = Bus::find();
    let client = bus.client().await;
    let mut heard = client.subscribe("last").start();
    for n in 0..20 {
        let published = registered(bus.client().await.publish(object("last"))).await;
        assert_eq!(next(&mut heard).await, Notice::Subscribed { path: "last".into() });
        let notifier = published.notifier();
        eventually(async || notifier.has_subscribers()).await;
        notifier.notify("bye", &json!({ "n": n })).unwrap();
        drop(published);
        assert_eq!(said(&mut heard).await, ("bye".into(), json!({ "n": n })));
        assert_eq!(next(&mut heard).await, Notice::Gone { path: "last".into() });
    }
}

#[tokio::test]
async fn an_object_of_the_same_connection_cannot_be_subscribed_to() {
    let bus = Bus::find();
    let client = bus.client().await;
    let _published = registered(client.publish(object("own"))).await;
    let mut heard = client.subscribe("own").start();
    assert_eq!(next(&mut heard).await, Notice::Denied { path: "own".into(), status: Status::InvalidArgument });
}

#[tokio::test]
async fn events_reach_who_listens_to_their_name() {
    let bus = Bus::find();
    let (sender, client) = (bus.client().await, bus.client().await);
    let (mut some, mut one) = (client.listen("test.foo.*"), client.listen("test.bar"));
    assert_eq!(soon(some.next()).await, Some(EventNotice::Listening));
    assert_eq!(soon(one.next()).await, Some(EventNotice::Listening));
    for name in ["test.foo", "test.foo.one", "test.bar", "test.barbar", "test.foo.two"] {
        sender.send(name, &json!({ "of": name })).await.unwrap();
    }
    for expected in ["test.foo.one", "test.bar", "test.foo.two"] {
        let events = if expected == "test.bar" { &mut one } else { &mut some };
        match soon(events.next()).await {
            Some(EventNotice::Event { name, data, .. }) => {
                assert_eq!((&*name, data.get("of").unwrap().as_str()), (expected, Some(expected)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_refused(sender.send("ubus.fake", &json!({})).await, Status::PermissionDenied);
}

#[tokio::test]
async fn descriptors_travel_with_calls_and_with_answers() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    let mut published = registered(server.publish(object("files"))).await;
    let ObjectState::Registered(id) = *published.state().borrow() else { panic!("registered") };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"to and fro").unwrap();
    let serving = async {
        let mut request = published.next().await.unwrap();
        let fd = request.fd.take().unwrap();
        request.data(&json!({"note": "it follows"})).unwrap();
        request.attach(fd);
        request.done(Ok(()));
    };
    let calling = client.invoke(id, "echo", Default::default(), Some(file.into()), LIMIT);
    let (reply, ()) = tokio::join!(calling, serving);
    let mut file = std::fs::File::from(reply.unwrap().fd.unwrap());
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "to and fro");
}

#[tokio::test]
async fn a_descriptor_that_nobody_takes_is_closed() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    let mut published = registered(server.publish(object("closed"))).await;
    let ObjectState::Registered(id) = *published.state().borrow() else { panic!("registered") };
    let answer = |mut request: Request| {
        let (held, end) = UnixStream::pair().unwrap();
        request.attach(held.into());
        request.done(Ok(()));
        end
    };
    // With an answer that comes late, and with one that is dropped.
    let args = json!({});
    let late = client.call("closed", "echo", &args, Duration::from_millis(20));
    let (result, request) = tokio::join!(late, published.next());
    assert!(matches!(result, Err(Error::Timeout)));
    let mut ends = vec![answer(request.unwrap())];
    let call = client.call("closed", "echo", &args, LIMIT);
    let (reply, end) = tokio::join!(call, async { answer(published.next().await.unwrap()) });
    drop(reply.unwrap().fd.unwrap());
    ends.push(end);
    // With calls: of an unknown method, and of one that does not take it.
    for method in ["nothing", "echo"] {
        let (held, end) = UnixStream::pair().unwrap();
        let call = client.invoke(id, method, Default::default(), Some(held.into()), LIMIT);
        let serving = async {
            if method == "echo" {
                published.next().await.unwrap().done(Ok(()));
            }
        };
        assert_eq!(tokio::join!(call, serving).0.is_ok(), method == "echo");
        ends.push(end);
    }
    for mut end in ends {
        end.set_read_timeout(Some(LIMIT)).unwrap();
        let read = tokio::task::spawn_blocking(move || end.read(&mut [0]).unwrap());
        assert_eq!(read.await.unwrap(), 0, "it is open somewhere");
    }
}

#[tokio::test]
async fn an_answer_may_be_nearly_as_long_as_a_message() {
    let bus = Bus::find();
    let (server, client) = (bus.client().await, bus.client().await);
    serve(registered(server.publish(object("large"))).await);
    let text = "x".repeat((1 << 20) - 400);
    let reply = client.call("large", "echo", &json!({ "text": text }), LIMIT).await.unwrap();
    assert_eq!(reply.data[0].get("text").unwrap().as_str(), Some(&*text));
    let longer = client.call("large", "echo", &json!({ "text": text.repeat(2) }), LIMIT).await;
    assert!(matches!(longer, Err(Error::Misuse(_))), "{longer:?}");
}

#[tokio::test]
async fn handles_work_from_another_thread_and_runtime() {
    let bus = Bus::find();
    let path = bus.path.clone();
    let (client, driver) = tokio_ubus::connect(path);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(driver.run());
    });
    let server = bus.client().await;
    serve(registered(server.publish(object("threads"))).await);
    client.connected().wait_for(|connected| *connected).await.unwrap();
    for n in 0..100 {
        let reply = client.call("threads", "echo", &json!({ "n": n }), LIMIT).await.unwrap();
        assert_eq!(reply.read::<Value>().unwrap(), json!({ "n": n }));
    }
    drop(client);
    thread.join().unwrap();
}

struct Bus {
    path: PathBuf,
    _stand_in: Option<(testkit::ubus::Broker, tempfile::TempDir)>,
}

impl Bus {
    fn find() -> Self {
        let real = std::env::var_os("UBUS_SOCK").map(PathBuf::from);
        let real = real.or_else(|| SOCKETS.map(PathBuf::from).into_iter().find(|path| path.exists()));
        if let Some(path) = real {
            eprintln!("against the real ubusd at {}", path.display());
            return Self { path, _stand_in: None };
        }
        eprintln!("against the stand-in for ubusd");
        let dir = tempfile::tempdir().unwrap();
        let broker = testkit::ubus::Broker::start(dir.path());
        Self { path: broker.path().to_owned(), _stand_in: Some((broker, dir)) }
    }

    async fn client(&self) -> Client {
        let (client, driver) = tokio_ubus::connect(&self.path);
        tokio::spawn(driver.run());
        soon(client.connected().wait_for(|connected| *connected)).await.unwrap();
        client
    }
}

fn object(path: &str) -> Object {
    Object::new(path)
        .method("echo", &[("text", Type::String), ("any", Type::Unspec)])
        .method("parts", &[("n", Type::Int32)])
        .method("status", &[("n", Type::Int32)])
        .method("later", &[("ms", Type::Int32)])
        .method("who", &[])
        .method("drop", &[])
}

async fn registered(published: Published) -> Published {
    let mut state = published.state();
    soon(state.wait_for(|state| matches!(state, ObjectState::Registered(_)))).await.unwrap();
    published
}

fn serve(mut published: Published) {
    tokio::spawn(async move {
        while let Some(request) = published.next().await {
            let number = |name: &str| request.args.get(name).and_then(|n| n.as_u32()).unwrap_or_default();
            match &*request.method {
                "echo" => {
                    let args = request.read::<Value>().unwrap();
                    request.reply(&args).unwrap();
                }
                "parts" => {
                    (0..number("n")).for_each(|part| request.data(&json!({ "part": part })).unwrap());
                    request.done(Ok(()));
                }
                "status" => {
                    let status = Status::from(number("n"));
                    request.done(if status == Status::Ok { Ok(()) } else { Err(status) });
                }
                "later" => {
                    let pause = Duration::from_millis(number("ms").into());
                    tokio::spawn(async move {
                        sleep(pause).await;
                        request.done(Ok(()));
                    });
                }
                "who" => {
                    let who = json!({"user": request.user, "group": request.group});
                    request.reply(&who).unwrap();
                }
                _ => drop(request),
            }
        }
    });
}

async fn next(heard: &mut Subscription) -> Notice {
    soon(heard.next()).await.expect("the driver runs")
}

async fn said(heard: &mut Subscription) -> (String, Value) {
    match next(heard).await {
        Notice::Notification { kind, data, .. } => (kind, tokio_ubus::from_blobmsg(&data).unwrap()),
        other => panic!("{other:?}"),
    }
}

async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    soon(waiting).await;
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(LIMIT, future).await.expect("it takes too long")
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, status: Status) {
    assert!(matches!(&result, Err(Error::Refused(told)) if *told == status), "{status}: {result:?}");
}

const LIMIT: Duration = Duration::from_secs(10);
