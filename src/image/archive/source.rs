//! Undoing the compression of a whole archive.

use crate::error::Result;
use crate::image::decompress::Decoder;
use std::io::{BufRead, BufReader, Read};

/// Passes `input`, decompressed (gzip, zstd, xz, bzip2), to `use_it`.
pub fn decompressed<T>(input: impl Read + Send, use_it: impl FnOnce(&mut dyn BufRead) -> Result<T>) -> Result<T> {
    use_it(&mut BufReader::with_capacity(128 << 10, Decoder::new(input)?))
}
