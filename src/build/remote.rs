//! ADD of addresses: files by http, repositories by git.

use super::copy::{Item, Tree};
use super::git;
use super::state::CopyWork;
use crate::error::{Context, Error, Result};
use crate::image::Digest;
use crate::registry::{PullOptions, download};
use sha2::Digest as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Whether a source of ADD is an address.
pub fn is_remote(path: &str) -> bool {
    ["http://", "https://", "git://", "ssh://", "git@"].iter().any(|p| path.starts_with(p))
}

/// Fetches one source of an ADD into the directory `scratch`: a file, or the tree of a repository with what to copy of it.
/// `number` keeps several apart; `time` is for files whose server does not know any.
pub fn get(
    url: &str,
    work: &CopyWork,
    options: &PullOptions,
    scratch: &Path,
    number: usize,
    time: i64,
) -> Result<(Item, Option<Tree>)> {
    if let Some(mut source) = git::parse(url)? {
        // Its commit has to be known first.
        let keep = work.copy.keep_git_dir.or(source.keep.take()).unwrap_or(false);
        let dir = scratch.join(format!("git{number}"));
        std::fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
        let fetched = git::fetch(&source, &dir, true)?;
        if let Some(want) = &work.copy.checksum {
            let commit = git::commit(&dir)?;
            if want.len() < 7 || !commit.starts_with(want.as_str()) {
                return Err(Error::denied(format!("check {url}: its commit is {commit}, not {want}")));
            }
        }
        if !keep {
            std::fs::remove_dir_all(dir.join(".git")).context("remove .git")?;
        }
        return Ok((Item::Path(".".into()), Some(Tree::Dir(fetched))));
    }
    if work.copy.keep_git_dir.is_some() {
        return Err(Error::user(format!("ADD --keep-git-dir {url}: it is no git repository")));
    }
    let path = scratch.join(format!("fetched{number}"));
    let named = || format!("create {}", path.display());
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).with_context(named)?;
    let fetched = download(url, options, &mut file)?;
    if let Some(want) = &work.copy.checksum {
        let want = Digest::parse(want).map_err(|e| e.hint("--checksum=sha256:HEX"))?;
        let found = hash(&mut file)?;
        if found != want {
            return Err(Error::denied(format!("check {url}: its checksum is {found}, not {want}"))
                .hint("the file changed, or the checksum is that of another one"));
        }
    }
    let name = name_of(url);
    if name.is_empty() && work.dest.ends_with('/') {
        return Err(Error::user(format!("name the file of {url}: the address ends with none"))
            .hint("write a destination with a file name"));
    }
    Ok((Item::File { path, name, mode: 0o600, mtime: fetched.modified.unwrap_or(time) }, None))
}

fn hash(file: &mut File) -> Result<Digest> {
    file.seek(SeekFrom::Start(0)).context("read it")?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        let n = file.read(&mut buffer).context("read it")?;
        if n == 0 {
            return Ok(Digest::from_hash(hash));
        }
        hash.update(&buffer[..n]);
    }
}

/// The last part of an address's path.
fn name_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = path.split_once('/').map_or("", |(_, path)| path.rsplit('/').next().unwrap_or_default());
    if matches!(name, "." | "..") { String::new() } else { name.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_path() {
        for (url, want) in [
            ("https://h/a/b.txt?x=/y#z", "b.txt"),
            ("https://h/a/", ""),
            ("https://h", ""),
            ("http://h:80/f", "f"),
            ("http://h/a/..", ""),
        ] {
            assert_eq!(name_of(url), want, "{url}");
        }
    }
}
