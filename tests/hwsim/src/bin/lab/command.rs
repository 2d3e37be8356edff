//! Runs the host's ordinary tools: what they print comes back, what they complain about goes into the error.

use std::ffi::OsStr;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// A command from its words, with the directories of system programs in its `PATH`.
pub(crate) fn command<S: AsRef<OsStr>>(words: &[S]) -> Command {
    let (program, arguments) = words.split_first().expect("every caller names a program");
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8").env("PATH", path_of_root());
    command
}

/// Runs it to its end and returns what it printed.
///
/// # Errors
/// When it cannot be started or does not exit with 0; the error ends with its last lines.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("start {}", name(command)))?;
    if !status.success() {
        bail!("{} ended with {status}: {}", name(command), last_lines(&String::from_utf8_lossy(&stderr), 10));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// The last `count` lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Users other than root often lack the sbin directories, where half of the tools are.
pub(crate) fn path_of_root() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_failed_command_ends_with_what_it_said() {
        let error = output(&mut command(&["sh", "-c", "echo no such thing >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().ends_with("no such thing"), "{error}");
    }

    #[test]
    fn last_lines_of_a_short_text_are_all_of_it() {
        assert_eq!(last_lines("a\nb\n", 5), "a\nb");
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
    }
}
