//! The systemd unit, held to systemd's own tools: that it says what systemd understands, and how much it locks away.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::tempdir;

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/welcome-server.service");
/// Of what systemd counts as exposed, in tenths; "OK" ends at 40. Left open is what a server needs: the network, and a port
/// below 1024.
const EXPOSED: &str = "20";

#[test]
fn systemd_understands_every_line_of_the_unit() {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    let Some(good) = verified(&unit) else { return skip() };
    assert!(good.status.success() && good.stderr.is_empty(), "{good:?}");
    for (right, wrong) in [
        ("ProtectHome=", "ProtectHomes="),
        ("Restart=on-failure", "Restart=sometimes"),
        ("@system-service", "@system-services"),
        ("/usr/bin/welcome-server", "/usr/bin/absent"),
    ] {
        let bad = verified(&unit.replace(right, wrong)).unwrap();
        assert!(!bad.status.success() || !bad.stderr.is_empty(), "{wrong} was not found: {bad:?}");
    }
}

#[test]
fn the_unit_locks_away_what_the_server_does_not_need() {
    let Some(output) = analyze(&["security", "--offline=true", "--no-pager", "--threshold", EXPOSED, UNIT]) else {
        return skip();
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let output = analyze(&["security", "--offline=true", "--no-pager", "--threshold", "1", UNIT]).unwrap();
    assert!(!output.status.success(), "the threshold is looked at");
}

/// In a root of its own, where the program is.
fn verified(unit: &str) -> Option<Output> {
    let root = tempdir().unwrap();
    let place = |path: &str| {
        let place = root.path().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    };
    std::fs::write(place("etc/systemd/system/welcome-server.service"), unit).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_welcome-server"), place("usr/bin/welcome-server")).unwrap();
    std::fs::copy("/bin/kill", place("bin/kill")).unwrap();
    let root = format!("--root={}", Path::new(root.path()).display());
    analyze(&["verify", &root, "--man=no", "--recursive-errors=no", "welcome-server.service"])
}

/// `None` where systemd is not.
fn analyze(arguments: &[&str]) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).env("SYSTEMD_LOG_LEVEL", "notice").output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        output => Some(output.unwrap()),
    }
}

#[allow(clippy::print_stderr, reason = "who skips says so")]
fn skip() {
    eprintln!("skipped: systemd-analyze is not here");
}
