//! The log, on stderr. `RUST_LOG` goes before the configuration.

use tracing_subscriber::EnvFilter;
use welcome_server::config::{Log, LogFormat};

/// From here on the log is written. What it names of people is at debug and below alone.
pub(crate) fn install(log: &Log) {
    let given = || EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| given());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
