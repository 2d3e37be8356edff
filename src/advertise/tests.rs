//! The task against stand-ins for ubusd and rpcd, with what cannot be changed from outside: its times, and odhcpd.

use std::fs;

use serde_json::{Value, json};
use testkit::ubus::{Broker, Bss, FakeRouter};
use tokio::task::JoinHandle;

use super::*;
use crate::tasks::Tasks;

const URI: &str = "https://portal.example/a";
const NEXT: &str = "https://portal.example/b";
const OURS: &str = "114,https://portal.example/a";

#[tokio::test]
async fn the_networks_interface_announces_it_until_the_network_does_not_want_it() {
    let bench = Bench::new();
    let before = bench.router.uci("dhcp");
    let (running, config) = bench.start(Some(URI));
    bench.until(|dhcp| dhcp["cfg02"]["dhcp_option"] == json!(["3,10.0.0.1", OURS])).await;
    assert_eq!(bench.router.uci("dhcp")["lan"], before["lan"]);
    config.send_replace(Arc::new(configured(Some(NEXT), bench.dir.path())));
    bench.until(|dhcp| dhcp["cfg02"]["dhcp_option"] == json!(["3,10.0.0.1", "114,https://portal.example/b"])).await;
    config.send_replace(Arc::new(configured(None, bench.dir.path())));
    bench.until(|dhcp| *dhcp == before).await;
    assert_eq!(bench.router.commits(), ["dhcp"; 3]);
    bench.until_forgotten().await;
    running.stop().await;
}

#[test]
fn an_interface_belongs_to_the_network_that_names_it_whatever_its_section() {
    let text = "config network 'a'\n\tlist section 'guest'\nconfig network 'b'\n\tlist ifname 'phy0-ap1'\n";
    let config = Config::parse(Path::new("f"), text.as_bytes()).unwrap();
    let interface = |ifname: &str, network: &str| netifd::Interface {
        ifname: ifname.to_owned(),
        section: "guest".to_owned(),
        radio: "radio0".to_owned(),
        networks: vec![network.to_owned()],
        ssid: None,
        encryption: "psk2".to_owned(),
        security: None,
        key: None,
    };
    let both = vec![interface("phy0-ap1", "lan"), interface("phy0-ap2", "guest")];
    let found = interfaces(&config, &Wireless { interfaces: both, settled: true });
    let expected = [("a", "guest"), ("b", "lan")].map(|(id, on)| (id.parse().unwrap(), [on.to_owned()].into()));
    assert_eq!(found, expected.into());
}

#[tokio::test]
async fn nothing_is_committed_where_nothing_differs() {
    let bench = Bench::new();
    let (running, _config) = bench.start(Some(URI));
    bench.until_announced().await;
    running.stop().await;
    let written = fs::metadata(bench.record()).unwrap().modified().unwrap();
    let (running, _config) = bench.start(Some(URI));
    bench.router.config_changed("wireless");
    sleep(SOME_TIME).await;
    assert_eq!(bench.router.commits(), ["dhcp"]);
    assert_eq!(fs::metadata(bench.record()).unwrap().modified().unwrap(), written);
    running.stop().await;
}

#[tokio::test]
async fn odhcpd_is_told_where_it_knows_the_option() {
    let bench = Bench::new();
    fs::write(bench.odhcpd(), b"\x7fELF...captive_portal_ur\0...captive_portal_uri\0").unwrap();
    let (running, config) = bench.start(Some(URI));
    bench.until(|dhcp| dhcp["cfg02"]["captive_portal_uri"] == URI).await;
    config.send_replace(Arc::new(configured(None, bench.dir.path())));
    bench.until(|dhcp| dhcp["cfg02"].get("captive_portal_uri").is_none()).await;
    running.stop().await;
}

#[tokio::test]
async fn what_a_person_has_not_committed_is_waited_for() {
    let bench = Bench::new();
    bench.router.stage_uci("dhcp", "lan", "start", "200");
    let (running, _config) = bench.start(Some(URI));
    sleep(SOME_TIME).await;
    assert!(bench.router.commits().is_empty());
    assert!(!bench.record().exists(), "and nothing is begun");
    bench.commit().await;
    bench.until_announced().await;
    running.stop().await;
}

