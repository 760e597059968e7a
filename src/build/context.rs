//! Finding the Dockerfile and the ignore file.

use super::ignore::{Ignore, MAX_IGNORE};
use super::source::{MAX_DOCKERFILE, Source};
use crate::error::{Context, Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The Dockerfile of a build: `asked` as the user gave it, or the usual names in the context. Docker knows no
/// Containerfile.
pub fn dockerfile(context: &Path, asked: Option<&Path>, docker: bool) -> Result<PathBuf> {
    if let Some(path) = asked {
        // As docker: relative to the caller first, then (podman) to the context.
        let inside = context.join(path);
        if path.exists() || !inside.exists() {
            return Ok(path.to_path_buf());
        }
        return Ok(inside);
    }
    let names: &[&str] = if docker { &["Dockerfile"] } else { &["Containerfile", "Dockerfile"] };
    names.iter().map(|name| context.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        let names = names.join(" or ");
        Error::not_found(format!("find a {names} in {}", context.display())).hint("name the file with -f")
    })
}

/// Reads a Dockerfile of at most [`MAX_DOCKERFILE`] bytes.
pub fn read(path: &Path, name: &str) -> Result<Source> {
    Source::new(name, &bounded(path, MAX_DOCKERFILE as u64)?)
}

fn bounded(path: &Path, most: u64) -> Result<Vec<u8>> {
    let named = || format!("read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path).with_context(named)?.take(most + 1).read_to_end(&mut bytes).with_context(named)?;
    if bytes.len() as u64 > most {
        return Err(Error::user(format!("{}: it has more than {most} bytes", named())));
    }
    Ok(bytes)
}

/// The ignore rules of a build: the file asked for, `<Dockerfile>.dockerignore`, `.containerignore` or `.dockerignore`;
/// the first that exists is the only one.
pub fn ignore(context: &Path, dockerfile: Option<&Path>, asked: Option<&Path>) -> Result<Ignore> {
    let own = |suffix: &str| {
        dockerfile.map(|path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        })
    };
    let places = match asked {
        Some(path) => vec![path.to_path_buf()],
        None => [own(".containerignore"), own(".dockerignore")]
            .into_iter()
            .flatten()
            .chain([context.join(".containerignore"), context.join(".dockerignore")])
            .filter(|p| p.is_file())
            .collect(),
    };
    let Some(path) = places.first() else { return Ok(Ignore::default()) };
    let bytes = bounded(path, MAX_IGNORE)?;
    Ignore::parse(&String::from_utf8_lossy(&bytes)).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_looked_up_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert!(dockerfile(dir.path(), None, false).is_err());
        std::fs::write(at("Dockerfile"), "FROM a").unwrap();
        assert_eq!(dockerfile(dir.path(), None, false).unwrap(), at("Dockerfile"));
        std::fs::write(at("Containerfile"), "FROM b").unwrap();
        assert_eq!(dockerfile(dir.path(), None, false).unwrap(), at("Containerfile"));
        assert_eq!(dockerfile(dir.path(), None, true).unwrap(), at("Dockerfile"));
        assert_eq!(dockerfile(dir.path(), Some(Path::new("Dockerfile")), false).unwrap(), at("Dockerfile"));
        assert!(ignore(dir.path(), None, None).unwrap().is_empty());
        let file = at("Dockerfile");
        let excluded = |name: &str| ignore(dir.path(), Some(&file), None).unwrap().excludes(name);
        std::fs::write(at(".dockerignore"), "d").unwrap();
        assert!(excluded("d"));
        std::fs::write(at(".containerignore"), "c").unwrap();
        assert!(excluded("c") && !excluded("d"));
        std::fs::write(at("Dockerfile.dockerignore"), "own").unwrap();
        assert!(excluded("own") && !excluded("c"));
    }
}
