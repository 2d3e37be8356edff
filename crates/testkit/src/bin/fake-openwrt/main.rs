//! Stand-ins for small programs of an OpenWrt router, by the name under which this one is started: `procd`, `ubus`,
//! `jsonfilter`, and `fake-json`, which makes JSON of what the stand-in of jshn writes. With `crates/testkit/openwrt`, where
//! the shell scripts are, they are enough to run an init script as a router does.
#![allow(clippy::print_stdout, reason = "programs answer there")]
#![allow(clippy::print_stderr, reason = "and complain there")]

mod instance;
mod json;
mod procd;
mod ubus;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let called = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    match Path::new(&called).file_name().and_then(|name| name.to_str()) {
        Some("procd") => procd::run(),
        Some("ubus") => ubus::run(&arguments),
        Some("jsonfilter") => json::filter(&arguments),
        Some("fake-json") => json::make(),
        _ => {
            eprintln!("a stand-in for procd, ubus and jsonfilter: start it by one of these names");
            ExitCode::from(64)
        }
    }
}
