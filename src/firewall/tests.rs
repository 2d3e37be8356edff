use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;
use welcome_core::{Access, Agent, Event, Mode, Now, Rules};

use super::*;
use crate::config::Config;
use crate::passes::{self, Passes};
use crate::tasks::Tasks;

/// The firewall, with an nft that writes down what it is given.
struct Bench {
    dir: TempDir,
    views: watch::Sender<Arc<View>>,
    uplink: watch::Sender<bool>,
    passes: Passes,
    tasks: Tasks,
    configs: watch::Sender<Arc<Config>>,
}

const SOON: Duration = Duration::from_millis(200);
/// Not within any test.
const LATER: Duration = Duration::from_secs(100);

impl Bench {
    async fn new(mode: Mode, renew: Duration) -> Self {
        Self::with(mode, timing(renew), false).await
    }

    async fn with(mode: Mode, timing: Timing, is_broken: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (views, seen) = watch::channel(Arc::new(View::default()));
        let (configs, configured) = watch::channel(Arc::new(config(mode)));
        let (uplink, is_up) = watch::channel(true);
        let (passes, asked) = passes::channel();
        let mut tasks = Tasks::new();
        let here = dir.path().display();
        let program = dir.path().join("nft");
        // What it is given is there to see only once it is decided how it ends.
        let text = format!(
            "#!/bin/sh\ngiven=$(cat; echo --)\n[ ! -e {here}/broken ]\nend=$?\necho \"$given\" >> {here}/scripts\nexit $end\n"
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let firewall = Firewall {
            views: seen,
            configs: configured,
            uplink: is_up,
            passes: asked,
            catch_port: 8911,
            nft: Nft { program, ..Nft::default() },
            trouble: watch::Sender::default(),
            timing,
        };
        tasks.spawn("firewall", firewall.run(tasks.stop_signal()));
        let bench = Self { dir, views, uplink, passes, tasks, configs };
        if is_broken {
            bench.break_nft(true);
        }
        let first = async {
            while bench.all().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), first).await.unwrap();
        // Of what a former agent may have left; and in place of it the table, if a mode needs one.
        let first = bench.all().remove(0);
        assert!(first.starts_with(render::REMOVE) && !first.contains("elements"), "{first}");
        assert_eq!(first.contains("chain catch_guests"), mode >= Mode::Splash);
        bench
    }

    fn show(&self, stations: &[(u8, Access)]) {
        let stations: Vec<_> = stations.iter().map(|&(last, access)| (last, "guests", access)).collect();
        self.views.send_replace(Arc::new(view(&self.configs.borrow().rules, &stations)));
    }

    /// What nft was given after the start.
    fn scripts(&self) -> Vec<String> {
        self.all().split_off(1)
    }

    fn all(&self) -> Vec<String> {
        let all = fs::read_to_string(self.dir.path().join("scripts")).unwrap_or_default();
        all.split_inclusive("--\n").filter_map(|s| s.strip_suffix("--\n")).map(str::to_owned).collect()
    }

    /// Waits for so many scripts; the last one.
    async fn script(&self, count: usize) -> String {
        let wait = async {
            while self.scripts().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("scripts should come");
        self.scripts()[count - 1].clone()
    }

    async fn stop(mut self) -> Vec<String> {
        let unwell = std::mem::take(&mut self.tasks).stop(Duration::from_secs(4)).await;
        assert!(unwell.is_empty(), "{unwell:?}");
        self.scripts()
    }

    fn break_nft(&self, is_broken: bool) {
        let mark = self.dir.path().join("broken");
        if is_broken { fs::write(mark, "").unwrap() } else { fs::remove_file(mark).unwrap() }
    }
}

fn timing(renew: Duration) -> Timing {
    Timing { renew, gap: Duration::from_millis(1), ..Timing::default() }
}

fn config(mode: Mode) -> Config {
    let text = format!("config network guests\n\toption ifname guests\n\toption mode {}\n", mode.as_str());
    Config::parse("test".as_ref(), text.as_bytes()).unwrap()
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 1, last])
}

