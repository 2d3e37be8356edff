//! What others serve on one core, for comparison: lighttpd our page as a file, openNDS its own page.
//!
//! lighttpd has nothing to decide: it is what a web server on a router can do at best. openNDS is what does our work
//! elsewhere. A guest whose request it has caught is led to its page, `/opennds_preauth/?fas=…`; that page (2.6 kB: a
//! heading with our offer's title, two forms) is what is fetched. A shell script makes it for each request and the
//! connection is closed after it: this is what a guest waits for, and no setting of the package caches it.
//!
//! A peer that cannot be had or run is left out, with a line that says why. Ours must not depend on theirs.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::program::{TITLE, free_address};
use crate::{load, row};

/// Runs the peers from the packages unpacked in the directory `packages`.
pub(crate) fn measure(packages: &Path, page: &str, length: Duration) {
    let peers = [("lighttpd", lighttpd(packages, page, length)), ("opennds", opennds(packages, length))];
    for (name, outcome) in peers {
        match outcome {
            Ok(figure) => row(&format!("peer.{name}.page_rps"), &format_args!("{figure:.1}"), "requests/s"),
            Err(why) => println!("# peer.{name}: {}", why.trim().replace('\n', "; ")),
        }
    }
}

fn lighttpd(packages: &Path, page: &str, length: Duration) -> Result<f64, String> {
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let (config, own) = (dir.path().join("conf"), dir.path().display());
    std::fs::write(dir.path().join("index.html"), page).unwrap();
    // No log of requests is the default. The most requests for a kept connection: ours has no such limit.
    let text = format!(
        "server.document-root = \"{own}\"
server.bind = \"{}\"
server.port = {}
server.max-keep-alive-requests = 65535
index-file.names = ( \"index.html\" )
mimetype.assign = ( \".html\" => \"text/html; charset=utf-8\" )
",
        address.ip(),
        address.port()
    );
    std::fs::write(&config, text).unwrap();
    let mut run = apart(&["--mount"], "lighttpd", packages);
    let _server = Ends(run.arg(&config).stderr(Stdio::null()).spawn().map_err(|e| e.to_string())?);
    let served = (0..50).find_map(|_| {
        sleep(Duration::from_millis(100));
        load::get(address, "/").ok()
    });
    match served {
        Some(served) if served == page => load::requests_per_second(address, "/", length),
        Some(other) => Err(format!("it serves another page: {other}")),
        None => Err("it does not answer; neither installed nor in the packages, or no namespaces here".to_owned()),
    }
}

fn opennds(packages: &Path, length: Duration) -> Result<f64, String> {
    let mut run = apart(&["--mount", "--net", "--pid", "--mount-proc"], "opennds", packages);
    run.arg(TITLE).args(["taskset", "--cpu-list", load::ASKING, "wrk", "--threads", "1", "--timeout", "10s"]);
    // It hangs up on whoever sends no such header.
    run.args(["--header", "User-Agent: wrk"]);
    run.args(["--connections", load::CONNECTIONS, "--duration"]).arg(format!("{}s", length.as_secs()));
    let Output { status, stdout, stderr } = run.output().map_err(|e| e.to_string())?;
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if !status.success() {
        return Err(format!("failed: {stderr}"));
    }
    match stdout.split_once(SEPARATOR) {
        Some((page, printed)) if page.contains(TITLE) && page.contains("<form") => load::read(printed),
        _ => Err(format!("it serves another page: {stdout}")),
    }
}

/// The script in namespaces of its own, as root of them.
fn apart(namespaces: &[&str], peer: &str, packages: &Path) -> Command {
    let mut run = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        run.arg("--map-root-user");
    }
    run.args(namespaces).args(["--fork", "--kill-child", "sh", "-c", SCRIPT, "peers.sh", peer]);
    run.arg(packages).arg(load::SERVING).stdin(Stdio::null());
    run
}

/// A server that ends when dropped.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _killed = self.0.kill().and_then(|()| self.0.wait()).is_ok();
    }
}

const SCRIPT: &str = include_str!("peers.sh");
/// As in the script.
const SEPARATOR: &str = "=== what the load printed";
