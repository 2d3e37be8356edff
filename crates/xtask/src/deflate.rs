//! Compression as small as it gets: what is unpacked a thousand times on routers is packed once.
//!
//! libdeflate's best level is three in a hundred smaller than zlib's, and reads as any other. Decompression, of which tests
//! need limits, is flate2's.

use libdeflater::{CompressionLvl, Compressor};

/// Raw deflate (RFC 1951).
#[must_use]
pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::best());
    let mut out = vec![0; compressor.deflate_compress_bound(bytes.len())];
    let length = compressor.deflate_compress(bytes, &mut out).expect("the bound is long enough");
    out.truncate(length);
    out
}

/// gzip (RFC 1952), without a name or a time.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::best());
    let mut out = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let length = compressor.gzip_compress(bytes, &mut out).expect("the bound is long enough");
    out.truncate(length);
    out
}
