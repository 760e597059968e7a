//! Writing blobs: staged in `tmp/`, verified, renamed.

use super::Digest;
use crate::error::{Error, Result};
use std::io::Write;

/// A blob on its way into the store. Dropping it uncommitted leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {}

impl BlobWriter {
    /// Verifies digest and size and makes the blob visible. Only [`super::Store::tag`] guarantees that it is on disk.
    pub fn commit(self) -> Result<Digest> {
        Err(Error::unsupported("write a blob: not built yet"))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, _buf: &[u8]) -> std::io::Result<usize> {
        Err(Error::unsupported("write a blob: not built yet").into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
