//! What lies on the router beside the agent, run as a router runs it: the init script by stand-ins for rc.common and procd
//! (`crates/testkit/openwrt`), the agent as its own user, in namespaces. It shows that script and agent fit together; that OpenWrt's
//! own rc.common and procd do as their stand-ins, it does not.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "who skips says so")]

mod house;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use crate::house::{House, NETWORK, WELCOMED, put_package};

const WIRELESS: &str = "config wifi-iface 'guest'\n\toption network 'guest'\n\toption ssid 'Guests'\n\
    config wifi-iface\n\toption network 'lan'\n\toption ssid 'Ours'\n";
const FIREWALL: &str = "config defaults\n\toption input 'REJECT'\n\
    config zone\n\toption name 'lan'\n\tlist network 'lan'\n\toption input 'ACCEPT'\n\
    config zone\n\toption name 'visitors'\n\tlist network 'other'\n\tlist network 'guest'\n\
    config zone\n\toption name 'wan'\n\tlist network 'wan'\n\toption input 'REJECT'\n";
const OFFER: &str = "config offer 'hello'\n\toption title 'Welcome!'\n";
const GATE: &str = "config network 'cafe'\n\tlist section 'guest'\n\tlist ifname 'phy0-ap1'\n\toption mode 'gate'\n";
const ANN: &str = "02:00:00:00:0a:00";

/// Switched on, with `more`.
fn config(main: &str, more: &str) -> String {
    let socket = "/var/run/ubus/welcomed.sock";
    format!("config welcomed 'main'\n\toption enabled '1'\n\toption ubus_socket '{socket}'\n{main}\n{more}")
}

/// A router with a running agent at a gate, whose process has this number.
fn at_work() -> Option<(House, u64)> {
    let mut house = House::new()?;
    house.write("etc/config/wireless", WIRELESS);
    house.write("etc/config/firewall", FIREWALL);
    house.configure(&config("", &format!("{GATE}{OFFER}")));
    house.init("start");
    let pid = house.agent();
    house.until("the gate is there", |house| house.tables().contains("inet welcomed"));
    Some((house, pid))
}

#[test]
fn it_ships_switched_off_and_says_so() {
    let Some(house) = House::new() else { return };
    house.init("enable");
    house.init("boot");
    assert!(house.has_said("29", "welcomed: not started: option enabled"), "{}", house.log());
    assert_eq!(house.pid(), None);
    assert!(!house.path("var/run/welcomed/config/committed").exists());
    assert!(house.sh("ls /etc/rc.d").contains("S95welcomed"));
}

#[test]
fn what_is_missing_to_start_is_said() {
    let Some(mut house) = House::new() else { return };
    house.configure("config welcomed 'main'\n\toption enabled '1'\n\toption colour 'red'\n");
    house.init("start");
    for problem in ["there is no network to share", "main.colour: there is no such option"] {
        assert!(house.has_said("27", problem), "{problem}: {}", house.log());
    }
    assert!(house.has_said("27", "/etc/config/welcomed:3:"), "the file is named that its owner knows: {}", house.log());
    assert!(house.has_said("27", "not started"));
    fs::remove_file(house.path("etc/config/welcomed")).unwrap();
    house.init("start");
    assert!(house.has_said("27", "/etc/config/welcomed cannot be read"));

    let passwd = fs::read_to_string(house.path("etc/passwd")).unwrap();
    house.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    house.configure(&config("", GATE));
    house.init("start");
    assert!(house.has_said("27", "there is no user welcomed"));
    assert_eq!(house.pid(), None);
    house.write("etc/passwd", &passwd);
    house.init("start");
    assert!(house.has_said("29", "there is nothing to show"), "and that is no reason not to start: {}", house.log());
    house.agent();
}

