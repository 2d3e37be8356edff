//! A router with two stations on its bridge, an Internet behind it, a fake of OpenWrt's own firewall, and ours.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use welcome_core::{Access, Agent, Event, Now, View};
use welcome_proto::Mac;
use welcomed::config::Config;
use welcomed::firewall::nft::Nft;
use welcomed::firewall::{Firewall, Timing};
use welcomed::passes::{self, Passes};
use welcomed::tasks::Tasks;

use crate::space::Space;
use crate::traffic::{Answer, INTERNET, eventually, serve_caught, serve_tcp, serve_udp, tcp};

/// Where caught HTTP goes.
pub(crate) const CATCH: u16 = 8911;
/// Two stations.
pub(crate) const GUEST: Mac = Mac([2, 0, 0, 0, 1, 1]);
pub(crate) const OTHER: Mac = Mac([2, 0, 0, 0, 1, 2]);
/// The router's own page says this.
pub(crate) const ROUTER: &str = "the router";
/// Before anything is to be given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Addresses of one family.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Family {
    pub(crate) router: IpAddr,
    /// The router's other side.
    pub(crate) wan: IpAddr,
    /// Three hosts of the Internet.
    pub(crate) hosts: [IpAddr; 3],
}

/// Both.
pub(crate) fn families() -> [Family; 2] {
    [
        ("10.77.0.1", "203.0.113.1", ["198.51.100.1", "198.51.100.2", "198.51.100.3"]),
        ("2001:db8:77::1", "2001:db8:f::1", ["2001:db8:a::1", "2001:db8:a::2", "2001:db8:a::3"]),
    ]
    .map(|(router, wan, hosts)| Family {
        router: router.parse().unwrap(),
        wan: wan.parse().unwrap(),
        hosts: hosts.map(|host| host.parse().unwrap()),
    })
}

pub(crate) struct House {
    pub(crate) router: Space,
    pub(crate) guest: Space,
    pub(crate) other: Space,
    pub(crate) internet: Space,
}

impl House {
    /// One that is wired; none, and says why, without the rights for it.
    pub(crate) fn build() -> Option<Self> {
        let spaces = [(); 4].map(|()| Space::new());
        let [Some(router), Some(internet), Some(guest), Some(other)] = spaces else {
            eprintln!("skipped: networks of their own need root");
            return None;
        };
        for space in [&router, &internet, &guest, &other] {
            // Nobody else has these addresses; to make sure of it takes seconds.
            space.set("ipv6/conf/all/accept_dad", "0");
            space.set("ipv6/conf/default/accept_dad", "0");
        }
        router.set("ipv4/ip_forward", "1");
        router.set("ipv6/conf/all/forwarding", "1");
        router.ip("link add br-lan type bridge");
        for (n, station, mac) in [(1, &guest, GUEST), (2, &other, OTHER)] {
            router.ip(&format!("link add lan{n} type veth peer name wlan address {mac} netns {}", station.name));
            router.ip(&format!("link set lan{n} master br-lan up"));
            up(station, "wlan", [format!("10.77.0.1{n}/24"), format!("2001:db8:77::1{n}/64")]);
        }
        up(&router, "br-lan", ["10.77.0.1/24", "2001:db8:77::1/64"]);
        for station in [&guest, &other] {
            station.ip("route add default via 10.77.0.1");
            station.ip("route add default via 2001:db8:77::1");
        }
        router.ip(&format!("link add wan type veth peer name core netns {}", internet.name));
        up(&router, "wan", ["203.0.113.1/24", "2001:db8:f::1/64"]);
        up(&internet, "core", ["203.0.113.2/24", "2001:db8:f::2/64"]);
        router.ip("route add default via 203.0.113.2");
        router.ip("route add default via 2001:db8:f::2");
        internet.ip("route add 2001:db8:77::/64 via 2001:db8:f::1");
        for host in families().iter().flat_map(|family| family.hosts) {
            internet.ip(&format!("addr add {host} dev lo nodad"));
        }
        for port in [53, 80, 443, 8080] {
            serve_tcp(&internet, port, INTERNET);
        }
        for port in [53, 123, 443] {
            for host in families().iter().flat_map(|family| family.hosts) {
                serve_udp(&internet, SocketAddr::new(host, port), INTERNET);
            }
        }
        for port in [80, 443] {
            serve_tcp(&router, port, ROUTER);
        }
        serve_caught(&router, CATCH);
        let house = Self { router, guest, other, internet };
        house.load(include_str!("fw4.nft"));
        // The kernel takes up to a second to find that a link is there, and drops IPv6 until then.
        std::thread::scope(|scope| {
            for (station, family) in [&house.guest, &house.other].into_iter().flat_map(|s| families().map(|f| (s, f))) {
                scope.spawn(move || assert_eq!(tcp(station, family.hosts[0], 443), Answer::said(INTERNET)));
            }
        });
        Some(house)
    }

