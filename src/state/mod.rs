//! On-disk state: paths, locks, atomic writes, names and the records of containers (contrib/ARCHITECTURE.md).

pub mod container;
pub mod paths;
