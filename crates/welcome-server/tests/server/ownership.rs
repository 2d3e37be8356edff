//! Proving a network: the challenge, its router, its witnesses, and who disagrees.

use crate::common::{Answer, Client, Events, Router, SOON, Server, network, unix_now};
use http::{Method, Request, StatusCode};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::time::timeout;
use welcome_proto::challenge::Challenge;
use welcome_proto::signed::Signed;
use welcome_server::{Scope, Scopes, add_api_token, add_enrolment_token, add_organisation};

const NEAR: &str = "02:00:00:00:01:00";
const FAR: &str = "02:00:00:00:02:00";

#[tokio::test]
async fn a_challenge_is_carried_heard_and_spent() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(false).await;
    assert_eq!(router.announce(1, json!([two_radios()])).await.status, StatusCode::NO_CONTENT);
    let mut events = router.events(None).await;
    assert_eq!(state(&next(&mut events, "standing").await), "announced");
    assert_eq!(listed(server.client()).await, Vec::<String>::new());

    let asked = challenge(&server, &server.operator, &router).await;
    assert_eq!((&asked["by_hand"], &asked["witnesses"]), (&json!(false), &json!(0)));
    let ssid = asked["ssid"].as_str().unwrap();
    let open = signed_challenge(&router, &next(&mut events, "challenge").await);
    assert_eq!(open.ssid.as_ref().unwrap().to_string(), ssid);
    assert!(open.until.abs_diff(unix_now() + 600) < 5 && open.id.as_str() == asked["challenge"]);
    assert_eq!(state(&next(&mut events, "standing").await), "challenged");
    tell(&router, &asked, "challenges", json!({"state": "on-air", "bssids": [NEAR, FAR]})).await;
    assert_eq!(look(&server, &asked).await["state"], "on-air");

    for (code, bssid, name, result) in [
        ("0123456789abcdef0123456789abcdef", NEAR, ssid, "over"),
        (asked["code"].as_str().unwrap(), NEAR, "Cafe", "not-heard"),
        (asked["code"].as_str().unwrap(), "02:00:00:00:09:00", ssid, "wrong-bssid"),
    ] {
        let verdict = testify(server.client(), &asked, code, bssid, name).await;
        assert_eq!(verdict, json!({"result": result, "registered": []}));
    }
    assert_eq!(listed(server.client()).await, Vec::<String>::new());

    let code = asked["code"].as_str().unwrap();
    let verdict = testify(server.client(), &asked, code, NEAR, ssid).await;
    assert_eq!(verdict, json!({"result": "verified", "registered": [NEAR]}));
    assert_eq!(listed(server.client()).await, [NEAR], "what nobody heard is not listed");
    // In whichever order: a look that was under way may find the one and not the other.
    let (mut over, mut verified) = (false, false);
    while !(over && verified) {
        let event = timeout(SOON, events.next()).await.expect("an event in time").expect("not the end");
        let data: Value = serde_json::from_str(&event.data).unwrap();
        over |= event.name == "challenge" && signed_challenge(&router, &data).ssid.is_none();
        verified |= event.name == "standing" && state(&data) == "verified";
    }
    let verdict = testify(server.client(), &asked, code, FAR, ssid).await;
    assert_eq!(verdict["result"], "over", "it is good once");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_begins_is_told_what_is_open_and_what_was_taken_back() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(false).await;
    router.announce(1, json!([two_radios()])).await;
    let asked = challenge(&server, &server.operator, &router).await;
    let open = signed_challenge(&router, &next(&mut router.events(None).await, "challenge").await);
    assert_eq!(open.id.as_str(), asked["challenge"]);

    let target = format!("/v1/share/challenges/{}", asked["challenge"].as_str().unwrap());
    assert_eq!(server.operate(Method::DELETE, &target, None).await.status, StatusCode::NO_CONTENT);
    server.operate(Method::DELETE, &target, None).await.problem(404, "about:blank");
    let over = signed_challenge(&router, &next(&mut router.events(None).await, "challenge").await);
    assert_eq!((over.id, over.ssid), (open.id, None));
    server.stop().await;
}

#[tokio::test]
async fn a_router_that_refuses_says_why() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(false).await;
    router.announce(1, json!([two_radios()])).await;
    let asked = challenge(&server, &server.operator, &router).await;
    tell(&router, &asked, "challenges", json!({"state": "refused", "why": "switched off here"})).await;
    let seen = look(&server, &asked).await;
    assert_eq!((&seen["state"], &seen["why"]), (&json!("refused"), &json!("switched off here")));
    let other = server.router(false).await;
    let target = format!("challenges/{}", asked["challenge"].as_str().unwrap());
    let request = other.sign("POST", &other.path(&target), r#"{"state":"off-air"}"#);
    server.client().send(request).await.problem(404, "about:blank");
    server.stop().await;
}

