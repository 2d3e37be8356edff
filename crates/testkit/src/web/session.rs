//! Sessions of rpcd, and their rights. Pure but for the reading of files.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

/// Somebody who has logged in.
pub(super) struct Session {
    /// By scope, object and function.
    rights: Vec<(String, String, String)>,
    /// Groups that it may read, and whether it may write them.
    groups: BTreeMap<String, bool>,
}

impl Session {
    /// `root` may everything that any file grants, `guest` only read it. Nobody else can log in.
    pub(super) fn open(user: &str, app: &Path) -> Option<Self> {
        let writes = match user {
            "root" => true,
            "guest" => false,
            _ => return None,
        };
        let mut session = Self { rights: Vec::new(), groups: BTreeMap::new() };
        session.grant(&base(), writes);
        for entry in std::fs::read_dir(app.join("root/usr/share/rpcd/acl.d")).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            session.grant(&serde_json::from_str(&text).expect("an access list is JSON"), writes);
        }
        Some(session)
    }

    fn grant(&mut self, file: &Value, writes: bool) {
        for (group, rights) in file.as_object().into_iter().flatten() {
            self.groups.insert(group.clone(), writes);
            for kind in ["read", "write"].into_iter().take(1 + usize::from(writes)) {
                for (scope, objects) in rights[kind].as_object().into_iter().flatten() {
                    match objects {
                        // A list of objects grants what the group's kind is called, as of `uci`.
                        Value::Array(names) => {
                            self.rights.extend(names.iter().filter_map(Value::as_str).map(|n| right(scope, n, kind)));
                        }
                        objects => {
                            for (object, functions) in objects.as_object().into_iter().flatten() {
                                let functions = functions.as_array().into_iter().flatten().filter_map(Value::as_str);
                                self.rights.extend(functions.map(|f| right(scope, object, f)));
                            }
                        }
                    }
                }
            }
        }
    }

    pub(super) fn may(&self, scope: &str, object: &str, function: &str) -> bool {
        self.rights.iter().any(|(s, o, f)| s == scope && fits(o, object) && fits(f, function))
    }

    /// Whether it may read a group, and write it.
    pub(super) fn group(&self, name: &str) -> Option<bool> {
        self.groups.get(name).copied()
    }
}

fn right(scope: &str, object: &str, function: &str) -> (String, String, String) {
    (scope.to_owned(), object.to_owned(), function.to_owned())
}

/// The only pattern that our files have is a star at the end.
fn fits(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |begin| text.starts_with(begin))
}

/// What LuCI itself needs on every page.
fn base() -> Value {
    json!({ "base": {
        "read": { "ubus": { "session": ["access"], "luci": ["getFeatures"], "uci": ["changes", "get"],
                            "file": ["list"] },
                  "uci": ["luci"] },
        "write": { "ubus": { "uci": ["add", "apply", "confirm", "delete", "order", "rename", "set"] },
                   "cgi-io": ["upload"] },
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_only_read_is_granted_the_reading_half() {
        let file = json!({ "app": { "read": { "uci": ["app"], "ubus": { "app": ["status"] } },
                                    "write": { "uci": ["app"], "file": { "/etc/app/*": ["write"] } } } });
        let mut reader = Session { rights: Vec::new(), groups: BTreeMap::new() };
        reader.grant(&file, false);
        assert!(reader.may("uci", "app", "read") && reader.may("ubus", "app", "status"));
        assert!(!reader.may("uci", "app", "write") && !reader.may("file", "/etc/app/x", "write"));
        let mut writer = Session { rights: Vec::new(), groups: BTreeMap::new() };
        writer.grant(&file, true);
        assert!(writer.may("file", "/etc/app/x", "write") && !writer.may("file", "/etc/other", "write"));
        assert_eq!((reader.group("app"), writer.group("app"), writer.group("other")), (Some(false), Some(true), None));
    }
}
