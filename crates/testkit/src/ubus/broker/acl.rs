//! What an ordinary user may do: one file as in `/usr/share/acl.d`.
//!
//! In: its JSON. Out: yes or no. What the file does not grant is refused; what it says besides is passed over, as ubusd
//! does.

use serde_json::Value;

/// What one file grants one user.
#[derive(Debug, Default)]
pub(super) struct Acl {
    access: Vec<(Pattern, Methods)>,
    publish: Vec<Pattern>,
    subscribe: Vec<Pattern>,
    listen: Vec<Pattern>,
    send: Vec<Pattern>,
}

impl Acl {
    /// What `file` grants `user`, whose group has the same name. A file that names a user is for no group.
    pub(super) fn new(file: &Value, user: &str) -> Self {
        if file["user"].as_str().or(file["group"].as_str()) != Some(user) {
            return Self::default();
        }
        let list = |key: &str| strings(&file[key]).map(Pattern::new).collect();
        let access = file["access"].as_object().into_iter().flatten();
        Self {
            access: access.map(|(path, object)| (Pattern::new(path), Methods::new(&object["methods"]))).collect(),
            publish: list("publish"),
            subscribe: list("subscribe"),
            listen: list("listen"),
            send: list("send"),
        }
    }

    pub(super) fn may_call(&self, path: &str, method: &str) -> bool {
        self.access.iter().any(|(object, methods)| object.fits(path) && methods.include(method))
    }

    pub(super) fn may_publish(&self, path: &str) -> bool {
        fits(&self.publish, path)
    }

    pub(super) fn may_subscribe(&self, path: &str) -> bool {
        fits(&self.subscribe, path)
    }

    /// `pattern` as the client registers it.
    pub(super) fn may_listen(&self, pattern: &str) -> bool {
        fits(&self.listen, pattern.strip_suffix('*').unwrap_or(pattern))
    }

    pub(super) fn may_send(&self, event: &str) -> bool {
        fits(&self.send, event)
    }
}

/// A name, or all names that begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    is_prefix: bool,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let prefix = text.strip_suffix('*');
        Self { text: prefix.unwrap_or(text).to_owned(), is_prefix: prefix.is_some() }
    }

    pub(super) fn fits(&self, name: &str) -> bool {
        if self.is_prefix { name.starts_with(&self.text) } else { name == self.text }
    }
}

#[derive(Debug)]
enum Methods {
    All,
    These(Vec<String>),
}

impl Methods {
    fn new(list: &Value) -> Self {
        if strings(list).any(|method| method == "*") {
            return Self::All;
        }
        Self::These(strings(list).map(str::to_owned).collect())
    }

    fn include(&self, method: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(methods) => methods.iter().any(|other| other == method),
        }
    }
}

fn fits(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.fits(name))
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
