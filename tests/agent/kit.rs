//! An agent with a stand-in for hostapd, in a directory of its own.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use testkit::ctrl::FakeHostapd;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use welcome_core::View;
use welcomed::config::Config;
use welcomed::meter::Meter;

use crate::station::Station;

/// Whose key is whose in [`Kit::start`].
pub(crate) const GUEST: Option<&str> = Some("shared");
pub(crate) const OWNER: Option<&str> = Some("owner");
pub(crate) const ANN: &str = "02:00:00:00:0a:00";
pub(crate) const BOB: &str = "02:00:00:00:0b:00";

/// Longer than anything here takes, shorter than a person's patience.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Everything around one agent. Its parts end when it is dropped.
pub(crate) struct Kit {
    pub(crate) dir: TempDir,
    pub(crate) hostapd: FakeHostapd,
    pub(crate) agent: Agent,
}

/// A running agent.
pub(crate) struct Agent {
    pub(crate) portal: SocketAddr,
    pub(crate) catch: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) view: watch::Receiver<Arc<View>>,
    pub(crate) meter: Arc<Meter>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Kit {
    /// With a greeting of the router's own, and `more` configuration.
    pub(crate) async fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hostapd = FakeHostapd::start(dir.path(), "wlan0", "02:00:00:00:00:00", "Café");
        let greeting = "config offer 'hello'\n\toption title 'Coffee is half price'\n";
        let agent = Agent::start(dir.path(), &format!("{greeting}{more}")).await;
        let mut kit = Self { dir, hostapd, agent };
        kit.agent.until(|v| !v.networks.values().all(|n| n.bss.is_empty())).await;
        kit
    }

    /// With further options of the main section.
    pub(crate) async fn start_with(options: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hostapd = FakeHostapd::start(dir.path(), "wlan0", "02:00:00:00:00:00", "Café");
        let config = config(dir.path(), "config offer 'hello'\n\toption title 'Coffee is half price'\n");
        let enabled = "\toption enabled '1'\n";
        let agent = Agent::run(dir.path(), &config.replacen(enabled, &format!("{enabled}{options}"), 1)).await;
        let mut kit = Self { dir, hostapd, agent };
        kit.agent.until(|v| !v.networks.values().all(|n| n.bss.is_empty())).await;
        kit
    }

    /// A station joins and gets `ip`, by its lease.
    pub(crate) async fn join(&mut self, mac: &str, keyid: Option<&str>, ip: &str) -> Station {
        self.hostapd.join(mac, keyid);
        // An address of somebody who is not known yet would be forgotten; DHCP comes after the join.
        self.agent.until(|v| v.sessions.values().any(|s| s.on_air && s.mac.to_string() == mac)).await;
        self.lease(mac, ip);
        let address: IpAddr = ip.parse().unwrap();
        self.agent.until(|v| v.session_at(address).is_some()).await;
        Station { from: address, portal: self.agent.portal }
    }

    /// dnsmasq gives an address.
    pub(crate) fn lease(&self, mac: &str, ip: &str) {
        let path = leases(self.dir.path());
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let others: String = before.lines().filter(|l| !l.contains(ip)).map(|l| format!("{l}\n")).collect();
        std::fs::write(&path, format!("{others}1795404135 {mac} {ip} * *\n")).unwrap();
    }
}

impl Agent {
    pub(crate) async fn start(dir: &Path, more: &str) -> Self {
        Self::run(dir, &config(dir, more)).await
    }

    /// With this configuration, in the file `dir/welcomed`.
    pub(crate) async fn run(dir: &Path, config: &str) -> Self {
        let file = dir.join("welcomed");
        std::fs::write(&file, config).unwrap();
        let config = Config::load(&file).unwrap_or_else(|e| panic!("{e}"));
        let (told, ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            welcomed::run::run(config, None, env!("CARGO_BIN_EXE_welcomed").into(), told, async {
                let _asked_or_dropped = stopped.await.is_ok();
            })
            .await
        });
        let ready = timeout(SOON, ready).await.expect("the agent is ready in time").expect("the agent starts");
        let (portal, catch, tls) = (ready.portal[0], ready.catch[0], ready.tls.first().copied());
        Self { portal, catch, tls, view: ready.view, meter: ready.meter, stop: Some(stop), task }
    }

    /// Waits until the agent knows.
    pub(crate) async fn until(&mut self, knows: impl Fn(&View) -> bool) {
        let outcome = timeout(SOON, self.view.wait_for(|v| knows(v))).await.map(|r| r.is_ok());
        assert!(matches!(outcome, Ok(true)), "never so: {:#?}", self.view.borrow());
    }

    /// Asks it to stop; how long it took.
    pub(crate) async fn stop(mut self) -> Duration {
        let start = std::time::Instant::now();
        self.stop.take().unwrap().send(()).unwrap();
        timeout(SOON, self.task).await.expect("the agent stops in time").unwrap().unwrap();
        start.elapsed()
    }
}

/// A configuration in which everything is below `dir`.
pub(crate) fn config(dir: &Path, more: &str) -> String {
    let (dir, leases) = (dir.display(), leases(dir));
    format!(
        "config welcomed 'main'
	option enabled '1'
	list listen '127.0.0.1:0'
	option hostapd_dir '{dir}'
	option ubus_socket '{dir}/ubus.sock'
	option leases '{}'
	option status_socket '{dir}/status.sock'
	option state_dir '{dir}/state'
	option cache_dir '{dir}/content'
	list catch '127.0.0.1:0'

config network 'cafe'
	list ifname 'wlan0'
	option credential 'keyid'
	list shared_keyid 'shared'
	list owner_keyid 'owner'
	option share_key '1'
	option key 'sesame-sesame'
	option place '48.1374,11.5755'

{more}",
        leases.display()
    )
}

/// Tries until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let trying = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(SOON, trying).await.is_ok(), "never: {what}");
}

fn leases(dir: &Path) -> std::path::PathBuf {
    dir.join("dhcp.leases")
}
