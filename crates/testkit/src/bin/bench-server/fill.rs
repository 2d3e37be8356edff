//! A directory of a given size, written past the server straight into its database, of which the server has made the
//! tables.
//!
//! Router by router in the order of their names, so that what is near in one table is near in the others, and indices grow
//! at their end. All of it belongs to the organisation that is there. The routers stand evenly over a square, about
//! [`PER_KM2`] of them in a square kilometre, whatever the size; whoever looks up a place finds as much in a large
//! directory as in a small one.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use fastrand::Rng;
use h3o::{LatLng, Resolution};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::rows::{Format, Table, Value};

/// What the directory holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Each with [`NETWORKS`] networks, each of these on [`BSS`] BSSIDs.
    pub(crate) routers: u32,
}

impl Size {
    pub(crate) fn of_bssids(bssids: u32) -> Self {
        Self { routers: bssids / PER_ROUTER }
    }

    /// Where a router stands: latitude and longitude.
    pub(crate) fn place(self, router: u32) -> (f64, f64) {
        let km = (f64::from(self.routers) / PER_KM2).sqrt();
        let mut rng = Rng::with_seed(u64::from(router));
        let (north, east) = (km * (rng.f64() - 0.5), km * (rng.f64() - 0.5));
        (MIDDLE.0 + north / KM_PER_DEGREE, MIDDLE.1 + east / (KM_PER_DEGREE * MIDDLE.0.to_radians().cos()))
    }
}

/// The name of a router.
pub(crate) fn router_name(router: u32) -> String {
    format!("r-bench{router:09}")
}

/// The key of a router, known to whoever knows its number.
pub(crate) fn router_key(router: u32) -> Ed25519KeyPair {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&router.to_be_bytes());
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed")
}

/// A BSSID of a router, as a number.
pub(crate) fn bssid(router: u32, n: u32) -> u64 {
    FIRST_BSSID + u64::from(router) * u64::from(PER_ROUTER) + u64::from(n)
}

/// Writes the directory for psql or sqlite3, as one transaction. The first `keyed` routers have their key.
pub(crate) fn write(
    out: &mut impl Write,
    format: Format,
    size: Size,
    keyed: u32,
    org: &str,
    now: i64,
) -> io::Result<()> {
    out.write_all(match format {
        // Its rows hang together; nobody has to look.
        Format::Copy => b"SET session_replication_role = replica; BEGIN;\n",
        Format::Insert => b"PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; BEGIN;\n",
    })?;
    let (org, year) = (Value::Text(org), now + 365 * 86_400);
    let (agent, vouched) = (Value::Text("agent"), Value::Number(1));

    let mut areas = Table::begin(out, format, "areas", "id, org, name")?;
    for router in 0..size.routers {
        areas.row(&[Value::Text(&area_name(router)), org, Value::Text("")])?;
    }
    areas.end()?;

    let columns = "id, org, area, kind, public_key, vouched, version, enrolled, seen, generation, announced";
    let mut routers = Table::begin(out, format, "routers", columns)?;
    for router in 0..size.routers {
        let key = (router < keyed).then(|| router_key(router));
        let public = key.as_ref().map_or(Value::Bytes(&[0; 32]), |key| Value::Bytes(key.public_key().as_ref()));
        let (name, area, at) = (router_name(router), area_name(router), Value::Number(now));
        let version = Value::Text("0.1.0");
        routers.row(&[
            Value::Text(&name),
            org,
            Value::Text(&area),
            agent,
            public,
            vouched,
            version,
            at,
            at,
            Value::Number(1),
            at,
        ])?;
    }
    routers.end()?;

    let columns = "router, id, ssid, security, cell5, cell9, lat, lon";
    let mut networks = Table::begin(out, format, "networks", columns)?;
    for router in 0..size.routers {
        let (lat, lon) = size.place(router);
        let place = LatLng::new(lat, lon).map_err(io::Error::other)?;
        let cell = |resolution| Value::Number(u64::from(place.to_cell(resolution)).cast_signed());
        let (cell5, cell9) = (cell(Resolution::Five), cell(Resolution::Nine));
        let name = router_name(router);
        for network in NETWORKS {
            let ssid = format!("Shared {router} {network}");
            let (id, ssid) = (Value::Text(network), Value::Bytes(ssid.as_bytes()));
            let degrees = (Value::Degrees(lat), Value::Degrees(lon));
            networks.row(&[Value::Text(&name), id, ssid, Value::Text("psk"), cell5, cell9, degrees.0, degrees.1])?;
        }
    }
    networks.end()?;

    let mut bss = Table::begin(out, format, "bss", "bssid, router, network, freq")?;
    for router in 0..size.routers {
        let name = router_name(router);
        for n in 0..PER_ROUTER {
            let network = NETWORKS[(n / BSS) as usize];
            let number = Value::Number(bssid(router, n).cast_signed());
            let freq = if n % 2 == 0 { Value::Number(2412) } else { Value::Nothing };
            bss.row(&[number, Value::Text(&name), Value::Text(network), freq])?;
        }
    }
    bss.end()?;

    let columns = "bssid, org, how, registered, expires";
    let mut registrations = Table::begin(out, format, "registrations", columns)?;
    for n in 0..u64::from(size.routers) * u64::from(PER_ROUTER) {
        let number = Value::Number((FIRST_BSSID + n).cast_signed());
        registrations.row(&[number, org, Value::Text("witnessed"), Value::Number(now), Value::Number(year)])?;
    }
    registrations.end()?;
    out.write_all(match format {
        Format::Copy => b"COMMIT; VACUUM ANALYZE;\n",
        Format::Insert => b"COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);\n",
    })
}

