//! A configuration as its text says it: sections, options and values as strings, each with its line, no meaning.

/// All sections, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Raw {
    /// The sections.
    pub sections: Vec<Section>,
}

/// `config KIND 'NAME'` and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its type.
    pub kind: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Where it begins.
    pub line: usize,
    /// Its options, in the order in which each was first named.
    pub settings: Vec<Setting>,
}

/// An option with one value, or a list with one or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The option's name.
    pub name: String,
    /// Whether it was written as a list.
    pub is_list: bool,
    /// Never empty.
    pub values: Vec<Value>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As the program sees it: without quotes. Never empty.
    pub text: String,
    /// Where it stands.
    pub line: usize,
}

impl Section {
    /// `option NAME VALUE`: replaces what was there; an empty value only removes it.
    pub fn set(&mut self, name: &str, value: Value) {
        let at = self.settings.iter().position(|s| s.name == name);
        let setting =
            (!value.text.is_empty()).then(|| Setting { name: name.to_owned(), is_list: false, values: vec![value] });
        match (at, setting) {
            (Some(at), Some(setting)) => self.settings[at] = setting,
            (Some(at), None) => drop(self.settings.remove(at)),
            (None, Some(setting)) => self.settings.push(setting),
            (None, None) => {}
        }
    }

    /// `list NAME VALUE`: one more value; an option of that name becomes the first of the list.
    pub fn add(&mut self, name: &str, value: Value) {
        if value.text.is_empty() {
            return;
        }
        match self.settings.iter_mut().find(|s| s.name == name) {
            Some(setting) => {
                setting.is_list = true;
                setting.values.push(value);
            }
            None => self.settings.push(Setting { name: name.to_owned(), is_list: true, values: vec![value] }),
        }
    }

    /// The option of that name.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|s| s.name == name)
    }
}
