//! The command line: `run`, `check`, `status`, `withdraw`, `restore`, `version`. Only its shape; who does the work is `main`'s affair.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::air::record;
use crate::config;

/// Reads the command line, program name first.
///
/// # Errors
/// For what it cannot understand, and for `--help`; clap tells them apart by [`clap::Error::use_stderr`].
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let Cli { command, .. } = Cli::from_arg_matches(&definition().try_get_matches_from(args)?)?;
    Ok(command.unwrap_or(Command::Version))
}

/// All of it, for whoever compares it with the manual.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command().override_help(HELP).mut_subcommands(|command| command.override_help(HELP))
}

/// What `--help` says, of each command the same. To have clap put it together costs a router 40 kB.
const HELP: &str = include_str!("cli/help.txt");

/// Greets the guests of a shared Wi-Fi.
#[derive(Debug, Parser)]
#[command(name = "welcomed", disable_help_subcommand = true)]
#[command(arg_required_else_help = true, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Print the version
    // Not clap's own flag: packagers compare the output with the bare version.
    #[arg(short = 'V', long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run in the foreground
    Run(Run),
    /// Say what is wrong with the configuration; exits with 78 if anything is
    Check(Check),
    /// Ask the running agent how it is
    Status(Status),
    /// Take what the agent added to /etc/config/dhcp out of it again, and the rules and the challenge of one that was
    /// killed; for the removal of the package
    Withdraw(Withdraw),
    /// Give the networks their own names back, if an agent that was killed has left a challenge on the air
    Restore(Restore),
    /// Print the version
    Version,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration to read
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// Log this and what is more severe, whatever the configuration says
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// Where to log: `auto` is stderr on a terminal and syslog elsewhere
    #[arg(long, value_name = "WHERE", default_value = "auto")]
    pub log: LogTo,
    /// On SIGUSR1 block the whole agent for so long; shows that no join waits for it
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub debug_stall: Option<u64>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration to check
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Ask at this socket of the agent alone, and not over ubus
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The whole answer, for programs
    #[arg(long)]
    pub json: bool,
}

/// Options of `withdraw`.
#[derive(Debug, Args)]
pub struct Withdraw {
    /// Where ubus listens
    #[arg(long, value_name = "PATH", default_value = config::DEFAULT_UBUS_SOCKET)]
    pub socket: PathBuf,
    /// Where the agent notes what it added
    #[arg(long, value_name = "DIR", default_value = config::DEFAULT_STATE_DIR)]
    pub state_dir: PathBuf,
    /// Where the agent notes what its radios carry
    #[arg(long, value_name = "FILE", default_value = record::DEFAULT_FILE)]
    pub record: PathBuf,
}

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// Where the agent notes what its radios carry
    #[arg(long, value_name = "FILE", default_value = record::DEFAULT_FILE)]
    pub record: PathBuf,
    /// Wait until it is time; the agent starts this beside itself
    #[arg(long)]
    pub when_due: bool,
}

/// How much to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// The agent cannot do its work
    Error,
    /// Somebody should look
    Warn,
    /// Rare changes of state
    Info,
    /// Why something was done or skipped; names stations
    Debug,
    /// Every message
    Trace,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// Where to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogTo {
    /// stderr on a terminal, syslog elsewhere
    Auto,
    /// stderr
    Stderr,
    /// syslog
    Syslog,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, clap::Error> {
        super::read(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn a_bare_run_has_the_defaults_of_the_manual() {
        let Ok(Command::Run(run)) = read("welcomed run") else { panic!() };
        assert_eq!(run.config.to_str(), Some("/etc/config/welcomed"));
        assert_eq!((run.log_level, run.log, run.debug_stall), (None, LogTo::Auto, None));
    }

    #[test]
    fn the_version_is_asked_for_in_three_ways() {
        for line in ["welcomed version", "welcomed --version", "welcomed -V"] {
            assert!(matches!(read(line), Ok(Command::Version)), "{line}");
        }
    }

    #[test]
    fn help_tells_of_every_command_and_option() {
        fn tell(command: &clap::Command) {
            let mut command = command.clone();
            assert_eq!(command.render_long_help().to_string().trim(), HELP.trim(), "{}", command.get_name());
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                let long = format!("--{}", argument.get_long().unwrap());
                let line = HELP.lines().find(|line| line.split([' ', ',']).any(|word| word == long));
                let line = line.unwrap_or_else(|| panic!("help lacks {long} of {}", command.get_name()));
                if argument.get_action().takes_values() {
                    let values: Vec<_> =
                        argument.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
                    let value = if values.is_empty() {
                        argument.get_value_names().unwrap()[0].to_string()
                    } else {
                        values.join("|")
                    };
                    assert!(format!("{line} ").contains(&format!("{long} {value} ")), "{long} is told without {value}");
                    for default in argument.get_default_values() {
                        assert!(HELP.contains(default.to_str().unwrap()), "{long} is told without its default");
                    }
                }
            }
            for command in command.get_subcommands() {
                assert!(HELP.contains(&format!("\n  {}", command.get_name())), "help lacks {}", command.get_name());
                tell(command);
            }
        }
        tell(&definition());
    }

    #[test]
    fn nothing_and_nonsense_are_wrong_usage_and_help_is_not() {
        for line in ["welcomed", "welcomed fly", "welcomed run --log nowhere", "welcomed run --version"] {
            assert!(read(line).unwrap_err().use_stderr(), "{line}");
        }
        assert!(!read("welcomed --help").unwrap_err().use_stderr());
    }
}
