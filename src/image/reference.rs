//! Image names: `[DOMAIN/]PATH[:TAG][@DIGEST]` with Docker's defaults.
//!
//! Grammar: the distribution project's `reference` package. Written by hand because a regular expression costs tens of
//! milliseconds on its first use, more than a whole container start.

use super::digest::{Digest, is_hex};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A name with the defaults filled in: `debian` is `docker.io/library/debian:latest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// Registry host with its port: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub domain: String,
    /// Repository below the domain: `library/debian`.
    pub path: String,
    /// `None` only when there is a digest.
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

const DEFAULT_DOMAIN: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";
/// Longest name (domain and path), as in the distribution specification's clients.
const MAX_NAME: usize = 255;

impl Reference {
    /// Parses a name as `docker` would. A leading `docker://` is accepted and dropped.
    pub fn parse(text: &str) -> Result<Reference> {
        Self::parse_with(text, DEFAULT_DOMAIN)
    }

    /// Like [`Reference::parse`], with another domain for names that have none (registries.conf search, `localhost`).
    pub fn parse_with(text: &str, default_domain: &str) -> Result<Reference> {
        let bad = |why: &str| Err(Error::user(format!("parse image name '{text}'")).hint(why));
        let rest = text.strip_prefix("docker://").unwrap_or(text);
        if rest.is_empty() {
            return bad("the name is empty");
        }
        let (rest, digest) = match rest.split_once('@') {
            Some((name, digest)) => {
                (name, Some(Digest::parse(digest).map_err(|e| e.context(format!("parse image name '{text}'")))?))
            }
            None => (rest, None),
        };
        // A colon after the last slash separates the tag; an earlier one belongs to the port.
        let (name, tag) = match rest.rfind(':') {
            Some(at) if !rest[at..].contains('/') => (&rest[..at], Some(&rest[at + 1..])),
            _ => (rest, None),
        };
        if text.starts_with("http://") || text.starts_with("https://") {
            return bad("leave http:// or https:// out; --tls-verify=false allows plain HTTP");
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return bad("a tag has up to 128 letters, digits, '_', '.', '-' and starts with a letter, digit or '_'");
        }
        let (domain, path) = match split_domain(name) {
            Some((domain, path)) => (domain, path.to_string()),
            None => (default_domain, name.to_string()),
        };
        let domain = if domain == "index.docker.io" { DEFAULT_DOMAIN } else { domain };
        let path = if domain == DEFAULT_DOMAIN && !path.contains('/') { format!("library/{path}") } else { path };
        if !is_domain(domain) {
            return bad("the registry's host name is malformed");
        }
        if name.bytes().any(|b| b.is_ascii_uppercase()) && path.bytes().any(|b| b.is_ascii_uppercase()) {
            return bad("repository names are lower case");
        }
        if !path.split('/').all(is_component) {
            return bad("expected [HOST[:PORT]/]PATH[:TAG][@DIGEST]");
        }
        if domain.len() + 1 + path.len() > MAX_NAME {
            return bad("the name is longer than 255 characters");
        }
        if name.len() == 64 && is_hex(name) {
            return bad("64 hex digits are an image id, not a name");
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_string()),
            (None, Some(_)) => None,
            (None, None) => Some(DEFAULT_TAG.to_string()),
        };
        Ok(Reference { domain: domain.to_string(), path, tag, digest })
    }

    /// Whether `text` names no registry, so that search rules and `localhost/` names apply.
    pub fn is_short(text: &str) -> bool {
        let name = text.split('@').next().unwrap_or_default();
        !text.starts_with("docker://") && split_domain(name).is_none()
    }

    /// Domain and path: `docker.io/library/debian`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The whole name: `docker.io/library/debian:latest`.
    pub fn canonical(&self) -> String {
        self.with_suffix(self.repository())
    }

    /// As people write it: `debian:latest`.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_repository())
    }

    /// The repository as people write it: `debian`, `localhost/hello`.
    pub fn familiar_repository(&self) -> String {
        match (self.domain.as_str(), self.path.strip_prefix("library/")) {
            (DEFAULT_DOMAIN, Some(rest)) if !rest.contains('/') && split_domain(rest).is_none() => rest.to_string(),
            (DEFAULT_DOMAIN, _) if split_domain(&self.path).is_none() => self.path.clone(),
            _ => self.repository(),
        }
    }

    /// The same repository by digest only.
    pub fn at_digest(&self, digest: &Digest) -> Reference {
        Reference { tag: None, digest: Some(digest.clone()), ..self.clone() }
    }

    fn with_suffix(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_str());
        }
        name
    }
}

