//! Every option is in the UCI file, the init script, the manual page, LuCI's forms and the agent alike, and every default that is
//! written down is the agent's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use welcomed::config::Config;
use welcomed::config::check::KNOWN;

use crate::{read, root};

const UCI_FILE: &str = "files/etc/config/welcomed";
const INIT: &str = "files/etc/init.d/welcomed";
const MANUAL: &str = "docs/man/welcomed.uci.5";
const VIEWS: &str = "openwrt-package/luci-app-welcomed/htdocs/luci-static/resources/view/welcomed";

/// Type of section and option.
type Options = BTreeSet<(String, String)>;

#[test]
fn every_option_is_named_everywhere_and_no_other() {
    let known = known();
    assert_same(UCI_FILE, &known, &uci_file().into_keys().collect());
    assert_same(INIT, &known, &validated());
    assert_same(MANUAL, &known, &manual().into_keys().collect());
    if root().join(VIEWS).exists() {
        assert_same(VIEWS, &known, &forms());
    } else {
        eprintln!("skipped: {VIEWS} is not there");
    }
}

#[test]
fn the_init_script_reads_options_that_there_are() {
    let known: BTreeSet<_> = known().into_iter().map(|(_, option)| option).collect();
    // Of /etc/config/wireless and /etc/config/firewall.
    let of_others = ["ifname", "network", "name", "input"];
    let script = read(&root().join(INIT));
    let words = script.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let reads = words.filter(|words| words.first().is_some_and(|word| word.starts_with("config_get")));
    let read: Vec<_> = reads.map(|words| words[3].to_owned()).filter(|word| !word.starts_with('"')).collect();
    assert!(read.len() >= 10, "{read:?}");
    for option in read {
        assert!(known.contains(&option) || of_others.contains(&&*option), "{option}");
    }
}

#[test]
fn whether_an_option_is_a_list_is_said_alike_everywhere() {
    let lists: BTreeMap<_, _> = uci_file().into_iter().map(|(key, entry)| (key, entry.is_list)).collect();
    for (key, entry) in manual() {
        assert_eq!(Some(&entry.is_list), lists.get(&key), "{MANUAL} and {UCI_FILE}: {key:?}");
    }
    let script = read(&root().join(INIT));
    for ((kind, option), is_list) in lists {
        assert_eq!(script.contains(&format!("'{option}:list(")), is_list, "{INIT}: {kind}.{option}");
    }
}

#[test]
fn the_defaults_of_the_manual_are_the_agents() {
    let manual = manual();
    let with_default = manual.iter().filter_map(|(key, entry)| Some((key, entry.is_list, entry.default.as_ref()?)));
    let mut count = 0;
    for ((kind, option), is_list, default) in with_default {
        let (before, after) = surroundings(kind);
        let word = if is_list { "list" } else { "option" };
        let company = company(option);
        let plain = format!("{before}{company}{after}");
        let said = format!("{before}{company}\t{word} {option} '{default}'\n{after}");
        assert_eq!(parse(&said), parse(&plain), "{kind}.{option} '{default}'");
        count += 1;
    }
    assert!(count >= 24, "{count}");
}

#[test]
fn the_uci_file_shows_the_defaults_of_the_manual() {
    let file = uci_file();
    for (key, Entry { default, .. }) in manual() {
        let Entry { value, comment, is_example, .. } = &file[&key];
        let says = comment.split("Default: ").nth(1).map(|rest| rest.split(['.', ';']).next().unwrap_or_default());
        match default {
            Some(default) if *is_example => {
                assert!(
                    says == Some(&default) || (says.is_none() && *value == default),
                    "{key:?}: {default} and {comment}"
                );
            }
            Some(default) => assert_eq!(*value, default, "{key:?}"),
            None => assert!(*is_example, "{key:?} has no default"),
        }
    }
    // What is not a comment there changes nothing.
    let path = root().join(UCI_FILE);
    let shipped = Config::parse(&path, read(&path).as_bytes()).unwrap();
    assert_eq!(shipped, Config::parse(&path, b"config welcomed 'main'\n").unwrap());
}

