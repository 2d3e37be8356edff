//! A stand-in for opkg and apk, for tests: puts a package into a directory that is a router's root, as those would, and takes
//! it out again. Edited configuration is kept, old versions are replaced, and the scripts run in the root as on a router: by
//! `chroot`, with the root's own `/bin/sh`, `/dev/null` (a file will do) and `/lib/functions.sh`, which are the caller's to put
//! there.
//!
//! Left out: dependencies, architectures, signatures (others check those), conflicts with other packages, free space, feeds,
//! and the parts of the databases that nobody on a router reads. Databases of the real programs are not understood.

mod apk;
mod opkg;
mod root;

pub use root::Root;

#[cfg(test)]
mod tests;
