//! From `tracing` to syslog, or to stderr for a person.
//!
//! A level and no filter language; the level can change while the agent runs. syslog gets real severities: procd would
//! file everything on stderr as an error. Never waits: if the system's log does not keep up, lines are lost, counted
//! and the count is told, but no station waits for its welcome because of a log.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use syslog::{Facility, LogFormat, Logger, LoggerBackend, Severity};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::cli::LogTo;
use crate::zone::Zone;

/// Installs the log. Call once, before anything logs.
///
/// # Errors
/// If syslog was asked for by name and is not there, or a log is installed already.
pub fn install(to: LogTo, level: Level) -> anyhow::Result<()> {
    set_level(level);
    let stderr = || Sink::Stderr { started: Instant::now() };
    let sink = match to {
        LogTo::Stderr => stderr(),
        LogTo::Auto if io::stderr().is_terminal() => stderr(),
        // A container has no syslog; stderr is where its log is read.
        LogTo::Auto => Syslog::open(SYSLOG_SOCKET).map_or_else(|_| stderr(), Sink::Syslog),
        LogTo::Syslog => Sink::Syslog(
            Syslog::open(SYSLOG_SOCKET)
                .map_err(|e| anyhow::Error::new(e).context(format!("open syslog at {SYSLOG_SOCKET}")))?,
        ),
    };
    tracing::subscriber::set_global_default(Log { sink })?;
    Ok(())
}

/// Logs this level and what is more severe from now on.
pub fn set_level(level: Level) {
    let number = match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    };
    LEVEL.store(number, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

static LEVEL: AtomicU8 = AtomicU8::new(3);

fn level() -> LevelFilter {
    match LEVEL.load(Ordering::Relaxed) {
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// Takes events; spans mean nothing here, so `tracing-subscriber` with its registry is not needed.
struct Log {
    sink: Sink,
}

enum Sink {
    /// Its lines begin with the seconds since the start.
    Stderr {
        started: Instant,
    },
    Syslog(Syslog),
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= level()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(level())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = line.finish(event.metadata().target());
        match &self.sink {
            Sink::Syslog(syslog) => syslog.send(*event.metadata().level(), &text),
            Sink::Stderr { started } => {
                let (since, level) = (started.elapsed(), event.metadata().level());
                let line = format!("{:5}.{:03} {level:5} {text}\n", since.as_secs(), since.subsec_millis());
                // There is nowhere to tell that stderr is closed.
                let _lost = io::stderr().lock().write_all(line.as_bytes()).is_err();
            }
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

/// One event as one line: the message, then `name=value` of each field.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn finish(self, target: &str) -> String {
        let module = target.strip_prefix("welcomed::").unwrap_or(target);
        let mut text = format!("{module}: {}{}", self.message, self.fields);
        // What a peer sent may stand in a field: it must not look like a line of its own or move a terminal's cursor.
        if text.contains(char::is_control) {
            text = text.replace(char::is_control, " ");
        }
        text
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a `String` cannot fail; a broken `Debug` costs its own text.
        let _whole = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        }
        .is_ok();
    }
}

/// The system's log, over its datagram socket.
struct Syslog {
    path: &'static str,
    logger: Mutex<Logger<LoggerBackend, Rfc3164>>,
    lost: AtomicU32,
}

impl Syslog {
    fn open(path: &'static str) -> io::Result<Self> {
        Ok(Self { path, logger: Mutex::new(connect(path)?), lost: AtomicU32::new(0) })
    }

    fn send(&self, level: Level, text: &str) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && !self.send_line(Level::WARN, &format!("logging: lines were lost lost={lost}")) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if !self.send_line(level, text) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send_line(&self, level: Level, text: &str) -> bool {
        let text = &text[..text.floor_char_boundary(MAX_TEXT)];
        let Ok(mut logger) = self.logger.lock() else { return false };
        match send(&mut logger, level, text) {
            Ok(()) => true,
            Err(syslog::Error::Write(error)) if error.kind() == io::ErrorKind::WouldBlock => false,
            // The log daemon was restarted: its new socket has the same name.
            Err(_) => match connect(self.path) {
                Ok(fresh) => {
                    *logger = fresh;
                    send(&mut logger, level, text).is_ok()
                }
                Err(_) => false,
            },
        }
    }
}

/// The crate's own ways to open a log give a socket that waits; this one does not.
fn connect(path: &str) -> io::Result<Logger<LoggerBackend, Rfc3164>> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(Logger::new(LoggerBackend::Unix(socket), Rfc3164 { zone: Zone::of_this_machine() }))
}

/// `<30>Nov 27 13:05:09 welcomed[812]: text`, RFC 3164 section 4.1 as local logs take it: without a host.
///
/// The crate's own formatter reads a description of this form with each line, which costs 40 kB of code, and does not
/// know the zone in OpenWrt's `/etc/TZ`.
struct Rfc3164 {
    zone: Zone,
}

impl LogFormat<&str> for Rfc3164 {
    fn format<W: io::Write>(&self, to: &mut W, severity: Severity, text: &str) -> syslog::Result<()> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (priority, stamp) = (Facility::LOG_DAEMON as u8 | severity as u8, self.zone.stamp(unix));
        let written = write!(to, "<{priority}>{stamp} welcomed[{}]: {text}", std::process::id());
        written.map_err(syslog::Error::Write)
    }
}

