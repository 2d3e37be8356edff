//! The guests of a bench: who they are, where they join, and which addresses they have.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use testkit::ctrl::FakeHostapd;

/// The network they join, by the control socket of [`access_point`].
pub(crate) const NETWORK: &str = "config network 'cafe'
	list ifname 'wlan0'
	option credential 'keyid'
	list shared_keyid 'shared'";

/// The access point of [`NETWORK`].
pub(crate) fn access_point(dir: &Path) -> FakeHostapd {
    FakeHostapd::start(dir, "wlan0", "02:00:00:00:00:00", "Bench")
}

/// Guest `n`.
pub(crate) fn mac(n: u32) -> String {
    format!("02:00:00:{:02x}:{:02x}:00", n / 256, n % 256)
}

/// They join one after the other, at a pace that loses no event.
pub(crate) fn join(hostapd: &FakeHostapd, guests: impl IntoIterator<Item = u32>) {
    for n in guests {
        hostapd.join(mac(n), Some("shared"));
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Guest `n` and no other has this address, as dnsmasq says it.
pub(crate) fn lease(dir: &Path, addresses: impl IntoIterator<Item = (u32, Ipv4Addr)>) {
    let lines = addresses.into_iter().map(|(n, ip)| format!("4000000000 {} {ip} * *\n", mac(n)));
    // As dnsmasq does: nobody reads half a file.
    let (file, new) = (dir.join("leases"), dir.join("leases.new"));
    std::fs::write(&new, lines.collect::<String>()).unwrap();
    std::fs::rename(new, file).unwrap();
}
