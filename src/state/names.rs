//! Container names: `names/<name>` is a symbolic link to the id, and symlink(2) is the uniqueness check.
//!
//! A link counts only while the container it names says the same of itself (its `name` file), or is just being made
//! (a leased directory in `tmp/`). So neither a crash between two steps nor a removal can leave a name taken.

use super::gcdir::random_u32;
use super::lock::Flock;
use super::paths::Paths;
use crate::error::{Context, Error, IntoError, Result};
use std::path::Path;

/// Checks the syntax: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, as docker and podman have it.
pub fn check(name: &str) -> Result<()> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if first && rest && name.len() <= 255 {
        return Ok(());
    }
    Err(Error::user(format!("use name '{name}': not a valid name"))
        .hint("a name begins with a letter or digit and goes on with letters, digits, '_', '.' and '-'"))
}

/// Takes `name` for `id`. `Conflict` names the container that has it.
pub fn claim(paths: &Paths, name: &str, id: &str) -> Result<()> {
    check(name)?;
    let link = paths.names().join(name);
    for _ in 0..100 {
        match rustix::fs::symlink(id, &link) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::NOENT) => super::atomic::make_dirs(&paths.names())?,
            Err(rustix::io::Errno::EXIST) => {
                if let Some(owner) = owner(paths, name) {
                    if owner == id {
                        return Ok(());
                    }
                    let short = &owner[..owner.len().min(12)];
                    return Err(Error::conflict(format!("use name '{name}': container {short} has it"))
                        .hint(format!("remove it with `coracle rm {name}`, or use --replace")));
                }
                drop_stale(paths, name)?;
            }
            Err(e) => return Err(e.context(format!("claim name '{name}'"))),
        }
    }
    Err(Error::conflict(format!("claim name '{name}': others claim and drop it all the time")))
}

/// Gives `name` up if it is `id`'s.
pub fn release(paths: &Paths, name: &str, id: &str) {
    let Ok(_guard) = guard(paths) else { return };
    if target(paths, name).as_deref() == Some(id) {
        let _ = std::fs::remove_file(paths.names().join(name));
    }
}

/// The id of the container called `name`.
pub fn lookup(paths: &Paths, name: &str) -> Option<String> {
    let id = target(paths, name)?;
    (recorded(paths, &id).as_deref() == Some(name)).then_some(id)
}

/// Whether `name` belongs to a container, be it one that is just being made or renamed.
pub fn in_use(paths: &Paths, name: &str) -> bool {
    owner(paths, name).is_some()
}

/// The name that container `id` gives itself.
pub fn recorded(paths: &Paths, id: &str) -> Option<String> {
    read_name(&paths.container(id).name())
}

pub(super) fn read_name(path: &Path) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim_end().to_string())
}

/// Whose the link is: of a living container or of one that is being made right now.
fn owner(paths: &Paths, name: &str) -> Option<String> {
    let id = target(paths, name)?;
    // First the staging directory, then the final one: a container moves from the first to the second.
    let staging = paths.tmp().join(&id);
    if staging.exists() && Flock::try_dir(&staging).is_none() && staging.exists() {
        return Some(id);
    }
    // A rename writes the `name` file between claiming the new link and dropping the old one; both are its then.
    let dir = paths.container(&id);
    if !dir.path().exists() {
        return None;
    }
    let renaming = || Flock::try_exclusive(&dir.lock()).is_ok_and(|l| l.is_none());
    (recorded(paths, &id).as_deref() == Some(name) || renaming()).then_some(id)
}

fn target(paths: &Paths, name: &str) -> Option<String> {
    if check(name).is_err() {
        return None;
    }
    let id = std::fs::read_link(paths.names().join(name)).ok()?.into_os_string().into_string().ok()?;
    let hex = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then_some(id)
}

/// Removes a name that no container has. Links are removed under one lock only and after a second look, so nobody's
/// fresh claim is removed.
pub fn drop_stale(paths: &Paths, name: &str) -> Result<()> {
    let _guard = guard(paths)?;
    if owner(paths, name).is_none() {
        let link = paths.names().join(name);
        match std::fs::remove_file(&link) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e.context(format!("remove stale name {}", link.display())));
            }
            _ => {}
        }
    }
    Ok(())
}

fn guard(paths: &Paths) -> Result<Flock> {
    Flock::dir(&paths.names()).context("lock the names")
}

/// A free name such as `brave_otter`.
pub fn random(paths: &Paths) -> String {
    loop {
        let pick = random_u32() as usize;
        let name = format!("{}_{}", ADJECTIVES[pick % ADJECTIVES.len()], NOUNS[(pick >> 12) % NOUNS.len()]);
        if !paths.names().join(&name).is_symlink() {
            return name;
        }
        let name = format!("{name}{}", (pick >> 24) & 0xff);
        if !paths.names().join(&name).is_symlink() {
            return name;
        }
    }
}

