//! Whether a form was sent by our own page, and not by another one that a visitor has open.
//!
//! Pure. The headers of a request come in. A page elsewhere cannot forge `Origin` or `Sec-Fetch-Site`, and cannot be
//! under a name that stands for us: an address, the name of our certificate, or a name of the local network.

use std::net::IpAddr;

use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use http::uri::Authority;

/// Whether to do what the form says.
#[must_use]
pub fn is_ours(headers: &HeaderMap, tls_name: Option<&str>) -> bool {
    let Some(host) = only(headers, &HOST) else { return false };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if !is_local(authority.host(), tls_name) {
        return false;
    }
    let site = headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin");
    // Browsers say it with every POST; what says nothing is no browser, and nobody's page can make it ask.
    let origin = headers.get(ORIGIN).is_none() || only(headers, &ORIGIN).is_some_and(|origin| is_same(origin, host));
    site && origin
}

fn is_same(origin: &str, host: &str) -> bool {
    let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    named.is_some_and(|named| named.eq_ignore_ascii_case(host))
}

/// Whether nobody outside can make this name lead here: a page of `attacker.example` may be served from our address, as
/// far as its reader's browser can tell (DNS rebinding).
fn is_local(host: &str, tls_name: Option<&str>) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let is_of_this_network = !host.contains('.') || LOCAL.iter().any(|suffix| host.ends_with(suffix));
    is_address || is_of_this_network || tls_name.is_some_and(|name| name.eq_ignore_ascii_case(&host))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// Names that the public DNS does not have (RFC 6762, RFC 8375, RFC 9476) and OpenWrt's own.
const LOCAL: [&str; 5] = [".lan", ".local", ".internal", ".home.arpa", ".localdomain"];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ours(headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        is_ours(&map, Some("guest.cafe.example"))
    }

    #[test]
    fn only_a_form_of_our_own_page_counts() {
        for good in [
            &[("host", "192.168.1.1:8910"), ("origin", "http://192.168.1.1:8910")][..],
            &[("host", "192.168.1.1:8910")],
            &[("host", "[2001:db8::1]:8910"), ("origin", "http://[2001:db8::1]:8910")],
            &[
                ("host", "guest.cafe.example:8912"),
                ("origin", "https://guest.cafe.example:8912"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("host", "openwrt.lan:8910"), ("origin", "http://openwrt.lan:8910")],
            &[("host", "openwrt"), ("origin", "http://openwrt")],
        ] {
            assert!(ours(good), "{good:?}");
        }
        for bad in [
            &[][..],
            &[("host", "192.168.1.1:8910"), ("origin", "null")],
            &[("host", "192.168.1.1:8910"), ("origin", "http://attacker.example")],
            &[("host", "192.168.1.1:8910"), ("origin", "http://192.168.1.1:8910"), ("origin", "http://a.example")],
            &[("host", "192.168.1.1:8910"), ("origin", "http://192.168.1.1:80")],
            &[("host", "192.168.1.1:8910"), ("sec-fetch-site", "cross-site")],
            &[("host", "192.168.1.1:8910"), ("sec-fetch-site", "same-site")],
            &[("host", "attacker.example:8910"), ("origin", "http://attacker.example:8910")],
            &[("host", "192.168.1.1.attacker.example"), ("origin", "http://192.168.1.1.attacker.example")],
            &[("host", "a b"), ("origin", "http://a b")],
            &[("host", "192.168.1.1:8910"), ("host", "192.168.1.1:8910")],
        ] {
            assert!(!ours(bad), "{bad:?}");
        }
    }
}
