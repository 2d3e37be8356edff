//! What an app on a station does: requests to the portal from the station's own address.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use welcome_proto::lan::{self, LanOffer, Shown, ShownOffer, StationOffers};
use welcome_proto::sse;

use crate::kit::SOON;

/// One station.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Station {
    pub(crate) from: IpAddr,
    pub(crate) portal: SocketAddr,
}

impl Station {
    pub(crate) async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(self.from, 0)).unwrap();
        socket.connect(self.portal).await.unwrap()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: String) -> (StatusCode, Incoming) {
        let (mut sender, connection) = handshake(TokioIo::new(self.connect().await)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "10.77.0.1");
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let answer = timeout(SOON, sender.send_request(request)).await.expect("an answer in time").unwrap();
        (answer.status(), answer.into_body())
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let (status, body) = self.send(Method::GET, path, String::new()).await;
        (status, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    /// The offers that are due; nothing if it is no guest.
    pub(crate) async fn due(&self) -> Option<Vec<LanOffer>> {
        let (status, body) = self.get(lan::OFFERS).await;
        match status {
            StatusCode::OK => Some(serde_json::from_str::<StationOffers>(&body).unwrap().offers),
            StatusCode::NOT_FOUND => None,
            other => panic!("{other}: {body}"),
        }
    }

    /// Says that an offer was shown.
    pub(crate) async fn show(&self, offer: &LanOffer) {
        let shown = Shown { offers: vec![ShownOffer { sender: offer.sender, id: offer.id.clone() }] };
        let (status, _) = self.send(Method::POST, lan::SHOWN, serde_json::to_string(&shown).unwrap()).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }

    /// Opens the live stream.
    pub(crate) async fn stream(&self) -> Stream {
        let (status, body) = self.send(Method::GET, lan::STREAM, String::new()).await;
        assert_eq!(status, StatusCode::OK);
        Stream { body, decoder: sse::Decoder::new(1 << 16), waiting: Vec::new() }
    }
}

/// An open live stream.
pub(crate) struct Stream {
    body: Incoming,
    decoder: sse::Decoder,
    waiting: Vec<sse::Event>,
}

impl Stream {
    /// The next event; nothing when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<sse::Event> {
        while self.waiting.is_empty() {
            let frame = timeout(SOON, self.body.frame()).await.expect("an event in time")?.ok()?;
            let data = frame.into_data().ok()?;
            self.waiting = self.decoder.push(&data).unwrap();
        }
        Some(self.waiting.remove(0))
    }

    /// The next event, which must be an offer.
    pub(crate) async fn offer(&mut self) -> LanOffer {
        let event = self.next().await.expect("an offer");
        assert_eq!(event.name, lan::EVENT_OFFER);
        serde_json::from_str(&event.data).unwrap()
    }
}
