//! Reads UCI text. Pure and strict, as libuci is by default: a file with an error in it is refused as a whole.
//!
//! Bytes come in, [`Raw`] goes out, or every error with its line. What it holds is bounded by [`MAX_FILE`].

use std::iter::Peekable;
use std::str::Chars;

use super::raw::{Raw, Section, Value};

/// The longest text that is read. A configuration with all sections full has some 80 KiB.
pub const MAX_FILE: usize = 256 * 1024;

/// Reads a whole file.
///
/// # Errors
/// All places that are not UCI; what follows an unclosed quote is not looked at.
pub fn parse(bytes: &[u8]) -> Result<Raw, Vec<SyntaxError>> {
    if bytes.len() > MAX_FILE {
        return Err(vec![SyntaxError::new(1, format!("the file has {} bytes; at most {MAX_FILE}", bytes.len()))]);
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
        vec![SyntaxError::new(line, "not UTF-8; save the file as UTF-8")]
    })?;
    let mut reader = Reader::default();
    let mut errors = Vec::new();
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1 };
    loop {
        match lexer.statement() {
            Ok(None) => break,
            Ok(Some(statement)) => errors.extend(reader.take(&statement).err()),
            Err(unclosed) => {
                errors.push(unclosed);
                break;
            }
        }
    }
    if errors.is_empty() { Ok(reader.raw) } else { Err(errors) }
}

/// A place that is not UCI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub what: String,
}

