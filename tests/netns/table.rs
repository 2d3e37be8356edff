//! The table as a whole: it comes, is mended, runs out, and goes, and is nobody else's business.

use std::time::{Duration, Instant};

use welcome_core::Access;
use welcome_proto::Mac;
use welcomed::firewall::nft::Nft;
use welcomed::firewall::wanted::{Hold, Network, Wanted};
use welcomed::firewall::{self, Timing, render};

use crate::house::{CATCH, GUEST, House, OTHER, PATIENCE, families};
use crate::space::Space;
use crate::traffic::{Answer, INTERNET, eventually, tcp};

const GATE: &str = "config network guests\n\toption ifname guests\n\toption mode gate\n";
const CLOSED: &str = "config network guests\n\toption ifname guests\n\toption mode gate\n\toption gate_fail closed\n";
const FW4: [&str; 1] = ["table inet fw4"];

/// As always, but for a person who waits.
fn quick() -> Timing {
    let [renew, life] = [500, 2500].map(Duration::from_millis);
    Timing { renew, life, ..Timing::default() }
}

#[test]
fn nothing_is_left_behind() {
    let Some(house) = House::build() else { return };
    let before = house.router.tool("nft", "list ruleset");
    let running = house.start(GATE, Timing::default());
    running.put(&house, &[(GUEST, Access::Held), (OTHER, Access::Catch)]);
    running.stop();
    assert_eq!(house.tables(), FW4);
    assert_eq!(house.router.tool("nft", "list ruleset"), before);
}

#[test]
fn whoever_is_in_nobodys_way_is_in_no_set() {
    let Some(house) = House::build() else { return };
    let running = house.start(GATE, quick());
    running.put(&house, &[(GUEST, Access::Held)]);
    running.show(&[(GUEST, Access::Open)]);
    eventually(PATIENCE, || !house.router.tool("nft", "list table inet welcomed").contains("02:00:"));
    for family in families() {
        assert_eq!(tcp(&house.guest, family.hosts[0], 443), Answer::said(INTERNET));
    }
    running.stop();
    assert_eq!(house.tables(), FW4);
}

#[test]
fn what_a_killed_agent_left_is_removed_by_the_next() {
    let Some(house) = House::build() else { return };
    let running = house.start(CLOSED, quick());
    running.put(&house, &[(GUEST, Access::Held)]);
    running.die();
    assert!(house.has_table());
    let running = house.start("config network guests\n\toption ifname guests\n", quick());
    eventually(PATIENCE, || house.tables() == FW4);
    running.stop();
}

#[test]
fn what_a_killed_agent_left_is_taken_away_when_it_is_switched_off() {
    let Some(house) = House::build() else { return };
    let running = house.start(CLOSED, quick());
    running.put(&house, &[(GUEST, Access::Held)]);
    running.die();
    assert!(house.has_table());
    for _ in 0..2 {
        house.router.run(|| firewall::clear(&Nft::default())).unwrap();
        assert_eq!(house.tables(), FW4);
    }
}

#[test]
fn a_flushed_ruleset_is_mended() {
    let Some(house) = House::build() else { return };
    let running = house.start(GATE, quick());
    running.put(&house, &[(GUEST, Access::Held)]);
    house.load("flush ruleset");
    eventually(PATIENCE, || tcp(&house.guest, families()[1].hosts[0], 443) == Answer::Rejected);
    // Also by the first change, which finds no table.
    house.load("flush ruleset");
    running.put(&house, &[(GUEST, Access::Held), (OTHER, Access::Held)]);
    assert_eq!(tcp(&house.other, families()[1].hosts[0], 443), Answer::Rejected);
    running.stop();
    assert_eq!(house.tables(), [""; 0]);
}

#[test]
fn a_reload_of_the_routers_own_rules_changes_nothing() {
    let Some(house) = House::build() else { return };
    let running = house.start(GATE, Timing::default());
    running.put(&house, &[(GUEST, Access::Held)]);
    house.load(concat!("table inet fw4\ndelete table inet fw4\n", include_str!("fw4.nft")));
    for family in families() {
        assert_eq!(tcp(&house.guest, family.hosts[0], 443), Answer::Rejected);
        assert_eq!(tcp(&house.other, family.hosts[0], 443), Answer::said(INTERNET));
    }
    running.stop();
}