#[tokio::test]
async fn a_verified_router_nearby_is_asked_to_listen() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let (near, far, new) = (server.router(true).await, server.router(true).await, server.router(false).await);
    near.announce(1, json!([at(48.1374, 11.5755, "02:00:00:00:0a:00")])).await;
    far.announce(1, json!([at(52.5, 13.4, "02:00:00:00:0b:00")])).await;
    new.announce(1, json!([at(48.1380, 11.5760, NEAR)])).await;
    let (mut heard, mut unheard) = (near.events(None).await, far.events(None).await);

    let asked = challenge(&server, &server.operator, &new).await;
    assert_eq!(asked["witnesses"], 1);
    tell(&new, &asked, "challenges", json!({"state": "on-air", "bssids": [NEAR]})).await;
    let question = next(&mut heard, "witness").await;
    let question: Value = serde_json::from_str(question["witness"]["statement"].as_str().unwrap()).unwrap();
    assert_eq!((&question["ssid"], &question["router"]), (&asked["ssid"], &json!(near.id)));
    said(&far, &asked, "witness", json!({"heard": [{"bssid": NEAR}]})).await.problem(404, "about:blank");
    tell(&near, &asked, "witness", json!({"heard": [{"bssid": NEAR, "signal": -50, "freq": 2412}]})).await;
    assert_eq!(look(&server, &asked).await["state"], "verified");
    assert!(listed(server.client()).await.contains(&NEAR.to_owned()));
    while let Ok(Some(event)) = timeout(std::time::Duration::from_millis(200), unheard.next()).await {
        assert_ne!(event.name, "witness");
    }
    server.stop().await;
}

#[tokio::test]
async fn two_who_prove_the_same_are_in_conflict_and_an_announce_alone_takes_nobody_off_the_list() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(false).await;
    router.announce(1, json!([two_radios()])).await;
    prove(&server, &server.operator, &router).await;
    assert_eq!(listed(server.client()).await, [NEAR]);

    let other = add_organisation(&server.config, "Other").await.unwrap();
    let ttl = std::time::Duration::from_secs(60);
    let token = add_enrolment_token(&server.config, Some(other.as_str()), false, ttl).await.unwrap();
    let thief = Router::enrol(server.client(), token.reveal()).await.unwrap();
    assert_ne!(thief.operator_key, router.operator_key, "each organisation has a key of its own");
    thief.announce(1, json!([two_radios()])).await;
    assert_eq!(listed(server.client()).await, [NEAR]);

    let theirs = add_api_token(&server.config, Some(other.as_str()), "t", Scopes::all()).await.unwrap();
    prove(&server, theirs.reveal(), &thief).await;
    assert_eq!(listed(server.client()).await, Vec::<String>::new(), "neither is listed");
    for router in [&router, &thief] {
        assert_eq!(state(&next(&mut router.events(None).await, "standing").await), "conflict");
    }
    // Nobody sees or ends what is another's.
    let asked = challenge(&server, &server.operator, &router).await;
    let target = format!("/v1/share/challenges/{}", asked["challenge"].as_str().unwrap());
    server.ask(theirs.reveal(), Method::GET, &target, None).await.problem(404, "about:blank");
    server.ask(theirs.reveal(), Method::DELETE, &target, None).await.problem(404, "about:blank");
    server.stop().await;
}

#[tokio::test]
async fn what_was_proved_stays_while_radios_come_and_go() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(false).await;
    router.announce(1, json!([two_radios()])).await;
    prove(&server, &server.operator, &router).await;
    // The radio is off for a while; then there is a new one beside it.
    router.announce(2, json!([])).await;
    assert_eq!(listed(server.client()).await, Vec::<String>::new());
    let mut three = two_radios();
    three["bss"].as_array_mut().unwrap().push(json!({"bssid": "02:00:00:00:03:00"}));
    router.announce(3, json!([three])).await;
    assert_eq!(listed(server.client()).await, [NEAR], "proved before; the new one is not");
    server.stop().await;
}

