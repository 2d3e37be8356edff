//! What may go wrong, sorted by what the caller does about it.

use crate::{DecodeError, EncodeError, Malformed, Status};

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection to ubusd, or it went while we waited. Try again once
    /// [`connected`](crate::Client::connected) says so.
    #[error("reach ubusd")]
    Closed,
    /// No answer within the caller's limit. It may have been carried out.
    #[error("get an answer in time")]
    Timeout,
    /// The other side understood us and said no.
    #[error("have it accepted: the answer was {0}")]
    Refused(Status),
    /// The other side answered, but not what such an answer can be.
    #[error("understand the answer: {0}")]
    Broken(#[from] Broken),
    /// What was asked cannot be sent.
    #[error("send it: {0}")]
    Misuse(#[from] Misuse),
}

/// What was wrong with an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// It breaks the rules of the format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is well formed, and not of the type that was asked for.
    #[error(transparent)]
    Unexpected(#[from] DecodeError),
    /// Its parts together are longer than this crate keeps for one call.
    #[error("it is too long")]
    TooLong,
}

/// What was wrong with a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The arguments have no form on the wire.
    #[error(transparent)]
    Unencodable(#[from] EncodeError),
    /// A call is for one object.
    #[error("a pattern is no path")]
    Pattern,
    /// More waits to be sent than is kept. ubusd is stuck, or more is asked of it than it can take.
    #[error("too much is waiting to be sent")]
    TooMuchWaiting,
    /// Only a connection to a real socket takes descriptors.
    #[error("this connection cannot carry descriptors")]
    NoDescriptors,
}
