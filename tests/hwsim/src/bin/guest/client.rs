//! The client, on a station.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hwsim::PROGRAMS_DIR;
use serde_json::Value;

use crate::certificate::AUTHORITY_FILE;
use crate::directory::{TOKEN_FILE, URL};
use crate::process::{run, tool};
use crate::station::{DHCP_COMMAND, FREQUENCY, Station, WPA_DIR};

/// Exit code of `welcome`: a message arrived.
pub(crate) const GREETED: i32 = 0;

/// Exit code of `welcome`: no message came.
pub(crate) const NOT_GREETED: i32 = 3;

/// Exit code of `welcome`: nothing that is listed can be joined.
pub(crate) const NOT_HEARD: i32 = 4;

/// What one run of `welcome` told.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) code: i32,
    events: Vec<Value>,
}

impl Visit {
    /// When the first event of this name was, in seconds of Unix time.
    ///
    /// # Errors
    /// When there was none.
    pub(crate) fn at(&self, event: &str) -> Result<f64> {
        self.first(event)?["at"].as_f64().with_context(|| format!("{event} has no time"))
    }

    /// Every event of this name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |event| event["event"] == name)
    }

    /// The first event of this name.
    ///
    /// # Errors
    /// When there was none.
    pub(crate) fn first(&self, name: &str) -> Result<&Value> {
        let found = self.events.iter().find(|event| event["event"] == name);
        found.with_context(|| format!("the client told of no {name}: exit code {}, {:?}", self.code, self.events))
    }
}

/// The client on one station, with a memory of its own.
pub(crate) struct Client<'a>(pub(crate) &'a Station);

impl Client<'_> {
    /// Gets the list of shared networks from the server and keeps it.
    ///
    /// # Errors
    /// When the server gave none.
    pub(crate) fn fetch(&self) -> Result<()> {
        let visit = self.run("fetch", &["--server", URL, "--ca-file", AUTHORITY_FILE, "--token-file", TOKEN_FILE])?;
        ensure!(visit.code == 0, "fetch ended with {}", visit.code);
        Ok(())
    }

    /// The same as an application that may have no keys.
    ///
    /// # Errors
    /// When the server gave none.
    pub(crate) fn fetch_without_keys(&self) -> Result<()> {
        let visit = self.run("fetch", &["--server", URL, "--ca-file", AUTHORITY_FILE])?;
        ensure!(visit.code == 0, "fetch ended with {}", visit.code);
        Ok(())
    }

    /// Takes over the list that another station fetched.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn copy_list_of(&self, other: &Client<'_>) -> Result<()> {
        tool(&["cp", "-r", &other.state_dir(), &self.state_dir()])
    }

    /// Scans, joins a listed network and waits for a message.
    ///
    /// # Errors
    /// When the client does not end.
    pub(crate) fn connect(&self, wait: Duration) -> Result<Visit> {
        self.connect_on(FREQUENCY, wait)
    }

    /// The same on a channel of this frequency in MHz.
    ///
    /// # Errors
    /// When the client does not end.
    pub(crate) fn connect_on(&self, freq: &str, wait: Duration) -> Result<Visit> {
        let wait = wait.as_secs().to_string();
        self.run("connect", &["--freq", freq, "--wait", &wait, "--dhcp", DHCP_COMMAND])
    }

    /// Waits for a message on the network that the station is in.
    ///
    /// # Errors
    /// When the client does not end.
    pub(crate) fn receive(&self, wait: Duration) -> Result<Visit> {
        self.run("receive", &["--wait", &wait.as_secs().to_string()])
    }

    /// Leaves the network that `connect` joined.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn leave(&self) -> Result<()> {
        let visit = self.run("leave", &[])?;
        ensure!(visit.code == 0, "leave ended with {}", visit.code);
        Ok(())
    }

    fn run(&self, job: &str, options: &[&str]) -> Result<Visit> {
        let Station { namespace, interface, .. } = self.0;
        let program = format!("{PROGRAMS_DIR}/welcome");
        let state_dir = self.state_dir();
        let common =
            [&program, job, "--json", "--interface", interface, "--ctrl-dir", WPA_DIR, "--state-dir", &state_dir];
        let words = [&common[..], options].concat();
        let outcome = run(&format!("welcome-{namespace}"), namespace, &words, Duration::from_secs(60))?;
        let events = outcome.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        let events = events.with_context(|| format!("understand what {job} printed: {}", outcome.stdout))?;
        Ok(Visit { code: outcome.code, events })
    }

    fn state_dir(&self) -> String {
        format!("/tmp/welcome-{}", self.0.namespace)
    }
}
