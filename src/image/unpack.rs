//! Extracting layers: one process with mapped ids, several layers at once, each layer a pipeline of threads.

use super::Digest;
use crate::error::{Error, Result};
use std::io::Write;

/// What became of a layer of an [`Unpacker`] since the last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerEvent {
    /// This many bytes of its blob are extracted.
    Consumed { index: usize, bytes: u64 },
    /// It is extracted and its digest matches.
    Done { index: usize },
}

/// Extracts an image's layers while they arrive. `index` is the position in the list given to
/// [`super::Store::unpacker`]. All methods may be called from several threads at once.
#[derive(Debug)]
pub struct Unpacker {}

impl Unpacker {
    /// Whether layer `index` has to be fed: neither extracted already nor below a layer whose blob is here. A layer that
    /// is extracted but whose blob is missing must be fed too (blobs are kept for push and save).
    pub fn needs_blob(&self, _index: usize) -> bool {
        true
    }
    /// The writer for the download of layer `index`: what is written goes to the blob and is extracted on the way, but
    /// never waits for the extraction.
    pub fn sink(&self, _index: usize) -> Result<LayerSink<'_>> {
        Err(Error::unsupported("unpack a layer: not built yet"))
    }
    /// Waits until every layer is extracted and verified, then puts all in place. Layers whose blob was in the store
    /// from the start need no sink.
    pub fn finish(self, _progress: &(dyn Fn(LayerEvent) + Sync)) -> Result<()> {
        Err(Error::unsupported("unpack a layer: not built yet"))
    }
}

/// Where a download writes its bytes; see [`Unpacker::sink`]. Dropping it unfinished forgets the bytes, and another
/// sink for the same layer may be made (a retry).
#[derive(Debug)]
pub struct LayerSink<'u> {
    _unpacker: &'u Unpacker,
}

impl LayerSink<'_> {
    /// Verifies digest and size and makes the blob visible; the extraction may still be under way.
    pub fn commit(self) -> Result<Digest> {
        Err(Error::unsupported("unpack a layer: not built yet"))
    }
}

impl Write for LayerSink<'_> {
    fn write(&mut self, _buf: &[u8]) -> std::io::Result<usize> {
        Err(Error::unsupported("unpack a layer: not built yet").into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
