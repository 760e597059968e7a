//! `registries.conf`: which registries short names mean, mirrors, and exceptions (containers-registries.conf(5)).

mod file;
mod policy;
mod short_names;

pub use short_names::{Chooser, Chosen};

pub use policy::{check as check_policy, check_path as check_policy_of_path, check_storage as check_policy_of_storage};

use super::options::Env;
use crate::error::{Error, Result};
use crate::image::Reference;
use file::{Mirror, PullFrom, Registry};
use std::collections::BTreeMap;

/// All configuration files together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    search: Vec<String>,
    aliases: BTreeMap<String, String>,
    mode: ShortNames,
    registries: Vec<Registry>,
    helpers: Vec<String>,
}

/// `short-name-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ShortNames {
    /// Ask which registry is meant where several may be; refuse the name where nobody can be asked.
    Enforcing,
    /// Ask; try the registries in order where nobody can be asked.
    #[default]
    Permissive,
    /// Try the registries in order; aliases don't count.
    Disabled,
}

/// A place to pull a reference from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `host[:port]` to talk to.
    pub domain: String,
    /// Repository there.
    pub path: String,
    /// Plain HTTP and unknown certificates are fine.
    pub insecure: bool,
    pub mirror: bool,
}

impl Registries {
    /// Reads what there is; missing files are empty files.
    pub fn load(env: &Env) -> Result<Registries> {
        let mut all = Registries::default();
        for path in file::paths(env) {
            if let Some(parsed) = file::read(&path)? {
                all.merge(parsed)?;
            }
        }
        // What podman's questions about short names were answered with comes before the administrator's aliases.
        if let Some(path) = file::recorded_aliases(env) {
            match file::read(&path) {
                Ok(parsed) => all.add_aliases(parsed.unwrap_or_default().aliases),
                // The real root's, seen by the root of a user namespace.
                Err(e) if e.is_errno(libc::EACCES) => log::debug!("skipping {e}"),
                Err(e) => return Err(e),
            }
        }
        Ok(all)
    }

    fn merge(&mut self, parsed: file::Conf) -> Result<()> {
        if let Some(search) = parsed.search {
            if let Some(bad) =
                search.iter().find(|name| name.contains('/') || Reference::is_short(&format!("{name}/x")))
            {
                return Err(Error::user(format!("use '{bad}' of unqualified-search-registries in registries.conf"))
                    .hint("write a registry's host name, such as docker.io"));
            }
            self.search = search;
        }
        if let Some(helpers) = parsed.helpers {
            self.helpers = helpers;
        }
        if let Some(mode) = parsed.mode {
            self.mode = match mode.as_str() {
                "enforcing" => ShortNames::Enforcing,
                "permissive" => ShortNames::Permissive,
                "disabled" => ShortNames::Disabled,
                other => {
                    return Err(Error::user(format!("use short-name-mode '{other}' of registries.conf"))
                        .hint("use enforcing, permissive or disabled"));
                }
            };
        }
        self.add_aliases(parsed.aliases);
        for registry in parsed.registries {
            self.registries.retain(|known| known.prefix != registry.prefix);
            self.registries.push(registry);
        }
        Ok(())
    }

    fn add_aliases(&mut self, aliases: BTreeMap<String, String>) {
        for (name, target) in aliases {
            // An empty value deletes the alias of an earlier file.
            if target.is_empty() {
                self.aliases.remove(&name);
            } else {
                self.aliases.insert(name, target);
            }
        }
    }

    /// Helper names in order; `containers-auth.json` stands for the auth files.
    pub fn credential_helpers(&self) -> Vec<&str> {
        if self.helpers.is_empty() {
            return vec!["containers-auth.json"];
        }
        self.helpers.iter().map(String::as_str).collect()
    }

    /// The full names that `text` means, in the order to try, where nobody can be asked.
    ///
    /// # Errors
    /// The configuration forbids to guess.
    pub fn candidates(&self, text: &str) -> Result<Vec<Reference>> {
        self.decide(text, None).map(|(names, _)| names)
    }

