//! Maps of sparse files.

use super::header::{BLOCK, number};
use super::pax;
use crate::error::{Error, Result};

/// Most data segments of one file.
const MAX_SEGMENTS: usize = 1 << 20;

/// Checks a map: ascending, without overlap, within `size`, and with as much data as the entry stores.
pub fn check(map: &[(u64, u64)], size: u64, stored: u64) -> Result<()> {
    let mut end = 0;
    let mut data = 0u64;
    for (offset, length) in map {
        let next = offset.checked_add(*length);
        match next {
            Some(next) if *offset >= end && next <= size => end = next,
            _ => return Err(bad()),
        }
        data = data.checked_add(*length).ok_or_else(bad)?;
    }
    if data == stored { Ok(()) } else { Err(bad()) }
}

fn bad() -> Error {
    Error::user("read tar: malformed sparse map")
}

/// Adds the segments of an old GNU header (at 386) or of an extension block (at 0).
/// Returns whether another extension block follows.
pub fn gnu_segments(block: &[u8; BLOCK], in_header: bool, map: &mut Vec<(u64, u64)>) -> Result<bool> {
    let (start, count, flag) = if in_header { (386, 4, 482) } else { (0, 21, 504) };
    for at in (0..count).map(|i| start + i * 24) {
        let field = |from: usize| number(&block[from..from + 12]).and_then(|n| u64::try_from(n).ok()).ok_or_else(bad);
        let (offset, length) = (field(at)?, field(at + 12)?);
        if offset == 0 && length == 0 {
            break;
        }
        map.push((offset, length));
    }
    if map.len() > MAX_SEGMENTS {
        return Err(bad());
    }
    Ok(block[flag] != 0)
}

/// Pairs the numbers of pax formats 0.0 and 0.1.
pub fn pairs(numbers: &[u64]) -> Result<Vec<(u64, u64)>> {
    if !numbers.len().is_multiple_of(2) || numbers.len() / 2 > MAX_SEGMENTS {
        return Err(bad());
    }
    Ok(numbers.chunks_exact(2).map(|p| (p[0], p[1])).collect())
}

/// Parser of pax format 1.0: the map precedes the data, as decimal lines, padded to a block.
#[derive(Default)]
pub struct Lines {
    text: Vec<u8>,
    numbers: Vec<u64>,
}

impl Lines {
    /// Takes one block; `Some` with the map once it is complete.
    pub fn block(&mut self, block: &[u8; BLOCK]) -> Result<Option<Vec<(u64, u64)>>> {
        for byte in block {
            if *byte != b'\n' {
                self.text.push(*byte);
                if self.text.len() > 20 {
                    return Err(bad());
                }
                continue;
            }
            self.numbers.push(pax::decimal(&self.text).ok_or_else(bad)?);
            self.text.clear();
            let count = usize::try_from(self.numbers[0]).ok().filter(|n| *n <= MAX_SEGMENTS).ok_or_else(bad)?;
            if self.numbers.len() == 1 + 2 * count {
                return pairs(&self.numbers[1..]).map(Some);
            }
        }
        Ok(None)
    }
}
