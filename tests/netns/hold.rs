//! A gate: nothing of a held station's passes but what it needs to find the page, and what is on the allow-list.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use welcome_core::Access;
use welcomed::firewall::Timing;

use crate::house::{GUEST, House, OTHER, PATIENCE, ROUTER, Running, families};
use crate::traffic::{Answer, INTERNET, caught, eventually, tcp, tcp_at, udp};

const GATE: &str = "config network guests\n\toption ifname guests\n\toption mode gate\n\
    \tlist allow 198.51.100.2\n\tlist allow 2001:db8:a::2\n\tlist allow 2001:db8:a::2/128\n";

fn gate() -> Option<(House, Running)> {
    let house = House::build()?;
    let running = house.start(GATE, Timing::default());
    running.put(&house, &[(GUEST, Access::Held)]);
    Some((house, running))
}

#[test]
fn a_held_station_reaches_names_the_time_and_the_page() {
    let Some((house, running)) = gate() else { return };
    for family in families() {
        let host = family.hosts[0];
        assert_eq!(tcp(&house.guest, host, 53), Answer::said(INTERNET));
        assert_eq!(udp(&house.guest, host, 53), Answer::said(INTERNET));
        assert_eq!(udp(&house.guest, host, 123), Answer::said(INTERNET));
        let to = SocketAddr::new(host, 80);
        assert_eq!(tcp_at(&house.guest, to), Answer::Said(caught(to)));
        for port in [80, 443] {
            assert_eq!(tcp(&house.guest, family.router, port), Answer::said(ROUTER));
        }
    }
    running.stop();
}

#[test]
fn everything_else_is_refused_at_once() {
    let Some((house, running)) = gate() else { return };
    for family in families() {
        let host = family.hosts[0];
        for port in [443, 8080] {
            let began = Instant::now();
            assert_eq!(tcp(&house.guest, host, port), Answer::Rejected, "{host} {port}");
            assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        }
        // QUIC, which would wait for seconds.
        let began = Instant::now();
        assert_eq!(udp(&house.guest, host, 443), Answer::Rejected);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    running.stop();
}

#[test]
fn what_is_on_the_allow_list_passes_port_80_too() {
    let Some((house, running)) = gate() else { return };
    for family in families() {
        for port in [80, 443, 8080] {
            assert_eq!(tcp(&house.guest, family.hosts[1], port), Answer::said(INTERNET), "{port}");
        }
    }
    running.stop();
}

#[test]
fn whoever_is_not_held_notices_nothing() {
    let Some((house, running)) = gate() else { return };
    for family in families() {
        for port in [80, 443] {
            assert_eq!(tcp(&house.other, family.hosts[0], port), Answer::said(INTERNET));
        }
        // What the router's own rules forbid stays forbidden.
        assert_eq!(tcp(&house.other, family.hosts[0], 8080), Answer::Rejected);
        running.put(&house, &[(GUEST, Access::Held), (OTHER, Access::Held)]);
        assert_eq!(tcp(&house.other, family.hosts[1], 8080), Answer::Rejected, "the allow-list does not lift it");
        running.show(&[(GUEST, Access::Held)]);
        eventually(PATIENCE, || tcp(&house.other, family.hosts[0], 443) == Answer::said(INTERNET));
    }
    running.stop();
}

#[test]
fn a_release_opens_within_a_moment() {
    let Some((house, running)) = gate() else { return };
    let [v4, v6] = families();
    running.show(&[(GUEST, Access::Open)]);
    let took = eventually(PATIENCE, || tcp(&house.guest, v4.hosts[0], 443) == Answer::said(INTERNET));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(tcp(&house.guest, v4.hosts[0], 80), Answer::said(INTERNET));
    assert_eq!(tcp(&house.guest, v6.hosts[0], 443), Answer::said(INTERNET));
    assert_eq!(tcp(&house.guest, v6.hosts[0], 80), Answer::said(INTERNET));
    running.stop();
}

#[test]
fn a_pass_is_no_way_out_of_a_gate() {
    let Some((house, running)) = gate() else { return };
    for family in families() {
        assert!(!running.pass(GUEST, family.hosts[0]));
        assert_eq!(tcp(&house.guest, family.hosts[0], 443), Answer::Rejected);
    }
    running.stop();
}

#[test]
fn a_gate_that_closes_ends_the_connections_that_were_open() {
    let Some((house, running)) = gate() else { return };
    running.show(&[(GUEST, Access::Open), (OTHER, Access::Held)]);
    let [v4, _] = families();
    eventually(PATIENCE, || tcp(&house.guest, v4.hosts[0], 443) == Answer::said(INTERNET));
    // A server that echoes, so that the connection stays.
    let listener = house.internet.run(|| TcpListener::bind("0.0.0.0:7000")).unwrap();
    house.internet.spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 8];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..length]).unwrap();
        }
    });
    let echo = SocketAddr::new(v4.hosts[0], 7000);
    let mut stream = house.guest.run(move || TcpStream::connect_timeout(&echo, Duration::from_secs(2))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut talk = move || stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut [0; 5]));
    talk().unwrap();
    running.put(&house, &[(GUEST, Access::Held)]);
    let began = Instant::now();
    talk().unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    running.stop();
}
