//! The releases of OpenWrt that differ on ubus, as far as this project sees it.

/// Which OpenWrt the router plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 23.05: notifications do not name their interface, and there is no `hostapd-auth`.
    V23_05,
    /// 24.10.
    #[default]
    V24_10,
    /// The development branch of summer 2026.
    Main,
}

impl Release {
    /// As in `system board`.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::V23_05 => "23.05.6",
            Self::V24_10 => "24.10.4",
            Self::Main => "SNAPSHOT",
        }
    }
}
