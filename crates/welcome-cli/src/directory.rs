//! Talks with the directory server.
//!
//! In: where the server is, whom to trust, and which token to show. Out: answers of a limited size within a limited time.
//! TLS is verified always; plain HTTP is for a server on this computer only. A server that has too much to do says when to
//! come again, and is obeyed if that is soon.

use anyhow::{Context as _, anyhow, bail};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH, RETRY_AFTER};
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;
use welcome_proto::problem::Problem;

/// A directory server, and how to ask it.
#[derive(Debug, Clone)]
pub struct Directory {
    client: Client,
    server: Url,
    has_token: bool,
}

impl Directory {
    /// A server whose certificate is signed by the system's authorities or by one in `ca_file` (PEM), and which is shown
    /// the API token in `token_file`.
    ///
    /// # Errors
    /// When a file cannot be read, or holds no certificate or no token.
    pub fn new(server: &Url, ca_file: Option<&Path>, token_file: Option<&Path>) -> anyhow::Result<Self> {
        let client = client(server, ca_file, token_file)?;
        Ok(Self { client, server: server.clone(), has_token: token_file.is_some() })
    }

    /// Where it is.
    #[must_use]
    pub fn server(&self) -> &Url {
        &self.server
    }

    /// Whether it is shown a token, and may give keys.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.has_token
    }

    /// The address of something it has; a server may live below a path.
    #[must_use]
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.server.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    /// Asks for what is at that address, unless it still is what `etag` names.
    ///
    /// # Errors
    /// When the server cannot be reached, or has too much to do for a while.
    pub async fn get(&self, url: Url, accept: &'static str, etag: Option<&str>) -> anyhow::Result<Response> {
        let mut request = self.client.get(url).header(ACCEPT, accept);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        send(request).await
    }

    /// Sends JSON there.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn post(&self, url: Url, body: &impl Serialize) -> anyhow::Result<Response> {
        let body = serde_json::to_vec(body)?;
        send(self.client.post(url).header(CONTENT_TYPE, JSON).header(ACCEPT, JSON).body(body)).await
    }
}

async fn send(request: RequestBuilder) -> anyhow::Result<Response> {
    let mut attempt = 1;
    loop {
        let request = request.try_clone().context("failed to make a request")?;
        let response = request.send().await.map_err(reason).context("failed to reach the directory")?;
        if response.status() != StatusCode::TOO_MANY_REQUESTS {
            return Ok(response);
        }
        let wait = retry_after(response.headers().get(RETRY_AFTER));
        if attempt == ATTEMPTS || wait > PATIENCE {
            bail!("the directory was asked too often; it answers again in {} s", wait.as_secs());
        }
        attempt += 1;
        sleep(wait.mul_f64(1.0 + fastrand::f64() / 4.0)).await;
    }
}

/// Seconds alone: a date would need our clock to be right.
fn retry_after(header: Option<&HeaderValue>) -> Duration {
    let seconds = header.and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(1)).max(Duration::from_secs(1))
}

/// Checks the address of a server.
///
/// # Errors
/// What is wrong with it, to follow its option's name.
pub fn parse_server(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}; expected https://HOST"))?;
    let loopback = match url.host_str().unwrap_or_default() {
        "localhost" => true,
        host => host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err("plain http:// is for a server on this computer only; expected https://HOST".into()),
        _ => Err("expected https://HOST".into()),
    }
}

pub(crate) fn client(server: &Url, ca_file: Option<&Path>, token_file: Option<&Path>) -> anyhow::Result<Client> {
    use_ring();
    let mut builder = Client::builder()
        .user_agent(concat!("welcome/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .redirect(reqwest::redirect::Policy::limited(3))
        .https_only(server.scheme() == "https");
    if let Some(path) = ca_file {
        let what = || format!("failed to read the certificates in {}", path.display());
        let certificates = Certificate::from_pem_bundle(&std::fs::read(path).with_context(what)?).with_context(what)?;
        if certificates.is_empty() {
            bail!("failed to find a certificate in {}", path.display());
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(path) = token_file {
        let what = || format!("failed to read the API token in {}", path.display());
        let token = std::fs::read_to_string(path).with_context(what)?;
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.trim())).with_context(what)?;
        header.set_sensitive(true);
        builder = builder.default_headers([(AUTHORIZATION, header)].into_iter().collect());
    }
    builder.build().context("failed to set up TLS")
}

/// rustls has no crypto library of its own choice here.
fn use_ring() {
    // Fails when it was done before, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Reads an answer in JSON.
///
/// # Errors
/// When it is a refusal, too large, or something else than a `T`.
pub(crate) async fn json<T: DeserializeOwned>(response: Response, limit: usize) -> anyhow::Result<T> {
    let body = success(response, limit).await?;
    // The parser's error could quote a key: only its place is told.
    serde_json::from_slice(&body).map_err(|error| {
        anyhow!(
            "the directory's answer is not what it should be: wrong at line {} column {}",
            error.line(),
            error.column()
        )
    })
}

/// Reads an answer that is no refusal.
///
/// # Errors
/// When it is one, or too large.
pub(crate) async fn success(response: Response, limit: usize) -> anyhow::Result<Vec<u8>> {
    let status = response.status();
    let body = body(response, limit).await.context("failed to read the directory's answer")?;
    if !status.is_success() {
        let problem = serde_json::from_slice::<Problem>(&body).ok();
        let why = problem.map(|problem| format!(": {}", problem.detail.unwrap_or(problem.title)));
        bail!("the directory answered {status}{}", why.unwrap_or_default());
    }
    Ok(body)
}

/// Reads a body of at most so many bytes.
pub(crate) async fn body(mut response: Response, limit: usize) -> anyhow::Result<Vec<u8>> {
    let too_large = || anyhow!("it is larger than {limit} bytes");
    if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > limit)) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reason)? {
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The innermost cause: the library's own text repeats the address and says little else.
pub(crate) fn reason(error: reqwest::Error) -> anyhow::Error {
    if error.is_timeout() {
        return anyhow!("no answer in time");
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    anyhow!("{cause}")
}

/// The media type of nearly everything.
pub(crate) const JSON: &str = "application/json";
/// How often to ask a server that has too much to do.
const ATTEMPTS: u32 = 3;
/// The longest that it may let us wait each time.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_http_is_for_this_computer_only() {
        for good in ["https://example.net", "http://localhost:8480", "http://127.0.0.1:1", "http://[::1]:1/base"] {
            assert!(parse_server(good).is_ok(), "{good}");
        }
        for bad in ["http://example.net", "http://192.168.1.1", "http://127.0.0.1.example.net", "ftp://localhost", "x"]
        {
            assert!(parse_server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_may_live_below_a_path() {
        let url = |server: &str| {
            let directory = Directory::new(&server.parse().unwrap(), None, None).unwrap();
            directory.url("/v1/directory").to_string()
        };
        assert_eq!(url("https://a"), "https://a/v1/directory");
        assert_eq!(url("https://a/b/"), "https://a/b/v1/directory");
    }

    proptest! {
        #[test]
        fn a_wait_is_at_least_a_second_whatever_a_server_says(text in "[0-9]{0,30}|\\PC{0,20}") {
            prop_assert!(retry_after(HeaderValue::from_str(&text).ok().as_ref()) >= Duration::from_secs(1));
        }
    }
}
