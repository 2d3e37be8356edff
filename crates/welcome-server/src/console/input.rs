//! What was typed into a form, and what is wrong with it.
//!
//! In: pairs of a body or of a stored thing. Out: checked values; the rest goes back into the fields with a word beside
//! each. Sizes are bounded before anything is kept.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::words::{Words, fill};

/// The fields of a form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    pairs: Vec<(String, String)>,
    /// The picture that came with it.
    pub(crate) file: Option<Bytes>,
    problems: BTreeMap<String, String>,
}

impl Input {
    /// From the body of a form without files.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body).take(MAX_PAIRS);
        Self::of(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())))
    }

    /// From values that are known.
    pub(crate) fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        // Browsers send lines ended as on a typewriter.
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into().replace("\r\n", "\n")));
        Self { pairs: pairs.collect(), ..Self::default() }
    }

    /// One value, without the spaces around it; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// One value as it came: spaces of a password count.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.pairs.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Whether this choice was made.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.pairs.iter().any(|(n, v)| n == name && v == value)
    }

    /// Whether the field was in the form.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Sets a value in place of what was there.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.pairs.retain(|(n, _)| n != name);
        self.pairs.push((name.to_owned(), value.into()));
    }

    /// Takes a value away: a password does not travel back.
    pub(crate) fn forget(&mut self, name: &str) {
        self.pairs.retain(|(n, _)| n != name);
    }

    /// Says what is wrong with a field; the first word counts.
    pub(crate) fn problem(&mut self, name: &str, text: impl Into<String>) {
        self.problems.entry(name.to_owned()).or_insert_with(|| text.into());
    }

    /// What is wrong with a field.
    pub(crate) fn error(&self, name: &str) -> Option<&str> {
        self.problems.get(name).map(String::as_str)
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// A line of 1 to `max` characters without line ends and other controls.
    pub(crate) fn line(&mut self, words: &Words, name: &str, max: usize) -> String {
        let value = self.get(name).to_owned();
        if value.is_empty() {
            self.problem(name, words.is_required);
        }
        self.short(words, name, max);
        value
    }

    /// A line of 0 to `max` characters.
    pub(crate) fn short(&mut self, words: &Words, name: &str, max: usize) -> String {
        let value = self.get(name).to_owned();
        if value.chars().count() > max {
            self.problem(name, fill(words.too_long, &[("n", &max)]));
        }
        if value.chars().any(char::is_control) {
            self.problem(name, words.one_line);
        }
        value
    }

    /// A number in a range; nothing if the field is empty.
    pub(crate) fn number(&mut self, words: &Words, name: &str, least: i64, most: i64) -> Option<i64> {
        let value = self.get(name);
        if value.is_empty() {
            return None;
        }
        let number = value.parse().ok().filter(|n| (least..=most).contains(n));
        if number.is_none() {
            self.problem(name, fill(words.from_to, &[("least", &least), ("most", &most)]));
        }
        number
    }
}

/// The most fields of a form; an editor has about a hundred and fifty.
const MAX_PAIRS: usize = 600;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::words::ENGLISH;
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_filled_in() {
        let mut input = Input::parse(b"name=+Caf%C3%A9+&day=mon&day=sun&text=a%0D%0Ab&n=7");
        assert_eq!((input.get("name"), input.raw("name"), input.get("text")), ("Café", " Café ", "a\nb"));
        assert_eq!(input.all("day").collect::<Vec<_>>(), ["mon", "sun"]);
        assert!(input.has("day", "sun") && !input.has("day", "tue"));
        assert_eq!(input.number(&ENGLISH, "n", 1, 9), Some(7));
        assert!(input.is_good());
    }

    #[test]
    fn what_is_wrong_is_said_once_and_of_each_field() {
        let mut input = Input::parse(b"a=&b=xxxx&c=1%002&n=70&m=x");
        assert_eq!(input.line(&ENGLISH, "a", 3), "");
        input.line(&ENGLISH, "b", 3);
        input.line(&ENGLISH, "c", 3);
        assert_eq!((input.number(&ENGLISH, "n", 1, 9), input.number(&ENGLISH, "m", 1, 9)), (None, None));
        for name in ["a", "b", "c", "n", "m"] {
            assert!(input.error(name).is_some(), "{name}");
        }
        assert_eq!(input.error("a"), Some(ENGLISH.is_required));
    }

    proptest! {
        #[test]
        fn any_body_is_a_form(body: Vec<u8>) {
            let mut input = Input::parse(&body);
            input.line(&ENGLISH, "a", 10);
            prop_assert!(input.pairs.len() <= MAX_PAIRS);
        }
    }
}
