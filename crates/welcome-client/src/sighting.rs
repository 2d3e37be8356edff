//! What a program has heard.

use welcome_proto::announce::Security;
use welcome_proto::{Bssid, Ssid};

/// One bss that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its address.
    pub bssid: Bssid,
    /// Its name; absent when it hides it.
    pub ssid: Option<Ssid>,
    /// How to join, as it says itself; absent when it wants something that the list has no word for.
    pub security: Option<Security>,
    /// In dBm; more is stronger.
    pub signal: i32,
    /// Frequency of its primary channel in MHz.
    pub freq: u32,
}
