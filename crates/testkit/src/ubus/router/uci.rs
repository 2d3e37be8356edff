//! rpcd's object `uci`: the router's configuration.
//!
//! No recording shows more than one error of it. Its answers are as rpcd's `uci.c` gives them: changes are staged until
//! `commit`, those of each session apart, and together of all who have none. A session may `apply` its changes, which
//! must be confirmed by it within a time, or else the configurations are again what they were. Rights are the business
//! of who asks. Kept in memory, or in a directory of [files](text).

mod apply;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio_ubus::{Blobmsg, Builder, Ref, Status};

use self::apply::Applied;
use super::forms::Finished as _;
use super::program::{Outcome, Program};

/// What is done after a commit, with the name of the configuration.
pub(super) type Trigger = Box<dyn Fn(&str) + Send + Sync>;

/// rpcd. Ends when dropped.
pub(super) struct Rpcd {
    _program: Program,
    uci: Arc<Mutex<Uci>>,
    trigger: Arc<Trigger>,
}

/// All configurations.
#[derive(Default)]
pub(super) struct Uci {
    committed: BTreeMap<String, Config>,
    /// What it would be, and how it became so; by session and configuration.
    staged: BTreeMap<(String, String), (Config, Changes)>,
    commits: Vec<String>,
    awaits_confirmation: bool,
    applied: Option<Applied>,
    /// Where the configurations are files.
    dir: Option<PathBuf>,
}

type Config = Vec<Section>;
/// As `changes` tells them: what was done, to which section, and more words.
type Changes = Vec<Vec<String>>;

/// Of whoever has none.
const NO_SESSION: &str = "";

#[derive(Clone)]
struct Section {
    name: String,
    kind: String,
    is_anonymous: bool,
    /// Strings, and arrays of strings.
    options: Vec<(String, Value)>,
}

impl Rpcd {
    pub(super) fn start(socket: &Path, trigger: Trigger) -> Self {
        let uci: Arc<Mutex<Uci>> = Arc::default();
        let trigger = Arc::new(trigger);
        let program = Program::start(socket);
        let (own, told) = (Arc::clone(&uci), Arc::clone(&trigger));
        let answer =
            move |method: &str, arguments: &Blobmsg| answer(&own, &told, NO_SESSION, method, &arguments.to_json());
        program.publish("uci", METHODS, Arc::new(answer));
        Self { _program: program, uci, trigger }
    }

    /// What uhttpd asks for somebody who has logged in.
    pub(super) fn call(&self, session: &str, method: &str, arguments: &Value) -> Outcome {
        answer(&self.uci, &self.trigger, session, method, arguments)
    }

    /// Undoes what was applied and not confirmed in time.
    pub(super) fn look_at_clock(&self) {
        let undone = self.uci().roll_back_late();
        undone.iter().for_each(|config| (self.trigger)(config));
    }

    pub(super) fn uci(&self) -> MutexGuard<'_, Uci> {
        lock(&self.uci)
    }

    /// For another program of the router.
    pub(super) fn shared(&self) -> Arc<Mutex<Uci>> {
        Arc::clone(&self.uci)
    }
}

fn answer(uci: &Mutex<Uci>, trigger: &Trigger, session: &str, method: &str, arguments: &Value) -> Outcome {
    let (outcome, changed) = {
        let mut uci = lock(uci);
        let before = uci.commits.len();
        let outcome = uci.answer(session, method, arguments);
        (outcome, uci.commits[before..].to_vec())
    };
    // Whoever hears of it may ask at once.
    changed.iter().for_each(|config| trigger(config));
    outcome
}

impl Uci {
    /// Keeps configurations as files of this directory, and begins with those that are there.
    pub(super) fn keep_in(&mut self, dir: &Path) {
        self.dir = Some(dir.to_owned());
        self.read_all();
    }

    /// An option as who has no session sees it, committed or not: netifd reads both.
    pub(super) fn value(&mut self, config: &str, section: &str, option: &str) -> Option<String> {
        self.read_all();
        let staged = self.staged.get(&(NO_SESSION.to_owned(), config.to_owned())).map(|(staged, _)| staged);
        let sections = staged.or_else(|| self.committed.get(config))?;
        let section = sections.iter().find(|other| other.name == section)?;
        section.option(option)?.as_str().map(str::to_owned)
    }

    /// What is committed of a configuration: its sections by their names, as `get` gives them.
    pub(super) fn committed(&mut self, config: &str) -> Value {
        self.read_all();
        let sections = self.committed.get(config).into_iter().flatten().enumerate();
        let sections = sections.map(|(index, section)| (section.name.clone(), section.show(Some(index))));
        Value::Object(sections.collect())
    }

    /// Puts a section there, as a person does who edits the file.
    pub(super) fn put(&mut self, config: &str, section: &str, kind: &str, values: &Map<String, Value>) {
        let section = Section {
            name: section.to_owned(),
            kind: kind.to_owned(),
            is_anonymous: section.starts_with("cfg"),
            options: values.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        };
        let committed = self.committed.entry(config.to_owned()).or_default();
        let staged = self.staged.iter_mut().filter(|((_, name), _)| name == config).map(|(_, (staged, _))| staged);
        for sections in std::iter::once(committed).chain(staged) {
            match sections.iter_mut().find(|other| other.name == section.name) {
                Some(other) => *other = section.clone(),
                None => sections.push(section.clone()),
            }
        }
    }

