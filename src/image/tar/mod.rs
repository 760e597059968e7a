//! Reading and writing tar streams, bounded in memory whatever the stream says.
//!
//! Own code, because layers are hostile input: the usual readers take extension headers of any length into memory, and
//! lose what layers need (sub-second times, extended attributes, sparse maps). Formats: ustar and pax (POSIX.1-2017
//! pax), GNU long names and all four sparse variants (GNU tar manual, "Standard", "Sparse Formats").

mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use reader::TarReader;
pub use writer::TarWriter;

/// Longest path or link target, in bytes: PATH_MAX without its terminator.
pub const MAX_PATH: usize = 4095;

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Regular,
    /// Hard link to `link`.
    Link,
    Symlink,
    Char,
    Block,
    Directory,
    Fifo,
}

/// Seconds and nanoseconds since 1970; the nanoseconds always count forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    pub secs: i64,
    pub nanos: u32,
}

/// One member of an archive, extensions applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// As written, so possibly absolute or with `..`.
    pub path: Vec<u8>,
    pub link: Vec<u8>,
    pub kind: Kind,
    /// Permission bits, with set-id and sticky bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Time,
    /// Size of the file when extracted, in bytes; 0 for everything but regular files.
    pub size: u64,
    pub major: u32,
    pub minor: u32,
    /// Names with their prefix (`user.x`), from pax `SCHILY.xattr.` records.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Offset and length of each data segment of a sparse file, ascending; `None` for plain files.
    pub sparse: Option<Vec<(u64, u64)>>,
}

impl Entry {
    /// The path for messages.
    pub fn name(&self) -> String {
        super::apply::printable(&self.path)
    }
}
