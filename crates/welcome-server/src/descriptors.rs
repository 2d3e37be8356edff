//! How many files the process may have open: each connection is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit to what this many connections need, as far as the system lets us, and says so if that is not enough.
pub(crate) fn allow(connections: usize) {
    let wanted = connections as u64 + BESIDE;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let allowed = wanted.min(hard);
    if soft < allowed && setrlimit(Resource::RLIMIT_NOFILE, allowed, hard).is_err() {
        tracing::warn!(soft, wanted, "may open too few files for all connections, and cannot change that");
    } else if hard < wanted {
        tracing::warn!(
            hard,
            wanted,
            "may open too few files for all connections: raise LimitNOFILE, or lower limits.connections"
        );
    }
}

/// The database's files and connections, the log, certificates.
const BESIDE: u64 = 128;
