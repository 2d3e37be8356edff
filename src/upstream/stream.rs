//! The stream down: bytes come in, each whole event goes to [`Offers`] or, about [`ownership`], to the core.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;
use welcome_core::Event;
use welcome_proto::sse;

use super::end::End;
use super::offers::Offers;
use super::ownership;
use super::session::{Never, tell};
use super::trust::Trust;
use crate::clock::ServerTime;

/// Takes what the server pushes until the stream ends or falls silent.
pub(super) async fn read_stream(
    mut body: Incoming,
    silence: Duration,
    trust: &Trust,
    time: ServerTime,
    offers: &mut Offers,
    events: &mpsc::Sender<Event>,
) -> Result<Never, End> {
    let mut decoder = sse::Decoder::new(MAX_PUSH);
    loop {
        let frame = timeout(silence, body.frame()).await;
        let frame = frame.map_err(|_| anyhow::anyhow!("the server has been silent for {} s", silence.as_secs()))?;
        let frame = frame.ok_or_else(|| anyhow::anyhow!("the server ended the stream"))?;
        let frame = frame.map_err(|e| anyhow::anyhow!("the stream broke: {e}"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        for event in decoder.push(&bytes).map_err(anyhow::Error::from)? {
            match ownership::read(&event, trust, time.now()) {
                None => offers.take(event, trust, time.now()).await?,
                Some(Ok(event)) => tell(events, event).await?,
                Some(Err(why)) => warn!(event = event.name, why, "what the server asks for is not taken"),
            }
        }
    }
}

/// The longest event: the server holds two senders' statements to 60 KiB each, and none of their bytes takes more than
/// two in a push.
const MAX_PUSH: usize = 256 * 1024;
