//! Composing id maps.

use super::subid;
use crate::error::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How much of the id space a container gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// 0 is the user, 1.. are the subordinate ranges.
    Full,
    /// Only 0, which is the user.
    OneId,
    /// The caller is root: identity map of all ids of the caller.
    Root,
}

/// One line of an id map (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

/// The id map of a container: the same for all containers of a user, unless keep-id asks for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    pub level: Level,
    pub uids: Vec<Range>,
    pub gids: Vec<Range>,
    /// Why the level is lower than it could be; see [`IdMap::note`].
    #[serde(default)]
    pub reason: Option<String>,
}

impl IdMap {
    /// The best map this user can have. Looked up once in a process: it takes thirty system calls.
    pub fn detect() -> Result<IdMap> {
        static DETECTED: OnceLock<IdMap> = OnceLock::new();
        match DETECTED.get() {
            Some(map) => Ok(map.clone()),
            None => IdMap::look_up().inspect(|map| drop(DETECTED.set(map.clone()))),
        }
    }

    /// Whether a container has one user id only, so that nothing can belong to anybody else in it.
    pub fn has_one_id(&self) -> bool {
        self.uids.iter().map(|range| u64::from(range.count)).sum::<u64>() <= 1
    }

    fn look_up() -> Result<IdMap> {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if uid == 0 {
            return IdMap::identity();
        }
        let one = |reason: String| IdMap {
            level: Level::OneId,
            uids: vec![Range { inside: 0, outside: uid, count: 1 }],
            gids: vec![Range { inside: 0, outside: gid, count: 1 }],
            reason: Some(reason),
        };
        for helper in ["newuidmap", "newgidmap"] {
            let Some(path) = find_helper(helper) else {
                return Ok(one(format!("{helper} is not installed (Debian package uidmap)")));
            };
            if let Some(why) = powerless(&path) {
                return Ok(one(why));
            }
        }
        let name = subid::user_name(uid);
        let uids = subid::ranges("/etc/subuid", false, &name, uid);
        let gids = subid::ranges("/etc/subgid", true, &name, uid);
        for (list, file) in [(&uids, "/etc/subuid"), (&gids, "/etc/subgid")] {
            if list.is_empty() {
                let who = if name.is_empty() { uid.to_string() } else { name.clone() };
                return Ok(one(format!("{file} has no range for {who} (add one: {who}:100000:65536)")));
            }
        }
        for (list, file) in [(&uids, "/proc/self/uid_map"), (&gids, "/proc/self/gid_map")] {
            if !fs::read_to_string(file).is_ok_and(|text| covers(&text, list)) {
                return Ok(one(
                    "the subordinate ids are not mapped in this user namespace (a container, likely)".into()
                ));
            }
        }
        Ok(IdMap { level: Level::Full, uids: compose(uid, &uids), gids: compose(gid, &gids), reason: None })
    }

    /// Every id that root has here (in a nested user namespace: those of that namespace), each onto itself.
    fn identity() -> Result<IdMap> {
        let read = |file: &str| -> Result<Vec<Range>> {
            let text =
                fs::read_to_string(file).map_err(|e| crate::error::IntoError::context(e, format!("read {file}")))?;
            let ranges = parse_map(&text)
                .map(|r| Range { inside: r.inside, outside: r.inside, count: r.count })
                .collect::<Vec<_>>();
            if ranges.is_empty() { Err(Error::denied(format!("read {file}: no ids are mapped"))) } else { Ok(ranges) }
        };
        Ok(IdMap {
            level: Level::Root,
            uids: read("/proc/self/uid_map")?,
            gids: read("/proc/self/gid_map")?,
            reason: None,
        })
    }

