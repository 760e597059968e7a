//! coracle: a daemonless, rootless container engine.
//!
//! Layers, lowest first; a module uses lower layers only (held by `tests/layering.rs`, drawn in
//! `contrib/ARCHITECTURE.md`):
//!
//! ```text
//! cli → build → engine → {monitor, registry} → {runtime, net, image, volume} → {stage, spec} → {state, userns} → sys
//! ```

#![deny(unsafe_code)]
#![warn(clippy::undocumented_unsafe_blocks)]

pub mod build;
pub mod cli;
pub mod engine;
pub mod error;
pub mod hello;
pub mod image;
pub mod monitor;
pub mod net;
pub mod registry;
pub mod runtime;
pub mod spec;
pub mod stage;
pub mod state;
#[allow(unsafe_code)]
pub mod sys;
pub mod userns;
pub mod volume;
