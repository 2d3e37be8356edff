//! A closed loop: so many connections, each with one request after the other, as fast as they are answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::http::{Answer, Connection, Error, Server};

/// How long each answer took, and all of them together.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    waits: Vec<Duration>,
    length: Duration,
}

impl Pace {
    /// Answers a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.waits.len() as f64 / self.length.as_secs_f64()
    }

    /// How long this share of the answers took at most, e.g. 0.99.
    ///
    /// # Panics
    /// If there was no answer.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.waits.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * share).ceil() as usize;
        sorted[at.clamp(1, sorted.len()) - 1]
    }
}

/// Asks for this long over so many connections. `request` makes a request from the number of its connection and its own
/// on that connection; `look` is given each answer, all of which have to be good.
///
/// # Errors
/// If a single one is not.
pub async fn closed_loop<R, L>(
    server: &Server,
    connections: usize,
    length: Duration,
    request: R,
    look: L,
) -> Result<Pace, Error>
where
    R: Fn(usize, u64) -> Request<Bytes> + Send + Sync + 'static,
    L: Fn(&Answer) -> Result<(), Error> + Send + Sync + 'static,
{
    let asking = Arc::new((request, look));
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(server.connect().await?);
    }
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, connection) in open.into_iter().enumerate() {
        let asking = Arc::clone(&asking);
        tasks.spawn(async move { ask(connection, number, begin + length, &asking.0, &asking.1).await });
    }
    let mut pace = Pace::default();
    while let Some(waits) = tasks.join_next().await {
        pace.waits.extend(waits.map_err(|e| std::io::Error::other(e.to_string()))??);
    }
    pace.length = begin.elapsed();
    Ok(pace)
}

async fn ask<R, L>(
    mut connection: Connection,
    number: usize,
    end: Instant,
    request: &R,
    look: &L,
) -> Result<Vec<Duration>, Error>
where
    R: Fn(usize, u64) -> Request<Bytes>,
    L: Fn(&Answer) -> Result<(), Error>,
{
    let mut waits = Vec::new();
    let mut count = 0;
    while Instant::now() < end {
        let request = request(number, count);
        let begin = Instant::now();
        let answer = connection.ask(request).await?.accepted()?;
        waits.push(begin.elapsed());
        look(&answer)?;
        count += 1;
    }
    Ok(waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_wait_that_so_many_did_not_exceed() {
        let waits = (1..=200).rev().map(Duration::from_millis).collect();
        let pace = Pace { waits, length: Duration::from_secs(2) };
        assert_eq!(pace.quantile(0.5), Duration::from_millis(100));
        assert_eq!(pace.quantile(0.99), Duration::from_millis(198));
        assert_eq!(pace.quantile(1.0), Duration::from_millis(200));
        assert!((pace.per_second() - 100.0).abs() < 1e-9);
    }
}
