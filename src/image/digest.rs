//! Content digests (`sha256:…`), the names of blobs.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// `sha256:` and 64 lower-case hex digits: the only algorithm that registries use in practice, and the only one the
/// store's layout has a directory for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

const PREFIX: &str = "sha256:";

impl Digest {
    /// Checks algorithm, length and alphabet, so that the hex part is safe as a file name.
    pub fn parse(text: &str) -> Result<Digest> {
        match text.strip_prefix(PREFIX) {
            Some(hex) if is_hex(hex) && hex.len() == 64 => Ok(Digest(text.to_string())),
            Some(_) => Err(Error::user(format!("parse digest '{text}'")).hint("64 lower-case hex digits are expected")),
            None => Err(Error::user(format!("parse digest '{text}'")).hint("only sha256 digests are supported")),
        }
    }
    /// From 64 hex digits without the algorithm.
    pub fn from_hex(hex: &str) -> Result<Digest> {
        Digest::parse(&format!("{PREFIX}{hex}"))
    }
    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(format!("{PREFIX}{}", hex(&Sha256::digest(bytes))))
    }
    /// From a finished hash.
    pub fn from_hash(hash: Sha256) -> Digest {
        Digest(format!("{PREFIX}{}", hex(&hash.finalize())))
    }
    /// The 64 hex digits.
    pub fn hex(&self) -> &str {
        &self.0[PREFIX.len()..]
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where to copy what is to be hashed.
#[derive(Default)]
pub(super) struct HashWriter(Sha256);

impl HashWriter {
    pub fn finish(self) -> Digest {
        Digest::from_hash(self.0)
    }
}

impl std::io::Write for HashWriter {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.update(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lower-case hex digits only.
pub(crate) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Digest> {
        Digest::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(d: Digest) -> String {
        d.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_sha256_only() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert_eq!(Digest::parse(empty).unwrap().hex(), &empty[7..]);
        for bad in ["", "sha256:", "sha256:../../../etc/passwd", "sha512:00", &empty.to_uppercase(), &empty[..70]] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Digest>("\"sha256:zz\"").is_err());
    }
}
