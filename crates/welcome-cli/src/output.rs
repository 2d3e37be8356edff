//! What the program says: to a person, or one JSON object a line to a program.
//!
//! In: what happened. Out: JSON on standard output; or, for a person, the message itself on standard output and
//! everything about the way there on standard error. No key ever comes here. Text that came from outside is stripped of
//! control characters before a terminal gets it.

use crate::verify::Message;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the program says what happens. Clones say it in the same place.
#[derive(Clone)]
pub struct Output {
    json: bool,
    /// Whether the sink, and what tells of the way there, show colours.
    colours: [bool; 2],
    began: Instant,
    sink: Arc<Mutex<dyn Write + Send>>,
    progress: Arc<Mutex<dyn Write + Send>>,
}

impl Output {
    /// Standard output and standard error.
    #[must_use]
    pub fn standard(json: bool) -> Self {
        // As <https://no-color.org> and the like have it: on a terminal, unless its owner says otherwise.
        let shows = |choice| choice != anstream::ColorChoice::Never;
        let colours = [
            shows(anstream::AutoStream::choice(&std::io::stdout())),
            shows(anstream::AutoStream::choice(&std::io::stderr())),
        ];
        Self { colours, ..Self::new(json, std::io::stdout(), std::io::stderr()) }
    }

    /// Any two writers: `sink` for what a program or person wants to have, `progress` for how it went.
    pub fn new(json: bool, sink: impl Write + Send + 'static, progress: impl Write + Send + 'static) -> Self {
        let colours = [false; 2];
        Self {
            json,
            colours,
            began: Instant::now(),
            sink: Arc::new(Mutex::new(sink)),
            progress: Arc::new(Mutex::new(progress)),
        }
    }

    /// Something happened now. `text` is for people, the fields for programs.
    pub fn event(&self, name: &str, fields: impl Serialize, text: &str) {
        self.event_at(Instant::now(), name, fields, text);
    }

    /// Something happened at that moment.
    pub fn event_at(&self, at: Instant, name: &str, fields: impl Serialize, text: &str) {
        if self.json {
            self.line(at, name, fields);
        } else {
            self.progress(at, text);
        }
    }

    /// What the program does from now on; only people are told.
    pub fn doing(&self, text: &str) {
        if !self.json {
            self.progress(Instant::now(), &format!("{text} …"));
        }
    }

    /// Something that went wrong and does not end it.
    pub fn note(&self, text: &str) {
        self.event("note", serde_json::json!({ "message": text }), text);
    }

    /// A line of what was asked for, where that is a list.
    pub fn item(&self, name: &str, fields: impl Serialize, text: &str) {
        if self.json {
            self.line(Instant::now(), name, fields);
        } else {
            write(&self.sink, &printable(text));
        }
    }

    /// The message.
    pub fn offer(&self, at: Instant, message: &Message) {
        if self.json {
            return self.line(at, "offer", message);
        }
        self.progress(at, &format!("a message, {}:", message.proof.as_text()));
        let content = &message.content;
        let mut text = style(&printable(&content.title), BOLD, self.colours[0]);
        for line in content.text.lines() {
            text.push('\n');
            text.push_str(&printable(line));
        }
        if let Some(link) = &content.link {
            text.push('\n');
            text.push_str(&printable(link));
        }
        write(&self.sink, &text);
    }

    /// Where to read on, where there is no message.
    pub fn link(&self, link: &str) {
        if self.json {
            self.line(Instant::now(), "link", serde_json::json!({ "link": link }));
        } else {
            self.progress(Instant::now(), "no message, but where to read on:");
            write(&self.sink, &printable(link));
        }
    }

    /// Something for another program, to the byte.
    pub(crate) fn script(&self, text: &[u8]) {
        let mut to = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever closed our output does not want to hear of it.
        drop(to.write_all(text).and_then(|()| to.flush()));
    }

    /// Why it ends other than well.
    pub(crate) fn error(&self, kind: &str, message: &str, exit: u8) {
        if self.json {
            let fields = serde_json::json!({ "kind": kind, "message": message, "exit": exit });
            self.line(Instant::now(), "error", fields);
        } else {
            write(&self.progress, &format!("{} {}", style("welcome:", RED, self.colours[1]), printable(message)));
        }
    }

