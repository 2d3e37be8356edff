//! How long a look-up takes, one after the other over one connection, so that no time is waited for another's answer.

use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::Request;
use serde_json::json;
use testkit::fleet::http::{Answer, Error, Server};
use testkit::fleet::load::{Pace, closed_loop};
use welcome_proto::Mac;
use welcome_proto::lookup::Listing;

use crate::fill::{PER_ROUTER, Size, bssid};
use crate::row;

/// Prints the figures of a directory of this size, named by what it is kept in.
pub(crate) async fn measure(server: &Server, size: Size, name: &str) -> Result<(), Error> {
    let by_bssids = measure_one(server, move |rng| bssids(size, rng)).await?;
    tell("server.lookup_bssid", &by_bssids, name);
    let by_place = measure_one(server, move |rng| place(size, rng)).await?;
    tell("server.lookup_place", &by_place, name);
    Ok(())
}

/// Asks once before, so that the server's connections to its database are there.
async fn measure_one(
    server: &Server,
    request: impl Fn(&mut Rng) -> Request<Bytes> + Clone + Send + Sync + 'static,
) -> Result<Pace, Error> {
    let mut pace = Pace::default();
    for (round, length) in [WARM_UP, LENGTH].into_iter().enumerate() {
        let request = request.clone();
        let asked = move |_, n| request(&mut Rng::with_seed((round as u64) << 32 | n));
        pace = closed_loop(server, 1, length, asked, found_something).await?;
    }
    Ok(pace)
}

/// What somebody hears between two routers, and some that nobody shares.
fn bssids(size: Size, rng: &mut Rng) -> Request<Bytes> {
    let router = rng.u32(..size.routers - 1);
    let shared = (0..2 * PER_ROUTER).map(|n| bssid(router, n));
    let others = (0..8).map(|_| FOREIGN | rng.u64(..1 << 32));
    let heard: Vec<_> = shared.chain(others).map(text).collect();
    let body = json!({ "bssids": heard }).to_string();
    Request::post("/v1/lookup/bssids").body(body.into()).expect("a fixed request")
}

fn place(size: Size, rng: &mut Rng) -> Request<Bytes> {
    let (lat, lon) = size.place(rng.u32(..size.routers));
    let target = format!("/v1/lookup/place?lat={lat:.5}&lon={lon:.5}");
    Request::get(target).body(Bytes::new()).expect("digits are good in a query")
}

/// An empty answer comes fast, and tells nothing.
fn found_something(answer: &Answer) -> Result<(), Error> {
    let listing: Listing = serde_json::from_slice(&answer.body)?;
    if listing.entries.len() < PER_ROUTER as usize {
        let found = listing.entries.len();
        return Err(std::io::Error::other(format!("a look-up found {found} BSSIDs of at least {PER_ROUTER}")).into());
    }
    Ok(())
}

fn text(number: u64) -> String {
    let [_, _, bytes @ ..] = number.to_be_bytes();
    Mac(bytes).to_string()
}

fn tell(figure: &str, pace: &Pace, name: &str) {
    for (share, of) in [(0.5, "p50"), (0.99, "p99")] {
        row(&format!("{figure}.{of}.{name}"), &pace.quantile(share).as_micros(), "us");
    }
}

/// `06:…`: locally administered, too, and in no directory of ours.
const FOREIGN: u64 = 0x0600_0000_0000;
const WARM_UP: Duration = Duration::from_secs(2);
const LENGTH: Duration = Duration::from_secs(8);
