//! The agent, beside hostapd.

use std::fs;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hwsim::PROGRAMS_DIR;
use rustix::process::Signal;
use serde_json::Value;

use crate::access_point::{AP, HOSTAPD_DIR};
use crate::certificate::AUTHORITY_FILE;
use crate::directory::URL;
use crate::process::{Daemon, run};
use crate::scene::{leases_of, of_router};
use crate::wait::until;

/// For how long the agent sleeps when it is told to.
pub(crate) const STALL: Duration = Duration::from_secs(20);

/// What the agent shares.
pub(crate) struct Shared<'a> {
    pub(crate) network: &'a str,
    /// Passphrase of the key with the id `shared`; the owner's has the id `owner`.
    pub(crate) key: &'a str,
}

/// A running `welcomed`.
pub(crate) struct Agent {
    daemon: Daemon,
    namespace: String,
}

impl Agent {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start(shared: &Shared<'_>, enrolment_token: &str) -> Result<Self> {
        Self::run(&render(shared, enrolment_token))
    }

    /// Starts it with what is to follow after its section `main`, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn run(config: &str) -> Result<Self> {
        Self::run_in(AP, config)
    }

    /// The same on the router in another namespace, with files of its own.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn run_in(namespace: &str, config: &str) -> Result<Self> {
        let file = format!("/tmp/{}.uci", of_router(LOG, namespace));
        fs::write(&file, main_section(namespace) + config).context("write the agent's configuration")?;
        let program = format!("{PROGRAMS_DIR}/welcomed");
        let stall = STALL.as_secs().to_string();
        let words = [&program, "run", "--config", &file, "--log", "stderr", "--debug-stall", &stall];
        let daemon = Daemon::start(&of_router(LOG, namespace), namespace, &words)?;
        let mut agent = Self { daemon, namespace: namespace.to_owned() };
        until(Duration::from_secs(20), "the agent answers", || {
            if let Some(status) = agent.daemon.ended()? {
                bail!("the agent ended with {status}");
            }
            Ok(agent.status().ok())
        })?;
        Ok(agent)
    }

    /// What `welcomed status --json` prints.
    ///
    /// # Errors
    /// When the agent does not answer within two seconds.
    pub(crate) fn status(&self) -> Result<Value> {
        let program = format!("{PROGRAMS_DIR}/welcomed");
        let socket = status_socket(&self.namespace);
        let words = [&program, "status", "--json", "--socket", &socket];
        let outcome = run("welcomed-status", &self.namespace, &words, Duration::from_secs(2))?;
        serde_json::from_str(&outcome.stdout).context("understand the agent's status")
    }

    /// Has the agent sleep for [`STALL`].
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn stall(&self) -> Result<()> {
        self.daemon.signal(Signal::USR1)
    }

    /// Kills it without a chance to clean up.
    ///
    /// # Errors
    /// When it is not running.
    pub(crate) fn crash(&mut self) -> Result<()> {
        self.daemon.stop(Signal::KILL, Duration::from_secs(5)).map(drop)
    }

    /// Stops it in order; returns how it ended and after what time.
    ///
    /// # Errors
    /// When it is still there after ten seconds.
    pub(crate) fn stop(&mut self) -> Result<(ExitStatus, Duration)> {
        self.daemon.stop(Signal::TERM, Duration::from_secs(10))
    }
}

/// The section `main`, the same in every story.
fn main_section(namespace: &str) -> String {
    let (leases, status_socket) = (leases_of(namespace), status_socket(namespace));
    let state_dir = format!("/tmp/{}", of_router(LOG, namespace));
    format!(
        "config welcomed 'main'
\toption enabled '1'
\toption log_level 'debug'
\toption hostapd_dir '{HOSTAPD_DIR}'
\toption leases '{leases}'
\toption status_socket '{status_socket}'
\toption state_dir '{state_dir}'
\toption cache_dir '{state_dir}/content'
\toption clock 'system'

"
    )
}

/// The section `server`: where it is, and how to enrol.
pub(crate) fn server_section(enrolment_token: &str) -> String {
    format!(
        "config server 'server'
\toption url '{URL}'
\toption token '{enrolment_token}'
\toption ca_file '{AUTHORITY_FILE}'

"
    )
}

fn render(shared: &Shared<'_>, enrolment_token: &str) -> String {
    let Shared { network, key } = shared;
    let server = server_section(enrolment_token);
    format!(
        "{server}config network '{network}'
\tlist ifname 'wlan0'
\toption credential 'keyid'
\tlist shared_keyid 'shared'
\tlist owner_keyid 'owner'
\toption share_key '1'
\toption key '{key}'
"
    )
}

fn status_socket(namespace: &str) -> String {
    format!("/run/{}/status.sock", of_router(LOG, namespace))
}

/// Name of the program and of its log.
const LOG: &str = "welcomed";
