//! Answers requests that the firewall has caught, as [`catch`] decides.
//!
//! In: the request, and where its connection was going. Out: a redirect, a success, or a refusal; the firewall is asked
//! to let stations through, and the core hears of probes.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use http::{Request, Response, StatusCode, header};
use tokio::time::Instant;
use welcome_core::{Access, Event};
use welcome_proto::lan;

use super::answer::{Body, Refusal, redirect};
use super::catch::{self, Verdict};
use super::route::{Caller, Router, lock};

impl Router {
    /// A request that was on its way to somewhere else.
    pub(super) async fn caught<B>(
        &self,
        caller: Caller,
        original: Option<SocketAddr>,
        request: &Request<B>,
    ) -> Result<Response<Body>, Refusal> {
        let visitor = self.visitor(caller.ip).await?;
        let access = visitor.as_ref().map_or(Access::Open, |s| s.access);
        let has_uplink = *self.parts.uplink.borrow();
        match catch::judge(request, access, has_uplink)? {
            Verdict::Success(probe) => Ok(catch::succeed(probe)),
            Verdict::Page { is_probe } => {
                let addresses = visitor.as_ref().map(|s| s.addresses.as_slice()).unwrap_or_default();
                let page = self.page_url(caller.local.ip(), addresses).ok_or(Refusal::Busy)?;
                if let Some(session) = visitor.filter(|_| is_probe) {
                    self.tell(Event::Caught { session: session.id })?;
                }
                Ok(redirect(StatusCode::FOUND, &page))
            }
            Verdict::Through { url } => {
                let mac = visitor.ok_or(Refusal::NoWay)?.mac;
                let to = catch::destination(original, caller.local).ok_or(Refusal::NoWay)?;
                let once_more = lock(&self.sent_on).once_more(Instant::now(), mac, to);
                if !once_more || !self.parts.passes.add(mac, to).await {
                    return Err(Refusal::NoWay);
                }
                let answer = redirect(StatusCode::TEMPORARY_REDIRECT, &url);
                // A target that is no text would lead nowhere.
                if answer.headers().contains_key(header::LOCATION) { Ok(answer) } else { Err(Refusal::NoWay) }
            }
        }
    }

    /// The page's address for who came to `local`. No browser takes a link-local address with its zone; another address
    /// of ours on the way to one of the station's is the same page, and the name of the certificate the last resort.
    fn page_url(&self, local: IpAddr, station: &[IpAddr]) -> Option<String> {
        let local = local.to_canonical();
        let here = match local {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                let others = station.iter().filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()));
                let mut ours = others.filter_map(|ip| source_towards(*ip));
                ours.find(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
            }
            local => Some(local),
        };
        let Some(here) = here else { return self.at.https().map(|base| format!("{base}/")) };
        let serves = |at: &&SocketAddr| at.ip().is_unspecified() || at.ip().to_canonical() == here;
        let port = self.at.pages.iter().find(serves).or(self.at.pages.first())?.port();
        Some(match (here, port) {
            (IpAddr::V6(here), 80) => format!("http://[{here}]/"),
            (IpAddr::V4(here), 80) => format!("http://{here}/"),
            _ => format!("http://{}/", SocketAddr::new(here, port)),
        })
    }
}

/// Which of our addresses the kernel would send from; nothing is sent.
fn source_towards(ip: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = if ip.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect((ip, lan::PORT)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
