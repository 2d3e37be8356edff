//! procd, as far as init scripts see it: its ubus object `service`.
//!
//! In: `set`, `delete`, `list`, `get_data`, and `event`, by which rpcd and `reload_config` tell that a configuration was
//! changed. Out: processes ([`super::instance`]), and runs of init scripts that have asked to be told. What differs from the
//! real one: a script is run [`DELAY`] after the event and not a second after it, `config.change` is the only one, and
//! processes are looked after by polling.

use std::collections::BTreeMap;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio_ubus::{Blobmsg, Object, Request, Status};

use super::instance::Instance;
use super::ubus::SOCKET;

const DELAY: Duration = Duration::from_millis(200);
const TICK: Duration = Duration::from_millis(20);

pub(crate) fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("start the runtime");
    runtime.block_on(async {
        let (bus, driver) = tokio_ubus::connect(SOCKET);
        let methods = ["set", "delete", "list", "get_data", "event", "validate"];
        let object = methods.into_iter().fold(Object::new("service"), |object, method| object.method(method, &[]));
        let mut published = bus.publish(object);
        let mut procd = Procd::default();
        let serve = async {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                tokio::select! {
                    Some(request) = published.next() => procd.answer(request),
                    _ = ticks.tick() => procd.tick(),
                }
            }
        };
        tokio::select! {
            () = serve => {}
            () = driver.run() => {}
        }
    });
    ExitCode::SUCCESS
}

#[derive(Default)]
struct Procd {
    services: BTreeMap<String, Service>,
    /// Which configurations were changed, and when who asked for that is told.
    changed: BTreeMap<String, Instant>,
    waiting: Vec<Vec<String>>,
    script: Option<Child>,
}

#[derive(Default)]
struct Service {
    instances: BTreeMap<String, Instance>,
    triggers: Value,
    validate: Value,
}

impl Procd {
    fn answer(&mut self, request: Request) {
        let arguments = request.args.to_json();
        let name = arguments["name"].as_str().unwrap_or_default().to_owned();
        let answer = match request.method.as_str() {
            "set" if !name.is_empty() => {
                self.set(name, arguments);
                Ok(None)
            }
            "delete" => match self.services.get_mut(&name) {
                Some(service) => {
                    service.triggers = Value::Null;
                    service.instances.values_mut().for_each(|i| i.end(false));
                    Ok(None)
                }
                None => Err(Status::NotFound),
            },
            "list" => Ok(Some(self.list(&name))),
            "get_data" => Ok(Some(self.data(arguments["type"].as_str().unwrap_or_default()))),
            "event" => {
                let package = arguments["data"]["package"].as_str().unwrap_or_default();
                self.changed.insert(package.to_owned(), Instant::now() + DELAY);
                Ok(None)
            }
            "validate" => Ok(Some(self.services.iter().map(|(n, s)| (n.clone(), s.validate.clone())).collect())),
            _ => Err(Status::InvalidArgument),
        };
        let outcome = answer.and_then(|table: Option<Map<String, Value>>| match table {
            Some(table) => {
                let fits = Blobmsg::from_json(&table).is_ok() && request.data(&table).is_ok();
                if fits { Ok(()) } else { Err(Status::UnknownError) }
            }
            None => Ok(()),
        });
        request.done(outcome);
    }

    fn set(&mut self, name: String, mut arguments: Value) {
        let service = self.services.entry(name).or_default();
        service.triggers = arguments["triggers"].take();
        service.validate = arguments["validate"].take();
        let Value::Object(instances) = arguments["instances"].take() else { return };
        for (name, instance) in &mut service.instances {
            if !instances.contains_key(name) {
                instance.end(false);
            }
        }
        for (name, definition) in instances {
            match service.instances.get_mut(&name) {
                Some(instance) => drop(instance.update(definition)),
                None => drop(service.instances.insert(name, Instance::start(definition))),
            }
        }
    }

    fn list(&self, name: &str) -> Map<String, Value> {
        let meant = self.services.iter().filter(|(other, _)| name.is_empty() || *other == name);
        let told = meant.map(|(name, service)| {
            let instances: Map<_, _> = service.instances.iter().map(|(n, i)| (n.clone(), i.describe())).collect();
            (name.clone(), json!({ "instances": instances }))
        });
        told.collect()
    }

    fn data(&self, kind: &str) -> Map<String, Value> {
        let of = |service: &Service| {
            let its = service.instances.iter().filter(|(_, i)| i.data().get(kind).is_some());
            its.map(|(n, i)| (n.clone(), json!({ kind: i.data()[kind] }))).collect::<Map<_, _>>()
        };
        let all = self.services.iter().map(|(name, service)| (name.clone(), of(service)));
        all.filter(|(_, instances)| !instances.is_empty()).map(|(n, i)| (n, Value::Object(i))).collect()
    }

    fn tick(&mut self) {
        for service in self.services.values_mut() {
            service.instances.retain(|_, instance| instance.tick());
        }
        let now = Instant::now();
        let due: Vec<_> = self.changed.iter().filter(|(_, at)| **at <= now).map(|(p, _)| p.clone()).collect();
        for package in due {
            self.changed.remove(&package);
            let triggers = self.services.values().flat_map(|s| s.triggers.as_array().into_iter().flatten());
            self.waiting.extend(triggers.filter_map(|trigger| script(trigger, &package)));
        }
        // One after the other.
        let is_done = self.script.as_mut().is_none_or(|script| script.try_wait().is_ok_and(|ended| ended.is_some()));
        if is_done && !self.waiting.is_empty() {
            let words = self.waiting.remove(0);
            self.script = words.split_first().and_then(|(script, rest)| Command::new(script).args(rest).spawn().ok());
        }
    }
}

/// What a trigger has to run when this configuration was changed:
/// `["config.change", ["if", ["eq", "package", PACKAGE], ["run_script", …]], DELAY]`.
fn script(trigger: &Value, package: &str) -> Option<Vec<String>> {
    let is_it = trigger[0] == json!("config.change") && trigger[1][1] == json!(["eq", "package", package]);
    let words = trigger[1][2].as_array().filter(|_| is_it)?.iter().filter_map(Value::as_str).skip(1);
    Some(words.map(str::to_owned).collect())
}
