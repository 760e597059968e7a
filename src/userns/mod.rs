//! User namespaces: which ids the user may map, and how they get into a new namespace.
//!
//! The ladder: subordinate ranges through newuidmap/newgidmap (`Full`), the user's own id alone (`OneId`), and for
//! root the identity map of every id that root has (`Root`).

mod hints;
mod idmap;
mod maps;
mod subid;

pub use hints::explain;
pub use idmap::{IdMap, Level, Range, find_helper};
pub use maps::{Early, Writing, outer, start_maps, write_maps};
