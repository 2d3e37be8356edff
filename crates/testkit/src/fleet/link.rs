//! One router and its server, once they know each other: the stream down, reports up.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, StatusCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use welcome_proto::challenge::{ChallengePush, EVENT_CHALLENGE, EVENT_WITNESS, WitnessPush};
use welcome_proto::offer::OffersPush;
use welcome_proto::problem::UNKNOWN_ROUTER;
use welcome_proto::sse::Event;

use super::guests::Guests;
use super::http::{Error, Server};
use super::proof::Proof;
use super::run::{Counts, unix_now};
use super::{Router, Stream};

/// A router at work.
pub(super) struct Link<'a> {
    router: &'a Router,
    server: Server,
    guests: Guests,
    proof: Proof,
    counts: &'a Arc<Counts>,
    stream: Option<Stream>,
    /// Of the stream that was open last.
    last_event: Option<String>,
    /// Nothing is tried before this.
    not_before: Instant,
    failed: u32,
}

/// Why a router has nothing more to do.
struct Removed;

impl<'a> Link<'a> {
    pub(super) fn new(
        router: &'a Router,
        server: Server,
        guests: Guests,
        proof: Proof,
        counts: &'a Arc<Counts>,
    ) -> Self {
        let not_before = Instant::now();
        Self { router, server, guests, proof, counts, stream: None, last_event: None, not_before, failed: 0 }
    }

    /// Works until `stop`, or until the server has removed the router; then sends what is left.
    pub(super) async fn run(mut self, stop: &mut watch::Receiver<bool>) {
        let removed = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => false,
            Removed = self.work() => true,
        };
        self.close();
        if !removed {
            // Interrupted in the middle, it may have been sent before: the server knows it by its name.
            while self.guests.batch().is_some() && self.report().await.is_ok() {}
        }
    }

    async fn work(&mut self) -> Removed {
        loop {
            let quiet = if self.proof.listens() { GATHER } else { self.guests.quiet_for(unix_now()).max(GATHER) };
            let quiet = Instant::now() + quiet;
            let outcome = match &mut self.stream {
                Some(stream) => tokio::select! {
                    event = stream.next() => self.take(event).await,
                    () = sleep_until(quiet) => self.pass().await,
                },
                None => {
                    sleep_until(self.not_before).await;
                    self.listen().await
                }
            };
            match outcome {
                Ok(()) => {}
                Err(Error::Refused { name, .. }) if name == UNKNOWN_ROUTER => return Removed,
                Err(_) => self.back_off(),
            }
        }
    }

    async fn listen(&mut self) -> Result<(), Error> {
        self.stream = Some(self.router.listen(self.last_event.as_deref()).await?);
        Counts::add(&self.counts.streams, 1);
        self.failed = 0;
        self.pass().await
    }

    /// What the stream brought.
    async fn take(&mut self, event: Result<Option<Event>, Error>) -> Result<(), Error> {
        let event = event?.ok_or(Error::Ended)?;
        match event.name.as_str() {
            "offers" => {
                let push: OffersPush = serde_json::from_str(&event.data)?;
                for signed in &push.offers {
                    if let Some(statement) = self.believe(self.router.offer(signed)) {
                        Counts::add(&self.counts.offers, 1);
                        self.guests.show(statement.sender, statement.offer.id);
                    }
                }
            }
            EVENT_CHALLENGE => {
                let push: ChallengePush = serde_json::from_str(&event.data)?;
                if let Some(challenge) = self.believe(self.router.challenge(&push.challenge)) {
                    let told = self.proof.carry(self.router, challenge)?;
                    self.tell(told).await?;
                }
            }
            EVENT_WITNESS => {
                let push: WitnessPush = serde_json::from_str(&event.data)?;
                if let Some(question) = self.believe(self.router.witness(&push.witness)) {
                    self.proof.ask(question);
                }
            }
            _ => {}
        }
        self.last_event = event.id.or(self.last_event.take());
        Ok(())
    }

    fn believe<T>(&self, verified: Option<T>) -> Option<T> {
        if verified.is_none() {
            Counts::add(&self.counts.refused, 1);
        }
        verified
    }

    /// Lets the guests come and go, and reports it; listens, and tells what it heard.
    async fn pass(&mut self) -> Result<(), Error> {
        let heard = self.proof.hear(self.router, unix_now() as u64)?;
        self.tell(heard).await?;
        self.guests.pass(unix_now(), self.counts);
        if self.guests.batch().is_some() { self.report().await } else { Ok(()) }
    }

    async fn report(&mut self) -> Result<(), Error> {
        let Some(batch) = self.guests.batch() else { return Ok(()) };
        // A connection for each: a server closes idle ones, and ten thousand of them would be for nothing.
        let request = self.router.report(batch)?;
        self.server.connect().await?.ask(request).await?.accepted()?;
        self.guests.taken(self.counts);
        Ok(())
    }

    async fn tell(&mut self, request: Option<Request<Bytes>>) -> Result<(), Error> {
        let Some(request) = request else { return Ok(()) };
        let answer = self.server.connect().await?.ask(request).await?;
        // That it is over by now is nobody's fault.
        if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { answer.accepted().map(drop) }
    }

    /// Full jitter, as the agent has it, but less patient: somebody is watching.
    fn back_off(&mut self) {
        self.close();
        Counts::add(&self.counts.failures, 1);
        self.failed = (self.failed + 1).min(MOST_DOUBLINGS);
        let ceiling = FIRST_CEILING * 2_u32.pow(self.failed);
        self.not_before = Instant::now() + ceiling.mul_f64(Rng::new().f64());
    }

    fn close(&mut self) {
        if self.stream.take().is_some() {
            self.counts.streams.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

/// What happens within this time is one batch, as the agent does it.
const GATHER: Duration = Duration::from_secs(1);
const FIRST_CEILING: Duration = Duration::from_secs(1);
/// Up to half a minute.
const MOST_DOUBLINGS: u32 = 5;