#[tokio::test]
async fn an_access_point_that_comes_later_is_found() {
    let bench = Bench::without_access_point();
    let (running, _config) = bench.start(Some(URI));
    sleep(SOME_TIME).await;
    assert!(bench.router.commits().is_empty());
    bench.add_access_point();
    bench.until_announced().await;
    running.stop().await;
}

#[tokio::test]
async fn an_administrators_change_is_looked_at() {
    let bench = Bench::new();
    let (running, _config) = bench.start(Some(URI));
    bench.until_announced().await;
    let theirs = json!(["3,10.0.0.1", "114,https://other.example", OURS]);
    bench.router.set_uci("dhcp", "cfg02", "dhcp", json!({"interface": "guest", "dhcp_option": theirs}));
    bench.router.config_changed("dhcp");
    // Theirs comes first, and ours goes.
    bench.until(|dhcp| dhcp["cfg02"]["dhcp_option"] == json!(["3,10.0.0.1", "114,https://other.example"])).await;
    bench.until_forgotten().await;
    running.stop().await;
}

#[tokio::test]
async fn who_is_denied_and_who_is_alone_tries_again() {
    let bench = Bench::new();
    let socket = bench.broker.listen_as("welcomed", json!({"user": "welcomed"}));
    let (running, _config) = bench.start_at(&socket, Some(URI));
    sleep(SOME_TIME).await;
    assert!(bench.router.commits().is_empty());
    bench.broker.stop();
    let shipped = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/files/usr/share/acl.d/welcomed.json"));
    bench.broker.set_acl(serde_json::from_str(&shipped.unwrap()).unwrap());
    sleep(SOME_TIME).await;
    bench.broker.start_again();
    bench.until_announced().await;
    running.stop().await;
}

#[tokio::test]
async fn a_commit_that_is_refused_while_luci_waits_for_its_user_is_made_later() {
    let bench = Bench::new();
    bench.router.await_confirmation(true);
    let (running, _config) = bench.start(Some(URI));
    sleep(SOME_TIME).await;
    assert!(bench.router.commits().is_empty());
    bench.router.await_confirmation(false);
    bench.until_announced().await;
    running.stop().await;
}

#[tokio::test]
async fn what_a_crash_left_uncommitted_is_committed() {
    let bench = Bench::new();
    bench.router.await_confirmation(true);
    let (running, _config) = bench.start(Some(URI));
    bench.until_kept(|kept| kept.pending && kept.interfaces.contains_key("guest")).await;
    sleep(SOME_TIME).await;
    running.stop().await;
    bench.router.await_confirmation(false);
    let (running, _config) = bench.start(Some(URI));
    bench.until_announced().await;
    running.stop().await;
}

#[tokio::test]
async fn withdrawing_takes_back_what_is_ours_and_leaves_no_trace() {
    let bench = Bench::new();
    let before = bench.router.uci("dhcp");
    let (running, _config) = bench.start(Some(URI));
    bench.until_announced().await;
    running.stop().await;
    let withdraw = || {
        let (socket, state) = (bench.broker.path().to_owned(), bench.state());
        async { tokio::task::spawn_blocking(move || withdraw(&socket, &state)).await.unwrap() }
    };
    bench.router.stage_uci("dhcp", "lan", "start", "200");
    let error = withdraw().await.unwrap_err();
    assert!(format!("{error:#}").contains("uci changes dhcp"), "{error:#}");
    bench.commit().await;
    assert_eq!(withdraw().await.unwrap(), "the captive portal is announced no more on guest");
    assert_eq!(bench.router.uci("dhcp")["cfg02"], before["cfg02"]);
    assert!(!bench.record().exists());
    bench.broker.stop();
    assert_eq!(withdraw().await.unwrap(), "nothing was announced", "and needs no ubus to know");
}

/// A router with the networks `lan` and `guest`; the DHCP section of the latter has no name.
struct Bench {
    dir: tempfile::TempDir,
    broker: Broker,
    router: FakeRouter,
}

