//! The program as an operator starts it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::{Client, SOON};

/// The running program.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) out: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
}

impl Program {
    pub(crate) async fn start(here: &Path, options: &[&str], level: &str) -> Self {
        Self::start_with(here, options, &[("RUST_LOG", level)]).await
    }

    /// With these variables in its environment.
    pub(crate) async fn start_with(here: &Path, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = command(here, options)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(here.join("log")).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { child, out, url: String::new() };
        program.url = program.line_after("listening on ").await;
        program
    }

    pub(crate) async fn line_after(&mut self, prefix: &str) -> String {
        let line = timeout(SOON, self.out.next_line()).await.unwrap().unwrap().expect("a line");
        line.strip_prefix(prefix).unwrap_or_else(|| panic!("{line:?} instead of {prefix:?}")).to_owned()
    }

    pub(crate) fn client(&self) -> Client {
        Client { addr: self.url.strip_prefix("http://").unwrap().parse().unwrap() }
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().await.unwrap().success());
    }

    /// Sends SIGTERM; returns the exit code and the lines that came after those already read.
    pub(crate) async fn terminate(mut self) -> (Option<i32>, Vec<String>) {
        self.signal("-TERM").await;
        let status = timeout(Duration::from_secs(4), self.child.wait()).await.expect("gone within 4 s").unwrap();
        let mut lines = Vec::new();
        while let Some(line) = self.out.next_line().await.unwrap() {
            lines.push(line);
        }
        (status.code(), lines)
    }
}

pub(crate) async fn run(here: &Path, options: &[&str]) -> Output {
    timeout(SOON, command(here, options).output()).await.unwrap().unwrap()
}

pub(crate) fn command(here: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_welcome-server"));
    command.args(options).current_dir(here).kill_on_drop(true);
    command
}
