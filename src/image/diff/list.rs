//! Differences as a list, as `diff` prints them.

use super::walk::{Change, Node, Sink};
use crate::error::{Context, Result};
use std::collections::BTreeMap;
use std::io::Write;

/// Collects a letter for each path.
#[derive(Default)]
pub(super) struct List {
    /// Added `A`, changed `C`, deleted `D`, by path without its leading slash.
    found: BTreeMap<Vec<u8>, u8>,
    /// How deep in a directory that was made anew, of which one line tells that all was deleted.
    replaced: usize,
}

impl List {
    /// Writes `LETTER PATH NUL` for each, sorted.
    pub fn write(&self, mut out: impl Write) -> Result<()> {
        for (path, letter) in &self.found {
            let record = [&[*letter, b' ', b'/'], &path[..], b"\0"].concat();
            out.write_all(&record).context("write the list")?;
        }
        out.flush().context("write the list")
    }

    /// A directory in which something came or went has changed, whatever its time says.
    fn above(&mut self, path: &[u8]) {
        let mut path = path;
        while let Some(at) = path.iter().rposition(|b| *b == b'/') {
            path = &path[..at];
            self.found.entry(path.to_vec()).or_insert(b'C');
        }
    }

    fn add(&mut self, path: &[u8], letter: u8) {
        self.found.insert(path.to_vec(), letter);
        if letter != b'C' {
            self.above(path);
        }
    }
}

impl Sink for List {
    fn enter(&mut self, node: &Node<'_>) -> Result<()> {
        if self.replaced > 0 || node.replaced {
            self.replaced += 1;
        }
        if node.path.is_empty() {
            return Ok(());
        }
        match node.change {
            // Podman's word for a directory that was removed and made anew.
            _ if node.replaced => self.add(node.path, b'D'),
            Change::Added => self.add(node.path, b'A'),
            Change::Changed | Change::Touched => self.add(node.path, b'C'),
            Change::Same => {}
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.replaced = self.replaced.saturating_sub(1);
        Ok(())
    }

    fn entry(&mut self, node: &Node<'_>) -> Result<()> {
        self.add(node.path, if node.change == Change::Added { b'A' } else { b'C' });
        Ok(())
    }

    fn removed(&mut self, path: &[u8]) -> Result<()> {
        if self.replaced == 0 {
            self.add(path, b'D');
        }
        Ok(())
    }

    fn note(&mut self, _text: String) {}
}
