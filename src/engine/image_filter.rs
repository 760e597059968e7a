//! `--filter` of `images`: same key = any of the values (labels: all), different keys = all of them.

use super::images::Listed;
use crate::error::{Error, Result};
use crate::image::{Image, Reference, Store};
use crate::spec::units::{parse_bool, parse_time};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// The parsed filters.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<Filter>);

#[derive(Clone, Debug)]
enum Filter {
    /// Patterns of names; with several, one must fit.
    Reference(Vec<String>),
    Dangling(bool),
    /// Key, and value if one is asked for; wanted or not.
    Label(String, Option<String>, bool),
    Before(Timestamp),
    /// With the directory of the store's blobs, named by their hex digests.
    Until(Timestamp, PathBuf),
    Since(Timestamp),
    /// Prefixes of ids or digests.
    Id(Vec<String>),
    Digest(Vec<String>),
    Containers(bool),
    Manifest(bool),
    /// Never or always true here: there are no intermediate or read-only images.
    Constant(bool),
}

impl Filters {
    /// Parses `KEY=VALUE` texts; images that `before` and `since` name are looked up in `store`.
    pub fn parse(texts: &[String], store: &Store) -> Result<Filters> {
        let mut filters = Filters::default();
        for text in texts {
            let known = "known are reference, dangling, label, label!, before, since, until, id, digest, containers, manifest, intermediate, readonly";
            let bad = || Error::user(format!("parse filter '{text}'"));
            let (key, value) = text.split_once('=').ok_or_else(|| bad().hint("write KEY=VALUE"))?;
            let flag = || parse_bool(value).map_err(|_| bad().hint("the value is true or false"));
            let created = |name: &str| -> Result<Timestamp> {
                let created = match store.find_list(name)? {
                    Some(list) => list.created.parse().unwrap_or(Timestamp::UNIX_EPOCH),
                    None => {
                        store.lookup(name).map(|i| time(&i)).map_err(|e| e.context(format!("parse filter '{text}'")))?
                    }
                };
                Ok(created)
            };
            let filter = match key {
                "reference" => {
                    filters.add(
                        value,
                        |f| if let Filter::Reference(l) = f { Some(l) } else { None },
                        Filter::Reference,
                    );
                    continue;
                }
                "id" => {
                    let id = value.trim_start_matches("sha256:");
                    filters.add(id, |f| if let Filter::Id(l) = f { Some(l) } else { None }, Filter::Id);
                    continue;
                }
                "digest" => {
                    filters.add(value, |f| if let Filter::Digest(l) = f { Some(l) } else { None }, Filter::Digest);
                    continue;
                }
                "dangling" => Filter::Dangling(flag()?),
                "label" | "label!" => {
                    let (name, want) = match value.split_once('=') {
                        Some((name, want)) => (name, Some(want.to_string())),
                        None => (value, None),
                    };
                    Filter::Label(name.to_string(), want, key == "label")
                }
                "before" => Filter::Before(created(value)?),
                "since" | "after" => Filter::Since(created(value)?),
                "until" => {
                    let moment = parse_time(value, Timestamp::now()).map_err(|e| e.context("parse filter until"))?;
                    Filter::Until(moment, store.blob_dir())
                }
                "containers" => Filter::Containers(flag()?),
                "manifest" => Filter::Manifest(flag()?),
                "intermediate" | "readonly" => Filter::Constant(!flag()?),
                _ => return Err(bad().hint(known)),
            };
            filters.0.push(filter);
        }
        Ok(filters)
    }

    fn add(
        &mut self,
        value: &str,
        list: impl Fn(&mut Filter) -> Option<&mut Vec<String>>,
        new: impl Fn(Vec<String>) -> Filter,
    ) {
        match self.0.iter_mut().find_map(list) {
            Some(values) => values.push(value.to_string()),
            None => self.0.push(new(vec![value.to_string()])),
        }
    }

