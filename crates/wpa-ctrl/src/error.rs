//! What may go wrong, sorted by what the caller does about it.

use std::io;
use std::time::Duration;

/// Why a command or an attachment did not succeed.
///
/// The texts carry the name of the command, never its arguments: those may hold a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens at the path: the program is not running, or has restarted.
    /// Try again later.
    #[error("reach the control socket: {0}")]
    Gone(GoneReason),
    /// No answer came in time. The program may be busy, or may be unable to write to our socket.
    #[error("get an answer to {command} within {after:?}")]
    Timeout {
        /// First word of the command.
        command: String,
        /// How long was waited.
        after: Duration,
    },
    /// The program understood us and said no.
    #[error("have {command} accepted: the answer was {answer}")]
    Refused {
        /// First word of the command.
        command: String,
        /// What was answered, such as `FAIL` or `FAIL-BUSY`.
        answer: String,
    },
    /// The answer is none that this command can have.
    #[error("understand the answer to {command}: {why}")]
    Nonsense {
        /// First word of the command.
        command: String,
        /// What was wrong with it.
        why: &'static str,
    },
    /// The caller gave something that cannot be sent.
    #[error("send {command}: {why}")]
    Misuse {
        /// First word of the command.
        command: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The operating system refused something: permissions, a missing directory, no descriptors.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Why there is nobody on the other side (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GoneReason {
    /// There is no socket at the path.
    #[error("no socket at the path")]
    Missing,
    /// There is a socket, and nobody listens on it.
    #[error("nobody listens on the socket")]
    Refused,
    /// Another socket has taken the place of the one we were attached to: the program restarted.
    #[error("the socket was made anew")]
    Replaced,
    /// The program did not answer a PING.
    #[error("no answer to a ping")]
    Silent,
    /// The program said that it ends.
    #[error("the program said that it ends")]
    Terminating,
    /// Our own end cannot be read any more.
    #[error("our own socket broke")]
    Broken,
}

impl Error {
    /// Sorts what the system said about sending to, or connecting with, the program's socket.
    pub(crate) fn from_peer(doing: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::Gone(GoneReason::Missing),
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::BrokenPipe => Self::Gone(GoneReason::Refused),
            _ => Self::System { doing, source },
        }
    }
}

/// First word of a command: all of it that may be shown.
pub(crate) fn verb(command: &str) -> String {
    command.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_error_never_holds_the_arguments_of_a_command() {
        let error = Error::Timeout { command: verb("SET_NETWORK 0 psk \"hush hush\""), after: Duration::from_secs(2) };
        assert_eq!(error.to_string(), "get an answer to SET_NETWORK within 2s");
    }
}