#[test]
fn the_manual_says_which_options_wait_for_a_restart() {
    let source = read(&root().join("src/reload.rs"));
    let source = source.split("#[cfg(test)]").next().unwrap();
    for ((kind, option), entry) in manual() {
        let name = format!("\"{}.{option}\"", if kind == "welcomed" { "main" } else { &kind });
        // Off is no restart: the agent ends.
        let waits = source.contains(&name) && option != "enabled";
        assert_eq!(entry.restarts, waits, "{kind}.{option}");
    }
}

#[test]
fn the_examples_of_the_manual_are_right() {
    for ((kind, option), entry) in manual() {
        let example = entry.example.unwrap_or_else(|| panic!("{kind}.{option} has none"));
        let word = if entry.is_list { "list" } else { "option" };
        assert!(example.starts_with(&format!("{word} {option} '")), "{example}");
        let (before, after) = surroundings(&kind);
        let helpers = company(&option);
        // Once is enough for those that every section of the type needs.
        let before =
            before.lines().filter(|line| !line.contains(&format!(" {option} "))).collect::<Vec<_>>().join("\n");
        let text = format!("{before}\n\t{example}\n{helpers}{after}");
        drop(parse(&text));
    }
}

/// What comes before and after an option, so that it means something.
fn surroundings(kind: &str) -> (&'static str, &'static str) {
    const CAFE: &str = "config network 'cafe'\n\tlist ifname 'wlan0'\n";
    match kind {
        "welcomed" => ("config welcomed 'main'\n", CAFE),
        "server" => ("config server\n\toption url 'https://directory.example'\n", CAFE),
        "network" => (CAFE, ""),
        "offer" => ("config offer 'hello'\n\toption title 'Hello'\n", CAFE),
        "translation" => (
            "config translation\n\toption offer 'hello'\n\toption language 'zh'\n\toption title 'x'\n",
            "config offer 'hello'\n\toption title 'Hello'\n",
        ),
        _ => panic!("{kind}"),
    }
}

/// Without which an option means nothing.
fn company(option: &str) -> &'static str {
    match option {
        "tls_name" => "\toption tls_cert '/c'\n\toption tls_key '/k'\n",
        "tls_cert" => "\toption tls_name 'a.example'\n\toption tls_key '/k'\n",
        "tls_key" => "\toption tls_name 'a.example'\n\toption tls_cert '/c'\n",
        "tls_listen" => "\toption tls_name 'a.example'\n\toption tls_cert '/c'\n\toption tls_key '/k'\n",
        "share_key" => "\toption key 'eight-or-more'\n",
        "credential" => "\toption key 'eight-or-more'\n",
        "shared_key" => "\toption credential 'passphrase'\n",
        "shared_keyid" => "\toption credential 'keyid'\n",
        "owner_keyid" | "unknown" => "\toption credential 'keyid'\n\tlist shared_keyid 'x'\n",
        "gate_minutes" | "gate_fail" | "allow" => "\toption mode 'gate'\n",
        "image_alt" => "\toption image '/i'\n",
        _ => "",
    }
}

fn parse(text: &str) -> Config {
    Config::parse(Path::new("f"), text.as_bytes()).unwrap_or_else(|e| panic!("{e} in\n{text}"))
}

fn assert_same(place: &str, known: &Options, named: &Options) {
    let missing: Vec<_> = known.difference(named).collect();
    let unknown: Vec<_> = named.difference(known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "{place}: missing {missing:?}, unknown {unknown:?}");
}

fn known() -> Options {
    let of = |(kind, options): &(&str, &'static [&'static str])| {
        let kind = (*kind).to_owned();
        options.iter().map(move |option| (kind.clone(), (*option).to_owned()))
    };
    KNOWN.iter().flat_map(of).collect()
}

/// How a place shows an option.
#[derive(Debug, Default)]
struct Entry {
    is_list: bool,
    default: Option<String>,
    restarts: bool,
    example: Option<String>,
    value: String,
    /// The comment above it, and whether it is one itself.
    comment: String,
    is_example: bool,
}