    /// Loads rules that are not ours.
    pub(crate) fn load(&self, script: &'static str) {
        let nft = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        self.router.run(move || nft().unwrap().block_on(Nft::default().run(script))).unwrap();
    }

    /// All tables of the router.
    pub(crate) fn tables(&self) -> Vec<String> {
        self.router.tool("nft", "list tables").lines().map(str::to_owned).collect()
    }

    pub(crate) fn has_table(&self) -> bool {
        self.tables().contains(&"table inet welcomed".to_owned())
    }

    /// Starts the firewall.
    pub(crate) fn start(&self, config: &str, timing: Timing) -> Running {
        self.start_at(config, timing, CATCH)
    }

    /// The same, where caught HTTP goes to another port.
    pub(crate) fn start_at(&self, config: &str, timing: Timing, catch_port: u16) -> Running {
        let config = Arc::new(Config::parse("test".as_ref(), config.as_bytes()).unwrap());
        let (views, seen) = watch::channel(Arc::new(View::default()));
        let (configs, configured) = watch::channel(Arc::clone(&config));
        let (uplink, is_up) = watch::channel(true);
        let (passes, asked) = passes::channel();
        let (end, ended) = oneshot::channel();
        let firewall = Firewall {
            views: seen,
            configs: configured,
            uplink: is_up,
            passes: asked,
            catch_port,
            nft: Nft::default(),
            trouble: watch::Sender::default(),
            timing,
        };
        let thread = self.router.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut tasks = Tasks::new();
                tasks.spawn("firewall", firewall.run(tasks.stop_signal()));
                let unwell = match ended.await {
                    Ok(End::Stop) => tasks.stop(Duration::from_secs(4)).await,
                    // With its runtime everything is gone that it was doing.
                    Ok(End::Death) | Err(_) => vec![],
                };
                assert!(unwell.is_empty(), "{unwell:?}");
            });
        });
        Running { config, views, passes, end, thread, _kept: (configs, uplink) }
    }
}

fn up(space: &Space, link: &str, addresses: [impl AsRef<str>; 2]) {
    for address in addresses {
        space.ip(&format!("addr add {} dev {link}", address.as_ref()));
    }
    space.ip(&format!("link set {link} up"));
}

enum End {
    Stop,
    Death,
}

/// A firewall at work.
pub(crate) struct Running {
    config: Arc<Config>,
    views: watch::Sender<Arc<View>>,
    passes: Passes,
    end: oneshot::Sender<End>,
    thread: JoinHandle<()>,
    _kept: (watch::Sender<Arc<Config>>, watch::Sender<bool>),
}

impl Running {
    /// What the core finds to be in the way of guests of the network with interface `guests`.
    pub(crate) fn show(&self, stations: &[(Mac, Access)]) {
        let mut agent = Agent::default();
        let join = |&(mac, _): &_| Event::StationAuthorized { ifname: "guests".to_owned(), mac, key: None };
        let rules = Event::Rules(self.config.rules.clone());
        for event in std::iter::once(rules).chain(stations.iter().map(join)) {
            assert!(!agent.handle(Now::default(), event).is_empty());
        }
        let mut view = agent.view();
        for (session, (mac, access)) in view.sessions.values_mut().zip(stations) {
            assert_eq!(session.mac, *mac);
            Arc::make_mut(session).access = *access;
        }
        self.views.send_replace(Arc::new(view));
    }

    /// The same, and waits until it is so.
    pub(crate) fn put(&self, house: &House, stations: &[(Mac, Access)]) {
        self.show(stations);
        eventually(PATIENCE, || {
            let is_in = |(mac, access): &(Mac, Access)| {
                let set = if *access == Access::Held { "held_guests" } else { "caught_guests" };
                house.router.tool("nft", &format!("list set inet welcomed {set}")).contains(&mac.to_string())
            };
            house.has_table() && stations.iter().all(is_in)
        });
    }

    /// As the portal asks.
    pub(crate) fn pass(&self, mac: Mac, to: IpAddr) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.passes.add(mac, to))
    }

    pub(crate) fn stop(self) {
        self.finish(End::Stop);
    }

    /// As `kill -9` does it.
    pub(crate) fn die(self) {
        self.finish(End::Death);
    }

    fn finish(self, how: End) {
        assert!(self.end.send(how).is_ok());
        self.thread.join().unwrap();
    }
}
