//! The interface in the hands of wpa_supplicant, by its control socket.
//!
//! In: what to scan and join. Out: what was heard and what happened, from the events that wpa_supplicant sends. It never
//! saves wpa_supplicant's configuration; what it changes it tells [`Undo`] first. Addresses are somebody else's business.

mod heard;
mod join;
mod undo;

use super::{Event, Joining, Link, SCAN_WITHIN};
use crate::exit::Failure;
use crate::output::Output;
use anyhow::Context as _;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use undo::Undo;
use welcome_client::{Candidate, Sighting};
use wpa_ctrl::{Control, Error, Event as Said, Events, Notice, supplicant};

/// A station's interface.
pub(super) struct Wpa {
    /// For commands.
    control: Control,
    /// What it says unasked.
    events: Events,
    /// Some of that was missed, and it has not been looked yet what.
    is_behind: bool,
    pub(super) undo: Undo,
}

impl Wpa {
    /// Attaches to a control socket.
    ///
    /// # Errors
    /// When wpa_supplicant cannot be reached, or the memory of this interface cannot be read.
    pub(super) async fn open(socket: &Path, state: &Path, interface: &str) -> Result<Self, Failure> {
        let what = format!("failed to reach wpa_supplicant at {}", socket.display());
        let control = Control::open(socket, std::env::temp_dir()).context(what)?;
        let events = Events::attach_looking(socket, std::env::temp_dir(), EVENTS, LOOK_EVERY)
            .await
            .context("failed to listen to wpa_supplicant")?;
        Ok(Self { control, events, is_behind: false, undo: Undo::load(state, interface)? })
    }

    /// See [`super::Radio::scan`].
    pub(super) async fn scan(&mut self, freqs: &[u32]) -> Result<Vec<Sighting>, Failure> {
        let deadline = Instant::now() + SCAN_WITHIN;
        let late =
            || Failure::Other(anyhow::anyhow!("failed to scan: wpa_supplicant did not end a scan in {SCAN_WITHIN:?}"));
        let mut asked;
        loop {
            asked = Instant::now().into_std();
            match supplicant::scan(&mut self.control, freqs).await {
                Ok(()) => break,
                // Another scan is under way, perhaps of other channels.
                Err(Error::Refused { answer, .. }) if answer == "FAIL-BUSY" => {
                    if Instant::now() > deadline {
                        return Err(late());
                    }
                    sleep(BUSY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        loop {
            match timeout_at(deadline, self.events.recv()).await.map_err(|_| late())? {
                // After a lag the results may have been among what was missed; they are no worse for being read early.
                Notice::Lagged(_) => break,
                // What waited in the queue is of an earlier scan.
                Notice::Event { at, .. } if at < asked => {}
                Notice::Event { event: Said::ScanResults, .. } => break,
                Notice::Event { event: Said::ScanFailed, .. } => {
                    return Err(Failure::Other(anyhow::anyhow!("failed to scan: the driver refused")));
                }
                Notice::Event { .. } => {}
                Notice::Gone(reason) => return Err(Error::Gone(reason).into()),
            }
        }
        self.heard().await
    }

    /// See [`super::Radio::heard`].
    pub(super) async fn heard(&mut self) -> Result<Vec<Sighting>, Failure> {
        Ok(heard::sightings(supplicant::scan_results(&mut self.control).await?))
    }

    /// See [`super::Radio::link`].
    pub(super) async fn link(&mut self) -> Result<Link, Failure> {
        let link = supplicant::status(&mut self.control).await?;
        Ok(match link.state == "COMPLETED" {
            false => Link::Free,
            true if self.undo.owns(&link) => Link::Ours,
            true => Link::Other,
        })
    }

    /// See [`super::Radio::join`].
    pub(super) async fn join(&mut self, to: &Candidate, how: Joining, output: &Output) -> Result<(), Failure> {
        // What an earlier `connect` joined stays until something better is there.
        self.undo.put_back(&mut self.control).await?;
        join::join(self, to, how.within, output).await
    }

    /// See [`super::Radio::next`].
    pub(super) async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            if self.is_behind {
                // Events make it fast, a look makes it true.
                let link = self.link().await?;
                self.is_behind = false;
                return Ok(if link == Link::Free { Event::Lost } else { Event::Joined });
            }
            match self.events.recv().await {
                Notice::Event { event: Said::Connected { .. }, .. } => return Ok(Event::Joined),
                Notice::Event { event: Said::Disconnected { .. }, .. } => return Ok(Event::Lost),
                Notice::Event { event: Said::ScanResults, .. } => return Ok(Event::Results),
                Notice::Event { .. } => {}
                Notice::Lagged(_) => self.is_behind = true,
                Notice::Gone(_) => return Ok(Event::Gone),
            }
        }
    }

    /// See [`super::Radio::put_back`].
    pub(super) async fn put_back(&mut self) -> Result<bool, Failure> {
        Ok(self.undo.put_back(&mut self.control).await?)
    }
}

/// Events of one interface that may wait to be read.
const EVENTS: usize = 256;
/// A laptop that stays is woken this often to see whether wpa_supplicant is still there; while joining it is asked anyway.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const BUSY: Duration = Duration::from_millis(200);
