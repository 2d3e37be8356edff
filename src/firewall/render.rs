//! Renders nft scripts. Pure; golden files are in `golden`.
//!
//! Text, not nft's JSON: the text is what an operator reads in `nft list table inet welcomed`, every nft takes it (that
//! of `nftables-nojson`, too), and types for all of nft's JSON would weigh more on flash than this file. All that is
//! put into it are numbers, addresses, and network ids, which are letters, digits and underscores.
//!
//! Each script is one transaction. Nothing names a table other than ours.
//!
//! - Sets hold MAC addresses, so that a station's IPv4 and IPv6 are treated alike. A network has two: whose HTTP is
//!   caught, and who is held; whoever is held is in both. (Plain sets, not a map to verdicts: kernels had several
//!   bugs with elements that expire and point at chains.)
//! - Passes have no timeouts in the kernel: an element that went away by itself could not be deleted, and that would
//!   spoil the transaction.
//! - `catch` stands before fw4's `dstnat`, and is asked about the first packet of a connection alone. `redirect` sends
//!   to the first address of the interface the packet came in on, and drops it if there is none: a bridge of guests
//!   needs an address, for IPv6 the link-local one suffices.
//! - `hold` stands before fw4's `forward`. It sees every packet that a held station sends, so that connections end when
//!   a gate closes again; those that a flow table carries (fw4's `flow_offloading`) pass it by until they end. To
//!   return from it is to leave the decision to fw4.
//! - Caught connections arrive at the router itself: a zone of fw4 whose input is not accepted needs a rule that lets its
//!   stations reach the catch port, as it needs one for the page's.
//! - What stations send to the router itself is not looked at, and neither is what one sends to another through the
//!   bridge (that is `isolate` of the `wifi-iface`).

use sorted::{SortedMap, SortedSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::wanted::{Hold, Network, Wanted};

/// Removes the table, whether or not it is there. (`destroy` does so in one line, on kernels from 6.3.)
pub const REMOVE: &str = "table inet welcomed\ndelete table inet welcomed\n";

/// Makes the table as it is wanted, whether or not it is there. Elements with a timeout live for `life`.
#[must_use]
pub fn whole(wanted: &Wanted, life: Duration) -> String {
    let mut out = REMOVE.to_owned();
    out += "table inet welcomed {\n";
    for set in sets(wanted, life) {
        set.render(&mut out);
    }
    for (id, network) in &wanted.networks {
        let allow = allow(&network.allow);
        let redirect = format!("tcp dport 80 redirect to :{}", wanted.catch_port);
        chain(&mut out, &format!("catch_{id}"), OTHERS.into_iter().chain(borrow(&allow)).chain([&*redirect]));
        chain(&mut out, &format!("hold_{id}"), NEEDED.into_iter().chain(borrow(&allow)).chain(REJECT));
    }
    let ids = || wanted.networks.keys();
    let catch: Vec<_> = ids().map(|id| format!("tcp dport 80 ether saddr @caught_{id} jump catch_{id}")).collect();
    chain(&mut out, "catch", [BEFORE_DSTNAT].into_iter().chain(borrow(&catch)));
    let hold: Vec<_> = ids().map(|id| format!("ether saddr @held_{id} jump hold_{id}")).collect();
    chain(&mut out, "hold", [BEFORE_FORWARD].into_iter().chain(borrow(&hold)));
    out += "}\n";
    out
}

/// Makes `new` of a table that is `old`. Empty if they are the same; `None` if it takes [`whole`].
#[must_use]
pub fn change(old: &Wanted, new: &Wanted, life: Duration) -> Option<String> {
    if (old.catch_port, &old.networks) != (new.catch_port, &new.networks) {
        return None;
    }
    let mut out = String::new();
    // The same networks have the same sets.
    for (old, new) in sets(old, life).iter().zip(sets(new, life)) {
        let mut act = |verb: &str, elements: &mut dyn Iterator<Item = String>| {
            let elements = elements.collect::<Vec<_>>().join(", ");
            if !elements.is_empty() {
                let name = &new.name;
                // Writing to a string cannot fail.
                let _written = writeln!(out, "{verb} element inet welcomed {name} {{ {elements} }}").is_ok();
            }
        };
        act("delete", &mut old.elements.difference(&new.elements).cloned());
        act("add", &mut new.elements.difference(&old.elements).map(|e| new.with_life(e)));
    }
    Some(out)
}

/// One set of the table.
struct Set {
    name: String,
    of: &'static str,
    life: Option<Duration>,
    elements: SortedSet<String>,
}

impl Set {
    fn render(&self, out: &mut String) {
        let Self { name, of, life, elements } = self;
        let flags = if life.is_some() { "\t\tflags timeout\n" } else { "" };
        let elements: Vec<_> = elements.iter().map(|e| self.with_life(e)).collect();
        let elements = match &elements[..] {
            [] => String::new(),
            some => format!("\t\telements = {{ {} }}\n", some.join(", ")),
        };
        *out += &format!("\tset {name} {{\n\t\ttype {of}\n{flags}{elements}\t}}\n");
    }

    fn with_life(&self, element: &str) -> String {
        match self.life {
            // In whole seconds a short one would be none, which is for ever.
            Some(life) => format!("{element} timeout {}ms", life.as_millis().max(1)),
            None => element.to_owned(),
        }
    }
}

fn sets(wanted: &Wanted, life: Duration) -> Vec<Set> {
    let mut sets = SortedMap::new();
    for (id, network) in &wanted.networks {
        let set = |kind, life| Set { name: format!("{kind}_{id}"), of: "ether_addr", life, elements: SortedSet::new() };
        let Network { fails_open, .. } = network;
        sets.insert(id, [set("caught", Some(life)), set("held", fails_open.then_some(life))]);
    }
    for (mac, (network, hold)) in &wanted.stations {
        if let Some([caught, held]) = sets.get_mut(network) {
            caught.elements.insert(mac.to_string());
            if *hold == Hold::Held {
                held.elements.insert(mac.to_string());
            }
        }
    }
    let (v4, v6): (Vec<_>, Vec<_>) = wanted.passes.iter().partition(|(_, ip)| ip.is_ipv4());
    let passes = |name: &str, of, passes: Vec<_>| {
        let elements = passes.into_iter().map(|(mac, ip): &(_, IpAddr)| format!("{mac} . {ip}")).collect();
        Set { name: name.to_owned(), of, life: None, elements }
    };
    let passes = [passes("pass4", "ether_addr . ipv4_addr", v4), passes("pass6", "ether_addr . ipv6_addr", v6)];
    sets.into_values().flatten().chain(passes).collect()
}

/// What everybody reaches.
fn allow(nets: &[IpNet]) -> Vec<String> {
    let (v4, v6): (Vec<IpNet>, Vec<IpNet>) = nets.iter().partition(|net| matches!(net, IpNet::V4(_)));
    let rule = |family: &str, nets: Vec<IpNet>| {
        let nets: Vec<_> = nets.iter().map(|net| net.trunc().to_string()).collect();
        (!nets.is_empty()).then(|| format!("{family} daddr {{ {} }} return", nets.join(", ")))
    };
    rule("ip", v4).into_iter().chain(rule("ip6", v6)).collect()
}

fn chain<'a>(out: &mut String, name: &str, rules: impl Iterator<Item = &'a str>) {
    *out += &format!("\tchain {name} {{\n");
    for rule in rules {
        *out += &format!("\t\t{rule}\n");
    }
    *out += "\t}\n";
}

