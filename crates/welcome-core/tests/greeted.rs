//! How many were greeted on a day, as the status tells it.
#![allow(clippy::unwrap_used, reason = "a test may")]

use sorted::SortedMap;

use welcome_core::{Agent, Bss, Day, Event, NetworkRules, Now, Rules};
use welcome_proto::Mac;
use welcome_proto::announce::Security;
use welcome_proto::lan::ShownOffer;
use welcome_proto::offer::{Offer, Sender};

#[test]
fn a_visit_is_greeted_once_and_counted_on_its_day_alone() {
    let id: welcome_proto::NetworkId = "cafe".parse().unwrap();
    let rules = NetworkRules { ifnames: ["wlan0".to_owned()].into(), ..NetworkRules::default() };
    let offers = ["hello", "again"].map(|id| Offer::new(id.parse().unwrap(), "Hello"));
    let mut agent = Agent::default();
    let mut handle = |event| drop(agent.handle(Now::default(), event));
    handle(Event::Rules(Rules {
        networks: SortedMap::from([(id.clone(), rules)]),
        offers: offers.to_vec(),
        ownership: false,
    }));
    handle(Event::BssUp(Bss {
        ifname: "wlan0".to_owned(),
        bssid: "02:00:00:00:00:01".parse().unwrap(),
        ssid: "cafe".parse().unwrap(),
        security: Security::Open,
        freq: None,
    }));
    for last in 1..=2 {
        let mac = Mac([2, 0, 0, 0, 1, last]);
        handle(Event::StationAuthorized { ifname: "wlan0".to_owned(), mac, key: None });
    }
    let visit = *agent.view().sessions.keys().next().unwrap();
    for offer in ["hello", "again"] {
        let shown = vec![ShownOffer { sender: Sender::Device, id: offer.parse().unwrap() }];
        drop(agent.handle(Now::default(), Event::Shown { session: visit, offers: shown }));
    }
    let today = |agent: &mut Agent| agent.view().networks[&id].greeted_today;
    assert_eq!(today(&mut agent), 1, "two messages, one greeting, and one who saw none");
    drop(agent.handle(Now::default(), Event::Day(Day { salt: [1; 16], ..Day::default() })));
    assert_eq!(today(&mut agent), 0);
}