impl SyntaxError {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// Builds sections from statements.
#[derive(Default)]
struct Reader {
    raw: Raw,
    at: At,
}

/// Where an option would go.
#[derive(Default, Clone, Copy)]
enum At {
    #[default]
    BeforeAll,
    In(usize),
    /// After a `config` that was wrong: its options would only look wrong, too.
    Nowhere,
}

impl Reader {
    fn take(&mut self, Statement { line, words }: &Statement) -> Result<(), SyntaxError> {
        let wrong = |what: String| Err(SyntaxError::new(*line, what));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            // A file is one package; what it calls itself changes nothing.
            ["package" | "p", name] if is_name(name) => Ok(()),
            ["config" | "c", kind, ref rest @ ..] if rest.len() <= 1 => {
                self.at = At::Nowhere;
                if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_graphic()) {
                    return wrong(format!("{kind:?} is not a section type; expected printable ASCII without spaces"));
                }
                let name = rest.first().copied().filter(|n| !n.is_empty());
                if let Some(name) = name.filter(|n| !is_name(n)) {
                    return wrong(bad_name(name));
                }
                self.at = At::In(self.open(*line, kind, name)?);
                Ok(())
            }
            ["option" | "o", name, ref rest @ ..] if rest.len() <= 1 => self.put(*line, name, rest.first(), false),
            ["list" | "l", name, ref rest @ ..] if rest.len() <= 1 => self.put(*line, name, rest.first(), true),
            ["package" | "p", ..] => wrong("expected `package NAME`".to_owned()),
            ["config" | "c", ..] => {
                self.at = At::Nowhere;
                wrong("expected `config TYPE` or `config TYPE 'NAME'`".to_owned())
            }
            ["option" | "o", ..] => wrong("expected `option NAME 'VALUE'`; quote a value with spaces".to_owned()),
            ["list" | "l", ..] => wrong("expected `list NAME 'VALUE'`; quote a value with spaces".to_owned()),
            [word, ..] => wrong(format!("unknown command {word:?}; expected `config`, `option` or `list`")),
            [] => Ok(()),
        }
    }

    /// The section of that name, or a new one.
    fn open(&mut self, line: usize, kind: &str, name: Option<&str>) -> Result<usize, SyntaxError> {
        let known = name.and_then(|_| self.raw.sections.iter().position(|s| s.name.as_deref() == name));
        if let Some(at) = known {
            let Section { kind: before, line: first, .. } = &self.raw.sections[at];
            if before != kind {
                let name = name.unwrap_or_default();
                let what = format!("section '{name}' is of type {kind} here and of type {before} in line {first}");
                return Err(SyntaxError::new(line, what));
            }
            return Ok(at);
        }
        let (kind, name) = (kind.to_owned(), name.map(str::to_owned));
        self.raw.sections.push(Section { kind, name, line, settings: Vec::new() });
        Ok(self.raw.sections.len() - 1)
    }

    fn put(&mut self, line: usize, name: &str, value: Option<&&str>, is_list: bool) -> Result<(), SyntaxError> {
        let text = value.copied().unwrap_or_default();
        let section = match self.at {
            At::In(at) => &mut self.raw.sections[at],
            At::Nowhere => return Ok(()),
            At::BeforeAll => return Err(SyntaxError::new(line, "an option before the first `config` line")),
        };
        if !is_name(name) {
            return Err(SyntaxError::new(line, bad_name(name)));
        }
        if text.chars().any(|c| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r')) {
            return Err(SyntaxError::new(line, format!("the value of '{name}' has a control character in it")));
        }
        let value = Value { text: text.to_owned(), line };
        if is_list {
            section.add(name, value)
        } else {
            section.set(name, value)
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn bad_name(name: &str) -> String {
    format!("{name:?} is not a name; expected letters, digits and underscores")
}

/// The words between two ends of line or semicolons.
struct Statement {
    line: usize,
    words: Vec<String>,
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Lexer<'_> {
    /// The next statement, possibly without words.
    fn statement(&mut self) -> Result<Option<Statement>, SyntaxError> {
        if self.rest.peek().is_none() {
            return Ok(None);
        }
        let mut statement = Statement { line: self.line, words: Vec::new() };
        let mut word: Option<String> = None;
        while let Some(c) = self.next() {
            match c {
                '\n' | ';' => break,
                '#' => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '\'' => self.quoted(word.get_or_insert_default(), '\'')?,
                '"' => self.quoted(word.get_or_insert_default(), '"')?,
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c) => word.get_or_insert_default().push(c),
                },
                c if c.is_ascii_whitespace() || c == '\x0b' => statement.words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        statement.words.extend(word);
        Ok(Some(statement))
    }

    /// The rest of a quoted piece. A backslash means something between double quotes only.
    fn quoted(&mut self, word: &mut String, mark: char) -> Result<(), SyntaxError> {
        let opened = self.line;
        let unclosed = || SyntaxError::new(opened, format!("the quote {mark} that opens here is never closed"));
        loop {
            match self.next().ok_or_else(unclosed)? {
                c if c == mark => return Ok(()),
                '\\' if mark == '"' => match self.next().ok_or_else(unclosed)? {
                    '\n' => {}
                    c => word.push(c),
                },
                c => word.push(c),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::raw::Setting;

    /// The text of a configuration, as libuci would write it.
    fn print(raw: &Raw) -> String {
        let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let mut out = String::new();
        for Section { kind, name, settings, .. } in &raw.sections {
            out += &format!("\nconfig {kind}");
            if let Some(name) = name {
                out += &format!(" {}", quote(name));
            }
            out.push('\n');
            for Setting { name, is_list, values } in settings {
                for value in values {
                    let command = if *is_list { "list" } else { "option" };
                    out += &format!("\t{command} {name} {}\n", quote(&value.text));
                }
            }
        }
        out
    }

    /// The same without line numbers, which a printer cannot keep.
    fn without_lines(mut raw: Raw) -> Raw {
        for section in &mut raw.sections {
            section.line = 0;
            section.settings.iter_mut().flat_map(|s| &mut s.values).for_each(|v| v.line = 0);
        }
        raw
    }

    /// The values of `option x …` in a section of its own.
    fn values(text: &str) -> Vec<String> {
        let raw = parse(format!("config t\n{text}").as_bytes()).unwrap();
        raw.sections[0].setting("x").map_or(vec![], |s| s.values.iter().map(|v| v.text.clone()).collect())
    }

    fn error(text: &str) -> String {
        let errors = parse(text.as_bytes()).unwrap_err();
        errors.iter().map(|e| format!("{}: {}", e.line, e.what)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_usual_file_is_read() {
        let raw =
            parse(b"\nconfig network 'cafe'\n\toption a '1'\n\tlist b 'x'\n\tlist b 'y'\n\nconfig network\n").unwrap();
        let cafe = &raw.sections[0];
        assert_eq!((cafe.kind.as_str(), cafe.name.as_deref(), cafe.line), ("network", Some("cafe"), 2));
        assert_eq!(cafe.setting("a").unwrap().values, [Value { text: "1".into(), line: 3 }]);
        assert_eq!(cafe.setting("b").unwrap().values.len(), 2);
        assert_eq!((raw.sections[1].name.as_deref(), raw.sections[1].line), (None, 7));
    }

    #[test]
    fn commands_may_be_one_letter_and_a_semicolon_parts_them() {
        assert_eq!(values("o x 1; o y 2"), ["1"]);
        assert_eq!(values("l x 1;l x 2"), ["1", "2"]);
        assert!(parse(b"p welcomed\nc t n; package welcomed").is_ok());
    }

    #[test]
    fn a_hash_outside_quotes_begins_a_comment_even_inside_a_word() {
        assert_eq!(values("option x foo#bar"), ["foo"]);
        assert_eq!(values("# option x 1\noption x '#1' # two"), ["#1"]);
    }

    #[test]
    fn the_three_ways_to_quote() {
        assert_eq!(values(r"option x 'a\n$'"), [r"a\n$"]);
        assert_eq!(values(r#"option x "a\n\"b\\""#), [r#"an"b\"#]);
        assert_eq!(values(r"option x a\ b\n"), ["a bn"]);
        assert_eq!(values(r"option x 'it'\''s'"), ["it's"]);
        assert_eq!(values(r#"option x a'b'"c""#), ["abc"]);
    }

    #[test]
    fn a_backslash_joins_lines_and_quotes_may_hold_them() {
        assert_eq!(values("option x a\\\nb"), ["ab"]);
        assert_eq!(values("option x \"a\\\nb\nc\""), ["ab\nc"]);
        assert_eq!(values("option x 'a\\\nb'"), ["a\\\nb"]);
    }

    #[test]
    fn lines_are_counted_through_quotes_and_joins() {
        let raw = parse(b"config t\noption a 'x\ny'\noption b \\\n1\noption c 1").unwrap();
        let line = |name: &str| raw.sections[0].setting(name).unwrap().values[0].line;
        assert_eq!((line("a"), line("b"), line("c")), (2, 4, 6));
    }

    #[test]
    fn an_empty_value_unsets() {
        assert_eq!(values("option x 1\noption x ''"), [""; 0]);
        assert_eq!(values("option x"), [""; 0]);
        assert_eq!(values("list x ''"), [""; 0]);
    }

    #[test]
    fn options_and_lists_of_one_name() {
        assert_eq!(values("option x 1\noption x 2"), ["2"]);
        assert_eq!(values("list x 1\nlist x 2\noption x 3"), ["3"]);
        assert_eq!(values("option x 1\nlist x 2"), ["1", "2"]);
    }

    #[test]
    fn a_section_named_twice_is_one() {
        let raw = parse(b"config t a\noption x 1\nconfig t b\nconfig t a\noption y 2").unwrap();
        assert_eq!(raw.sections.len(), 2);
        assert_eq!(raw.sections[0].settings.len(), 2);
        assert!(
            error("config t a\nconfig u a").starts_with("2: section 'a' is of type u here and of type t in line 1")
        );
    }

    #[test]
    fn other_line_ends_and_no_last_one_are_fine() {
        assert_eq!(values("option x '1'\r\noption y 2\r\n"), ["1"]);
        assert_eq!(values("option x '1'"), ["1"]);
    }

    #[test]
    fn names_and_types_have_their_alphabets() {
        assert!(parse(b"config wifi-iface a_1").is_ok());
        for bad in [
            "config t a-b",
            "config t\noption a-b 1",
            "config t\noption '' 1",
            "config 'a b'",
            "config ''",
            "package a/b",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(b"config t\noption x 'a\tb\nc'").is_ok());
        assert!(parse(b"config t\noption x 'a\x01'").is_err());
    }

    #[test]
    fn all_errors_come_at_once_with_their_lines() {
        let text = "option a 1\nconfog t\nconfig t a b\noption x 1\nconfig t\noption x 1 2\noption\nlist y 'a\nb";
        let error = error(text);
        let lines: Vec<_> = error.lines().map(|l| l.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["1", "2", "3", "6", "7", "8"], "{error}");
    }

    #[test]
    fn what_is_no_text_or_too_much_is_refused() {
        assert_eq!(parse(b"config t\n\n\xff").unwrap_err()[0].line, 3);
        assert!(parse(&vec![b'\n'; MAX_FILE]).is_ok());
        assert!(parse(&vec![b'\n'; MAX_FILE + 1]).is_err());
        assert!(error("\u{feff}config t").contains("unknown command"));
    }

    fn any_raw() -> impl Strategy<Value = Raw> {
        let value = "[\t\n\r -~é欢]{1,12}".prop_map(|text| Value { text, line: 0 });
        let setting = (any::<bool>(), prop::collection::vec(value, 1..4)).prop_map(|(is_list, mut values)| {
            values.truncate(if is_list { 4 } else { 1 });
            (is_list, values)
        });
        let settings = prop::collection::btree_map("[a-z0-9_]{1,4}", setting, 0..4);
        let section = ("[!$-&(-:<-Z^-~]{1,8}", settings);
        let named = prop::collection::btree_map("[a-z_0-9]{1,4}", section.clone(), 0..4);
        let unnamed = prop::collection::vec(section, 0..3);
        (named, unnamed).prop_map(|(named, unnamed)| {
            let named = named.into_iter().map(|(name, section)| (Some(name), section));
            let all = named.chain(unnamed.into_iter().map(|section| (None, section)));
            let section = |(name, (kind, settings)): (_, (String, std::collections::BTreeMap<_, _>))| {
                let setting = |(name, (is_list, values))| Setting { name, is_list, values };
                Section { kind, name, line: 0, settings: settings.into_iter().map(setting).collect() }
            };
            Raw { sections: all.map(section).collect() }
        })
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read(raw in any_raw()) {
            prop_assert_eq!(without_lines(parse(print(&raw).as_bytes()).unwrap()), raw);
        }

        #[test]
        fn no_text_makes_it_panic(text in "([a-z]{0,7}|[ '\"\\\\#;\n\r\t]){0,60}") {
            let _outcome = parse(text.as_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = parse(&bytes);
        }
    }
}
