//! The agent as an ordinary user with the rights that the package ships: it gets along with them, and has no more.

use sorted::SortedSet;

use serde_json::{Value, json};

use crate::directory::Directory;
use crate::kit::{ANN, Agent, SOON, eventually};
use crate::router::{GUEST_AP, Router, config, on_air};

/// What the agent does not call. ubusd shows an object only to who may call one of its methods, and what cannot be seen
/// cannot be subscribed to: so each of these grants a look at its object, by a method that tells and changes nothing.
const FOR_THE_LOOK_ALONE: [(&str, &str); 2] = [("dnsmasq*", "metrics"), ("service", "validate")];

#[tokio::test]
async fn the_rights_that_are_shipped_are_those_that_are_needed() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, router) = Router::around(dir.path());
    router.set_uci("dhcp", "guest", "dhcp", json!({"interface": "guest"}));
    router.set_uci("wireless", "guest", "wifi-iface", json!({"ssid": "Café"}));
    let directory = Directory::start().await;
    let socket = broker.listen_as("welcomed", shipped());
    // Passphrases of its own take the network to `hostapd-auth`.
    let with = "option credential 'passphrase'\n\tlist shared_key 'another way to come in'\n\toption captive_portal 'https://portal.example'";
    let mut agent = Agent::run(dir.path(), &config(dir.path(), &socket, with, &directory.section(""))).await;
    agent.until(on_air).await;
    let bus = crate::router::client(broker.path());
    eventually("it is published", async || {
        bus.call("welcomed", "status", &json!({}), SOON).await.is_ok_and(|status| !status.data.is_empty())
    })
    .await;

    eventually("hostapd-auth is answered", async || !router.sta_auth(GUEST_AP, ANN).psk.is_empty()).await;
    router.sta_connected(GUEST_AP, ANN, Some(0));
    router.join(GUEST_AP, ANN);
    router.ack(ANN, "10.0.0.10");
    agent.until(|v| v.session_at("10.0.0.10".parse().unwrap()).is_some_and(|s| s.guest)).await;
    eventually("the portal is announced", async || router.uci("dhcp")["guest"]["dhcp_option"].is_array()).await;
    crate::challenge::carry_and_listen(&directory, &router).await;
    std::fs::write(dir.path().join("welcomed"), config(dir.path(), &socket, "", "")).unwrap();
    bus.call("welcomed", "reload", &json!({}), SOON).await.unwrap();
    eventually("it is no more", async || router.uci("dhcp")["guest"].get("dhcp_option").is_none()).await;
    agent.stop().await;

    let used = broker.used();
    let granted = granted();
    // What was tried without a right was denied.
    let needs = |(what, ..): &&Right| what != "lookup";
    let denied: Vec<_> = used.iter().filter(needs).filter(|used| !granted.iter().any(|g| covers(g, used))).collect();
    assert!(denied.is_empty(), "done without a right to it: {denied:?}");
    let look = |(what, object, method): &Right| what == "access" && FOR_THE_LOOK_ALONE.contains(&(object, method));
    let unused: Vec<_> = granted.iter().filter(|g| !used.iter().any(|used| covers(g, used)) && !look(g)).collect();
    assert!(unused.is_empty(), "granted and not used: {unused:?} of {used:?}");
    assert_eq!(granted.iter().filter(|g| look(g)).count(), FOR_THE_LOOK_ALONE.len());
}

/// What, on which object, and for a call its method.
type Right = (String, String, String);

fn covers((what, object, method): &Right, used: &Right) -> bool {
    let fits = match object.strip_suffix('*') {
        Some(prefix) => used.1.starts_with(prefix),
        None => used.1 == *object,
    };
    *what == used.0 && fits && *method == used.2
}

fn granted() -> SortedSet<Right> {
    let file = shipped();
    let lists = ["publish", "subscribe", "listen", "send"].into_iter().flat_map(|what| {
        let names = file[what].as_array().cloned().unwrap_or_default();
        names.into_iter().map(move |name| (what.to_owned(), text(&name), String::new()))
    });
    let access = file["access"].as_object().unwrap().iter().flat_map(|(object, rights)| {
        let methods = rights["methods"].as_array().unwrap().iter();
        methods.map(|method| ("access".to_owned(), object.clone(), text(method))).collect::<Vec<_>>()
    });
    lists.chain(access).collect()
}

fn shipped() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/files/usr/share/acl.d/welcomed.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
