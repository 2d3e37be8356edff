//! The manual page says what the command line takes.

use std::collections::BTreeSet;

use clap::CommandFactory as _;

use crate::cli::Cli;

const PAGE: &str = include_str!("../../../docs/man/welcome-server.8");

#[test]
fn the_page_has_the_commands_and_options_that_there_are() {
    let synopsis = PAGE.split(".Sh SYNOPSIS").nth(1).unwrap().split(".Sh ").next().unwrap();
    let mut options: BTreeSet<String> = ["version", "help"].map(str::to_owned).into();
    let mut commands = BTreeSet::new();
    let mut definition = Cli::command();
    definition.build();
    for command in definition.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        commands.insert(name.to_owned());
        let usage = synopsis.split(&format!("\n.Cm {name}\n")).nth(1);
        let usage = usage.unwrap_or_else(|| panic!("no {name} in SYNOPSIS")).split("\n.Nm").next().unwrap();
        let named: BTreeSet<_> = usage.lines().filter_map(|l| l.strip_prefix(".Op Fl -")).map(first_word).collect();
        let shown: Vec<_> = command.get_arguments().filter(|a| a.get_long().is_some_and(|l| l != "help")).collect();
        let longs: BTreeSet<_> = shown.iter().filter_map(|a| a.get_long().map(str::to_owned)).collect();
        assert_eq!(named, longs, "{name}");
        let operands: Vec<_> = command.get_positionals().map(|a| format!(".Ar {}", a.get_id())).collect();
        let named: Vec<_> = usage.lines().filter(|line| line.starts_with(".Ar ")).collect();
        assert_eq!(named, operands, "{name}");
        for argument in shown {
            for default in argument.get_default_values() {
                let default = default.to_str().unwrap();
                // A switch has one that nobody needs to know.
                let said = PAGE.contains(&format!("\nDefault: {default}.\n"));
                assert!(default == "false" || said, "{name}: the default {default}");
            }
        }
        options.extend(longs);
    }
    let items = |start: &str| PAGE.lines().filter_map(|l| l.strip_prefix(start)).map(first_word).collect();
    assert_eq!(commands, items(".It Cm "));
    assert_eq!(options, items(".It Fl -"));
}

#[test]
fn the_page_has_the_exit_codes_that_there_are() {
    for code in [0, 1, crate::EXIT_USAGE, crate::EXIT_CONFIG] {
        assert!(PAGE.contains(&format!("\n.It {code}\n")), "{code}");
    }
}

fn first_word(line: &str) -> String {
    line.split(' ').next().unwrap_or_default().to_owned()
}
