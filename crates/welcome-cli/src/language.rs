//! Which languages the person at this computer reads, by the variables of their session.
//!
//! In: `LANGUAGE`, `LC_ALL`, `LC_MESSAGES`, `LANG`, as gettext reads them. Out: the same as a browser would say it.

use std::env;
use welcome_proto::language::Preferred;

/// What this session prefers; nothing if it does not say.
#[must_use]
pub fn preferred() -> Preferred {
    let variable = |name| env::var(name).ok().filter(|text| !text.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable);
    Preferred::parse(&header(variable("LANGUAGE").as_deref(), locale.as_deref()))
}

/// As `Accept-Language`, the best first. In the locale C nothing is translated, whatever `LANGUAGE` says.
fn header(language: Option<&str>, locale: Option<&str>) -> String {
    let Some(locale) = locale.filter(|locale| tag(locale).is_some()) else { return String::new() };
    let before = language.into_iter().flat_map(|language| language.split(':'));
    let tags: Vec<String> = before.chain([locale]).filter_map(tag).collect();
    tags.join(",")
}

/// `de_AT.UTF-8@euro` is `de-AT`.
fn tag(locale: &str) -> Option<String> {
    let name = locale.split(['.', '@']).next().unwrap_or_default();
    let is_language =
        !matches!(name, "" | "C" | "POSIX") && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_language.then(|| name.replace('_', "-"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_session_says_it_as_a_browser_would() {
        for (language, locale, expected) in [
            (None, Some("de_AT.UTF-8@euro"), "de-at"),
            (Some("zh_CN:en"), Some("de_DE.UTF-8"), "zh-cn,en,de-de"),
            (Some("de"), Some("C.UTF-8"), ""),
            (Some("de"), None, ""),
            (None, Some("POSIX"), ""),
            (Some("de,en;q=0"), Some("fr"), "fr"),
        ] {
            assert_eq!(Preferred::parse(&header(language, locale)).to_string(), expected, "{language:?} {locale:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_session_says_fits_into_a_header(language: String, locale: String) {
            let header = header(Some(&language), Some(&locale));
            prop_assert!(header.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b',')));
        }
    }
}
