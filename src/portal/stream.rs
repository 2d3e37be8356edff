//! The live stream of one station: server-sent events made from the [`View`] as it changes.
//!
//! In: the latest view, and what a client that comes back has had. Out: each due offer once, a sign of life, and `bye` at
//! the end of the visit. Keeps nothing but the names of what it has sent: a slow reader gets what is true when it reads,
//! not a backlog.

use sorted::SortedSet;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use welcome_core::{OfferView, SessionId, View};
use welcome_proto::lan::{EVENT_BYE, EVENT_OFFER, LanOffer};
use welcome_proto::language::Preferred;
use welcome_proto::offer::Sender;
use welcome_proto::{OfferId, sse};

use super::resume::Had;
use crate::tasks::Stop;

/// An offer as a station gets it.
#[must_use]
pub fn lan_offer(view: &OfferView, preferred: &Preferred) -> LanOffer {
    let (content, _) = preferred.content(&view.offer);
    let signed = view.signed.as_deref().cloned();
    LanOffer { id: view.offer.id.clone(), sender: view.sender, content: content.clone(), signed }
}

/// What somebody asked for who opened a stream.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Whose visit.
    pub session: SessionId,
    /// In which language.
    pub preferred: Preferred,
    /// What it has had before it lost its last stream.
    pub had: Had,
}

/// The body of the answer.
pub struct EventStream {
    /// Makes the next event and gives the stream back; `None` after the last one.
    next: Option<Next>,
}

type Next = Pin<Box<dyn Future<Output = Option<(String, Stream)>> + Send>>;

impl EventStream {
    /// The stream of one visit; its `place` is free again when the stream is dropped.
    #[must_use]
    pub fn new(
        reader: Reader,
        view: watch::Receiver<Arc<View>>,
        heart_beat: Duration,
        stop: Stop,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut heart = interval_at(Instant::now() + heart_beat, heart_beat);
        heart.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stream = Stream { reader, view, heart, stop, sent: SortedSet::new(), is_over: false, _place: place };
        Self { next: Some(Box::pin(stream.next())) }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let event = std::task::ready!(next.as_mut().poll(cx));
        self.next = None;
        Poll::Ready(event.map(|(text, stream)| {
            self.next = Some(Box::pin(stream.next()));
            Ok(Frame::data(text.into()))
        }))
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}

struct Stream {
    reader: Reader,
    view: watch::Receiver<Arc<View>>,
    heart: Interval,
    stop: Stop,
    sent: SortedSet<(Sender, OfferId)>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    async fn next(mut self) -> Option<(String, Self)> {
        if self.is_over {
            return None;
        }
        loop {
            let Some(due) = self.first_unsent() else { return Some(self.bye()) };
            if let Some(text) = due {
                return Some((text, self));
            }
            tokio::select! {
                changed = self.view.changed() => if changed.is_err() {
                    return Some(self.bye());
                },
                _ = self.heart.tick() => return Some((sse::HEART_BEAT.to_owned(), self)),
                () = self.stop.stopped() => return Some(self.bye()),
            }
        }
    }

    /// The best due offer that was not sent, if any, as text. `None`: the visit is over.
    fn first_unsent(&mut self) -> Option<Option<String>> {
        let view = Arc::clone(&self.view.borrow_and_update());
        let Reader { session, preferred, had } = &mut self.reader;
        let session = view.sessions.get(session).filter(|s| s.guest)?;
        // Names of what is offered no more need not be kept, so that this set stays as small as the offers.
        self.sent.retain(|(sender, id)| session.offers.iter().any(|o| o.sender == *sender && o.offer.id == *id));
        for due in session.due() {
            if self.sent.insert((due.sender, due.offer.id.clone())) && had.add(session.id, due.sender, &due.offer.id) {
                let Ok(json) = serde_json::to_string(&lan_offer(due, preferred)) else { continue };
                return Some(Some(sse::encode(EVENT_OFFER, Some(had.as_str()), &json)));
            }
        }
        Some(None)
    }

