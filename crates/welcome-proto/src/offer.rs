//! Offers: messages with conditions.

use sorted::{SortedMap, SortedSet};

use serde::{Deserialize, Serialize};

use crate::schedule::{MAX_HOURS, When};
use crate::signed::Signed;
use crate::{Color, Digest, Language, NetworkId, OfferId};

/// The most offers one sender may have on one router.
pub const MAX_OFFERS: usize = 64;
/// The longest title in characters.
pub const MAX_TITLE: usize = 80;
/// The longest text in characters.
pub const MAX_TEXT: usize = 2000;
/// The longest link in bytes.
pub const MAX_LINK: usize = 1000;
/// The longest description of an image in characters.
pub const MAX_ALT: usize = 200;
/// The most languages beside the first.
pub const MAX_TRANSLATIONS: usize = 16;
/// The largest image or page in bytes: a router holds it in memory while it is fetched.
pub const MAX_FILE: u32 = 256 * 1024;

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
    /// How often one station may see it in a day, 1 to 100; as often as the visits allow if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_per_day: Option<u8>,
    /// When.
    #[serde(default, skip_serializing_if = "When::is_always")]
    pub when: When,
    /// To whom.
    #[serde(default, skip_serializing_if = "Audience::is_everybody")]
    pub audience: Audience,
    /// What to show to those who read none of the `translations`.
    pub content: Content,
    /// In which language `content` is, if anybody said so: then it is chosen as the translations are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// The same in other languages.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub translations: SortedMap<Language, Content>,
}

impl Offer {
    /// With all defaults: on every network, once a visit, at any time, to everybody.
    #[must_use]
    pub fn new(id: OfferId, title: impl Into<String>) -> Self {
        Self {
            id,
            networks: Vec::new(),
            priority: middle_priority(),
            cap_per_visit: once(),
            cap_per_day: None,
            when: When::default(),
            audience: Audience::default(),
            content: Content { title: title.into(), ..Content::default() },
            language: None,
            translations: SortedMap::new(),
        }
    }

    /// Holds the limits of this module against the offer; whoever takes offers from outside asks this first.
    ///
    /// # Errors
    /// The first limit that is broken.
    pub fn check(&self) -> Result<(), OfferError> {
        self.contents().try_for_each(Content::check)?;
        let When { from, until, weekdays, hours } = &self.when;
        let days: SortedSet<_> = weekdays.iter().collect();
        match () {
            () if self.priority > 100 => Err(OfferError("priority: 0 to 100")),
            () if !(1..=100).contains(&self.cap_per_visit) => Err(OfferError("cap_per_visit: 1 to 100")),
            () if self.cap_per_day.is_some_and(|n| !(1..=100).contains(&n)) => Err(OfferError("cap_per_day: 1 to 100")),
            () if from.zip(*until).is_some_and(|(from, until)| until <= from) => {
                Err(OfferError("until: later than from"))
            }
            () if days.len() < weekdays.len() => Err(OfferError("weekdays: each at most once")),
            () if hours.len() > MAX_HOURS => Err(OfferError("hours: at most 8 spans")),
            () if self.language.as_ref().is_some_and(|l| self.translations.contains_key(l)) => {
                Err(OfferError("language: none of its translations"))
            }
            () if self.translations.len() > MAX_TRANSLATIONS => Err(OfferError("translations: at most 16")),
            () => Ok(()),
        }
    }

    /// The content in all its languages, the one for everybody else first.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        std::iter::once(&self.content).chain(self.translations.values())
    }

    /// Every image and page that belongs to it.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.contents().flat_map(|c| c.image.iter().map(|i| &i.file).chain(&c.page))
    }
}

/// To whom an offer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Every guest.
    #[default]
    Everybody,
    /// Whoever is here for the first time today, as far as anybody can tell: a station that changes its address is new.
    First,
    /// Whoever was here before today, earlier on the same day.
    Returning,
}

impl Audience {
    /// Whether nobody is left out.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        *self == Self::Everybody
    }

    /// As in JSON and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::First => "first",
            Self::Returning => "returning",
        }
    }
}

/// What a person sees. Plain text: whoever shows it escapes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// One line.
    pub title: String,
    /// The message; may be empty.
    #[serde(default)]
    pub text: String,
    /// Where to read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// A picture above the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The colour of its heading and its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
    /// A page of the sharer's own (HTML, UTF-8) in place of the text. It is shown without script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<File>,
}

