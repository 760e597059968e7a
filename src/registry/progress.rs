//! What a pull or a push tells its caller while it works.

use std::time::Duration;

/// One step. For a push, "here" is the registry, and to fetch is to send. Layers are known by their digest (`sha256:…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A line for the user ("Trying to pull …").
    Note(&'a str),
    /// The layer will be fetched; `size` in bytes as the manifest says.
    Queued { layer: &'a str, size: u64 },
    /// The layer is here already.
    Exists { layer: &'a str },
    /// So many bytes of the layer's compressed data are here that were not fetched by this pull: an earlier one left
    /// them, or another process brings them (`elsewhere`).
    Held { layer: &'a str, bytes: u64, elsewhere: bool },
    /// `bytes` more of the layer's compressed data have arrived.
    Received { layer: &'a str, bytes: u64 },
    /// The registry has taken the layer from another of its repositories (pushes only).
    Mounted { layer: &'a str, from: &'a str },
    /// The layer's blob is complete and verified; it is being unpacked.
    Downloaded { layer: &'a str },
    /// The layer is in the store.
    Done { layer: &'a str },
    /// The connection failed and is tried again after `delay`.
    Retrying { what: &'a str, why: &'a str, attempt: u32, attempts: u32, delay: Duration },
    /// No further events; whatever draws must stop before this returns (threads would not survive a fork). Without
    /// success an error follows, which tells all.
    Finished { success: bool },
}

/// Receives [`Event`]s, from several threads at once.
pub trait Progress: Sync {
    fn event(&self, event: Event<'_>);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event<'_>) {}
}
