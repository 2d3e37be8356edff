//! apk's own format, version 3 ("ADB"), which OpenWrt uses from 25.12 on. From the outside in:
//!
//! - `container`: blocks (the database, signatures, files' bytes), and the compression around them;
//! - `sign`: signatures over the database, and their check;
//! - `value`: the database, a heap of values, objects and arrays: written, and read within its bounds;
//! - `schema`: what a package and an index are made of, as types.
//!
//! Whatever is read may come from anybody: nothing here panics, and nothing is allocated on a stranger's word.

pub mod container;
pub mod schema;
pub mod sign;
pub mod value;

/// Why bytes are no package or index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They are cut, or something points outside.
    #[error("{0} lies outside of the data")]
    Outside(&'static str),
    /// Something is there that the format does not have there.
    #[error("{0}")]
    Malformed(&'static str),
    /// Longer than anything we would make.
    #[error("{0} is longer than the limit")]
    TooLong(&'static str),
    /// What a hash or a signature says is not so.
    #[error("{0}")]
    Forged(&'static str),
}
