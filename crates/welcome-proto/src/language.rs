//! Which language a person reads: `Accept-Language` (RFC 9110, section 12.5.4) and the look-up of RFC 4647, section 3.4.
//!
//! Pure. A header comes in, the best of what there is goes out. Never holds more than [`MAX_RANGES`] of what a request
//! says.

use sorted::SortedMap;

use crate::Language;
use crate::offer::{Content, Offer};

/// The most languages of one request that count; browsers send up to ten.
pub const MAX_RANGES: usize = 16;
/// The most bytes of the header that are read.
pub const MAX_HEADER: usize = 512;

/// What one request prefers, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preferred {
    ranges: Vec<Language>,
    /// Those that it does not want at all.
    refused: Vec<Language>,
}

impl Preferred {
    /// Reads the header. What makes no sense is passed over, as if it was not there.
    ///
    /// ```
    /// use welcome_proto::language::Preferred;
    /// let preferred = Preferred::parse("de;q=0.5, zh-Hant-TW, *;q=0.1, en;q=0");
    /// assert_eq!(preferred.to_string(), "zh-hant-tw,de");
    /// ```
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let end = (0..=header.len().min(MAX_HEADER)).rev().find(|i| header.is_char_boundary(*i)).unwrap_or(0);
        let mut weighed: Vec<(Language, u16)> = Vec::new();
        for item in header[..end].split(',').take(MAX_RANGES) {
            let (range, weight) = item.split_once(';').map_or((item, Some(FULL)), |(r, w)| (r, quality(w)));
            // `*` stands for everything else, which is what the rest of us is chosen from anyway.
            let (Ok(range), Some(weight)) = (range.trim().parse(), weight) else { continue };
            weighed.push((range, weight));
        }
        // Stable: of two that weigh the same the first one is meant to be the better.
        weighed.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        let (wanted, refused): (Vec<_>, Vec<_>) = weighed.into_iter().partition(|(_, weight)| *weight > 0);
        let names = |list: Vec<(Language, u16)>| list.into_iter().map(|(range, _)| range).collect();
        Self { ranges: names(wanted), refused: names(refused) }
    }

    /// An offer in the best of its languages, and which that is, if anybody knows.
    #[must_use]
    pub fn content<'a>(&self, offer: &'a Offer) -> (&'a Content, Option<&'a Language>) {
        let own = (&offer.content, offer.language.as_ref());
        let there = |tag: &Language| match offer.translations.get_key_value(tag) {
            Some((tag, content)) => Some((content, Some(tag))),
            None => (own.1 == Some(tag)).then_some(own),
        };
        self.best(there).unwrap_or(own)
    }

    /// The best of what there is, if any of it is wanted.
    #[must_use]
    pub fn choose<'a, V>(&self, there: &'a SortedMap<Language, V>) -> Option<(&'a Language, &'a V)> {
        self.best(|tag| there.get_key_value(tag))
    }

    fn best<T>(&self, there: impl Fn(&Language) -> Option<T>) -> Option<T> {
        let wanted = |tag: &str| {
            let tag: Language = tag.parse().ok()?;
            there(&tag).filter(|_| !self.refused.contains(&tag))
        };
        self.ranges.iter().find_map(|range| look_up(range.as_str(), wanted))
    }
}

impl std::fmt::Display for Preferred {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, range) in self.ranges.iter().enumerate() {
            write!(f, "{}{range}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// `zh-hant-tw`, then `zh-hant`, then `zh`. A single letter says what kind of part follows it and goes with that.
fn look_up<T>(range: &str, there: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut tag = range;
    loop {
        if let Some(found) = there(tag) {
            return Some(found);
        }
        tag = tag.rsplit_once('-')?.0;
        if let Some((shorter, last)) = tag.rsplit_once('-')
            && last.len() == 1
        {
            tag = shorter;
        }
    }
}

/// `q=0.5` in thousandths.
fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value = value.trim();
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    if part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(FULL),
        _ => None,
    }
}

