//! Directory of shared networks, and the push to their routers.
//!
//! One request goes: `listen` (connection, TLS, limits) → `http` (who asks, is it well-formed) → `store` (one
//! transaction) → answer. A change of a router's offers then goes to `hub`, which wakes that router's event streams,
//! and each of them reads the set anew and has it signed by `key`. `app` puts the parts together.

mod app;
mod http;
mod hub;
mod key;
mod listen;
mod place;
mod store;
mod tls;
mod token;

pub use app::{
    Config, FIRST_TOKEN_TTL, FirstTokens, PublicUrl, Ready, add_enrolment_token, replace_operator_token, serve,
};
pub use tls::TlsFiles;
