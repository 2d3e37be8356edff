//! How each system finds out whether it is online: which plain-HTTP address it asks, and what it wants to hear.
//!
//! Data and one look-up; pure. The answers are those of the real hosts: a system that finds itself offline or behind a
//! portal leaves the Wi-Fi or opens its mini-browser. None has a body of 1 to 4 bytes with status 200, which Android
//! takes for a broken network.

/// One row: where a system asks, and what means success to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Whose it is, for the log.
    pub system: &'static str,
    /// In lower case.
    pub hosts: &'static [&'static str],
    /// On hosts that do more than answer probes, only these.
    pub paths: Paths,
    /// What it wants to hear.
    pub success: Success,
}

/// Which paths of a host are probes; a query never matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// All: the host is for nothing else, or the system makes paths up.
    Any,
    /// These.
    Of(&'static [&'static str]),
}

/// What a system wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// `204` and nothing.
    NoContent,
    /// `204`, and the header by which NetworkManager knows success whatever body it was told to expect. The real
    /// answers of these hosts have 2 or 3 bytes.
    Online,
    /// `200` and this.
    Text {
        /// `Content-Type`.
        media_type: &'static str,
        /// To the byte.
        body: &'static str,
        /// Whether NetworkManager's header belongs to it.
        online: bool,
    },
    /// Nothing: the system has found a portal and opens a browser here, so that a person sees its page.
    Page,
}

/// The row for a request, if it is a probe. `host` without the port, in any case.
#[must_use]
pub fn find(host: &str, path: &str) -> Option<&'static Probe> {
    let host = host.strip_suffix('.').unwrap_or(host);
    TABLE.iter().find(|probe| {
        let here = match probe.paths {
            Paths::Any => true,
            Paths::Of(paths) => paths.contains(&path),
        };
        here && probe.hosts.iter().any(|h| h.eq_ignore_ascii_case(host))
    })
}

/// All rows; a path named here wins over a later row for all of its host.
pub const TABLE: &[Probe] = &[
    row("Android", &["connectivitycheck.gstatic.com", "connectivitycheck.android.com"], Paths::Any, Success::NoContent),
    row(
        "Android, ChromeOS",
        &[
            "www.google.com",
            "www.gstatic.com",
            "www.google.cn",
            "www.gstatic.cn",
            "play.googleapis.com",
            "clients1.google.com",
            "clients2.google.com",
            "clients3.google.com",
            "clients4.google.com",
            "developers.google.cn",
        ],
        Paths::Of(&["/generate_204", "/gen_204"]),
        Success::NoContent,
    ),
    row("Samsung", &["d2uzsrnmmf6tds.cloudfront.net"], Paths::Any, Success::NoContent),
    row("Xiaomi", &["connect.rom.miui.com"], Paths::Any, Success::NoContent),
    row(
        "Huawei, Honor",
        &[
            "connectivitycheck.platform.hicloud.com",
            "connectivitycheck.cbg-app.huawei.com",
            "connectivitycheck.platform.hihonorcloud.com",
        ],
        Paths::Any,
        Success::NoContent,
    ),
    row(
        "OPPO",
        &["conn1.oppomobile.com", "conn2.oppomobile.com", "conn1.coloros.com", "conn2.coloros.com"],
        Paths::Any,
        Success::NoContent,
    ),
    row("vivo", &["wifi.vivo.com.cn"], Paths::Any, Success::NoContent),
    row("Qualcomm", &["www.qualcomm.cn"], Paths::Of(&["/generate_204"]), Success::NoContent),
    row("GrapheneOS", &["connectivitycheck.grapheneos.network"], Paths::Any, Success::NoContent),
    row("Cloudflare", &["cp.cloudflare.com"], Paths::Any, Success::NoContent),
    row("Apple", &["captive.apple.com"], Paths::Any, APPLE),
    row("Apple", &["www.apple.com"], Paths::Of(&["/library/test/success.html"]), APPLE),
    // Since iOS 7 with a path made up for each try.
    row(
        "Apple",
        &[
            "www.appleiphonecell.com",
            "www.airport.us",
            "www.ibook.info",
            "www.itools.info",
            "www.thinkdifferent.us",
            "gsp1.apple.com",
            "netcts.cdn-apple.com",
        ],
        Paths::Any,
        APPLE,
    ),
    row("Windows", MSFT, Paths::Of(&["/redirect"]), Success::Page),
    row("Windows", MSFT, Paths::Any, plain("Microsoft Connect Test")),
    row("Windows", &["www.msftncsi.com", "ipv6.msftncsi.com"], Paths::Of(&["/redirect"]), Success::Page),
    row("Windows", &["www.msftncsi.com", "ipv6.msftncsi.com"], Paths::Any, plain("Microsoft NCSI")),
    row("Edge", &["edge.msftncsi.com", "edge-http.microsoft.com"], Paths::Any, Success::NoContent),
    row("Firefox", FIREFOX, Paths::Of(&["/success.txt"]), plain("success\n")),
    row(
        "Firefox",
        FIREFOX,
        Paths::Any,
        html("<meta http-equiv=\"refresh\" content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>"),
    ),
    // The page says where its user should go next; what Kindle and Fire OS look for is the number.
    row(
        "Kindle",
        &["spectrum.s3.amazonaws.com"],
        Paths::Of(&["/kindle-wifi/wifistub.html", "/kindle-wifi/wifistub-eink.html"]),
        html(
            "<html><head><title>Kindle Reachability Probe Page</title></head>\
             <body>81ce4465-7167-4dcb-835b-dcc9e44c112a</body></html>\n",
        ),
    ),
    row("Kindle", &["spectrum.s3.amazonaws.com"], Paths::Of(&["/kindle-wifi/wifiredirect.html"]), Success::Page),
    row("Fire OS", &["fireoscaptiveportal.com"], Paths::Any, Success::NoContent),
    row(
        "NetworkManager",
        &["nmcheck.gnome.org", "network-test.debian.org", "ping.archlinux.org", "conncheck.opensuse.org"],
        Paths::Any,
        Success::Text { media_type: TEXT, body: "NetworkManager is online\n", online: true },
    ),
    row("NetworkManager", &["connectivity-check.ubuntu.com", "networkcheck.kde.org"], Paths::Any, Success::Online),
    row("NetworkManager", &["fedoraproject.org"], Paths::Of(&["/static/hotspot.txt"]), Success::Online),
];

