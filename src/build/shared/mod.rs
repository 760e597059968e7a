//! Build caches that are shared between machines: `--cache-from` and `--cache-to`.
//!
//! The form is BuildKit's (its `cache/remotecache/v1`): a manifest whose config lists records and whose layers are
//! the results, in a registry or an OCI layout; or the same list in the config of an image (inline). Keys are our own,
//! so that BuildKit finds nothing in our caches and we find nothing in its; neither is hurt by the other's.

mod ask;
mod export;
mod form;
mod import;

pub use ask::{From, To, ToKind};
pub use export::{export, inline};
pub use import::{Foreign, import};
