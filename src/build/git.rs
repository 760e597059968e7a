//! Contexts from git repositories, fetched by git(1).

use crate::error::{Context, Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A repository, a ref in it and a directory of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitSource {
    pub url: String,
    pub reference: Option<String>,
    pub subdir: Option<String>,
}

/// Reads `URL[#[REF][:DIRECTORY]]`; `None` when it is no git repository.
pub fn parse(text: &str) -> Option<GitSource> {
    let (url, fragment) = text.split_once('#').map_or((text, ""), |(u, f)| (u, f));
    let http = url.starts_with("http://") || url.starts_with("https://");
    let named = url.ends_with(".git");
    let git = url.starts_with("git://") || url.starts_with("git@") || url.starts_with("ssh://");
    let local = url.starts_with("file://");
    let short = url.starts_with("github.com/");
    if !(git || local || short || (http && named)) {
        return None;
    }
    let (reference, subdir) = fragment.split_once(':').map_or((fragment, ""), |(r, d)| (r, d));
    let some = |text: &str| Some(text.to_string()).filter(|t| !t.is_empty());
    let url = if short { format!("https://{url}") } else { url.to_string() };
    Some(GitSource { url, reference: some(reference), subdir: some(subdir) })
}

/// Fetches the repository into the empty directory `dir` and gives the context in it. Without `keep` the `.git`
/// directory does not stay.
pub fn fetch(source: &GitSource, dir: &Path, keep: bool) -> Result<PathBuf> {
    let reference = source.reference.as_deref().unwrap_or("HEAD");
    if reference.starts_with('-') || source.url.starts_with('-') {
        return Err(Error::user(format!("fetch {}#{reference}: such a name is not possible", source.url)));
    }
    git(dir, &["init", "-q", "."])?;
    git(dir, &["remote", "add", "origin", &source.url])?;
    // A commit that no ref names may need the whole history.
    if git(dir, &["fetch", "-q", "--depth", "1", "origin", reference]).is_err() {
        git(dir, &["fetch", "-q", "--tags", "origin"]).with_context(|| format!("fetch {}", source.url))?;
        git(dir, &["checkout", "-q", "--detach", reference])
            .or_else(|_| git(dir, &["checkout", "-q", "--detach", &format!("origin/{reference}")]))
            .with_context(|| format!("check out {reference} of {}", source.url))?;
    } else {
        git(dir, &["checkout", "-q", "--detach", "FETCH_HEAD"])
            .with_context(|| format!("check out {reference} of {}", source.url))?;
    }
    if dir.join(".gitmodules").exists() {
        git(dir, &["submodule", "update", "-q", "--init", "--recursive", "--depth", "1"])
            .with_context(|| format!("fetch the submodules of {}", source.url))?;
    }
    if !keep {
        std::fs::remove_dir_all(dir.join(".git")).context("remove .git")?;
    }
    let Some(subdir) = &source.subdir else { return Ok(dir.to_path_buf()) };
    let place = dir.join(super::ignore::clean(subdir));
    // A symlink in the repository must not lead out of it.
    let (real, top) = (place.canonicalize(), dir.canonicalize());
    match (real, top) {
        (Ok(real), Ok(top)) if real.starts_with(&top) && real.is_dir() => Ok(real),
        _ => Err(Error::not_found(format!("find the directory {subdir} in {}", source.url))),
    }
}

/// The commit that is checked out.
pub fn commit(dir: &Path) -> Result<String> {
    let output =
        Command::new("git").args(["rev-parse", "HEAD"]).current_dir(dir).output().context("run git rev-parse")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn git(dir: &Path, args: &[&str]) -> Result<()> {
    let what = || format!("run git {}", args[0]);
    let output = Command::new("git")
        .args(["-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(dir)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .with_context(what)
        .map_err(|e| if e.is_errno(libc::ENOENT) { e.hint("install git") } else { e })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Error::user(format!("{}: {}", what(), text.trim().replace('\n', "; "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_recognised() {
        let got =
            |text: &str| parse(text).map(|s| (s.url, s.reference.unwrap_or_default(), s.subdir.unwrap_or_default()));
        let want = |u: &str, r: &str, d: &str| Some((u.to_string(), r.to_string(), d.to_string()));
        assert_eq!(got("https://h/x.git#v1:sub/dir"), want("https://h/x.git", "v1", "sub/dir"));
        assert_eq!(got("git@h:x.git"), want("git@h:x.git", "", ""));
        assert_eq!(got("file:///r#:d"), want("file:///r", "", "d"));
        assert_eq!(got("github.com/a/b#main"), want("https://github.com/a/b", "main", ""));
        assert_eq!(got("https://h/x.tar.gz"), None);
        assert_eq!(got("dir"), None);
    }
}
