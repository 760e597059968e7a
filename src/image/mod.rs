//! Images: names, the store (an OCI image layout that other tools read), layers and archives.
//!
//! `index.json` is the one truth about which images exist; blobs are immutable; extracted layers are a cache that can
//! always be rebuilt from blobs. The store's lock is taken shared by everything that adds blobs, layers or
//! containers, and exclusively by [`Store::collect`], which deletes what nothing refers to.

mod blobs;
mod config;
mod digest;
mod manifest;
mod reference;
mod store;
mod unpack;

pub use blobs::BlobWriter;
pub use config::{Empty, Healthcheck, History, ImageConfig, RootFs, RunConfig, chain_ids};
pub use digest::Digest;
pub use manifest::*;
pub use reference::Reference;
pub use store::{Image, LayerRef, Store};
pub use unpack::{LayerEvent, LayerSink, Unpacker};
