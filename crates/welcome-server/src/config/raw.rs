//! A configuration as its text says it: keys with dots, values with their lines, no meaning.
//!
//! TOML comes in. What is no TOML is said with its line; what a key means and whether there is one is none of its business.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// The longest text that is looked at: a hundred times what all keys with their comments need.
pub const MAX_FILE: usize = 256 * 1024;

/// All settings by their key, `table.key`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Raw {
    /// The settings.
    pub settings: BTreeMap<String, Setting>,
    /// The tables, also those without settings, and where each begins.
    pub tables: BTreeMap<String, Origin>,
}

/// One value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// From where.
    pub origin: Origin,
}

/// Where something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In this line of the file, counted from 1.
    Line(usize),
    /// By this option of the command line.
    Option(&'static str),
    /// By this variable of the environment.
    Environment(&'static str),
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `"text"`
    Text(String),
    /// `12`, as it stands there.
    Number(String),
    /// `true`
    Truth(bool),
    /// `["a", "b"]`
    List(Vec<String>),
    /// Something that no key takes; its name in TOML.
    Other(&'static str),
}

impl Raw {
    /// Says something in place of what the file says.
    pub fn set(&mut self, key: &str, origin: Origin, value: Value) {
        self.settings.insert(key.to_owned(), Setting { value, origin });
    }
}

/// Reads TOML.
///
/// # Errors
/// With everything that is no TOML.
pub fn parse(text: &str) -> Result<Raw, Vec<Problem>> {
    if text.len() > MAX_FILE {
        return Err(vec![problem(1, format!("longer than {MAX_FILE} bytes; is it the right file?"))]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mut errors: Vec<_> = errors.iter().map(|e| (line(text, e.span()), e.message())).collect();
        errors.sort_by_key(|(line, _)| *line);
        return Err(errors.into_iter().map(|(line, what)| problem(line, format!("no TOML: {what}"))).collect());
    }
    let mut raw = Raw::default();
    add(&mut raw, text, "", table.get_ref());
    Ok(raw)
}

fn add(raw: &mut Raw, text: &str, prefix: &str, table: &DeTable<'_>) {
    for (name, value) in table.iter() {
        let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        let origin = Origin::Line(line(text, Some(name.span())));
        match value.get_ref() {
            DeValue::Table(inner) => {
                raw.tables.insert(key.clone(), origin);
                add(raw, text, &key, inner);
            }
            value => drop(raw.settings.insert(key, Setting { value: read(value), origin })),
        }
    }
}

fn read(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Value::Truth(*truth),
        DeValue::Array(items) => {
            let texts = items.iter().map(Spanned::get_ref).map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map_or(Value::Other("array of something else than strings"), Value::List)
        }
        other => Value::Other(other.type_str()),
    }
}

fn problem(line: usize, what: String) -> Problem {
    Problem { origin: Origin::Line(line), key: String::new(), what }
}

fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start).min(text.len());
    1 + text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_have_dots_and_lines() {
        let raw = parse("listen = 'a'\n\n[log]\n# why\nfilter = \"b\"\n[limits]\nstreams = 7\n[odd]\n").unwrap();
        let setting = |text: &str, line| Setting { value: Value::Text(text.to_owned()), origin: Origin::Line(line) };
        assert_eq!(raw.settings["listen"], setting("a", 1));
        assert_eq!(raw.settings["log.filter"], setting("b", 5));
        assert_eq!(raw.settings["limits.streams"].value, Value::Number("7".to_owned()));
        assert_eq!(raw.tables["odd"], Origin::Line(8));
    }

    #[test]
    fn what_is_no_toml_is_said_with_its_line() {
        let problems = parse("listen = \"a\"\nlisten = \"b\"\n[log\nx = = 1\n").unwrap_err();
        assert!(problems.len() > 1, "{problems:?}");
        assert_eq!(problems[0].origin, Origin::Line(2), "{problems:?}");
        assert!(problems.iter().all(|p| p.what.starts_with("no TOML: ")), "{problems:?}");
        assert!(parse(&"#".repeat(MAX_FILE + 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}|([a-z]{1,3}[ =.\\[\\]\n\"']{1,3}){0,30}") {
            if let Err(problems) = parse(&text) {
                prop_assert!(!problems.is_empty());
            }
        }
    }
}
