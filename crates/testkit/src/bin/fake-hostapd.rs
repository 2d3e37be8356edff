//! A stand-in for hostapd as a program of its own: `fake-hostapd DIR IFNAME BSSID SSID`.
//!
//! In: one command a line, `join MAC [KEYID]` or `leave MAC`. Out: one line that repeats each command once its event is
//! out. For tests where stations are network namespaces, which have no radio. Ends with its input.
#![allow(clippy::print_stdout, reason = "it answers there")]
#![allow(clippy::print_stderr, reason = "it complains there")]

use std::io::BufRead as _;
use std::path::Path;
use std::process::ExitCode;

use testkit::ctrl::FakeHostapd;

const USAGE: &str = "fake-hostapd DIR IFNAME BSSID SSID: a stand-in for hostapd, with a control socket and no radio\n\n\
    Reads commands, one a line: `join MAC [KEYID]`, `leave MAC`. Ends with its input.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, ifname, bssid, ssid] = arguments.as_slice() else {
        if arguments == ["--help"] {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        eprintln!("{USAGE}");
        return ExitCode::from(64);
    };
    let hostapd = FakeHostapd::start(Path::new(dir), ifname, bssid, ssid);
    println!("this is a stand-in for hostapd on {ifname}");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["join", mac] => drop(hostapd.join(mac, None)),
            ["join", mac, keyid] => drop(hostapd.join(mac, Some(keyid))),
            ["leave", mac] => drop(hostapd.leave(mac)),
            _ => {
                eprintln!("{line}: not a command\n{USAGE}");
                return ExitCode::from(64);
            }
        }
        println!("{line}");
    }
    hostapd.stop();
    ExitCode::SUCCESS
}
