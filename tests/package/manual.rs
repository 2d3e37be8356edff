//! The manual pages are sound and say what the program does, and the scripts on the router are sound.

use std::collections::BTreeSet;
use std::process::Command;

use welcomed::cli;

use crate::{read, root};

const PAGES: [&str; 2] = ["docs/man/welcomed.8", "docs/man/welcomed.uci.5"];

#[test]
fn mandoc_has_nothing_to_say_of_the_pages() {
    for page in PAGES {
        let said = run("mandoc", &["-Tlint", page]);
        // Neither is installed here.
        let rest: Vec<_> = said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert!(rest.is_empty(), "{rest:#?}");
    }
}

#[test]
fn the_pages_refer_to_each_other_alone() {
    for page in PAGES {
        for line in read(&root().join(page)).lines().filter_map(|line| line.strip_prefix(".Xr ")) {
            assert!(line.starts_with("welcomed.uci 5") || line.starts_with("welcomed 8"), "{page}: {line}");
        }
    }
}

#[test]
fn the_page_has_the_commands_and_options_that_there_are() {
    let page = read(&root().join("docs/man/welcomed.8"));
    let synopsis = page.split(".Sh SYNOPSIS").nth(1).unwrap().split(".Sh ").next().unwrap();
    let definition = cli::definition();
    let mut options: BTreeSet<String> = ["--version", "--help"].map(str::to_owned).into();
    let mut commands = BTreeSet::new();
    for command in definition.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        commands.insert(name.to_owned());
        let usage =
            synopsis.split(&format!("\n.Cm {name}\n")).nth(1).unwrap_or_else(|| panic!("no {name} in SYNOPSIS"));
        let usage = usage.split("\n.Nm").next().unwrap();
        let named: BTreeSet<_> = usage.lines().filter_map(|l| l.strip_prefix(".Op Fl -")).map(first_word).collect();
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        let shown: Vec<_> = shown.filter(|argument| argument.get_long().is_some_and(|long| long != "help")).collect();
        let longs: BTreeSet<_> = shown.iter().filter_map(|argument| argument.get_long().map(str::to_owned)).collect();
        assert_eq!(named, longs, "{name}");
        for argument in shown {
            options.insert(format!("--{}", argument.get_long().unwrap()));
            for default in argument.get_default_values() {
                let default = default.to_str().unwrap();
                // A switch has one that nobody needs to know.
                assert!(default == "false" || page.contains(default), "{name}: the default {default}");
            }
        }
    }
    let items =
        |start: &str| page.lines().filter_map(|l| l.strip_prefix(start)).map(first_word).collect::<BTreeSet<_>>();
    assert_eq!(items(".It Cm "), commands);
    assert_eq!(items(".It Fl -").iter().map(|option| format!("--{option}")).collect::<BTreeSet<_>>(), options);
}

#[test]
fn the_page_has_the_exit_codes_that_there_are() {
    let source = read(&root().join("src/run.rs"));
    let page = read(&root().join("docs/man/welcomed.8"));
    let codes = source.lines().filter_map(|l| l.strip_prefix("const ")?.split_once(": u8 = "));
    let codes: Vec<_> = codes.map(|(_, code)| code.trim_end_matches(';')).collect();
    assert_eq!(codes.len(), 2, "{codes:?}");
    for code in codes.into_iter().chain(["0", "1"]) {
        assert!(page.contains(&format!("\n.It {code}\n")), "{code}");
    }
}

#[test]
fn the_scripts_on_the_router_are_sound() {
    let scripts = ["files/etc/init.d/welcomed", "files/etc/hotplug.d/ntp/60-welcomed"];
    for script in scripts {
        assert_eq!(run("busybox", &["ash", "-n", script]), "");
        assert_eq!(run("shellcheck", &["--shell=dash", script]), "");
    }
    for stand_in in ["rc.common", "lib/functions.sh", "lib/functions/procd.sh"] {
        assert_eq!(run("busybox", &["ash", "-n", &format!("crates/testkit/openwrt/{stand_in}")]), "");
    }
    let mode = std::fs::metadata(root().join(scripts[0])).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o755);
}

#[test]
fn capabilities_are_two_and_the_same_in_all_sets() {
    let text = read(&root().join("files/etc/capabilities/welcomed.json"));
    let sets: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap();
    for set in ["bounding", "effective", "ambient", "permitted", "inheritable"] {
        assert_eq!(sets[set], serde_json::json!(["CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"]), "a missing set means all");
    }
}

/// What it says, on both its ways out.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; `make test` installs it"));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn first_word(line: &str) -> String {
    line.split(' ').next().unwrap_or_default().to_owned()
}
