//! The manual page says what the command line takes, and what is shipped beside the program is sound.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "who skips says so")]

use clap::{Command, CommandFactory as _};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command as Program;
use welcome_cli::cli::Cli;

const PAGE: &str = include_str!("../../../docs/man/welcome.1");
const UNIT: &str = include_str!("../packaging/welcome-watch.service");

#[test]
fn the_page_has_the_commands_options_and_defaults_that_there_are() {
    let mut definition = Cli::command();
    definition.build();
    let (mut commands, mut options) = (BTreeSet::new(), BTreeSet::new());
    walk(&definition, &mut commands, &mut options);
    assert_eq!(items(".It Cm "), commands);
    assert_eq!(items(".It Fl -"), options);
}

fn walk(command: &Command, commands: &mut BTreeSet<String>, options: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        options.extend(argument.get_long().map(str::to_owned));
        for default in argument.get_default_values() {
            let default = default.to_str().unwrap();
            // A switch has one that nobody needs to know.
            assert!(default == "false" || PAGE.contains(&format!("\nDefault: {default}.\n")), "{argument}: {default}");
        }
    }
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        commands.insert(inner.get_name().to_owned());
        walk(inner, commands, options);
    }
}

fn items(start: &str) -> BTreeSet<String> {
    PAGE.lines()
        .filter_map(|line| line.strip_prefix(start))
        .map(|rest| rest.split(' ').next().unwrap().into())
        .collect()
}

#[test]
fn page_and_help_name_the_same_exit_codes() {
    let help = Cli::command().render_long_help().to_string();
    let help = help.split("Exit status:").nth(1).unwrap();
    let number = |word: &str| word.parse::<u8>().ok();
    let told: BTreeSet<u8> = help.lines().filter_map(|line| number(line.split_whitespace().next()?)).collect();
    let page = PAGE.split(".Sh EXIT STATUS").nth(1).unwrap().split(".Sh ").next().unwrap();
    let listed: BTreeSet<u8> = page.lines().filter_map(|line| number(line.strip_prefix(".It ")?)).collect();
    assert_eq!(listed, told);
}

#[test]
fn mandoc_has_nothing_to_say_of_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man/welcome.1");
    let output = Program::new("mandoc").arg("-Tlint").arg(page).output().expect("mandoc should be installed");
    let said = String::from_utf8(output.stdout).unwrap();
    // The other pages are not installed here.
    let rest: Vec<_> = said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
    assert!(rest.is_empty(), "{rest:#?}");
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = Program::new(env!("CARGO_BIN_EXE_welcome"))
            .args(["completions", shell])
            .env_remove("HOME")
            .env("XDG_STATE_HOME", "/nonexistent")
            .output()
            .unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("trust-new-key") && script.contains("verify"), "{shell}");
    }
    let output = Program::new(env!("CARGO_BIN_EXE_welcome")).args(["completions", "bash"]).output().unwrap();
    let mut shell = Program::new("bash").arg("-n").stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), &output.stdout).unwrap();
    assert!(shell.wait().unwrap().success(), "bash understands it");
}

#[test]
fn the_unit_starts_a_command_that_there_is() {
    let start = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words: Vec<_> = start.split(' ').filter(|word| !word.starts_with('$')).collect();
    assert!(<Cli as clap::Parser>::try_parse_from(words).is_ok(), "{start}");
}

#[test]
fn systemd_has_nothing_to_say_of_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("welcome-watch.service");
    // Where it is here: systemd looks for programs in the system's directories alone.
    let program = format!("ExecStart={} ", env!("CARGO_BIN_EXE_welcome"));
    std::fs::write(&unit, UNIT.replace("ExecStart=welcome ", &program)).unwrap();
    let analyze = Program::new("systemd-analyze")
        .args(["verify", "--user", "--man=no"])
        .arg(&unit)
        .env("XDG_RUNTIME_DIR", dir.path())
        .env("HOME", dir.path())
        .output();
    match analyze {
        // It names unknown keys and goes on.
        Ok(output) => {
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => eprintln!("skipped: there is no systemd-analyze"),
        Err(error) => panic!("{error}"),
    }
}