    /// The full names that `text` means, in the order to try. Where it may be several, and somebody can be asked, it is
    /// the one that was chosen: keep that when it has turned out to be there.
    ///
    /// # Errors
    /// Nobody can be asked, and the configuration forbids to guess; or the question was not answered.
    pub fn decide(&self, text: &str, choose: Option<Chooser>) -> Result<(Vec<Reference>, Option<Chosen>)> {
        let mut names = self.possible(text)?;
        if names.len() < 2 || self.mode == ShortNames::Disabled {
            return Ok((names, None));
        }
        let shown: Vec<String> = names.iter().map(Reference::canonical).collect();
        match choose {
            Some(Chooser(ask)) => {
                let meant = names.swap_remove(ask(text, &shown)?.min(names.len() - 1));
                let chosen = Chosen::new(&text[..text.find([':', '@']).unwrap_or(text.len())], &meant);
                Ok((vec![meant], Some(chosen)))
            }
            None if self.mode == ShortNames::Enforcing => {
                Err(Error::user(format!("resolve short name '{text}': several registries may have it"))
                    .hint(format!("use a full name: {}; at a terminal pull asks, and remembers", shown.join(", "))))
            }
            None => Ok((names, None)),
        }
    }

    /// All full names that `text` may mean, in the order to try. Without any configuration a short name means Docker
    /// Hub, as for docker.
    pub fn possible(&self, text: &str) -> Result<Vec<Reference>> {
        if !Reference::is_short(text) {
            return Ok(vec![Reference::parse(text)?]);
        }
        // Refuses malformed names before anything is made of their parts.
        let plain = Reference::parse(text)?;
        let name_end = text.find([':', '@']).unwrap_or(text.len());
        let (name, suffix) = text.split_at(name_end);
        if let Some(target) = self.aliases.get(name).filter(|_| self.mode != ShortNames::Disabled) {
            return Ok(vec![Reference::parse(&format!("{target}{suffix}"))?]);
        }
        match self.search.len() {
            0 => Ok(vec![plain]),
            _ => self.search.iter().map(|domain| Reference::parse(&format!("{domain}/{text}"))).collect(),
        }
    }

    /// Where to look for `reference`: mirrors first, then the registry itself.
    pub fn sources(&self, reference: &Reference) -> Result<Vec<Source>> {
        let Some(registry) = self.find(reference) else {
            let source = Source {
                domain: reference.domain.clone(),
                path: reference.path.clone(),
                insecure: false,
                mirror: false,
            };
            return Ok(vec![source]);
        };
        if registry.blocked {
            return Err(Error::denied(format!("pull from {}: registries.conf blocks it", registry.prefix))
                .hint("remove blocked = true there, if it is yours to decide"));
        }
        let by_digest = reference.digest.is_some();
        let wanted = |mirror: &&Mirror| match mirror.from {
            PullFrom::All => by_digest || !registry.mirror_by_digest_only,
            PullFrom::DigestOnly => by_digest,
            PullFrom::TagOnly => !by_digest,
        };
        let mut sources = Vec::new();
        for mirror in registry.mirrors.iter().filter(wanted) {
            sources.push(registry.rewrite(reference, &mirror.location, mirror.insecure, true)?);
        }
        sources.push(registry.rewrite(reference, &registry.location, registry.insecure, false)?);
        Ok(sources)
    }

    /// The registry that short names are looked for in first.
    pub fn first_search(&self) -> Option<&str> {
        self.search.first().map(String::as_str)
    }

    /// All registries that short names are looked for in.
    pub fn search_domains(&self) -> Vec<String> {
        if self.search.is_empty() { vec!["docker.io".into()] } else { self.search.clone() }
    }

