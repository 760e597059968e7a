//! Searching for images in registries.

use crate::error::{Error, Result};
use crate::image::Reference;
use crate::registry::{self, Found, PullOptions, Registries, SearchFilter, Silent};

/// Repositories that match `term`, of the registry that it names or of all that short names are looked for in. A
/// registry that fails among several costs a warning.
///
/// # Errors
/// When no registry answers.
pub fn search(
    term: &str,
    limit: usize,
    filter: SearchFilter,
    options: &PullOptions,
    warn: &dyn Fn(&str),
) -> Result<Vec<Found>> {
    let registries = Registries::load(&options.env)?;
    let (domains, term) = match named(term) {
        Some((domain, rest)) => (vec![domain.to_string()], rest),
        None => (registries.search_domains(), term),
    };
    let mut found = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for domain in &domains {
        match registry::search(domain, term, limit, filter, &registries, options) {
            Ok(some) => found.extend(some),
            Err(e) => failures.push(e),
        }
    }
    if failures.len() == domains.len() {
        return Err(failures.pop().unwrap_or_else(|| Error::bug("no registry to search")));
    }
    failures.iter().for_each(|e| warn(&e.to_string()));
    Ok(found)
}

/// The registry that a term begins with, and what to look for there.
fn named(term: &str) -> Option<(&str, &str)> {
    let term = term.strip_prefix("docker://").unwrap_or(term);
    let (first, rest) = term.split_once('/')?;
    let probe = format!("{first}/x");
    (!Reference::is_short(&probe)).then_some((if first == "index.docker.io" { "docker.io" } else { first }, rest))
}

/// The full name of a repository and its tags.
pub fn tags(name: &str, options: &PullOptions) -> Result<(String, Vec<String>)> {
    let registries = Registries::load(&options.env)?;
    let mut result = Err(Error::bug("a short name without meaning"));
    for candidate in registries.candidates(name)? {
        let repository = candidate.repository();
        result = registry::tags(&candidate, &registries, options, &Silent).map(|tags| (repository, tags));
        if result.is_ok() {
            break;
        }
    }
    result
}
