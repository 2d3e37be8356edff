//! The server, in namespace `net`, and its operator.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hwsim::PROGRAMS_DIR;
use rustix::process::Signal;
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::certificate::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, issue};
use crate::network::within;
use crate::process::{Daemon, log_text};
use crate::wait::until;

/// Namespace of the Internet side.
pub(crate) const NET: &str = "net";

/// Where agent, client and operator find the server.
pub(crate) const URL: &str = "https://directory.test:8480";

/// A running `welcome-server`.
pub(crate) struct Directory {
    daemon: Daemon,
    /// For the agent's configuration.
    pub(crate) enrolment_token: String,
    operator_token: String,
}

impl Directory {
    /// Starts it for the first time, with a certificate of its own.
    ///
    /// # Errors
    /// When it does not come up or prints no tokens.
    pub(crate) fn start() -> Result<Self> {
        issue(HOST)?;
        fs::write("/etc/hosts", format!("127.0.0.1 localhost\n{ADDRESS} {HOST}\n")).context("write /etc/hosts")?;
        let daemon = spawn()?;
        let token =
            |name: &str| until(Duration::from_secs(20), &format!("the server prints its {name}"), || Ok(printed(name)));
        let directory =
            Self { enrolment_token: token("enrolment token")?, operator_token: token("operator token")?, daemon };
        directory.await_healthy()?;
        Ok(directory)
    }

    /// Kills it without a chance to clean up.
    ///
    /// # Errors
    /// When it is not running.
    pub(crate) fn crash(&mut self) -> Result<()> {
        self.daemon.stop(Signal::KILL, Duration::from_secs(5)).map(drop)
    }

    /// Starts it again on what it had stored.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.daemon = spawn()?;
        self.await_healthy()
    }

    /// Waits for the only router to enrol, announce its networks and listen for offers; returns its name.
    ///
    /// # Errors
    /// When it does not within 30 seconds.
    pub(crate) fn await_router(&self) -> Result<String> {
        until(Duration::from_secs(30), "the router enrols, announces and listens", || {
            let answer = self.get("/v1/operator/routers")?;
            let router = &answer["routers"][0];
            let ready = router["networks"].as_u64() > Some(0) && router["streams"].as_u64() > Some(0);
            Ok(router["router"].as_str().filter(|_| ready).map(str::to_owned))
        })
    }

    /// Gives a router an offer.
    ///
    /// # Errors
    /// When the server refuses it.
    pub(crate) fn put_offer(&self, router: &str, offer: &Value) -> Result<()> {
        let id = offer["id"].as_str().context("an offer has an id")?;
        let url = format!("{URL}/v1/operator/routers/{router}/offers/{id}");
        let answer = within(NET, || {
            let request = client()?.put(&url).header("Authorization", self.authorization());
            request.send_json(offer).context("put an offer")
        })?;
        ensure!(answer.status() == 204, "the offer was answered with {}", answer.status());
        Ok(())
    }

    /// How often this router reported that an offer was shown.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) fn shown(&self, router: &str) -> Result<u64> {
        let reports = self.get(&format!("/v1/operator/routers/{router}/reports"))?;
        let totals = reports["totals"].as_array().context("reports have totals")?;
        Ok(totals.iter().filter(|total| total["what"] == "shown").filter_map(|total| total["count"].as_u64()).sum())
    }

    fn get(&self, path: &str) -> Result<Value> {
        within(NET, || {
            let mut answer =
                client()?.get(format!("{URL}{path}")).header("Authorization", self.authorization()).call()?;
            answer.body_mut().read_json().with_context(|| format!("read {path}"))
        })
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.operator_token)
    }

    fn await_healthy(&self) -> Result<()> {
        until(Duration::from_secs(20), "the server answers", || {
            Ok(within(NET, || client()?.get(format!("{URL}/healthz")).call().context("ask")).ok().map(drop))
        })
    }
}

fn spawn() -> Result<Daemon> {
    let program = format!("{PROGRAMS_DIR}/{LOG}");
    let listen = format!("{ADDRESS}:8480");
    let words = ["serve", "--listen", &listen, "--data", DATA, "--tls-cert", CERTIFICATE_FILE, "--tls-key", KEY_FILE];
    Daemon::start(LOG, NET, &[&[program.as_str()][..], &words].concat())
}

fn printed(name: &str) -> Option<String> {
    let prefix = format!("{name}: ");
    log_text(LOG).lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
}

/// A new one for each request: kept connections would not survive the server.
fn client() -> Result<ureq::Agent> {
    let authority = Certificate::from_pem(&fs::read(AUTHORITY_FILE).context("read the authority")?)?;
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[authority])).build();
    Ok(ureq::Agent::config_builder().tls_config(tls).timeout_global(Some(Duration::from_secs(10))).build().new_agent())
}

const HOST: &str = "directory.test";
const ADDRESS: &str = "198.51.100.2";
const DATA: &str = "/tmp/welcome-server";

/// Name of the program and of its log.
const LOG: &str = "welcome-server";
