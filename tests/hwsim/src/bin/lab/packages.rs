//! The Debian packages the lab lives on: finds what is missing and installs it.
//!
//! Must never start a service: hostapd and wpa_supplicant are wanted as files only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use hwsim::Debian;

use crate::command::{command, output};

/// Installs what is missing of what every story needs and of these; does nothing, and needs no root, when all is there.
///
/// # Errors
/// When something is missing and cannot be installed; the error says what, and what to type.
pub(crate) fn install_missing(more: &[Debian]) -> Result<()> {
    ensure!(
        output(&mut command(&["dpkg-query", "--version"])).is_ok(),
        "this is no Debian or Ubuntu; the lab takes its programs from Debian packages: {}",
        PACKAGES.join(" ")
    );
    let missing = missing(more);
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        rustix::process::getuid().is_root(),
        "packages are missing and only root can install them: sudo apt-get install --no-install-recommends {}",
        missing.join(" ")
    );
    eprintln!("lab: installing {}", missing.join(" "));
    let guard = NoServices::set()?;
    let result = install(&missing);
    drop(guard);
    result
}

/// Where the files of installed packages are.
///
/// # Errors
/// When a package has no such file.
pub(crate) fn files(of: &[Debian]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for Debian { package, files: names } in of {
        let listing = output(&mut command(&["dpkg-query", "-L", package]))?;
        for name in *names {
            let path = listing.lines().map(Path::new).find(|path| path.ends_with(name) && path.is_file());
            files.push(path.with_context(|| format!("{package} has no {name}"))?.to_owned());
        }
    }
    Ok(files)
}

fn missing(more: &[Debian]) -> Vec<&'static str> {
    let more = more.iter().map(|debian| debian.package);
    PACKAGES.iter().copied().chain(more).filter(|package| !is_installed(package)).collect()
}

fn is_installed(package: &str) -> bool {
    output(&mut command(&["dpkg-query", "-W", "-f=${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}

fn install(missing: &[&'static str]) -> Result<()> {
    // Stale or empty lists are the usual state of a fresh container; with a dead mirror the old ones may still do.
    if let Err(error) = output(&mut command(&["apt-get", "update", "-qq"])) {
        eprintln!("lab: could not refresh apt's lists, going on with the old ones: {error:#}");
    }
    let unknown: Vec<_> =
        missing.iter().filter(|package| output(&mut command(&["apt-cache", "show", package])).is_err()).collect();
    if !unknown.is_empty() {
        bail!("apt does not know these packages: {unknown:?}; is the `main` (Ubuntu: `universe`) component enabled?");
    }
    let words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"];
    output(command(&words).args(missing).env("DEBIAN_FRONTEND", "noninteractive"))
        .with_context(|| format!("install {}", missing.join(" ")))?;
    Ok(())
}

/// While it lives, package scripts are told by `policy-rc.d` to start no service. A policy that was there stays.
struct NoServices {
    made: bool,
}

impl NoServices {
    fn set() -> Result<Self> {
        let file = Path::new(POLICY);
        if file.exists() {
            return Ok(Self { made: false });
        }
        let guard = Self { made: true };
        fs::write(file, "#!/bin/sh\nexit 101\n").with_context(|| format!("write {POLICY}"))?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.made
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("lab: {POLICY} could not be removed, services will not start: {error}");
        }
    }
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// What the host needs (QEMU, the tools that build the file system) and what is copied into the machine.
const PACKAGES: &[&str] = &[
    "qemu-system-x86",
    "binutils",
    "cpio",
    "kmod",
    "xz-utils",
    "hostapd",
    "wpasupplicant",
    "iw",
    "dnsmasq-base",
    "iproute2",
    "nftables",
    "busybox-static",
];
