//! The 512-byte header block.

use super::{Kind, Time};
use crate::error::{Error, Result};

pub const BLOCK: usize = 512;

/// What the type flag says, extension headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    Entry(Kind),
    /// GNU 'S': regular file with a sparse map in the header.
    GnuSparse,
    GnuLongName,
    GnuLongLink,
    Pax,
    PaxGlobal,
}

/// A raw header with its fields decoded on demand.
pub struct Header<'a>(pub &'a [u8; BLOCK]);

impl Header<'_> {
    /// All zero: the end of the archive.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|b| *b == 0)
    }

    /// Checks the checksum: the sum of all bytes with the checksum field as spaces; old tars summed signed bytes.
    pub fn check(&self) -> Result<()> {
        let stored = number(&self.0[148..156]).unwrap_or(-1);
        let (mut unsigned, mut signed) = (0i64, 0i64);
        for (at, byte) in self.0.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { *byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte as i8);
        }
        if stored == unsigned || stored == signed {
            return Ok(());
        }
        Err(Error::user("read tar header: wrong checksum").hint("the archive is damaged, or not a tar archive"))
    }

    pub fn flag(&self) -> Result<Flag> {
        let kind = match self.0[156] {
            0 | b'0' | b'7' => Kind::Regular,
            b'1' => Kind::Link,
            b'2' => Kind::Symlink,
            b'3' => Kind::Char,
            b'4' => Kind::Block,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'S' => return Ok(Flag::GnuSparse),
            b'L' => return Ok(Flag::GnuLongName),
            b'K' => return Ok(Flag::GnuLongLink),
            b'x' | b'X' => return Ok(Flag::Pax),
            b'g' => return Ok(Flag::PaxGlobal),
            other => {
                return Err(Error::unsupported(format!(
                    "read tar entry {}: type '{}'",
                    super::super::apply::printable(cut(&self.0[..100])),
                    char::from(other).escape_default()
                )));
            }
        };
        Ok(Flag::Entry(kind))
    }

    /// Appends the path: POSIX headers may hold a prefix; GNU ones use that space for other fields.
    pub fn path_into(&self, out: &mut Vec<u8>) {
        if &self.0[257..263] == b"ustar\0" {
            let prefix = cut(&self.0[345..500]);
            if !prefix.is_empty() {
                out.extend_from_slice(prefix);
                out.push(b'/');
            }
        }
        out.extend_from_slice(cut(&self.0[..100]));
    }

    pub fn link(&self) -> &[u8] {
        cut(&self.0[157..257])
    }

    pub fn mode(&self) -> Result<u32> {
        // The file type bits that some writers add are not ours to keep.
        Ok((self.field(100..108, "mode")? & 0o7777) as u32)
    }
    pub fn uid(&self) -> Result<u32> {
        self.small(108..116, "uid")
    }
    pub fn gid(&self) -> Result<u32> {
        self.small(116..124, "gid")
    }
    pub fn size(&self) -> Result<u64> {
        u64::try_from(self.field(124..136, "size")?).map_err(|_| Error::user("read tar header: negative size"))
    }
    pub fn mtime(&self) -> Result<Time> {
        Ok(Time { secs: self.field(136..148, "mtime")?, nanos: 0 })
    }
    pub fn major(&self) -> Result<u32> {
        self.small(329..337, "devmajor")
    }
    pub fn minor(&self) -> Result<u32> {
        self.small(337..345, "devminor")
    }

    fn small(&self, range: std::ops::Range<usize>, what: &str) -> Result<u32> {
        u32::try_from(self.field(range, what)?)
            .map_err(|_| Error::user(format!("read tar header: {what} out of range")))
    }
    fn field(&self, range: std::ops::Range<usize>, what: &str) -> Result<i64> {
        number(&self.0[range]).ok_or_else(|| Error::user(format!("read tar header: malformed {what}")))
    }
}

/// Bytes up to the first NUL.
pub fn cut(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len())]
}

/// A numeric field: octal text, or GNU's base-256 with the high bit set (two's complement).
pub fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        let negative = field[0] & 0x40 != 0;
        let first = if negative { i128::from(field[0] as i8) } else { i128::from(field[0] & 0x3f) };
        let value = field[1..].iter().try_fold(first, |v, b| v.checked_mul(256)?.checked_add(i128::from(*b)))?;
        return i64::try_from(value).ok();
    }
    let text = cut(field).trim_ascii();
    if text.is_empty() {
        return Some(0);
    }
    text.iter().try_fold(0i64, |v, b| match b {
        b'0'..=b'7' => v.checked_mul(8)?.checked_add(i64::from(b - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_in_both_forms() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"77777777777\0", Some(0o77777777777)),
            (b"12x4567\0", None),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }
}
