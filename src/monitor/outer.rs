//! The outer user namespace ([`crate::userns::outer`]) that the running containers of a user have in common.
//!
//! The monitor of each container that lives for more than a moment holds it by a descriptor; nobody is in it. A file
//! tells where to find them. It is a hint: monitors that ended are still in it, and without it a start takes a little
//! longer.

use crate::error::{Error, Result};
use crate::state::atomic::{self, Class};
use crate::state::boot;
use crate::state::paths::Paths;
use crate::sys::process;
use crate::userns::{IdMap, Level, outer};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// What has ended by then is over before another container could profit.
pub(super) const SETTLED: Duration = Duration::from_secs(1);

/// A longer file is written anew with those that live.
const MAX_FILE: usize = 4096;

/// The resource limits that the kernel takes over into a user namespace when it is made (Linux 5.14).
const LIMITS: [libc::__rlimit_resource_t; 4] =
    [libc::RLIMIT_NPROC, libc::RLIMIT_MSGQUEUE, libc::RLIMIT_SIGPENDING, libc::RLIMIT_MEMLOCK];

/// The first line of the file. A line `PID TICKS FD INODE` for each monitor follows: [`boot::start_ticks`], its
/// descriptor of the namespace, and the namespace's inode number.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Head {
    limits: [u64; 4],
    idmap: IdMap,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Keeper {
    pid: i32,
    ticks: u64,
    fd: i32,
    inode: u64,
}

/// The outer namespace of containers that run with the same map and limits.
pub fn find(paths: &Paths, idmap: &IdMap) -> Option<OwnedFd> {
    let text = read(paths)?;
    let (head, keepers) = text.split_once('\n')?;
    if serde_json::from_str::<Head>(head).ok()? != here(idmap)? {
        return None;
    }
    // The last ones are the likeliest to live.
    keepers.lines().rev().filter_map(parse).find_map(|keeper| {
        let _process = boot::open(keeper.pid, keeper.ticks).ok()??;
        let path = format!("/proc/{}/fd/{}", keeper.pid, keeper.fd);
        let namespace = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        (inode(&namespace)? == keeper.inode).then_some(namespace)
    })
}

/// Holds an outer namespace from now on: `ours`, if the container is in one, or that of others, or a new one.
///
/// # Errors
/// Those of the set-id helpers; nothing depends on it.
pub(super) fn keep(paths: &Paths, idmap: &IdMap, ours: Option<OwnedFd>) -> Result<Option<OwnedFd>> {
    if idmap.level != Level::Full {
        return Ok(None);
    }
    let namespace = match ours.or_else(|| find(paths, idmap)) {
        Some(namespace) => namespace,
        None => outer(idmap)?,
    };
    record(paths, idmap, &namespace)?;
    Ok(Some(namespace))
}

fn record(paths: &Paths, idmap: &IdMap, namespace: &OwnedFd) -> Result<()> {
    let pid = process::own_pid();
    let (Some(ticks), Some(inode), Some(head)) = (boot::start_ticks(pid), inode(namespace), here(idmap)) else {
        return Err(Error::bug("record the outer user namespace"));
    };
    let line = format!("{pid} {ticks} {} {inode}\n", namespace.as_raw_fd());
    let text = read(paths).unwrap_or_default();
    let (first, keepers) = text.split_once('\n').unwrap_or_default();
    let same = serde_json::from_str::<Head>(first).is_ok_and(|found| found == head);
    if same && text.len() + line.len() < MAX_FILE {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if let Ok(file) = rustix::fs::open(paths.outer(), flags, Mode::empty()) {
            let _ = File::from(file).write_all(line.as_bytes());
            return Ok(());
        }
    }
    let mut new = serde_json::to_string(&head).unwrap_or_default() + "\n";
    let lives = |line: &&str| parse(line).is_some_and(|keeper| boot::start_ticks(keeper.pid) == Some(keeper.ticks));
    for line in keepers.lines().filter(|_| same).filter(lives) {
        new.push_str(line);
        new.push('\n');
    }
    new.push_str(&line);
    atomic::write(&paths.outer(), new.as_bytes(), Class::Volatile)
}

fn read(paths: &Paths) -> Option<String> {
    let mut text = String::new();
    // Longer than the usual bound only with more live containers than that.
    File::open(paths.outer()).ok()?.take(MAX_FILE as u64 * 64).read_to_string(&mut text).ok()?;
    Some(text)
}

fn parse(line: &str) -> Option<Keeper> {
    let mut words = line.split(' ');
    let keeper = Keeper {
        pid: words.next()?.parse().ok()?,
        ticks: words.next()?.parse().ok()?,
        fd: words.next()?.parse().ok()?,
        inode: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(keeper)
}

fn here(idmap: &IdMap) -> Option<Head> {
    let mut limits = [0; 4];
    for (limit, resource) in limits.iter_mut().zip(LIMITS) {
        *limit = process::rlimit(resource).ok()?.0;
    }
    Some(Head { limits, idmap: idmap.clone() })
}

/// The number by which nsfs tells a namespace from others that exist at the same time.
fn inode(namespace: &OwnedFd) -> Option<u64> {
    rustix::fs::fstat(namespace).map(|s| s.st_ino).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(reason: Option<&str>) -> IdMap {
        IdMap { level: Level::Full, uids: Vec::new(), gids: Vec::new(), reason: reason.map(str::to_string) }
    }

    fn namespace() -> OwnedFd {
        rustix::fs::open("/proc/self/ns/user", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    #[test]
    fn finds_what_somebody_holds() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("data"), dir.path());
        assert!(find(&paths, &map(None)).is_none());
        let kept = keep(&paths, &map(None), Some(namespace())).unwrap().unwrap();
        let found = find(&paths, &map(None)).unwrap();
        assert_eq!(inode(&found), inode(&kept));
        // Of another map nothing is known.
        assert!(find(&paths, &map(Some("x"))).is_none());
        // The same number may be another file of the keeper's by now, or none.
        drop(kept);
        let fd = File::open("/dev/null").unwrap();
        assert!(find(&paths, &map(None)).is_none());
        drop(fd);
        std::fs::write(paths.outer(), "{}\n1 1 1\n\n").unwrap();
        assert!(find(&paths, &map(None)).is_none());
    }

    #[test]
    fn forgets_the_dead_when_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("data"), dir.path());
        let namespace = namespace();
        for _ in 0..2 {
            record(&paths, &map(None), &namespace).unwrap();
        }
        let lines = |paths: &Paths| read(paths).unwrap().lines().count();
        assert_eq!(lines(&paths), 3);
        let mut file = File::options().append(true).open(paths.outer()).unwrap();
        while file.metadata().unwrap().len() < MAX_FILE as u64 {
            file.write_all(b"1 1 0 1\nnonsense\n-1 x\n").unwrap();
        }
        assert!(find(&paths, &map(None)).is_some());
        record(&paths, &map(None), &namespace).unwrap();
        assert_eq!(lines(&paths), 4);
        // A new map or new limits begin a new list.
        record(&paths, &map(Some("x")), &namespace).unwrap();
        assert_eq!(lines(&paths), 2);
    }
}
