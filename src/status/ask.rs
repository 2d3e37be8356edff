//! `welcomed status`: asks the running agent, over ubus or by its socket. Waits for the answer; for a program of its own.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use tokio::time::timeout;
use tokio_ubus::{Blobmsg, Client, Error, SOCKETS, Status};

use super::object;
use super::text::text;
use crate::bus::NoArguments;
use crate::config::DEFAULT_STATUS_SOCKET;

/// Asks the agent at `socket`, or else wherever one may be found, and makes its answer ready to print: as it is, or for
/// a person.
///
/// # Errors
/// If no agent answers.
pub fn ask(socket: Option<&Path>, json: bool) -> anyhow::Result<String> {
    let document = match socket {
        Some(socket) => by_socket(socket)?,
        None => anywhere(&SOCKETS.map(Path::new), Path::new(DEFAULT_STATUS_SOCKET))?,
    };
    Ok(if json { format!("{document}\n") } else { text(&document) })
}

/// The document. One of `ubus` that has the agent's object, or else `socket`.
///
/// # Errors
/// If no agent answers; says why not, of all of them.
pub fn anywhere(ubus: &[&Path], socket: &Path) -> anyhow::Result<Value> {
    let mut reasons = Vec::new();
    for ubus in ubus.iter().filter(|u| u.exists()) {
        match by_ubus(ubus) {
            Ok(document) => return Ok(document),
            Err(reason) => reasons.push(format!("{reason:#}")),
        }
    }
    if reasons.is_empty() {
        reasons.push("no ubus here".to_owned());
    }
    by_socket(socket).map_err(|error| anyhow!("{error:#} ({})", reasons.join("; ")))
}

fn by_ubus(path: &Path) -> anyhow::Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let (bus, driver) = tokio_ubus::connect(path);
    runtime.block_on(async {
        tokio::select! {
            document = over(&bus) => document,
            () = driver.run() => bail!("talk to ubus"),
        }
    })
}

async fn over(bus: &Client) -> anyhow::Result<Value> {
    // Its other end may have been left by a ubusd that is no more.
    if !timeout(REACH, bus.connected().wait_for(|is| *is)).await.is_ok_and(|is| is.is_ok()) {
        bail!("ubusd does not answer");
    }
    match bus.call(object::PATH, "status", &NoArguments {}, ANSWER).await {
        Ok(answer) => Ok(answer.data.first().map(Blobmsg::to_json).unwrap_or_default()),
        Err(Error::Refused(Status::NotFound)) => bail!("ubus has no object `{}`", object::PATH),
        Err(Error::Refused(Status::PermissionDenied)) => bail!("ubus lets only root ask"),
        Err(error) => Err(error).context("ask the agent over ubus"),
    }
}

fn by_socket(socket: &Path) -> anyhow::Result<Value> {
    let stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            bail!("find a running agent: nothing answers at {}; start it, or name its --socket", socket.display())
        }
        Err(error) => return Err(error).with_context(|| format!("ask the agent at {}", socket.display())),
    };
    let mut text = Vec::new();
    let read = stream.set_read_timeout(Some(ANSWER)).and_then(|()| stream.take(MAX_DOCUMENT).read_to_end(&mut text));
    read.with_context(|| format!("get an answer from the agent at {}", socket.display()))?;
    serde_json::from_slice(&text).context("understand the agent's answer")
}

/// For ubusd to say hello.
const REACH: Duration = Duration::from_secs(1);
/// For the agent to answer; it may be busy with another one that asks.
const ANSWER: Duration = Duration::from_secs(5);
/// 2048 visits with all their offers are far less.
const MAX_DOCUMENT: u64 = 64 << 20;