    /// The map of the user namespace that this process is in, as the user had it who made it.
    pub fn around() -> Result<IdMap> {
        let read = |file: &str| -> Result<Vec<Range>> {
            Ok(parse_map(&fs::read_to_string(file).with_context(|| format!("read {file}"))?).collect())
        };
        let (uids, gids) = (read("/proc/self/uid_map")?, read("/proc/self/gid_map")?);
        let level = match uids[..] {
            [Range { inside, outside, .. }] if inside == outside => Level::Root,
            [Range { count: 1, .. }] => Level::OneId,
            _ => Level::Full,
        };
        Ok(IdMap { level, uids, gids, reason: None })
    }

    /// Whether this is a map of [`IdMap::around`]: what it maps is mapped for this process already. ([`IdMap::detect`] gives
    /// root nothing but identity maps.)
    pub fn is_around(&self) -> bool {
        self.level != Level::Root && rustix::process::geteuid().is_root()
    }

    /// The user's own ids as the host knows them, be he root in a namespace of his own by now.
    pub fn own(&self) -> (u32, u32) {
        match (self.is_around(), self.uid_outside(0), self.gid_outside(0)) {
            (true, Some(uid), Some(gid)) => (uid, gid),
            _ => (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        }
    }

    /// The same ids, arranged so that the user's own ids are `uid`:`gid` inside.
    ///
    /// # Errors
    /// Ids beyond those the user has; any but 0 at the one-id level stays possible: it is then the only id.
    pub fn keep_id(&self, uid: u32, gid: u32) -> Result<IdMap> {
        let (own_uid, own_gid) = self.own();
        match self.level {
            Level::Root => Ok(self.clone()),
            Level::OneId => Ok(IdMap {
                uids: vec![Range { inside: uid, outside: own_uid, count: 1 }],
                gids: vec![Range { inside: gid, outside: own_gid, count: 1 }],
                ..self.clone()
            }),
            Level::Full => Ok(IdMap {
                uids: keep(own_uid, &self.uids, uid, "user")?,
                gids: keep(own_gid, &self.gids, gid, "group")?,
                ..self.clone()
            }),
        }
    }

    /// The same map as seen from within a user namespace with the map `outer`.
    ///
    /// # Errors
    /// A range that `outer` does not have as one.
    pub fn within(&self, outer: &IdMap) -> Result<IdMap> {
        let ranges = |own: &[Range], outer: &[Range]| -> Result<Vec<Range>> {
            let one = |r: &Range| {
                let end = |outside: u32, count: u32| u64::from(outside) + u64::from(count);
                let has = |o: &&Range| o.outside <= r.outside && end(r.outside, r.count) <= end(o.outside, o.count);
                let found = outer.iter().find(has).ok_or_else(|| {
                    Error::unsupported(format!("map id {} of the host within another user namespace", r.outside))
                })?;
                Ok(Range { outside: found.inside + (r.outside - found.outside), ..*r })
            };
            own.iter().map(one).collect()
        };
        Ok(IdMap { uids: ranges(&self.uids, &outer.uids)?, gids: ranges(&self.gids, &outer.gids)?, ..self.clone() })
    }

    /// The same ids by the numbers that they have outside.
    pub fn on_host(&self) -> IdMap {
        let ranges = |list: &[Range]| list.iter().map(|r| Range { inside: r.outside, ..*r }).collect();
        IdMap { uids: ranges(&self.uids), gids: ranges(&self.gids), ..self.clone() }
    }

    /// The texts of uid_map and gid_map (user_namespaces(7)).
    pub fn texts(&self) -> Result<[std::ffi::CString; 2]> {
        let text = |ranges: &[Range]| {
            std::ffi::CString::new(super::maps::text(ranges)).map_err(|_| Error::bug("write an id map"))
        };
        Ok([text(&self.uids)?, text(&self.gids)?])
    }

    /// The map of the user namespace that the process behind `pidfd` is in, a child of ours.
    ///
    /// # Errors
    /// NotFound when the process has ended.
    pub fn of_process(&self, pidfd: BorrowedFd<'_>) -> Result<IdMap> {
        let what = "read the id map of another container";
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).context(what)?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).map_or("-1", str::trim);
        let read = |file: &str| -> Result<Vec<Range>> {
            let ranges: Vec<_> = parse_map(&fs::read_to_string(format!("/proc/{pid}/{file}")).context(what)?).collect();
            if ranges.is_empty() { Err(Error::not_found(what).hint("it has ended")) } else { Ok(ranges) }
        };
        Ok(IdMap { uids: read("uid_map")?, gids: read("gid_map")?, ..self.clone() })
    }

    /// How many user ids the container sees.
    pub fn container_ids(&self) -> u64 {
        self.uids.iter().map(|r| u64::from(r.count)).sum()
    }

    /// One line for stderr when containers get fewer ids than usual.
    pub fn note(&self) -> Option<String> {
        let reason = self.reason.as_ref()?;
        Some(format!("containers see one user id only: {reason}"))
    }

    /// Where the user id `inside` is outside.
    pub fn uid_outside(&self, inside: u32) -> Option<u32> {
        outside(&self.uids, inside)
    }

    /// Where the group id `inside` is outside.
    pub fn gid_outside(&self, inside: u32) -> Option<u32> {
        outside(&self.gids, inside)
    }
}