const APPLE: Success = html("<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>");
const MSFT: &[&str] = &["www.msftconnecttest.com", "ipv6.msftconnecttest.com"];
const FIREFOX: &[&str] = &["detectportal.firefox.com", "detectportal.prod.mozaws.net"];
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

const fn row(system: &'static str, hosts: &'static [&'static str], paths: Paths, success: Success) -> Probe {
    Probe { system, hosts, paths, success }
}

const fn plain(body: &'static str) -> Success {
    // The real one names no charset.
    Success::Text { media_type: "text/plain", body, online: false }
}

const fn html(body: &'static str) -> Success {
    Success::Text { media_type: HTML, body, online: false }
}

#[cfg(test)]
mod tests {
    use sorted::SortedSet;

    use super::*;

    /// What a request would get, as text.
    fn answer(url: &str) -> &'static str {
        let (host, path) = url.split_at(url.find('/').unwrap());
        match find(host, path).map(|p| p.success) {
            Some(Success::NoContent) => "204",
            Some(Success::Online) => "204 online",
            Some(Success::Text { body, .. }) => body,
            Some(Success::Page) => "the page",
            None => "no probe",
        }
    }

    /// One line a host at least, written down apart from the table.
    const KNOWN: &[(&str, &str)] = &[
        ("connectivitycheck.gstatic.com/generate_204", "204"),
        ("connectivitycheck.android.com/generate_204", "204"),
        ("www.google.com/gen_204", "204"),
        ("www.google.com/generate_204", "204"),
        ("www.gstatic.com/generate_204", "204"),
        ("www.google.cn/generate_204", "204"),
        ("www.gstatic.cn/generate_204", "204"),
        ("play.googleapis.com/generate_204", "204"),
        ("clients1.google.com/generate_204", "204"),
        ("clients2.google.com/generate_204", "204"),
        ("clients3.google.com/generate_204", "204"),
        ("clients4.google.com/generate_204", "204"),
        ("developers.google.cn/generate_204", "204"),
        ("d2uzsrnmmf6tds.cloudfront.net/generate_204", "204"),
        ("connect.rom.miui.com/generate_204", "204"),
        ("connectivitycheck.platform.hicloud.com/generate_204", "204"),
        ("connectivitycheck.cbg-app.huawei.com/generate_204", "204"),
        ("connectivitycheck.platform.hihonorcloud.com/generate_204", "204"),
        ("conn1.oppomobile.com/generate_204", "204"),
        ("conn2.oppomobile.com/generate_204", "204"),
        ("conn1.coloros.com/generate_204", "204"),
        ("conn2.coloros.com/generate_204", "204"),
        ("wifi.vivo.com.cn/generate_204", "204"),
        ("www.qualcomm.cn/generate_204", "204"),
        ("connectivitycheck.grapheneos.network/generate_204", "204"),
        ("cp.cloudflare.com/", "204"),
        ("cp.cloudflare.com/generate_204", "204"),
        ("captive.apple.com/hotspot-detect.html", SUCCESS),
        ("captive.apple.com/", SUCCESS),
        ("www.apple.com/library/test/success.html", SUCCESS),
        ("www.appleiphonecell.com/SmxUBwqZ/ZpVW1.html", SUCCESS),
        ("www.airport.us/x/y.html", SUCCESS),
        ("www.ibook.info/x/y.html", SUCCESS),
        ("www.itools.info/x/y.html", SUCCESS),
        ("www.thinkdifferent.us/x/y.html", SUCCESS),
        ("gsp1.apple.com/pep/gcc", SUCCESS),
        ("netcts.cdn-apple.com/", SUCCESS),
        ("www.msftconnecttest.com/connecttest.txt", "Microsoft Connect Test"),
        ("ipv6.msftconnecttest.com/connecttest.txt", "Microsoft Connect Test"),
        ("www.msftconnecttest.com/redirect", "the page"),
        ("www.msftncsi.com/ncsi.txt", "Microsoft NCSI"),
        ("ipv6.msftncsi.com/ncsi.txt", "Microsoft NCSI"),
        ("www.msftncsi.com/redirect", "the page"),
        ("edge.msftncsi.com/captiveportal/generate_204", "204"),
        ("edge-http.microsoft.com/captiveportal/generate_204", "204"),
        ("detectportal.firefox.com/success.txt", "success\n"),
        ("detectportal.prod.mozaws.net/success.txt", "success\n"),
        (
            "detectportal.firefox.com/canonical.html",
            "<meta http-equiv=\"refresh\" content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>",
        ),
        ("spectrum.s3.amazonaws.com/kindle-wifi/wifiredirect.html", "the page"),
        ("fireoscaptiveportal.com/generate_204", "204"),
        ("nmcheck.gnome.org/check_network_status.txt", "NetworkManager is online\n"),
        ("network-test.debian.org/nm", "NetworkManager is online\n"),
        ("ping.archlinux.org/nm-check.txt", "NetworkManager is online\n"),
        ("conncheck.opensuse.org/", "NetworkManager is online\n"),
        ("connectivity-check.ubuntu.com/", "204 online"),
        ("networkcheck.kde.org/", "204 online"),
        ("fedoraproject.org/static/hotspot.txt", "204 online"),
    ];
    const SUCCESS: &str = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";

    #[test]
    fn every_row_answers_what_the_system_expects() {
        for (url, expected) in KNOWN {
            assert_eq!(answer(url), *expected, "{url}");
        }
        assert!(
            answer("spectrum.s3.amazonaws.com/kindle-wifi/wifistub.html").contains("81ce4465-7167-4dcb-835b-dcc9e")
        );
        let tried: SortedSet<_> = KNOWN.iter().map(|(url, _)| url.split('/').next().unwrap()).collect();
        for host in TABLE.iter().flat_map(|p| p.hosts) {
            assert!(tried.contains(host), "{host} is tried by no line");
            assert_eq!(*host, host.to_ascii_lowercase());
        }
    }

    #[test]
    fn what_a_person_opens_is_no_probe() {
        for url in [
            "www.apple.com/",
            "www.google.com/",
            "www.google.com/generate_204/x",
            "www.gstatic.com/images/x.png",
            "spectrum.s3.amazonaws.com/",
            "fedoraproject.org/",
            "example.org/generate_204",
            "x.captive.apple.com/hotspot-detect.html",
            "captive.apple.com.example/hotspot-detect.html",
            "/generate_204",
        ] {
            assert_eq!(answer(url), "no probe", "{url}");
        }
    }

    #[test]
    fn a_host_is_the_same_in_capitals_and_with_its_final_dot() {
        for host in ["Captive.Apple.COM", "captive.apple.com."] {
            assert_eq!(find(host, "/hotspot-detect.html").unwrap().system, "Apple");
        }
    }

    #[test]
    fn no_answer_is_one_that_android_takes_for_a_broken_network() {
        for probe in TABLE {
            if let Success::Text { body, .. } = probe.success {
                assert!(body.len() > 4, "{probe:?}");
            }
        }
    }
}
