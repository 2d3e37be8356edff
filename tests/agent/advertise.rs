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
    let (before, router) = announced().await;
    let Router { dir, broker, router: fake, agent } = router;
    agent.stop().await;
    assert_eq!(fake.uci("dhcp")["guest"]["dhcp_option"], json!([OURS]), "the agent is back in a moment");

    let text = config(dir.path(), broker.path(), URI, "");
    let mut agent = Agent::run(dir.path(), &text).await;
    agent.until(crate::router::on_air).await;
    fake.config_changed("dhcp");
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(fake.commits(), ["dhcp"]);
    agent.stop().await;

    let (socket, state) = (broker.path().display(), dir.path().join("state"));
    let said = program(format!("withdraw --socket {socket} --state-dir {}", state.display())).await;
    assert_eq!(said, "the captive portal is announced no more on guest\n");
    assert_eq!(fake.uci("dhcp"), before);
    assert!(!state.join("advertised.json").exists());
}

#[tokio::test]
async fn an_agent_that_is_switched_off_takes_it_away() {
    let (before, router) = announced().await;
    let Router { dir, broker, router: fake, agent } = router;
    agent.stop().await;
    let text = config(dir.path(), broker.path(), URI, "").replace("enabled '1'", "enabled '0'");
    let file = dir.path().join("welcomed");
    std::fs::write(&file, text).unwrap();
    program(format!("run --log stderr --config {}", file.display())).await;
    assert_eq!(fake.uci("dhcp"), before);
}

/// A router whose guests' network announces its portal, and what its configuration was before.
async fn announced() -> (Value, Router) {
    let router = start().await;
    let before = router.router.uci("dhcp");
    router.rewrite(URI, "");
    reload(&router).await;
    until(&router, json!([OURS])).await;
    let record = router.dir.path().join("state/advertised.json");
    let is_kept = || std::fs::read_to_string(&record).unwrap_or_default().contains("\"pending\":false");
    eventually("it is kept in mind", async || is_kept()).await;
    (before, router)
}

/// What `welcomed` prints; it ends well.
async fn program(arguments: String) -> String {
    let run = move || {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_welcomed"));
        program.args(arguments.split(' ')).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
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
