//! The link to the directory server: one session after the other, and the waits between them.
//!
//! In: the latest announce, reports, which files are missing. Out: the server's offers and how we stand with it, as
//! events; the files. Never on the way of a guest's welcome: what the server sends waits on the router before the guest
//! comes.
//!
//! [`session`] is one conversation, and [`end`] why it is over; [`link`] its connections; [`identity`] the router's key.
//! Down the [`stream`]: [`trust`] verifies, [`push`] reads, [`kept`] keeps and [`offers`] hands on what is to be shown;
//! [`fetch`] gets its files; [`ownership`] reads what it asks of our radios. Up: [`reports`]
//! keeps what is to be told, [`words`] what was asked for. [`backoff`] says when to try again.

pub mod backoff;
pub mod end;
#[cfg(test)]
mod fake;
pub mod fetch;
pub mod identity;
pub mod kept;
pub mod link;
pub mod offers;
pub mod ownership;
pub mod push;
pub mod reports;
pub mod session;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod trust;
pub mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use welcome_core::{Event, ServerLink};
use welcome_proto::Digest;
use welcome_proto::announce::Announce;

use self::backoff::Backoff;
use self::end::End;
use self::identity::Identity;
use self::link::Link;
use self::offers::Offers;
pub use self::reports::Reports;
use self::session::{Ends, Session};
pub use self::words::Words;
use crate::config::Server;
use crate::tasks::Stop;

/// How long things may take. The defaults are those of the documentation.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// For a connection to be made, and for an answer to come.
    pub request: Duration,
    /// For the stream to be silent; the server gives a sign of life every 15 s.
    pub silence: Duration,
    /// From a report to its being sent, so that a visit's reports travel together.
    pub gather: Duration,
    /// For a whole image or page.
    pub file: Duration,
    /// For the last reports when the agent stops.
    pub finish: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(15),
            silence: Duration::from_secs(45),
            gather: Duration::from_millis(500),
            // 256 KiB at 35 kbit/s.
            file: Duration::from_secs(60),
            finish: Duration::from_secs(2),
        }
    }
}

/// The link, not yet at work.
#[derive(Debug)]
pub struct Upstream {
    server: Server,
    state_dir: PathBuf,
    seed: u64,
    backoff: Backoff,
    timing: Timing,
}

/// Where the link gets its input from, and where its output goes.
#[derive(Debug)]
pub struct Lines {
    /// What is shared.
    pub announce: watch::Receiver<Option<Announce>>,
    /// What happened.
    pub reports: Reports,
    /// What the server asked for.
    pub words: Words,
    /// To the app.
    pub events: mpsc::Sender<Event>,
    /// The files that the server's offers want, best first.
    pub wanted: watch::Sender<Vec<(Digest, u32)>>,
    /// Those of them to fetch, and where they go.
    pub content: fetch::Ends,
    /// Where phones may ask the server about this router's networks, once it knows us: `/NETWORK` is to be added.
    pub captive: watch::Sender<Option<String>>,
}

impl Upstream {
    /// To this server; the router's key is in `state_dir`. `seed` spreads the routers' attempts, see [`seed`].
    #[must_use]
    pub fn new(server: Server, state_dir: &Path, seed: u64, timing: Timing) -> Self {
        Self { server, state_dir: state_dir.to_owned(), seed, backoff: Backoff::new(seed), timing }
    }

    /// Keeps the link until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task. Whatever goes wrong is tried again.
    pub async fn run(mut self, lines: Lines, mut stop: Stop) -> anyhow::Result<()> {
        let Lines { announce, reports, words, events, wanted, content, captive } = lines;
        let offers = Offers::new(&self.state_dir, events.clone(), wanted);
        let mut ends = Ends { announce, reports, words, events, offers, content, captive };
        let mut session = None;
        tokio::select! {
            () = self.keep(&mut session, &mut ends) => {}
            () = stop.stopped() => {}
        }
        if let Some(mut session) = session {
            // What does not get through in time is lost; the server knows that routers go away.
            let _in_time = timeout(self.timing.finish, session.finish(&ends.reports)).await.is_ok();
        }
        Ok(())
    }

    /// Returns only when nobody listens any more. The session stays with the caller, who may interrupt this.
    async fn keep(&mut self, session: &mut Option<Session>, ends: &mut Ends) {
        let mut told = String::new();
        let mut away = "connecting".to_owned();
        let mut pause = Duration::ZERO;
        // What the server said before is there even if it never answers again.
        if let Ok(identity) = Identity::load_or_make(&self.state_dir)
            && let Some(trust) = identity.trust(&self.server.url.to_string(), self.server.token.as_ref())
        {
            ends.captive.send_replace(session::captive_base(&self.server.url, &trust.router));
            if ends.offers.believe(&trust).await.is_err() {
                return;
            }
        }
        loop {
            let link = ServerLink::Away { reason: away };
            if ends.events.send(Event::ServerLink(link)).await.is_err() {
                return;
            }
            sleep(pause).await;
            let (end, connected) = match session {
                Some(session) => session.run(ends).await,
                None => match self.begin() {
                    Ok(fresh) => session.insert(fresh).run(ends).await,
                    Err(error) => (End::Lost(error), None),
                },
            };
            if let Some(since) = connected {
                self.backoff.was_well_for(since.elapsed());
                told.clear();
            }
            pause = match &end {
                End::NobodyListens => return,
                End::Lost(_) => self.backoff.next_wait(),
                End::Refused(_) | End::Unknown(_) => self.backoff.long_wait(),
            };
            away = end.to_string();
            let next_try_s = pause.as_secs();
            if away == told {
                debug!(reason = away, next_try_s, "still no link to the server");
            } else {
                warn!(reason = away, next_try_s, "no link to the server");
                told.clone_from(&away);
            }
        }
    }

    fn begin(&self) -> anyhow::Result<Session> {
        let identity = Identity::load_or_make(&self.state_dir)?;
        let link = Arc::new(Link::new(&self.server, self.timing.request)?);
        Ok(Session::new(link, identity, &self.server, self.timing, self.seed))
    }
}

/// A seed that is another on every router and at every start; the same everywhere if the system has no randomness.
#[must_use]
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Then TLS will not work either, and that will be told.
    let _filled = SystemRandom::new().fill(&mut bytes).is_ok();
    u64::from_ne_bytes(bytes)
}