/// Guests, each with what the core might find to be in its way. Every network has an interface of its name.
pub(super) fn view(rules: &Rules, stations: &[(u8, &str, Access)]) -> View {
    let mut agent = Agent::default();
    let joins = stations.iter().map(|&(last, network, _)| Event::StationAuthorized {
        ifname: network.to_owned(),
        mac: mac(last),
        key: None,
    });
    for event in std::iter::once(Event::Rules(rules.clone())).chain(joins) {
        assert!(!agent.handle(Now::default(), event).is_empty());
    }
    let mut view = agent.view();
    for (session, (last, _, access)) in view.sessions.values_mut().zip(stations) {
        assert_eq!(session.mac, mac(*last));
        Arc::make_mut(session).access = *access;
    }
    view
}

const CATCH_TWO: &str = "add element inet welcomed caught_guests { 02:00:00:00:01:02 timeout 120000ms }\n";

#[tokio::test]
async fn the_table_stands_while_a_mode_needs_it_and_costs_nothing_while_nobody_is_in_it() {
    let bench = Bench::new(Mode::Gate, SOON).await;
    bench.show(&[(1, Access::Open)]);
    tokio::time::sleep(SOON * 2).await;
    assert_eq!(bench.scripts(), [""; 0], "nobody is in the way of anything");
    bench.show(&[(1, Access::Held)]);
    assert!(bench.script(1).await.starts_with("add element inet welcomed "));
    bench.show(&[]);
    let emptied = async {
        while !bench.scripts().last().unwrap().starts_with("delete element ") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), emptied).await.unwrap();
    let count = bench.scripts().len();
    tokio::time::sleep(SOON * 2).await;
    assert_eq!(bench.scripts().len(), count, "there is nothing to renew");
    bench.configs.send_replace(Arc::new(config(Mode::Notify)));
    assert_eq!(bench.script(count + 1).await, render::REMOVE);
    // It answers once that script has ended; a stop before would have to repeat it.
    assert!(bench.passes.add(mac(1), [192, 0, 2, 1].into()).await);
    assert_eq!(bench.stop().await.len(), count + 1, "there was nothing to remove");
}

#[tokio::test]
async fn a_stop_removes_the_table() {
    let bench = Bench::new(Mode::Gate, LATER).await;
    bench.show(&[(1, Access::Held)]);
    assert!(bench.script(1).await.contains("held_guests"));
    assert_eq!(bench.stop().await[1..], [render::REMOVE]);
}

#[tokio::test]
async fn it_is_made_anew_before_its_elements_run_out() {
    let bench = Bench::new(Mode::Gate, SOON).await;
    bench.show(&[(1, Access::Held)]);
    let whole = bench.script(2).await;
    assert!(whole.contains("chain hold_guests") && whole.contains("02:00:00:00:01:01 timeout"), "{whole}");
    assert_eq!(bench.script(3).await, whole);
}

#[tokio::test]
async fn a_change_that_fails_is_followed_by_the_whole() {
    let bench = Bench::new(Mode::Splash, LATER).await;
    bench.show(&[(1, Access::Catch)]);
    bench.script(1).await;
    bench.break_nft(true);
    bench.show(&[(1, Access::Catch), (2, Access::Catch)]);
    assert_eq!(bench.script(2).await, CATCH_TWO);
    let whole = bench.script(3).await;
    assert!(whole.starts_with(render::REMOVE) && whole.contains("02:00:00:00:01:02 timeout"), "{whole}");
    // As long as nobody knows what there is, only the whole is of use.
    bench.break_nft(false);
    bench.show(&[(1, Access::Catch)]);
    assert!(bench.script(4).await.starts_with(render::REMOVE));
    bench.show(&[(1, Access::Catch), (2, Access::Catch)]);
    assert_eq!(bench.script(5).await, CATCH_TWO);
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let bench = Bench::new(Mode::Gate, SOON).await;
    bench.break_nft(true);
    bench.show(&[(1, Access::Held)]);
    let whole = bench.script(2).await;
    assert!(whole.starts_with(render::REMOVE));
    assert_eq!(bench.script(3).await, whole);
    assert_eq!(bench.script(4).await, whole);
}

