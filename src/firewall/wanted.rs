//! What is to stand in whose way, as plain values.
//!
//! In: the picture, the configuration, whether there is an uplink. Out: [`Wanted`]. Pure; decides nothing but what
//! follows from there being no uplink.

use sorted::{SortedMap, SortedSet};
use std::net::IpAddr;

use ipnet::IpNet;
use welcome_core::{Access, Mode, Rules, SessionView, View};
use welcome_proto::{Mac, NetworkId};

/// All that our table is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Where caught HTTP goes, on the router itself.
    pub catch_port: u16,
    /// The networks whose stations may be caught or held.
    pub networks: SortedMap<NetworkId, Network>,
    /// Whoever is in nobody's way stands not here. Each is on one of `networks`.
    pub stations: SortedMap<Mac, (NetworkId, Hold)>,
    /// Destinations to which a caught station's HTTP goes all the same.
    pub passes: SortedSet<(Mac, IpAddr)>,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// What everybody reaches at any time.
    pub allow: Vec<IpNet>,
    /// Whether its held stations are free when nobody renews that they are held.
    pub fails_open: bool,
}

/// What is in a station's way. The stricter one is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Its HTTP is caught, the rest goes on.
    Catch,
    /// Its HTTP is caught, and nothing goes on but what everybody needs to get online.
    Held,
}

impl Wanted {
    /// Everything but the passes.
    #[must_use]
    pub fn new(
        view: &View,
        rules: &Rules,
        allow: &SortedMap<NetworkId, Vec<IpNet>>,
        uplink: bool,
        catch_port: u16,
    ) -> Self {
        let networks = rules.networks.iter().filter(|(_, n)| n.mode >= Mode::Splash);
        let networks: SortedMap<_, _> = networks
            .map(|(id, n)| {
                // Prefixes within others would be refused.
                let allow = allow.get(id).map(IpNet::aggregate).unwrap_or_default();
                (id.clone(), Network { allow, fails_open: n.gate.fails_open })
            })
            .collect();
        let mut stations = SortedMap::new();
        for session in view.sessions.values().filter(|s| networks.contains_key(&s.network)) {
            let Some(hold) = hold(session, uplink) else { continue };
            let new = (session.network.clone(), hold);
            // Whoever has two visits at once gets the stricter of both.
            let known = stations.entry(session.mac).or_insert_with(|| new.clone());
            if known.1 < hold {
                *known = new;
            }
        }
        Self { catch_port, networks, stations, passes: SortedSet::new() }
    }

    /// Whether no network has such a mode: then there is no table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// What is in a station's way.
    #[must_use]
    pub fn hold(&self, mac: Mac) -> Option<Hold> {
        self.stations.get(&mac).map(|(_, hold)| *hold)
    }
}

fn hold(session: &SessionView, uplink: bool) -> Option<Hold> {
    match session.access {
        Access::Held => Some(Hold::Held),
        Access::Catch => Some(Hold::Catch),
        // The agent answers the probes that would find no Internet, so that the phone stays on the Wi-Fi.
        Access::Open => (!uplink && session.guest && session.on_air).then_some(Hold::Catch),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use welcome_core::{Gate, NetworkRules};

    use super::super::tests::view;
    use super::*;

    fn id(name: &str) -> NetworkId {
        name.parse().unwrap()
    }

    fn rules() -> Rules {
        let networks = [(Mode::App, true), (Mode::Notify, true), (Mode::Splash, true), (Mode::Gate, false)];
        let networks = networks.map(|(mode, fails_open)| {
            let gate = Gate { fails_open, ..Gate::default() };
            let ifnames = [mode.as_str().to_owned()].into();
            (id(mode.as_str()), NetworkRules { ifnames, mode, gate, ..NetworkRules::default() })
        });
        Rules { networks: networks.into(), ..Rules::default() }
    }

    fn stations(view: &View, uplink: bool) -> Vec<(u8, String, Hold)> {
        let wanted = Wanted::new(view, &rules(), &SortedMap::new(), uplink, 8911);
        wanted.stations.into_iter().map(|(mac, (network, hold))| (mac.0[5], network.to_string(), hold)).collect()
    }

    fn expected<const N: usize>(stations: [(u8, &str, Hold); N]) -> Vec<(u8, String, Hold)> {
        stations.map(|(last, name, hold)| (last, name.to_owned(), hold)).into()
    }

    #[test]
    fn the_core_says_who_is_caught_and_who_is_held() {
        let view = view(
            &rules(),
            &[
                (1, "splash", Access::Open),
                (2, "splash", Access::Catch),
                (3, "gate", Access::Held),
                // A new configuration may reach us before the core.
                (4, "notify", Access::Catch),
            ],
        );
        assert_eq!(stations(&view, true), expected([(2, "splash", Hold::Catch), (3, "gate", Hold::Held)]));
    }

    #[test]
    fn without_an_uplink_guests_on_the_air_are_caught() {
        let open = Access::Open;
        let people = [(1, "splash"), (2, "gate"), (3, "notify"), (4, "splash"), (5, "splash")];
        let mut view = view(&rules(), &people.map(|(last, network)| (last, network, open)));
        let mut sessions = view.sessions.values_mut().map(Arc::make_mut);
        sessions.nth(1).unwrap().access = Access::Held;
        sessions.nth(1).unwrap().guest = false;
        sessions.next().unwrap().on_air = false;
        drop(sessions);
        assert_eq!(stations(&view, false), expected([(1, "splash", Hold::Catch), (2, "gate", Hold::Held)]));
    }

    #[test]
    fn of_two_visits_the_stricter_counts() {
        for accesses in [[Access::Catch, Access::Held], [Access::Held, Access::Catch]] {
            let people = [(1, "splash", accesses[0]), (2, "gate", accesses[1])];
            let mut view = view(&rules(), &people);
            let mut sessions = view.sessions.values_mut().map(Arc::make_mut);
            let first = sessions.next().unwrap().mac;
            sessions.next().unwrap().mac = first;
            drop(sessions);
            let network = if accesses[0] == Access::Held { "splash" } else { "gate" };
            assert_eq!(stations(&view, true), expected([(1, network, Hold::Held)]));
        }
    }

    #[test]
    fn prefixes_within_others_are_merged() {
        let nets = ["192.0.2.0/24", "192.0.2.7/32", "192.0.3.0/24", "2001:db8::/32", "2001:db8:1::/48"];
        let allow = SortedMap::from([(id("gate"), nets.map(|net| net.parse().unwrap()).into())]);
        let wanted = Wanted::new(&View::default(), &rules(), &allow, true, 8911);
        let merged = ["192.0.2.0/23", "2001:db8::/32"].map(|net| net.parse().unwrap());
        let network = |allow: &[IpNet], fails_open| Network { allow: allow.into(), fails_open };
        let expected = [(id("gate"), network(&merged, false)), (id("splash"), network(&[], true))];
        assert_eq!(wanted.networks, SortedMap::from(expected));
    }
}
