//! On-disk state: paths, locks, atomic writes, names and the records of containers (contrib/ARCHITECTURE.md).

pub mod atomic;
pub mod boot;
pub mod container;
pub mod containers;
pub mod events;
pub mod gcdir;
pub mod hook;
pub mod lock;
pub mod names;
pub mod paths;
pub mod store;
pub mod text;
