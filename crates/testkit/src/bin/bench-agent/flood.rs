//! What a busy band costs where joins come over ubus: hostapd then tells of every probe, too.
//!
//! In: a thousand probes a second, and stations that join and authenticate among them. Out: the agent's share of a
//! processor, and how long hostapd waits for its passphrases. The figures may be what they are; a join that is missed, or
//! a question without its answer, ends the bench with an error.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::ubus::{Broker, Bss, FakeRouter};

use crate::guests::mac;
use crate::program::Agent;
use crate::row;

/// Probes a second, as on a market square.
const PROBES: u32 = 1000;
/// Stations that join meanwhile.
const JOINS: u32 = 64;
/// Stations that authenticate meanwhile.
const QUESTIONS: u32 = 200;

pub(crate) fn measure(program: &Path, length: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let router = FakeRouter::start(broker.path());
    router.add_bss(bss(HOME_AP, "home", "02:00:00:00:ff:00"));
    router.add_bss(bss(GUEST_AP, "guest", "02:00:00:00:ff:01"));
    let main = format!("option joins 'ubus'\n\toption ubus_socket '{}'", broker.path().display());
    let agent = Agent::start(program, dir.path(), &main, NETWORKS);
    agent.wait("the agent knows the access point", || knows(dir.path(), &agent));
    agent.wait("the agent gives passphrases", || !router.sta_auth(HOME_AP, &mac(0)).psk.is_empty());
    let answered_before = broker.answered("sta_auth").len();

    router.flood(GUEST_AP, PROBES);
    let (began, processor_before) = (Instant::now(), agent.processor());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| ask(&router, length, &is_over));
        join(&router, &agent, length);
        thread::sleep(length.saturating_sub(began.elapsed()));
        is_over.store(true, Ordering::Release);
    });
    let (took, processor) = (began.elapsed(), agent.processor() - processor_before);
    let probes = router.stop_flood();
    let wanted = u64::from(PROBES) * took.as_millis() as u64 / 1000;
    assert!(probes * 10 > wanted * 9, "the flood was too weak: {probes} probes in {took:?}");

    let mut answers = broker.answered("sta_auth").split_off(answered_before);
    answers.sort_unstable();
    let p99 = answers[(answers.len() - 1) * 99 / 100].as_micros();
    row(
        "agent.probe_flood_cpu",
        &format_args!("{:.2}", processor.as_secs_f64() / took.as_secs_f64() * 100.0),
        "percent of a core",
    );
    row("agent.sta_auth_answer.p99", &p99, "us");
}

/// Stations join at moments that nobody knows before, and each has to be noticed.
fn join(router: &FakeRouter, agent: &Agent<'_>, length: Duration) {
    let mut random = Random(0x5eed);
    // A little less than the whole time, so that the last one is among them.
    let pause = length.mul_f64(0.9) / JOINS;
    for n in 1..=JOINS {
        thread::sleep(pause.mul_f64(random.next() * 2.0));
        router.join(GUEST_AP, &mac(n));
    }
    let arrived = || agent.status()["networks"]["cafe"]["arrived"].as_u64();
    let began = Instant::now();
    while arrived() != Some(JOINS.into()) {
        let missed = format!("of {JOINS} joins among the probes {} were noticed", arrived().unwrap_or_default());
        assert!(began.elapsed() < NOTICED_WITHIN, "{missed}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Stations authenticate, one after the other.
fn ask(router: &FakeRouter, length: Duration, is_over: &AtomicBool) {
    for n in 0..QUESTIONS {
        if is_over.load(Ordering::Acquire) {
            return;
        }
        thread::sleep(length.mul_f64(0.9) / QUESTIONS);
        let answer = router.sta_auth(HOME_AP, &mac(n));
        assert!(
            answer.answered && !answer.psk.is_empty(),
            "question {n} among the probes was not answered: {answer:?}"
        );
    }
}

fn knows(dir: &Path, agent: &Agent<'_>) -> bool {
    dir.join("status.sock").exists() && agent.status()["networks"]["cafe"]["bss"][0]["ifname"] == GUEST_AP
}

fn bss(ifname: &str, section: &str, bssid: &str) -> Bss {
    Bss {
        ifname: ifname.into(),
        section: section.into(),
        networks: vec![section.into()],
        bssid: bssid.into(),
        ssid: "Bench".into(),
        encryption: "psk2".into(),
        key: Some("nobody else's key".into()),
        freq: 2437,
    }
}

/// Evenly between 0 and 1, and the same each time.
struct Random(u32);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 8) / f64::from(1 << 24)
    }
}

const HOME_AP: &str = "phy0-ap0";
const GUEST_AP: &str = "phy0-ap1";
/// The agent also asks who is there, first a minute after it began to listen, and what it learns then it had missed: it
/// is asked before.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);
const NETWORKS: &str = "config network 'cafe'
	list section 'guest'
config network 'home'
	list section 'home'
	option credential 'passphrase'
	option key 'come in, come in'";