fn outside(ranges: &[Range], inside: u32) -> Option<u32> {
    ranges.iter().find(|r| inside >= r.inside && inside - r.inside < r.count).map(|r| r.outside + (inside - r.inside))
}

/// Lines of /proc/PID/uid_map.
fn parse_map(text: &str) -> impl Iterator<Item = Range> {
    text.lines().filter_map(|line| {
        let mut f = line.split_whitespace().map(str::parse::<u32>);
        Some(Range { inside: f.next()?.ok()?, outside: f.next()?.ok()?, count: f.next()?.ok()? })
    })
}

/// Whether every id of `ranges` exists in the user namespace whose map is `text`.
fn covers(text: &str, ranges: &[(u32, u32)]) -> bool {
    let inside: Vec<Range> = parse_map(text).collect();
    let end = |first: u32, count: u32| u64::from(first) + u64::from(count);
    ranges.iter().all(|(first, count)| {
        inside.iter().any(|r| *first >= r.inside && end(*first, *count) <= end(r.inside, r.count))
    })
}

/// Why the helper at `path` can't gain its privilege; `None` if it can.
fn powerless(path: &Path) -> Option<String> {
    let shown = path.display();
    if rustix::thread::no_new_privs().unwrap_or(false) {
        return Some(format!("{shown} has no effect under no_new_privs"));
    }
    let set_id = fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o4000 != 0);
    let mut value = [0u8; 32];
    if !set_id && rustix::fs::getxattr(path, "security.capability", &mut value[..]).is_err() {
        return Some(format!("{shown} has neither the set-uid bit nor file capabilities"));
    }
    let nosuid = rustix::fs::statvfs(path).is_ok_and(|s| s.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID));
    nosuid.then(|| format!("{shown} is on a file system mounted nosuid"))
}

/// 0 is the user, 1.. the subordinate ranges in their order.
fn compose(own: u32, ranges: &[(u32, u32)]) -> Vec<Range> {
    let mut map = vec![Range { inside: 0, outside: own, count: 1 }];
    let mut next = 1u32;
    for (first, count) in ranges {
        // A range that holds the user's own id would map it twice, which the kernel refuses.
        if own >= *first && own - first < *count {
            continue;
        }
        let count = (*count).min(u32::MAX - 1 - next);
        if count == 0 {
            break;
        }
        map.push(Range { inside: next, outside: *first, count });
        next += count;
    }
    map
}

