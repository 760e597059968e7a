//! Contexts from git repositories, fetched by git(1).

use crate::error::{Context, Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A repository, a ref in it and a directory of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSource {
    pub url: String,
    pub reference: Option<String>,
    pub subdir: Option<String>,
    /// The commit that it has to be, or the beginning of its name.
    pub commit: Option<String>,
    /// Whether `.git` stays, where the address says so.
    pub keep: Option<bool>,
    pub submodules: bool,
}

/// Reads `URL[#[REF][:DIRECTORY]]`, or the queries that BuildKit 0.24 takes instead
/// (`?branch=B&tag=T&ref=R&commit=C&subdir=D&keep-git-dir=true&submodules=false`); `None` when it is no git repository.
///
/// # Errors
/// `User` for a query that is unknown or contradicts another.
pub fn parse(text: &str) -> Result<Option<GitSource>> {
    let (address, fragment) = text.split_once('#').map_or((text, ""), |(u, f)| (u, f));
    let (url, query) = match address.starts_with("git@") {
        true => (address, ""),
        false => address.split_once('?').unwrap_or((address, "")),
    };
    let http = url.starts_with("http://") || url.starts_with("https://");
    let named = url.ends_with(".git");
    let git = url.starts_with("git://") || url.starts_with("git@") || url.starts_with("ssh://");
    let local = url.starts_with("file://");
    let short = url.starts_with("github.com/");
    if !(git || local || short || (http && named)) {
        return Ok(None);
    }
    let (reference, subdir) = fragment.split_once(':').map_or((fragment, ""), |(r, d)| (r, d));
    let some = |text: &str| Some(text.to_string()).filter(|t| !t.is_empty());
    let url = if short { format!("https://{url}") } else { url.to_string() };
    let mut source =
        GitSource { url, reference: some(reference), subdir: some(subdir), submodules: true, ..GitSource::default() };
    for field in query.split('&').filter(|f| !f.is_empty()) {
        source.query(field).map_err(|why| {
            Error::user(format!("read {text}: {why}")).hint(
                "there are ref, branch, tag, commit, subdir, keep-git-dir and submodules; what comes after # is not said twice",
            )
        })?;
    }
    Ok(Some(source))
}

impl GitSource {
    fn query(&mut self, field: &str) -> Result<(), String> {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let value = decoded(value).ok_or_else(|| format!("'{field}' is not readable"))?;
        let once = |place: &mut Option<String>, value: String| match place.replace(value) {
            None => Ok(()),
            Some(other) => Err(format!("'{field}' comes beside '{other}'")),
        };
        let yes = |value: &str| match value {
            "" | "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err(format!("'{field}' is neither true nor false")),
        };
        match key {
            "ref" => once(&mut self.reference, value),
            "branch" => once(&mut self.reference, format!("refs/heads/{value}")),
            "tag" => once(&mut self.reference, format!("refs/tags/{value}")),
            "subdir" => once(&mut self.subdir, value),
            "commit" | "checksum" => match value.len() >= 7 && value.bytes().all(|b| b.is_ascii_hexdigit()) {
                true => once(&mut self.commit, value.to_lowercase()),
                false => Err(format!("'{value}' is no commit")),
            },
            "keep-git-dir" => yes(&value).map(|keep| self.keep = Some(keep)),
            "submodules" => yes(&value).map(|with| self.submodules = with),
            _ => Err(format!("the query '{key}' is unknown")),
        }
    }
}

/// Text of an address (RFC 3986, 2.1); `None` if it is none.
fn decoded(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match first {
            b'%' => {
                let (digits, more) = rest.split_at_checked(2)?;
                out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = more;
            }
            other => out.push(*other),
        }
    }
    String::from_utf8(out).ok().filter(|text| !text.contains('\0'))
}

/// Fetches the repository into the empty directory `dir` and gives the context in it. Without `keep` the `.git`
/// directory does not stay.
pub fn fetch(source: &GitSource, dir: &Path, keep: bool) -> Result<PathBuf> {
    let reference = source.reference.as_deref().or(source.commit.as_deref()).unwrap_or("HEAD");
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
    if let Some(wanted) = &source.commit {
        let found = commit(dir)?;
        if !found.starts_with(wanted.as_str()) {
            return Err(Error::denied(format!("use {}: {reference} is commit {found}, not {wanted}", source.url)));
        }
    }
    if source.submodules && dir.join(".gitmodules").exists() {
        git(dir, &["submodule", "update", "-q", "--init", "--recursive", "--depth", "1"])
            .with_context(|| format!("fetch the submodules of {}", source.url))?;
    }
    if !source.keep.unwrap_or(keep) {
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
        let got = |text: &str| {
            parse(text).unwrap().map(|s| (s.url, s.reference.unwrap_or_default(), s.subdir.unwrap_or_default()))
        };
        let want = |u: &str, r: &str, d: &str| Some((u.to_string(), r.to_string(), d.to_string()));
        assert_eq!(got("https://h/x.git#v1:sub/dir"), want("https://h/x.git", "v1", "sub/dir"));
        assert_eq!(got("git@h:x.git"), want("git@h:x.git", "", ""));
        assert_eq!(got("file:///r#:d"), want("file:///r", "", "d"));
        assert_eq!(got("github.com/a/b#main"), want("https://github.com/a/b", "main", ""));
        assert_eq!(got("https://h/x.tar.gz"), None);
        assert_eq!(got("dir"), None);
        assert_eq!(got("https://h/x.git?branch=b&subdir=a%2Fb"), want("https://h/x.git", "refs/heads/b", "a/b"));
        assert_eq!(got("https://h/x.tar?ref=x.git"), None);
        let more = parse("file:///r?tag=v1&commit=0123ABCD&keep-git-dir=true&submodules=0").unwrap().unwrap();
        assert_eq!((more.commit.as_deref(), more.keep, more.submodules), (Some("0123abcd"), Some(true), false));
        for bad in ["?x=1", "?ref=a&tag=b", "?commit=nope", "?ref=%2", "?submodules=perhaps", "?ref=%00", "?ref=a#b"] {
            assert!(parse(&format!("https://h/x.git{bad}")).is_err(), "{bad}");
        }
    }
}
