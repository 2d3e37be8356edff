//! What our own pages say, language by language.
//!
//! In: JSON files of short texts, two of them built in. Out: [`Words`] for a request. A file that is wrong costs a line
//! in the log and never a page: English stands in for what is missing.

use sorted::SortedMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use tracing::{info, warn};
use welcome_proto::Language;
use welcome_proto::language::Preferred;

/// Names the texts: `Word::Title` is `title` in the files.
macro_rules! words {
    ($($word:ident $name:literal)*) => {
        /// One text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "en.json says them")]
        pub enum Word { $($word),* }

        /// In the order of [`Word`].
        const NAMES: &[&str] = &[$($name),*];
    };
}

words! {
    Dir "dir"
    Title "title"
    Welcome "welcome"
    Connected "connected"
    More "more"
    Operator "operator"
    Gate "gate"
    Accept "accept"
    Ok "ok"
    Online "online"
    Left "left"
    Longer "longer"
    Hours "hours"
    Minutes "minutes"
    Thanks "thanks"
    Offline "offline"
    NoThanks "no_thanks"
    Declined "declined"
    Please "please"
    OthersTitle "others_title"
    Others "others"
    BusyTitle "busy_title"
    Busy "busy"
    Again "again"
}

/// The texts of one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    language: Language,
    /// In the order of [`NAMES`].
    texts: Vec<Box<str>>,
}

impl Words {
    /// The language, for `lang`.
    #[must_use]
    pub fn language(&self) -> &str {
        self.language.as_str()
    }

    /// One text.
    #[must_use]
    pub fn get(&self, word: Word) -> &str {
        &self.texts[word as usize]
    }

    /// `ltr` or `rtl`.
    #[must_use]
    pub fn dir(&self) -> &'static str {
        if self.get(Word::Dir) == "rtl" { "rtl" } else { "ltr" }
    }

    /// Reads one file. Returns what is wrong with it beside; `None` if it is nothing of the kind.
    fn parse(language: Language, json: &[u8], english: Option<&Self>) -> Result<(Self, Vec<String>), String> {
        let mut given: SortedMap<String, String> = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let mut wrong = Vec::new();
        let texts = NAMES.iter().enumerate().map(|(i, name)| {
            let stands_in = english.map_or("", |e| &e.texts[i]);
            let Some(text) = given.remove(*name) else {
                wrong.push(format!("`{name}` is missing"));
                return stands_in.into();
            };
            match problem(name, &text, stands_in) {
                None => text.into(),
                Some(problem) => {
                    wrong.push(format!("`{name}`: {problem}"));
                    stands_in.into()
                }
            }
        });
        let texts = texts.collect();
        wrong.extend(given.keys().take(MAX_TOLD).map(|key| format!("`{}` is unknown", key.escape_debug())));
        Ok((Self { language, texts }, wrong))
    }
}

/// Why a text cannot be used in place of the English one.
fn problem(name: &str, text: &str, english: &str) -> Option<String> {
    if name == "dir" && !["ltr", "rtl"].contains(&text) {
        return Some("ltr or rtl".to_owned());
    }
    if text.trim().is_empty() || text.chars().count() > MAX_TEXT {
        return Some(format!("1 to {MAX_TEXT} characters"));
    }
    let lost = ["{time}", "{n}"].into_iter().find(|hole| english.contains(hole) && !text.contains(hole));
    lost.map(|hole| format!("{hole} is missing"))
}

/// All languages there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Languages(SortedMap<Language, Words>);

impl Languages {
    /// English and Chinese.
    #[must_use]
    pub fn built_in() -> Self {
        let mut all = Self(SortedMap::new());
        for (name, json) in BUILT_IN {
            let wrong = all.add(name, json.as_bytes());
            debug_assert_eq!(wrong, Ok(vec![]), "a test reads them");
        }
        all
    }

    /// Those, and every `NAME.json` of a directory. What is wrong there is told to the log.
    #[must_use]
    pub fn load(directory: &Path) -> Self {
        let mut all = Self::built_in();
        let mut names: Vec<_> = match std::fs::read_dir(directory) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect(),
            Err(error) => {
                info!(directory = %directory.display(), %error, "no further languages");
                return all;
            }
        };
        names.sort();
        let files = names.iter().filter_map(|name| Some((name, name.strip_suffix(".json")?)));
        for (file, name) in files.take(MAX_LANGUAGES) {
            let path = directory.join(file);
            let read = read(&path).map_err(|e| e.to_string());
            match read.and_then(|json| all.add(name, &json)) {
                Ok(wrong) if wrong.is_empty() => {}
                Ok(wrong) => warn!(file = %path.display(), "texts of a language: {}", wrong.join(", ")),
                Err(error) => warn!(file = %path.display(), "texts of a language cannot be used: {error}"),
            }
        }
        all
    }

    /// The best for somebody; English for who reads none of them.
    #[must_use]
    pub fn choose(&self, preferred: &Preferred) -> &Words {
        let english = || self.english().expect("it is built in");
        preferred.choose(&self.0).map_or_else(english, |(_, words)| words)
    }

    /// Adds or replaces one. `Ok`: what is wrong with it, and English in its place.
    fn add(&mut self, name: &str, json: &[u8]) -> Result<Vec<String>, String> {
        let language: Language = name.parse().map_err(|e: welcome_proto::IdError| e.to_string())?;
        let (words, wrong) = Words::parse(language.clone(), json, self.english())?;
        self.0.insert(language, words);
        Ok(wrong)
    }

    fn english(&self) -> Option<&Words> {
        self.0.iter().find(|(tag, _)| tag.as_str() == "en").map(|(_, words)| words)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("more than {MAX_FILE} bytes")));
    }
    Ok(text)
}