#[test]
fn it_runs_as_its_user_with_two_capabilities_and_hears_hostapd() {
    let Some((mut house, pid)) = at_work() else { return };
    let status = house.sh(&format!("cat /proc/{pid}/status"));
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(value("Uid:"), vec![WELCOMED.to_string(); 4]);
    assert_eq!(value("Gid:"), vec![WELCOMED.to_string(); 4]);
    assert!(value("Groups:").contains(&NETWORK.to_string()), "{status}");
    let both = u64::pow(2, 10) + u64::pow(2, 12); // CAP_NET_BIND_SERVICE and CAP_NET_ADMIN
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(&value(set)[0], 16).unwrap(), both, "{set} {status}");
    }
    assert_eq!(value("NoNewPrivs:"), ["1"]);
    assert!(house.sh("welcomed status").contains("network cafe"));
    assert!(house.sh("welcomed status --socket /var/run/welcomed/status.sock").contains("network cafe"));
    let copy = fs::metadata(house.path("var/run/welcomed/config/committed")).unwrap();
    assert_eq!((copy.uid(), copy.gid(), copy.mode() & 0o777), (0, WELCOMED, 0o640));
    let as_nobody =
        "/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups cat /var/run/welcomed/config/committed";
    assert!(!house.run(as_nobody).status.success(), "it holds passphrases");

    let mut hostapd = house.hostapd("phy0-ap1");
    house.until("hostapd is heard", |house| house.sh("welcomed status").contains("on the air: \"Guests\""));
    hostapd.join(ANN);
    house.until("a guest is there", |house| house.sh("welcomed status").contains("1 of them guests"));
}

#[test]
fn right_after_the_installation_ubus_refuses_and_a_change_is_taken_all_the_same() {
    let Some(mut house) = House::new() else { return };
    house.grant(false);
    house.configure(&config("", &format!("{GATE}{OFFER}")));
    house.init("start");
    let by_socket = "welcomed status --socket /var/run/welcomed/status.sock";
    house.until("it runs", |house| house.run(by_socket).status.success());
    assert!(!house.run("ubus call welcomed counters").status.success());
    let pid = house.pid().unwrap();
    house.configure(&config("", &format!("{GATE}{OFFER}config offer 'more'\n\toption title 'More'\n")));
    house.config_change("welcomed");
    house.until("another process", |house| house.pid().is_some_and(|other| other != pid));
    let pid = house.pid();
    house.grant(true);
    house.agent();
    assert!(house.sh("ubus call welcomed offers").contains("More"));
    assert_eq!(house.pid(), pid, "it has tried again by itself");
}

#[test]
fn without_a_jail_it_runs_as_root_and_the_log_says_so() {
    let Some(mut house) = House::new() else { return };
    fs::remove_file(house.path("sbin/ujail")).unwrap();
    house.configure(&config("", &format!("{GATE}{OFFER}")));
    house.init("start");
    let pid = house.agent();
    assert!(house.sh(&format!("cat /proc/{pid}/status")).contains("Uid:\t0\t0"));
    assert!(house.has_said("28", "runs as root"), "{}", house.log());
}

#[test]
fn what_it_keeps_is_its_own_and_a_directory_for_that_is_made() {
    let Some(mut house) = House::new() else { return };
    let server = "config server\n\toption url 'https://127.0.0.1:1'\n\toption token 'one'\n";
    house.configure(&config("\toption state_dir '/srv/deep/state'\n", &format!("{GATE}{server}")));
    house.init("start");
    let pid = house.agent();
    house.until("it has a key", |house| house.path("srv/deep/state/identity.json").exists());
    let key = fs::metadata(house.path("srv/deep/state/identity.json")).unwrap();
    assert_eq!((key.uid(), key.mode() & 0o777), (WELCOMED, 0o600));
    assert!(!house.has_said("29", "nothing to show"), "a server has something: {}", house.log());
    // A directory of others is left to them.
    fs::set_permissions(house.path("srv"), Permissions::from_mode(0o755)).unwrap();
    house.configure(&config("\toption cache_dir '/srv'\n", &format!("{GATE}{server}")));
    house.config_change("welcomed");
    house.until("another process", |house| house.pid().is_some_and(|other| other != pid));
    let srv = fs::metadata(house.path("srv")).unwrap();
    assert_eq!((srv.uid(), srv.gid(), srv.mode() & 0o7777), (0, 0, 0o755));
}

#[test]
fn a_port_below_1024_can_be_listened_on() {
    let Some(mut house) = House::new() else { return };
    house.configure(&config("\tlist listen '127.0.0.1:80'\n", &format!("{GATE}{OFFER}")));
    house.init("start");
    house.agent();
}

