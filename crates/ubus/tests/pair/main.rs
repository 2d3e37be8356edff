//! Both ends in the hands of the test: the client over a stream in memory, or a socket, and a script in ubusd's place.
//! Time stands still where nothing else happens, so ten seconds take none.

#![allow(clippy::unwrap_used)]

mod calls;
mod connection;
mod events;
mod hostile;
mod objects;
mod peer;
mod subscriptions;
