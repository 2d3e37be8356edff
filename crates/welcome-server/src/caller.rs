//! Where a request comes from, as far as somebody who may be believed says so.
//!
//! The connection's peer comes in with the headers. A proxy of `behind_proxy` is believed what it says of the address
//! before it (`X-Forwarded-For`, read from its end) and of TLS (`X-Forwarded-Proto`); of anybody else both headers are
//! ignored. The address is never logged above debug.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// Who calls, in the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its address.
    pub(crate) addr: IpAddr,
    /// Whether it speaks TLS, with us or with the proxy.
    pub(crate) tls: bool,
}

impl Caller {
    /// Of a request with these headers from this peer.
    pub(crate) fn of(peer: IpAddr, tls: bool, headers: &HeaderMap, proxies: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        let is_proxy = |addr: IpAddr| proxies.iter().any(|net| net.contains(&addr));
        if !is_proxy(peer) {
            return Self { addr: peer, tls };
        }
        // Each proxy appends who called it: what stands before the first stranger from the end, the stranger may have written.
        let lines = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let named: Vec<_> = lines.flat_map(|line| line.split(',')).map(|word| word.trim().parse::<IpAddr>()).collect();
        let mut addr = peer;
        for before in named.into_iter().rev() {
            let Ok(before) = before else { break };
            addr = before.to_canonical();
            if !is_proxy(addr) {
                break;
            }
        }
        // Of several proxies the first has seen what people use.
        let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()?.split(',').next());
        Self { addr, tls: tls || proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(peer: &str, forwarded: &[&str], proto: Option<&str>) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        if let Some(proto) = proto {
            headers.insert("x-forwarded-proto", proto.parse().unwrap());
        }
        let proxies = ["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let Caller { addr, tls } = Caller::of(peer.parse().unwrap(), false, &headers, &proxies);
        (addr.to_string(), tls)
    }

    #[test]
    fn a_proxy_is_believed_and_nobody_else() {
        let told = (&["192.0.2.7"][..], Some("https"));
        assert_eq!(of("127.0.0.1", told.0, told.1), ("192.0.2.7".to_owned(), true));
        assert_eq!(of("::ffff:127.0.0.1", told.0, told.1), ("192.0.2.7".to_owned(), true));
        assert_eq!(of("198.51.100.1", told.0, told.1), ("198.51.100.1".to_owned(), false));
        assert_eq!(of("127.0.0.1", &[], None), ("127.0.0.1".to_owned(), false));
    }

    #[test]
    fn what_the_caller_itself_has_written_counts_for_nothing() {
        assert_eq!(of("127.0.0.1", &["10.9.9.9, 203.0.113.5, 192.0.2.7"], None).0, "192.0.2.7");
        assert_eq!(of("127.0.0.1", &["203.0.113.5", "192.0.2.7, 10.1.1.1"], None).0, "192.0.2.7");
        assert_eq!(of("127.0.0.1", &["192.0.2.7, unknown"], None).0, "127.0.0.1");
        assert!(of("127.0.0.1", &["192.0.2.7"], Some("https, http")).1);
        assert!(!of("127.0.0.1", &["192.0.2.7"], Some("gopher")).1);
    }

    proptest! {
        #[test]
        fn no_header_makes_a_stranger_another(line in "[ -~]{0,60}", proto in "[ -~]{0,20}") {
            prop_assert_eq!(of("198.51.100.1", &[&line], Some(&proto)), ("198.51.100.1".to_owned(), false));
        }
    }
}
