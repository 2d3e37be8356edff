//! What to do for each command, and in which order.
//!
//! In: checked options. Out: events and messages to [`Output`], and how it ended. Whatever a command changed on the
//! interface, or began at the server, is put back here when it fails or is interrupted.

use crate::cli::{Cli, Command, Common, Completions, Wait};
use crate::directory::Directory;
use crate::exit::Failure;
use crate::output::Output;
use crate::radio::{self, Radio, Wanted};
use crate::receive::{Receiver, Target};
use crate::share::Pending;
use anyhow::anyhow;
use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;
use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Instant;
use tokio::time::timeout;
use welcome_client::Policy;

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
    if let Command::Completions(Completions { shell }) = command {
        output.script(&completions(shell));
        return Ok(());
    }
    let began = Instant::now();
    let run =
        Run { state: state_dir(&common)?, common, output, directory: OnceCell::new(), pending: Pending::default() };
    // Out here, so that what was changed can be put back when the command itself is dropped.
    let mut radio = None;
    let result = tokio::select! {
        result = run.command(command, &mut radio) => result,
        () = interrupt => Err(Failure::Interrupted),
    };
    match &result {
        Err(failure) if failure.undoes() => {
            run.put_back(&mut radio).await;
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
    /// The server, once it was needed.
    pub(crate) directory: OnceCell<Option<Directory>>,
    /// What `share` has begun at the server.
    pub(crate) pending: Pending,
}

impl Run<'_> {
    async fn command(&self, command: Command, radio: &mut Option<Radio>) -> Result<(), Failure> {
        match command {
            Command::Fetch(how) => self.fetch(&how).await,
            Command::Scan => self.scan(self.open(radio).await?).await,
            Command::Connect(how) => self.connect(&how, self.open(radio).await?).await,
            Command::Receive(wait) => self.receive(&wait).await,
            Command::Watch(how) => self.watch(&how, radio).await,
            Command::Leave => self.leave(self.open(radio).await?).await,
            Command::Share(what) => self.share(&what).await,
            // They were printed before anything was looked at.
            Command::Completions(_) => Ok(()),
        }
    }

    async fn leave(&self, radio: &mut Radio) -> Result<(), Failure> {
        let left = radio.put_back().await?;
        let text = if left { "the former networks can be used again" } else { "there was nothing to leave" };
        self.output.event("leave", json!({ "left": left }), text);
        Ok(())
    }

    pub(crate) fn wanted(&self) -> Wanted {
        let Common { interface, manager, ctrl_dir, .. } = &self.common;
        Wanted { interface: interface.clone(), manager: *manager, ctrl_dir: ctrl_dir.clone() }
    }

    /// Finds the interface and whoever manages it, in the place of what was open.
    pub(crate) async fn open<'r>(&self, radio: &'r mut Option<Radio>) -> Result<&'r mut Radio, Failure> {
        Ok(radio.insert(Radio::open(&self.wanted(), &self.state).await?))
    }

    /// What is asked for beyond the list.
    pub(crate) fn policy(&self) -> Policy {
        Policy { at_least: self.common.at_least }
    }

    /// For what comes by this interface.
    pub(crate) fn receiver(&self, wait: &Wait, interface: &str) -> Receiver {
        self.receiver_of(match wait.gateway {
            Some(gateway) => Target::Gateway(gateway),
            None => Target::Interface(interface.to_owned()),
        })
    }

    pub(crate) fn receiver_of(&self, target: Target) -> Receiver {
        Receiver::new(target, self.common.portal_port, self.output)
    }

    /// Puts everything back, as well as it can be done in a few seconds.
    pub(crate) async fn put_back(&self, radio: &mut Option<Radio>) {
        let Some(radio) = radio.as_mut().filter(|radio| radio.is_unfinished()) else { return };
        self.output.doing("putting everything back");
        let late = || Err(Failure::Other(anyhow!("it takes too long")));
        let result = timeout(radio::PUT_BACK_WITHIN, radio.put_back()).await.unwrap_or_else(|_| late());
        if let Err(failure) = result {
            self.output.note(&format!("failed to put everything back: {failure}; `welcome leave` tries again"));
        }
    }
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "welcome", &mut script);
    script
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
