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
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::cli::LogTo;

/// Installs the log. Call once, before anything logs.
///
/// # Errors
/// If syslog was asked for by name and is not there, or a log is installed already.
pub fn install(to: LogTo, level: Level) -> anyhow::Result<()> {
    set_level(level);
    let sink = match to {
        LogTo::Stderr => Sink::Stderr,
        LogTo::Auto if io::stderr().is_terminal() => Sink::Stderr,
        // A container has no syslog; stderr is where its log is read.
        LogTo::Auto => Syslog::open(SYSLOG_SOCKET).map_or(Sink::Stderr, Sink::Syslog),
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
    Stderr,
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
            Sink::Stderr => {
                let line = format!("{} {:5} {text}\n", stamp(now()), event.metadata().level());
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
// The `syslog` crate waits when the log's queue is full, parses a time format for every line and brings the `time`
// crate; a line of RFC 3164 is two `format!`.
struct Syslog {
    path: &'static str,
    socket: Mutex<UnixDatagram>,
    lost: AtomicU32,
}

impl Syslog {
    fn open(path: &'static str) -> io::Result<Self> {
        Ok(Self { path, socket: Mutex::new(connect(path)?), lost: AtomicU32::new(0) })
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
        let line = syslog_line(level, now(), std::process::id(), text);
        let Ok(mut socket) = self.socket.lock() else { return false };
        match socket.send(line.as_bytes()) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // The log daemon was restarted: its new socket has the same name.
            Err(_) => match connect(self.path) {
                Ok(fresh) => {
                    *socket = fresh;
                    socket.send(line.as_bytes()).is_ok()
                }
                Err(_) => false,
            },
        }
    }
}

fn connect(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A line of RFC 3164. OpenWrt's logd cuts the time stamp off by its length, so there must be one; it puts its own.
fn syslog_line(level: Level, now: u64, pid: u32, text: &str) -> String {
    let severity = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    let mut line = format!("<{}>{} welcomed[{pid}]: {text}", DAEMON + severity, stamp(now));
    line.truncate(line.floor_char_boundary(MAX_LINE));
    line
}

/// `Mmm dd hh:mm:ss`, in UTC: a router's log is read far from the router.
fn stamp(unix: u64) -> String {
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    let (month, day) = month_and_day(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{} {day:2} {hour:02}:{minute:02}:{second:02}", MONTHS[month])
}

/// Month (0 to 11) and day (1 to 31) of a day since 1970 in the Gregorian calendar, counted in years that begin in
/// March, so that the leap day comes last.
fn month_and_day(days: u64) -> (usize, u64) {
    let days = days + 719_468; // since 0000-03-01
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    (usize::try_from((month + 2) % 12).unwrap_or(0), day)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SYSLOG_SOCKET: &str = "/dev/log";
/// The facility `daemon`, shifted as RFC 3164 wants it.
const DAEMON: u8 = 3 << 3;
/// logd takes 1023 bytes a line.
const MAX_LINE: usize = 1023;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_severity_the_time_and_the_name() {
        let line = syslog_line(Level::WARN, 1_795_400_000, 7, "watch: hostapd is gone");
        assert_eq!(line, "<28>Nov 23 02:13:20 welcomed[7]: watch: hostapd is gone");
        for (level, priority) in [(Level::ERROR, "<27>"), (Level::INFO, "<30>"), (Level::TRACE, "<31>")] {
            assert!(syslog_line(level, 0, 7, "x").starts_with(priority));
        }
        assert_eq!(syslog_line(Level::INFO, 0, 7, "x").as_bytes()[4 + 15], b' ', "logd looks for this space");
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters() {
        let line = syslog_line(Level::INFO, 0, 7, &"欢".repeat(1000));
        assert!((MAX_LINE - 3..=MAX_LINE).contains(&line.len()));
    }

    #[test]
    fn the_calendar_is_right() {
        for (days, expected) in
            [(0, (0, 1)), (58, (1, 28)), (59, (2, 1)), (789, (1, 29)), (11_016, (1, 29)), (20_453, (11, 31))]
        {
            assert_eq!(month_and_day(days), expected, "{days}");
        }
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
        let path: &'static str = Box::leak(dir.path().join("log").to_str().unwrap().to_owned().into_boxed_str());
        let daemon = UnixDatagram::bind(path).unwrap();
        let syslog = Syslog::open(path).unwrap();
        for _ in 0..5000 {
            syslog.send(Level::INFO, "x");
        }
        assert!(syslog.lost.load(Ordering::Relaxed) > 0);
        let mut buffer = [0; 2048];
        let n = daemon.recv(&mut buffer).unwrap();
        assert!(buffer[..n].ends_with(b" x"));
        syslog.send(Level::INFO, "y");

        // The daemon comes back under the same name.
        drop(daemon);
        std::fs::remove_file(path).unwrap();
        let daemon = UnixDatagram::bind(path).unwrap();
        syslog.send(Level::INFO, "z");
        let texts: Vec<_> = (0..2)
            .map(|_| {
                let n = daemon.recv(&mut buffer).unwrap();
                String::from_utf8_lossy(&buffer[..n]).into_owned()
            })
            .collect();
        assert!(texts[0].contains("lines were lost"), "{texts:?}");
        assert!(texts[1].ends_with(" z"), "{texts:?}");
    }
}
