//! The order of things: one function for each command.
//!
//! In: checked options. Out: events and messages to [`Output`], and how it ended. Whatever a command changed in
//! wpa_supplicant is put back here when it fails or is interrupted.

use crate::choose::{Choice, Sighting, choose};
use crate::cli::{Command, Common, Join, Wait};
use crate::connect::{is_joined, join};
use crate::directory::{self, Fetched, Query};
use crate::exit::Failure;
use crate::kept::Kept;
use crate::output::Output;
use crate::receive::{Receiver, Target, Until};
use crate::scan::{Wpa, scan};
use crate::undo::{self, Undo};
use anyhow::{Context as _, anyhow};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::json;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::process::Child;
use tokio::time::{sleep, timeout};
use welcome_proto::lookup::ListEntry;
use wpa_ctrl::{Control, Event, Events, Notice};

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
    let run = Run { state: state_dir(&common)?, common, output };
    let mut undo = Undo::load(&run.state, &run.common.interface)?;
    let result = tokio::select! {
        result = run.command(command, &mut undo) => result,
        () = interrupt => Err(Failure::Interrupted),
    };
    match &result {
        Err(failure) if failure.undoes() => run.put_back(&mut undo).await,
        _ => {}
    }
    if result.is_ok() {
        let seconds = began.elapsed().as_secs_f64();
        output.event("done", json!({ "exit": 0, "seconds": seconds }), "done");
    }
    result
}