#[tokio::test]
async fn what_failed_is_not_tried_again_at_every_piece_of_news() {
    let bench = Bench::new(Mode::Gate, LATER).await;
    bench.break_nft(true);
    bench.show(&[(1, Access::Held)]);
    // The change, and then the whole.
    bench.script(2).await;
    bench.show(&[(1, Access::Held), (2, Access::Open)]);
    tokio::time::sleep(SOON).await;
    assert_eq!(bench.scripts().len(), 2);
    bench.show(&[(1, Access::Held), (2, Access::Held)]);
    bench.script(3).await;
}

#[tokio::test]
async fn a_pass_is_told_once_it_is_in() {
    let bench = Bench::new(Mode::Gate, LATER).await;
    bench.show(&[(1, Access::Catch), (2, Access::Held)]);
    bench.script(1).await;
    assert!(bench.passes.add(mac(1), "::ffff:192.0.2.1".parse().unwrap()).await);
    let pass = "element inet welcomed pass4 { 02:00:00:00:01:01 . 192.0.2.1 }\n";
    assert_eq!(bench.scripts()[1..], [format!("add {pass}")]);
    assert!(!bench.passes.add(mac(2), [192, 0, 2, 1].into()).await, "it is held");
    assert!(bench.passes.add(mac(3), [192, 0, 2, 1].into()).await, "nothing is in its way");
    assert_eq!(bench.scripts().len(), 2);
    bench.show(&[(2, Access::Held)]);
    assert!(bench.script(3).await.ends_with(&format!("delete {pass}")), "its passes end with the catch");
}

#[tokio::test]
async fn a_pass_lasts_for_some_time_only() {
    let mut timing = timing(SOON);
    timing.pass = SOON / 2;
    let bench = Bench::with(Mode::Splash, timing, false).await;
    bench.show(&[(1, Access::Catch)]);
    assert!(bench.passes.add(mac(1), [192, 0, 2, 1].into()).await);
    let gone = async {
        while bench.scripts().last().is_none_or(|s| s.contains("192.0.2.1")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn a_pass_that_could_not_be_put_in_is_told() {
    let bench = Bench::new(Mode::Splash, LATER).await;
    bench.show(&[(1, Access::Catch)]);
    bench.script(1).await;
    bench.break_nft(true);
    assert!(!bench.passes.add(mac(1), [192, 0, 2, 1].into()).await);
}

#[tokio::test]
async fn a_station_has_so_many_passes_and_no_more() {
    let bench = Bench::new(Mode::Splash, LATER).await;
    bench.show(&[(1, Access::Catch), (2, Access::Catch)]);
    bench.script(1).await;
    for last in 0..PASSES_EACH {
        assert!(bench.passes.add(mac(1), [192, 0, 2, u8::try_from(last).unwrap()].into()).await, "{last}");
    }
    assert!(!bench.passes.add(mac(1), [192, 0, 2, 200].into()).await);
    assert!(bench.passes.add(mac(1), [192, 0, 2, 7].into()).await, "it has this one");
    assert!(bench.passes.add(mac(2), [192, 0, 2, 200].into()).await, "another's do not count");
}

#[tokio::test]
async fn an_uplink_that_goes_catches_everybody_and_one_that_comes_nobody() {
    let bench = Bench::new(Mode::Splash, LATER).await;
    bench.show(&[(1, Access::Open)]);
    bench.uplink.send_replace(false);
    assert!(bench.script(1).await.contains("caught_guests { 02:00:00:00:01:01 timeout 120000ms }"));
    bench.uplink.send_replace(true);
    assert!(bench.script(2).await.starts_with("delete element inet welcomed caught_guests "));
}

#[tokio::test]
async fn a_router_whose_networks_need_nothing_does_without_nft() {
    let bench = Bench::with(Mode::Notify, timing(SOON), true).await;
    bench.show(&[(1, Access::Open)]);
    tokio::time::sleep(SOON * 2).await;
    assert_eq!(bench.scripts(), [""; 0], "once, for what a former agent may have left");
    bench.configs.send_replace(Arc::new(config(Mode::Gate)));
    bench.show(&[(1, Access::Held)]);
    assert!(bench.script(1).await.contains("chain hold_guests"));
}
