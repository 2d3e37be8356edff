//! opkg's format, which OpenWrt uses up to 24.10: a gzipped tar with three members, of which two are gzipped tars themselves, one
//! with the package's files and one with what opkg must know of it. [`write()`] makes one of a package, [`read`] takes anybody's
//! apart.

mod read;
mod write;

pub use read::{Ipk, read};
pub use write::{file_name, write};

/// The three members, in the order in which OpenWrt's own have them.
const MEMBERS: [&str; 3] = ["./debian-binary", "./data.tar.gz", "./control.tar.gz"];

#[cfg(test)]
mod tests;
