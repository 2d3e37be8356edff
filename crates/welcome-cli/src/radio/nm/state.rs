//! The states of NetworkManager's devices, and the names of the reasons for them. Pure.

use crate::exit::{Failure, Reason};

/// NM_DEVICE_STATE_DISCONNECTED; below it a device cannot be used at all.
pub(super) const DISCONNECTED: u32 = 30;
/// NM_DEVICE_STATE_IP_CONFIG: joined, with the keys in place.
pub(super) const IP_CONFIG: u32 = 70;
/// NM_DEVICE_STATE_ACTIVATED: joined, with an address.
pub(super) const ACTIVATED: u32 = 100;
/// NM_DEVICE_STATE_FAILED
pub(super) const FAILED: u32 = 120;
/// NM_DEVICE_STATE_REASON_NEW_ACTIVATION: what was there makes room for what was asked for.
pub(super) const NEW_ACTIVATION: u32 = 60;

/// Why a device that was to join a network, with a key if it needs one, could not.
pub(super) fn failure(reason: u32, has_key: bool) -> Failure {
    let (name, detail) = match reason {
        // NetworkManager asks for another key, and nobody has one.
        NO_SECRETS if has_key => return Failure::wrong_key(),
        IP_CONFIG_UNAVAILABLE | IP_CONFIG_EXPIRED | DHCP_START_FAILED | DHCP_ERROR | DHCP_FAILED => {
            (Reason::NoAddress, "it is joined, but nobody gave this computer an address")
        }
        SUPPLICANT_DISCONNECT | SUPPLICANT_FAILED => (Reason::Rejected, "the access point refused or ended it"),
        SUPPLICANT_TIMEOUT => (Reason::NoAnswer, "the access point did not finish the handshake in time"),
        SSID_NOT_FOUND => (Reason::NoAnswer, "the network is not on the air any more"),
        CONNECTION_REMOVED | USER_REQUESTED => (Reason::GivenUp, "somebody ended it"),
        reason => return Failure::join(Reason::GivenUp, format!("NetworkManager's reason number {reason}")),
    };
    Failure::join(name, detail)
}

/// NM_DEVICE_STATE_REASON_…
const IP_CONFIG_UNAVAILABLE: u32 = 5;
const IP_CONFIG_EXPIRED: u32 = 6;
const NO_SECRETS: u32 = 7;
const SUPPLICANT_DISCONNECT: u32 = 8;
const SUPPLICANT_FAILED: u32 = 10;
const SUPPLICANT_TIMEOUT: u32 = 11;
const DHCP_START_FAILED: u32 = 15;
const DHCP_ERROR: u32 = 16;
const DHCP_FAILED: u32 = 17;
const CONNECTION_REMOVED: u32 = 38;
const USER_REQUESTED: u32 = 39;
const SSID_NOT_FOUND: u32 = 53;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_gave_a_key_is_told_that_it_is_wrong() {
        let reason = |failure| match failure {
            Failure::Join { reason, .. } => Some(reason),
            _ => None,
        };
        assert_eq!(reason(failure(NO_SECRETS, true)), Some(Reason::WrongKey));
        assert_eq!(reason(failure(NO_SECRETS, false)), Some(Reason::GivenUp));
        assert_eq!(reason(failure(IP_CONFIG_UNAVAILABLE, true)), Some(Reason::NoAddress));
    }
}
