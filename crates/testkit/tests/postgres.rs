//! The cluster that tests of the server run on. Needs Debian's `postgresql`.
#![allow(clippy::unwrap_used)]

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::postgres::Cluster;

#[test]
fn what_was_committed_is_there_after_a_crash() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.database().unwrap();
    cluster.psql(&url, "CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (1), (2)").unwrap();
    cluster.crash().unwrap();
    assert!(cluster.psql(&url, "SELECT 1").is_err());
    cluster.resume().unwrap();
    assert_eq!(cluster.psql(&url, "SELECT n, n * 2 FROM t ORDER BY n").unwrap(), "1|2\n2|4\n");
}

#[test]
fn databases_are_apart_and_a_failed_statement_is_an_error() {
    let cluster = Cluster::start().unwrap();
    let (one, other) = (cluster.database().unwrap(), cluster.database().unwrap());
    cluster.psql(&one, "CREATE TABLE t (n BIGINT)").unwrap();
    let error = cluster.psql(&other, "INSERT INTO t VALUES (1)").unwrap_err().to_string();
    assert!(error.contains(r#"relation "t" does not exist"#), "{error}");
}

#[test]
fn nothing_of_it_is_left() {
    let cluster = Cluster::start().unwrap();
    let directory = directory(&cluster.database().unwrap());
    assert!(answers(&directory));
    drop(cluster);
    assert!(!directory.exists());
}

#[test]
fn nothing_of_it_is_left_when_its_holder_is_killed() {
    // This very test program, as the holder.
    let mut holder = Command::new(std::env::current_exe().unwrap());
    holder.args(["--exact", "a_holder", "--ignored", "--nocapture"]).env(HOLD, "1");
    let mut holder = holder.stdout(Stdio::piped()).spawn().unwrap();
    let said = std::io::BufRead::lines(std::io::BufReader::new(holder.stdout.take().unwrap()));
    let directory = said.map_while(Result::ok).find_map(|l| l.split_once("holds ").map(|(_, dir)| PathBuf::from(dir)));
    let directory = directory.unwrap();
    assert!(answers(&directory));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let killed = Instant::now();
    while directory.exists() {
        assert!(killed.elapsed() < Duration::from_secs(20), "{} is still there", directory.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "what the test above runs and kills"]
#[allow(clippy::print_stdout, reason = "its only way to say where")]
fn a_holder() {
    if std::env::var_os(HOLD).is_some() {
        let cluster = Cluster::start().unwrap();
        println!("holds {}", directory(&cluster.database().unwrap()).display());
        std::thread::sleep(Duration::from_secs(30));
    }
}

const HOLD: &str = "TESTKIT_POSTGRES_HOLD";

fn directory(url: &str) -> PathBuf {
    url.split_once("?host=").unwrap().1.into()
}

/// Whether a server listens there.
fn answers(directory: &Path) -> bool {
    UnixStream::connect(directory.join(".s.PGSQL.5432")).is_ok()
}
