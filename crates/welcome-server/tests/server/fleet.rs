//! The simulated fleet of `testkit` against a real server: it speaks as routers do, or its figures mean nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{SOON, Server, network};
use http::Method;
use serde_json::json;
use testkit::fleet::http::Error;
use testkit::fleet::load::closed_loop;
use testkit::fleet::run::{self, Counts, Options};
use testkit::fleet::{self, Operator, Router};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use welcome_proto::Secret;
use welcome_proto::announce::Announce;
use welcome_proto::offer::OffersPush;
use welcome_proto::report::ReportBatch;
use welcome_server::Config;

async fn operator(server: &Server) -> Operator {
    let there = fleet::http::Server::at(server.addr);
    Operator::connect(&there, &Secret::new(server.operator.clone())).await.unwrap()
}

async fn router(server: &Server) -> Router {
    let there = fleet::http::Server::find(&format!("http://{}", server.addr)).await.unwrap();
    let token = operator(server).await.enrolment_token().await.unwrap();
    Router::enrol(&there, &mut there.connect().await.unwrap(), token, "0.1.0").await.unwrap()
}

#[tokio::test]
async fn what_a_simulated_router_signs_is_taken_and_what_it_did_not_sign_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let router = router(&server).await;
    let mut connection = fleet::http::Server::at(server.addr).connect().await.unwrap();
    let networks = serde_json::from_value(json!([network("cafe", "Café", "02:00:00:00:01:00")])).unwrap();
    let announce = router.announce(&Announce { generation: 1, networks, ..Announce::default() }).unwrap();
    let batch: ReportBatch =
        serde_json::from_value(json!({"batch": "b-1", "reports": [{"network": "cafe", "what": "arrived"}]})).unwrap();
    let report = router.report(&batch).unwrap();

    connection.ask(announce).await.unwrap().accepted().unwrap();
    let forged = report.clone().map(|body| [&body[..], b" "].concat().into());
    let error = connection.ask(forged).await.unwrap().accepted().unwrap_err();
    assert!(matches!(&error, Error::Refused { name, .. } if name == "bad-signature"), "{error}");
    connection.ask(report).await.unwrap().accepted().unwrap();
    assert_eq!(operator(&server).await.count(router.id(), "arrived").await.unwrap(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_brings_what_the_operator_signed_for_this_router_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let (router, other) = (router(&server).await, router(&server).await);
    let mut operator = operator(&server).await;
    operator.publish("hello", "Welcome").await.unwrap();

    let mut stream = router.listen(None).await.unwrap();
    let event = timeout(SOON, stream.next()).await.unwrap().unwrap().unwrap();
    let push: OffersPush = serde_json::from_str(&event.data).unwrap();
    assert_eq!(router.offer(&push.offers[0]).unwrap().offer.content.title, "Welcome");
    assert_eq!(other.offer(&push.offers[0]), None);

    let mut again = router.listen(event.id.as_deref()).await.unwrap();
    assert!(timeout(Duration::from_millis(300), again.next()).await.is_err(), "it has this revision");
    operator.publish("bye", "Come again").await.unwrap();
    let event = timeout(SOON, again.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(serde_json::from_str::<OffersPush>(&event.data).unwrap().offers.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn what_a_fleet_counts_is_what_the_server_has_counted_also_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let (addr, token) = (server.addr, Secret::new(server.operator.clone()));
    let there = fleet::http::Server::at(addr);
    let counts = Arc::new(Counts::default());
    let (stop, stopped) = watch::channel(false);
    // A day in a second: some thousand visits.
    let history = Duration::from_secs(6 * 3600);
    let options = Options { routers: 5, speed: 20_000.0, seed: 1, history, tokens: Vec::new() };
    let fleet = tokio::spawn({
        let (counts, there, token) = (Arc::clone(&counts), there.clone(), token.clone());
        async move { run::run(&there, &token, options, &counts, stopped).await }
    });
    wait(|| Counts::read(&counts.streams) == 5).await;
    let before = Counts::read(&counts.arrived);
    wait(|| Counts::read(&counts.arrived) > before).await;

    server.stop().await;
    wait(|| Counts::read(&counts.failures) >= 5).await;
    let server = Server::serve(Config::new(addr, dir.path().to_owned())).await;
    let before = Counts::read(&counts.arrived);
    wait(|| Counts::read(&counts.streams) == 5 && Counts::read(&counts.arrived) > before).await;

    stop.send_replace(true);
    let routers = timeout(SOON, fleet).await.unwrap().unwrap().unwrap();
    assert_eq!(routers.len(), 5);
    let mut operator = Operator::connect(&there, &token).await.unwrap();
    let mut arrived = 0;
    for router in &routers {
        arrived += operator.count(router.id(), "arrived").await.unwrap();
    }
    assert_eq!(arrived, Counts::read(&counts.arrived));
    assert_eq!(Counts::read(&counts.refused), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_simulated_network_is_proved_by_its_simulated_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let (there, token) = (fleet::http::Server::at(server.addr), Secret::new(server.operator.clone()));
    let mut vouched = Vec::new();
    for _ in 0..40 {
        vouched.push(Secret::new(server.token(true).await));
    }
    let counts = Arc::new(Counts::default());
    let (stop, stopped) = watch::channel(false);
    let options = Options { routers: 60, speed: 1.0, seed: 1, history: Duration::ZERO, tokens: vouched };
    let fleet = tokio::spawn({
        let (counts, there, token) = (Arc::clone(&counts), there.clone(), token.clone());
        async move { run::run(&there, &token, options, &counts, stopped).await }
    });
    wait(|| Counts::read(&counts.streams) == 60).await;

    let mut operator = Operator::connect(&there, &token).await.unwrap();
    let routers = server.operate(Method::GET, "/v1/operator/routers", None).await.json();
    let unproved = routers["routers"].as_array().unwrap().iter().filter(|router| router["vouched"] == false);
    let mut proved = 0;
    for router in unproved {
        let router = router["router"].as_str().unwrap().parse().unwrap();
        let (challenge, witnesses) = operator.challenge(&router, "guests").await.unwrap();
        if witnesses > 0 {
            let verified = async {
                while operator.challenge_state(&challenge).await.unwrap() != "verified" {
                    sleep(Duration::from_millis(50)).await;
                }
            };
            timeout(SOON, verified).await.expect("it is verified");
            proved += 1;
        }
        if proved == ENOUGH {
            break;
        }
    }
    assert_eq!(proved, ENOUGH, "that many have neighbours");
    stop.send_replace(true);
    timeout(SOON, fleet).await.unwrap().unwrap().unwrap();
    assert_eq!(Counts::read(&counts.refused), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_load_with_one_bad_answer_has_no_pace() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path()).await;
    let there = fleet::http::Server::at(server.addr);
    let get = |target: &'static str| move |_, _| http::Request::get(target).body(bytes::Bytes::new()).unwrap();
    let length = Duration::from_millis(300);
    let pace = closed_loop(&there, 2, length, get("/healthz"), |_| Ok(())).await.unwrap();
    assert!(pace.per_second() > 10.0 && pace.quantile(0.5) <= pace.quantile(0.99), "{pace:?}");
    let once_bad = move |connection, n| get(if (connection, n) == (1, 5) { "/nothing" } else { "/healthz" })(0, 0);
    assert!(closed_loop(&there, 2, length, once_bad, |_| Ok(())).await.is_err());
    server.stop().await;
}

/// Networks to prove.
const ENOUGH: usize = 3;

async fn wait(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.expect("it becomes so");
}
