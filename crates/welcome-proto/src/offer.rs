//! Offers: messages with conditions.

use serde::{Deserialize, Serialize};

use crate::{NetworkId, OfferId};

/// The most offers one sender may have on one router.
pub const MAX_OFFERS: usize = 64;
/// The longest title in characters.
pub const MAX_TITLE: usize = 80;
/// The longest text in characters.
pub const MAX_TEXT: usize = 2000;
/// The longest link in bytes.
pub const MAX_LINK: usize = 1000;

/// A message and when to show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Unique for its sender.
    pub id: OfferId,
    /// Where it is shown; empty means on every network of the router.
    #[serde(default)]
    pub networks: Vec<NetworkId>,
    /// 0 to 100; the higher comes first.
    #[serde(default = "middle_priority")]
    pub priority: u8,
    /// How often one visit may see it, 1 to 100.
    #[serde(default = "once")]
    pub cap_per_visit: u8,
    /// What to show.
    pub content: Content,
}

impl Offer {
    /// Holds the limits of this module against the offer; whoever takes offers from outside asks this first.
    ///
    /// # Errors
    /// The first limit that is broken.
    pub fn check(&self) -> Result<(), OfferError> {
        let Content { title, text, link } = &self.content;
        match () {
            () if !(1..=MAX_TITLE).contains(&title.chars().count()) => Err(OfferError("title: 1 to 80 characters")),
            () if text.chars().count() > MAX_TEXT => Err(OfferError("text: at most 2000 characters")),
            () if link.as_deref().is_some_and(|l| !is_web_link(l)) => {
                Err(OfferError("link: an http:// or https:// address of at most 1000 bytes without spaces"))
            }
            () if self.priority > 100 => Err(OfferError("priority: 0 to 100")),
            () if !(1..=100).contains(&self.cap_per_visit) => Err(OfferError("cap_per_visit: 1 to 100")),
            () => Ok(()),
        }
    }
}

/// What a person sees. Plain text: whoever shows it escapes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// One line.
    pub title: String,
    /// The message; may be empty.
    #[serde(default)]
    pub text: String,
    /// Where to read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// The router itself: an offer of its own configuration.
    Device,
    /// The operator of the directory.
    Server,
}

/// Server to router, by SSE (`event: offers`): the whole set, so that the latest is always enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffersPush {
    /// Grows with each change of the router's set; also the event's id.
    pub revision: u64,
    /// At most [`MAX_OFFERS`].
    pub offers: Vec<Offer>,
}

/// Which limit an offer breaks, e.g. `title: 1 to 80 characters`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OfferError(&'static str);

fn is_web_link(link: &str) -> bool {
    let host = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"));
    link.len() <= MAX_LINK
        && !link.chars().any(|c| c.is_whitespace() || c.is_control())
        && host.is_some_and(|h| !h.is_empty() && !h.starts_with('/'))
}

fn middle_priority() -> u8 {
    50
}

fn once() -> u8 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(title: &str, link: Option<&str>) -> Offer {
        Offer {
            id: "hello".parse().unwrap(),
            networks: vec![],
            priority: 50,
            cap_per_visit: 1,
            content: Content { title: title.into(), text: String::new(), link: link.map(Into::into) },
        }
    }

    #[test]
    fn only_web_links_pass() {
        for good in ["https://example.org", "http://example.org/a?b"] {
            assert_eq!(offer("t", Some(good)).check(), Ok(()));
        }
        for bad in ["javascript:alert(1)", "https://", "http:///x", "https://a b", "ftp://example.org", ""] {
            assert!(offer("t", Some(bad)).check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_title_is_counted_in_characters() {
        assert_eq!(offer(&"欢".repeat(80), None).check(), Ok(()));
        assert!(offer(&"x".repeat(81), None).check().is_err());
        assert!(offer("", None).check().is_err());
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let offer: Offer = serde_json::from_str(r#"{"id":"a","content":{"title":"t"}}"#).unwrap();
        assert_eq!((offer.priority, offer.cap_per_visit, offer.networks.len()), (50, 1, 0));
    }
}
