//! Searching registries: Docker Hub's first interface where there is one, else the catalog of repositories.

use super::client::Client;
use super::conf::{Registries, Source};
use super::fault::{Cause, Failure, Result as Step};
use super::http::Request;
use super::options::PullOptions;
use super::progress::Silent;
use super::retry::Retries;
use crate::error::{Error, Result};
use serde::Deserialize;
use std::sync::atomic::AtomicBool;

/// A repository that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The registry that has it.
    pub index: String,
    /// Below the registry: `library/debian`, or `debian` as Docker Hub writes it.
    pub name: String,
    pub description: String,
    pub stars: u64,
    pub official: bool,
    pub automated: bool,
}

/// Which of the repositories are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchFilter {
    /// At least so many.
    pub stars: u64,
    pub official: Option<bool>,
    pub automated: Option<bool>,
}

impl SearchFilter {
    /// Adds `stars=N`, `is-official[=BOOL]` or `is-automated[=BOOL]`.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let (key, value) = text.split_once('=').unwrap_or((text, "true"));
        let bad = |hint: &str| Error::user(format!("use filter '{text}'")).hint(hint);
        let flag = || match value {
            "true" | "1" => Ok(Some(true)),
            "false" | "0" => Ok(Some(false)),
            _ => Err(bad("the value is true or false")),
        };
        match key {
            "stars" => self.stars = value.parse().map_err(|_| bad("write it as stars=NUMBER"))?,
            "is-official" => self.official = flag()?,
            "is-automated" => self.automated = flag()?,
            _ => return Err(bad("the filters are stars, is-official and is-automated")),
        }
        Ok(())
    }

    fn wants(&self, found: &Found) -> bool {
        found.stars >= self.stars
            && self.official.is_none_or(|want| want == found.official)
            && self.automated.is_none_or(|want| want == found.automated)
    }
}

/// Answers of the first interface in one page, at most.
const PAGE: usize = 100;
/// Pages read for one search.
const MAX_PAGES: usize = 20;
/// Bytes of one page.
const MAX_PAGE: u64 = 8 << 20;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    results: Vec<Entry>,
    #[serde(default)]
    num_pages: usize,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: u64,
    #[serde(default)]
    is_official: bool,
    #[serde(default)]
    is_automated: bool,
}

/// Repositories of `domain` whose names (or descriptions, as the registry sees fit) contain `term`, at most `limit`.
///
/// # Errors
/// `Denied` when the registry lets nobody search; `Io` when it can't be reached.
pub fn search(
    domain: &str,
    term: &str,
    limit: usize,
    filter: SearchFilter,
    registries: &Registries,
    options: &PullOptions,
) -> Result<Vec<Found>> {
    let stop = AtomicBool::new(false);
    let hub = domain == "docker.io";
    // Docker Hub answers searches at another host than pulls.
    let host = if hub { "index.docker.io" } else { domain };
    let insecure = registries.is_insecure(domain);
    let source = Source { domain: host.into(), path: String::new(), insecure, mirror: false };
    let ask = || {
        let client = Client::connect(source.clone(), registries, options)?;
        // Without a term there is nothing to search for: the catalog lists all.
        if !term.is_empty() {
            match first_interface(&client, domain, term, limit, filter) {
                Ok(found) => return Ok(found),
                Err(f) if hub || matches!(f.cause, Cause::Unreachable | Cause::Broken | Cause::NotTls) => {
                    return Err(f);
                }
                Err(f) => log::debug!("{domain} has no /v1/search: {}", f.error),
            }
        }
        catalog(&client, domain, term, limit, filter)
    };
    let result = Retries::new(options, &Silent, &stop).run("the registry", ask);
    result.map_err(|f| f.error.context(format!("search {domain}")))
}

fn first_interface(
    client: &Client<'_>,
    domain: &str,
    term: &str,
    limit: usize,
    filter: SearchFilter,
) -> Step<Vec<Found>> {
    let mut all = Vec::new();
    for page in 1..=MAX_PAGES {
        let size = limit.clamp(1, PAGE);
        let url = format!("{}/v1/search?q={}&n={size}&page={page}", client.base, super::auth::escape(term));
        let reply = client.get(&url, Request::default())?;
        let bytes = reply.bytes(MAX_PAGE, "the result of the search")?;
        let bad = |_| Failure::answer(Error::denied("read the result of the search: it is not what was expected"));
        let answer: Page = serde_json::from_slice(&bytes).map_err(bad)?;
        let empty = answer.results.is_empty();
        let found = answer.results.into_iter().map(|entry| Found {
            index: domain.to_string(),
            name: entry.name,
            description: entry.description.unwrap_or_default(),
            stars: entry.star_count,
            official: entry.is_official,
            automated: entry.is_automated,
        });
        all.extend(found.filter(|f| filter.wants(f)));
        all.truncate(limit);
        if empty || all.len() >= limit || page >= answer.num_pages {
            break;
        }
    }
    Ok(all)
}

fn catalog(client: &Client<'_>, domain: &str, term: &str, limit: usize, filter: SearchFilter) -> Step<Vec<Found>> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default)]
        repositories: Option<Vec<String>>,
    }
    let mut all = Vec::new();
    client.pages(&format!("{}/v2/_catalog?n=1000", client.base), "the catalog", &mut |bytes| {
        let page: Page = serde_json::from_slice(bytes).ok()?;
        let names = page.repositories.unwrap_or_default();
        let count = names.len();
        let found = names.into_iter().filter(|name| name.contains(term));
        let found = found.map(|name| Found { index: domain.to_string(), name, ..Found::default() });
        all.extend(found.filter(|f| filter.wants(f)));
        all.truncate(limit);
        Some(if all.len() >= limit { 0 } else { count })
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let mut filter = SearchFilter::default();
        for text in ["stars=3", "is-official", "is-automated=false"] {
            filter.add(text).unwrap();
        }
        let found = Found { stars: 3, official: true, ..Found::default() };
        assert!(filter.wants(&found));
        for other in [
            Found { stars: 2, ..found.clone() },
            Found { official: false, ..found.clone() },
            Found { automated: true, ..found },
        ] {
            assert!(!filter.wants(&other), "{other:?}");
        }
        for bad in ["stars=many", "is-official=maybe", "name=x"] {
            assert!(filter.add(bad).is_err(), "{bad}");
        }
    }
}
