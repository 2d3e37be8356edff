//! The sections of `/etc/config/dhcp`, as rpcd tells them.

use tokio_ubus::{Blobmsg, Ref};

use super::plan::Section;
use crate::rpcd::Value;

/// Those of the kind `dhcp`. A section that does not fit is passed over.
pub fn sections(answer: &Blobmsg) -> Vec<Section> {
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

#[cfg(test)]
mod tests {
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
}
