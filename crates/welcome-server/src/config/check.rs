//! From [`Raw`] to [`Config`], with all problems at once. Pure but for what [`Outside`] reads.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use welcome_proto::Secret;

use super::raw::{Origin, Raw, Setting, Value};
use super::{Config, Log, LogFormat, MasterKey, Problem};
use crate::tls::TlsFiles;

/// Every key, in the order of the manual.
pub const KEYS: &[&str] = &[
    "listen",
    "public_url",
    "data",
    "database",
    "database_file",
    "master_key_file",
    "behind_proxy",
    "tls.cert",
    "tls.key",
    "log.filter",
    "log.format",
    "metrics.listen",
    "limits.connections",
    "limits.streams",
    "retention.reports",
    "retention.audit",
    "retention.sessions",
    "directory.open",
    "directory.lookups_a_minute",
];

/// The variable that says what `database` says.
pub const DATABASE_VARIABLE: &str = "WELCOME_DATABASE";
/// The variable that holds the master key itself.
pub const MASTER_KEY_VARIABLE: &str = "WELCOME_MASTER_KEY";

/// What secrets may be read from.
pub struct Outside<'a> {
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// A file.
    pub file: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Outside<'_> {
    /// This process's environment and files.
    pub const REAL: Self =
        Outside { variable: &|name| std::env::var(name).ok(), file: &|path| std::fs::read_to_string(path) };
}

/// Checks it.
///
/// # Errors
/// With everything that is wrong, in the order of the file.
pub fn check(mut raw: Raw, outside: &Outside<'_>) -> Result<Config, Vec<Problem>> {
    if let Some(text) = (outside.variable)(DATABASE_VARIABLE) {
        raw.settings.remove("database_file");
        raw.set("database", Origin::Environment(DATABASE_VARIABLE), Value::Text(text));
    }
    let mut reader = Reader { raw: &raw, problems: unknown(&raw) };
    let defaults = Config::default();

    let tls_cert: Option<PathBuf> = reader.take("tls.cert", path);
    let tls_key: Option<PathBuf> = reader.take("tls.key", path);
    for (one, other) in [("tls.cert", "tls.key"), ("tls.key", "tls.cert")] {
        if raw.settings.contains_key(one) && !raw.settings.contains_key(other) {
            reader.say(one, format!("needs `{other}` beside it"));
        }
    }
    let config = Config {
        listen: reader.take("listen", address).unwrap_or(defaults.listen),
        public_url: reader.take("public_url", |v| text(v)?.parse().map_err(|why| of(v, why))),
        data: reader.take("data", path).unwrap_or(defaults.data),
        database: database(&mut reader, outside),
        tls: tls_cert.zip(tls_key).map(|(cert, key)| TlsFiles { cert, key }),
        behind_proxy: reader.take("behind_proxy", networks).unwrap_or_default(),
        master_key: match (outside.variable)(MASTER_KEY_VARIABLE) {
            Some(key) => MasterKey::Given(Secret::new(key)),
            None => reader.take("master_key_file", path).map_or(MasterKey::InData, MasterKey::File),
        },
        log: Log {
            filter: reader.take("log.filter", filter).unwrap_or(defaults.log.filter),
            format: reader.take("log.format", format).unwrap_or(defaults.log.format),
        },
        metrics: reader.take("metrics.listen", address),
        limits: super::Limits {
            connections: reader
                .take("limits.connections", |v| number(v, 16..=1_000_000))
                .map_or(defaults.limits.connections, |n| n as usize),
            streams: reader
                .take("limits.streams", |v| number(v, 1..=1_000_000))
                .map_or(defaults.limits.streams, |n| n as usize),
        },
        retention: super::Retention {
            reports: reader.take("retention.reports", days).unwrap_or(defaults.retention.reports),
            audit: reader.take("retention.audit", days).unwrap_or(defaults.retention.audit),
            sessions: reader.take("retention.sessions", days).unwrap_or(defaults.retention.sessions),
        },
        open_directory: reader.take("directory.open", truth).unwrap_or(defaults.open_directory),
        lookups_a_minute: reader
            .take("directory.lookups_a_minute", |v| number(v, 0..=1_000_000))
            .unwrap_or(defaults.lookups_a_minute),
    };
    if config.metrics.is_some_and(|metrics| metrics == config.listen && metrics.port() != 0) {
        reader.say("metrics.listen", "is the address of `listen`; expected another port".to_owned());
    }
    if config.limits.streams > config.limits.connections {
        let key = if raw.settings.contains_key("limits.streams") { "limits.streams" } else { "limits.connections" };
        let (streams, connections) = (config.limits.streams, config.limits.connections);
        reader.say(key, format!("{streams} streams do not fit into {connections} connections; each needs one"));
    }
    let Reader { mut problems, .. } = reader;
    problems.sort_by_key(|problem| match problem.origin {
        Origin::Line(line) => line,
        Origin::Option(_) | Origin::Environment(_) => usize::MAX,
    });
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

struct Reader<'a> {
    raw: &'a Raw,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// What this key says, if it says anything that can be used.
    fn take<T>(&mut self, key: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        let setting = self.raw.settings.get(key)?;
        read(&setting.value).map_err(|what| self.say(key, what)).ok()
    }

    fn say(&mut self, key: &str, what: String) {
        let origin = self.raw.settings.get(key).map_or(Origin::Line(1), |setting| setting.origin);
        self.problems.push(Problem { origin, key: key.to_owned(), what });
    }
}