struct Running {
    task: JoinHandle<anyhow::Result<()>>,
    driver: JoinHandle<()>,
    tasks: Tasks,
}

impl Bench {
    fn new() -> Self {
        let bench = Self::without_access_point();
        bench.add_access_point();
        bench
    }

    fn without_access_point() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(dir.path());
        let router = FakeRouter::start(broker.path());
        router.set_uci("dhcp", "lan", "dhcp", json!({"interface": "lan", "start": "100"}));
        router.set_uci("dhcp", "cfg02", "dhcp", json!({"interface": "guest", "dhcp_option": ["3,10.0.0.1"]}));
        Self { dir, broker, router }
    }

    fn add_access_point(&self) {
        self.router.add_bss(Bss {
            ifname: "phy0-ap1".to_owned(),
            section: "guest_ap".to_owned(),
            networks: vec!["guest".to_owned()],
            bssid: "02:00:00:00:00:01".to_owned(),
            ssid: "Guests".into(),
            encryption: "none".to_owned(),
            key: None,
            freq: 2437,
        });
    }

    fn start(&self, uri: Option<&str>) -> (Running, watch::Sender<Arc<Config>>) {
        self.start_at(self.broker.path(), uri)
    }

    fn start_at(&self, socket: &Path, uri: Option<&str>) -> (Running, watch::Sender<Arc<Config>>) {
        let (sender, config) = watch::channel(Arc::new(configured(uri, self.dir.path())));
        let (bus, driver) = tokio_ubus::connect(socket);
        let driver = tokio::spawn(driver.run());
        let tasks = Tasks::new();
        let [settle, pause, confirm] = [20, 200, 60_000].map(Duration::from_millis);
        let mut advertiser = Advertiser::new(config, watch::channel(None).1, bus);
        advertiser.timing = Timing { settle, pause, confirm };
        advertiser.odhcpd = self.odhcpd();
        let task = tokio::spawn(advertiser.run(tasks.stop_signal()));
        (Running { task, driver, tasks }, sender)
    }

    /// As a person does who has staged something.
    async fn commit(&self) {
        let (client, driver) = tokio_ubus::connect(self.broker.path());
        tokio::spawn(driver.run());
        client.connected().wait_for(|is| *is).await.unwrap();
        client.call("uci", "commit", &json!({"config": "dhcp"}), LIMIT).await.unwrap();
    }

    async fn until_announced(&self) {
        self.until(|dhcp| dhcp["cfg02"]["dhcp_option"] == json!(["3,10.0.0.1", OURS])).await;
        self.until_kept(|kept| !kept.pending && kept.interfaces.contains_key("guest")).await;
    }

    async fn until(&self, is_so: impl Fn(&Value) -> bool) {
        eventually(|| is_so(&self.router.uci("dhcp"))).await;
    }

    /// The record is written around the commit.
    async fn until_kept(&self, is_so: impl Fn(&Kept) -> bool) {
        eventually(|| is_so(&Kept::read(&self.state()).unwrap())).await;
    }

    async fn until_forgotten(&self) {
        eventually(|| !self.record().exists()).await;
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn record(&self) -> PathBuf {
        self.state().join("advertised.json")
    }

    fn odhcpd(&self) -> PathBuf {
        self.dir.path().join("odhcpd")
    }
}

impl Running {
    async fn stop(self) {
        drop(self.tasks);
        self.task.await.unwrap().unwrap();
        self.driver.await.unwrap();
    }
}

async fn eventually(is_so: impl Fn() -> bool) {
    let trying = async {
        while !is_so() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), trying).await.expect("it is so in time");
}

fn configured(uri: Option<&str>, dir: &Path) -> Config {
    let portal = uri.map(|uri| format!("\toption captive_portal '{uri}'\n")).unwrap_or_default();
    let text = format!(
        "config welcomed 'main'\n\toption state_dir '{}'\nconfig network 'cafe'\n\tlist section 'guest_ap'\n{portal}",
        dir.join("state").display()
    );
    Config::parse(Path::new("test"), text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
}

/// In which several passes are made.
const SOME_TIME: Duration = Duration::from_millis(600);
