//! What to do for each command, and in which order.
//!
//! In: checked options. Out: events and messages to [`Output`], and how it ended. Whatever a command changed in
//! wpa_supplicant, or began at the server, is put back here when it fails or is interrupted.

use crate::cli::{Command, Common, Wait};
use crate::exit::Failure;
use crate::output::Output;
use crate::receive::{Receiver, Target, Until};
use crate::scan::Wpa;
use crate::share::Pending;
use crate::undo::{self, Undo};
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;
use tokio::time::timeout;
use wpa_ctrl::{Control, Events};

/// Does what is asked, until `interrupt`.
///
/// # Errors
/// Every way to end that is not success; by then everything is put back that has to be.
pub async fn run(
    command: Command,
    common: Common,
    output: &Output,
    interrupt: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let began = Instant::now();
    let run = Run { state: state_dir(&common)?, common, output, pending: Pending::default() };
    let mut undo = Undo::load(&run.state, &run.common.interface)?;
    let result = tokio::select! {
        result = run.command(command, &mut undo) => result,
        () = interrupt => Err(Failure::Interrupted),
    };
    match &result {
        Err(failure) if failure.undoes() => {
            run.put_back(&mut undo).await;
            run.take_back().await;
        }
        _ => {}
    }
    if result.is_ok() {
        let seconds = began.elapsed().as_secs_f64();
        output.event("done", json!({ "exit": 0, "seconds": seconds }), "done");
    }
    result
}

/// What every command has.
pub(crate) struct Run<'a> {
    pub(crate) common: Common,
    /// Where this program keeps what it knows.
    pub(crate) state: PathBuf,
    pub(crate) output: &'a Output,
    /// What `share` has begun at the server.
    pub(crate) pending: Pending,
}

impl Run<'_> {
    async fn command(&self, command: Command, undo: &mut Undo) -> Result<(), Failure> {
        match command {
            Command::Fetch => self.fetch().await,
            Command::Scan => self.scan().await,
            Command::Connect(how) => self.connect(&how, undo).await,
            Command::Receive(wait) => self.receiver(&wait).receive(Until::Shown, wait.wait).await,
            Command::Watch(how) => self.watch(&how, undo).await,
            Command::Leave => self.leave(undo).await,
            Command::Share(what) => self.share(&what).await,
        }
    }

    async fn leave(&self, undo: &mut Undo) -> Result<(), Failure> {
        let mut control = self.control()?;
        let left = undo.put_back(&mut control).await?;
        let text = if left { "the former networks are enabled again" } else { "there was nothing to leave" };
        self.output.event("leave", json!({ "left": left }), text);
        Ok(())
    }

    pub(crate) fn control(&self) -> Result<Control, Failure> {
        let path = self.common.ctrl_dir.join(&self.common.interface);
        let what = format!("failed to reach wpa_supplicant at {}", path.display());
        Ok(Control::open(path, std::env::temp_dir()).context(what)?)
    }

    pub(crate) async fn wpa(&self) -> Result<Wpa, Failure> {
        let control = self.control()?;
        let events = Events::attach(control.path(), std::env::temp_dir(), EVENTS)
            .await
            .context("failed to listen to wpa_supplicant")?;
        Ok(Wpa { control, events })
    }

    pub(crate) fn receiver(&self, wait: &Wait) -> Receiver {
        let target = match wait.gateway {
            Some(gateway) => Target::Gateway(gateway),
            None => Target::Interface(self.common.interface.clone()),
        };
        Receiver::new(target, self.common.portal_port, self.output)
    }

    /// Puts everything back, as well as it can be done in a few seconds.
    pub(crate) async fn put_back(&self, undo: &mut Undo) {
        if !undo.is_unfinished() {
            return;
        }
        self.output.doing("putting everything back");
        let putting_back = async {
            let mut control = self.control().map_err(|failure| anyhow!("{failure}"))?;
            undo.put_back(&mut control).await
        };
        let result = timeout(undo::WITHIN, putting_back).await.unwrap_or_else(|_| Err(anyhow!("it takes too long")));
        if let Err(error) = result {
            self.output.note(&format!("failed to put everything back: {error:#}; `welcome leave` tries again"));
        }
    }
}

fn state_dir(common: &Common) -> Result<PathBuf, Failure> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    common
        .state_dir
        .clone()
        .or_else(|| variable("XDG_STATE_HOME").map(|dir| dir.join("welcome")))
        .or_else(|| variable("HOME").map(|dir| dir.join(".local/state/welcome")))
        .ok_or_else(|| Failure::Usage("there is no home directory; give --state-dir DIR".into()))
}

/// Events of one interface that may wait to be read.
const EVENTS: usize = 256;
