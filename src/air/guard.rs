//! Gives the radios their own names back when the agent cannot: a process of its own that waits for the moment and looks
//! whether there is anything left to do.
//!
//! It is this program again, as `welcomed restore --when-due`; it shares nothing with the agent but the record. An agent
//! that is killed leaves it behind.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use std::os::unix::process::CommandExt as _;
use tokio::time::timeout;
use tracing::warn;

use super::record::{File, Record, Way};
use crate::clock;

/// The process, while there is one.
#[derive(Debug)]
pub struct Guard {
    program: PathBuf,
    child: Option<Child>,
}

impl Guard {
    /// This program, even if its file was replaced meanwhile.
    pub const SELF: &str = "/proc/self/exe";

    /// Not started yet.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { program, child: None }
    }

    /// Starts it, unless it is there.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn start(&mut self, file: &File) -> std::io::Result<()> {
        if let Some(child) = &mut self.child
            && child.try_wait()?.is_none()
        {
            return Ok(());
        }
        let mut command = Command::new(&self.program);
        command.args(["restore", "--when-due", "--record"]).arg(file.path());
        // In a group of its own: what ends the agent by its terminal does not end it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Ends it: there is nothing left to guard.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take()
            && let Err(error) = child.kill().and_then(|()| child.wait())
        {
            warn!("the guard of a challenge cannot be ended: {error}");
        }
    }
}

/// `welcomed restore`: gives the radios of a record their own names back, at once or when it is due. Says what was done.
///
/// # Errors
/// If they still do not have them after several tries.
pub fn restore(file: &File, when_due: bool) -> anyhow::Result<&'static str> {
    while let Some(record) = file.read() {
        let now = clock::uptime().context("read /proc/uptime")?;
        match Duration::from_secs(record.due_s).checked_sub(now) {
            // It may be another challenge's by then, or none.
            Some(wait) if when_due && !wait.is_zero() => sleep(wait),
            _ => return restore_now(file, &record, if when_due { TRIES } else { TRIES_NOW }),
        }
    }
    Ok("no challenge is on the air")
}

fn restore_now(file: &File, record: &Record, tries: u32) -> anyhow::Result<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let (bus, driver) = tokio_ubus::connect(&record.ubus_socket);
    let restoring = async {
        if record.bss.iter().any(|b| b.way != Way::Control) {
            // Without it each try says so.
            let _reached = timeout(REACH, bus.connected().wait_for(|is| *is)).await.is_ok();
        }
        let mut last = String::new();
        for _ in 0..tries {
            match super::restore(record, &bus).await {
                Ok(()) => {
                    file.remove();
                    return Ok("the networks have their own names again");
                }
                Err(error) => last = error,
            }
            tokio::time::sleep(super::AGAIN).await;
        }
        bail!("{last}")
    };
    runtime.block_on(async {
        tokio::select! {
            outcome = restoring => outcome,
            () = driver.run() => bail!("talk to ubus"),
        }
    })
}

/// To reach ubusd.
const REACH: Duration = Duration::from_secs(5);
/// Some minutes, for an access point that is busy.
const TRIES: u32 = 60;
/// While somebody waits for it.
const TRIES_NOW: u32 = 3;