fn borrow(lines: &[String]) -> impl Iterator<Item = &str> {
    lines.iter().map(String::as_str)
}

const BEFORE_DSTNAT: &str = "type nat hook prerouting priority dstnat - 5; policy accept;";
const BEFORE_FORWARD: &str = "type filter hook forward priority filter - 5; policy accept;";
/// What is not caught: the router's own pages, and what was asked for to be let through.
const OTHERS: [&str; 3] =
    ["fib daddr type local return", "ether saddr . ip daddr @pass4 return", "ether saddr . ip6 daddr @pass6 return"];
/// Without names and the time no device comes as far as asking for a page.
const NEEDED: [&str; 2] = ["meta l4proto { tcp, udp } th dport 53 return", "udp dport 123 return"];
/// At once: whoever is dropped waits, and its person with it.
const REJECT: [&str; 2] = ["meta l4proto tcp reject with tcp reset", "reject with icmpx type admin-prohibited"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use welcome_proto::{Mac, NetworkId};

    use super::*;

    const LIFE: Duration = Duration::from_secs(120);

    fn id(name: &str) -> NetworkId {
        name.parse().unwrap()
    }

    fn network(fails_open: bool, allow: &[&str]) -> Network {
        Network { allow: allow.iter().map(|net| net.parse().unwrap()).collect(), fails_open }
    }

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 1, last])
    }

    fn wanted(networks: &[(&str, Network)], stations: &[(u8, &str, Hold)]) -> Wanted {
        Wanted {
            catch_port: 8911,
            networks: networks.iter().map(|(name, network)| (id(name), network.clone())).collect(),
            stations: stations.iter().map(|(last, network, hold)| (mac(*last), (id(network), *hold))).collect(),
            passes: SortedSet::new(),
        }
    }

    #[test]
    fn a_splash_catches_http_and_lets_known_destinations_through() {
        let mut wanted =
            wanted(&[("guests", network(true, &[]))], &[(1, "guests", Hold::Catch), (2, "guests", Hold::Catch)]);
        wanted.passes.insert((mac(1), [192, 0, 2, 1].into()));
        wanted.passes.insert((mac(2), "2001:db8::1".parse().unwrap()));
        assert_eq!(whole(&wanted, LIFE), include_str!("golden/splash.nft"));
    }

    #[test]
    fn a_gate_that_fails_open_holds_for_as_long_as_it_is_renewed() {
        let allow = ["192.0.2.0/24", "198.51.100.7/32", "2001:db8:7::/48"];
        let wanted = wanted(&[("guests", network(true, &allow))], &[(1, "guests", Hold::Held)]);
        assert_eq!(whole(&wanted, LIFE), include_str!("golden/gate-open.nft"));
    }

    #[test]
    fn a_gate_that_fails_closed_holds_by_itself() {
        let networks = [("cafe", network(false, &[])), ("guests", network(true, &["192.0.2.0/24"]))];
        let wanted = wanted(&networks, &[(1, "cafe", Hold::Held), (2, "guests", Hold::Catch)]);
        assert_eq!(whole(&wanted, LIFE), include_str!("golden/gate-closed.nft"));
    }

    #[test]
    fn without_stations_the_table_has_no_elements() {
        let wanted = wanted(&[("guests", network(true, &[]))], &[]);
        assert_eq!(whole(&wanted, LIFE), include_str!("golden/nobody.nft"));
    }

    #[test]
    fn a_change_names_what_differs() {
        let networks = [("cafe", network(false, &[])), ("guests", network(true, &[]))];
        let mut old = wanted(&networks, &[(1, "guests", Hold::Held), (2, "cafe", Hold::Catch)]);
        old.passes.insert((mac(2), [192, 0, 2, 1].into()));
        let new = wanted(&networks, &[(2, "cafe", Hold::Held), (3, "guests", Hold::Catch)]);
        assert_eq!(change(&old, &new, LIFE).unwrap(), include_str!("golden/change.nft"));
        assert_eq!(change(&old, &old, LIFE).unwrap(), "");
    }

    #[test]
    fn other_networks_take_another_table() {
        let old = wanted(&[("guests", network(true, &[]))], &[]);
        assert_eq!(change(&old, &wanted(&[("guests", network(false, &[]))], &[]), LIFE), None);
        assert_eq!(change(&old, &wanted(&[("guests", network(true, &["192.0.2.1/32"]))], &[]), LIFE), None);
        assert_eq!(change(&old, &wanted(&[], &[]), LIFE), None);
        assert_eq!(change(&old, &Wanted { catch_port: 1, ..old.clone() }, LIFE), None);
    }

    #[test]
    fn a_life_is_never_for_ever() {
        let wanted = wanted(&[("guests", network(true, &[]))], &[(1, "guests", Hold::Held)]);
        assert!(whole(&wanted, Duration::ZERO).contains("timeout 1ms"));
    }

    /// The elements of each set, as nft would have them.
    #[derive(Debug, Default, PartialEq)]
    struct Model(SortedMap<String, SortedSet<String>>);

    impl Model {
        fn read(script: &str) -> Self {
            let (mut model, mut set) = (Self::default(), String::new());
            for line in script.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("set ") {
                    set = rest.trim_end_matches(" {").to_owned();
                    model.0.insert(set.clone(), SortedSet::new());
                } else if let Some(rest) = line.strip_prefix("elements = ") {
                    model.0.get_mut(&set).unwrap().extend(elements(rest));
                }
            }
            model
        }

        fn change(&mut self, script: &str) {
            for line in script.lines() {
                let (verb, rest) = line.split_once(" element inet welcomed ").unwrap();
                let (set, rest) = rest.split_once(' ').unwrap();
                let set = self.0.get_mut(set).unwrap();
                for element in elements(rest) {
                    // nft refuses to delete what is not there.
                    let has_changed = if verb == "delete" {
                        let before = set.len();
                        set.retain(|e| e.split(" timeout").next() != Some(&element));
                        set.len() < before
                    } else {
                        set.insert(element)
                    };
                    assert!(has_changed, "{line}");
                }
            }
        }
    }

    fn elements(braced: &str) -> Vec<String> {
        braced.trim_matches(['{', '}', ' ']).split(", ").map(str::to_owned).collect()
    }

    fn any_wanted() -> impl Strategy<Value = Wanted> {
        let hold = prop_oneof![Just(Hold::Catch), Just(Hold::Held)];
        let station = (0..12_u8, (prop_oneof![Just("cafe"), Just("guests")], hold));
        let ip = prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from),
            Just([192, 0, 2, 1].into())
        ];
        let pass = (0..12_u8, ip);
        (prop::collection::btree_map(0..12_u8, station, 0..10), prop::collection::vec(pass, 0..8)).prop_map(
            |(stations, passes)| Wanted {
                stations: stations
                    .into_values()
                    .map(|(last, (network, hold))| (mac(last), (id(network), hold)))
                    .collect(),
                passes: passes.into_iter().map(|(last, ip)| (mac(last), ip)).collect(),
                ..wanted(&[("cafe", network(false, &[])), ("guests", network(true, &[]))], &[])
            },
        )
    }

    proptest! {
        #[test]
        fn changes_end_where_the_whole_would(states in prop::collection::vec(any_wanted(), 2..6)) {
            let mut model = Model::read(&whole(&states[0], LIFE));
            for pair in states.windows(2) {
                model.change(&change(&pair[0], &pair[1], LIFE).unwrap());
                prop_assert_eq!(&model, &Model::read(&whole(&pair[1], LIFE)));
            }
        }
    }
}
