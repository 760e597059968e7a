//! What former pushes have taught: which repositories hold a blob, and what a layer is when compressed.
//!
//! A cache, not state: a damaged or lost file, or one that another push replaced meanwhile, costs an upload that could
//! have been a mount.

use super::Compressor;
use crate::image::Digest;
use crate::state::atomic::{self, Class};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Blobs remembered; the longest unseen are forgotten first.
const MAX_BLOBS: usize = 2000;
/// Repositories remembered for each.
const MAX_PLACES: usize = 8;
/// A file larger than this was not written by us.
const MAX_FILE: u64 = 8 << 20;

/// The contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Places {
    /// Latest at the end.
    blobs: Vec<Known>,
    made: Vec<Variant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    digest: Digest,
    /// `host/repository`, latest at the end.
    at: Vec<String>,
}

/// A compressed form of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Variant {
    diff_id: Digest,
    /// Algorithm and level.
    how: String,
    digest: Digest,
    size: u64,
}

impl Places {
    pub fn load(path: &Path) -> Places {
        let small = std::fs::metadata(path).is_ok_and(|m| m.len() <= MAX_FILE);
        if !small {
            return Places::default();
        }
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_else(|e| {
            log::debug!("forgetting {}: {e}", path.display());
            Places::default()
        })
    }

    /// Writes the file. A failure is no failure of the push.
    pub fn save(&self, path: &Path) {
        if let Err(e) = atomic::write_json(path, self, Class::Volatile) {
            log::debug!("remember where blobs are: {e}");
        }
    }

    /// Repositories of `domain` that hold the blob, latest first.
    pub fn repositories(&self, digest: &Digest, domain: &str) -> Vec<String> {
        let known = self.blobs.iter().find(|b| b.digest == *digest);
        let places = known.into_iter().flat_map(|b| b.at.iter().rev());
        places.filter_map(|p| p.strip_prefix(domain)?.strip_prefix('/')).map(String::from).collect()
    }

    pub fn remember(&mut self, digest: &Digest, repository: &str) {
        let found = self.blobs.iter().position(|b| b.digest == *digest);
        let mut known = match found {
            Some(at) => self.blobs.remove(at),
            None => Known { digest: digest.clone(), at: Vec::new() },
        };
        known.at.retain(|place| place != repository);
        known.at.push(repository.to_string());
        let old = known.at.len().saturating_sub(MAX_PLACES);
        known.at.drain(..old);
        self.blobs.push(known);
        let old = self.blobs.len().saturating_sub(MAX_BLOBS);
        self.blobs.drain(..old);
    }

    /// Digest and size of a layer's compressed form.
    pub fn variant(&self, diff_id: &Digest, how: Compressor) -> Option<(Digest, u64)> {
        let how = how.to_string();
        let found = self.made.iter().find(|v| v.diff_id == *diff_id && v.how == how)?;
        Some((found.digest.clone(), found.size))
    }

    pub fn remember_variant(&mut self, diff_id: &Digest, how: Compressor, digest: &Digest, size: u64) {
        let how = how.to_string();
        self.made.retain(|v| v.diff_id != *diff_id || v.how != how);
        self.made.push(Variant { diff_id: diff_id.clone(), how, digest: digest.clone(), size });
        let old = self.made.len().saturating_sub(MAX_BLOBS);
        self.made.drain(..old);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Algorithm;
    use super::*;

    #[test]
    fn remembers_the_latest_and_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("places.json");
        let mut places = Places::load(&path);
        let digest = Digest::of(b"x");
        for n in 0..20 {
            places.remember(&digest, &format!("r.io:5000/a/{n}"));
        }
        places.remember(&digest, "other.io/b");
        assert_eq!(places.repositories(&digest, "r.io:5000").first().map(String::as_str), Some("a/19"));
        assert_eq!(places.repositories(&digest, "r.io:5000").len(), MAX_PLACES - 1);
        assert!(places.repositories(&digest, "r.io").is_empty());
        let how = Compressor::new(Algorithm::Zstd);
        places.remember_variant(&digest, how, &Digest::of(b"y"), 7);
        places.save(&path);
        let again = Places::load(&path);
        assert_eq!(again, places);
        assert_eq!(again.variant(&digest, how), Some((Digest::of(b"y"), 7)));
        for n in 0..MAX_BLOBS + 5 {
            places.remember(&Digest::of(&n.to_le_bytes()), "r.io/a");
        }
        assert_eq!(places.blobs.len(), MAX_BLOBS);
        std::fs::write(&path, "{damaged").unwrap();
        assert_eq!(Places::load(&path), Places::default());
    }
}
