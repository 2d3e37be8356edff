//! The link to the directory server: one session after the other, and the waits between them.
//!
//! In: the latest announce, reports. Out: the server's offers and how we stand with it, as events. Never on the way of
//! a guest's welcome: what the server sends waits on the router before the guest comes.
//!
//! [`session`] is one conversation; [`link`] its connections; [`identity`] the router's key; [`push`] reads what comes
//! down, [`reports`] keeps what goes up; [`backoff`] says when to try again.

pub mod backoff;
#[cfg(test)]
mod fake;
pub mod identity;
pub mod link;
pub mod push;
pub mod reports;
pub mod session;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use welcome_core::{Event, ServerLink};
use welcome_proto::announce::Announce;

use self::backoff::Backoff;
use self::identity::Identity;
use self::link::Link;
pub use self::reports::Reports;
use self::session::{End, Ends, Session};
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
    /// For the last reports when the agent stops.
    pub finish: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(15),
            silence: Duration::from_secs(45),
            gather: Duration::from_millis(500),
            finish: Duration::from_secs(2),
        }
    }
}

/// The link, not yet at work.
#[derive(Debug)]
pub struct Upstream {
    server: Server,
    state_dir: PathBuf,
    backoff: Backoff,
    timing: Timing,
}

impl Upstream {
    /// To this server; the router's key is in `state_dir`. `seed` spreads the routers' attempts, see [`seed`].
    #[must_use]
    pub fn new(server: Server, state_dir: &Path, seed: u64, timing: Timing) -> Self {
        Self { server, state_dir: state_dir.to_owned(), backoff: Backoff::new(seed), timing }
    }

    /// Keeps the link until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task. Whatever goes wrong is tried again.
    pub async fn run(
        mut self,
        announce: watch::Receiver<Option<Announce>>,
        reports: Reports,
        events: mpsc::Sender<Event>,
        mut stop: Stop,
    ) -> anyhow::Result<()> {
        let mut ends = Ends { announce, reports, events };
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
                End::Refused(_) => self.backoff.long_wait(),
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
        let Server { url, token, .. } = &self.server;
        let identity = Identity::load_or_make(&self.state_dir)?;
        let link = Arc::new(Link::new(&self.server, self.timing.request)?);
        Ok(Session::new(link, identity, url.to_string(), token.clone(), self.timing))
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