    fn line(&self, at: Instant, name: &str, fields: impl Serialize) {
        let fields = match serde_json::to_value(fields) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let since_epoch = wall(at);
        let mut line =
            format!("{{\"at\":{}.{:06},\"event\":{}", since_epoch.as_secs(), since_epoch.subsec_micros(), quote(name));
        for (name, value) in &fields {
            line.push_str(&format!(",{}:{value}", quote(name)));
        }
        line.push('}');
        write(&self.sink, &line);
    }

    fn progress(&self, at: Instant, text: &str) {
        let seconds = at.saturating_duration_since(self.began).as_secs_f64();
        let time = style(&format!("[{seconds:7.3} s]"), FAINT, self.colours[1]);
        write(&self.progress, &format!("{time} {}", printable(text)));
    }
}

fn style(text: &str, style: Style, shown: bool) -> String {
    if shown { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();

/// Keeps text from outside from moving the cursor or worse.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_direction_mark(c) { '\u{fffd}' } else { c }).collect()
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn wall(at: Instant) -> Duration {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.saturating_sub(at.elapsed())
}

fn quote(text: &str) -> Value {
    Value::from(text)
}

fn write(to: &Mutex<dyn Write + Send>, line: &str) {
    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
    // Whoever closed our output does not want to hear of it.
    drop(writeln!(to, "{line}").and_then(|()| to.flush()));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::verify::{Judge, Signer};
    use welcome_proto::language::Preferred;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Buffer {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn offer(text: &str) -> Message {
        let offer = serde_json::json!({
            "id": "hello", "sender": "device", "title": "Hi", "text": text, "link": "https://example.net/"
        });
        let judge = Judge { signer: Signer::Unknown, preferred: Preferred::default() };
        judge.of_router(serde_json::from_value(offer).unwrap(), 0).unwrap()
    }

    #[test]
    fn a_line_of_json_begins_with_the_time_and_the_event() {
        let sink = Buffer::default();
        Output::new(true, sink.clone(), std::io::sink()).event("match", serde_json::json!({"a": "b\n"}), "");
        let text = sink.text();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["event"], "match");
        assert_eq!(value["a"], "b\n");
        let (seconds, rest) = text.strip_prefix("{\"at\":").unwrap().split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000);
        assert_eq!(rest.find(',').unwrap(), 6);
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_person_gets_the_message_alone_on_standard_output() {
        let (sink, progress) = (Buffer::default(), Buffer::default());
        let output = Output::new(false, sink.clone(), progress.clone());
        output.event("scan", (), "heard two");
        output.offer(Instant::now(), &offer("one\ntwo"));
        assert_eq!(sink.text(), "Hi\none\ntwo\nhttps://example.net/\n");
        assert!(progress.text().contains("s] heard two\n"), "{}", progress.text());
    }

    #[test]
    fn colours_are_for_terminals_alone() {
        let (sink, progress) = (Buffer::default(), Buffer::default());
        let plain = Output::new(false, sink.clone(), progress.clone());
        let shown = Output { colours: [true; 2], ..plain.clone() };
        for output in [plain, shown] {
            output.offer(Instant::now(), &offer("text"));
            output.error("other", "no", 1);
        }
        assert!(
            sink.text().starts_with("Hi\ntext\nhttps://example.net/\n\u{1b}[1mHi\u{1b}[0m\ntext\n"),
            "{}",
            sink.text()
        );
        assert!(progress.text().contains("\nwelcome: no\n"), "{}", progress.text());
        assert!(progress.text().ends_with("\u{1b}[1m\u{1b}[31mwelcome:\u{1b}[0m no\n"), "{}", progress.text());
    }

    #[test]
    fn a_message_cannot_move_the_cursor() {
        let sink = Buffer::default();
        Output::new(false, sink.clone(), std::io::sink()).offer(Instant::now(), &offer("\u{1b}[2J\u{202e}x\r"));
        assert!(!sink.text().contains(['\u{1b}', '\u{202e}', '\r']));
    }
}