fn send(logger: &mut Logger<LoggerBackend, Rfc3164>, level: Level, text: &str) -> syslog::Result<()> {
    match level {
        Level::ERROR => logger.err(text),
        Level::WARN => logger.warning(text),
        Level::INFO => logger.info(text),
        Level::DEBUG | Level::TRACE => logger.debug(text),
    }
}

const SYSLOG_SOCKET: &str = "/dev/log";
/// logd takes 1023 bytes a line, of which severity, time and name take some forty.
const MAX_TEXT: usize = 980;

#[cfg(test)]
mod tests {
    use super::*;

    /// A log daemon at a path of its own.
    fn daemon(dir: &tempfile::TempDir) -> (&'static str, UnixDatagram) {
        let path: &'static str = Box::leak(dir.path().join("log").to_str().unwrap().to_owned().into_boxed_str());
        (path, UnixDatagram::bind(path).unwrap())
    }

    fn received(daemon: &UnixDatagram) -> String {
        let mut buffer = [0; 2048];
        let n = daemon.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    }

    #[test]
    fn a_line_has_the_severity_the_time_and_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let (path, daemon) = daemon(&dir);
        let syslog = Syslog::open(path).unwrap();
        for (level, priority) in
            [(Level::ERROR, "<27>"), (Level::WARN, "<28>"), (Level::INFO, "<30>"), (Level::TRACE, "<31>")]
        {
            syslog.send(level, "watch: hostapd is gone");
            let line = received(&daemon);
            assert!(line.starts_with(priority), "{line}");
            assert!(line.ends_with(&format!(" welcomed[{}]: watch: hostapd is gone", std::process::id())), "{line}");
            // OpenWrt's logd cuts the time stamp off by its length: `Mmm dd hh:mm:ss`, and looks for this space.
            assert_eq!(line.as_bytes()[4 + 15], b' ', "{line}");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters() {
        let dir = tempfile::tempdir().unwrap();
        let (path, daemon) = daemon(&dir);
        Syslog::open(path).unwrap().send(Level::INFO, &"欢".repeat(1000));
        let line = received(&daemon);
        assert!(line.len() <= 1023 && line.ends_with('欢'), "{}", line.len());
    }

    #[test]
    fn a_peer_cannot_start_a_line_of_its_own() {
        let line = Line { message: "got".into(), fields: " name=\"a\nFeb 1 root: hello\x1b[2J\"".into() };
        assert_eq!(line.finish("welcomed::watch"), "watch: got name=\"a Feb 1 root: hello [2J\"");
    }

    #[test]
    fn the_level_changes_while_running() {
        set_level(Level::DEBUG);
        assert_eq!(level(), LevelFilter::DEBUG);
        set_level(Level::INFO);
        assert_eq!(level(), LevelFilter::INFO);
    }

    #[test]
    fn a_log_that_does_not_keep_up_costs_lines_and_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let (path, first) = daemon(&dir);
        let syslog = Syslog::open(path).unwrap();
        for _ in 0..5000 {
            syslog.send(Level::INFO, "x");
        }
        assert!(syslog.lost.load(Ordering::Relaxed) > 0);
        assert!(received(&first).ends_with(" x"));
        syslog.send(Level::INFO, "y");

        // The daemon comes back under the same name.
        drop(first);
        std::fs::remove_file(path).unwrap();
        let second = UnixDatagram::bind(path).unwrap();
        syslog.send(Level::INFO, "z");
        let texts = [received(&second), received(&second)];
        assert!(texts[0].contains("lines were lost"), "{texts:?}");
        assert!(texts[1].ends_with(" z"), "{texts:?}");
    }
}