struct Run<'a> {
    common: Common,
    state: PathBuf,
    output: &'a Output,
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
        }
    }

    async fn fetch(&self) -> Result<(), Failure> {
        let Some(query) = self.query() else {
            return Err(Failure::Usage("fetch needs --server URL".into()));
        };
        self.output.doing("asking the directory");
        let kept = self.kept();
        let list = self.ask_directory(&query, kept).await.map_err(|error| Failure::NoList(format!("{error:#}")))?;
        let text = format!("{} networks are kept in {}", list.len(), self.state.display());
        self.output.event("list", json!({ "entries": list.len() }), &text);
        Ok(())
    }

    async fn scan(&self) -> Result<(), Failure> {
        let mut wpa = self.wpa().await?;
        self.output.doing("scanning");
        let heard = scan(&mut wpa, &self.common.freq).await?;
        let list = self.kept().map(|kept| kept.entries).unwrap_or_default();
        let Choice { matches, refused } = choose(&heard, &list);
        let mut heard: Vec<&Sighting> = heard.iter().collect();
        heard.sort_by_key(|sighting| (-i64::from(sighting.signal), sighting.bssid));
        for sighting in heard {
            let listed = if matches.iter().any(|(other, _)| *other == sighting) {
                "listed".to_owned()
            } else {
                let why = refused.iter().find(|(other, _)| *other == sighting);
                why.map_or_else(String::new, |(_, refusal)| format!("listed, but {refusal}"))
            };
            let Sighting { bssid, ssid, security, signal, freq } = sighting;
            let name = ssid.as_ref().map_or_else(|| "(hidden)".to_owned(), ToString::to_string);
            let fields = json!({
                "bssid": bssid, "ssid": ssid, "security": security, "signal": signal, "freq": freq,
                "listed": !listed.is_empty(), "usable": listed == "listed",
            });
            self.output.item("scan", fields, format!("{bssid} {signal:4} dBm {freq} MHz  {name}  {listed}").trim_end());
        }
        Ok(())
    }

    async fn connect(&self, how: &Join, undo: &mut Undo) -> Result<(), Failure> {
        let mut wpa = self.wpa().await?;
        let mut receiver = self.receiver(&how.wait);
        self.join(&mut wpa, how, undo).await?;
        let result = match self.with_dhcp(how, receiver.receive(Until::Shown, how.wait.wait)).await {
            // A network that gives no address is of no use to anybody.
            Err(Failure::NoMessage(why)) if !receiver.has_route() => Err(Failure::Join(why)),
            result => result,
        };
        if result.as_ref().map_or_else(|failure| !failure.undoes(), |()| true) {
            undo.settle()?;
        }
        result
    }

    async fn watch(&self, how: &Join, undo: &mut Undo) -> Result<(), Failure> {
        let mut pause = PAUSE_LEAST;
        let mut has_joined = false;
        loop {
            let began = Instant::now();
            let visit = async {
                let mut receiver = self.receiver(&how.wait);
                let mut wpa = self.wpa().await?;
                let id = self.join(&mut wpa, how, undo).await?;
                has_joined = true;
                let receiving = self.with_dhcp(how, receiver.receive(Until::Bye, how.wait.wait));
                tokio::select! {
                    result = receiving => result,
                    result = lost(&mut wpa, id) => result,
                }
            };
            match visit.await {
                Ok(()) => self.output.note("the visit has ended; looking again"),
                // Waiting mends neither the arguments nor, when it never worked, the system.
                Err(failure @ (Failure::Usage(_) | Failure::NoList(_) | Failure::Other(_))) if !has_joined => {
                    return Err(failure);
                }
                Err(failure) => self.output.note(&failure.to_string()),
            }
            self.put_back(undo).await;
            pause = if began.elapsed() > PAUSE_MOST { PAUSE_LEAST } else { (pause * 2).min(PAUSE_MOST) };
            sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    }

    async fn leave(&self, undo: &mut Undo) -> Result<(), Failure> {
        let mut control = self.control()?;
        let left = undo.put_back(&mut control).await?;
        let text = if left { "the former networks are enabled again" } else { "there was nothing to leave" };
        self.output.event("leave", json!({ "left": left }), text);
        Ok(())
    }

    /// From the list and the air to a joined network.
    async fn join(&self, wpa: &mut Wpa, how: &Join, undo: &mut Undo) -> Result<u32, Failure> {
        if undo.is_left_behind() {
            self.output.doing("putting back what an earlier run left behind");
            undo.put_back(&mut wpa.control).await?;
        }
        self.output.doing("scanning");
        let (list, heard) = tokio::try_join!(self.list(), scan(wpa, &self.common.freq))?;
        let Choice { matches, refused } = choose(&heard, &list);
        let text = format!("heard {} networks; {} are listed", heard.len(), matches.len() + refused.len());
        let fields = json!({ "heard": heard.len(), "listed": matches.len() + refused.len(), "usable": matches.len() });
        self.output.event("scan", fields, &text);
        for (sighting, refusal) in &refused {
            self.output.event(
                "refused",
                json!({ "bssid": sighting.bssid, "ssid": sighting.ssid, "why": refusal.to_string() }),
                &format!("not {}: {refusal}", sighting.bssid),
            );
        }
        let Some((sighting, entry)) = matches.first() else {
            return Err(Failure::NotHeard(match refused.first() {
                None => format!("none of the {} listed networks is on the air", list.len()),
                Some((sighting, refusal)) => format!("{} is listed, but {refusal}", sighting.bssid),
            }));
        };
        let variant = if entry.security.needs_key() { 2 } else { 1 };
        let fields = json!({
            "bssid": entry.bssid, "ssid": entry.ssid, "signal": sighting.signal, "freq": sighting.freq,
            "security": entry.security, "area": entry.area, "assurance": entry.assurance, "variant": variant,
        });
        let text = format!("joining {} ({}, {} dBm) …", entry.ssid, entry.bssid, sighting.signal);
        self.output.event("match", fields, &text);
        // What an earlier `connect` joined stays until something better is there.
        undo.put_back(&mut wpa.control).await?;
        join(wpa, undo, (sighting, entry), how.join_wait, self.output).await
    }

    /// The list: fresh when the server is reachable, else as it is kept.
    async fn list(&self) -> Result<Vec<ListEntry>, Failure> {
        let kept = self.kept();
        let Some(query) = self.query() else {
            let none = || Failure::NoList("none is kept; give --server URL, or `welcome fetch` first".into());
            return kept.map(|kept| kept.entries).ok_or_else(none);
        };
        let Some(kept) = kept else {
            return self.ask_directory(&query, None).await.map_err(|error| Failure::NoList(format!("{error:#}")));
        };
        let fresh = timeout(REFRESH_WITHIN, self.ask_directory(&query, Some(kept.clone()))).await;
        match fresh.unwrap_or_else(|_| Err(anyhow!("the directory did not answer in time"))) {
            Ok(list) => Ok(list),
            Err(error) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let age = now.saturating_sub(kept.fetched);
                let text = format!("{error:#}; using the list of {} minutes ago", age / 60);
                self.output.event("list", json!({ "entries": kept.entries.len(), "age_s": age }), &text);
                Ok(kept.entries)
            }
        }
    }

    async fn ask_directory(&self, query: &Query, kept: Option<Kept>) -> anyhow::Result<Vec<ListEntry>> {
        let client =
            directory::client(&query.server, self.common.ca_file.as_deref(), self.common.token_file.as_deref())?;
        match directory::fetch(&client, query, kept.as_ref()).await? {
            Fetched::Unchanged => Ok(kept.map(|kept| kept.entries).unwrap_or_default()),
            Fetched::New(new) => {
                // A list that cannot be kept can still be used.
                if let Err(error) = new.save(&self.state) {
                    self.output.note(&format!("{error:#}"));
                }
                Ok(new.entries)
            }
        }
    }

    fn kept(&self) -> Option<Kept> {
        Kept::load(&self.state).unwrap_or_else(|error| {
            self.output.note(&format!("{error:#}"));
            None
        })
    }

    fn query(&self) -> Option<Query> {
        self.common.server.clone().map(|server| Query { server, place: self.common.place })
    }

    fn control(&self) -> Result<Control, Failure> {
        let path = self.common.ctrl_dir.join(&self.common.interface);
        let what = format!("failed to reach wpa_supplicant at {}", path.display());
        Ok(Control::open(path, std::env::temp_dir()).context(what)?)
    }

    async fn wpa(&self) -> Result<Wpa, Failure> {
        let control = self.control()?;
        let events = Events::attach(control.path(), std::env::temp_dir(), EVENTS)
            .await
            .context("failed to listen to wpa_supplicant")?;
        Ok(Wpa { control, events })
    }

    fn receiver(&self, wait: &Wait) -> Receiver {
        let target = match wait.gateway {
            Some(gateway) => Target::Gateway(gateway),
            None => Target::Interface(self.common.interface.clone()),
        };
        Receiver::new(target, self.common.portal_port, self.output)
    }

    /// Runs the DHCP client meanwhile. When it fails, that is the reason.
    async fn with_dhcp(&self, how: &Join, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        let Some(command) = &how.dhcp else { return work.await };
        let mut child = Group(
            tokio::process::Command::new("sh")
                .args(["-c", command])
                .env("INTERFACE", &self.common.interface)
                .stdin(Stdio::null())
                // Standard output is ours.
                .stdout(std::io::stderr())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .context("failed to start the command of --dhcp")?,
        );
        let failed = async {
            match child.0.wait().await {
                Ok(status) if status.success() => std::future::pending().await,
                Ok(status) => Failure::Join(format!("the command of --dhcp ended with {status}")),
                Err(error) => Failure::Other(anyhow::Error::new(error).context("failed to wait for --dhcp")),
            }
        };
        tokio::select! {
            biased;
            result = work => result,
            failure = failed => Err(failure),
        }
    }

    /// Puts everything back, as well as it can be done in a few seconds.
    async fn put_back(&self, undo: &mut Undo) {
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

/// A child and whatever it started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `id` is there until the child has been waited for: the group is still ours.
        if let Some(id) = self.0.id().and_then(|id| i32::try_from(id).ok())
            && let Err(error) = killpg(Pid::from_raw(id), Signal::SIGTERM)
        {
            tracing::debug!(%error, "could not end the command of --dhcp");
        }
    }
}

/// Waits until the connection has been lost for longer than wpa_supplicant needs to mend it.
async fn lost(wpa: &mut Wpa, id: u32) -> Result<(), Failure> {
    let mut down = false;
    loop {
        let notice = if down {
            match timeout(MEND, wpa.events.recv()).await {
                Ok(notice) => notice,
                Err(_) if is_joined(wpa, id).await? => {
                    down = false;
                    continue;
                }
                Err(_) => return Ok(()),
            }
        } else {
            wpa.events.recv().await
        };
        match notice {
            Notice::Event { event: Event::Connected { .. }, .. } => down = false,
            Notice::Event { event: Event::Disconnected { .. }, .. } => down = true,
            Notice::Event { .. } => {}
            Notice::Lagged(_) => down = !is_joined(wpa, id).await?,
            Notice::Gone(reason) => return Err(wpa_ctrl::Error::Gone(reason).into()),
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

/// How long a kept list may wait for a fresh one.
const REFRESH_WITHIN: Duration = Duration::from_secs(3);
/// Events of one interface that may wait to be read.
const EVENTS: usize = 256;
const PAUSE_LEAST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// How long wpa_supplicant may take to join again by itself.
const MEND: Duration = Duration::from_secs(10);
