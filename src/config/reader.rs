//! Takes options out of one section, and notes what is wrong with them in one form.

use std::path::PathBuf;
use std::str::FromStr;

use super::Problem;
use super::raw::{Section, Value};

/// Takes options out of one section and notes what is wrong with them.
pub struct Reader<'a> {
    /// What it reads.
    pub section: &'a Section,
    /// Its name; `@type` if it has none.
    pub label: String,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Of this section.
    pub fn new(section: &'a Section, problems: &'a mut Vec<Problem>) -> Self {
        Self { section, label: label(section), problems }
    }

    /// The section's own name as an id.
    pub fn name<T: FromStr>(&mut self, what: &str, example: &str) -> Option<T> {
        let id = self.section.name.as_deref().and_then(parse);
        if id.is_none() {
            self.problem_of_section(format!("{what} needs a name of 1 to 64 characters; e.g. {example}"));
        }
        id
    }

    /// A switch, in all the words UCI knows for it.
    pub fn bool(&mut self, option: &str, default: bool) -> bool {
        let read = self.one(option, "1 or 0", |text| match text {
            "1" | "on" | "true" | "yes" | "enabled" => Some(true),
            "0" | "off" | "false" | "no" | "disabled" => Some(false),
            _ => None,
        });
        read.unwrap_or(default)
    }

    /// A path that means the same wherever the agent was started.
    pub fn path(&mut self, option: &str) -> Option<PathBuf> {
        self.one(option, "an absolute path", |text| text.starts_with('/').then(|| text.into()))
    }

    /// The one value of an option, if it is there and `read` takes it.
    pub fn one<T>(&mut self, option: &str, right: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let Value { line, text } = self.value(option)?;
        let value = read(text);
        if value.is_none() {
            self.refuse(*line, option, text, right);
        }
        value
    }

    /// Apart from the ones above, of which there is one for each type that is read.
    fn refuse(&mut self, line: usize, option: &str, text: &str, right: &str) {
        self.problem(line, option, format!("{text:?} cannot be used; expected {right}"));
    }

    /// The values of a list that `read` takes, with their lines. Several in one value, parted by spaces, are several.
    pub fn list<T>(&mut self, option: &str, right: &str, read: impl Fn(&str) -> Option<T>) -> Vec<(usize, T)> {
        let values = self.section.setting(option).map_or(&[][..], |s| &s.values);
        let words = values.iter().flat_map(|v| v.text.split_ascii_whitespace().map(|word| (v.line, word)));
        let mut taken = Vec::new();
        for (line, word) in words {
            match read(word) {
                Some(value) => taken.push((line, value)),
                None => self.refuse(line, option, word, right),
            }
        }
        taken
    }

    /// The first value of an option; several are a problem.
    pub fn value(&mut self, option: &str) -> Option<&'a Value> {
        let setting = self.section.setting(option)?;
        if let [_, second, ..] = &setting.values[..] {
            self.problem(second.line, option, "is a list; expected one value by `option`");
        }
        setting.values.first()
    }

    /// Notes what is wrong with an option.
    pub fn problem(&mut self, line: usize, option: &str, what: impl Into<String>) {
        self.problems.push(Problem { line, at: format!("{}.{option}", self.label), what: what.into() });
    }

    /// Notes what is wrong with the whole section.
    pub fn problem_of_section(&mut self, what: impl Into<String>) {
        self.problems.push(Problem { line: self.section.line, at: self.label.clone(), what: what.into() });
    }
}

/// How problems name a section.
#[must_use]
pub fn label(section: &Section) -> String {
    section.name.clone().unwrap_or_else(|| format!("@{}", section.kind))
}

/// What the text means by its type's own rule.
#[must_use]
pub fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
