//! The system's D-Bus, and who is on it. Nothing is started by it.

use std::time::Duration;
use tokio::time::timeout;
use zbus::{Connection, Result};

/// Connects; neither this nor a call by it takes longer than the deadline.
///
/// # Errors
/// When there is no system bus, or it does not answer.
pub(crate) async fn open(deadline: Duration) -> Result<Connection> {
    let connecting = zbus::connection::Builder::system().method_timeout(deadline).build();
    let late = || zbus::Error::Failure("the system bus did not answer".into());
    timeout(deadline, connecting).await.unwrap_or_else(|_| Err(late()))
}

/// Whether somebody has this name. To ask them anything could start them if they do not run.
///
/// # Errors
/// When the bus does not answer.
pub(crate) async fn is_here(bus: &Connection, name: &str) -> Result<bool> {
    let dbus = "org.freedesktop.DBus";
    let answer = bus.call_method(Some(dbus), "/org/freedesktop/DBus", Some(dbus), "NameHasOwner", &(name,)).await?;
    answer.body().deserialize()
}