    /// Whether the image passes all filters.
    pub fn pass(&self, listed: &Listed) -> bool {
        let image = &listed.image;
        let labels = &image.config.config.labels;
        self.0.iter().all(|filter| match filter {
            Filter::Reference(patterns) => image.names.iter().any(|n| name_fits(n, patterns)),
            Filter::Dangling(want) => image.names.is_empty() == *want,
            Filter::Label(name, value, want) => {
                labels.get(name).is_some_and(|v| value.as_ref().is_none_or(|w| v == w)) == *want
            }
            Filter::Before(moment) => time(image) < *moment,
            Filter::Until(moment, blobs) => time(image) < *moment && !made_since(image, blobs, *moment),
            Filter::Since(moment) => time(image) > *moment,
            Filter::Id(ids) => ids.iter().any(|id| image.id.starts_with(id)),
            Filter::Digest(digests) => digests
                .iter()
                .any(|d| image.manifest.as_str().starts_with(d) || image.repo_digests.iter().any(|r| r.ends_with(d))),
            Filter::Containers(want) => (listed.containers > 0) == *want,
            Filter::Manifest(want) => listed.list == *want,
            Filter::Constant(value) => *value,
        })
    }

    /// Whether a name of an image that passed is to be listed: patterns pick names, too.
    pub fn shows(&self, name: &str) -> bool {
        self.0.iter().all(|f| match f {
            Filter::Reference(patterns) => name_fits(name, patterns),
            _ => true,
        })
    }
}

/// Whether the image was made here since `moment`: its date says when its content was, which may be long before. What
/// came from a registry is as old as it says.
fn made_since(image: &Image, blobs: &Path, moment: Timestamp) -> bool {
    let made = std::fs::metadata(blobs.join(&image.id)).and_then(|m| m.modified()).ok();
    let made = made.and_then(|time| Timestamp::try_from(time).ok());
    !image.from_registry && made.is_some_and(|made| made >= moment)
}

fn time(image: &Image) -> Timestamp {
    image.config.created.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A pattern is tried on the name with and without its tag, as people write it and in full.
pub fn name_fits(canonical: &str, patterns: &[String]) -> bool {
    let Ok(name) = Reference::parse(canonical) else { return false };
    let mut forms = vec![name.familiar(), name.familiar_repository(), name.canonical(), name.repository()];
    // Names of this host are called by their last part, too.
    let local = forms.iter().filter_map(|f| f.strip_prefix("localhost/").map(str::to_string)).collect::<Vec<_>>();
    forms.extend(local);
    patterns.iter().any(|p| forms.iter().any(|f| glob(p.as_bytes(), f.as_bytes())))
}

/// Go's `path.Match`: `*` and `?` stop at slashes, `[a-z]` and `[^a]` are classes, `\` escapes.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => {
            let end = text.iter().position(|b| *b == b'/').unwrap_or(text.len());
            (0..=end).any(|n| glob(rest, &text[n..]))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|b| *b != b'/') && glob(rest, &text[1..]),
        [b'[', rest @ ..] => class(rest, text),
        [b'\\', escaped, rest @ ..] => text.first() == Some(escaped) && glob(rest, &text[1..]),
        [byte, rest @ ..] => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

fn class(pattern: &[u8], text: &[u8]) -> bool {
    let Some(close) = pattern.iter().skip(1).position(|b| *b == b']').map(|n| n + 1) else { return false };
    let Some(byte) = text.first().filter(|b| **b != b'/') else { return false };
    let (negated, mut set) = match &pattern[..close] {
        [b'^', set @ ..] => (true, set),
        set => (false, set),
    };
    let mut hit = false;
    while let [low, rest @ ..] = set {
        match rest {
            [b'-', high, after @ ..] => {
                hit |= (low..=high).contains(&byte);
                set = after;
            }
            _ => {
                hit |= low == byte;
                set = rest;
            }
        }
    }
    hit != negated && glob(&pattern[close + 1..], &text[1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names_in_all_forms() {
        let fits = |pattern: &str| name_fits("docker.io/library/debian:12-slim", &[pattern.to_string()]);
        for pattern in [
            "debian",
            "debian:12-slim",
            "deb*",
            "*:12*",
            "docker.io/library/debian",
            "debia[a-n]",
            "debia[^o]",
            "d?bian",
        ] {
            assert!(fits(pattern), "{pattern}");
        }
        for pattern in ["deb", "debian:12", "*/debian", "debia[^n]", "docker.io/*", "[", "debian["] {
            assert!(!fits(pattern), "{pattern}");
        }
        assert!(name_fits("localhost/mine:1", &["mine".into()]) && name_fits("localhost/mine:1", &["m*:1".into()]));
        assert!(name_fits("ex.com/a/b:1", &["ex.com/*/b".into()]) && !name_fits("ex.com/a/b:1", &["ex.com/*".into()]));
    }
}
