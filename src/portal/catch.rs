//! What happens to a plain-HTTP request that the firewall has caught on its way to the Internet.
//!
//! Pure. A request, how its station stands, and whether there is a way to the Internet come in; what to answer goes
//! out. A request is never answered in another host's name but with the success that its system would have heard there.

use sorted::SortedMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Response, StatusCode, header};
use tokio::time::Instant;
use welcome_core::Access;
use welcome_proto::Mac;

use super::answer::{Body, Refusal, nothing, set, typed};
use super::probe::{self, Probe, Success};

/// What to do with a caught request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Show it the way to the page.
    Page {
        /// Whether a system asked, and not a person.
        is_probe: bool,
    },
    /// Let the station through to where it wanted to go, and have it ask there again.
    Through {
        /// What it asked for.
        url: String,
    },
    /// Tell the system what it wants to hear.
    Success(&'static Probe),
}

/// Decides.
///
/// # Errors
/// Why the request gets nothing of that.
pub fn judge<B>(request: &Request<B>, access: Access, has_uplink: bool) -> Result<Verdict, Refusal> {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let wanted = wanted(request);
    let probe = wanted.as_ref().ok().filter(|_| reads).and_then(|w| probe::find(w.host(), w.path.path()));
    match (access, probe) {
        (Access::Held, probe) if reads => Ok(Verdict::Page { is_probe: probe.is_some() }),
        (Access::Held, _) => Err(Refusal::Held),
        (Access::Catch, Some(_)) => Ok(Verdict::Page { is_probe: true }),
        (Access::Open, Some(probe)) if !has_uplink => Ok(match probe.success {
            Success::Page => Verdict::Page { is_probe: false },
            _ => Verdict::Success(probe),
        }),
        (Access::Catch | Access::Open, _) => {
            let wanted = wanted?;
            if has_uplink { Ok(Verdict::Through { url: wanted.url() }) } else { Err(Refusal::NoWay) }
        }
    }
}

/// What the hosts of a probe would have answered.
pub fn succeed(probe: &Probe) -> Response<Body> {
    let (mut answer, online) = match probe.success {
        Success::NoContent | Success::Page => (nothing(), false),
        Success::Online => (nothing(), true),
        Success::Text { media_type, body, online } => (typed(StatusCode::OK, media_type, body), online),
    };
    if online {
        set(&mut answer, header::HeaderName::from_static("x-networkmanager-status"), "online");
    }
    answer
}

/// What a request was for.
#[derive(Debug)]
struct Wanted {
    authority: Authority,
    path: PathAndQuery,
}

impl Wanted {
    fn host(&self) -> &str {
        self.authority.host()
    }

    /// Without the port, which is the one of plain HTTP.
    fn url(&self) -> String {
        format!("http://{}{}", self.host(), self.path)
    }
}

/// By its absolute target or its one `Host` (RFC 9112, section 3.2.2).
fn wanted<B>(request: &Request<B>) -> Result<Wanted, Refusal> {
    let refuse = |why: &str| Refusal::BadRequest(why.to_owned());
    if request.method() == Method::CONNECT || request.uri().path() == "*" {
        return Err(Refusal::WrongMethod("GET, HEAD, POST"));
    }
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => {
            let mut hosts = request.headers().get_all(header::HOST).iter();
            let host = hosts.next().ok_or_else(|| refuse("it has no Host"))?;
            if hosts.next().is_some() {
                return Err(refuse("it has more than one Host"));
            }
            let host =
                host.to_str().ok().filter(|h| h.len() <= MAX_HOST).ok_or_else(|| refuse("a Host that is none"))?;
            host.parse().map_err(|_| refuse("a Host that is none"))?
        }
    };
    if authority.host().is_empty() || authority.as_str().contains('@') || authority.as_str().len() > MAX_HOST {
        return Err(refuse("a Host that is none"));
    }
    if !["", ":", ":80"].contains(&&authority.as_str()[authority.host().len()..]) {
        return Err(refuse("a Host with another port than this one"));
    }
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Ok(Wanted { authority, path })
}

