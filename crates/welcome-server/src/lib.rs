//! Directory of shared networks, and the push to their routers.
//!
//! One request goes: `listen` (connection, TLS, limits) → `http` (its table names the right, `guard` finds out who asks) →
//! `store` (one transaction) → answer. What changed something for routers then tells it (`signal`): to the `hub` of this
//! process, or through PostgreSQL to those of all (`fanout`); the hub wakes those routers' event streams, and each of them
//! reads its set anew and has it signed by `key`. `app` puts the parts together, as `config`
//! says. What happens on the way is counted in `metrics` and told by `health`.

mod app;
mod backup;
mod caller;
pub mod config;
mod console;
mod descriptors;
mod directory;
mod examine;
mod fanout;
mod file;
mod health;
mod http;
mod hub;
mod ids;
mod jobs;
mod key;
mod limit;
mod listen;
mod message;
mod metrics;
mod open;
mod password;
mod place;
mod presence;
mod rights;
mod rotate;
mod seal;
mod signal;
mod store;
mod tls;
mod token;

pub use app::{Ready, Reload, SET_UP_TTL, serve};
pub use backup::{Keys, Overwrite, backup, restore};
pub use config::Config;
pub use config::public_url::PublicUrl;
pub use examine::{Finding, Level, examine};
pub use ids::OrgId;
pub use open::{add_api_token, add_enrolment_token, add_organisation, make_admin, migrate};
pub use rights::{Role, Scope, Scopes};
pub use rotate::{Rotated, rotate_key};
pub use tls::TlsFiles;