#[test]
fn another_program_under_the_same_name_restarts_it() {
    let Some((mut house, pid)) = at_work() else { return };
    house.init("start");
    assert_eq!(house.agent(), pid, "the same again is no reason");
    let program = house.path("usr/sbin/welcomed");
    let mut bytes = fs::read(&program).unwrap();
    bytes.extend_from_slice(b"another version");
    fs::write(house.path("usr/sbin/fresh"), bytes).unwrap();
    fs::set_permissions(house.path("usr/sbin/fresh"), Permissions::from_mode(0o755)).unwrap();
    fs::rename(house.path("usr/sbin/fresh"), program).unwrap();
    house.init("start");
    house.until("another process", |house| house.pid().is_some_and(|other| other != pid));
    house.agent();
}

#[test]
fn a_reload_takes_an_offer_as_it_runs_and_another_port_with_a_restart() {
    let Some((mut house, pid)) = at_work() else { return };
    house.configure(&config("", &format!("{GATE}{OFFER}config offer 'more'\n\toption title 'More'\n")));
    house.config_change("welcomed");
    house.until("the offer is there", |house| house.sh("ubus call welcomed offers").contains("More"));
    assert_eq!(house.pid(), Some(pid), "it runs on");

    let with_port = config("\tlist listen '[::]:8920'\n", &format!("{GATE}{OFFER}"));
    house.configure(&with_port);
    house.config_change("welcomed");
    house.until("another process", |house| house.pid().is_some_and(|other| other != pid));
    let second = house.agent();
    house.until("it is said why", |house| house.has_said("29", "restarts, for new values of main.listen"));
    assert!(house.sh("cat /proc/net/tcp6").to_lowercase().contains(&format!(":{:x}", 8920)), "it listens there");

    house.init("reload");
    assert_eq!(house.agent(), second, "once is enough");
}

#[test]
fn a_mistake_leaves_the_old_configuration_in_force_also_over_a_crash() {
    let Some((mut house, pid)) = at_work() else { return };
    let good = fs::read(house.path("var/run/welcomed/config/committed")).unwrap();
    house.configure(&config("\toption cache_kib '1'\n", &format!("{GATE}{OFFER}")));
    house.config_change("welcomed");
    house.until("it is said", |house| house.has_said("27", "main.cache_kib"));
    house.until("and what comes of it", |house| house.has_said("28", "goes on with the configuration that it had"));
    assert_eq!(
        (house.agent(), fs::read(house.path("var/run/welcomed/config/committed")).unwrap()),
        (pid, good.clone())
    );

    // What root may read and its user may not, the agent alone finds out.
    house.write("root/coffee.png", "");
    fs::write(house.path("root/coffee.png"), b"\x89PNG\r\n\x1a\n0123456789").unwrap();
    fs::set_permissions(house.path("root/coffee.png"), Permissions::from_mode(0o600)).unwrap();
    house.forget_log();
    house.configure(&config("", &format!("{GATE}{OFFER}\toption image '/root/coffee.png'\n")));
    house.config_change("welcomed");
    house.until("it is said", |house| house.has_said("27", "hello.image: /root/coffee.png cannot be read"));
    house.until("the copy is the old one", |house| {
        fs::read(house.path("var/run/welcomed/config/committed")).unwrap() == good
    });
    house.sh(&format!("kill -9 {pid}"));
    house.until("another process", |house| house.pid().is_some_and(|other| other != pid));
    house.agent();
}

#[test]
fn a_killed_agent_comes_back() {
    let Some((mut house, pid)) = at_work() else { return };
    house.sh(&format!("kill -9 {pid}"));
    house.until("another process", |house| house.pid().is_some_and(|other| other != pid));
    house.agent();
}

