//! The client, on a station.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::certificate::AUTHORITY_FILE;
use crate::directory::{SHARE_TOKEN_FILE, TOKEN_FILE, URL};
use crate::process::{Daemon, Effort, run, tool};
use crate::station::{DHCP_COMMAND, FREQUENCY, Station, WPA_DIR};
use crate::wait::until;

/// [`hwsim::PROGRAMS_DIR`] has it.
const PROGRAM: &str = "/programs/welcome";

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

    /// The names of the events, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.events.iter().filter_map(|event| event["event"].as_str()).collect()
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

/// A command of the client's, as it goes on.
pub(crate) struct Running(Daemon);

impl Running {
    /// Waits for the first event of this name.
    ///
    /// # Errors
    /// When there is none in time.
    pub(crate) fn first(&self, name: &str) -> Result<Value> {
        until(Duration::from_secs(40), &format!("the client tells of {name}"), || {
            Ok(self.events().into_iter().find(|event| event["event"] == name))
        })
    }

    /// What it has done since it began.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn effort(&self) -> Result<Effort> {
        self.0.effort()
    }

    /// Interrupts it, as by Ctrl-C.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) fn interrupt(mut self) -> Result<Visit> {
        let (status, _) = self.0.stop(Signal::INT, Duration::from_secs(10))?;
        Ok(Visit { code: status.code().context("it was killed")?, events: self.events() })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) fn end(mut self) -> Result<Visit> {
        let status = until(Duration::from_secs(30), "the client ends", || self.0.ended())?;
        Ok(Visit { code: status.code().context("it was killed")?, events: self.events() })
    }

    fn events(&self) -> Vec<Value> {
        self.0.said().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
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

    /// Does something of what sharers do.
    ///
    /// # Errors
    /// When the client does not end.
    pub(crate) fn share(&self, what: &[&str]) -> Result<Visit> {
        let server = ["--server", URL, "--ca-file", AUTHORITY_FILE, "--token-file", SHARE_TOKEN_FILE];
        self.run("share", &[&server[..], &["--freq", FREQUENCY], what].concat())
    }

    /// Begins to prove a network, listening on a channel of this frequency in MHz.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn begin_proof(&self, which: &[&str], freq: &str) -> Result<Running> {
        let server = ["--server", URL, "--ca-file", AUTHORITY_FILE, "--token-file", SHARE_TOKEN_FILE];
        let options = [&server[..], &["--freq", freq, "verify"], which].concat();
        let state_dir = self.state_dir();
        let name = format!("welcome-proof-{}-{freq}", self.0.namespace);
        Ok(Running(Daemon::start(&name, &self.0.namespace, &self.words("share", &state_dir, &options))?))
    }

    /// Begins to say the messages of a network from the station, which is in it; the log is of that name.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn serve(&self, name: &str, with_server: bool) -> Result<Running> {
        let server = ["--server", URL, "--ca-file", AUTHORITY_FILE, "--token-file", SHARE_TOKEN_FILE, "serve"];
        let options = if with_server { &server[..] } else { &["serve"] };
        let state_dir = self.state_dir();
        let words = self.words("share", &state_dir, options);
        Ok(Running(Daemon::start(&format!("welcome-serve-{name}"), &self.0.namespace, &words)?))
    }

    /// Puts a file into the client's state directory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep(&self, name: &str, text: &str) -> Result<()> {
        let dir = self.state_dir();
        fs::create_dir_all(&dir).context("make the state directory")?;
        fs::write(format!("{dir}/{name}"), text).with_context(|| format!("write {name}"))
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

    /// Joins and stays, for as long as it is not dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn watch(&self) -> Result<Running> {
        let state_dir = self.state_dir();
        let words = self.words("watch", &state_dir, &["--freq", FREQUENCY, "--dhcp", DHCP_COMMAND]);
        let name = format!("welcome-watch-{}", self.0.namespace);
        Ok(Running(Daemon::start(&name, &self.0.namespace, &words)?))
    }

    fn run(&self, job: &str, options: &[&str]) -> Result<Visit> {
        let namespace = &self.0.namespace;
        let state_dir = self.state_dir();
        let words = self.words(job, &state_dir, options);
        let outcome = run(&format!("welcome-{namespace}"), namespace, &words, Duration::from_secs(60))?;
        let events = outcome.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        let events = events.with_context(|| format!("understand what {job} printed: {}", outcome.stdout))?;
        Ok(Visit { code: outcome.code, events })
    }

    fn words<'a>(&'a self, job: &'a str, state_dir: &'a str, options: &[&'a str]) -> Vec<&'a str> {
        let interface = &self.0.interface;
        let common =
            [PROGRAM, job, "--json", "--interface", interface, "--ctrl-dir", WPA_DIR, "--state-dir", state_dir];
        [&common[..], options].concat()
    }

    fn state_dir(&self) -> String {
        format!("/tmp/welcome-{}", self.0.namespace)
    }
}