    fn bye(mut self) -> (String, Self) {
        self.is_over = true;
        (sse::encode(EVENT_BYE, None, "{}"), self)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::Semaphore;
    use welcome_proto::sse::{Decoder, Event};

    use super::*;
    use crate::portal::tests::{guest_view, offer};
    use crate::tasks::Tasks;

    struct Client {
        body: EventStream,
        decoder: Decoder,
    }

    impl Client {
        fn new(view: &watch::Sender<Arc<View>>, tasks: &Tasks) -> Self {
            Self::again(view, tasks, "", "")
        }

        fn again(view: &watch::Sender<Arc<View>>, tasks: &Tasks, language: &str, last_id: &str) -> Self {
            let session = *view.borrow().sessions.keys().next().unwrap();
            let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            let (view, stop) = (view.subscribe(), tasks.stop_signal());
            let reader = Reader { session, preferred: Preferred::parse(language), had: Had::parse([7; 16], last_id) };
            let body = EventStream::new(reader, view, Duration::from_secs(15), stop, place);
            Self { body, decoder: Decoder::new(1 << 16) }
        }

        async fn text(&mut self) -> Option<Bytes> {
            self.body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
        }

        async fn event(&mut self) -> Event {
            loop {
                let text = self.text().await.expect("the stream goes on");
                if let Some(event) = self.decoder.push(&text).unwrap().pop() {
                    return event;
                }
            }
        }

        async fn offer(&mut self) -> LanOffer {
            let event = self.event().await;
            assert_eq!(event.name, EVENT_OFFER);
            serde_json::from_str(&event.data).unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_due_offer_comes_once_and_later_ones_as_they_come() {
        let [a, b] = ["a", "b"].map(|id| offer(id, "t", "", None));
        let view = watch::Sender::new(Arc::new(guest_view(vec![a.clone()])));
        let tasks = Tasks::new();
        let mut reader = Client::new(&view, &tasks);
        assert_eq!(reader.offer().await.id.as_str(), "a");
        assert_eq!(&reader.text().await.unwrap()[..], sse::HEART_BEAT.as_bytes());
        view.send_replace(Arc::new(guest_view(vec![a.clone(), b.clone()])));
        assert_eq!(reader.offer().await.id.as_str(), "b");
        view.send_replace(Arc::new(guest_view(vec![b, a])));
        assert_eq!(&reader.text().await.unwrap()[..], sse::HEART_BEAT.as_bytes());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_gets_what_is_true_and_no_backlog() {
        let view = watch::Sender::new(Arc::new(guest_view(vec![])));
        let tasks = Tasks::new();
        let mut reader = Client::new(&view, &tasks);
        for i in 0..100 {
            view.send_replace(Arc::new(guest_view(vec![offer(&format!("o{i}"), "t", "", None)])));
        }
        assert_eq!(reader.offer().await.id.as_str(), "o99");
        assert_eq!(&reader.text().await.unwrap()[..], sse::HEART_BEAT.as_bytes());
    }

    #[tokio::test(start_paused = true)]
    async fn bye_is_said_when_the_visit_ends_and_when_the_agent_does() {
        let view = watch::Sender::new(Arc::new(guest_view(vec![])));
        let tasks = Tasks::new();
        let (mut one, mut other) = (Client::new(&view, &tasks), Client::new(&view, &tasks));
        drop(tasks);
        assert_eq!(one.event().await.name, EVENT_BYE);
        assert_eq!(one.text().await, None);

        view.send_replace(Arc::default());
        assert_eq!(other.event().await.name, EVENT_BYE);
        assert_eq!(other.text().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_gets_what_it_has_not_had() {
        let offers = |ids: &[&str]| Arc::new(guest_view(ids.iter().map(|id| offer(id, "t", "", None)).collect()));
        let view = watch::Sender::new(offers(&["b", "c"]));
        let tasks = Tasks::new();
        let mut first = Client::new(&view, &tasks);
        let had_b = first.event().await.id.unwrap();
        let had_both = first.event().await.id.unwrap();
        assert!(had_both.len() <= 32 && had_both != had_b);
        // Something better has come in the meantime; what was not had is not lost for that.
        view.send_replace(offers(&["a", "b", "c"]));
        let mut back = Client::again(&view, &tasks, "", &had_b);
        assert_eq!([back.offer().await.id, back.offer().await.id].map(|id| id.to_string()), ["a", "c"]);
        let mut back = Client::again(&view, &tasks, "", &had_both);
        let event = back.event().await;
        assert!(event.data.contains(r#""id":"a""#), "{event:?}");
        let mut back = Client::again(&view, &tasks, "", &event.id.unwrap());
        assert_eq!(&back.text().await.unwrap()[..], sse::HEART_BEAT.as_bytes());
    }

    #[tokio::test(start_paused = true)]
    async fn offers_come_in_the_language_that_was_asked_for() {
        let mut hello = offer("a", "Hello", "", None);
        let content = welcome_proto::offer::Content { title: "你好".to_owned(), ..Default::default() };
        hello.translations.insert("zh".parse().unwrap(), content);
        let view = watch::Sender::new(Arc::new(guest_view(vec![hello])));
        let tasks = Tasks::new();
        for (language, title) in [("zh-CN,en;q=0.5", "你好"), ("de", "Hello"), ("", "Hello")] {
            assert_eq!(Client::again(&view, &tasks, language, "").offer().await.content.title, title);
        }
    }
}
