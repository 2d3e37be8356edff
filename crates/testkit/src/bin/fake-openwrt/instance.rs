//! One instance of a service: a process that is kept as its definition says.
//!
//! In: definitions as `service set` brings them, and the time. Out: a process, whose standard error goes to syslog. As procd
//! does it: an instance is started again when its definition or the bytes of a `file` differ, and not for its `data`;
//! one that ends unasked is started again after a pause; one that does not end when it is asked is killed.

use std::io::BufRead as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// What the real one waits for before it kills, unless told.
const TERM_TIMEOUT: u64 = 5;

pub(crate) struct Instance {
    definition: Value,
    files: Vec<Option<Vec<u8>>>,
    process: Option<Child>,
    /// Asked to end, and to be killed when.
    ending: Option<Instant>,
    /// What to do at its end if it was asked to.
    starts_again: bool,
    due: Option<Instant>,
}

impl Instance {
    pub(crate) fn start(definition: Value) -> Self {
        let files = files(&definition);
        let mut instance = Self { definition, files, process: None, ending: None, starts_again: false, due: None };
        instance.spawn();
        instance
    }

    /// A new definition; whether its data differ.
    pub(crate) fn update(&mut self, new: Value) -> bool {
        let files = files(&new);
        let is_other = without_data(&self.definition) != without_data(&new) || self.files != files;
        let other_data = self.definition["data"] != new["data"];
        (self.definition, self.files) = (new, files);
        match (&self.process, self.ending) {
            (None, _) => self.spawn(),
            (Some(_), Some(_)) => self.starts_again = true,
            (Some(_), None) if is_other => self.end(true),
            _ => {}
        }
        other_data
    }

    /// Asks it to end, and starts it again after that or not.
    pub(crate) fn end(&mut self, again: bool) {
        self.starts_again = again;
        self.due = None;
        if let Some(process) = &self.process {
            signal("-TERM", process.id());
            let patience = self.definition["term_timeout"].as_u64().unwrap_or(TERM_TIMEOUT);
            self.ending = Some(Instant::now() + Duration::from_secs(patience));
        }
    }

    /// Looks after it. Whether it is there still.
    pub(crate) fn tick(&mut self) -> bool {
        let now = Instant::now();
        if let Some(process) = &mut self.process {
            if let Ok(Some(_)) = process.try_wait() {
                self.process = None;
                if self.ending.take().is_some() {
                    if !self.starts_again {
                        return false;
                    }
                    self.spawn();
                } else {
                    self.due = self.respawn_after().map(|pause| now + pause);
                }
            } else if self.ending.is_some_and(|at| at <= now) {
                signal("-KILL", process.id());
            }
        } else if self.ending.is_none() && self.due.is_some_and(|at| at <= now) {
            self.spawn();
        } else if self.due.is_none() && !self.starts_again && self.respawn_after().is_none() {
            return false;
        }
        true
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn data(&self) -> &Value {
        &self.definition["data"]
    }

    pub(crate) fn describe(&self) -> Value {
        let mut told = without_data(&self.definition);
        if let Value::Object(told) = &mut told {
            told.insert("running".to_owned(), self.is_running().into());
            if let Some(process) = &self.process {
                told.insert("pid".to_owned(), process.id().into());
            }
        }
        told
    }

    fn respawn_after(&self) -> Option<Duration> {
        let pause = self.definition["respawn"].get(1)?.as_str()?.parse().ok()?;
        Some(Duration::from_secs(pause))
    }

    fn spawn(&mut self) {
        (self.ending, self.due, self.starts_again) = (None, None, false);
        let mut argv = confined(&self.definition);
        argv.extend(list(&self.definition["command"]));
        let program = argv.remove(0);
        let name = program.rsplit('/').next().unwrap_or_default().to_owned();
        let errors = if self.definition["stderr"] == json!(true) { Stdio::piped() } else { Stdio::null() };
        let started =
            Command::new(program).args(argv).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
        match started {
            Ok(mut process) => {
                if let Some(errors) = process.stderr.take() {
                    thread::spawn(move || std::io::BufReader::new(errors).lines().map_while(Result::ok).for_each(log));
                }
                self.process = Some(process);
            }
            Err(error) => log(format!("{name} cannot be started: {error}")),
        }
    }
}

/// What is before the command: the user, and in a jail its capabilities and that there is no way to more.
fn confined(definition: &Value) -> Vec<String> {
    let Some(user) = definition["user"].as_str() else { return Vec::new() };
    let group = definition["group"].as_str().unwrap_or(user);
    let mut argv = vec!["/usr/bin/setpriv".to_owned(), format!("--reuid={user}"), format!("--regid={group}")];
    argv.push("--init-groups".to_owned());
    if definition["jail"].is_object() {
        let file = definition["capabilities"].as_str().unwrap_or_default();
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let sets: Value = serde_json::from_str(&text).unwrap_or_default();
        for (set, option) in [("bounding", "bounding-set"), ("inheritable", "inh-caps"), ("ambient", "ambient-caps")] {
            let names = list(&sets[set])
                .into_iter()
                .map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()));
            argv.push(format!("--{option}=-all{}", names.collect::<String>()));
        }
        if definition["no_new_privs"] == json!(true) {
            argv.push("--no-new-privs".to_owned());
        }
    }
    argv
}

fn without_data(definition: &Value) -> Value {
    let members = definition.as_object().into_iter().flatten();
    Value::Object(
        members.filter(|(name, _)| *name != "data").map(|(n, v)| (n.clone(), v.clone())).collect::<Map<_, _>>(),
    )
}

fn files(definition: &Value) -> Vec<Option<Vec<u8>>> {
    list(&definition["file"]).into_iter().map(|file| std::fs::read(file).ok()).collect()
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn signal(signal: &str, pid: u32) {
    // It may have ended by itself.
    let _sent = Command::new("/bin/kill").args([signal, &pid.to_string()]).status().is_ok();
}

/// procd files all of standard error as errors of the facility daemon.
fn log(line: String) {
    let sent = UnixDatagram::unbound().and_then(|s| s.send_to(format!("<27>procd: {line}").as_bytes(), "/dev/log"));
    if let Err(error) = sent {
        eprintln!("{line} ({error})");
    }
}
