//! Connections to the server: name, TCP, TLS, HTTP. The only file that knows TLS.
//!
//! In: requests. Out: answers. Certificates are verified always; there is no switch to leave that out. Every wait has a
//! deadline, every answer a greatest length.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::config::{Server, ServerUrl};
use crate::wire::Wire;

/// How to reach one server.
pub struct Link {
    url: ServerUrl,
    /// Absent for plain HTTP, which the configuration allows for this very machine only.
    tls: Option<tokio_rustls::TlsConnector>,
    deadline: Duration,
}

impl Link {
    /// Reads the certificates to trust. `deadline` holds for a connection to be made and for an answer to come.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(server: &Server, deadline: Duration) -> anyhow::Result<Self> {
        let tls = if server.url.is_tls() { Some(connector(server.ca_file.as_deref())?) } else { None };
        Ok(Self { url: server.url.clone(), tls, deadline })
    }

    /// What stands in `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.url.authority()
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// If that does not succeed in time.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let connecting = timeout(self.deadline, self.connect_in_any_time()).await;
        let connection = connecting.unwrap_or_else(|_| bail!("no answer within {} s", self.deadline.as_secs()));
        connection.with_context(|| format!("connect to {}", self.url))
    }

    async fn connect_in_any_time(&self) -> anyhow::Result<Connection> {
        let (host, port) = (self.url.host(), self.url.port());
        let stream = self.connect_tcp(host, port).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Connection::begin(Wire::Plain(stream), self.deadline).await,
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned())?;
                let stream = tls.connect(name, stream).await.map_err(explain)?;
                Connection::begin(Wire::Tls(Box::new(stream.into())), self.deadline).await
            }
        }
    }

    /// The first of the server's addresses that answers.
    async fn connect_tcp(&self, host: &str, port: u16) -> anyhow::Result<TcpStream> {
        let addresses = lookup_host((host, port)).await.context("look up its address")?;
        let mut last = None;
        for address in addresses {
            match timeout(self.deadline / 3, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
            }
            debug!(%address, error = ?last, "an address of the server does not answer");
        }
        Err(last.map_or_else(|| anyhow::anyhow!("it has no address"), Into::into))
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.url)
    }
}

/// A connection for one request after the other.
#[derive(Debug)]
pub struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    deadline: Duration,
}

impl Connection {
    async fn begin(stream: Wire, deadline: Duration) -> anyhow::Result<Self> {
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_BUFFER);
        let (requests, connection) = http.handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection to the server ended badly");
            }
        });
        Ok(Self { requests, driver, deadline })
    }

    /// Whether another request can be tried; the server may have closed it without our knowing.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        let answer = async {
            self.requests.ready().await?;
            self.requests.send_request(request).await
        };
        Ok(timeout(self.deadline, answer).await.context("no answer in time")??)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The whole body of an answer, unless it has more than `limit` bytes or is too slow.
///
/// # Errors
/// If it is, or breaks off.
pub async fn read_body(body: Incoming, deadline: Duration, limit: usize) -> anyhow::Result<Bytes> {
    let whole = timeout(deadline, Limited::new(body, limit).collect()).await.context("the answer does not end")?;
    Ok(whole.map_err(|e| anyhow::anyhow!("read the answer: {e}"))?.to_bytes())
}

/// What is wrong with TLS. Two mistakes are so common with certificates made at home that the remedy is told.
fn explain(error: io::Error) -> anyhow::Error {
    let text = error.to_string();
    let remedy = if text.contains("CaUsedAsEndEntity") {
        "; the server's certificate is marked as an authority's: make it with basicConstraints=CA:FALSE"
    } else if text.contains("UnknownIssuer") {
        "; name the authority's certificate in server.ca_file if it is not a public one"
    } else {
        ""
    };
    anyhow::anyhow!("TLS: {text}{remedy}")
}

fn connector(ca_file: Option<&Path>) -> anyhow::Result<tokio_rustls::TlsConnector> {
    let roots = match ca_file {
        Some(file) => read_roots(file).with_context(|| format!("read certificates from {}", file.display()))?,
        None => system_roots()?,
    };
    let provider = crate::tls::provider();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // One server; the default has room for 256.
    config.resumption = Resumption::in_memory_sessions(2);
    Ok(Arc::new(config).into())
}

fn system_roots() -> anyhow::Result<RootCertStore> {
    let there = SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|f| f.exists());
    let file = there.context("find the system's certificates: install ca-bundle, or set server.ca_file")?;
    read_roots(&file).with_context(|| format!("read certificates from {}", file.display()))
}

fn read_roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        // Bundles carry certificates of many ages; one that is not understood costs itself.
        if let Err(error) = roots.add(certificate?) {
            warn!(file = %file.display(), %error, "a certificate cannot be used");
        }
    }
    if roots.is_empty() {
        bail!("there is none in it");
    }
    Ok(roots)
}

/// Where systems keep their certificates: OpenWrt and Debian; a link to it, or the file of others.
const SYSTEM_BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];
/// What a connection may hold of what it reads.
const MAX_BUFFER: usize = 32 * 1024;
