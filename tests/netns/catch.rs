//! A splash: a station's HTTP is caught, and nothing else.

use std::net::SocketAddr;

use welcome_core::Access;
use welcomed::firewall::Timing;

use crate::house::{CATCH, GUEST, House, OTHER, ROUTER, Running, families};
use crate::space::Space;
use crate::traffic::{Answer, INTERNET, caught, tcp, tcp_at, udp};

const SPLASH: &str = "config network guests\n\toption ifname guests\n\toption mode splash\n";

fn splash() -> Option<(House, Running)> {
    let house = House::build()?;
    let running = house.start(SPLASH, Timing::default());
    running.put(&house, &[(GUEST, Access::Catch)]);
    Some((house, running))
}

#[test]
fn http_arrives_at_the_portal_which_knows_where_it_was_going() {
    let Some((house, running)) = splash() else { return };
    for family in families() {
        for host in family.hosts {
            let to = SocketAddr::new(host, 80);
            assert_eq!(tcp_at(&house.guest, to), Answer::Said(caught(to)));
        }
    }
    running.stop();
}

#[test]
fn everything_else_goes_where_it_was_going() {
    let Some((house, running)) = splash() else { return };
    for family in families() {
        let host = family.hosts[0];
        for port in [53, 443, 8080] {
            assert_eq!(tcp(&house.guest, host, port), Answer::said(INTERNET), "{host} {port}");
        }
        for port in [53, 123, 443] {
            assert_eq!(udp(&house.guest, host, port), Answer::said(INTERNET), "{host} {port}");
        }
    }
    running.stop();
}

#[test]
fn the_routers_own_pages_are_left_alone() {
    let Some((house, running)) = splash() else { return };
    for family in families() {
        for address in [family.router, family.wan] {
            for port in [80, 443] {
                assert_eq!(tcp(&house.guest, address, port), Answer::said(ROUTER), "{address} {port}");
            }
        }
    }
    let link_local = SocketAddr::V6(std::net::SocketAddrV6::new(link_local(&house.router), 80, 0, wlan(&house.guest)));
    assert_eq!(tcp_at(&house.guest, link_local), Answer::said(ROUTER));
    running.stop();
}

#[test]
fn another_station_is_left_alone() {
    let Some((house, running)) = splash() else { return };
    for family in families() {
        assert_eq!(tcp(&house.other, family.hosts[0], 80), Answer::said(INTERNET));
    }
    running.stop();
}

#[test]
fn a_pass_is_for_one_station_and_one_destination_and_holds_at_once() {
    let Some((house, running)) = splash() else { return };
    running.put(&house, &[(GUEST, Access::Catch), (OTHER, Access::Catch)]);
    for family in families() {
        let [passed, caught_still, _] = family.hosts;
        assert!(running.pass(GUEST, passed));
        assert_eq!(tcp(&house.guest, passed, 80), Answer::said(INTERNET));
        let caught = |host| Answer::Said(caught(SocketAddr::new(host, 80)));
        assert_eq!(tcp(&house.guest, caught_still, 80), caught(caught_still));
        assert_eq!(tcp(&house.other, passed, 80), caught(passed));
    }
    running.stop();
}

#[test]
fn the_catch_comes_before_the_routers_own_port_forwards_which_hold_for_all_others() {
    let Some((house, running)) = splash() else { return };
    let [v4, _] = families();
    let to = SocketAddr::new(v4.hosts[2], 80);
    // fw4 of this test sends this one to port 443 of the first host.
    assert_eq!(tcp_at(&house.guest, to), Answer::Said(caught(to)));
    assert_eq!(tcp_at(&house.other, to), Answer::said(INTERNET));
    running.stop();
}

#[test]
fn the_routers_link_local_address_suffices_to_catch_ipv6() {
    let Some((house, running)) = splash() else { return };
    // The station's way out is the router's link-local address, as on every real network.
    house.guest.ip("-6 route del default");
    house.guest.ip(&format!("-6 route add default via {} dev wlan", link_local(&house.router)));
    house.router.ip("addr del 2001:db8:77::1/64 dev br-lan");
    house.router.ip("-6 route add 2001:db8:77::/64 dev br-lan");
    let [_, v6] = families();
    let to = SocketAddr::new(v6.hosts[0], 80);
    assert_eq!(tcp_at(&house.guest, to), Answer::Said(caught(to)));
    running.stop();
}

#[test]
fn a_portal_that_is_gone_is_a_refusal_at_once() {
    let Some(house) = House::build() else { return };
    let running = house.start_at(SPLASH, Timing::default(), CATCH + 1);
    running.put(&house, &[(GUEST, Access::Catch)]);
    for family in families() {
        assert_eq!(tcp(&house.guest, family.hosts[0], 80), Answer::Rejected);
        assert_eq!(tcp(&house.guest, family.hosts[0], 443), Answer::said(INTERNET));
    }
    running.stop();
}

fn link_local(router: &Space) -> std::net::Ipv6Addr {
    let text = router.tool("ip", "-6 -o addr show dev br-lan scope link");
    let address = text.split_whitespace().find_map(|word| word.strip_suffix("/64")).unwrap();
    address.parse().unwrap()
}

/// The number of the station's interface.
fn wlan(station: &Space) -> u32 {
    let text = station.tool("ip", "-o link show dev wlan");
    text.split(':').next().unwrap().parse().unwrap()
}
