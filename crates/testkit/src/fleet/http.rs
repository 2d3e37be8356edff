//! Connections to a server: plain HTTP, with a deadline on every wait.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use welcome_proto::problem::Problem;

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Server {
    addr: SocketAddr,
    /// As it stands in `Host`, and in what routers sign.
    authority: String,
    host: HeaderValue,
}

impl Server {
    /// The server at this address.
    #[must_use]
    pub fn at(addr: SocketAddr) -> Self {
        let host = addr.to_string();
        let authority = host.strip_suffix(":80").unwrap_or(&host).to_owned();
        let value = HeaderValue::from_str(&host).expect("an address is digits, letters and punctuation");
        Self { addr, authority, host: value }
    }

    /// The server of a URL, e.g. `http://127.0.0.1:8480`.
    ///
    /// # Errors
    /// If it is anything but `http`, a name and perhaps a port, or the name has no address.
    pub async fn find(url: &str) -> Result<Self, Error> {
        let wrong =
            || Error::Connect(io::Error::other(format!("{url}: expected http://NAME:PORT and nothing behind it")));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http") && uri.path() == "/").ok_or_else(wrong)?;
        let mut addresses = lookup_host((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await?;
        let addr = addresses.next().ok_or_else(wrong)?;
        let host = uri.authority().ok_or_else(wrong)?.as_str().to_ascii_lowercase();
        let value = HeaderValue::from_str(&host).map_err(|_| wrong())?;
        Ok(Self { addr, authority: host.strip_suffix(":80").unwrap_or(&host).to_owned(), host: value })
    }

    /// What a router signs as `@authority`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn connect(&self) -> Result<Connection, Error> {
        let stream = timeout(DEADLINE, TcpStream::connect(self.addr)).await.map_err(|_| Error::TimedOut)??;
        stream.set_nodelay(true)?;
        // The smallest that hyper allows: there may be ten thousand of them.
        let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
        let (requests, connection) = handshake?;
        let driver = tokio::spawn(async move {
            // What breaks it shows in whatever waits for an answer.
            let _ended = connection.await.is_ok();
        });
        Ok(Connection { requests, driver, host: self.host.clone() })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// A connection for one request after the other. Closed when dropped.
#[derive(Debug)]
pub struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    host: HeaderValue,
}

impl Connection {
    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Incoming>, Error> {
        let mut request = request.map(Full::new);
        request.headers_mut().insert(HOST, self.host.clone());
        let answer = async {
            self.requests.ready().await?;
            self.requests.send_request(request).await
        };
        Ok(timeout(DEADLINE, answer).await.map_err(|_| Error::TimedOut)??)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// If it does not come, or not to its end, in time.
    pub async fn ask(&mut self, request: Request<Bytes>) -> Result<Answer, Error> {
        let (parts, body) = self.send(request).await?.into_parts();
        let body = timeout(DEADLINE, Limited::new(body, MAX_ANSWER).collect()).await.map_err(|_| Error::TimedOut)?;
        let body = body.map_err(|e| io::Error::other(e.to_string()))?.to_bytes();
        Ok(Answer { status: parts.status, body })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Whether it went well.
    pub status: StatusCode,
    /// What it says.
    pub body: Bytes,
}

impl Answer {
    /// The answer, if it is a good one.
    ///
    /// # Errors
    /// If it is a refusal.
    pub fn accepted(self) -> Result<Self, Error> {
        if self.status.is_success() { Ok(self) } else { Err(Error::refused(self.status, &self.body)) }
    }

    /// What a good answer says.
    ///
    /// # Errors
    /// If it is a refusal, or says something else.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        Ok(serde_json::from_slice(&self.accepted()?.body)?)
    }
}

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("connect: {0}")]
    Connect(#[from] io::Error),
    /// It broke.
    #[error("the connection broke: {0}")]
    Broke(#[from] hyper::Error),
    /// The server has ended a stream.
    #[error("the server ended the stream")]
    Ended,
    /// Nothing came.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// The server would not.
    #[error("{status}: {title} {detail}")]
    Refused {
        /// Its answer.
        status: StatusCode,
        /// Which problem, e.g. `stale-generation`; empty if it said none of ours.
        name: String,
        /// The problem in its words.
        title: String,
        /// More of them.
        detail: String,
    },
    /// It said something else.
    #[error("an answer of another form: {0}")]
    NotUnderstood(#[from] serde_json::Error),
}

impl Error {
    /// What a refusal says.
    pub(super) fn refused(status: StatusCode, body: &[u8]) -> Self {
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let (name, title, detail) = match problem {
            Some(problem) => (problem.name().to_owned(), problem.title, problem.detail.unwrap_or_default()),
            None => (String::new(), String::from_utf8_lossy(body).chars().take(200).collect(), String::new()),
        };
        Self::Refused { status, name, title, detail }
    }
}

/// For a connection to be made, and for an answer to begin and to end.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
const MAX_ANSWER: usize = 4 << 20;
const BUFFER: usize = 8 * 1024;
