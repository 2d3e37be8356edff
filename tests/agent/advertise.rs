//! Option 114: what the agent adds to the DHCP servers' configuration, and how it goes again.

use serde_json::{Value, json};

use crate::kit::{Agent, eventually};
use crate::router::{Router, config};

const URI: &str = "option captive_portal 'https://portal.example/cafe'";
const OURS: &str = "114,https://portal.example/cafe";

#[tokio::test]
async fn a_shared_network_announces_its_portal_until_the_option_is_gone() {
    let router = start().await;
    let before = router.router.uci("dhcp");
    router.rewrite(URI, "");
    reload(&router).await;
    until(&router, json!([OURS])).await;
    assert_eq!(option(&router, "lan"), json!("3,192.168.1.1 6,192.168.1.1"), "the owner's network is not shared");
    router.rewrite("", "");
    reload(&router).await;
    eventually("it is as it was", async || router.router.uci("dhcp") == before).await;
    assert_eq!(router.router.commits(), ["dhcp", "dhcp"]);
}

#[tokio::test]
async fn a_restart_commits_nothing_and_the_removal_leaves_nothing() {
    let router = start().await;
    let before = router.router.uci("dhcp");
    router.rewrite(URI, "");
    reload(&router).await;
    until(&router, json!([OURS])).await;
    // As it stops, the record of the commit is written.
    let Router { dir, broker, router: fake, agent } = router;
    eventually("it is kept in mind", async || {
        let text = std::fs::read_to_string(dir.path().join("state/advertised.json")).unwrap_or_default();
        text.contains("\"pending\":false")
    })
    .await;
    agent.stop().await;
    assert_eq!(fake.uci("dhcp")["guest"]["dhcp_option"], json!([OURS]), "the agent is back in a moment");

    let text = config(dir.path(), broker.path(), URI, "");
    let mut agent = Agent::run(dir.path(), &text).await;
    agent.until(crate::router::on_air).await;
    fake.config_changed("dhcp");
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(fake.commits(), ["dhcp"]);
    agent.stop().await;

    let withdraw = {
        let (socket, state) = (broker.path().to_owned(), dir.path().join("state"));
        tokio::task::spawn_blocking(move || {
            let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_welcomed"));
            program.arg("withdraw").arg("--socket").arg(socket).arg("--state-dir").arg(state).output().unwrap()
        })
    };
    let output = withdraw.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "the captive portal is announced no more on guest\n");
    assert_eq!(fake.uci("dhcp"), before);
    assert!(!dir.path().join("state/advertised.json").exists());
}

/// A router with a DHCP section for each of its networks.
async fn start() -> Router {
    let router = Router::start("", "").await;
    let lan = json!({"interface": "lan", "start": "100", "dhcp_option": "3,192.168.1.1 6,192.168.1.1"});
    router.router.set_uci("dhcp", "lan", "dhcp", lan);
    router.router.set_uci("dhcp", "guest", "dhcp", json!({"interface": "guest", "leasetime": "1h"}));
    router
}

async fn reload(router: &Router) {
    let bus = router.client();
    let limit = crate::kit::SOON;
    eventually("the agent reads it", async || bus.call("welcomed", "reload", &json!({}), limit).await.is_ok()).await;
}

async fn until(router: &Router, entries: Value) {
    eventually("the guests' network announces it", async || option(router, "guest") == entries).await;
}

fn option(router: &Router, section: &str) -> Value {
    router.router.uci("dhcp")[section]["dhcp_option"].clone()
}