#[test]
fn stopped_or_switched_off_it_leaves_no_rule_and_a_restart_is_neither() {
    let Some((mut house, pid)) = at_work() else { return };
    house.init("restart");
    house.until("another process", |house| house.pid().is_some_and(|other| other != pid));
    house.agent();
    house.until("the gate is there", |house| house.tables().contains("inet welcomed"));
    assert!(house.path("var/run/welcomed/config/committed").exists());

    // One that does not answer is killed, and cannot clean up.
    let pid = house.pid().unwrap();
    house.sh(&format!("kill -STOP {pid}"));
    house.init("stop");
    assert_eq!((house.pid(), house.tables().as_str()), (None, ""));
    assert!(!house.path("var/run/welcomed/config/committed").exists());

    house.init("start");
    house.agent();
    house.until("the gate is there", |house| house.tables().contains("inet welcomed"));
    house.configure(&config("", &format!("{GATE}{OFFER}")).replace("enabled '1'", "enabled '0'"));
    house.config_change("welcomed");
    house.until("it is off", |house| house.pid().is_none() && house.tables().is_empty());
    house.until("it is said", |house| house.has_said("29", "not started: option enabled"));
    // It is heard again.
    house.configure(&config("", &format!("{GATE}{OFFER}")));
    house.config_change("welcomed");
    house.agent();
}

#[test]
fn a_configuration_that_is_tried_and_taken_back_harms_nothing() {
    let Some((mut house, pid)) = at_work() else { return };
    let [old, new] =
        ["", "config offer 'more'\n\toption title 'More'\n"].map(|more| config("", &format!("{GATE}{OFFER}{more}")));
    house.configure(&new);
    house.config_change("welcomed");
    std::thread::sleep(std::time::Duration::from_millis(250)); // the first one is at work
    house.configure(&old);
    house.config_change("welcomed");
    house.sh("/etc/init.d/welcomed reload & /etc/init.d/welcomed reload; wait");
    house.until("all is done", |house| {
        house.pid() == Some(pid) && !house.sh("ubus call welcomed offers").contains("More")
    });
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!((house.agent(), house.sh("ubus call welcomed offers").contains("More")), (pid, false));
}

#[test]
fn what_is_not_committed_does_not_count_and_an_override_does() {
    let Some((mut house, pid)) = at_work() else { return };
    house.write("tmp/.uci/welcomed", "welcomed.main.enabled='0'\n");
    house.init("reload");
    assert_eq!(house.agent(), pid);
    house
        .write("var/run/uci/welcomed", &config("", &format!("{GATE}config offer 'other'\n\toption title 'Instead'\n")));
    house.init("reload");
    house.until("it is taken", |house| house.sh("ubus call welcomed offers").contains("Instead"));
}

#[test]
fn an_upgrade_keeps_configuration_and_state() {
    let Some((mut house, pid)) = at_work() else { return };
    house.write("etc/welcomed/identity.json", "{}");
    let before = fs::read(house.path("etc/config/welcomed")).unwrap();
    house.sh("PKG_UPGRADE=1 /etc/init.d/welcomed stop");
    put_package(&house.path(""));
    house.init("start");
    house.until("another process", |house| house.pid().is_some_and(|other| other != pid));
    house.agent();
    assert_eq!(fs::read(house.path("etc/config/welcomed")).unwrap(), before);
    assert!(house.path("etc/welcomed/identity.json").exists());
    // And so does a new system: what is named there is in its archive.
    let kept = fs::read_to_string(house.path("lib/upgrade/keep.d/welcomed")).unwrap();
    let defaults = [welcomed::config::DEFAULT_PATH, welcomed::config::DEFAULT_STATE_DIR];
    for path in defaults {
        assert!(kept.lines().any(|line| line.trim_end_matches('/') == path), "{path}");
    }
}

#[test]
fn the_clock_counts_once_ntp_has_set_it() {
    let Some(mut house) = House::new() else { return };
    let dated = format!("{GATE}{OFFER}\toption from '2020-01-01'\n");
    house.configure(&config("", &dated));
    house.init("start");
    house.agent();
    let waits = |house: &House| house.json("ubus call welcomed offers")["offers"][0]["waits"].clone();
    assert!(waits(&house).as_str().is_some_and(|why| why.contains("knows the time")), "{:?}", waits(&house));
    // As hotplug-call does it.
    let event = |variables: &str| format!("( {variables}; . /etc/hotplug.d/ntp/60-welcomed )");
    for not_yet in ["ACTION=step", "ACTION=unsync", "ACTION=periodic; stratum=16", "ACTION=periodic"] {
        house.run(&event(not_yet));
        assert!(!house.path("var/run/welcomed/time-ok").exists(), "{not_yet}");
    }
    // What the agent's user might put there is not followed.
    fs::create_dir_all(house.path("root")).unwrap();
    symlink("/root/made", house.path("var/run/welcomed/time-ok")).unwrap();
    house.run(&event("ACTION=stratum"));
    assert!(!house.path("root/made").exists());
    fs::remove_file(house.path("var/run/welcomed/time-ok")).unwrap();
    for set in ["ACTION=periodic; stratum=3", "ACTION=stratum; stratum=3"] {
        drop(fs::remove_file(house.path("var/run/welcomed/time-ok")));
        house.sh(&event(set));
        assert!(house.path("var/run/welcomed/time-ok").exists(), "{set}");
    }
    // The agent looks when something happens.
    let mut hostapd = house.hostapd("phy0-ap1");
    house.until("hostapd is heard", |house| house.sh("welcomed status").contains("on the air: \"Guests\""));
    hostapd.join(ANN);
    house.until("the offer waits no more", |house| {
        house.run("ubus call welcomed reload");
        waits(house).is_null()
    });
}

