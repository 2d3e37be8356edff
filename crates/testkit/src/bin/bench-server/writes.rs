//! How many announces, and batches of reports, a server takes in a second: each is on the disk before it is answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use testkit::fleet::Router;
use testkit::fleet::http::{Error, Server};
use testkit::fleet::load::closed_loop;
use welcome_proto::Mac;
use welcome_proto::announce::{Announce, AnnouncedBss, AnnouncedNetwork, Place, Security};
use welcome_proto::offer::Sender;
use welcome_proto::report::{Report, ReportBatch, What};
use welcome_proto::{Bssid, Ssid};

use crate::fill::{PER_ROUTER, Size, bssid};
use crate::row;

/// Prints the figures; `routers` are the first of the directory.
pub(crate) async fn measure(
    server: &Server,
    size: Size,
    routers: &Arc<Vec<Router>>,
    suffix: &str,
) -> Result<(), Error> {
    let each = Arc::clone(routers);
    let announces =
        closed_loop(server, CONNECTIONS, LENGTH, move |c, n| announce(size, &each, c, n), |_| Ok(())).await?;
    row(&format!("server.announce_rps{suffix}"), &format!("{:.0}", announces.per_second()), "announces/s");
    let each = Arc::clone(routers);
    let reports = closed_loop(server, CONNECTIONS, LENGTH, move |c, n| visit(&each, c, n), |_| Ok(())).await?;
    row(&format!("server.reports_rps{suffix}"), &format!("{:.0}", reports.per_second()), "batches/s");
    Ok(())
}

/// Each time another router's turn, of those of this connection.
fn turn(routers: &[Router], connection: usize, n: u64) -> (usize, &Router) {
    let own = routers.len() / CONNECTIONS;
    let at = connection * own + usize::try_from(n).unwrap_or_default() % own;
    (at, &routers[at])
}

/// What it shared before, on the next generation.
fn announce(size: Size, routers: &[Router], connection: usize, n: u64) -> Request<Bytes> {
    let (number, router) = turn(routers, connection, n);
    let number = u32::try_from(number).expect("there are some thousand");
    let (lat, lon) = size.place(number);
    let bss = |n| AnnouncedBss { bssid: address(bssid(number, n)), freq: Some(2412) };
    let network = |id: &str, bss| AnnouncedNetwork {
        id: id.parse().expect("a good name"),
        ssid: Ssid::new(format!("Shared {number} {id}").as_bytes()).expect("it is short"),
        security: Security::Psk,
        key: None,
        place: Place::new(lat, lon).ok(),
        bss,
    };
    let half = PER_ROUTER / 2;
    let networks =
        vec![network("guests", (0..half).map(bss).collect()), network("office", (half..PER_ROUTER).map(bss).collect())];
    router
        .announce(&Announce { generation: n + 2, networks, ..Announce::default() })
        .expect("it can be written as JSON")
}

/// One guest who comes, sees, presses and goes.
fn visit(routers: &[Router], connection: usize, n: u64) -> Request<Bytes> {
    let (_, router) = turn(routers, connection, n);
    let offer = "hello".parse().expect("a good name");
    let steps = [What::Arrived, What::Shown { sender: Sender::Sharer, offer }, What::Acknowledged, What::Left];
    let network: welcome_proto::NetworkId = "guests".parse().expect("a good name");
    let reports = steps.map(|what| Report { network: network.clone(), what, at: None }).to_vec();
    let batch = format!("b-{connection}-{n}").parse().expect("letters and digits");
    router.report(&ReportBatch { batch, reports }).expect("it can be written as JSON")
}

fn address(number: u64) -> Bssid {
    let [_, _, bytes @ ..] = number.to_be_bytes();
    Bssid::try_from(Mac(bytes)).expect("its first byte is that of one address")
}

/// As the line that begins with # says.
pub(crate) const CONNECTIONS: usize = 16;
const LENGTH: Duration = Duration::from_secs(8);