    /// Stages a change.
    ///
    /// # Panics
    /// When there is no such section.
    pub(super) fn stage(&mut self, config: &str, section: &str, option: &str, value: &Value) {
        self.change(NO_SESSION, config, section, option, value).expect("there is such a section");
    }

    pub(super) fn commits(&self) -> Vec<String> {
        self.commits.clone()
    }

    pub(super) fn set_awaits_confirmation(&mut self, does: bool) {
        self.awaits_confirmation = does;
    }

    fn answer(&mut self, session: &str, method: &str, arguments: &Value) -> Outcome {
        self.read_all();
        let name = |key: &str| arguments[key].as_str().ok_or(Status::InvalidArgument);
        match method {
            "configs" => return Ok(Some(told("configs", &json!(self.committed.keys().collect::<Vec<_>>())))),
            "changes" if arguments["config"].is_null() => {
                let own = self.staged.iter().filter(|((of, _), (_, changes))| of == session && !changes.is_empty());
                let all: Map<_, _> = own.map(|((_, config), (_, changes))| (config.clone(), json!(changes))).collect();
                return Ok(Some(told("changes", &Value::Object(all))));
            }
            "apply" => return self.apply(session, arguments).map(|()| None),
            "confirm" | "rollback" => return self.end(session, method == "confirm").map(|()| None),
            _ => {}
        }
        let config = name("config")?;
        if !self.committed.contains_key(config) {
            return Err(Status::NotFound);
        }
        let key = (session.to_owned(), config.to_owned());
        match method {
            "get" => self.get(session, config, arguments).map(Some),
            "changes" => {
                let changes = self.staged.get(&key).map(|(_, changes)| changes.as_slice()).unwrap_or_default();
                Ok(Some(told("changes", &json!(changes))))
            }
            "set" => {
                let section = name("section")?;
                for (option, value) in arguments["values"].as_object().ok_or(Status::InvalidArgument)? {
                    self.change(session, config, section, option, value)?;
                }
                Ok(None)
            }
            "add" => self.add(session, config, name("type")?, arguments).map(Some),
            "delete" => self.delete(session, config, name("section")?, arguments).map(|()| None),
            "order" => self.order(session, config, &arguments["sections"]).map(|()| None),
            "commit" if self.awaits_confirmation || self.applied.is_some() => Err(Status::PermissionDenied),
            "commit" => {
                self.commit(&key);
                Ok(None)
            }
            "revert" => {
                self.staged.remove(&key);
                Ok(None)
            }
            _ => Err(Status::NotSupported),
        }
    }

