//! The captive portal API (RFC 8908): where to read on, at a network whose router and server say nothing.
//!
//! In: its address, from a person, the lease, or whoever configures the interface (RFC 8910). Out: the link for people, as
//! [`News`]. It is asked by HTTPS, once, and nothing else of it is believed: whether something is in the way a person sees.

use super::{News, networkd};
use crate::directory::{body, client};
use anyhow::bail;
use reqwest::Url;
use reqwest::header::ACCEPT;
use serde::Deserialize;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;
use welcome_proto::captive::MEDIA_TYPE;

/// The API of one network.
#[derive(Debug, Clone)]
pub struct Portal {
    from: Source,
    ca_file: Option<PathBuf>,
}

/// How its address is known.
#[derive(Debug, Clone)]
enum Source {
    /// A person says so.
    Person(Url),
    /// The DHCP client of `--dhcp` writes it to this file, if the lease has it.
    Lease(PathBuf),
    /// Whoever configures this interface may know.
    System(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    venue_info_url: Option<String>,
    user_portal_url: Option<String>,
}

impl Portal {
    /// At that address.
    #[must_use]
    pub fn at(uri: Url, ca_file: Option<&Path>) -> Self {
        Self { from: Source::Person(uri), ca_file: ca_file.map(Path::to_owned) }
    }

    /// Where the lease says: what a DHCP client writes to this file. A lease is anybody's word, so it must be `https://…`.
    #[must_use]
    pub fn of_lease(file: PathBuf, ca_file: Option<&Path>) -> Self {
        Self { from: Source::Lease(file), ca_file: ca_file.map(Path::to_owned) }
    }

    /// Where the system says that the network of this interface has it. The same holds for it.
    #[must_use]
    pub fn of_system(interface: &str, ca_file: Option<&Path>) -> Self {
        Self { from: Source::System(interface.to_owned()), ca_file: ca_file.map(Path::to_owned) }
    }

    pub(super) async fn ask(&self, news: &mpsc::Sender<News>) {
        match self.link().await {
            // Nobody listens only when we are about to be dropped.
            Ok(Some(link)) => drop(news.send(News::Link(link)).await),
            Ok(None) => {}
            Err(error) => tracing::debug!("the captive portal API does not say where to read on: {error:#}"),
        }
    }

    async fn link(&self) -> anyhow::Result<Option<String>> {
        let uri = match &self.from {
            Source::Person(uri) => Some(uri.clone()),
            Source::Lease(file) => leased(file).await?.as_deref().map(uri_of_network).transpose()?,
            Source::System(interface) => {
                networkd::captive_uri(interface).await?.as_deref().map(uri_of_network).transpose()?
            }
        };
        let Some(uri) = uri else { return Ok(None) };
        let client = client(&uri, self.ca_file.as_deref(), None)?;
        let response = client.get(uri).header(ACCEPT, MEDIA_TYPE).send().await?;
        if !response.status().is_success() {
            bail!("it answers {}", response.status());
        }
        Ok(link(&body(response, MAX_ANSWER).await?))
    }
}

/// Waits a little for the file: whoever writes it may do so after the address is there.
async fn leased(file: &Path) -> anyhow::Result<Option<String>> {
    for _ in 0..LOOKS {
        match std::fs::File::open(file) {
            Ok(file) => {
                let mut text = String::new();
                file.take(MAX_URI as u64 + 1).read_to_string(&mut text)?;
                return Ok(Some(text));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => sleep(LOOK_EVERY).await,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// What anybody in the network may have said.
fn uri_of_network(text: &str) -> anyhow::Result<Url> {
    if text.len() > MAX_URI {
        bail!("it is longer than {MAX_URI} bytes");
    }
    let uri: Url = text.trim().parse()?;
    if uri.scheme() == "https" { Ok(uri) } else { bail!("it is not https://") }
}

/// What is about the place before what is in the way.
fn link(document: &[u8]) -> Option<String> {
    let Document { venue_info_url, user_portal_url } = serde_json::from_slice(document).ok()?;
    let link: Url = venue_info_url.or(user_portal_url)?.parse().ok()?;
    matches!(link.scheme(), "https" | "http").then(|| link.to_string())
}

const LOOKS: u32 = 12;
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// An option of DHCP has 255 bytes, and may be given in parts.
const MAX_URI: usize = 2048;
/// Android reads as much.
const MAX_ANSWER: usize = 4096;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_venue_comes_before_the_portal_and_both_are_of_the_web() {
        let link = |text: &str| link(text.as_bytes());
        let both = r#"{"captive":true,"user-portal-url":"https://p.example/","venue-info-url":"https://v.example/a"}"#;
        assert_eq!(link(both).as_deref(), Some("https://v.example/a"));
        assert_eq!(link(r#"{"user-portal-url":"https://p.example"}"#).as_deref(), Some("https://p.example/"));
        for none in
            [r#"{"captive":false}"#, r#"{"venue-info-url":"javascript:alert(1)"}"#, r#"{"venue-info-url":7}"#, ""]
        {
            assert_eq!(link(none), None, "{none}");
        }
    }

    #[test]
    fn a_network_can_name_nothing_but_a_site_of_the_web_with_tls() {
        assert_eq!(uri_of_network("https://p.example/api\n").unwrap().as_str(), "https://p.example/api");
        let long = format!("https://p.example/{}", "a".repeat(MAX_URI));
        for bad in
            ["", "http://p.example", "file:///etc/passwd", "https://", "urn:ietf:params:capport:unrestricted", &long]
        {
            assert!(uri_of_network(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_of_a_network_is_https_or_nothing(text in "(https?|HTTPS|ftp|file)?:?/{0,3}[a-z.@:%]{0,9}\\PC{0,9}") {
            prop_assert!(uri_of_network(&text).map_or(true, |uri| uri.scheme() == "https"));
        }

        #[test]
        fn any_document_is_none_or_a_link_of_the_web(bytes: Vec<u8>, text: String) {
            prop_assert!(link(&bytes).is_none());
            let document = serde_json::json!({ "venue-info-url": text }).to_string();
            prop_assert!(link(document.as_bytes()).is_none_or(|link| link.starts_with("http")));
        }
    }
}