#[tokio::test]
async fn a_network_of_a_router_without_an_agent_is_proved_by_hand() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let body = json!({"name": "Kiosk", "network": network("kiosk", "Kiosk", NEAR)});
    let added = server.operate(Method::POST, "/v1/share/networks", Some(body)).await;
    assert_eq!(added.status, StatusCode::CREATED);
    let added = added.json();
    let (router, name) = (added["router"].as_str().unwrap(), added["network"].as_str().unwrap());
    assert_eq!(listed(server.client()).await, Vec::<String>::new());

    let target = format!("/v1/share/networks/{router}/{name}/challenge");
    let asked = server.operate(Method::POST, &target, None).await.json();
    assert_eq!(asked["by_hand"], true);
    let verdict =
        testify(server.client(), &asked, asked["code"].as_str().unwrap(), NEAR, asked["ssid"].as_str().unwrap()).await;
    assert_eq!(verdict["result"], "verified");
    assert_eq!(listed(server.client()).await, [NEAR]);
    let seen = server.operate(Method::GET, "/v1/share/networks", None).await.json();
    assert_eq!(
        (&seen["networks"][0]["state"], &seen["networks"][0]["router_name"]),
        (&json!("verified"), &json!("Kiosk"))
    );

    let gone = format!("/v1/share/networks/{router}/{name}");
    assert_eq!(server.operate(Method::DELETE, &gone, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(listed(server.client()).await, Vec::<String>::new());
    for ssid in ["home_nomap", "a_optout_b"] {
        let body = json!({"network": network("x", ssid, FAR)});
        let refused = server.operate(Method::POST, "/v1/share/networks", Some(body)).await;
        refused.problem(400, "urn:welcome:problem:bad-request");
    }
    server.stop().await;
}

#[tokio::test]
async fn another_radio_of_such_a_network_is_proved_by_itself_and_its_key_stays() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let body = json!({"name": "Kiosk", "network": network("cafe", "Kiosk", NEAR)});
    let added = server.operate(Method::POST, "/v1/share/networks", Some(body)).await.json();
    let target = format!("/v1/share/networks/{}/cafe", added["router"].as_str().unwrap());
    let prove = async |bssid| {
        let asked = server.operate(Method::POST, &format!("{target}/challenge"), None).await.json();
        let (code, ssid) = (asked["code"].as_str().unwrap(), asked["ssid"].as_str().unwrap());
        assert_eq!(testify(server.client(), &asked, code, bssid, ssid).await["result"], "verified");
    };
    prove(NEAR).await;
    let put = async |bss| server.operate(Method::PUT, &format!("{target}/bss"), Some(json!({ "bss": bss }))).await;
    assert_eq!(put(json!([{"bssid": FAR}])).await.status, StatusCode::NO_CONTENT);
    assert_eq!(listed(server.client()).await, Vec::<String>::new(), "the new one is not proved");
    prove(FAR).await;
    assert_eq!(listed(server.client()).await, [FAR]);
    let found = server.ask(&server.operator, Method::GET, "/v1/lookup/list", None).await.json();
    assert_eq!(found["entries"][0]["key"], "correct horse");

    put(json!([{"bssid": FAR}, {"bssid": FAR}])).await.problem(400, "urn:welcome:problem:bad-request");
    let router = server.router(true).await;
    router.announce(1, json!([two_radios()])).await;
    let target = format!("/v1/share/networks/{}/cafe/bss", router.id);
    let refused = server.operate(Method::PUT, &target, Some(json!({"bss": []}))).await;
    refused.problem(404, "about:blank");
    server.stop().await;
}

