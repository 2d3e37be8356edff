//! A text that must not show in logs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A passphrase or token. Its `Debug` is `***`, it has no `Display`; in JSON it is a plain string.
///
/// ```
/// use welcome_proto::Secret;
/// let key = Secret::new("correct horse");
/// assert_eq!(format!("{key:?}"), "***");
/// assert_eq!(key.reveal(), "correct horse");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
