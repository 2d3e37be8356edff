//! `/etc/config/dhcp` by way of rpcd: what is there, edits, and their commit.
//!
//! rpcd keeps what was set and not committed where `uci` on the command line keeps it as well, so that a commit carries
//! out what a person has begun: whoever calls [`Dhcp::commit`] looks at [`Dhcp::staged`] first.

use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tokio_ubus::{Blobmsg, Client, Error, Ref};

use super::plan::{Edit, Section, Value};

/// The configuration of the DHCP servers.
#[derive(Debug, Clone, Copy)]
pub struct Dhcp<'a>(pub &'a Client);

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {error}")]
pub struct Failure {
    /// Object and method.
    pub doing: &'static str,
    /// Why.
    pub error: Error,
}

impl Dhcp<'_> {
    /// The names of the options that were changed and not committed.
    ///
    /// # Errors
    /// If rpcd does not say.
    pub async fn staged(&self) -> Result<Vec<String>, Failure> {
        let answer = self.call("call uci changes", "changes", &Config::default()).await?;
        let changes = answer.get("changes").map(|c| c.elements()).unwrap_or_default();
        // What was done, the section, the option, the value; a whole section has no third.
        let option = |change: Ref<'_>| change.elements().nth(2).and_then(|o| o.as_str()).unwrap_or_default().to_owned();
        Ok(changes.map(option).collect())
    }

    /// The sections of the kind `dhcp`, with what was not committed.
    ///
    /// # Errors
    /// If rpcd does not say.
    pub async fn sections(&self) -> Result<Vec<Section>, Failure> {
        self.call("call uci get", "get", &Config::default()).await.map(|answer| sections(&answer))
    }

    /// Changes an option, without a commit.
    ///
    /// # Errors
    /// If rpcd does not; also if the section has another name by now.
    pub async fn edit(&self, edit: &Edit) -> Result<(), Failure> {
        let Edit { section, option, value } = edit;
        let args = Config { section: Some(section), ..Config::default() };
        match value {
            Some(value) => {
                let values = Some(Values(option, value));
                self.call("call uci set", "set", &Config { values, ..args }).await?
            }
            None => self.call("call uci delete", "delete", &Config { option: Some(option), ..args }).await?,
        };
        Ok(())
    }

    /// Writes what was changed to flash, and has the DHCP servers take it up.
    ///
    /// # Errors
    /// If rpcd does not. While it waits for LuCI to confirm other changes it refuses.
    pub async fn commit(&self) -> Result<(), Failure> {
        self.call(COMMIT, "commit", &Config::default()).await.map(drop)
    }

    async fn call(&self, doing: &'static str, method: &str, args: &Config<'_>) -> Result<Blobmsg, Failure> {
        let answer = self.0.call("uci", method, args, LIMIT).await.map_err(|error| Failure { doing, error })?;
        Ok(answer.data.into_iter().next().unwrap_or_default())
    }
}

/// The commit's [`Failure::doing`].
pub const COMMIT: &str = "call uci commit";

#[derive(Serialize)]
struct Config<'a> {
    config: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Values<'a>>,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Self { config: "dhcp", section: None, option: None, values: None }
    }
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

/// A section that does not fit is passed over.
fn sections(answer: &Blobmsg) -> Vec<Section> {
    let Some(Ref::Table(all)) = answer.get("values") else { return Vec::new() };
    let dhcp = all.filter(|f| f.value.get(".type").and_then(|t| t.as_str()) == Some("dhcp"));
    dhcp.filter_map(|f| section(f.name, f.value)).collect()
}

fn section(name: &[u8], value: Ref<'_>) -> Option<Section> {
    let Ref::Table(fields) = value else { return None };
    let text = |bytes| Some(str::from_utf8(bytes).ok()?.to_owned());
    // Those that begin with a dot are about the section.
    let options = fields.filter(|f| !f.name.starts_with(b".")).map(|f| {
        let value = match f.value {
            Ref::Array(entries) => Value::List(entries.map(|e| text(e.as_bytes()?)).collect::<Option<_>>()?),
            value => Value::One(text(value.as_bytes()?)?),
        };
        Some((text(f.name)?, value))
    });
    // One that cannot be read in full cannot be written back as it was.
    Some(Section { name: text(name)?, options: options.collect::<Option<_>>()? })
}

/// rpcd is busy with one call at a time, and a commit writes to flash.
const LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use tokio_ubus::to_blobmsg;

    use super::*;

    #[test]
    fn sections_are_read_as_rpcd_tells_them() {
        let answer = serde_json::json!({"values": {
            "cfg01411c": {".anonymous": true, ".type": "dnsmasq", ".name": "cfg01411c", ".index": 0, "interface": "x"},
            "lan": {".anonymous": false, ".type": "dhcp", ".name": "lan", ".index": 1, "interface": "lan", "start": "100"},
            "cfg0363ea": {".anonymous": true, ".type": "dhcp", ".name": "cfg0363ea", ".index": 2,
                "interface": "guest", "dhcp_option": ["3,10.0.0.1", "6,10.0.0.1"]},
        }});
        let sections = sections(&Blobmsg::from_json(answer.as_object().unwrap()).unwrap());
        let mut found: Vec<_> = sections.iter().map(|s| (s.name.as_str(), s.interface().map(String::as_str))).collect();
        found.sort_unstable();
        assert_eq!(found, [("cfg0363ea", Some("guest")), ("lan", Some("lan"))]);
        let guest = sections.iter().find(|s| s.name == "cfg0363ea").unwrap();
        let options = ["3,10.0.0.1", "6,10.0.0.1"].map(str::to_owned).to_vec();
        assert_eq!((guest.options.len(), &guest.options["dhcp_option"]), (2, &Value::List(options)));
    }

    #[test]
    fn calls_are_as_rpcd_wants_them() {
        let json = |config: Config<'_>| to_blobmsg(&config).unwrap().to_json().to_string();
        let args = || Config { section: Some("cfg0363ea"), ..Config::default() };
        let list = Value::List(vec!["114,https://portal.example".to_owned()]);
        assert_eq!(json(Config::default()), r#"{"config":"dhcp"}"#);
        assert_eq!(
            json(Config { values: Some(Values("dhcp_option", &list)), ..args() }),
            r#"{"config":"dhcp","section":"cfg0363ea","values":{"dhcp_option":["114,https://portal.example"]}}"#
        );
        assert_eq!(
            json(Config { option: Some("dhcp_option"), ..args() }),
            r#"{"config":"dhcp","option":"dhcp_option","section":"cfg0363ea"}"#
        );
    }
}