/// English first: it stands in for the others.
const BUILT_IN: [(&str, &str); 2] = [
    ("en", include_str!("../../files/usr/share/welcomed/languages/en.json")),
    ("zh", include_str!("../../files/usr/share/welcomed/languages/zh.json")),
];
/// The most languages of the directory; each takes about 2 KiB of memory.
const MAX_LANGUAGES: usize = 32;
/// The largest file.
const MAX_FILE: u64 = 16 * 1024;
/// The longest text in characters.
const MAX_TEXT: usize = 200;
/// The most unknown names that the log hears of.
const MAX_TOLD: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn add(name: &str, json: &str) -> (Languages, Result<Vec<String>, String>) {
        let mut all = Languages::built_in();
        let wrong = all.add(name, json.as_bytes());
        (all, wrong)
    }

    #[test]
    fn the_built_in_languages_are_whole() {
        let mut all = Languages(SortedMap::new());
        for (name, json) in BUILT_IN {
            assert_eq!(all.add(name, json.as_bytes()), Ok(vec![]), "{name}");
        }
        let say = |header: &str| {
            let words = all.choose(&Preferred::parse(header));
            (words.language().to_owned(), words.get(Word::Title).to_owned(), words.dir())
        };
        assert_eq!(say("zh-CN,zh;q=0.9"), ("zh".to_owned(), "欢迎".to_owned(), "ltr"));
        assert_eq!(say("fr"), ("en".to_owned(), "Welcome".to_owned(), "ltr"));
    }

    #[test]
    fn english_stands_in_for_what_is_missing_or_wrong() {
        let long = "x".repeat(201);
        let json = format!(r#"{{"dir":"rtl","title":"مرحبا","left":"soon","hours":"","ok":"{long}","welcom":"typo"}}"#);
        let (all, wrong) = add("ar", &json);
        let wrong = wrong.unwrap();
        for part in ["`left`: {time} is missing", "`hours`: 1 to 200", "`ok`: 1 to 200", "`welcom` is unknown"] {
            assert!(wrong.iter().any(|w| w.starts_with(part)), "{part} in {wrong:?}");
        }
        assert!(wrong.iter().any(|w| w == "`accept` is missing"));
        let words = all.choose(&Preferred::parse("ar-EG"));
        assert_eq!((words.dir(), words.get(Word::Title)), ("rtl", "مرحبا"));
        assert_eq!((words.get(Word::Ok), words.get(Word::Left)), ("OK", "for another {time}"));
    }

    #[test]
    fn a_file_that_is_no_language_changes_nothing() {
        for (name, json) in [("de", "{"), ("de", "[]"), ("de", r#"{"title":1}"#), ("x y", "{}"), ("", "{}")] {
            let (all, wrong) = add(name, json);
            assert!(wrong.is_err(), "{name} {json}");
            assert_eq!(all, Languages::built_in());
        }
        let (all, _) = add("de", r#"{"dir":"up"}"#);
        assert_eq!(all.choose(&Preferred::parse("de")).dir(), "ltr");
    }

    #[test]
    fn a_directory_adds_languages_and_may_replace_ours() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("de.json"), r#"{"title":"Willkommen"}"#).unwrap();
        std::fs::write(dir.path().join("en.json"), r#"{"title":"Hi"}"#).unwrap();
        std::fs::write(dir.path().join("fr.json"), " ".repeat(20_000)).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "not for us").unwrap();
        let all = Languages::load(dir.path());
        let title = |header: &str| all.choose(&Preferred::parse(header)).get(Word::Title).to_owned();
        assert_eq!(
            (title("de"), title("en"), title("fr"), title("zh")),
            ("Willkommen".into(), "Hi".into(), "Hi".into(), "欢迎".into())
        );
        assert_eq!(Languages::load(Path::new("/nonexistent")), Languages::built_in());
    }
}
