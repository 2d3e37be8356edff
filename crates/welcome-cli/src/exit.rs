//! How the program ends: each way has a number that scripts can rely on.

use crate::output::Output;

/// A way to end that is not success.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Joined, and nothing came.
    #[error("no message arrived: {0}")]
    NoMessage(String),
    /// Nothing that is listed is on the air.
    #[error("{0}")]
    NotHeard(String),
    /// The network could not be joined, or gave us no address.
    #[error("could not join: {0}")]
    Join(String),
    /// A network was not proved.
    #[error("not verified: {0}")]
    NotVerified(String),
    /// The arguments do not make sense together.
    #[error("{0}")]
    Usage(String),
    /// No list: the directory cannot be reached or cannot be understood, and none is kept.
    #[error("no list of shared networks: {0}")]
    NoList(String),
    /// The server cannot be reached, or cannot answer.
    #[error("{0}")]
    Server(String),
    /// A person or the system ended it.
    #[error("interrupted")]
    Interrupted,
    /// The rest.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Failure {
    /// The process's exit status.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::NoMessage(_) => 3,
            Self::NotHeard(_) => 4,
            Self::Join(_) => 5,
            Self::NotVerified(_) => 7,
            Self::Usage(_) => 64,
            Self::NoList(_) | Self::Server(_) => 69,
            Self::Interrupted => 130,
            Self::Other(_) => 1,
        }
    }

    /// Whether what was changed on this computer is to be put back. A network without a message is still a network that
    /// somebody wanted to join.
    #[must_use]
    pub fn undoes(&self) -> bool {
        !matches!(self, Self::NoMessage(_))
    }

    /// Tells it, in the form that was asked for.
    pub fn report(&self, output: &Output) {
        let kind = match self {
            Self::NoMessage(_) => "no-message",
            Self::NotHeard(_) => "not-heard",
            Self::Join(_) => "join",
            Self::NotVerified(_) => "not-verified",
            Self::Usage(_) => "usage",
            Self::NoList(_) => "no-list",
            Self::Server(_) => "server",
            Self::Interrupted => "interrupted",
            Self::Other(_) => "other",
        };
        output.error(kind, &self.to_string(), self.code());
    }
}

impl From<wpa_ctrl::Error> for Failure {
    fn from(error: wpa_ctrl::Error) -> Self {
        Self::Other(anyhow::Error::new(error).context("failed to talk to wpa_supplicant"))
    }
}
