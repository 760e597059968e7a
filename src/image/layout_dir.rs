//! Reading single blobs of an OCI layout (image-layout.md 1.0) that another tool may have written, or an enemy.

use super::{Descriptor, Digest, Index, MAX_JSON, Store};
use crate::error::{Context, Error, Result};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";

/// A directory with an OCI layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutDir {
    dir: PathBuf,
}

impl LayoutDir {
    /// # Errors
    /// There is no layout, or one of another version.
    pub fn open(dir: &Path) -> Result<LayoutDir> {
        let layout = LayoutDir { dir: dir.to_path_buf() };
        let marker =
            layout.file("oci-layout").map_err(|e| e.hint("a directory needs oci-layout, index.json and blobs/"))?;
        super::layout::check(&bounded(marker, "oci-layout")?)?;
        Ok(layout)
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// What `index.json` lists.
    pub fn index(&self) -> Result<Vec<Descriptor>> {
        Ok(self.whole_index()?.manifests)
    }

    /// `index.json`.
    pub(super) fn whole_index(&self) -> Result<Index> {
        Index::parse(&bounded(self.file("index.json")?, "index.json")?)
    }

    /// The entry with this digest, with this tag, or the only one (of several: the one that is `latest`).
    pub fn find(&self, tag: Option<&str>, digest: Option<&Digest>) -> Result<Descriptor> {
        let all = self.index()?;
        let place = self.dir.display();
        if let Some(digest) = digest {
            let listed = all.iter().find(|d| d.digest == *digest).cloned();
            // A part of a listed index is named by its digest too.
            return match (listed, self.size(digest)) {
                (Some(found), _) => Ok(found),
                (None, Some(size)) => {
                    let bytes = self.read(&Descriptor::new("", digest.clone(), size))?;
                    let kind = super::guess_media_type(&bytes).unwrap_or_default();
                    Ok(Descriptor::new(&kind, digest.clone(), size))
                }
                (None, None) => Err(Error::not_found(format!("find {digest} in {place}"))),
            };
        }
        let wanted = tag.unwrap_or("latest");
        let called = |d: &&Descriptor| {
            let names = [NAME, FULL_NAME].into_iter().filter_map(|key| d.annotations.get(key));
            names.into_iter().any(|n| n == wanted || n.rsplit_once(':').is_some_and(|(_, tag)| tag == wanted))
        };
        match (all.iter().find(called), &all[..]) {
            (Some(found), _) => Ok(found.clone()),
            (None, [only]) if tag.is_none() => Ok(only.clone()),
            (None, []) => Err(Error::not_found(format!("find an image in {place}: it lists none"))),
            (None, _) => Err(Error::not_found(format!("find the tag {wanted} in {place}"))),
        }
    }

    /// A small blob, verified.
    pub fn read(&self, what: &Descriptor) -> Result<Vec<u8>> {
        let bytes = bounded(self.blob(&what.digest)?, what.digest.as_str())?;
        let found = Digest::of(&bytes);
        match found == what.digest {
            true => Ok(bytes),
            false => Err(self.damaged(&what.digest, &found)),
        }
    }

    /// Brings a blob into the store, verified, unless it is there.
    pub fn copy(&self, store: &Store, digest: &Digest, size: u64) -> Result<()> {
        if store.has_blob(digest, Some(size)) {
            return store.lease();
        }
        let what = || format!("copy blob {digest} of {}", self.dir.display());
        let mut file = self.blob(digest)?;
        let mut writer = store.writer(Some(digest), Some(size))?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer).with_context(what)? {
                0 => break,
                n => writer.write_all(&buffer[..n]).with_context(what)?,
            }
        }
        writer.commit().with_context(what).map(drop)
    }

    /// Bytes of a blob, if it is there.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        self.blob(digest).ok()?.metadata().ok().map(|m| m.len())
    }

    fn blob(&self, digest: &Digest) -> Result<File> {
        self.file(&format!("blobs/sha256/{}", digest.hex()))
    }

    /// A regular file; links are not followed at the last step, pipes are not waited for.
    fn file(&self, name: &str) -> Result<File> {
        let path = self.dir.join(name);
        let what = || format!("open {}", path.display());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(&path, flags, Mode::empty()).with_context(what)?);
        match file.metadata().with_context(what)?.is_file() {
            true => Ok(file),
            false => Err(Error::user(format!("{}: it is no file", what()))),
        }
    }

    fn damaged(&self, digest: &Digest, found: &Digest) -> Error {
        Error::denied(format!("read blob {digest} of {}: its digest is {found}", self.dir.display()))
            .hint("the directory is damaged or forged")
    }
}

fn bounded(file: File, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_JSON + 1).read_to_end(&mut bytes).with_context(|| format!("read {name}"))?;
    match bytes.len() as u64 > MAX_JSON {
        true => Err(Error::user(format!("read {name}: it has more than {MAX_JSON} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::OCI_MANIFEST;

    #[test]
    fn finds_and_verifies() {
        let dir = tempfile::tempdir().unwrap();
        assert!(LayoutDir::open(dir.path()).is_err());
        std::fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let blobs = dir.path().join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let (good, bad) = (Digest::of(b"{}"), Digest::of(b"other"));
        std::fs::write(blobs.join(good.hex()), "{}").unwrap();
        std::fs::write(blobs.join(bad.hex()), "changed").unwrap();
        let entry = |digest: &Digest, name: &str| {
            let mut d = Descriptor::new(OCI_MANIFEST, digest.clone(), 2);
            d.annotations.insert(NAME.into(), name.into());
            d
        };
        let index = |manifests: Vec<Descriptor>| {
            let text = serde_json::json!({"schemaVersion": 2, "manifests": manifests});
            std::fs::write(dir.path().join("index.json"), text.to_string()).unwrap();
        };
        let layout = LayoutDir::open(dir.path()).unwrap();
        index(vec![entry(&good, "r.io/a/b:v1"), entry(&bad, "latest")]);
        assert_eq!(layout.find(Some("v1"), None).unwrap().digest, good);
        assert_eq!(layout.find(None, None).unwrap().digest, bad);
        assert_eq!(layout.find(None, Some(&good)).unwrap().digest, good);
        assert!(layout.find(Some("v2"), None).is_err() && layout.find(None, Some(&Digest::of(b"x"))).is_err());
        index(vec![entry(&good, "v9")]);
        assert_eq!(layout.find(None, None).unwrap().digest, good);
        assert_eq!(layout.read(&entry(&good, "")).unwrap(), b"{}");
        assert!(layout.read(&entry(&bad, "")).unwrap_err().to_string().contains("its digest is"));
        std::fs::remove_file(blobs.join(good.hex())).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", blobs.join(good.hex())).unwrap();
        assert!(layout.read(&entry(&good, "")).is_err(), "a link is no blob");
    }
}
