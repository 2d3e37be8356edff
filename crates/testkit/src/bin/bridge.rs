//! A router's web interface as a program of its own: `bridge DIR APP WWW...`.
//!
//! DIR has `config/` with UCI files, and gets `ubus.sock`, where an agent can be found by the pages. APP is the LuCI app
//! of the package feed; each WWW has a `luci-static`, LuCI's own or one that stands for it. In: commands on standard
//! input, one JSON object a line. Out: JSON, one a line: where it listens, each call of a page, each configuration that
//! was changed, and the answer to each command. Ends with its input.
#![allow(clippy::print_stdout, reason = "it answers there")]
#![allow(clippy::print_stderr, reason = "it complains there")]

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::ubus::{Broker, Bss, FakeRouter};
use testkit::web::{Parts, Web};

const USAGE: &str = "bridge DIR APP WWW...: a stand-in for the web interface of an OpenWrt router

Reads commands, one a line: {\"add_bss\": {...}}, {\"join\": [IFNAME, MAC]}, {\"leave\": [IFNAME, MAC]},
{\"ack\": [MAC, IP]}, {\"log\": [PRIORITY, TEXT]}, {\"call\": [OBJECT, METHOD, ARGUMENTS]}. Ends with its input.";

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [dir, app, www @ ..] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(64);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("start the runtime");
    runtime.block_on(run(dir, app, www));
    ExitCode::SUCCESS
}

async fn run(dir: &Path, app: &Path, www: &[PathBuf]) {
    let broker = Broker::start(dir);
    let router = Arc::new(FakeRouter::start(broker.path()));
    router.keep_uci_in(&dir.join("config"));
    router.on_config_change(Box::new(|config| say(&json!({ "changed": config }))));
    let (bus, driver) = tokio_ubus::connect(broker.path());
    let mut roots = vec![app.join("htdocs")];
    roots.extend(www.iter().cloned());
    let etc = dir.join("etc");
    std::fs::create_dir_all(&etc).expect("make a directory for uploads");
    let tell = Box::new(|call: &Value| say(&json!({ "asked": call })));
    let parts = Parts { www: roots, app: app.to_owned(), etc, bus: bus.clone(), router: Arc::clone(&router), tell };
    let web = Web::new(parts);
    let (address, serving) = Arc::clone(&web).serve().await.expect("listen on the loopback interface");
    say(&json!({ "at": format!("http://{address}") }));
    let (commands, mut read) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let command = serde_json::from_str(&line).unwrap_or_else(|error| json!({ "broken": error.to_string() }));
            if commands.blocking_send(command).is_err() {
                return;
            }
        }
    });
    let obey = async {
        while let Some(command) = read.recv().await {
            let done = match command["call"].as_array().map(Vec::as_slice) {
                Some([object, method, arguments]) => {
                    let [object, method] = [object, method].map(|word| word.as_str().unwrap_or_default());
                    match bus.call(object, method, arguments, Duration::from_secs(5)).await {
                        Ok(answer) => answer.read().unwrap_or_default(),
                        Err(error) => json!({ "error": error.to_string() }),
                    }
                }
                _ => obey(&router, &web, &command),
            };
            say(&json!({ "done": done }));
        }
    };
    tokio::select! {
        () = serving => {}
        () = driver.run() => {}
        () = obey => {}
    }
}

fn obey(router: &FakeRouter, web: &Web, command: &Value) -> Value {
    let Some((verb, given)) = command.as_object().and_then(|command| command.iter().next()) else { return json!(null) };
    let text = |at: usize| given[at].as_str().unwrap_or_default();
    let named = |name: &str| given[name].as_str().unwrap_or_default().to_owned();
    match verb.as_str() {
        "add_bss" => router.add_bss(Bss {
            ifname: named("ifname"),
            section: named("section"),
            networks: vec![named("network")],
            bssid: named("bssid"),
            ssid: named("ssid").into_bytes(),
            encryption: named("encryption"),
            key: given["key"].as_str().map(str::to_owned),
            freq: 2437,
        }),
        "join" => drop(router.join(text(0), text(1))),
        "leave" => drop(router.leave(text(0), text(1))),
        "ack" => router.ack(text(0), text(1)),
        "log" => web.log(given[0].as_u64().unwrap_or(30), text(1)),
        other => return json!({ "error": format!("{other} is no command") }),
    }
    json!("ok")
}

fn say(what: &Value) {
    println!("{what}");
}