const ADJECTIVES: &[&str] = &[
    "able", "agile", "airy", "amber", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid", "careful",
    "cheerful", "clear", "clever", "cosy", "crisp", "curious", "daring", "deft", "eager", "early", "easy", "fair",
    "fleet", "fond", "frank", "free", "fresh", "gentle", "glad", "golden", "grand", "green", "handy", "happy", "hardy",
    "honest", "jolly", "keen", "kind", "light", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mild",
    "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "polite", "proud", "quick", "quiet", "ready",
    "robust", "round", "serene", "sharp", "silent", "simple", "smart", "smooth", "sober", "solid", "steady", "still",
    "stout", "strong", "sturdy", "subtle", "sunny", "swift", "tame", "tender", "tidy", "true", "upright", "vivid",
    "warm", "wary", "wise", "witty", "young", "zesty",
];

const NOUNS: &[&str] = &[
    "anchor",
    "barge",
    "bay",
    "beacon",
    "bittern",
    "boat",
    "bow",
    "breeze",
    "brook",
    "buoy",
    "canal",
    "canoe",
    "cape",
    "clam",
    "cod",
    "coot",
    "coral",
    "cove",
    "crab",
    "creek",
    "cutter",
    "dam",
    "delta",
    "dinghy",
    "dolphin",
    "drake",
    "duck",
    "eddy",
    "eel",
    "eider",
    "ferry",
    "fjord",
    "ford",
    "frog",
    "galley",
    "gannet",
    "grebe",
    "gull",
    "harbour",
    "heron",
    "hull",
    "inlet",
    "island",
    "jetty",
    "kayak",
    "keel",
    "ketch",
    "kingfisher",
    "lagoon",
    "lake",
    "lighthouse",
    "limpet",
    "loch",
    "mast",
    "minnow",
    "mole",
    "newt",
    "oar",
    "otter",
    "oyster",
    "paddle",
    "pelican",
    "perch",
    "pier",
    "pike",
    "plover",
    "pond",
    "port",
    "prow",
    "puffin",
    "quay",
    "raft",
    "reed",
    "reef",
    "ripple",
    "river",
    "rudder",
    "sail",
    "salmon",
    "sandpiper",
    "schooner",
    "seal",
    "shoal",
    "shore",
    "skiff",
    "sloop",
    "snipe",
    "spring",
    "stern",
    "stork",
    "strand",
    "stream",
    "swan",
    "teal",
    "tern",
    "tide",
    "trout",
    "wader",
    "wave",
    "weir",
    "wharf",
    "willow",
    "yawl",
];

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn store() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), dir.path().join("run"));
        for id in [A, B] {
            std::fs::create_dir_all(paths.container(id).path()).unwrap();
        }
        (dir, paths)
    }

    #[test]
    fn a_name_is_one_containers() {
        let (_dir, paths) = store();
        claim(&paths, "web", A).unwrap();
        std::fs::write(paths.container(A).name(), "web\n").unwrap();
        assert_eq!(lookup(&paths, "web").as_deref(), Some(A));
        let e = claim(&paths, "web", B).unwrap_err();
        assert!(e.kind == crate::error::Kind::Conflict && e.to_string().contains("aaaaaaaaaaaa"), "{e}");
        release(&paths, "web", B);
        assert!(lookup(&paths, "web").is_some());
        release(&paths, "web", A);
        claim(&paths, "web", B).unwrap();
    }

    #[test]
    fn stale_links_do_not_block() {
        let (_dir, paths) = store();
        // Crashed between claim and publish; removed container; renamed container.
        claim(&paths, "x", A).unwrap();
        std::fs::remove_dir_all(paths.container(A).path()).unwrap();
        claim(&paths, "x", B).unwrap();
        std::fs::write(paths.container(B).name(), "other\n").unwrap();
        assert_eq!(lookup(&paths, "x"), None);
        std::fs::create_dir_all(paths.container(A).path()).unwrap();
        claim(&paths, "x", A).unwrap();
        std::fs::remove_file(paths.names().join("x")).unwrap();
        std::os::unix::fs::symlink("../../etc/passwd", paths.names().join("x")).unwrap();
        claim(&paths, "x", A).unwrap();
    }

    #[test]
    fn a_container_in_the_making_keeps_its_name() {
        let (_dir, paths) = store();
        let id = "c".repeat(64);
        let staging = super::super::gcdir::Staging::new(&paths, &id).unwrap();
        claim(&paths, "n", &id).unwrap();
        assert!(claim(&paths, "n", A).is_err());
        drop(staging);
        claim(&paths, "n", A).unwrap();
    }

    #[test]
    fn checks_syntax() {
        for good in ["a", "A1_.-", "0x"] {
            check(good).unwrap();
        }
        for bad in ["", "-a", ".x", "a/b", "ä", "a b"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let (_dir, paths) = store();
        check(&random(&paths)).unwrap();
    }
}