    fn read_all(&mut self) {
        let Some(dir) = &self.dir else { return };
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.contains('.')
                && let Ok(text) = std::fs::read_to_string(entry.path())
            {
                self.committed.insert(name, text::parse(&text));
            }
        }
    }

    fn write(&self, config: &str) {
        let Some(dir) = &self.dir else { return };
        let new = dir.join(format!(".{config}.new"));
        std::fs::write(&new, text::print(&self.committed[config])).expect("write a configuration");
        std::fs::rename(&new, dir.join(config)).expect("put a configuration in its place");
    }

    fn get(&self, session: &str, config: &str, arguments: &Value) -> Result<Blobmsg, Status> {
        let key = (session.to_owned(), config.to_owned());
        let sections = self.staged.get(&key).map_or_else(|| &self.committed[config], |(staged, _)| staged);
        let Some(section) = arguments["section"].as_str() else {
            let mut data = Builder::new();
            data.table("values", |values| {
                for (index, section) in sections.iter().enumerate() {
                    values.table(&section.name, |table| section.tell(table, Some(index)));
                }
            });
            return Ok(data.finished());
        };
        let section = sections.iter().find(|other| other.name == section).ok_or(Status::NotFound)?;
        let mut data = Builder::new();
        match arguments["option"].as_str() {
            Some(option) => push(&mut data, "value", section.option(option).ok_or(Status::NotFound)?),
            None => {
                data.table("values", |table| section.tell(table, None));
            }
        }
        Ok(data.finished())
    }

    fn add(&mut self, session: &str, config: &str, kind: &str, arguments: &Value) -> Result<Blobmsg, Status> {
        let (sections, changes) = self.staging(session, config);
        let name = arguments["name"].as_str().map(str::to_owned);
        let is_anonymous = name.is_none();
        let name = name.unwrap_or_else(|| anonymous(sections.len() + 1, kind));
        changes.push(vec!["add".into(), name.clone(), kind.to_owned()]);
        let options = Vec::new();
        sections.push(Section { name: name.clone(), kind: kind.to_owned(), is_anonymous, options });
        for (option, value) in arguments["values"].as_object().into_iter().flatten() {
            self.change(session, config, &name, option, value)?;
        }
        Ok(told("section", &json!(name)))
    }

    fn delete(&mut self, session: &str, config: &str, section: &str, arguments: &Value) -> Result<(), Status> {
        let (sections, changes) = self.staging(session, config);
        let index = sections.iter().position(|other| other.name == section).ok_or(Status::NotFound)?;
        let mut options: Vec<_> = arguments["options"].as_array().into_iter().flatten().collect();
        options.extend(arguments.get("option"));
        if options.is_empty() {
            sections.remove(index);
            changes.push(vec!["remove".into(), section.to_owned()]);
        }
        for option in options.iter().filter_map(|option| option.as_str()) {
            let before = sections[index].options.len();
            sections[index].options.retain(|(other, _)| other != option);
            if sections[index].options.len() == before {
                return Err(Status::NotFound);
            }
            changes.push(vec!["remove".into(), section.to_owned(), option.to_owned()]);
        }
        Ok(())
    }

    /// Sections that are not named come last.
    fn order(&mut self, session: &str, config: &str, order: &Value) -> Result<(), Status> {
        let order: Vec<_> = order.as_array().ok_or(Status::InvalidArgument)?.iter().filter_map(Value::as_str).collect();
        let (sections, changes) = self.staging(session, config);
        sections.sort_by_key(|section| order.iter().position(|name| *name == section.name).unwrap_or(usize::MAX));
        let places = order.iter().enumerate();
        changes.extend(places.map(|(place, name)| vec!["order".into(), (*name).to_owned(), place.to_string()]));
        Ok(())
    }

    /// An array takes the place of whatever was there; an empty one is refused.
    fn change(
        &mut self,
        session: &str,
        config: &str,
        section: &str,
        option: &str,
        value: &Value,
    ) -> Result<(), Status> {
        let (sections, changes) = self.staging(session, config);
        let options = &mut sections.iter_mut().find(|other| other.name == section).ok_or(Status::NotFound)?.options;
        let value = text(value);
        if value.as_array().is_some_and(Vec::is_empty) {
            return Err(Status::InvalidArgument);
        }
        let change = |what: &str, value: &Value| {
            let value = value.as_str().unwrap_or_default().to_owned();
            vec![what.to_owned(), section.to_owned(), option.to_owned(), value]
        };
        match &value {
            Value::Array(values) => {
                if options.iter().any(|(other, _)| other == option) {
                    changes.push(vec!["remove".into(), section.to_owned(), option.to_owned()]);
                }
                changes.extend(values.iter().map(|value| change("list-add", value)));
            }
            value => changes.push(change("set", value)),
        }
        match options.iter_mut().find(|(other, _)| other == option) {
            Some((_, old)) => *old = value,
            None => options.push((option.to_owned(), value)),
        }
        Ok(())
    }

    /// What it would be after a commit, to be changed.
    fn staging(&mut self, session: &str, config: &str) -> (&mut Config, &mut Changes) {
        let committed = self.committed.get(config).cloned().unwrap_or_default();
        let (sections, changes) =
            self.staged.entry((session.to_owned(), config.to_owned())).or_insert_with(|| (committed, Vec::new()));
        (sections, changes)
    }
}

impl Section {
    fn option(&self, name: &str) -> Option<&Value> {
        self.options.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    fn tell(&self, table: &mut Builder, index: Option<usize>) {
        table.push(".anonymous", self.is_anonymous).push(".type", &self.kind).push(".name", &self.name);
        if let Some(index) = index.and_then(|index| index.try_into().ok()) {
            table.push(".index", Ref::Int32(index));
        }
        for (name, value) in &self.options {
            push(table, name, value);
        }
    }

    fn show(&self, index: Option<usize>) -> Value {
        let mut table = Builder::new();
        self.tell(&mut table, index);
        table.finished().to_json()
    }
}

fn push(table: &mut Builder, name: &str, value: &Value) {
    match value {
        Value::Array(values) => {
            table.array(name, |array| {
                for value in values {
                    array.push("", value.as_str().unwrap_or_default());
                }
            });
        }
        value => {
            table.push(name, value.as_str().unwrap_or_default());
        }
    }
}

/// UCI knows only text.
fn text(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        Value::String(_) => value.clone(),
        Value::Bool(value) => json!(if *value { "1" } else { "0" }),
        other => json!(other.to_string()),
    }
}

fn told(name: &str, value: &Value) -> Blobmsg {
    let table = Map::from_iter([(name.to_owned(), value.clone())]);
    Blobmsg::from_json(&table).expect("what a stand-in says is short")
}

/// The name that UCI gives a section without one: its place, and a number made of its type.
fn anonymous(place: usize, kind: &str) -> String {
    let hash = kind.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
    format!("cfg{place:02x}{:04x}", hash & 0xffff)
}

pub(super) fn lock(uci: &Mutex<Uci>) -> MutexGuard<'_, Uci> {
    uci.lock().unwrap_or_else(PoisonError::into_inner)
}

const METHODS: &str = "configs
get config:s section:s option:s
add config:s type:s name:s values:t
set config:s section:s values:t
delete config:s section:s option:s options:a
changes config:s
revert config:s
commit config:s";