/// Who was lately sent on to where: what comes back again and again is not sent on for ever.
#[derive(Debug, Default)]
pub struct SentOn {
    times: SortedMap<(Mac, IpAddr), (Instant, u8)>,
}

impl SentOn {
    /// Whether to send a station on to `ip` once more.
    pub fn once_more(&mut self, now: Instant, mac: Mac, ip: IpAddr) -> bool {
        self.times.retain(|_, (since, _)| now.duration_since(*since) < FORGET);
        if self.times.len() >= MAX_SENT && !self.times.contains_key(&(mac, ip)) {
            return false;
        }
        let (_, times) = self.times.entry((mac, ip)).or_insert((now, 0));
        *times = times.saturating_add(1);
        *times <= MAX_TIMES
    }
}

/// Where a caught connection was going, if it was caught by the firewall at all and not made to us.
#[must_use]
pub fn destination(original: Option<SocketAddr>, local: SocketAddr) -> Option<IpAddr> {
    let original = original.map(|o| SocketAddr::new(o.ip().to_canonical(), o.port()))?;
    let ours = SocketAddr::new(local.ip().to_canonical(), local.port());
    (original != ours && original.port() == HTTP).then(|| original.ip())
}

/// The only port that the firewall catches.
const HTTP: u16 = 80;
/// A name of the DNS has 253 bytes; a port and brackets come on top.
const MAX_HOST: usize = 261;
/// A browser opens several connections at once, all of them on their way before the first is let through.
const MAX_TIMES: u8 = 12;
/// After this it is another attempt.
const FORGET: Duration = Duration::from_secs(10);
/// The most pairs remembered.
const MAX_SENT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, hosts: &[&str]) -> Request<()> {
        let mut builder = Request::builder().method(method).uri(target);
        for host in hosts {
            builder = builder.header("host", *host);
        }
        builder.body(()).unwrap()
    }

    fn get(access: Access, has_uplink: bool, host: &str, path: &str) -> Result<Verdict, Refusal> {
        judge(&request("GET", path, &[host]), access, has_uplink)
    }

    const PAGE: Result<Verdict, Refusal> = Ok(Verdict::Page { is_probe: true });
    const PERSON: Result<Verdict, Refusal> = Ok(Verdict::Page { is_probe: false });

    fn through(url: &str) -> Result<Verdict, Refusal> {
        Ok(Verdict::Through { url: url.to_owned() })
    }

    #[test]
    fn a_table_of_caught_requests() {
        use Access::{Catch, Held, Open};
        for (access, has_uplink, host, path, expected) in [
            (Catch, true, "connectivitycheck.gstatic.com", "/generate_204", PAGE),
            (Catch, true, "captive.apple.com", "/hotspot-detect.html", PAGE),
            (Catch, true, "www.msftconnecttest.com:80", "/redirect", PAGE),
            (Catch, true, "detectportal.firefox.com", "/success.txt?ipv4", PAGE),
            (Catch, true, "example.org", "/a?b=c", through("http://example.org/a?b=c")),
            (Catch, true, "www.google.com", "/", through("http://www.google.com/")),
            (Catch, true, "Example.org:80", "/", through("http://Example.org/")),
            (Catch, true, "[2001:db8::1]", "/x", through("http://[2001:db8::1]/x")),
            (Catch, true, "198.51.100.7", "/x", through("http://198.51.100.7/x")),
            (Catch, false, "captive.apple.com", "/", PAGE),
            (Catch, false, "example.org", "/", Err(Refusal::NoWay)),
            (Held, true, "captive.apple.com", "/hotspot-detect.html", PAGE),
            (Held, true, "example.org", "/", PERSON),
            (Held, true, "a host that is none", "/", PERSON),
            (Held, false, "example.org", "/", PERSON),
            (Open, true, "captive.apple.com", "/", through("http://captive.apple.com/")),
            (Open, false, "example.org", "/", Err(Refusal::NoWay)),
            (Open, false, "www.msftconnecttest.com", "/redirect", PERSON),
        ] {
            assert_eq!(get(access, has_uplink, host, path), expected, "{access:?} {has_uplink} {host}{path}");
        }
        let Ok(Verdict::Success(probe)) = get(Open, false, "captive.apple.com", "/hotspot-detect.html") else {
            panic!()
        };
        assert_eq!(probe.system, "Apple");
    }

    #[test]
    fn other_methods_are_sent_on_or_refused_and_never_to_the_page() {
        for method in ["POST", "PUT", "OPTIONS"] {
            let request = request(method, "/generate_204", &["connectivitycheck.gstatic.com"]);
            assert_eq!(judge(&request, Access::Held, true), Err(Refusal::Held), "{method}");
            assert_eq!(
                judge(&request, Access::Catch, true),
                through("http://connectivitycheck.gstatic.com/generate_204")
            );
        }
        let head = request("HEAD", "/generate_204", &["connectivitycheck.gstatic.com"]);
        assert_eq!(judge(&head, Access::Catch, true), PAGE);
        for (method, target) in [("CONNECT", "example.org:443"), ("OPTIONS", "*")] {
            let request = request(method, target, &["example.org"]);
            assert!(matches!(judge(&request, Access::Catch, true), Err(Refusal::WrongMethod(_))), "{method}");
        }
    }

    #[test]
    fn an_absolute_target_is_what_counts() {
        let proxy = request("GET", "http://captive.apple.com/x", &["example.org"]);
        assert_eq!(judge(&proxy, Access::Catch, true), PAGE);
        let proxy = request("GET", "http://example.org/a", &[]);
        assert_eq!(judge(&proxy, Access::Catch, true), through("http://example.org/a"));
    }

    #[test]
    fn a_host_that_is_none_leads_nowhere() {
        let long = "x".repeat(5000);
        for hosts in [
            &[][..],
            &[""],
            &["a b"],
            &["a", "a"],
            &["user@example.org"],
            &["example.org:8080"],
            &["example.org:80:80"],
            &["exa<mple.org"],
            &["example.org/path"],
            &["[::1"],
            &[&long],
        ] {
            let verdict = judge(&request("GET", "/", hosts), Access::Catch, true);
            assert!(matches!(verdict, Err(Refusal::BadRequest(_))), "{hosts:?}: {verdict:?}");
        }
    }

    #[test]
    fn the_answers_without_an_uplink_are_those_of_the_real_hosts() {
        for probe in probe::TABLE.iter().filter(|p| p.success != Success::Page) {
            let answer = succeed(probe);
            let length = match answer.body() {
                http_body_util::Either::Left(body) => hyper::body::Body::size_hint(body).exact().unwrap(),
                http_body_util::Either::Right(_) => panic!("a stream"),
            };
            match answer.status().as_u16() {
                204 => assert_eq!(length, 0),
                200 => assert!(length > 4 && answer.headers().contains_key("content-type")),
                other => panic!("{other}"),
            }
            let says_online = answer.headers().get("x-networkmanager-status").is_some_and(|v| v == "online");
            assert_eq!(says_online, probe.system == "NetworkManager", "{probe:?}");
        }
    }

    #[tokio::test]
    async fn nobody_is_sent_in_circles() {
        let (mut sent, now) = (SentOn::default(), Instant::now());
        let (mac, ip) = (Mac([2, 0, 0, 0, 0, 1]), IpAddr::from([198, 51, 100, 7]));
        let times = (0..100).filter(|_| sent.once_more(now, mac, ip)).count();
        assert_eq!(times, usize::from(MAX_TIMES));
        assert!(sent.once_more(now, mac, [198, 51, 100, 8].into()), "another place is another thing");
        assert!(sent.once_more(now + FORGET, mac, ip));
        for n in 0..1000u32 {
            sent.once_more(now + FORGET, mac, IpAddr::from(n.to_be_bytes()));
        }
        assert_eq!(sent.times.len(), MAX_SENT);
    }

    #[test]
    fn only_what_was_caught_has_a_destination() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let local = at("[::ffff:192.168.1.1]:8911");
        assert_eq!(destination(Some(at("198.51.100.7:80")), local), Some([198, 51, 100, 7].into()));
        assert_eq!(destination(Some(at("192.168.1.1:8911")), local), None, "it was made to us");
        assert_eq!(destination(Some(at("198.51.100.7:443")), local), None);
        assert_eq!(destination(None, local), None);
    }
}
