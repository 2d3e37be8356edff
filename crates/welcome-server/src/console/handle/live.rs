//! `GET /console/live`: the live part of the overview, sent anew whenever it is another.
//!
//! It looks every other second while a browser has the page open: what happened is in the database, whichever process took
//! it, and a few operators look at a time.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use welcome_proto::sse;

use super::super::desk::Desk;
use super::super::overview::live_part;
use super::fleet::live_view;
use crate::http::error::Error;

pub(super) async fn live(desk: Desk) -> Result<Response, Error> {
    let place = std::sync::Arc::clone(&PLACES).try_acquire_owned().map_err(|_| Error::Busy)?;
    let feed = Feed { desk, sent: String::new(), beats: 0, turns: 0, _place: place };
    let body = stream::unfold(feed, |mut feed| async {
        let text = feed.next().await?;
        Some((Ok::<_, Infallible>(text), feed))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(body)).into_response())
}

struct Feed {
    desk: Desk,
    /// What the browser has.
    sent: String,
    /// Looks since something was sent.
    beats: u32,
    turns: u32,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    /// The next piece; `None` ends the stream, and the browser comes back.
    async fn next(&mut self) -> Option<String> {
        let stop = self.desk.app.hub.stop();
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(EVERY) => {}
            }
            self.turns += 1;
            if self.turns >= TURNS {
                // Whether this person may still look is asked anew when the browser comes back.
                return None;
            }
            self.desk.frame.now = crate::app::unix_now();
            let part = match live_view(&self.desk).await {
                Ok(view) => live_part(&self.desk.frame, &view).into_string(),
                Err(error) => {
                    tracing::warn!(?error, "failed to look for an overview");
                    return None;
                }
            };
            if part != self.sent {
                self.beats = 0;
                let event = sse::encode("part", None, &part);
                self.sent = part;
                return Some(event);
            }
            self.beats += 1;
            if self.beats.is_multiple_of(BEAT) {
                return Some(sse::HEART_BEAT.to_owned());
            }
        }
    }
}

const EVERY: Duration = Duration::from_secs(2);
/// Looks between two heart-beats.
const BEAT: u32 = 7;
/// Looks of one stream: ten minutes.
const TURNS: u32 = 300;
/// Overviews that are open at once; a further one is as it was when it was loaded.
static PLACES: std::sync::LazyLock<std::sync::Arc<Semaphore>> =
    std::sync::LazyLock::new(|| std::sync::Arc::new(Semaphore::new(100)));
