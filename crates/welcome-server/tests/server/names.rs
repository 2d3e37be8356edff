//! Keys are the same in the program, the shipped configuration and the manual, and what documents name is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use welcome_server::Config;
use welcome_server::config::check::{DATABASE_VARIABLE, KEYS, MASTER_KEY_VARIABLE, Outside, check};
use welcome_server::config::raw;

const SHIPPED: &str = "crates/welcome-server/packaging/config.toml";
const SERVICE: &str = "crates/welcome-server/packaging/welcome-server.service";
const PAGES: [&str; 2] = ["docs/man/welcome-server.8", "docs/man/welcome-server.toml.5"];

#[test]
fn every_key_is_named_everywhere_and_no_other() {
    let known: BTreeSet<_> = KEYS.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(known, shipped().into_keys().collect(), "{SHIPPED}");
    assert_eq!(known, manual().into_keys().collect(), "{}", PAGES[1]);
}

#[test]
fn the_defaults_of_the_manual_are_the_programs() {
    let mut count = 0;
    for (key, Entry { default, .. }) in manual() {
        let Some(default) = default else { continue };
        assert_eq!(parse(&format!("{key} = {default}")), Config::default(), "{key} = {default}");
        count += 1;
    }
    assert!(count >= 12, "{count}");
}

#[test]
fn what_the_shipped_configuration_shows_is_the_manuals_default() {
    let shipped = shipped();
    for (key, Entry { default, .. }) in manual() {
        let (value, is_comment) = &shipped[&key];
        if let Some(default) = default.filter(|_| *is_comment && key != "behind_proxy") {
            assert_eq!(*value, default, "{key}");
        }
    }
    // As it stands, and with all that is commented out.
    let config = parse(&read(SHIPPED));
    let expected = Config {
        data: "/var/lib/welcome-server".into(),
        metrics: Some("127.0.0.1:8481".parse().unwrap()),
        ..Config::default()
    };
    assert_eq!(config, expected);
    let text = read(SHIPPED);
    let uncommented =
        text.lines().map(|l| l.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(l).to_owned() + "\n");
    let uncommented: String = uncommented.filter(|line| !line.starts_with("database_file")).collect();
    let whole = parse(&uncommented);
    assert!(whole.tls.is_some() && whole.public_url.is_some() && whole.behind_proxy.len() == 2, "{whole:?}");
}

#[test]
fn the_examples_of_the_manual_are_right() {
    for (key, Entry { example, .. }) in manual() {
        let example = example.unwrap_or_else(|| panic!("{key} has none"));
        assert!(example.starts_with(&format!("{key} = ")), "{example}");
        let company = match key.as_str() {
            "tls.cert" => "\ntls.key = \"/k\"",
            "tls.key" => "\ntls.cert = \"/c\"",
            "limits.connections" => "\nlimits.streams = 1",
            _ => "",
        };
        assert_ne!(parse(&format!("{example}{company}\n")), parse(""), "{example}");
    }
}

#[test]
fn the_manual_names_the_variables_that_are_read() {
    for variable in [DATABASE_VARIABLE, MASTER_KEY_VARIABLE, "RUST_LOG"] {
        assert!(read(PAGES[0]).contains(&format!("\n.It Ev {variable}\n")), "{variable}");
    }
}

#[test]
fn mandoc_has_nothing_to_say_of_the_pages() {
    for page in PAGES {
        let said = run("mandoc", &["-Tlint", page]);
        let rest: Vec<_> = said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert!(rest.is_empty(), "{rest:#?}");
        for line in read(page).lines().filter_map(|line| line.strip_prefix(".Xr ")) {
            assert!(
                line.starts_with("welcome-server.toml 5") || line.starts_with("welcome-server 8"),
                "{page}: {line}"
            );
        }
    }
}

#[test]
fn the_service_starts_the_program_in_a_tight_sandbox() {
    let service = read(SERVICE);
    for line in ["ExecStart=/usr/bin/welcome-server serve", "Type=notify", "RestartPreventExitStatus=64 78"] {
        assert!(service.lines().any(|l| l == line), "{line}");
    }
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        #[allow(clippy::print_stderr, reason = "who skips says so")]
        return eprintln!("skipped: systemd-analyze is not here");
    }
    let verdict = Command::new("systemd-analyze")
        // Tenths of the scale from 0 to 10; below 2 is what few services reach.
        .args(["security", "--offline=true", "--threshold=20", SERVICE])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
    let known = run("systemd-analyze", &["verify", SERVICE]);
    assert!(!known.contains("Unknown") && !known.contains("Failed to parse"), "{known}");
}

#[test]
fn the_numbers_that_the_documents_name_are_counted() {
    let counted = read("crates/welcome-server/src/metrics.rs");
    let document = read("docs/operating.md");
    let mut names = BTreeSet::new();
    for word in document.split(|c: char| !(c.is_ascii_lowercase() || c == '_')) {
        if let Some(name) = word.strip_prefix("welcome_").filter(|name| *name != "server") {
            let name = ["_total", "_bucket", "_count", "_sum", "_info"]
                .iter()
                .fold(name, |n, e| n.strip_suffix(e).unwrap_or(n));
            assert!(
                counted.contains(&format!("(\"{name}\"")) || counted.contains(&format!("\"{name}\",")),
                "welcome_{name}"
            );
            names.insert(name.to_owned());
        }
    }
    assert!(names.len() >= 8, "{names:?}");
}

/// How the manual tells of a key.
struct Entry {
    default: Option<String>,
    example: Option<String>,
}

fn manual() -> BTreeMap<String, Entry> {
    let text = read(PAGES[1]).replace("\\(dq", "\"");
    let items = text.split("\n.It Ic ").skip(1).map(|item| item.split("\n.El").next().unwrap());
    items
        .map(|item| {
            let (key, rest) = item.split_once('\n').unwrap();
            let after = |word: &str, start: &str| {
                let line = rest.split(&format!("\n{word}:\n")).nth(1)?.lines().next()?;
                line.strip_prefix(start).map(str::to_owned)
            };
            let default = after("Default", ".Ql ").map(|text| text.strip_suffix(" .").unwrap().to_owned());
            (key.to_owned(), Entry { default, example: after("Example", ".Dl ") })
        })
        .collect()
}

/// Key to value, and whether it is commented out.
fn shipped() -> BTreeMap<String, (String, bool)> {
    let mut found = BTreeMap::new();
    let mut table = String::new();
    for line in read(SHIPPED).lines() {
        let plain = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = plain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = format!("{name}.");
        } else if let Some((key, value)) = plain.split_once(" = ").filter(|_| !plain.starts_with(' ')) {
            let twice = found.insert(format!("{table}{key}"), (value.to_owned(), line.starts_with('#')));
            assert!(twice.is_none(), "{line}");
        }
    }
    found
}

fn parse(text: &str) -> Config {
    let outside = Outside { variable: &|_| None, file: &|_| Ok("postgres://u@h/w".to_owned()) };
    raw::parse(text).and_then(|raw| check(raw, &outside)).unwrap_or_else(|problems| panic!("{problems:?} in {text}"))
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; `make test` installs it"));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
