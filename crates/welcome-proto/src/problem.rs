//! Errors as `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind, as `urn:welcome:problem:NAME`; `about:blank` if the status says it all (RFC 9457 section 4.2.1).
    #[serde(rename = "type", default = "blank")]
    pub kind: String,
    /// The kind in a few words, the same each time.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What went wrong this time, and what to do; never anything secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// With `clock-skew`: the server's time in seconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<u64>,
    /// With `stale-generation`: the generation the server holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

impl Problem {
    /// A problem of one of the kinds below.
    #[must_use]
    pub fn new(name: &str, status: u16, title: &str) -> Self {
        Self {
            kind: format!("{PREFIX}{name}"),
            title: title.to_owned(),
            status,
            detail: None,
            now: None,
            generation: None,
        }
    }

    /// The name after the common prefix: one of the kinds below, or something newer; empty for a foreign kind.
    #[must_use]
    pub fn name(&self) -> &str {
        self.kind.strip_prefix(PREFIX).unwrap_or_default()
    }
}

/// What every kind of ours starts with.
pub const PREFIX: &str = "urn:welcome:problem:";
/// The enrolment token is unknown, used or expired.
pub const BAD_TOKEN: &str = "bad-token";
/// The request's signature does not fit.
pub const BAD_SIGNATURE: &str = "bad-signature";
/// The request was signed at another time than the server's now; see [`Problem::now`].
pub const CLOCK_SKEW: &str = "clock-skew";
/// No router of that name may speak here.
pub const UNKNOWN_ROUTER: &str = "unknown-router";
/// The announce is not newer than what the server has; see [`Problem::generation`].
pub const STALE_GENERATION: &str = "stale-generation";
/// The request's body cannot be used.
pub const BAD_REQUEST: &str = "bad-request";
/// From the agent: the asking address is no guest here.
pub const NOT_A_GUEST: &str = "not-a-guest";

fn blank() -> String {
    "about:blank".to_owned()
}