fn unknown(raw: &Raw) -> Vec<Problem> {
    let keys = raw.settings.iter().filter(|(key, _)| !KEYS.contains(&key.as_str()));
    let is_known = |table: &str| KEYS.iter().any(|key| key.starts_with(&format!("{table}.")));
    let tables = raw.tables.iter().filter(|(table, _)| !is_known(table));
    let keys = keys.map(|(key, Setting { origin, .. })| (key, *origin));
    let all = keys.chain(tables.map(|(table, origin)| (table, *origin)));
    all.map(|(key, origin)| Problem { origin, key: key.clone(), what: unknown_key(key) }).collect()
}

fn unknown_key(key: &str) -> String {
    let near = KEYS.iter().map(|known| (strsim::damerau_levenshtein(key, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 3 => format!("unknown key; did you mean `{known}`?"),
        _ => "unknown key; welcome-server.toml(5) lists those that there are".to_owned(),
    }
}

fn database(reader: &mut Reader<'_>, outside: &Outside<'_>) -> Option<Secret> {
    let named = reader.raw.settings.contains_key("database");
    let file = reader.take("database_file", path);
    let Some(file) = file else { return reader.take("database", database_url).flatten() };
    if named {
        reader.say("database_file", "stands beside `database`; expected one of the two".to_owned());
        return None;
    }
    let read = (outside.file)(&file).map_err(|error| format!("{}: cannot be read: {error}", file.display()));
    match read.and_then(|text| database_url(&Value::Text(text.trim().to_owned()))) {
        Ok(database) => database,
        Err(what) => {
            reader.say("database_file", what);
            None
        }
    }
}

/// Never repeats the value: it may hold a password.
fn database_url(value: &Value) -> Result<Option<Secret>, String> {
    let text = text(value)?;
    if text == "sqlite" {
        return Ok(None);
    }
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    let is_url = is_url && text.len() > "postgresql://".len() && !text.contains(char::is_whitespace);
    if is_url { Ok(Some(Secret::new(text))) } else { Err(WRONG_DATABASE.to_owned()) }
}

const WRONG_DATABASE: &str = "expected \"sqlite\" or \"postgres://USER:PASSWORD@HOST/DATABASE\"";

fn of(value: &Value, expected: &str) -> String {
    let shown = match value {
        Value::Text(text) => format!("\"{text}\""),
        Value::Number(text) => text.clone(),
        Value::Truth(truth) => truth.to_string(),
        Value::List(texts) => format!("{texts:?}"),
        Value::Other(kind) => format!("a TOML {kind}"),
    };
    format!("{shown}: {expected}")
}

fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) if !text.is_empty() => Ok(text),
        Value::Text(_) => Err("is empty; leave the key out for its default".to_owned()),
        // Not what it is: of a database it may be a secret.
        _ => Err("expected a text in quotes".to_owned()),
    }
}

fn path(value: &Value) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

fn address(value: &Value) -> Result<SocketAddr, String> {
    text(value)?.parse().map_err(|_| of(value, "expected IP:PORT, e.g. 127.0.0.1:8480 or [::]:443"))
}

fn networks(value: &Value) -> Result<Vec<IpNet>, String> {
    const WRONG: &str = "expected a list of addresses or networks, e.g. [\"127.0.0.1\", \"10.0.0.0/8\"]";
    let Value::List(texts) = value else { return Err(of(value, WRONG)) };
    let network = |text: &String| {
        let address = text.parse::<IpAddr>().map(IpNet::from).ok();
        address.or_else(|| text.parse().ok()).ok_or_else(|| of(&Value::Text(text.clone()), WRONG))
    };
    texts.iter().map(network).collect()
}

fn filter(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let wrong = |_| of(value, "expected a level or a filter, e.g. info or info,welcome_server=debug");
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(wrong)
}

fn format(value: &Value) -> Result<LogFormat, String> {
    match text(value)? {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(of(value, "expected text or json")),
    }
}

fn number(value: &Value, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let wrong = || of(value, &format!("expected a number from {} to {}", range.start(), range.end()));
    let Value::Number(text) = value else { return Err(wrong()) };
    text.parse().ok().filter(|n| range.contains(n)).ok_or_else(wrong)
}

fn days(value: &Value) -> Result<u32, String> {
    number(value, 1..=3650)
}

fn truth(value: &Value) -> Result<bool, String> {
    let Value::Truth(truth) = value else { return Err(of(value, "expected true or false")) };
    Ok(*truth)
}
