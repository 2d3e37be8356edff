//! Reads scenario files: text with times, events and what is expected, for people who know Wi-Fi and not Rust.
//!
//! Text comes in, numbered lines of words go out; what the words mean is for who runs the story.
//!
//! ```text
//! # A comment, to the end of the line.
//! given  network cafe on wlan0            what holds from the beginning
//! 1.5s   join wlan0 Ann key=guest         at this time this happens
//! =>     report arrived cafe              and this must come of it, in this order; `=> nothing` if nothing must
//! ?      Ann guest on cafe due hello      and this must be so afterwards
//! ```

use std::time::Duration;

/// One line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// What kind it is.
    pub kind: Kind,
    /// Its words; text in quotation marks is one word.
    pub words: Vec<String>,
}

/// What kind of line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Holds from the beginning.
    Given,
    /// Happens at this time after the beginning.
    At(Duration),
    /// Must come of the line above.
    Then,
    /// Must be so.
    Look,
}

/// Reads a story.
///
/// # Errors
/// A line that is none of the four kinds, a time that goes back, a quotation mark too many; with the line's number.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    let mut last = Duration::ZERO;
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = split(line).ok_or_else(|| format!("line {number}: a quotation mark without its second"))?;
        if words.is_empty() {
            continue;
        }
        let first = words.remove(0);
        let kind = match first.as_str() {
            "given" => Kind::Given,
            "=>" => Kind::Then,
            "?" => Kind::Look,
            time => {
                let seconds = time.strip_suffix('s').and_then(|t| t.parse().ok());
                let at = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
                let at = at.ok_or_else(|| format!("line {number}: {time:?} is no time and none of given, =>, ?"))?;
                if at < last {
                    return Err(format!("line {number}: time goes back"));
                }
                last = at;
                Kind::At(at)
            }
        };
        lines.push(Line { number, kind, words });
    }
    Ok(lines)
}

fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = tail.trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_kinds() {
        let lines = parse("given a\n\n# no\n1.5s say \"two words\" x # no\n=> nothing\n").unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1].kind, Kind::At(Duration::from_millis(1500)));
        assert_eq!(lines[1].words, ["say", "two words", "x"]);
        assert_eq!((lines[2].number, lines[2].kind), (5, Kind::Then));
    }

    #[test]
    fn a_story_that_goes_back_in_time_is_refused() {
        assert_eq!(parse("2s a\n1s b").unwrap_err(), "line 2: time goes back");
        assert!(parse("soon a").unwrap_err().contains("no time"));
        assert!(parse("1s \"a").unwrap_err().contains("quotation"));
    }
}
