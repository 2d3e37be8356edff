//! What the server has us show: takes it from the stream, and from flash at the start; hands on what is good.
//!
//! In: events of the stream. Out: the offers for the core, refusals for its reports, the files they want for `content`.

use std::collections::VecDeque;
use std::path::Path;

use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tracing::{debug, info, warn};
use welcome_core::{Audience, Event, Given};
use welcome_proto::sse;
use welcome_proto::{Digest, OfferId};

use super::end::End;
use super::kept::{Kept, Raw};
use super::push::{Push, Sieve, Sifted, read_say};
use super::trust::{Named, Trust, Wrong};

/// The offers of the server.
#[derive(Debug)]
pub struct Offers {
    kept: Kept,
    /// By whose word; absent before the first enrolment.
    trust: Option<Trust>,
    good: Vec<Given>,
    /// Of the push that was taken last.
    last_event: Option<String>,
    /// What was said last, so that nothing is said twice.
    said: VecDeque<OfferId>,
    events: mpsc::Sender<Event>,
    wanted: watch::Sender<Vec<(Digest, u32)>>,
}

impl Offers {
    /// Kept in `dir`. Offers go to `events`, the files that they want to `wanted`, best first.
    #[must_use]
    pub fn new(dir: &Path, events: mpsc::Sender<Event>, wanted: watch::Sender<Vec<(Digest, u32)>>) -> Self {
        let (good, said) = (Vec::new(), VecDeque::new());
        Self { kept: Kept::new(dir), trust: None, good, last_event: None, said, events, wanted }
    }

    /// What the server needs to know to send only what is new.
    #[must_use]
    pub fn last_event(&self) -> Option<&str> {
        self.last_event.as_deref()
    }

    /// Believes this operator from here on. What another one said, or said to another name of ours, is forgotten; the
    /// first time what was kept on flash is taken if it is this one's.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) async fn believe(&mut self, trust: &Trust) -> Result<(), End> {
        if self.trust.as_ref() == Some(trust) {
            return Ok(());
        }
        let is_first = self.trust.replace(trust.clone()).is_none();
        let kept = self.kept.read().filter(|raw| is_first && raw.router == trust.router);
        match kept {
            Some(Raw { revision, offers, .. }) => {
                let sifted = self.sift(trust, offers).await;
                self.last_event = revision.filter(|_| sifted.is_whole).map(|r| r.to_string());
                info!(offers = sifted.good.len(), "offers were kept from before");
                self.hand_on(sifted).await
            }
            None if is_first => Ok(()),
            None => self.clear().await,
        }
    }

    /// Takes an event of the stream; `now` is the time by the server's clock.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) async fn take(&mut self, event: sse::Event, trust: &Trust, now: u64) -> Result<(), End> {
        match event.name.as_str() {
            EVENT_OFFERS => {
                let Some(Push { revision, offers }) = Push::read(&event.data) else { return Ok(()) };
                let sifted = self.sift(trust, offers).await;
                info!(revision, offers = sifted.good.len(), "offers came from the server");
                let whole = sifted.is_whole.then_some(revision);
                self.hand_on(sifted).await?;
                self.last_event = event.id;
                self.kept.write(&trust.router, whole, &self.good).await;
                Ok(())
            }
            EVENT_SAY => self.say(&event.data, trust, now).await,
            name => {
                debug!(event = name, "an event that this version does not know");
                Ok(())
            }
        }
    }

    /// The server has no offers for us any more: it does not know us.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) async fn clear(&mut self) -> Result<(), End> {
        self.last_event = None;
        if let Some(trust) = &self.trust {
            self.kept.write(&trust.router, None, &[]).await;
        }
        self.hand_on(Sifted { good: Vec::new(), refused: sorted::SortedSet::new(), is_whole: true }).await
    }

    async fn say(&mut self, data: &str, trust: &Trust, now: u64) -> Result<(), End> {
        let (network, said) = match read_say(data, trust, now) {
            Ok(say) => say,
            Err(Wrong::Unusable(error)) => {
                warn!(error, "what the server says live cannot be used");
                return Ok(());
            }
            Err(Wrong::Refused(name, why)) => {
                warn!(offer = %name.1, why, "refused to say something");
                return self.refuse(name).await;
            }
        };
        if self.said.contains(&said.offer.id) {
            return Ok(());
        }
        if self.said.len() == SAID {
            self.said.pop_front();
        }
        self.said.push_back(said.offer.id.clone());
        self.tell(Event::Say { to: Audience::Network(network), said }).await
    }

    async fn sift(&self, trust: &Trust, offers: Vec<serde_json::Value>) -> Sifted {
        let mut sieve = Sieve::new(trust, &self.good);
        for raw in offers {
            sieve.take(raw);
            // Verifying takes a small router some milliseconds each; guests come in between.
            yield_now().await;
        }
        sieve.finish()
    }

    async fn hand_on(&mut self, Sifted { good, refused, .. }: Sifted) -> Result<(), End> {
        for name in refused {
            self.refuse(name).await?;
        }
        let mut best_first: Vec<_> = good.iter().collect();
        best_first.sort_by_key(|g| std::cmp::Reverse(g.offer.priority));
        let files = best_first.into_iter().flat_map(|g| g.offer.files()).map(|f| (f.digest, f.length)).collect();
        self.wanted.send_replace(files);
        self.good.clone_from(&good);
        self.tell(Event::ServerOffers(good)).await
    }

    async fn refuse(&self, (sender, offer): Named) -> Result<(), End> {
        self.tell(Event::Refused { sender, offer }).await
    }

    async fn tell(&self, event: Event) -> Result<(), End> {
        self.events.send(event).await.map_err(|_| End::NobodyListens)
    }
}

const EVENT_OFFERS: &str = "offers";
const EVENT_SAY: &str = "say";
/// How many live messages are known again. The server says nothing twice by itself; each is for ten minutes.
const SAID: usize = 64;