#[test]
fn uploads_become_readable_and_no_link_is_followed() {
    let Some((mut house, _)) = at_work() else { return };
    house.write("etc/shadow", "secret");
    house.write("etc/welcomed/pictures/coffee.png", "picture");
    house.write("etc/welcomed/tls.key", "key");
    symlink("/etc/shadow", house.path("etc/welcomed/link")).unwrap();
    symlink("/etc", house.path("etc/welcomed/dir")).unwrap();
    // A directory of the agent's own, in which it may exchange what is looked at.
    house.sh("/usr/bin/setpriv --reuid=welcomed --regid=welcomed --clear-groups mkdir /etc/welcomed/own");
    house.write("etc/welcomed/own/root", "root's");
    house.init("reload");
    let owner = |name: &str| fs::symlink_metadata(house.path(name)).unwrap().uid();
    for given in ["pictures", "pictures/coffee.png", "tls.key"] {
        assert_eq!(owner(&format!("etc/welcomed/{given}")), WELCOMED, "{given}");
    }
    for left in ["etc/shadow", "etc/passwd", "etc", "etc/welcomed/link", "etc/welcomed/dir", "etc/welcomed/own/root"] {
        assert_eq!(owner(left), 0, "{left}");
    }
    // In directories that are shared with root its user takes away nothing of root's.
    let as_agent = "/usr/bin/setpriv --reuid=welcomed --regid=welcomed --clear-groups";
    for attack in [
        "mv /var/run/welcomed/config /var/run/welcomed/x",
        "rm /etc/welcomed/link",
        "ls > /var/run/welcomed/config/new",
    ] {
        assert!(!house.run(&format!("{as_agent} sh -c '{attack}'")).status.success(), "{attack}");
    }
    house.agent();
}

#[test]
fn the_firewall_is_opened_for_the_zones_of_guests_alone_and_for_as_long_as_it_runs() {
    let Some((mut house, pid)) = at_work() else { return };
    let rules = |house: &House| {
        let data = house.json("ubus call service get_data '{\"type\":\"firewall\"}'");
        data["welcomed"]["instance1"]["firewall"].as_array().cloned().unwrap_or_default()
    };
    let [rule] = rules(&house).try_into().unwrap();
    let expected = serde_json::json!({
        "type": "rule", "name": "Allow-welcomed-visitors", "src": "visitors", "proto": "tcp",
        "dest_port": "8910 8911", "target": "ACCEPT",
    });
    assert_eq!(rule, expected);
    house.write("etc/config/firewall", &FIREWALL.replace("'visitors'", "'visitors'\n\toption input 'ACCEPT'"));
    house.config_change("firewall");
    house.until("nothing needs to be opened", |house| rules(house).is_empty());
    assert_eq!(house.agent(), pid, "no reason to restart");
    house.write("etc/config/firewall", FIREWALL);
    house.write("etc/config/wireless", &WIRELESS.replace("network 'guest'", "network 'other'"));
    house.config_change("wireless");
    house.until("the zone is found again", |house| rules(house).len() == 1);
    house.configure(&config("", &format!("{}{OFFER}", GATE.replace("gate", "notify"))));
    house.config_change("welcomed");
    house.until("nothing is caught", |house| rules(house).first().is_some_and(|rule| rule["dest_port"] == "8910"));
    house.init("stop");
    assert!(rules(&house).is_empty());
}
