//! Undoing the compression of a whole archive.

use crate::error::{Context, Error, Result};
use crate::image::decompress::{Compression, Decoder};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

/// Passes `input`, decompressed, to `use_it`. xz and bzip2 need their programs; they are rare enough for that.
pub fn decompressed<T>(input: impl Read + Send, use_it: impl FnOnce(&mut dyn BufRead) -> Result<T>) -> Result<T> {
    let mut input = BufReader::with_capacity(128 << 10, input);
    let program = match Compression::of(input.fill_buf().context("read the archive")?) {
        Compression::Xz => "xz",
        Compression::Bzip2 => "bzip2",
        _ => return use_it(&mut BufReader::with_capacity(128 << 10, Decoder::new(input)?)),
    };
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {program} to decompress the archive"))
        .map_err(|e| e.hint(format!("install {program}, or compress the archive with gzip or zstd")))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Err(Error::bug("start a pipe")) };
    let used = std::thread::scope(|scope| {
        // A failed write shows as the program's failure, or is of no interest because the reader had enough.
        scope.spawn(move || {
            let _ = std::io::copy(&mut input, &mut stdin);
        });
        let mut stdout = BufReader::with_capacity(128 << 10, stdout);
        let used = use_it(&mut stdout);
        if used.is_ok() {
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        }
        drop(stdout);
        used
    })?;
    let status = child.wait().with_context(|| format!("wait for {program}"))?;
    if !status.success() {
        return Err(Error::user(format!("decompress the archive: {program} failed ({status})")));
    }
    Ok(used)
}
