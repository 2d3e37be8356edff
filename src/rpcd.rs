//! A configuration of UCI, by way of rpcd: what is there, edits, and their commit.
//!
//! rpcd keeps what was set and not committed where `uci` on the command line keeps it as well, so that a commit carries
//! out what a person has begun: whoever calls [`Uci::commit`] looks at [`Uci::changes`] first.

use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tokio_ubus::{Blobmsg, Client, Error};

/// A configuration by its name, such as `dhcp`.
#[derive(Debug, Clone, Copy)]
pub struct Uci<'a>(pub &'a Client, pub &'static str);

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {error}")]
pub struct Failure {
    /// Object and method.
    pub doing: &'static str,
    /// Why.
    pub error: Error,
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `option NAME VALUE`. dnsmasq's init script takes each word of it as an entry.
    One(String),
    /// `list NAME VALUE` for each.
    List(Vec<String>),
}

impl Value {
    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::One(text) => text.is_empty(),
            Self::List(entries) => entries.is_empty(),
        }
    }

    /// The entries of an option that holds several.
    #[must_use]
    pub fn entries(&self) -> Vec<&str> {
        match self {
            Self::One(text) => text.split_ascii_whitespace().collect(),
            Self::List(entries) => entries.iter().map(String::as_str).collect(),
        }
    }
}

impl Uci<'_> {
    /// What was changed and not committed, each as its words: what was done, the section, the option, the value. A whole
    /// section has no third.
    ///
    /// # Errors
    /// If rpcd does not say.
    pub async fn changes(&self) -> Result<Vec<Vec<String>>, Failure> {
        let answer = self.call("call uci changes", None, None, None).await?;
        let changes = answer.get("changes").map(|c| c.elements()).unwrap_or_default();
        let words = |change: tokio_ubus::Ref<'_>| {
            change.elements().map(|w| w.as_str().unwrap_or_default().to_owned()).collect()
        };
        Ok(changes.map(words).collect())
    }

    /// All sections by their names, in `values`, with what was not committed.
    ///
    /// # Errors
    /// If rpcd does not say.
    pub async fn sections(&self) -> Result<Blobmsg, Failure> {
        self.call("call uci get", None, None, None).await
    }

    /// An option that has one value, with what was not committed; empty if there is none.
    ///
    /// # Errors
    /// If rpcd does not say.
    pub async fn value(&self, section: &str, option: &str) -> Result<String, Failure> {
        let answer = self.call("call uci get", Some(section), Some(option), None).await?;
        Ok(answer.get("value").and_then(|v| v.as_str()).unwrap_or_default().to_owned())
    }

    /// Changes an option, without a commit; takes it away if there is no value.
    ///
    /// # Errors
    /// If rpcd does not; also if the section has another name by now.
    pub async fn set(&self, section: &str, option: &str, value: Option<&Value>) -> Result<(), Failure> {
        let (doing, named) = if value.is_some() { ("call uci set", None) } else { ("call uci delete", Some(option)) };
        self.call(doing, Some(section), named, value.map(|value| Values(option, value))).await.map(drop)
    }

    /// Writes what was changed to flash, and has those take it up whose it is.
    ///
    /// # Errors
    /// If rpcd does not. While it waits for LuCI to confirm other changes it refuses.
    pub async fn commit(&self) -> Result<(), Failure> {
        self.call(COMMIT, None, None, None).await.map(drop)
    }

    /// Forgets what was changed and not committed, whoever it was.
    ///
    /// # Errors
    /// If rpcd does not.
    pub async fn revert(&self) -> Result<(), Failure> {
        self.call("call uci revert", None, None, None).await.map(drop)
    }

    /// The method is the last word of what is done.
    async fn call(
        &self,
        doing: &'static str,
        section: Option<&str>,
        option: Option<&str>,
        values: Option<Values<'_>>,
    ) -> Result<Blobmsg, Failure> {
        let method = doing.rsplit(' ').next().unwrap_or(doing);
        let args = Args { config: self.1, section, option, values };
        let answer = self.0.call("uci", method, &args, LIMIT).await.map_err(|error| Failure { doing, error })?;
        Ok(answer.data.into_iter().next().unwrap_or_default())
    }
}

/// The commit's [`Failure::doing`].
pub const COMMIT: &str = "call uci commit";

#[derive(Serialize)]
struct Args<'a> {
    config: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Values<'a>>,
}

struct Values<'a>(&'a str, &'a Value);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self.1 {
            Value::One(text) => map.serialize_entry(self.0, text)?,
            Value::List(entries) => map.serialize_entry(self.0, entries)?,
        }
        map.end()
    }
}

/// rpcd is busy with one call at a time, and a commit writes to flash.
pub const LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use tokio_ubus::to_blobmsg;

    use super::*;

    #[test]
    fn calls_are_as_rpcd_wants_them() {
        let json = |args: Args<'_>| to_blobmsg(&args).unwrap().to_json().to_string();
        let args = |section, option, values| Args { config: "dhcp", section, option, values };
        let list = Value::List(vec!["114,https://portal.example".to_owned()]);
        let section = Some("cfg0363ea");
        assert_eq!(json(args(None, None, None)), r#"{"config":"dhcp"}"#);
        assert_eq!(
            json(args(section, None, Some(Values("dhcp_option", &list)))),
            r#"{"config":"dhcp","section":"cfg0363ea","values":{"dhcp_option":["114,https://portal.example"]}}"#
        );
        assert_eq!(
            json(args(section, Some("dhcp_option"), None)),
            r#"{"config":"dhcp","option":"dhcp_option","section":"cfg0363ea"}"#
        );
    }
}
