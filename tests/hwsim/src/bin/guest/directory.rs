//! The server, in namespace `net`, and its operator.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hwsim::PROGRAMS_DIR;
use rustix::process::Signal;
use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::certificate::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, issue};
use crate::network::within;
use crate::process::Daemon;
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
    /// When it does not come up or makes no tokens.
    pub(crate) fn start() -> Result<Self> {
        issue(HOST)?;
        fs::write("/etc/hosts", format!("127.0.0.1 localhost\n{ADDRESS} {HOST}\n")).context("write /etc/hosts")?;
        let daemon = spawn()?;
        await_healthy()?;
        let (enrolment_token, operator_token) =
            (made(&["token"], "enrolment token: ")?, made(&["api-token"], "API token: ")?);
        // What the stations' owners got from the operator.
        fs::write(TOKEN_FILE, &operator_token).context("write the API token")?;
        Ok(Self { enrolment_token, operator_token, daemon })
    }

    /// A token for a router that nobody vouches for.
    ///
    /// # Errors
    /// When the server makes none.
    pub(crate) fn unvouched_token(&self) -> Result<String> {
        made(&["token", "--no-vouch"], "enrolment token: ")
    }

    /// Leaves a token for sharing, and for nothing else, in [`SHARE_TOKEN_FILE`].
    ///
    /// # Errors
    /// When the server makes none.
    pub(crate) fn leave_share_token(&self) -> Result<()> {
        let token = made(&["api-token", "--scope", "share"], "API token: ")?;
        fs::write(SHARE_TOKEN_FILE, token).context("write the token for sharing")
    }

    /// Forgets a router and whatever it announced.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) fn remove_router(&self, router: &str) -> Result<()> {
        let answer = within(NET, || {
            let url = format!("{URL}/v1/operator/routers/{router}");
            client()?.delete(url).header("Authorization", self.authorization()).call().context("remove a router")
        })?;
        ensure!(answer.status() == 204, "removing a router was answered with {}", answer.status());
        Ok(())
    }

    /// The BSSIDs that everybody is told.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) fn listed(&self) -> Result<Vec<String>> {
        let list = self.get("/v1/lookup/list")?;
        let entries = list["entries"].as_array().context("a list has entries")?;
        Ok(entries.iter().filter_map(|entry| entry["bssid"].as_str()).map(str::to_owned).collect())
    }

    /// The BSSIDs of the only network, listed or not.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) fn announced(&self) -> Result<Vec<String>> {
        let networks = self.get("/v1/share/networks")?;
        let bss = networks["networks"][0]["bss"].as_array().cloned().unwrap_or_default();
        Ok(bss.iter().filter_map(|bss| bss["bssid"].as_str()).map(str::to_owned).collect())
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
        await_healthy()
    }

    /// Waits for the only router to enrol, announce its networks and listen for offers; returns its name.
    ///
    /// # Errors
    /// When it does not within 30 seconds.
    pub(crate) fn await_router(&self) -> Result<String> {
        let routers = self.await_routers(1)?;
        Ok(routers[0]["router"].as_str().context("a router has a name")?.to_owned())
    }

    /// Waits for so many routers to do that; returns what the server tells of them.
    ///
    /// # Errors
    /// When they do not within 30 seconds.
    pub(crate) fn await_routers(&self, count: usize) -> Result<Vec<Value>> {
        until(Duration::from_secs(30), "the routers enrol, announce and listen", || {
            let mut answer = self.get("/v1/operator/routers")?;
            let Value::Array(routers) = answer["routers"].take() else { bail!("no routers in {answer}") };
            let is_ready =
                |router: &Value| router["networks"].as_u64() > Some(0) && router["streams"].as_u64() > Some(0);
            Ok(Some(routers).filter(|routers| routers.len() == count && routers.iter().all(is_ready)))
        })
    }

    /// A token for one more router.
    ///
    /// # Errors
    /// When the server makes none.
    pub(crate) fn another_enrolment_token(&self) -> Result<String> {
        made(&["token"], "enrolment token: ")
    }

    /// Gives a router an offer.
    ///
    /// # Errors
    /// When the server refuses it.
    pub(crate) fn put_offer(&self, router: &str, offer: &Value) -> Result<()> {
        let id = offer["id"].as_str().context("an offer has an id")?;
        let url = format!("{URL}/v1/operator/offers/{id}");
        let offer = json!({"offer": offer, "for": {"routers": [router]}});
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
}

fn await_healthy() -> Result<()> {
    until(Duration::from_secs(20), "the server answers", || {
        Ok(within(NET, || client()?.get(format!("{URL}/healthz")).call().context("ask")).ok().map(drop))
    })
}

fn spawn() -> Result<Daemon> {
    let program = format!("{PROGRAMS_DIR}/{LOG}");
    let listen = format!("{ADDRESS}:8480");
    let words = ["serve", "--listen", &listen, "--data", DATA, "--tls-cert", CERTIFICATE_FILE, "--tls-key", KEY_FILE];
    Daemon::start(LOG, NET, &[&[program.as_str()][..], &words].concat())
}

/// A token of the running server, made on its command line.
fn made(command: &[&str], prefix: &str) -> Result<String> {
    let output = Command::new(format!("{PROGRAMS_DIR}/{LOG}")).args(command).args(["--data", DATA]).output()?;
    let said = String::from_utf8(output.stdout)?;
    said.strip_prefix(prefix)
        .map(|token| token.trim_end().to_owned())
        .with_context(|| format!("{command:?} said {said:?}"))
}

/// A new one for each request: kept connections would not survive the server.
pub(crate) fn client() -> Result<ureq::Agent> {
    let authority = Certificate::from_pem(&fs::read(AUTHORITY_FILE).context("read the authority")?)?;
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[authority])).build();
    Ok(ureq::Agent::config_builder().tls_config(tls).timeout_global(Some(Duration::from_secs(10))).build().new_agent())
}

const HOST: &str = "directory.test";
const ADDRESS: &str = "198.51.100.2";
const DATA: &str = "/tmp/welcome-server";
/// What lets a client have the keys of shared networks.
pub(crate) const TOKEN_FILE: &str = "/tmp/api-token";
/// What lets a sharer offer and prove a network.
pub(crate) const SHARE_TOKEN_FILE: &str = "/tmp/share-token";

/// Name of the program and of its log.
pub(crate) const LOG: &str = "welcome-server";