/// Writes it through this program, which reads SQL.
pub(crate) fn through(
    mut program: Command,
    write: impl FnOnce(&mut BufWriter<std::process::ChildStdin>) -> io::Result<()>,
) -> io::Result<()> {
    let mut reader = program.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let input = reader.stdin.take().ok_or_else(|| io::Error::other("no input"))?;
    let mut out = BufWriter::with_capacity(1 << 20, input);
    let written = write(&mut out).and_then(|()| out.flush());
    drop(out);
    let status = reader.wait()?;
    written?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{program:?}: {status}"))) }
}

/// `sqlite3` on this file.
pub(crate) fn sqlite(file: &Path) -> Command {
    let mut sqlite3 = Command::new("sqlite3");
    sqlite3.arg("-bail").arg(file);
    sqlite3
}

fn area_name(router: u32) -> String {
    format!("a-bench{router:09}")
}

const NETWORKS: [&str; 2] = ["guests", "office"];
/// Of a network: two access points with two bands each.
const BSS: u32 = 4;
/// BSSIDs of a router.
pub(crate) const PER_ROUTER: u32 = NETWORKS.len() as u32 * BSS;
/// `02:00:00:00:00:00`: locally administered.
const FIRST_BSSID: u64 = 0x0200_0000_0000;
/// A town's, not a shopping street's: about 25 routers are near enough to be found.
const PER_KM2: f64 = 6.4;
const MIDDLE: (f64, f64) = (48.0, 11.0);
const KM_PER_DEGREE: f64 = 111.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite3_takes_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.sqlite");
        let tables = concat!(env!("CARGO_MANIFEST_DIR"), "/../welcome-server/migrations/0001_directory.sql");
        let mut made = sqlite(&file);
        assert!(made.arg(format!(".read {tables}")).status().unwrap().success());
        through(sqlite(&file), |out| write(out, Format::Insert, Size::of_bssids(1000), 3, "o-1", 1_795_400_000))
            .unwrap();
        let count = sqlite(&file)
            .arg(
                "SELECT count(*), count(DISTINCT b.router), min(b.bssid) FROM bss b JOIN registrations USING (bssid)
                  JOIN networks n ON n.router = b.router AND n.id = b.network JOIN routers r ON r.id = n.router
                  JOIN areas a ON a.id = r.area",
            )
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&count.stdout), format!("1000|125|{FIRST_BSSID}\n"));
    }

    #[test]
    fn as_many_are_near_in_a_large_directory_as_in_a_small_one() {
        for bssids in [100_000, 1_000_000] {
            let size = Size::of_bssids(bssids);
            let near = |router| {
                let ((lat, lon), (a, b)) = (MIDDLE, size.place(router));
                let km = ((lat - a) * KM_PER_DEGREE).hypot((lon - b) * KM_PER_DEGREE * lat.to_radians().cos());
                km < 5.0
            };
            let count = (0..size.routers).filter(|router| near(*router)).count() as f64;
            let expected = PER_KM2 * std::f64::consts::PI * 25.0;
            assert!((count / expected - 1.0).abs() < 0.2, "{count} {expected}");
        }
    }
}
