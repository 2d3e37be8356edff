//! Asks the directory server for the message of a network that was joined.
//!
//! In: the BSSID. Out: what is signed for it, as [`News`]. It is asked until it has answered once: what comes later is the
//! router's to tell.

use super::News;
use crate::directory::{Directory, json};
use crate::verify::From;
use reqwest::StatusCode;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::sleep;
use welcome_proto::Bssid;
use welcome_proto::arrival::{Arrival, Greeting, MAX_OFFERS};
use welcome_proto::signed::{MAX_STATEMENT, Signed};

/// Asks until there is an answer.
pub(super) async fn ask(directory: &Directory, bssid: Bssid, news: &mpsc::Sender<News>) {
    let mut pause = EAGER;
    loop {
        match once(directory, bssid).await {
            Ok(Some(statements)) => {
                // Nobody listens only when we are about to be dropped.
                drop(news.send(News::Statements(Instant::now(), From::Server, statements)).await);
                return;
            }
            Ok(None) => return,
            Err(error) => tracing::debug!("no message of the server yet: {error:#}"),
        }
        sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(LAZY);
    }
}

/// `None` if there is no use in asking again.
async fn once(directory: &Directory, bssid: Bssid) -> anyhow::Result<Option<Vec<Signed>>> {
    let response = directory.post(directory.url("/v1/arrivals"), &Arrival { bssid }).await?;
    let status = response.status();
    if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT {
        tracing::debug!(%status, "the server has no message");
        return Ok(None);
    }
    let Greeting { mut offers } = json(response, MAX_ANSWER).await?;
    offers.truncate(MAX_OFFERS);
    Ok(Some(offers))
}

/// The Internet may be there a little later than the router.
const EAGER: Duration = Duration::from_millis(250);
const LAZY: Duration = Duration::from_secs(10);
/// In JSON a statement grows by its quotes, at most to twice its size.
const MAX_ANSWER: usize = MAX_OFFERS * 2 * MAX_STATEMENT;
