//! Asks in the network whether a computer of the sharer's has the message there (`welcome share serve`).
//!
//! In: the interface that is in the network, and when its route has changed. Out: what is signed, as [`News`]. It is asked
//! once for each route, for some seconds, by multicast DNS; a few who answer are asked for what they have, if they are
//! neighbours. Anybody in the network may answer: of what they say only the statements are taken, and those are held
//! against the list.

use super::News;
use super::router::{Trouble, welcome};
use crate::dns_sd::Question;
use crate::lan_http::{Error, Router, body};
use crate::on_link::OnLink;
use crate::verify::From;
use hyper::StatusCode;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use welcome_proto::arrival::MAX_OFFERS;
use welcome_proto::lan::StationOffers;
use welcome_proto::signed::{MAX_STATEMENT, Signed};

/// Asks, and again when there is another route: whoever gets a new address hears no answer to what was asked before.
pub(super) async fn keep_asking(interface: &str, mut routes: watch::Receiver<()>, news: &mpsc::Sender<News>) {
    routes.mark_unchanged();
    loop {
        let asking = async {
            ask(interface, news).await;
            pending::<Infallible>().await
        };
        tokio::select! {
            changed = routes.changed() => match changed {
                Ok(()) => {}
                // Nobody tells of routes only when we are about to be dropped.
                Err(_) => return,
            },
            never = asking => match never {},
        }
    }
}

/// Asks, and returns when nobody is left to be asked.
async fn ask(interface: &str, news: &mpsc::Sender<News>) {
    let mut asked = BTreeSet::new();
    // Those who are asked end with this.
    let mut asking = JoinSet::new();
    let listening = async {
        let (mut question, here) = (Question::ask(interface)?, OnLink::of(interface)?);
        while asked.len() < MOST {
            let answer = question.next().await;
            // All addresses of an answer are one computer's.
            let reached = answer.addresses.into_iter().find_map(|address| here.reach(address, answer.port));
            if let Some(address) = reached.filter(|address| asked.insert(*address)) {
                asking.spawn(tell(address, interface.to_owned(), news.clone()));
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    if let Ok(Err(error)) = timeout(FOR, listening).await {
        tracing::debug!("nobody in the network can be asked: {error:#}");
    }
    while asking.join_next().await.is_some() {}
}

async fn tell(address: SocketAddr, interface: String, news: mpsc::Sender<News>) {
    let here = Router { address, interface: Some(interface), languages: String::new() };
    let told = match statements(&here).await {
        // An older kernel lets only root choose the interface. The address is a neighbour's all the same.
        Err(Trouble::Http(Error::Denied)) => statements(&Router { interface: None, ..here }).await,
        told => told,
    };
    match told {
        // Nobody listens only when we are about to be dropped.
        Ok(statements) => drop(news.send(News::Statements(Instant::now(), From::Sharer, statements)).await),
        Err(trouble) => tracing::debug!(%trouble, %address, "who answered has no message"),
    }
}

/// What is signed of what they have.
async fn statements(there: &Router) -> Result<Vec<Signed>, Trouble> {
    let welcome = welcome(there).await?;
    let response = there.get(&welcome.offers, "application/json").await?;
    if response.status() != StatusCode::OK {
        return Err(Trouble::Status(response.status()));
    }
    let told: StationOffers = serde_json::from_slice(&body(response, MAX_ANSWER).await?)
        .map_err(|_| Trouble::Said("there is something else than messages"))?;
    Ok(told.offers.into_iter().filter_map(|offer| offer.signed).take(MAX_OFFERS).collect())
}

/// For how long answers are taken: the first one that is lost is asked for again within a second.
const FOR: Duration = Duration::from_secs(4);
/// A network has one such computer, or two. More are a way to keep us busy.
const MOST: usize = 4;
/// In JSON a statement grows by its quotes, at most to twice its size; its text in one language stands beside it.
const MAX_ANSWER: usize = MAX_OFFERS * 3 * MAX_STATEMENT;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Somebody in the network who has this at the path of the offers, and says that it is that one.
    async fn somebody(path: &'static str, offers: String) -> Router {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let welcome = json!({
                    "version": 1, "offers": path, "stream": "/s", "shown": "/d", "page": "/", "network": null
                });
                let answer = match &request[..length] {
                    asked if asked.starts_with(b"GET /.well-known/welcome ") => ok(&welcome.to_string()),
                    asked if asked.starts_with(b"GET /o ") => offers.clone(),
                    _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
                };
                // Whoever asked may have heard enough.
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Router { address, interface: None, languages: String::new() }
    }

    fn ok(text: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len())
    }

    #[tokio::test]
    async fn only_what_is_signed_is_taken_and_no_more_than_a_greeting_has() {
        let signed = json!({ "statement": "s", "signature": "t" });
        let mut offers = vec![
            json!({ "id": "a", "sender": "device", "title": "Pay here" }),
            json!({ "id": "b", "sender": "sharer", "title": "Pay here" }),
        ];
        offers
            .extend((0..=MAX_OFFERS).map(|_| json!({ "id": "c", "sender": "sharer", "title": "x", "signed": signed })));
        let told = ok(&json!({ "network": "kiosk", "offers": offers }).to_string());
        let statements = statements(&somebody("/o", told).await).await.unwrap();
        assert_eq!(statements.len(), MAX_OFFERS);
        assert!(statements.iter().all(|signed| signed.statement == "s"));
    }

    #[tokio::test]
    async fn what_is_no_list_of_messages_or_too_large_is_nothing() {
        let redirect = "HTTP/1.1 302 Found\r\nlocation: http://203.0.113.9/\r\ncontent-length: 0\r\n\r\n";
        let huge = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(MAX_ANSWER + 1));
        for (path, answer) in [
            ("/o", ok("{}")),
            ("/o", ok("<html>")),
            ("/o", redirect.to_owned()),
            ("/o", huge),
            ("/elsewhere", ok("{}")),
            ("http://203.0.113.9/o", ok("{}")),
            ("//203.0.113.9/o", ok("{}")),
        ] {
            let somebody = somebody(path, answer).await;
            assert!(statements(&somebody).await.is_err(), "{path}");
        }
    }

    #[tokio::test]
    async fn asking_ends_by_itself_where_there_is_no_network() {
        let (news, mut told) = mpsc::channel(1);
        timeout(FOR * 2, ask("no-such-if", &news)).await.expect("it ends by itself");
        assert!(told.try_recv().is_err());
    }
}