/// The first component is a domain if it could not be a path: it has a dot, a port, upper case, or is `localhost`.
fn split_domain(name: &str) -> Option<(&str, &str)> {
    let (first, rest) = name.split_once('/')?;
    let domain =
        first.contains(['.', ':', '[']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase());
    domain.then_some((first, rest))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = tag.bytes();
    tag.len() <= 128 && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !alnum(*first) || !alnum(*last) {
        return false;
    }
    component
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[').and_then(|d| d.split_once(']')) {
        Some((v6, rest)) => {
            let port = rest.strip_prefix(':');
            if v6.parse::<std::net::Ipv6Addr>().is_err() || (port.is_none() && !rest.is_empty()) {
                return false;
            }
            (None, port)
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(domain), None),
        },
    };
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.is_none_or(|h| h.split('.').all(label)) && port.is_none_or(|p| !p.is_empty() && p.parse::<u16>().is_ok())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl TryFrom<String> for Reference {
    type Error = Error;
    fn try_from(text: String) -> Result<Reference> {
        Reference::parse(&text)
    }
}

impl From<Reference> for String {
    fn from(r: Reference) -> String {
        r.canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn fills_in_dockers_defaults() {
        let with_digest = format!("debian@{D}");
        let both = format!("debian:12@{D}");
        for (text, canonical, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("debian:12", "docker.io/library/debian:12", "debian:12"),
            ("user/app", "docker.io/user/app:latest", "user/app:latest"),
            ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
            ("docker://index.docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
            ("localhost/hello", "localhost/hello:latest", "localhost/hello:latest"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
            ("quay.io/a__b/c-d.e:V1.0-x_y", "quay.io/a__b/c-d.e:V1.0-x_y", "quay.io/a__b/c-d.e:V1.0-x_y"),
            ("Host/app", "Host/app:latest", "Host/app:latest"),
            (&with_digest, &format!("docker.io/library/debian@{D}"), &with_digest),
            (&both, &format!("docker.io/library/debian:12@{D}"), &both),
        ] {
            let r = Reference::parse(text).unwrap();
            assert_eq!(r.canonical(), canonical, "{text}");
            assert_eq!(r.familiar(), familiar, "{text}");
            assert_eq!(Reference::parse(&r.familiar()).unwrap(), r, "{text}");
        }
    }

    #[test]
    fn refuses_what_no_registry_takes() {
        let long = format!("{}/x", "a".repeat(255));
        for text in [
            "",
            "Debian",
            "a//b",
            "/a",
            "a/",
            ":tag",
            "a:",
            "a:-x",
            "a b",
            "a@sha256:12",
            "a@",
            "a___b",
            "a..b",
            "-a",
            "a-",
            "ex.com:port/a",
            "ex.com:99999/a",
            "-ex.com/a",
            "[::g]/a",
            "[::1]x/a",
            "a:b:c",
            "../etc/passwd",
            "ex.com/../x",
            &D[7..],
            &long,
            &format!("a:{}", "t".repeat(129)),
            "ex.com/A",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
        let e = Reference::parse("https://r.io/a").unwrap_err().to_string();
        assert!(e.contains("leave http:// or https:// out"), "{e}");
    }

    #[test]
    fn knows_short_names() {
        assert!(Reference::is_short("debian:12"));
        assert!(Reference::is_short("user/app"));
        assert!(!Reference::is_short("localhost/app"));
        assert!(!Reference::is_short("ex.com:5000/app"));
        assert_eq!(Reference::parse_with("hello", "localhost").unwrap().canonical(), "localhost/hello:latest");
    }

    proptest! {
        #[test]
        fn never_panics_and_round_trips(text in "\\PC{0,80}|[a-zA-Z0-9./:@_\\[\\]-]{0,60}") {
            if let Ok(r) = Reference::parse(&text) {
                prop_assert_eq!(&Reference::parse(&r.canonical()).unwrap(), &r);
                prop_assert_eq!(&Reference::parse(&r.familiar()).unwrap(), &r);
                prop_assert!(!r.canonical().contains("..") && !r.path.starts_with('/'));
            }
        }

        #[test]
        fn accepts_every_well_formed_name(
            domain in "(|localhost/|[a-z]{1,5}\\.(com|io)(:[1-9][0-9]{0,3})?/)",
            path in "[a-z0-9]{1,5}((_|__|-{1,3})[a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,5}(\\.[a-z]{1,3})?){0,2}",
            tag in "(|:[A-Za-z0-9_][A-Za-z0-9_.-]{0,10})",
        ) {
            let text = format!("{domain}{path}{tag}");
            let r = Reference::parse(&text).unwrap();
            prop_assert!(r.canonical().contains(&path));
        }
    }
}
