//! NetworkManager's objects on the system bus.
//!
//! In: calls. Out: their answers, within a deadline. What NetworkManager answers is known by its D-Bus reference; no
//! meaning is given to it here.

use crate::exit::Failure;
use crate::system_bus;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;
use welcome_proto::Bssid;
use zbus::wire::DynamicDeserialize;
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant};

/// A connection to the system bus, for NetworkManager's objects.
#[derive(Debug, Clone)]
pub(in super::super) struct Bus(Connection);

/// A network device of NetworkManager.
pub(in super::super) type Device = OwnedObjectPath;

/// The properties of an object.
pub(super) type Properties = HashMap<String, OwnedVariant>;

/// What did not work.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Error(#[from] zbus::Error);

impl Error {
    /// There is no such object any more.
    pub(super) fn is_absent(&self) -> bool {
        match &self.0 {
            zbus::Error::MethodError(name, ..) => {
                name.as_str().ends_with(".InvalidConnection") || name.as_str().ends_with(".UnknownConnection")
            }
            zbus::Error::FDO(error) => {
                matches!(**error, zbus::fdo::Error::UnknownObject(_) | zbus::fdo::Error::UnknownMethod(_))
            }
            _ => false,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(anyhow::Error::new(error.0).context("failed to talk to NetworkManager"))
    }
}

impl Bus {
    /// Connects; whether NetworkManager is there shows with the first call.
    ///
    /// # Errors
    /// When there is no system bus.
    pub(in super::super) async fn open() -> Result<Self, Failure> {
        Ok(Self(system_bus::open(DEADLINE).await.map_err(Error)?))
    }

    /// The Wi-Fi device with this interface, or the first one, that NetworkManager manages.
    ///
    /// # Errors
    /// When NetworkManager does not answer.
    pub(in super::super) async fn wifi_device(
        &self,
        interface: Option<&str>,
    ) -> Result<Option<(String, Device)>, Failure> {
        if !system_bus::is_here(&self.0, NM).await.map_err(Error)? {
            return Ok(None);
        }
        let devices: Vec<OwnedObjectPath> = self.call(ROOT, NM, "GetDevices", &()).await?;
        let mut found = Vec::new();
        for device in devices {
            let Ok(properties) = self.all(device.as_str(), DEVICE).await else { continue };
            let name: Option<String> = read(&properties, "Interface");
            let is_wifi = read(&properties, "DeviceType") == Some(WIFI);
            let is_managed = read(&properties, "Managed") == Some(true);
            if let Some(name) = name.filter(|name| is_wifi && is_managed && interface.is_none_or(|it| it == name)) {
                found.push((name, device));
            }
        }
        Ok(found.into_iter().min_by(|one, other| one.0.cmp(&other.0)))
    }

    /// The access point that a Wi-Fi device is connected to.
    ///
    /// # Errors
    /// When NetworkManager does not answer, or the connection ends meanwhile.
    pub(in super::super) async fn bssid(&self, device: &Device) -> Result<Option<Bssid>, Failure> {
        let point: OwnedObjectPath = self.get(device.as_str(), WIRELESS, "ActiveAccessPoint").await?;
        if point.as_str() == NOTHING {
            return Ok(None);
        }
        let address: String = self.get(point.as_str(), ACCESS_POINT, "HwAddress").await?;
        Ok(address.parse().ok())
    }

    /// Calls a method.
    pub(super) async fn call<R>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<R, Error>
    where
        R: for<'d> DynamicDeserialize<'d>,
    {
        let answer = self.0.call_method(Some(NM), path, Some(interface), method, body).await?;
        Ok(answer.body().deserialize()?)
    }

    /// All properties of an interface of an object.
    pub(super) async fn all(&self, path: &str, interface: &str) -> Result<Properties, Error> {
        self.call(path, PROPERTIES, "GetAll", &(interface,)).await
    }

    /// One property.
    pub(super) async fn get<T>(&self, path: &str, interface: &str, name: &str) -> Result<T, Error>
    where
        T: TryFrom<OwnedVariant, Error = zbus::Error>,
    {
        let value: OwnedVariant = self.call(path, PROPERTIES, "Get", &(interface, name)).await?;
        Ok(T::try_from(value)?)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.0
    }
}

/// A property of the type that it should have.
pub(super) fn read<T>(properties: &Properties, name: &str) -> Option<T>
where
    T: TryFrom<OwnedVariant>,
{
    T::try_from(properties.get(name)?.try_clone().ok()?).ok()
}

/// The name on the bus, and of the interface of the root object.
pub(super) const NM: &str = "org.freedesktop.NetworkManager";
pub(super) const ROOT: &str = "/org/freedesktop/NetworkManager";
pub(super) const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
pub(super) const WIRELESS: &str = "org.freedesktop.NetworkManager.Device.Wireless";
pub(super) const ACCESS_POINT: &str = "org.freedesktop.NetworkManager.AccessPoint";
pub(super) const ACTIVE: &str = "org.freedesktop.NetworkManager.Connection.Active";
pub(super) const SETTINGS_PATH: &str = "/org/freedesktop/NetworkManager/Settings";
pub(super) const SETTINGS: &str = "org.freedesktop.NetworkManager.Settings";
pub(super) const PROFILE: &str = "org.freedesktop.NetworkManager.Settings.Connection";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// The path that stands for no object.
pub(super) const NOTHING: &str = "/";
/// NM_DEVICE_TYPE_WIFI
const WIFI: u32 = 2;
/// NetworkManager answers in milliseconds; adding a connection takes it some more.
const DEADLINE: Duration = Duration::from_secs(5);