#[tokio::test]
async fn a_sharer_writes_what_is_shown_at_one_network_and_nothing_beyond() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(1, json!([network("cafe", "Cafe", NEAR), network("bar", "Bar", FAR)])).await;
    let sharer = add_api_token(&server.config, None, "sharer", Scopes([Scope::Share].into())).await.unwrap();
    let offers = format!("/v1/share/networks/{}/cafe/offers", router.id);
    let ask = async |method, target: &str, body| server.ask(sharer.reveal(), method, target, body).await;
    let put = async |id: &str, title: &str| {
        let body = json!({"id": id, "networks": ["bar"], "content": {"title": title}});
        ask(Method::PUT, &format!("{offers}/{id}"), Some(body)).await
    };
    assert_eq!(put("hello", "Soup").await.status, StatusCode::NO_CONTENT);
    assert_eq!(put("hello", "Cake").await.status, StatusCode::NO_CONTENT);
    let kept = ask(Method::GET, &offers, None).await.json();
    let titles: Vec<_> = kept["offers"].as_array().unwrap().iter().map(|o| o["content"]["title"].clone()).collect();
    assert_eq!((titles, &kept["offers"][0]["networks"]), (vec![json!("Cake")], &json!(["cafe"])));
    assert_eq!(router.events(None).await.titles().await, (2, vec!["Cake".to_owned()]));

    // What the operator says on all routers is not the sharer's, under whatever id.
    let everywhere = json!({"offer": {"id": "menu", "content": {"title": "Menu"}}});
    let target = "/v1/operator/offers/menu?sender=sharer";
    assert_eq!(server.operate(Method::PUT, target, Some(everywhere)).await.status, StatusCode::NO_CONTENT);
    put("menu", "Mine").await.problem(409, "about:blank");
    ask(Method::DELETE, &format!("{offers}/menu"), None).await.problem(404, "about:blank");
    let next_door = format!("/v1/share/networks/{}/bar/offers/hello", router.id);
    ask(Method::DELETE, &next_door, None).await.problem(404, "about:blank");
    for gone in ["r-0/cafe", &format!("{}/none", router.id)] {
        ask(Method::GET, &format!("/v1/share/networks/{gone}/offers"), None).await.problem(404, "about:blank");
    }
    put("long", &"x".repeat(81)).await.problem(400, "urn:welcome:problem:bad-request");
    assert_eq!(ask(Method::DELETE, &format!("{offers}/hello"), None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ask(Method::GET, &offers, None).await.json(), json!({"offers": []}));
    assert_eq!(router.events(None).await.titles().await.1, ["Menu"]);
    server.stop().await;
}

fn two_radios() -> Value {
    let mut network = network("cafe", "Cafe", NEAR);
    network["bss"].as_array_mut().unwrap().push(json!({"bssid": FAR, "freq": 5180}));
    network
}

fn at(lat: f64, lon: f64, bssid: &str) -> Value {
    let mut network = network("cafe", "Cafe", bssid);
    network["place"] = json!({"lat": lat, "lon": lon});
    network
}

async fn challenge(server: &Server, token: &str, router: &Router) -> Value {
    let target = format!("/v1/share/networks/{}/cafe/challenge", router.id);
    let asked = server.ask(token, Method::POST, &target, None).await;
    assert_eq!(asked.status, StatusCode::CREATED, "{asked:?}");
    asked.json()
}

/// Has one of the two radios proved.
async fn prove(server: &Server, token: &str, router: &Router) {
    let asked = challenge(server, token, router).await;
    let (code, ssid) = (asked["code"].as_str().unwrap(), asked["ssid"].as_str().unwrap());
    assert_eq!(testify(server.client(), &asked, code, NEAR, ssid).await["result"], "verified");
}

async fn look(server: &Server, asked: &Value) -> Value {
    let target = format!("/v1/share/challenges/{}", asked["challenge"].as_str().unwrap());
    server.operate(Method::GET, &target, None).await.json()
}

async fn testify(client: Client, asked: &Value, code: &str, bssid: &str, ssid: &str) -> Value {
    let body = json!({"challenge": asked["challenge"], "code": code, "heard": [{"bssid": bssid, "ssid": ssid}]});
    client.post("/v1/witness", &body.to_string()).await.json()
}

/// What a router says of a challenge.
async fn said(router: &Router, asked: &Value, what: &str, body: Value) -> Answer {
    let target = router.path(&format!("{what}/{}", asked["challenge"].as_str().unwrap()));
    router.client.send(router.sign("POST", &target, &body.to_string())).await
}

async fn tell(router: &Router, asked: &Value, what: &str, body: Value) {
    assert_eq!(said(router, asked, what, body).await.status, StatusCode::NO_CONTENT);
}

async fn next(events: &mut Events, name: &str) -> Value {
    loop {
        let event = timeout(SOON, events.next()).await.expect("an event in time").expect("not the end");
        if event.name == name {
            return serde_json::from_str(&event.data).unwrap();
        }
    }
}

fn state(standing: &Value) -> &str {
    standing["networks"]["cafe"]["state"].as_str().unwrap()
}

fn signed_challenge(router: &Router, event: &Value) -> Challenge {
    let signed: Signed = serde_json::from_value(event["challenge"].clone()).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, &router.operator_key);
    key.verify(&signed.message::<Challenge>(), &signed.signature_bytes().unwrap()).unwrap();
    let challenge: Challenge = serde_json::from_str(&signed.statement).unwrap();
    assert_eq!(challenge.router, router.id);
    challenge
}

async fn listed(client: Client) -> Vec<String> {
    let request = Request::get("/v1/lookup/list").body(String::new()).unwrap();
    let list = client.send(request).await.json();
    list["entries"].as_array().unwrap().iter().map(|e| e["bssid"].as_str().unwrap().to_owned()).collect()
}
