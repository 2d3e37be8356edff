//! Whether the router has a way to the Internet: a default route, of IPv4 or of IPv6; shared by the parts of the agent.
//!
//! In: the kernel's tables of routes, looked at while a network's mode needs it. Out: yes or no. A route is no proof
//! that the Internet answers; but without one nothing can.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::info;
use welcome_core::Mode;

use crate::config::Config;
use crate::tasks::Stop;

/// Keeps `uplink` true to the kernel's routes until told to stop. It is true while no network's mode needs it.
///
/// # Errors
/// Never; the signature is that of a task.
pub async fn run(
    mut configs: watch::Receiver<Arc<Config>>,
    uplink: watch::Sender<bool>,
    mut stop: Stop,
) -> anyhow::Result<()> {
    loop {
        let is_needed = configs.borrow_and_update().rules.networks.values().any(|n| n.mode >= Mode::Splash);
        let is_there = !is_needed || look(Path::new("/proc/net"));
        if uplink.send_if_modified(|was| std::mem::replace(was, is_there) != is_there) {
            info!(uplink = is_there, "the way to the Internet {}", if is_there { "is there" } else { "is gone" });
        }
        tokio::select! {
            () = stop.stopped() => return Ok(()),
            () = sleep(PERIOD), if is_needed => {}
            changed = configs.changed() => if changed.is_err() {
                stop.stopped().await;
                return Ok(());
            },
        }
    }
}

/// Looks at the tables in a directory that is like `/proc/net`.
#[must_use]
pub fn look(proc_net: &Path) -> bool {
    has(&proc_net.join("route"), is_default_v4) || has(&proc_net.join("ipv6_route"), is_default_v6)
}

/// Whether a line of a table is as asked. A table that cannot be read has none: a kernel may be without IPv6.
fn has(table: &Path, is: fn(&str) -> bool) -> bool {
    let Ok(file) = File::open(table) else { return false };
    BufReader::new(file.take(LIMIT)).lines().map_while(Result::ok).any(|line| is(&line))
}

/// A line of `/proc/net/route`: Iface Destination Gateway Flags RefCnt Use Metric Mask …
fn is_default_v4(line: &str) -> bool {
    let words: Vec<_> = line.split_ascii_whitespace().take(8).collect();
    let [_, destination, _, flags, _, _, _, mask] = words[..] else { return false };
    destination == "00000000" && mask == "00000000" && is_way(flags)
}

/// A line of `/proc/net/ipv6_route`: destination, its length, source, its length, next hop, metric, references, use,
/// flags, interface. The source is of no interest: ISPs' routes are for their own prefix alone.
fn is_default_v6(line: &str) -> bool {
    let words: Vec<_> = line.split_ascii_whitespace().take(10).collect();
    let [destination, length, _, _, _, _, _, _, flags, ifname] = words[..] else { return false };
    destination == "00000000000000000000000000000000" && length == "00" && ifname != "lo" && is_way(flags)
}

fn is_way(flags: &str) -> bool {
    u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & (UP | REJECT) == UP)
}

/// Numbers of linux/route.h.
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;
/// A cable is plugged in by hand.
const PERIOD: Duration = Duration::from_secs(5);
/// Of a table: some thousand routes. The default route is among the first.
const LIMIT: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
    const LAN: &str = "br-lan\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0";
    const WAN: &str = "wan\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0";
    const UNREACHABLE: &str = "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0";
    const HALF: &str = "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0";

    const NO_WAY: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo";
    const LAN6: &str = "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00000100 00000001 00000000 00000001   br-lan";
    const WAN6: &str = "00000000000000000000000000000000 00 20010db8000000000000000000000000 38 \
        fe800000000000000000000000000001 00000200 00000001 00000000 00000003      wan";

    fn tables(v4: &[&str], v6: &[&str]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("route"), v4.join("\n")).unwrap();
        std::fs::write(dir.path().join("ipv6_route"), v6.join("\n")).unwrap();
        look(dir.path())
    }

    #[test]
    fn a_default_route_of_either_family_is_an_uplink() {
        assert!(tables(&[HEAD, LAN, WAN], &[LAN6, NO_WAY]));
        assert!(tables(&[HEAD, LAN], &[LAN6, WAN6, NO_WAY]));
        assert!(!tables(&[HEAD, LAN], &[LAN6, NO_WAY]));
        assert!(!tables(&[HEAD, UNREACHABLE, HALF], &[]));
    }

    #[test]
    fn tables_that_are_not_there_have_no_route() {
        assert!(!look(Path::new("/nonexistent")));
    }

    proptest! {
        #[test]
        fn a_default_route_is_found_among_whatever_else(
            before in prop::collection::vec("[^\n\r]{0,120}", 0..20),
            after in prop::collection::vec("[^\n\r]{0,120}", 0..20),
            is_v4 in any::<bool>(),
        ) {
            let around = |line| before.iter().map(String::as_str).chain([line]).chain(after.iter().map(String::as_str));
            let found = if is_v4 { around(WAN).any(is_default_v4) } else { around(WAN6).any(is_default_v6) };
            prop_assert!(found);
        }

        #[test]
        fn nonsense_is_no_route(words in prop::collection::vec("[0-9a-f*]{0,40}", 0..14)) {
            // Never with the flags that count.
            let line = words.iter().map(|w| w.replace(['1', '3', '5', '7', '9', 'b', 'd', 'f'], "2")).collect::<Vec<_>>();
            prop_assert!(!is_default_v4(&line.join(" ")) && !is_default_v6(&line.join("\t")));
        }
    }
}
