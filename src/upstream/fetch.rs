//! Fetches images and pages from the server, one after the other, on a connection of its own.
//!
//! In: what is missing. Out: the bytes, once their length and digest are right. Nothing is fetched again while it is on
//! its way to whoever keeps it. What the server cannot give is asked for again, each time later.

use sorted::SortedMap;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Request;
use http::header::{HOST, USER_AGENT};
use http_body_util::Full;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};
use welcome_proto::Digest;

use super::backoff::Backoff;
use super::link::{Connection, Link, read_body};
use super::session::AGENT;
use crate::file::sha256;

/// What is wanted from the server, and where it goes.
#[derive(Debug)]
pub struct Ends {
    /// What is missing, best first.
    pub missing: watch::Receiver<Vec<(Digest, u32)>>,
    /// To whoever keeps it.
    pub fetched: mpsc::Sender<(Digest, Bytes)>,
}

/// Remembers what went wrong, from one session to the next.
#[derive(Debug)]
pub struct Fetch {
    seed: u64,
    failed: SortedMap<Digest, (Instant, Backoff)>,
    /// Until when to leave these to whoever keeps them.
    handed_over: SortedMap<Digest, Instant>,
}

impl Fetch {
    /// `seed` spreads the attempts.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, failed: SortedMap::new(), handed_over: SortedMap::new() }
    }

    /// Fetches whatever is missing, for ever. `deadline` holds for each file.
    ///
    /// # Cancel safety
    /// What was being fetched is fetched anew.
    pub async fn run(&mut self, link: &Link, ends: &mut Ends, deadline: Duration) -> Infallible {
        let mut connection = None;
        loop {
            let missing = ends.missing.borrow_and_update().clone();
            match self.next(&missing, Instant::now()) {
                Next::Now(digest, length) => match fetch(link, &mut connection, &digest, length, deadline).await {
                    Ok(bytes) => {
                        self.failed.remove(&digest);
                        self.handed_over.insert(digest, Instant::now() + KEEPING);
                        if ends.fetched.send((digest, bytes)).await.is_err() {
                            return std::future::pending().await; // nobody keeps anything: the agent is about to end
                        }
                    }
                    Err(error) => {
                        connection = None;
                        self.note_failure(digest, &error);
                    }
                },
                Next::Later(at) => {
                    connection = None;
                    tokio::select! {
                        changed = ends.missing.changed() => if changed.is_err() { std::future::pending().await },
                        () = sleep_until(at) => {}
                    }
                }
            }
        }
    }

    /// What to do with these missing. Forgets about all others.
    fn next(&mut self, missing: &[(Digest, u32)], now: Instant) -> Next {
        let is_missing = |digest: &Digest| missing.iter().any(|(d, _)| d == digest);
        self.handed_over.retain(|digest, until| is_missing(digest) && *until > now);
        self.failed.retain(|digest, _| is_missing(digest));
        let mut later = now + IDLE;
        for (digest, length) in missing {
            let waits = self.handed_over.get(digest).or(self.failed.get(digest).map(|(at, _)| at));
            match waits {
                Some(at) if *at > now => later = later.min(*at),
                _ => return Next::Now(*digest, *length),
            }
        }
        Next::Later(later)
    }

    fn note_failure(&mut self, digest: Digest, error: &anyhow::Error) {
        let fresh = (Instant::now(), Backoff::new(self.seed));
        let is_first = !self.failed.contains_key(&digest);
        let (at, backoff) = self.failed.entry(digest).or_insert(fresh);
        let pause = backoff.next_wait();
        *at = Instant::now() + pause;
        let (error, next_try_s) = (format!("{error:#}"), pause.as_secs());
        if is_first {
            warn!(%digest, error, next_try_s, "cannot fetch an image or page");
        } else {
            debug!(%digest, error, next_try_s, "still cannot fetch an image or page");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Now(Digest, u32),
    Later(Instant),
}

async fn fetch(
    link: &Link,
    connection: &mut Option<Connection>,
    wanted: &Digest,
    length: u32,
    deadline: Duration,
) -> anyhow::Result<Bytes> {
    let request =
        Request::get(format!("/v1/content/{wanted}")).header(HOST, link.authority()).header(USER_AGENT, AGENT);
    let request = request.body(Full::default())?;
    let mut open = match connection.take().filter(Connection::is_open) {
        Some(open) => open,
        None => link.connect().await?,
    };
    let answer = open.send(request).await?;
    if !answer.status().is_success() {
        bail!("the server answered {}", answer.status());
    }
    let bytes = read_body(answer.into_body(), deadline, length as usize)
        .await
        .context("more than it should be, or too slow")?;
    if bytes.len() != length as usize || sha256(&bytes) != *wanted {
        bail!("the server sent something else");
    }
    *connection = Some(open);
    Ok(bytes)
}

/// How long it may take to keep a file; one that is still missing then was lost.
const KEEPING: Duration = Duration::from_secs(60);
/// Nothing is to be done for as long.
const IDLE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_failed_waits_longer_each_time_and_holds_up_nobody() {
        let [a, b] = [Digest([1; 32]), Digest([2; 32])];
        let mut fetch = Fetch::new(1);
        let missing = [(a, 1), (b, 2)];
        assert_eq!(fetch.next(&missing, Instant::now()), Next::Now(a, 1));
        fetch.note_failure(a, &anyhow::anyhow!("no"));
        assert_eq!(fetch.next(&missing, Instant::now()), Next::Now(b, 2));
        fetch.handed_over.insert(b, Instant::now() + KEEPING);
        let Next::Later(at) = fetch.next(&missing, Instant::now()) else { panic!("too early") };
        assert!(at > Instant::now());
        assert_eq!(fetch.next(&missing, at), Next::Now(a, 1));
        // Kept, and lost again later: that is another matter.
        let _kept = fetch.next(&missing[..1], at);
        assert_eq!(fetch.next(&missing[1..], at), Next::Now(b, 2));
        assert!(fetch.failed.is_empty(), "what nobody wants is forgotten");
    }
}
