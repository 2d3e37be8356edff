//! Asks GeoClue, the system's location service, where this computer is.
//!
//! In: nothing. Out: a place, as exact as a region needs and no more. By D-Bus, on the system bus (or what
//! `DBUS_SYSTEM_BUS_ADDRESS` says). A person has to have allowed it in the desktop's settings.

use crate::place::WITHIN;
use anyhow::{Context as _, anyhow, bail};
use std::pin::pin;
use tokio::time::timeout;
use welcome_proto::announce::Place;
use zbus::export::futures_core::Stream;
use zbus::{Connection, OwnedObjectPath, Proxy};

/// Where this computer is.
///
/// # Errors
/// When there is no GeoClue, it does not tell, or takes too long.
pub async fn locate() -> anyhow::Result<Place> {
    timeout(WITHIN, ask()).await.unwrap_or_else(|_| Err(anyhow!("no place within {} s", WITHIN.as_secs())))
}

async fn ask() -> anyhow::Result<Place> {
    let connection = Connection::system().await.context("the system bus cannot be reached")?;
    let manager = Proxy::new(&connection, SERVICE, "/org/freedesktop/GeoClue2/Manager", MANAGER).await?;
    let path: OwnedObjectPath = manager.call("GetClient", &()).await.context("it gives us no client")?;
    let client = Proxy::new(&connection, SERVICE, &path, CLIENT).await?;
    client.set_property("DesktopId", DESKTOP_ID).await?;
    client.set_property("RequestedAccuracyLevel", NEIGHBORHOOD).await?;
    // Before it starts: what it knows already it says at once.
    let mut updates = pin!(client.receive_signal("LocationUpdated").await?);
    client
        .call::<_, _, ()>("Start", &())
        .await
        .context("it does not start; is it allowed in the system's settings?")?;
    let update = std::future::poll_fn(|context| updates.as_mut().poll_next(context)).await;
    let update = update.context("it has gone away")?;
    let (_, new): (OwnedObjectPath, OwnedObjectPath) = update.body().deserialize()?;
    let place = location(&connection, &new).await;
    // It also ends with our connection.
    if let Err(error) = client.call::<_, _, ()>("Stop", &()).await {
        tracing::debug!(%error, "GeoClue does not stop");
    }
    place
}

async fn location(connection: &Connection, path: &OwnedObjectPath) -> anyhow::Result<Place> {
    let location = Proxy::new(connection, SERVICE, path, LOCATION).await?;
    let (lat, lon) = (location.get_property("Latitude").await?, location.get_property("Longitude").await?);
    match Place::new(lat, lon) {
        Ok(place) => Ok(place),
        Err(error) => bail!("it names a place that is none: {error}"),
    }
}

const SERVICE: &str = "org.freedesktop.GeoClue2";
const MANAGER: &str = "org.freedesktop.GeoClue2.Manager";
const CLIENT: &str = "org.freedesktop.GeoClue2.Client";
const LOCATION: &str = "org.freedesktop.GeoClue2.Location";
/// Under which a person allows it.
const DESKTOP_ID: &str = "welcome";
/// `GCLUE_ACCURACY_LEVEL_NEIGHBORHOOD`: a region is 20 km wide.
const NEIGHBORHOOD: u32 = 5;
