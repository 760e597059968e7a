//! The job `storage-layer`: puts a layer's tar together again, as tar-split took it apart.
//!
//! A line of JSON for each part (github.com/vbatts/tar-split, tar/storage): type 2 has raw bytes (headers, padding), type
//! 1 stands for the content of a file.

use crate::error::{Context, Error, Result};
use crate::sys::rooted;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub(super) const JOB: &str = "storage-layer";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Where the layer's files are.
    pub dir: PathBuf,
    pub split: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: u32,
    #[serde(default)]
    name: Option<String>,
    /// Base64, where the name is no UTF-8.
    #[serde(default)]
    name_raw: Option<String>,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    payload: Option<String>,
}

/// The job's entry for the table in main.rs: gets a [`Request`] and the pipe for the tar.
pub fn job(request: serde_json::Value, mut fds: Vec<OwnedFd>) -> Result<serde_json::Value> {
    let request: Request = serde_json::from_value(request).context("read the request")?;
    let out = fds.pop().ok_or_else(|| Error::bug("put a layer together: no pipe"))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(&request.dir, flags, Mode::empty())
        .with_context(|| format!("open {}", request.dir.display()))?;
    let named = || format!("read {}", request.split.display());
    let split = BufReader::new(File::open(&request.split).with_context(named)?);
    let parts = BufReader::with_capacity(128 << 10, flate2::bufread::GzDecoder::new(split));
    let mut out = BufWriter::with_capacity(128 << 10, File::from(out));
    for part in serde_json::Deserializer::from_reader(parts).into_iter::<Part>() {
        write(&part.with_context(named)?, &dir, &mut out)?;
    }
    out.flush().context("write the layer")?;
    Ok(serde_json::Value::Null)
}

fn write(part: &Part, dir: &OwnedFd, out: &mut impl Write) -> Result<()> {
    let decode =
        |text: &str| BASE64_STANDARD.decode(text).map_err(|_| Error::denied("read the layer's tar-split record"));
    match part.kind {
        2 => {
            let bytes = decode(part.payload.as_deref().unwrap_or_default())?;
            out.write_all(&bytes).context("write the layer")
        }
        1 if part.size > 0 => {
            let raw = match (&part.name_raw, &part.name) {
                (Some(raw), _) => decode(raw)?,
                (None, name) => name.clone().unwrap_or_default().into_bytes(),
            };
            let path = Path::new(OsStr::from_bytes(&raw));
            let named = || format!("read {}", path.display());
            let file = rooted::open(dir.as_fd(), path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK)
                .with_context(named)?;
            let size = part.size.unsigned_abs();
            let copied = std::io::copy(&mut File::from(file).take(size), out).with_context(named)?;
            match copied == size {
                true => Ok(()),
                false => Err(Error::denied(format!("{}: it has {copied} bytes, once it had {size}", named()))
                    .hint("the other store is damaged: `podman system check` may tell more")),
            }
        }
        _ => Ok(()),
    }
}
