//! The same entries in a table of SQLite's, found by its primary key: what a program without the library would do. Measured
//! in SQLite's own shell, whose time for reading the query and printing the rows is part of it.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use welcome_proto::Bssid;
use welcome_proto::lookup::ListEntry;

use crate::row;
use crate::world::{LISTED, entries, place};

pub(crate) fn measure() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("list.sqlite");
    if let Err(error) = fill(&file) {
        println!("# peer.sqlite: no figures: {error}");
        return Ok(());
    }
    // Once for nothing: from then on the file is in memory.
    run(&file, &queries(PLACES)?)?;
    let (_, start) = run(&file, "SELECT 1;\n")?;
    let (rows, time) = run(&file, &queries(PLACES)?)?;
    if rows != PLACES as usize * LISTED {
        return Err(format!("SQLite found {rows} rows").into());
    }
    let each = time.saturating_sub(start) / PLACES;
    row("peer.sqlite.lookup60of1m", &format_args!("{:.1}", each.as_secs_f64() * 1e6), "us");
    Ok(())
}

fn fill(file: &Path) -> Result<(), Box<dyn Error>> {
    let mut shell = Command::new("sqlite3").arg(file).stdin(Stdio::piped()).spawn()?;
    let input = shell.stdin.take().ok_or("sqlite3 takes no input")?;
    let mut out = BufWriter::new(input);
    out.write_all(b"PRAGMA synchronous=OFF; BEGIN;\n")?;
    out.write_all(b"CREATE TABLE list (bssid INTEGER PRIMARY KEY, ssid TEXT, security INTEGER, key TEXT, area TEXT, signer TEXT);\n")?;
    for ListEntry { bssid, ssid, security, key, area, signer, .. } in entries() {
        let key = key.as_ref().map_or("", |key| key.reveal());
        let signer = signer.as_deref().unwrap_or_default();
        writeln!(
            out,
            "INSERT INTO list VALUES({},'{ssid}',{},'{key}','{area}','{signer}');",
            number(bssid),
            security as u8
        )?;
    }
    out.write_all(b"COMMIT;\n")?;
    drop(out.into_inner().map_err(io::IntoInnerError::into_error)?);
    let status = shell.wait()?;
    if status.success() { Ok(()) } else { Err(format!("sqlite3 ended with {status}").into()) }
}

fn queries(places: u32) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for place in (0..places).map(place) {
        let heard: Vec<_> = place.iter().map(|sighting| number(sighting.bssid).to_string()).collect();
        writeln!(text, "SELECT * FROM list WHERE bssid IN ({});", heard.join(","))?;
    }
    Ok(text)
}

/// Has the shell answer; how many rows, and after what time.
fn run(file: &Path, queries: &str) -> Result<(usize, Duration), Box<dyn Error>> {
    let input = tempfile::NamedTempFile::new()?;
    std::fs::write(&input, queries)?;
    let begin = Instant::now();
    let output = Command::new("sqlite3").arg("-readonly").arg(file).stdin(File::open(&input)?).output()?;
    let time = begin.elapsed();
    if !output.status.success() {
        return Err(format!("sqlite3 ended with {}", output.status).into());
    }
    Ok((output.stdout.iter().filter(|byte| **byte == b'\n').count(), time))
}

fn number(bssid: Bssid) -> u64 {
    let [a, b, c, d, e, f] = bssid.mac().0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

const PLACES: u32 = 2000;
