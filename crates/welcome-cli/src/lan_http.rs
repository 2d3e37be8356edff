//! HTTP with the router, or with whoever has messages in its place: one small request on a connection of its own.
//!
//! In: where that is, a path, and an interface to keep to. Out: a response, whose body is limited by whoever
//! reads it. No TLS, redirect, proxy, cookie or pool: the first words after joining should cost as little as can be,
//! and a pooled connection of the former network could have the same address at its other end.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_LANGUAGE, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// The router, as seen from one interface or from any.
#[derive(Debug, Clone)]
pub struct Router {
    /// Its address and port; a link-local one with its scope.
    pub address: SocketAddr,
    /// Ask by this interface alone.
    pub interface: Option<String>,
    /// What the person reads, as `Accept-Language`; may be empty.
    pub languages: String,
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system does not let us choose the interface.
    #[error("this system does not let us choose the interface")]
    Denied,
    /// No connection.
    #[error("the router cannot be reached: {0}")]
    Connect(io::Error),
    /// The router said nothing for too long.
    #[error("the router does not answer")]
    Timeout,
    /// The router named a path that is none.
    #[error("the router names a path that is none")]
    Path,
    /// What the router said is not HTTP, or it broke off.
    #[error("the router does not speak HTTP as it should: {0}")]
    Http(#[from] hyper::Error),
    /// The answer is larger than allowed.
    #[error("the router's answer is too large")]
    TooLarge,
}

impl Router {
    /// Asks for a path, for an answer of that media type.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, path: &str, accept: &'static str) -> Result<Response<Incoming>, Error> {
        let mut request = self.request(Method::GET, path, Bytes::new())?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(languages) = HeaderValue::from_str(&self.languages).ok().filter(|value| !value.is_empty()) {
            request.headers_mut().insert(ACCEPT_LANGUAGE, languages);
        }
        self.exchange(request).await
    }

    /// Sends JSON to a path.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn post(&self, path: &str, json: Vec<u8>) -> Result<Response<Incoming>, Error> {
        let mut request = self.request(Method::POST, path, json.into())?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.exchange(request).await
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Error> {
        // Only a path: whatever it says, the connection goes to the router.
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(Error::Path);
        }
        let path: PathAndQuery = path.parse().map_err(|_| Error::Path)?;
        let host = HeaderValue::from_str(&self.host()).map_err(|_| Error::Path)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.into();
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("welcome/", env!("CARGO_PKG_VERSION"))));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }

    /// Without the scope, which means nothing to the router (RFC 6874, section 1).
    fn host(&self) -> String {
        SocketAddr::new(self.address.ip(), self.address.port()).to_string()
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        let stream = timeout(CONNECT_WITHIN, self.connect()?).await.map_err(|_| Error::Timeout)?;
        let talk = async {
            let io = TokioIo::new(stream.map_err(Error::Connect)?);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            // Ends with the response's body; what goes wrong on it shows there.
            tokio::spawn(async move { drop(connection.await) });
            Ok(sender.send_request(request).await?)
        };
        timeout(ANSWER_WITHIN, talk).await.map_err(|_| Error::Timeout)?
    }

    fn connect(&self) -> Result<impl Future<Output = io::Result<TcpStream>> + use<>, Error> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(Error::Connect)?;
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes())).map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => Error::Denied,
                _ => Error::Connect(error),
            })?;
        }
        Ok(socket.connect(self.address))
    }
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Timeout`], or what went wrong on the way.
pub async fn body(response: Response<Incoming>, limit: usize) -> Result<Bytes, Error> {
    let limited = http_body_util::Limited::new(response.into_body(), limit);
    match timeout(ANSWER_WITHIN, limited.collect()).await {
        Err(_) => Err(Error::Timeout),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(error.downcast::<hyper::Error>().map_or(Error::TooLarge, |error| Error::Http(*error))),
    }
}

/// A lost first packet would otherwise cost a second.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// The router itself may take two seconds to find out who we are.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_lead_away_from_the_router() {
        let router = Router { address: "[fe80::1%3]:8910".parse().unwrap(), interface: None, languages: String::new() };
        let request = router.request(Method::GET, "/a?b", Bytes::new()).unwrap();
        assert_eq!(
            (request.uri().to_string().as_str(), request.headers()[HOST].to_str().unwrap()),
            ("/a?b", "[fe80::1]:8910")
        );
        for bad in ["//evil.example/", "http://evil.example/", "", "a", "/a b", "/a\r\nx: y"] {
            assert!(router.request(Method::GET, bad, Bytes::new()).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn an_interface_that_is_not_there_is_not_silently_left_out() {
        let interface = Some("no-such-if".into());
        let router = Router { address: "127.0.0.1:1".parse().unwrap(), interface, languages: String::new() };
        assert!(matches!(router.get("/", "*/*").await, Err(Error::Connect(_) | Error::Denied)));
    }
}
