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
    #[error("could not join: {reason}: {detail}")]
    Join {
        /// By name.
        reason: Reason,
        /// In more words.
        detail: String,
    },
    /// The interface is connected to a network that this program did not join.
    #[error("{0} is connected to a network that you or your system chose; --replace leaves that for a shared one")]
    InUse(String),
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

/// Why a network could not be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The access point does not accept the key, or the list has none.
    #[error("wrong key")]
    WrongKey,
    /// The access point refused, or ended it.
    #[error("rejected")]
    Rejected,
    /// The access point did not answer, or the handshake did not end, in time.
    #[error("no answer")]
    NoAnswer,
    /// It is joined and has no address for us.
    #[error("no address")]
    NoAddress,
    /// Whoever manages the interface gave up for another reason.
    #[error("given up")]
    GivenUp,
}

impl Reason {
    /// For programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::WrongKey => "wrong-key",
            Self::Rejected => "rejected",
            Self::NoAnswer => "no-answer",
            Self::NoAddress => "no-address",
            Self::GivenUp => "given-up",
        }
    }
}

impl Failure {
    /// A network could not be joined.
    #[must_use]
    pub fn join(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Join { reason, detail: detail.into() }
    }

    pub(crate) fn wrong_key() -> Self {
        Self::join(
            Reason::WrongKey,
            "the access point did not accept the key in the list (an overloaded one looks the same)",
        )
    }

    pub(crate) fn no_key() -> Self {
        Self::join(Reason::WrongKey, "its key is not in the list")
    }

    /// The process's exit status.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::NoMessage(_) => 3,
            Self::NotHeard(_) => 4,
            Self::Join { .. } => 5,
            Self::InUse(_) => 6,
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
            // The reason by itself: most programs do different things about a wrong key and a full access point.
            Self::Join { reason, .. } => reason.word(),
            Self::InUse(_) => "in-use",
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
