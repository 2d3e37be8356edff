//! Whether there is a way to the Internet, by the kernel's own tables.

use std::path::Path;

use welcomed::uplink::look;

use crate::space::Space;

#[test]
fn a_default_route_of_either_family_is_an_uplink() {
    let Some(router) = Space::new() else {
        eprintln!("skipped: networks of their own need root");
        return;
    };
    router.ip("link add wan type veth peer name core");
    for words in ["link set core up", "link set wan up", "addr add 203.0.113.1/24 dev wan"] {
        router.ip(words);
    }
    // Not that of the process's first thread, which `/proc/net` would be.
    let is_up = || router.run(|| look(Path::new("/proc/thread-self/net")));
    assert!(!is_up());
    for route in [
        "default via 203.0.113.2",
        "-6 default dev wan metric 512",
        // As OpenWrt has them: for the ISP's prefix alone.
        "-6 default from 2001:db8::/56 dev wan metric 512",
    ] {
        let (family, route) = route.strip_prefix("-6 ").map_or(("", route), |rest| ("-6 ", rest));
        router.ip(&format!("{family}route add {route}"));
        assert!(is_up(), "{route}");
        router.ip(&format!("{family}route del {route}"));
        assert!(!is_up(), "{route}");
    }
    // No way: what netifd adds for its own prefixes, and what keeps packets in.
    for route in ["unreachable default metric 9000", "0.0.0.0/1 via 203.0.113.2"] {
        router.ip(&format!("route add {route}"));
        assert!(!is_up(), "{route}");
    }
    router.ip("-6 route add unreachable default metric 9000");
    assert!(!is_up());
}
