//! Directory of shared networks, and the push to their routers.
//!
//! One request goes: `listen` (connection, TLS, limits) → `http` (its table names the right, `guard` finds out who asks) →
//! `store` (one transaction) → answer. What changed something for routers then tells it (`signal`): to the `hub` of this
//! process, or through PostgreSQL to those of all (`fanout`); the hub wakes those routers' event streams, and each of them
//! reads its set anew and has it signed by `key`. `app` puts the parts together.

mod app;
mod caller;
mod directory;
mod fanout;
mod file;
mod http;
mod hub;
mod ids;
mod key;
mod limit;
mod listen;
mod open;
mod place;
mod presence;
mod rights;
mod rotate;
mod seal;
mod signal;
mod store;
mod tls;
mod token;

pub use app::{Config, PublicUrl, Ready, SET_UP_TTL, serve};
pub use ids::OrgId;
pub use open::{add_api_token, add_enrolment_token};
pub use rights::{Role, Scope, Scopes};
pub use rotate::{Rotated, rotate_key};
pub use tls::TlsFiles;