/// The first of each; a line that begins with `#` and goes on without a space is an example.
fn uci_file() -> BTreeMap<(String, String), Entry> {
    let mut found = BTreeMap::new();
    let (mut kind, mut comment) = (String::new(), String::new());
    for line in read(&root().join(UCI_FILE)).lines() {
        let is_example = line.starts_with('#') && !line.starts_with("# ");
        let plain = line.trim_start_matches('#').trim();
        if let Some(text) = line.trim_start().strip_prefix("# ") {
            comment = format!("{comment} {text}");
            continue;
        }
        let mut words = plain.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("config"), Some(name), _) => kind = name.to_owned(),
            (Some(word @ ("option" | "list")), Some(option), Some(value)) => {
                let value = value.split('\'').nth(1).unwrap_or_default().to_owned();
                let comment = std::mem::take(&mut comment);
                let entry = Entry { is_list: word == "list", value, comment, is_example, ..Entry::default() };
                found.entry((kind.clone(), option.to_owned())).or_insert(entry);
            }
            _ => comment.clear(),
        }
    }
    found
}

fn validated() -> Options {
    let mut found = Options::new();
    let mut kind = None;
    for line in read(&root().join(INIT)).lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["uci_load_validate", "welcomed", name, ..] => kind = Some((*name).to_owned()),
            [option, ..] if option.starts_with('\'') => {
                let option = option.trim_start_matches('\'').split(':').next().unwrap_or_default().to_owned();
                found.extend(kind.clone().map(|kind| (kind, option)));
            }
            _ => kind = None,
        }
    }
    found
}

fn manual() -> BTreeMap<(String, String), Entry> {
    let mut found: BTreeMap<(String, String), Entry> = BTreeMap::new();
    let (mut kind, mut at) = (String::new(), None);
    let text = read(&root().join(MANUAL));
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix(".Ss config ") {
            kind = name.to_owned();
        } else if let Some(item) = line.strip_prefix(".It Ic ") {
            let words: Vec<_> = item.split(' ').collect();
            let [word @ ("option" | "list"), "Cm", option, "Ar", ..] = words.as_slice() else { panic!("{line}") };
            let key = (kind.clone(), (*option).to_owned());
            let entry = Entry { is_list: *word == "list", ..Entry::default() };
            assert!(found.insert(key.clone(), entry).is_none(), "{line} is there twice");
            at = Some(key);
        } else if let Some(entry) = at.as_ref().and_then(|key| found.get_mut(key)) {
            match line {
                "Default:" => {
                    let default = lines.next().and_then(|l| l.strip_prefix(".Ql ")).and_then(|l| l.strip_suffix(" ."));
                    entry.default = Some(default.unwrap_or_else(|| panic!("no default after {at:?}")).to_owned());
                }
                ".Bq restart" => entry.restarts = true,
                "Example:" => entry.example = lines.next().and_then(|l| l.strip_prefix(".Dl ")).map(str::to_owned),
                ".El" => at = None,
                _ => {}
            }
        }
    }
    found
}

/// The forms of LuCI. Which type a section has is its last word in `m.section(…)`; one of another package or of none, such as
/// that of a first run, is passed over, as are fields that begin with `_`, which hold nothing.
fn forms() -> Options {
    let mut found = Options::new();
    let kinds: Vec<_> = KNOWN.iter().map(|(kind, _)| *kind).collect();
    for entry in std::fs::read_dir(root().join(VIEWS)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "js") {
            continue;
        }
        let text = read(&path);
        let mut kind = None;
        for (at, _) in text.match_indices('(') {
            let before = &text[..at];
            let mut words = text[at + 1..].split(')').next().unwrap_or_default().split(',').map(str::trim);
            if before.ends_with(".section") {
                let mut quoted = words.filter_map(quoted).filter(|word| kinds.contains(&&**word));
                kind = quoted.next_back();
            } else if before.ends_with(".option") || before.ends_with(".taboption") {
                let name = words.nth(if before.ends_with(".option") { 1 } else { 2 }).and_then(quoted);
                let name = name.filter(|name| !name.starts_with('_'));
                found.extend(kind.clone().zip(name));
            }
        }
    }
    found
}

fn quoted(word: &str) -> Option<String> {
    Some(word.strip_prefix('\'')?.split('\'').next()?.to_owned())
}
