//! Writes down all that passes on one control socket, as lines of text.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hwsim::RESULTS_DIR;

use crate::control::{Control, is_event};
use crate::process::version;

/// A recording in progress. A thread reads, so that the times are those of arrival.
pub(super) struct Recorder {
    control: Arc<Control>,
    begin: Instant,
    lines: Arc<Mutex<Vec<String>>>,
    arrivals: Receiver<Vec<u8>>,
    /// Events that came while a reply was awaited: some precede the reply to what caused them.
    passed: RefCell<VecDeque<Vec<u8>>>,
}

impl Recorder {
    /// Begins to record what comes.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(control: Control) -> Result<Self> {
        let control = Arc::new(control);
        let begin = Instant::now();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, arrivals) = sync_channel(AHEAD);
        let (socket, kept) = (control.clone(), lines.clone());
        thread::Builder::new().spawn(move || {
            // Ends when the socket does; a quiet minute is not the end.
            while let Ok(arrival) = socket.receive(Duration::from_secs(60)) {
                let Some(datagram) = arrival else { continue };
                add(&kept, &format!("{} < {}", stamp(begin), escaped(&datagram)));
                if sender.send(datagram).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { control, begin, lines, arrivals, passed: RefCell::default() })
    }

    /// Says in the recording what happens next.
    pub(super) fn title(&self, text: &str) {
        add(&self.lines, &format!("\n# {text}"));
    }

    /// Sends a command and returns its reply.
    ///
    /// # Errors
    /// When none comes.
    pub(super) fn ask(&self, command: &str) -> Result<String> {
        add(&self.lines, &format!("{} > {}", stamp(self.begin), escaped(command.as_bytes())));
        self.passed.borrow_mut().clear();
        self.control.send(command.as_bytes())?;
        loop {
            let datagram = self.arrival().with_context(|| format!("no reply to {command}"))?;
            if !is_event(&datagram) {
                return Ok(String::from_utf8_lossy(&datagram).trim_end().to_owned());
            }
            self.passed.borrow_mut().push_back(datagram);
        }
    }

    /// Waits for an event that contains `word`; those count that came since the last command was sent.
    ///
    /// # Errors
    /// When none comes.
    pub(super) fn await_event(&self, word: &str) -> Result<()> {
        loop {
            let passed = self.passed.borrow_mut().pop_front();
            let datagram = passed.map_or_else(|| self.arrival(), Ok).with_context(|| format!("no {word} came"))?;
            if String::from_utf8_lossy(&datagram).contains(word) {
                return Ok(());
            }
        }
    }

    /// Sends a command to a program that is gone, and records the system's answer.
    pub(super) fn ask_the_dead(&self, command: &str) {
        add(&self.lines, &format!("{} > {}", stamp(self.begin), escaped(command.as_bytes())));
        if let Err(error) = self.control.send(command.as_bytes()) {
            add(&self.lines, &format!("{} ! {}", stamp(self.begin), error.root_cause()));
        }
    }

    fn arrival(&self) -> Result<Vec<u8>> {
        self.arrivals.recv_timeout(Duration::from_secs(20)).context("nothing arrives")
    }

    /// Writes the recording of that program into the directory for results.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, file: &str, program: &str) -> Result<()> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let version = version(program)?;
        let text = format!("# {version}\n{HEADER}{}\n", lines.join("\n"));
        fs::write(Path::new(RESULTS_DIR).join(file), text).with_context(|| format!("write {file}"))
    }
}

fn add(lines: &Mutex<Vec<String>>, line: &str) {
    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
}

fn stamp(begin: Instant) -> String {
    format!("{:.3}", begin.elapsed().as_secs_f64() * 1e3)
}

/// One line of printable ASCII from any bytes.
fn escaped(bytes: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'\\' => "\\\\".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        b' '..=b'~' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    bytes.iter().map(escape).collect()
}

/// How far the recording may run ahead of the story: more than a story makes happen in one step.
const AHEAD: usize = 1024;

const HEADER: &str = "\
# Recorded by `lab run record` on one attached control socket.
# A line is: milliseconds, direction, bytes. `>` sent, `<` received (one datagram), `!` the system's error.
# Bytes other than printable ASCII are \\n, \\t or \\xNN; a backslash is \\\\.
# Empty lines mean nothing; a line that begins with `#` says what happens next.
";