#[test]
fn when_the_agent_dies_everybody_is_free_after_a_while() {
    let Some(house) = House::build() else { return };
    let running = house.start(GATE, quick());
    running.put(&house, &[(GUEST, Access::Held)]);
    // It is renewed for as long as it lives.
    std::thread::sleep(quick().life + Duration::from_millis(500));
    let [v4, v6] = families();
    assert_eq!(tcp(&house.guest, v4.hosts[0], 443), Answer::Rejected);
    running.die();
    let took = eventually(PATIENCE, || tcp(&house.guest, v4.hosts[0], 443) == Answer::said(INTERNET));
    assert!(took <= quick().life + Duration::from_secs(1), "{took:?}");
    for host in [v4.hosts[0], v6.hosts[0]] {
        assert_eq!(tcp(&house.guest, host, 80), Answer::said(INTERNET));
        assert_eq!(tcp(&house.guest, host, 443), Answer::said(INTERNET));
    }
}

#[test]
fn a_gate_that_is_to_fail_closed_does_so() {
    let Some(house) = House::build() else { return };
    let running = house.start(CLOSED, quick());
    running.put(&house, &[(GUEST, Access::Held)]);
    running.die();
    std::thread::sleep(quick().life + Duration::from_millis(500));
    for family in families() {
        for port in [80, 443] {
            assert_eq!(tcp(&house.guest, family.hosts[0], port), Answer::Rejected);
        }
        assert_eq!(tcp(&house.other, family.hosts[0], 443), Answer::said(INTERNET));
    }
}

#[test]
fn changes_end_where_the_whole_would() {
    let Some(router) = Space::new() else {
        eprintln!("skipped: networks of their own need root");
        return;
    };
    let list = |router: &Space| {
        // How long an element has still to live differs; `-s` leaves that away.
        let text = router.tool("nft", "-s list table inet welcomed");
        let mut elements: Vec<_> =
            text.split([',', '\n']).map(|s| s.trim_matches(['{', '}', ' ', '\t']).to_owned()).collect();
        elements.sort_unstable();
        elements
    };
    let life = Timing::default().life;
    run(&router, &render::whole(&wanted(0, 3), life));
    for (old, new) in [((0, 3), (2, 40)), ((2, 40), (30, 10)), ((30, 10), (0, 0)), ((0, 0), (7, 7))] {
        let (old, new) = (wanted(old.0, old.1), wanted(new.0, new.1));
        run(&router, &render::change(&old, &new, life).unwrap());
        let changed = list(&router);
        run(&router, &render::whole(&new, life));
        assert_eq!(changed, list(&router));
    }
}

#[test]
fn a_full_router_takes_no_longer_than_a_moment() {
    let Some(router) = Space::new() else {
        eprintln!("skipped: networks of their own need root");
        return;
    };
    let (full, life) = (wanted(0, 250), Timing::default().life);
    let mut took: Vec<_> = (0..5).map(|_| run(&router, &render::whole(&full, life))).collect();
    took.sort_unstable();
    let one = run(&router, &render::change(&full, &wanted(0, 251), life).unwrap());
    eprintln!("a table of 250 stations takes {:?} (median of 5), one more {one:?}", took[2]);
    assert!(took[2] < Duration::from_secs(2));
}

/// Stations by number, every third of them held, some with passes; on two networks.
fn wanted(from: u8, count: u16) -> Wanted {
    let ids = ["cafe", "guests"].map(|id| id.parse::<welcome_proto::NetworkId>().unwrap());
    let mut wanted = Wanted { catch_port: CATCH, ..Wanted::default() };
    wanted.networks.insert(ids[0].clone(), Network { allow: vec!["192.0.2.0/24".parse().unwrap()], fails_open: true });
    wanted.networks.insert(ids[1].clone(), Network { allow: vec![], fails_open: false });
    for n in u16::from(from)..u16::from(from) + count {
        let [high, low] = n.to_be_bytes();
        let mac = Mac([2, 0, 0, 0, high, low]);
        let hold = if n % 3 == 0 { Hold::Held } else { Hold::Catch };
        wanted.stations.insert(mac, (ids[usize::from(n % 2)].clone(), hold));
        if n % 5 == 0 {
            wanted.passes.insert((mac, [192, 0, 2, low].into()));
            wanted.passes.insert((mac, format!("2001:db8::{low:x}").parse().unwrap()));
        }
    }
    wanted
}

/// How long it took.
fn run(router: &Space, script: &str) -> Duration {
    let script = script.to_owned();
    router.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let began = Instant::now();
        runtime.block_on(Nft::default().run(&script)).unwrap();
        began.elapsed()
    })
}
