//! What the console says, in each of its languages.
//!
//! One table has them side by side, so that none can be missing; `{name}` is a hole that [`fill`] fills.

mod table;

use std::fmt::Display;

use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, COOKIE};
use welcome_proto::language::Preferred;

pub(crate) use table::{CHINESE, ENGLISH, Words};

impl Words {
    /// The language of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        [&ENGLISH, &CHINESE].into_iter().find(|words| words.language == name)
    }

    /// As somebody has chosen, else as their browser asks.
    pub(crate) fn of(headers: &HeaderMap) -> &'static Self {
        if let Some(chosen) = cookie(headers, LANGUAGE).and_then(Self::named) {
            return chosen;
        }
        let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let wanted = wanted.map(Preferred::parse).unwrap_or_default();
        let all = [&ENGLISH, &CHINESE].into_iter().filter_map(|words| Some((words.language.parse().ok()?, words)));
        wanted.choose(&all.collect()).map_or(&ENGLISH, |(_, words)| words)
    }
}

/// The cookie with the language that somebody has chosen.
pub(crate) const LANGUAGE: &str = "language";

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    all.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value)
}

/// Fills the holes of a text.
pub(crate) fn fill(text: &str, holes: &[(&str, &dyn Display)]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if let Some((_, value)) = holes.iter().find(|(hole, _)| *hole == name) {
            filled.push_str(&value.to_string());
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holes(text: &str) -> Vec<&str> {
        let mut holes: Vec<_> = text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        holes.sort_unstable();
        holes
    }

    #[test]
    fn every_text_is_there_in_both_languages_with_the_same_holes() {
        let (english, chinese) = (ENGLISH.all(), CHINESE.all());
        assert!(english.len() > 200);
        for ((name, english), (_, chinese)) in english.into_iter().zip(chinese) {
            assert!(!english.is_empty() && !chinese.is_empty(), "{name}");
            assert_eq!(holes(english), holes(chinese), "{name}");
            let is_chinese = chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(is_chinese || ALIKE.contains(&name), "{name}: {chinese}");
            assert!(english.is_ascii() || english.chars().all(|c| c < '\u{3000}'), "{name}: {english}");
        }
    }

    /// Names that are the same everywhere.
    const ALIKE: &[&str] = &["language", "product", "of_n", "n_of_n", "uci", "bssids", "json", "csv"];

    #[test]
    fn a_value_is_never_read_as_a_hole() {
        assert_eq!(fill("{a} of {b}", &[("a", &"{b}"), ("b", &2)]), "{b} of 2");
        assert_eq!(fill("open {", &[]), "open ");
    }

    #[test]
    fn who_has_chosen_is_answered_so_whatever_the_browser_asks() {
        let mut headers = HeaderMap::new();
        assert_eq!(Words::of(&headers).language, "en");
        headers.insert(ACCEPT_LANGUAGE, "zh-CN,zh;q=0.9".parse().unwrap());
        assert_eq!(Words::of(&headers).language, "zh");
        headers.insert(COOKIE, "a=b; language=en".parse().unwrap());
        assert_eq!(Words::of(&headers).language, "en");
        headers.insert(COOKIE, "language=xx".parse().unwrap());
        assert_eq!(Words::of(&headers).language, "zh");
    }
}
