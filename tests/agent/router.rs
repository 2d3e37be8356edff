//! An agent on a router with ubus, in a directory of its own. ubusd and the router's objects are stand-ins, which
//! `crates/testkit/tests` holds to recordings.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use testkit::ubus::{Broker, Bss, FakeRouter};
use tokio_ubus::Client;
use welcome_core::View;

use crate::kit::Agent;

/// The interface of the guests' network in [`Router::start`], its section `guest`, its logical network `guest`.
pub(crate) const GUEST_AP: &str = "phy0-ap1";
/// The owner's, section `home`, logical network `lan`.
pub(crate) const HOME_AP: &str = "phy0-ap0";
/// The passphrase of the guests' network; of the owner's.
pub(crate) const GUEST_KEY: &str = "come in, come in";
pub(crate) const HOME_KEY: &str = "nobody else's key";

/// Everything around one agent. Its parts end when it is dropped.
pub(crate) struct Router {
    pub(crate) dir: TempDir,
    pub(crate) broker: Broker,
    pub(crate) router: FakeRouter,
    pub(crate) agent: Agent,
}

impl Router {
    /// Two access points, the guests' shared as network `cafe`, joins by ubus; with `network` more options of that
    /// network and `more` configuration.
    pub(crate) async fn start(network: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (broker, router) = Self::around(dir.path());
        let socket = broker.path().to_owned();
        let agent = Agent::run(dir.path(), &config(dir.path(), &socket, network, more)).await;
        let mut it = Self { dir, broker, router, agent };
        it.agent.until(on_air).await;
        it
    }

    /// The router without its agent.
    pub(crate) fn around(dir: &Path) -> (Broker, FakeRouter) {
        let broker = Broker::start(dir);
        let router = FakeRouter::start(broker.path());
        for (ifname, section, network, bssid, ssid, key) in [
            (HOME_AP, "home", "lan", "02:00:00:00:00:00", "Home", HOME_KEY),
            (GUEST_AP, "guest", "guest", "02:00:00:00:00:01", "Café", GUEST_KEY),
        ] {
            router.add_bss(Bss {
                ifname: ifname.to_owned(),
                section: section.to_owned(),
                networks: vec![network.to_owned()],
                bssid: bssid.to_owned(),
                ssid: ssid.into(),
                encryption: "psk2".to_owned(),
                key: Some(key.to_owned()),
                freq: 2437,
            });
        }
        (broker, router)
    }

    /// Somebody else on this router. Its connection ends with the handle.
    pub(crate) fn client(&self) -> Client {
        client(self.broker.path())
    }

    /// Puts another configuration in the agent's file; nobody has told the agent yet.
    pub(crate) fn rewrite(&self, network: &str, more: &str) {
        std::fs::write(self.file(), config(self.dir.path(), self.broker.path(), network, more)).unwrap();
    }

    /// The agent's configuration.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("welcomed")
    }
}

/// A connection of its own to this ubusd.
pub(crate) fn client(socket: &Path) -> Client {
    let (client, driver) = tokio_ubus::connect(socket);
    tokio::spawn(driver.run());
    client
}

/// Whether the guests' BSS is known.
pub(crate) fn on_air(view: &View) -> bool {
    view.networks.values().any(|n| !n.bss.is_empty())
}

/// A configuration in which everything is below `dir` but ubus.
pub(crate) fn config(dir: &Path, socket: &Path, network: &str, more: &str) -> String {
    let (dir, socket) = (dir.display(), socket.display());
    format!(
        "config welcomed 'main'
	option enabled '1'
	list listen '127.0.0.1:0'
	option joins 'ubus'
	option hostapd_dir '{dir}'
	option ubus_socket '{socket}'
	option leases '{dir}/dhcp.leases'
	option status_socket '{dir}/status.sock'
	option state_dir '{dir}/state'
	option cache_dir '{dir}/content'
	list catch '127.0.0.1:0'

config network 'cafe'
	list section 'guest'
	{network}

config offer 'hello'
	option title 'Coffee is half price'

{more}"
    )
}
