//! The captive portal API (RFC 8908): where to read on, at a network whose router and server say nothing.
//!
//! In: its address, from the lease (RFC 8910). Out: the link for people, as [`News`]. It is asked by HTTPS, once, and
//! nothing else of it is believed: whether something is in the way a person sees.

use super::News;
use crate::directory::{body, client};
use crate::exit::Failure;
use anyhow::bail;
use reqwest::header::ACCEPT;
use reqwest::{Client, Url};
use serde::Deserialize;
use std::path::Path;
use tokio::sync::mpsc;
use welcome_proto::captive::MEDIA_TYPE;

/// The API of one network.
#[derive(Debug, Clone)]
pub struct Portal {
    client: Client,
    uri: Url,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    venue_info_url: Option<String>,
    user_portal_url: Option<String>,
}

impl Portal {
    /// At that address, `https://…`.
    ///
    /// # Errors
    /// When the authorities that vouch for it cannot be read.
    pub fn new(uri: Url, ca_file: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self { client: client(&uri, ca_file, None)?, uri })
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
        let response = self.client.get(self.uri.clone()).header(ACCEPT, MEDIA_TYPE).send().await?;
        if !response.status().is_success() {
            bail!("it answers {}", response.status());
        }
        Ok(link(&body(response, MAX_ANSWER).await?))
    }
}

/// What is about the place before what is in the way.
fn link(document: &[u8]) -> Option<String> {
    let Document { venue_info_url, user_portal_url } = serde_json::from_slice(document).ok()?;
    let link: Url = venue_info_url.or(user_portal_url)?.parse().ok()?;
    matches!(link.scheme(), "https" | "http").then(|| link.to_string())
}

/// Android reads as much.
const MAX_ANSWER: usize = 4096;

#[cfg(test)]
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

    proptest! {
        #[test]
        fn any_document_is_none_or_a_link_of_the_web(bytes: Vec<u8>, text: String) {
            prop_assert!(link(&bytes).is_none());
            let document = serde_json::json!({ "venue-info-url": text }).to_string();
            prop_assert!(link(document.as_bytes()).is_none_or(|link| link.starts_with("http")));
        }
    }
}
