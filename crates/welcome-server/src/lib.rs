//! Directory of shared networks, and the push to their routers.
//!
//! One request goes: `listen` (connection, TLS, limits) → `http` (who asks, is it well-formed) → `store` (one
//! transaction) → answer. A change of a router's offers then goes to `hub`, which wakes that router's event streams,
//! and each of them reads the set anew and has it signed by `key`. `app` puts the parts together, as `config` says.
//! What happens on the way is counted in `metrics` and told by `health`.

mod app;
mod backup;
mod caller;
pub mod config;
mod examine;
mod files;
mod health;
mod http;
mod hub;
mod key;
mod listen;
mod metrics;
mod place;
mod store;
mod tls;
mod token;

pub use app::{FIRST_TOKEN_TTL, FirstTokens, Ready, Reload, add_enrolment_token, replace_operator_token, serve};
pub use backup::{Keys, Overwrite, backup, restore};
pub use config::Config;
pub use config::public_url::PublicUrl;
pub use examine::{Finding, Level, examine};
pub use tls::TlsFiles;
