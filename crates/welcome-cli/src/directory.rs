//! Asks the directory server for the list of shared networks.
//!
//! In: where the server is, and what is kept already. Out: a new list, or that the kept one still holds. TLS is
//! verified always; plain HTTP is for a server on this computer only. What comes is limited in size and time.

use crate::kept::{Kept, MAX_ENTRIES};
use anyhow::{Context as _, anyhow, bail};
use reqwest::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::{Certificate, Client, Response, StatusCode, Url};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use welcome_proto::announce::Place;
use welcome_proto::lookup::{ListEntry, Listing};
use welcome_proto::problem::Problem;

/// What to ask for, and where.
#[derive(Debug, Clone)]
pub struct Query {
    /// `https://…`, or `http://` with a loopback host.
    pub server: Url,
    /// Only what is around here; everything when there is none.
    pub place: Option<Place>,
}

/// What the directory answered.
#[derive(Debug)]
pub enum Fetched {
    /// This is the list.
    New(Kept),
    /// The kept one still holds.
    Unchanged,
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

/// An HTTP client for the directory, which trusts the system's authorities and those in `ca_file` (PEM), and shows the API
/// token in `token_file`.
///
/// # Errors
/// When a file cannot be read, or holds no certificate or no token.
pub fn client(server: &Url, ca_file: Option<&Path>, token_file: Option<&Path>) -> anyhow::Result<Client> {
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

/// Fetches the whole list, page by page.
///
/// # Errors
/// When the server cannot be reached, refuses, or answers with something else or too much.
pub async fn fetch(client: &Client, query: &Query, kept: Option<&Kept>) -> anyhow::Result<Fetched> {
    let first = first_page(query);
    let known = kept.filter(|kept| kept.from == first.as_str()).and_then(|kept| kept.etag.clone());
    let mut entries: Vec<ListEntry> = Vec::new();
    let mut etag = None;
    let mut page = first.clone();
    for number in 0..MAX_PAGES {
        let mut request = client.get(page.clone()).header(ACCEPT, "application/json");
        if let Some(known) = known.as_ref().filter(|_| number == 0) {
            request = request.header(IF_NONE_MATCH, known);
        }
        let response = request.send().await.map_err(reason).context("failed to reach the directory")?;
        if response.status() == StatusCode::NOT_MODIFIED && number == 0 && known.is_some() {
            return Ok(Fetched::Unchanged);
        }
        if number == 0 {
            etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        }
        let listing = listing(response).await?;
        if listing.entries.len() + entries.len() > MAX_ENTRIES {
            bail!("the directory lists more than {MAX_ENTRIES} networks: ask for a place (--place LAT,LON)");
        }
        entries.extend(listing.entries);
        let Some(next) = listing.next else {
            let fetched = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            // A tag speaks for one page.
            let etag = etag.filter(|_| number == 0);
            return Ok(Fetched::New(Kept { version: 1, fetched, from: first.into(), etag, entries }));
        };
        page = first.clone();
        page.query_pairs_mut().append_pair("after", &next);
    }
    bail!("the directory's list has no end")
}

fn first_page(query: &Query) -> Url {
    let mut url = query.server.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    match query.place {
        None => url.set_path(&format!("{base}/v1/lookup/list")),
        Some(Place { lat, lon }) => {
            url.set_path(&format!("{base}/v1/lookup/place"));
            url.query_pairs_mut().append_pair("lat", &lat.to_string()).append_pair("lon", &lon.to_string());
        }
    }
    url
}

async fn listing(response: Response) -> anyhow::Result<Listing> {
    let status = response.status();
    let body = body(response, MAX_PAGE).await.context("failed to read the directory's answer")?;
    if !status.is_success() {
        let problem = serde_json::from_slice::<Problem>(&body).ok();
        let why = problem.map(|problem| format!(": {}", problem.detail.unwrap_or(problem.title)));
        bail!("the directory answered {status}{}", why.unwrap_or_default());
    }
    // The parser's error could quote a key: only its place is told.
    serde_json::from_slice(&body).map_err(|error| {
        anyhow!("the directory's answer is no list: wrong at line {} column {}", error.line(), error.column())
    })
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

/// A page has at most 1000 entries of some 250 bytes.
const MAX_PAGE: usize = 4 << 20;
const MAX_PAGES: usize = 1 + MAX_ENTRIES / 1000;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
        let query = |server: &str, place: Option<&str>| {
            first_page(&Query { server: server.parse().unwrap(), place: place.map(|p| p.parse().unwrap()) }).to_string()
        };
        assert_eq!(query("https://a", None), "https://a/v1/lookup/list");
        assert_eq!(query("https://a/b/", Some("48.1,-11.5")), "https://a/b/v1/lookup/place?lat=48.1&lon=-11.5");
    }
}
