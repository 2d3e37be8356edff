//! A fleet of simulated routers, which speak the real protocol with a real server.
//!
//! [`http`] is connections, [`Router`] signs and asks as one router does, [`Stream`] reads what the server pushes,
//! [`Operator`] does what an operator would, [`program`] starts the server. [`world`] makes up where the routers stand and what they share, [`visits`]
//! who comes and when: both are pure and follow from a seed. [`run`] puts them together, [`load`] asks as fast as a server
//! answers.
//!
//! Left out: TLS, since all of it runs on the loopback interface, and a router's own clock.

mod air;
mod guests;
pub mod http;
mod link;
pub mod load;
mod operator;
pub mod program;
mod proof;
mod router;
pub mod run;
mod stream;
pub mod visits;
pub mod world;

pub use operator::Operator;
pub use router::Router;
pub use stream::Stream;