/// Rearranges `map` (made by [`compose`]) so that `own` is `inside`; the others fill the ids around it.
fn keep(own: u32, map: &[Range], inside: u32, what: &str) -> Result<Vec<Range>> {
    let mut out = Vec::new();
    let mut next = 0u32;
    for range in map.iter().filter(|r| r.outside != own) {
        let (mut outside, mut count) = (range.outside, range.count);
        while count > 0 {
            if next == inside {
                next += 1;
            }
            let room = if next < inside { inside - next } else { u32::MAX - 1 - next };
            let take = count.min(room);
            if take == 0 {
                break;
            }
            out.push(Range { inside: next, outside, count: take });
            (next, outside, count) = (next + take, outside + take, count - take);
        }
    }
    if inside > next {
        return Err(Error::user(format!(
            "keep {what} id {inside}: only {next} subordinate ids are there to fill the ids below it"
        ))
        .hint("ask for larger ranges in /etc/subuid and /etc/subgid, or name a smaller id (keep-id:uid=…,gid=…)"));
    }
    out.push(Range { inside, outside: own, count: 1 });
    out.sort_by_key(|r| r.inside);
    Ok(out)
}

/// Where a helper program is: PATH first, then where distributions put set-id helpers.
pub fn find_helper(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_absolute() && file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn r(inside: u32, outside: u32, count: u32) -> Range {
        Range { inside, outside, count }
    }

    #[test]
    fn composes_several_ranges() {
        assert_eq!(
            compose(1000, &[(100_000, 10), (300_000, 5)]),
            [r(0, 1000, 1), r(1, 100_000, 10), r(11, 300_000, 5)]
        );
        assert_eq!(compose(1000, &[(900, 200), (5000, 2)]), [r(0, 1000, 1), r(1, 5000, 2)]);
    }

    #[test]
    fn sees_what_an_outer_namespace_lacks() {
        assert!(covers("0 0 4294967295\n", &[(100_000, 65536)]));
        assert!(covers("0 1000 1\n1 100000 65536\n", &[(1, 65536), (5, 1)]));
        assert!(!covers("0 1000 1\n1 100000 65536\n", &[(100_000, 65536)]));
        assert!(!covers("", &[(1, 1)]));
    }

    #[test]
    fn keeps_the_own_id() {
        let map = compose(1000, &[(100_000, 65536)]);
        assert_eq!(
            keep(1000, &map, 1000, "user").unwrap(),
            [r(0, 100_000, 1000), r(1000, 1000, 1), r(1001, 101_000, 64536)]
        );
        assert_eq!(keep(1000, &map, 0, "user").unwrap(), [r(0, 1000, 1), r(1, 100_000, 65536)]);
        assert_eq!(keep(1000, &map, 65536, "user").unwrap(), [r(0, 100_000, 65536), r(65536, 1000, 1)]);
        assert!(keep(1000, &map, 70_000, "user").is_err());
    }

    proptest! {
        #[test]
        fn keep_is_a_permutation(counts in prop::collection::vec(1u32..2000, 1..5), inside in 0u32..9000) {
            let mut first = 100_000;
            let ranges: Vec<_> = counts.iter().map(|c| { first += 5000; (first, *c) }).collect();
            let map = compose(1000, &ranges);
            let total: u32 = counts.iter().sum();
            match keep(1000, &map, inside, "user") {
                Err(_) => prop_assert!(inside > total),
                Ok(kept) => {
                    prop_assert!(inside <= total);
                    let mut next = 0;
                    for range in &kept {
                        prop_assert_eq!(range.inside, next);
                        next += range.count;
                    }
                    prop_assert_eq!(next, total + 1);
                    let mut a: Vec<u32> = kept.iter().flat_map(|r| r.outside..r.outside + r.count).collect();
                    let mut b: Vec<u32> = map.iter().flat_map(|r| r.outside..r.outside + r.count).collect();
                    a.sort_unstable();
                    b.sort_unstable();
                    prop_assert_eq!(a, b);
                    prop_assert_eq!(outside(&kept, inside), Some(1000));
                }
            }
        }
    }
}