    /// Whether plain HTTP and unknown certificates are fine for the registry as a whole.
    pub fn is_insecure(&self, domain: &str) -> bool {
        let whole = Reference { domain: domain.into(), path: String::new(), tag: None, digest: None };
        self.registries
            .iter()
            .any(|r| r.insecure && (r.prefix == domain || r.prefix.starts_with('*') && r.matches(&whole)))
    }

    /// Where to push `reference`: to the registry that it names, neither remapped nor to a mirror.
    pub fn destination(&self, reference: &Reference) -> Result<Source> {
        let registry = self.find(reference);
        if let Some(blocked) = registry.filter(|r| r.blocked) {
            return Err(Error::denied(format!("push to {reference}: registries.conf blocks {}", blocked.prefix))
                .hint("remove blocked = true there, if it is yours to decide"));
        }
        let insecure = registry.is_some_and(|r| r.insecure);
        Ok(Source { domain: reference.domain.clone(), path: reference.path.clone(), insecure, mirror: false })
    }

    /// The entry with the longest matching prefix.
    fn find(&self, reference: &Reference) -> Option<&Registry> {
        let matching = self.registries.iter().filter(|r| r.matches(reference));
        matching.max_by_key(|r| r.prefix.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(texts: &[&str]) -> Registries {
        let mut all = Registries::default();
        for text in texts {
            all.merge(file::parse(text).unwrap()).unwrap();
        }
        all
    }

    fn names(conf: &Registries, text: &str) -> Vec<String> {
        conf.candidates(text).unwrap().iter().map(Reference::canonical).collect()
    }

    fn places(conf: &Registries, text: &str) -> Vec<String> {
        let reference = Reference::parse(text).unwrap();
        let show = |s: Source| format!("{}/{}{}", s.domain, s.path, if s.insecure { " insecure" } else { "" });
        conf.sources(&reference).unwrap().into_iter().map(show).collect()
    }

    #[test]
    fn short_names_mean_docker_hub_without_configuration() {
        assert_eq!(names(&conf(&[]), "debian:12"), ["docker.io/library/debian:12"]);
        assert_eq!(names(&conf(&[]), "quay.io/a/b"), ["quay.io/a/b:latest"]);
    }

    #[test]
    fn search_lists_and_aliases() {
        let base = "unqualified-search-registries = ['quay.io', 'docker.io']\n[aliases]\n'fedora' = 'registry.fedoraproject.org/fedora'\n";
        let c = conf(&[base]);
        assert_eq!(names(&c, "a/b:1"), ["quay.io/a/b:1", "docker.io/a/b:1"]);
        assert_eq!(names(&c, "debian"), ["quay.io/debian:latest", "docker.io/library/debian:latest"]);
        assert_eq!(names(&c, "fedora:40"), ["registry.fedoraproject.org/fedora:40"]);
        let digest = format!("fedora@sha256:{}", "0".repeat(64));
        assert_eq!(names(&c, &digest), [format!("registry.fedoraproject.org/{digest}")]);
        let strict = conf(&[base, "short-name-mode = 'enforcing'\n[aliases]\nfedora = ''\n"]);
        let e = strict.candidates("fedora").unwrap_err().to_string();
        assert!(e.contains("quay.io/fedora:latest, docker.io/library/fedora:latest"), "{e}");
        assert_eq!(names(&c, "nobody:1").len(), 2, "permissive: guessed where nobody can be asked");
        let second = Chooser(|name, all| {
            assert_eq!((name, all.len()), ("a/b:1", 2));
            Ok(1)
        });
        for conf in [&c, &strict] {
            let (found, chosen) = conf.decide("a/b:1", Some(second)).unwrap();
            assert_eq!(found[0].canonical(), "docker.io/a/b:1");
            assert_eq!(chosen, Some(Chosen { name: "a/b".into(), target: "docker.io/a/b".into() }));
        }
        let unasked = Chooser(|_, _| unreachable!("there is nothing to ask"));
        assert_eq!(c.decide("fedora", Some(unasked)).unwrap().1, None);
        assert!(conf(&[]).candidates("Bad//Name").is_err());
        let off = conf(&[base, "short-name-mode = 'disabled'\n"]);
        assert_eq!(off.decide("a/b", Some(unasked)).unwrap().0.len(), 2);
        assert_eq!(names(&off, "fedora"), ["quay.io/fedora:latest", "docker.io/library/fedora:latest"]);
        let mut bad = Registries::default();
        assert!(bad.merge(file::parse("unqualified-search-registries = ['https://quay.io']").unwrap()).is_err());
    }

    #[test]
    fn prefixes_are_rewritten_and_mirrors_come_first() {
        let c = conf(&[r#"
            [[registry]]
            prefix = "docker.io/library"
            location = "hub.local:5000/lib"
            insecure = true
            [[registry.mirror]]
            location = "m1.local/x"
            [[registry.mirror]]
            location = "m2.local"
            insecure = true
            pull-from-mirror = "digest-only"
            [[registry]]
            location = "docker.io"
            [[registry]]
            prefix = "*.corp.example"
            insecure = true
            [[registry]]
            location = "evil.example"
            blocked = true
        "#]);
        assert_eq!(places(&c, "debian"), ["m1.local/x/debian", "hub.local:5000/lib/debian insecure"]);
        let pinned = format!("debian@sha256:{}", "0".repeat(64));
        assert_eq!(places(&c, &pinned)[1], "m2.local/debian insecure");
        assert_eq!(places(&c, "a/b"), ["docker.io/a/b"]);
        assert_eq!(places(&c, "docker.io/librarything/b"), ["docker.io/librarything/b"]);
        assert_eq!(places(&c, "r.corp.example/b"), ["r.corp.example/b insecure"]);
        assert_eq!(places(&c, "corp.example/b"), ["corp.example/b"]);
        let e = c.sources(&Reference::parse("evil.example/x").unwrap()).unwrap_err();
        assert_eq!(e.kind, crate::error::Kind::Denied);
        let push = |text: &str| c.destination(&Reference::parse(text).unwrap());
        let to = push("debian").unwrap();
        assert_eq!((to.domain.as_str(), to.path.as_str(), to.insecure), ("docker.io", "library/debian", true));
        assert!(push("evil.example/x").unwrap_err().to_string().contains("blocks"));
    }

    #[test]
    fn later_files_replace_entries() {
        let first = "[[registry]]\nlocation = 'a.io'\ninsecure = true\n";
        let c = conf(&[first, "[[registry]]\nlocation = 'a.io'\n"]);
        assert_eq!(places(&c, "a.io/x"), ["a.io/x"]);
        assert_eq!(c.registries.len(), 1);
    }

    #[test]
    fn users_file_replaces_the_systems_and_drop_ins_add() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("etc/containers/registries.conf", "unqualified-search-registries = ['system.io']");
        write("etc/containers/registries.conf.d/50-x.conf", "[aliases]\na = 'alias.io/a'");
        let home = dir.path().join("home").to_str().unwrap().to_string();
        let mut env = Env::from_lookup(|n| (n == "HOME").then(|| home.clone()));
        env.root = dir.path().into();
        let c = Registries::load(&env).unwrap();
        assert_eq!(names(&c, "b"), ["system.io/b:latest"]);
        assert_eq!(names(&c, "a"), ["alias.io/a:latest"]);
        write("home/.config/containers/registries.conf", "unqualified-search-registries = ['user.io']");
        assert_eq!(names(&Registries::load(&env).unwrap(), "b"), ["user.io/b:latest"]);
        for cache in ["home/.cache", "var/cache"] {
            write(&format!("{cache}/containers/short-name-aliases.conf"), "[aliases]\na = 'recorded.io/a'");
        }
        assert_eq!(names(&Registries::load(&env).unwrap(), "a"), ["recorded.io/a:latest"]);
        write("home/.config/containers/registries.conf.d/bad.conf", "= =");
        let e = Registries::load(&env).unwrap_err().to_string();
        assert!(e.contains("bad.conf"), "{e}");
    }
}
