//! Commands and their answers.
//!
//! In: a command. Out: its answer as text, within a deadline. An answer that comes after its deadline
//! is never taken for the next command's: the socket it would come to is gone by then.

use crate::Error;
use crate::error::verb;
use crate::event::is_event;
use crate::local::Local;
use crate::text::from_datagram;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixDatagram;

/// How long an answer may take. hostapd answers in well under a millisecond, unless its processor is
/// busy with handshakes or it waits for someone who listens and does not read.
const DEADLINE: Duration = Duration::from_secs(2);

/// Longest datagram the programs send: their buffers for answers are this long.
pub(crate) const MAX_DATAGRAM: usize = 4096;

/// A command channel to one control socket.
///
/// Opened on first use, and again after a command that timed out, failed or was cancelled; so one
/// handle may be kept while the program comes and goes.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    dir: PathBuf,
    deadline: Duration,
    link: Option<Link>,
}

#[derive(Debug)]
struct Link {
    socket: UnixDatagram,
    _file: Local,
}

impl Control {
    /// A channel to the socket at `path`; our own end gets a file in `dir` (see the crate's text on
    /// which directories will do). Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Gone`] when nobody is there, [`Error::System`] when our end cannot be made.
    pub fn open(path: impl Into<PathBuf>, dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let mut control = Self { path: path.into(), dir: dir.into(), deadline: DEADLINE, link: None };
        control.link = Some(control.connect()?);
        Ok(control)
    }

    /// The same with another deadline for each command; two seconds unless told.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The program's socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends a command and returns whatever is answered, also `FAIL`.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Gone`], [`Error::System`]; [`Error::Misuse`] for a command that is
    /// empty, too long or of several lines.
    ///
    /// # Cancel safety
    /// The command may or may not have been carried out. The handle stays usable, and the answer can
    /// not be mistaken for another's.
    pub async fn request(&mut self, command: &str) -> Result<String, Error> {
        if let Some(why) = unsendable(command) {
            return Err(Error::Misuse { command: verb(command), why });
        }
        // Taken out, and put back only after an answer: whoever cancels us here, or an answer that
        // comes late, closes this socket.
        let link = match self.link.take() {
            Some(link) => link,
            None => self.connect()?,
        };
        tracing::trace!(command = %verb(command), "control command");
        match tokio::time::timeout(self.deadline, link.exchange(command)).await {
            Ok(Ok(answer)) => {
                self.link = Some(link);
                Ok(answer)
            }
            Ok(Err(source)) => Err(Error::from_peer("exchange a command", source)),
            Err(_) => Err(Error::Timeout { command: verb(command), after: self.deadline }),
        }
    }

    /// Sends a command whose answer is data.
    ///
    /// # Errors
    /// As [`Control::request`]; [`Error::Refused`] for `FAIL…` and `UNKNOWN COMMAND`.
    pub async fn ask(&mut self, command: &str) -> Result<String, Error> {
        let answer = self.request(command).await?;
        if answer.starts_with("FAIL") || answer.starts_with("UNKNOWN COMMAND") {
            return Err(refused(command, &answer));
        }
        Ok(answer)
    }

    /// Sends a command that is answered `OK`.
    ///
    /// # Errors
    /// As [`Control::request`]; [`Error::Refused`] for any other answer.
    pub async fn order(&mut self, command: &str) -> Result<(), Error> {
        let answer = self.request(command).await?;
        if answer.trim_end() == "OK" { Ok(()) } else { Err(refused(command, &answer)) }
    }

    /// Sees that the program answers.
    ///
    /// # Errors
    /// As [`Control::request`]; [`Error::Nonsense`] for anything but `PONG`.
    pub async fn ping(&mut self) -> Result<(), Error> {
        match self.request("PING").await?.trim_end() {
            "PONG" => Ok(()),
            _ => Err(Error::Nonsense { command: "PING".into(), why: "it is not PONG" }),
        }
    }

    fn connect(&self) -> Result<Link, Error> {
        let (file, socket) = Local::connect(&self.path, &self.dir)?;
        let socket = socket
            .set_nonblocking(true)
            .and_then(|()| UnixDatagram::from_std(socket))
            .map_err(|source| Error::System { doing: "register our socket", source })?;
        Ok(Link { socket, _file: file })
    }
}

impl Link {
    async fn exchange(&self, command: &str) -> std::io::Result<String> {
        self.socket.send(command.as_bytes()).await?;
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            // Nothing is attached to this socket, but a program may tell everyone that it ends.
            if !is_event(&buffer[..length]) {
                return Ok(from_datagram(&buffer[..length]));
            }
        }
    }
}

fn unsendable(command: &str) -> Option<&'static str> {
    if command.is_empty() {
        Some("it is empty")
    } else if command.len() > MAX_DATAGRAM {
        Some("it is too long")
    } else if command.contains(['\n', '\r', '\0']) {
        Some("it has more than one line")
    } else {
        None
    }
}

fn refused(command: &str, answer: &str) -> Error {
    // Only the word: an answer that is data may hold names that belong in no log.
    let answer = answer.split_whitespace().next().unwrap_or("empty").to_owned();
    Error::Refused { command: verb(command), answer }
}