impl Content {
    fn check(&self) -> Result<(), OfferError> {
        let Self { title, text, link, image, page, color: _ } = self;
        match () {
            () if !(1..=MAX_TITLE).contains(&title.chars().count()) => Err(OfferError("title: 1 to 80 characters")),
            () if text.chars().count() > MAX_TEXT => Err(OfferError("text: at most 2000 characters")),
            () if link.as_deref().is_some_and(|l| !is_web_link(l)) => {
                Err(OfferError("link: an http:// or https:// address of at most 1000 bytes without spaces"))
            }
            () if image.as_ref().is_some_and(|i| !i.file.kind.is_image()) => {
                Err(OfferError("image: image/jpeg, image/png, image/webp or image/gif"))
            }
            () if image.as_ref().is_some_and(|i| i.alt.chars().count() > MAX_ALT) => {
                Err(OfferError("alt: at most 200 characters"))
            }
            () if page.as_ref().is_some_and(|p| p.kind != FileKind::Html) => Err(OfferError("page: text/html")),
            () if image.iter().map(|i| &i.file).chain(page).any(|f| !(1..=MAX_FILE).contains(&f.length)) => {
                Err(OfferError("length: 1 to 262144 bytes"))
            }
            () => Ok(()),
        }
    }
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its bytes.
    #[serde(flatten)]
    pub file: File,
    /// What it shows, for those who cannot see it; empty if it only decorates.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alt: String,
}

/// Bytes that are named and not carried: `GET /v1/content/{digest}` of the server has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Their SHA-256.
    pub digest: Digest,
    /// How many.
    pub length: u32,
    /// What they are.
    #[serde(rename = "type")]
    pub kind: FileKind,
}

/// What bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FileKind {
    /// A photograph.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// A drawing.
    #[serde(rename = "image/png")]
    Png,
    /// Either.
    #[serde(rename = "image/webp")]
    Webp,
    /// A drawing, perhaps a moving one.
    #[serde(rename = "image/gif")]
    Gif,
    /// A page.
    #[serde(rename = "text/html")]
    Html,
}

impl FileKind {
    /// Whether it is a picture.
    #[must_use]
    pub fn is_image(self) -> bool {
        self != Self::Html
    }

    /// The media type; a page is always UTF-8.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// What these bytes are by how they begin, whatever anybody says of them. Text that is UTF-8 and no picture is a
    /// page.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => (!bytes.is_empty() && !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()).then_some(Self::Html),
        }
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// The router itself: an offer of its own configuration.
    Device,
    /// Whoever shares the network, by way of the directory.
    Sharer,
    /// The operator of the directory.
    Server,
}

impl Sender {
    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Sharer => "sharer",
            Self::Server => "server",
        }
    }
}

/// Server to router, by SSE (`event: offers`): the whole set, so that the latest is always enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffersPush {
    /// Grows with each change of the router's set; also the event's id.
    pub revision: u64,
    /// At most [`MAX_OFFERS`] of each sender, each a [`crate::signed::Statement`].
    pub offers: Vec<Signed>,
}

/// Server to router, by SSE (`event: say`): a message to the guests who are on a network at this moment. One that comes
/// while the router is away is lost: it was for that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SayPush {
    /// A [`crate::signed::Statement`]; its offer names the network, exactly one, and has an `until`.
    pub say: Signed,
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
        let mut offer = Offer::new("hello".parse().unwrap(), title);
        offer.content.link = link.map(Into::into);
        offer
    }

    #[test]
    fn limits_hold_in_every_language_and_for_every_file() {
        let mut bad = offer("t", None);
        bad.translations.insert("zh".parse().unwrap(), Content::default());
        assert_eq!(bad.check().unwrap_err().to_string(), "title: 1 to 80 characters");
        let file = |kind, length| File { digest: Digest([0; 32]), length, kind };
        let with = |image, page| {
            let mut offer = offer("t", None);
            offer.content.image = image;
            offer.content.page = page;
            offer.check().map_err(|e| e.to_string())
        };
        let image = |file| Some(Image { file, alt: String::new() });
        assert_eq!(with(image(file(FileKind::Png, 1)), Some(file(FileKind::Html, MAX_FILE))), Ok(()));
        assert!(with(image(file(FileKind::Html, 1)), None).unwrap_err().starts_with("image: "));
        assert!(with(None, Some(file(FileKind::Png, 1))).unwrap_err().starts_with("page: "));
        assert!(with(image(file(FileKind::Png, MAX_FILE + 1)), None).unwrap_err().starts_with("length: "));
        let when = When { from: Some(5), until: Some(5), ..When::default() };
        assert!(Offer { when, ..offer("t", None) }.check().is_err());
    }

    #[test]
    fn bytes_are_what_they_begin_with() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some(FileKind::Png)),
            (b"\xff\xd8\xff\xe0", Some(FileKind::Jpeg)),
            (b"GIF89a", Some(FileKind::Gif)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some(FileKind::Webp)),
            (b"<!DOCTYPE html>", Some(FileKind::Html)),
            (b"\x7fELF\0", None),
            (b"", None),
        ] {
            assert_eq!(FileKind::of(bytes), kind, "{bytes:?}");
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
        assert_eq!((offer.cap_per_day, offer.audience), (None, Audience::Everybody));
        assert!(offer.when.is_always() && offer.translations.is_empty() && offer.files().next().is_none());
    }
}