const FULL: u16 = 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choose(header: &str, there: &[&'static str]) -> Option<&'static str> {
        let there: SortedMap<_, _> = there.iter().map(|tag| (tag.parse().unwrap(), *tag)).collect();
        Preferred::parse(header).choose(&there).map(|(_, tag)| *tag)
    }

    #[test]
    fn the_best_of_what_there_is_is_chosen() {
        for (header, there, expected) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", &["en", "zh"][..], Some("zh")),
            ("en-GB,en;q=0.9,zh;q=0.8", &["en", "zh"], Some("en")),
            ("de, en;q=0.5", &["en", "zh"], Some("en")),
            ("de", &["en", "zh"], None),
            ("", &["en"], None),
            ("*", &["en"], None),
            // The longer tag first, then ever shorter ones.
            ("zh-Hant-TW", &["zh", "zh-hant"], Some("zh-hant")),
            ("zh-Hant-CN-x-private1-private2", &["zh-hant-cn-x", "zh-hant-cn"], Some("zh-hant-cn")),
            // A more special one is not what was asked for.
            ("zh", &["zh-hant"], None),
            ("en;q=0.1, zh;q=0.2", &["en", "zh"], Some("zh")),
            ("en;q=0, zh;q=0.001", &["en", "zh"], Some("zh")),
            ("en-GB, en;q=0", &["en"], None),
            ("en ; q=0.3 , zh; Q=0.30", &["zh", "en"], Some("en")),
            // What makes no sense is passed over.
            ("en;q=2, zh;q=0.5", &["en", "zh"], Some("zh")),
            ("en;q=0.1234, e;q=1, -, zh-, 1x, zh;q=0.5", &["en", "zh"], Some("zh")),
            ("en;level=1, zh", &["en", "zh"], Some("zh")),
            ("EN", &["en"], Some("en")),
        ] {
            assert_eq!(choose(header, there), expected, "{header:?} of {there:?}");
        }
    }

    #[test]
    fn an_offer_speaks_its_own_language_too() {
        let mut offer = Offer::new("o".parse().unwrap(), "Guten Tag");
        let hello = Content { title: "Hello".to_owned(), ..Content::default() };
        offer.translations.insert("en".parse().unwrap(), hello);
        let title = |offer: &Offer, header: &str| Preferred::parse(header).content(offer).0.title.clone();
        assert_eq!(title(&offer, "de, en;q=0.5"), "Hello", "nobody knows that it is German");
        offer.language = Some("de".parse().unwrap());
        for (header, expected) in
            [("de, en;q=0.5", "Guten Tag"), ("de-AT", "Guten Tag"), ("en", "Hello"), ("fr", "Guten Tag")]
        {
            assert_eq!(title(&offer, header), expected, "{header}");
        }
        assert_eq!(Preferred::parse("fr").content(&offer).1, offer.language.as_ref());
    }

    #[test]
    fn a_long_header_costs_no_more_than_a_short_one() {
        let header = "aa,".repeat(100_000) + "zh";
        assert_eq!(Preferred::parse(&header).ranges.len(), MAX_RANGES);
        assert_eq!(Preferred::parse(&"é".repeat(1000)), Preferred::default());
    }

    proptest! {
        #[test]
        fn any_header_is_read_and_only_what_there_is_is_chosen(header in "([a-zA-Z]{1,3}(-[a-z0-9]{1,8}){0,3}(;q=[0-9.]{1,5})?[, ]{0,2}){0,20}|.{0,80}") {
            let preferred = Preferred::parse(&header);
            prop_assert!(preferred.ranges.len() + preferred.refused.len() <= MAX_RANGES);
            let there = ["en", "zh"].map(|tag| (tag.parse().unwrap(), tag)).into();
            if let Some((_, tag)) = preferred.choose(&there) {
                prop_assert!(header.to_ascii_lowercase().contains(tag));
            }
            // What it means can be said again in fewer words.
            prop_assert_eq!(Preferred::parse(&preferred.to_string()).ranges, preferred.ranges);
        }
    }
}
