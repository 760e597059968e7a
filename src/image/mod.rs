//! Images: names, the store (an OCI image layout that other tools read), layers and archives.
//!
//! `index.json` is the one truth about which images exist; blobs are immutable; extracted layers are a cache that can
//! always be rebuilt from blobs. The store's lock is taken shared by everything that adds blobs, layers or
//! containers, and exclusively by whoever deletes what nothing refers to.

mod apply;
mod archive;
mod blobs;
mod check;
mod compose;
mod config;
mod decompress;
pub mod diff;
mod digest;
mod gc;
mod gzip;
mod hello;
mod index;
mod layers;
mod layout;
mod layout_dir;
mod list;
mod manifest;
mod partial;
mod reference;
mod storage;
mod store;
pub mod tar;
#[cfg(test)]
mod tests;
pub mod tree;
mod unpack;

pub use apply::{Limits, OVERRIDE_STAT, Owners, apply};
pub use archive::decompressed;
pub use archive::{ImportOptions, Layers as SaveLayers, Loaded, ReadProgress, SaveFormat, ToSave, What};
pub use blobs::BlobWriter;
pub use check::{BadBlob, BadLayer, Checked, JOB as CHECK_JOB, Wrong, job as check_job};
pub use compose::{Format, StoredLayer, fill_history};
pub use config::{Empty, Healthcheck, History, ImageConfig, RootFs, RunConfig, chain_ids};
pub use decompress::{Compression, Decoder};
pub use digest::Digest;
pub use gc::{Assume, Collected, Garbage};
pub use gzip::{LEVEL as GZIP_LEVEL, ParallelGzip};
pub use hello::NAME as HELLO;
pub use layers::{LayerDirectory, LayerRecord};
pub use layout_dir::LayoutDir;
pub use list::{Draft, ImageList, MemberNotes};
pub use manifest::*;
pub use partial::{Claim, Pending, Turn, Watch};
pub use reference::Reference;
pub use storage::{Foreign, job as storage_layer_job};
pub use store::{Image, LayerRef, Store, host_architecture};
pub use unpack::pipeline::{ChunkReader, Inflated, run as inflate_through};
pub use unpack::{LayerEvent, LayerSink, LayerWatch, Replace, Sink, Unpacker, Waited, job as unpack_job};
