//! What a server pushes to one router, event by event.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;
use welcome_proto::sse::{Decoder, Event};

use super::http::{Connection, Error};

/// An open event stream. Closed when dropped.
#[derive(Debug)]
pub struct Stream {
    body: Incoming,
    decoder: Decoder,
    ready: VecDeque<Event>,
    /// Keeps the connection open.
    _connection: Connection,
}

impl Stream {
    /// Sends the request for one.
    ///
    /// # Errors
    /// If the server refuses.
    pub(super) async fn open(mut connection: Connection, request: Request<Bytes>) -> Result<Self, Error> {
        let answer = connection.send(request).await?;
        let status = answer.status();
        if !status.is_success() {
            let body = answer.into_body().collect().await?.to_bytes();
            return Err(Error::refused(status, &body));
        }
        let body = answer.into_body();
        Ok(Self { body, decoder: Decoder::new(MAX_PUSH), ready: VecDeque::new(), _connection: connection })
    }

    /// The next event; `None` when the server has ended the stream.
    ///
    /// # Errors
    /// If it breaks, or nothing comes for so long that a heart beat is missing.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(frame) = timeout(SILENCE, self.body.frame()).await.map_err(|_| Error::TimedOut)? else {
                return Ok(None);
            };
            if let Ok(bytes) = frame?.into_data() {
                let events = self.decoder.push(&bytes).map_err(|e| io::Error::other(e.to_string()))?;
                self.ready.extend(events);
            }
        }
    }
}

/// The longest event, as the agent takes it.
const MAX_PUSH: usize = 256 * 1024;
/// A heart beat comes every 15 s; the agent waits as long.
const SILENCE: Duration = Duration::from_secs(45);
