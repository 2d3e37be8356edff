//! HTTP: one request to see that an answer is right, and as many as fit into a few seconds.
//!
//! What serves is on one core and what asks is on another, so that the figure is what one core serves; as long as one core
//! can ask that fast: near wrk's own limit (150 000 a second and more) it is a lower bound.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The core of what is measured.
pub(crate) const SERVING: &str = "0";
/// The core of the load.
pub(crate) const ASKING: &str = "1";
/// Connections that are kept: one less than the portal grants an address, because wrk begins with one that it drops.
pub(crate) const CONNECTIONS: &str = "7";

/// Runs a program on one core.
pub(crate) fn pinned(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(program);
    command
}

/// Whether there are two cores.
pub(crate) fn is_possible() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2)
}

/// The body at this path.
///
/// # Errors
/// If the answer is anything but 200.
pub(crate) fn get(server: SocketAddr, path: &str) -> Result<String, String> {
    let mut stream = TcpStream::connect(server).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").map_err(|e| e.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| e.to_string())?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        _ => Err(format!("{path} was answered with {answer:?}")),
    }
}

/// Requests a second over kept connections.
///
/// # Errors
/// If a single one failed.
pub(crate) fn requests_per_second(server: SocketAddr, path: &str, length: Duration) -> Result<f64, String> {
    let length = format!("{}s", length.as_secs());
    let mut wrk = pinned(ASKING, Path::new("wrk"));
    wrk.args(["--threads", "1", "--connections", CONNECTIONS, "--duration", &length]);
    let output = wrk.arg(format!("http://{server}{path}")).output().map_err(|e| format!("wrk: {e}"))?;
    read(&String::from_utf8_lossy(&output.stdout)).map_err(|e| format!("{path} under load: {e}"))
}

/// What wrk printed, as requests a second.
///
/// # Errors
/// If it printed anything about failures, or no figure.
pub(crate) fn read(printed: &str) -> Result<f64, String> {
    let find = |prefix: &str| printed.lines().find_map(|line| line.trim().strip_prefix(prefix));
    for failures in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        if let Some(of_them) = find(failures) {
            return Err(format!("{failures}{of_them}"));
        }
    }
    let figure = find("Requests/sec:").and_then(|f| f.trim().parse().ok());
    figure.filter(|f| *f > 0.0).ok_or_else(|| format!("wrk printed {printed:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_with_a_failure_has_no_figure() {
        // As wrk 4.1.0 prints them.
        let right = "  4000 requests in 2.00s, 4.19MB read\nRequests/sec:   1999.87\nTransfer/sec:      2.10MB\n";
        assert_eq!(read(right), Ok(1999.87));
        for failure in
            ["  Socket errors: connect 0, read 8, write 142728, timeout 0\n", "  Non-2xx or 3xx responses: 1\n"]
        {
            assert_eq!(read(&format!("{failure}{right}")), Err(failure.trim().to_owned()));
        }
        for none in ["Requests/sec:      0.00\n", "", "unable to connect to 127.0.0.1:1 Connection refused\n"] {
            assert!(read(none).is_err(), "{none}");
        }
    }
}
