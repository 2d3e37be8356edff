//! `welcome-server check`: tries what a start would use, and says what it found.
//!
//! Changes nothing: makes no directory, no table and no key, and takes no request.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use crate::app::unix_now;
use crate::config::{Config, MasterKey};
use crate::key::org_place;
use crate::open::NO_KEY;
use crate::seal::{MASTER_KEY, Seal};
use crate::store::{DATABASE, Looked, look};
use crate::tls::{self, RENEW_BEFORE, TlsFiles};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// What was looked at, in one word.
    pub what: &'static str,
    /// What was found, and what to do about it.
    pub text: String,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// A start works; somebody should look at it.
    Warning,
    /// A start fails, or nobody would be served.
    Bad,
}

/// Looks at everything, in the order of a start.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let runs = is_locked(&config.data);
    let mut found = vec![data(&config.data, runs)];
    let looked = look(&config.data, config.database.as_ref()).await;
    found.push(database(config, &looked));
    found.push(master_key(config, looked.ok().flatten().as_ref()));
    found.push(certificate(config));
    found.push(address("listen", config.listen, runs).await);
    if let Some(addr) = config.metrics {
        found.push(address("metrics", addr, runs).await);
    }
    if config.tls.is_none() && config.behind_proxy.is_empty() && !config.listen.ip().is_loopback() {
        let text = "plain HTTP beyond this machine: set tls.cert and tls.key, or behind_proxy";
        found.push(finding(Level::Warning, "listen", text));
    }
    found
}

fn finding(level: Level, what: &'static str, text: impl Into<String>) -> Finding {
    Finding { level, what, text: text.into() }
}

/// Whether a server runs on this directory.
fn is_locked(data: &Path) -> bool {
    File::open(data.join("lock")).is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

fn data(data: &Path, runs: bool) -> Finding {
    let shown = data.display();
    if runs {
        return finding(Level::Good, "data", format!("{shown}: a server runs on it"));
    }
    match data.metadata() {
        Ok(there) if !there.is_dir() => finding(Level::Bad, "data", format!("{shown} is no directory")),
        Ok(there) if there.permissions().readonly() => {
            finding(Level::Bad, "data", format!("{shown} cannot be written: make it writable for this user"))
        }
        Ok(_) => finding(Level::Good, "data", format!("{shown}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            finding(Level::Good, "data", format!("{shown}: the first start makes it"))
        }
        Err(error) => finding(Level::Bad, "data", format!("{shown}: {error}")),
    }
}

fn database(config: &Config, looked: &anyhow::Result<Option<Looked>>) -> Finding {
    let file = config.data.join(DATABASE);
    let name = config.database.as_ref().map_or_else(|| file.display().to_string(), |_| "PostgreSQL".to_owned());
    match looked {
        Ok(None) => finding(Level::Good, "database", format!("{name}: the first start makes it")),
        Ok(Some(Looked { missing: 0, .. })) => finding(Level::Good, "database", format!("{name}: up to date")),
        Ok(Some(Looked { missing, .. })) => finding(
            Level::Good,
            "database",
            format!("{name}: the next start brings its tables up to date ({missing} steps)"),
        ),
        Err(error) => finding(Level::Bad, "database", format!("{name}: {error:#}")),
    }
}

/// Read, and tried on what it has sealed.
fn master_key(config: &Config, looked: Option<&Looked>) -> Finding {
    let sealed = looked.map_or(&[][..], |looked| &looked.sealed);
    let (name, seal) = match &config.master_key {
        MasterKey::InData => {
            let file = config.data.join(MASTER_KEY);
            if !file.exists() && sealed.is_empty() {
                return finding(Level::Good, "key", format!("{}: the first start makes it", file.display()));
            }
            (file.display().to_string(), Seal::read(&file))
        }
        MasterKey::File(file) => (file.display().to_string(), Seal::read(file)),
        MasterKey::Given(key) => ("the environment's".to_owned(), Seal::parse(key.reveal()).context(NO_KEY)),
    };
    let tried = seal.and_then(|seal| {
        let wrong = sealed.iter().find(|(org, key)| seal.open(&org_place(org), key).is_err());
        wrong.map_or(Ok(()), |_| bail!("{name}: not the key that the database was sealed with"))
    });
    match tried {
        Ok(()) if sealed.is_empty() => finding(Level::Good, "key", name),
        Ok(()) => finding(Level::Good, "key", format!("{name}: opens what is sealed")),
        Err(error) => finding(Level::Bad, "key", format!("{error:#}")),
    }
}

fn certificate(config: &Config) -> Finding {
    let Some(files) = &config.tls else { return finding(Level::Good, "tls", "off") };
    let TlsFiles { cert, .. } = files;
    let seen = match tls::load(files) {
        Ok((_, seen)) => seen,
        Err(error) => return finding(Level::Bad, "tls", format!("{error:#}")),
    };
    let now = i64::try_from(unix_now()).unwrap_or(i64::MAX);
    let names = if seen.names.is_empty() { "no names".to_owned() } else { seen.names.join(", ") };
    let days = (seen.until - now).div_euclid(86_400);
    let text = format!("{}: for {names}, {days} more days", cert.display());
    let host = config.public_url.as_ref().map(|url| url.host());
    if seen.until <= now {
        return finding(Level::Bad, "tls", format!("{}: has ended {} days ago: renew it", cert.display(), -days));
    }
    if seen.from > now {
        return finding(Level::Bad, "tls", format!("{}: is not good yet: is the clock right?", cert.display()));
    }
    match host {
        Some(host) if !seen.covers(host) => {
            finding(Level::Bad, "tls", format!("{text}: but public_url is {host}: get one for that name"))
        }
        _ if seen.until - now < RENEW_BEFORE => finding(Level::Warning, "tls", format!("{text}: renew it")),
        _ => finding(Level::Good, "tls", text),
    }
}

async fn address(what: &'static str, addr: SocketAddr, runs: bool) -> Finding {
    match TcpListener::bind(addr).await {
        Ok(_) => finding(Level::Good, what, addr.to_string()),
        Err(error) if runs && error.kind() == std::io::ErrorKind::AddrInUse => {
            finding(Level::Good, what, format!("{addr}: in use, as a server runs"))
        }
        Err(error) => finding(Level::Bad, what, format!("{addr}: {error}")),
    }
}
