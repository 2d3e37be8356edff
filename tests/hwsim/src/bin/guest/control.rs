//! A control socket of hostapd or wpa_supplicant, as bare datagrams.
//!
//! The lab talks to both with its own few lines, so that a fault in the project's library shows as a failed story and
//! not as a lab that agrees with it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::wait::until;

/// One connected socket; its own address is removed when dropped.
pub(crate) struct Control {
    socket: UnixDatagram,
    own: PathBuf,
}

impl Control {
    /// # Errors
    /// When nobody listens at `path`.
    pub(crate) fn connect(path: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let own = PathBuf::from(format!("/tmp/control-{}-{number}", std::process::id()));
        let socket = UnixDatagram::bind(&own).context("bind a control socket")?;
        let control = Self { socket, own };
        control.socket.connect(path).with_context(|| format!("connect to {}", path.display()))?;
        Ok(control)
    }

    /// Connects as soon as somebody answers there.
    ///
    /// # Errors
    /// When nobody does for ten seconds.
    pub(crate) fn await_server(path: &Path) -> Result<Self> {
        until(Duration::from_secs(10), &format!("somebody answers at {}", path.display()), || {
            let Ok(control) = Self::connect(path) else { return Ok(None) };
            let answered = control.ask("PING").is_ok_and(|reply| reply == "PONG");
            Ok(answered.then_some(control))
        })
    }

    /// # Errors
    /// When the other side is gone, or does not read.
    pub(crate) fn send(&self, command: &[u8]) -> Result<()> {
        self.socket.set_write_timeout(Some(REPLY_LIMIT))?;
        self.socket.send(command).context("send a command")?;
        Ok(())
    }

    /// The next datagram; `None` when none comes in time.
    ///
    /// # Errors
    /// When the socket fails.
    pub(crate) fn receive(&self, limit: Duration) -> Result<Option<Vec<u8>>> {
        // A limit of zero would mean none.
        self.socket.set_read_timeout(Some(limit.max(Duration::from_millis(1))))?;
        let mut buffer = vec![0; 16 * 1024];
        match self.socket.recv(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                Ok(Some(buffer))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error).context("receive from a control socket"),
        }
    }

    /// Sends a command and returns its reply, without the line end.
    ///
    /// # Errors
    /// When no reply comes within ten seconds.
    pub(crate) fn ask(&self, command: &str) -> Result<String> {
        self.send(command.as_bytes())?;
        let deadline = Instant::now() + REPLY_LIMIT;
        while let Some(datagram) = self.receive(deadline.saturating_duration_since(Instant::now()))? {
            if !is_event(&datagram) {
                return Ok(String::from_utf8_lossy(&datagram).trim_end().to_owned());
            }
        }
        bail!("no reply to {}", command.split(' ').next().unwrap_or_default())
    }

    /// Sends a command that must be answered with `OK`.
    ///
    /// # Errors
    /// When the answer is another one, or none.
    pub(crate) fn tell(&self, command: &str) -> Result<()> {
        let reply = self.ask(command)?;
        ensure!(reply == "OK", "{command} was answered with {reply}");
        Ok(())
    }

    /// Waits for an event that contains one of `words` and returns it. Other events are passed over.
    ///
    /// # Errors
    /// When none comes in time.
    pub(crate) fn await_event(&self, words: &[&str], limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        while let Some(datagram) = self.receive(deadline.saturating_duration_since(Instant::now()))? {
            let line = String::from_utf8_lossy(&datagram);
            if is_event(&datagram) && words.iter().any(|word| line.contains(word)) {
                return Ok(line.trim_end().to_owned());
            }
        }
        bail!("none of {words:?} came within {limit:?}")
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Left behind, it would only take up a name in the machine's memory.
        fs::remove_file(&self.own).ok();
    }
}

/// Events carry their level in angle brackets, replies never do.
pub(crate) fn is_event(datagram: &[u8]) -> bool {
    matches!(datagram, [b'<', level, b'>', ..] if level.is_ascii_digit())
}

const REPLY_LIMIT: Duration = Duration::from_secs(10);
