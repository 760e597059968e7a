//! Who the container's process is: `user[:group]` looked up in the container's own passwd(5) and group(5).
//!
//! No NSS: it would load libraries of the container into a privileged process (CVE-2019-14271).

use crate::error::{Error, Kind, Result};
use crate::sys::rooted;
use rustix::fs::OFlags;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Beyond this size the files are not what they should be.
const LIMIT: usize = 16 << 20;

/// Ids and home of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, without duplicates.
    pub groups: Vec<u32>,
    /// The caller's own supplementary groups stay (`--group-add keep-groups`).
    pub keep_groups: bool,
    /// Empty if passwd does not know the user.
    pub home: String,
    pub name: String,
}

/// Looks `user` (`name|uid[:group|gid]`, empty = 0) and the additional `groups` up in the root directory `root`.
///
/// # Errors
/// A name that the files do not have; a number beyond 32 bits.
pub fn resolve(root: BorrowedFd<'_>, user: &str, groups: &[String]) -> Result<User> {
    let read = |path: &str| match rooted::read(root, Path::new(path), LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::INVAL) => Ok(String::new()),
        Err(e) => Err(Error::errno(e.raw_os_error(), format!("read {path} of the container"))),
    };
    lookup(&read("etc/passwd")?, || read("etc/group"), user, groups)
}

/// Adds `line` to the container's /etc/passwd for a user that it does not know, so that programs find his name and
/// home; where that is impossible (no such file, a symlink to nowhere) he stays a number.
pub fn introduce(root: BorrowedFd<'_>, user: &mut User, line: &str) {
    let fields: Vec<&str> = line.split(':').collect();
    if !user.name.is_empty() || fields.len() < 7 || fields[2] != user.uid.to_string() {
        return;
    }
    let path = Path::new("etc/passwd");
    let Ok(content) = rooted::read(root, path, LIMIT) else { return };
    let Ok(file) = rooted::open(root, path, OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK) else { return };
    let gap = if content.is_empty() || content.ends_with(b"\n") { "" } else { "\n" };
    if rustix::io::write(&file, format!("{gap}{line}\n").as_bytes()).is_ok() {
        (user.name, user.home) = (fields[0].to_string(), fields[5].to_string());
    }
}

fn lookup(passwd: &str, group_file: impl Fn() -> Result<String>, user: &str, more: &[String]) -> Result<User> {
    let (who, group) = match user.split_once(':') {
        Some((who, group)) => (who, Some(group).filter(|g| !g.is_empty())),
        None => (user, None),
    };
    let who = if who.is_empty() { "0" } else { who };
    let mut found = User::default();
    let entry = passwd.lines().find_map(|line| {
        let f: Vec<&str> = line.split(':').collect();
        (f.len() >= 7 && !f[0].is_empty() && (f[0] == who || f[2] == who)).then_some(f)
    });
    match entry {
        Some(f) => {
            let number = |text: &str| {
                text.parse::<u32>().map_err(|_| bad(format!("read /etc/passwd of the container: bad id '{text}'")))
            };
            (found.uid, found.gid) = (number(f[2])?, number(f[3])?);
            (found.name, found.home) = (f[0].to_string(), f[5].to_string());
        }
        None => found.uid = id(who).ok_or_else(|| bad(format!("find user '{who}' in /etc/passwd of the container")))?,
    }
    let needs_file = group.is_some_and(|g| id(g).is_none())
        || (group.is_none() && !found.name.is_empty())
        || more.iter().any(|g| id(g).is_none());
    let text = if needs_file { group_file()? } else { String::new() };
    let entries = || {
        text.lines().filter_map(|line| {
            let mut f = line.split(':');
            Some((f.next()?, f.nth(1)?.parse::<u32>().ok()?, f.next().unwrap_or_default()))
        })
    };
    let gid_of = |name: &str| {
        let by_name = entries().find(|e| e.0 == name).map(|e| e.1);
        by_name.or_else(|| id(name)).ok_or_else(|| bad(format!("find group '{name}' in /etc/group of the container")))
    };
    match group {
        Some(group) => found.gid = gid_of(group)?,
        None if !found.name.is_empty() => {
            let member = entries().filter(|e| e.2.split(',').any(|m| m == found.name)).map(|e| e.1);
            found.groups.extend(member);
        }
        None => {}
    }
    for name in more {
        if name == "keep-groups" {
            found.keep_groups = true;
        } else {
            found.groups.push(gid_of(name)?);
        }
    }
    // The primary group too: else a process that changes its gid could shed a group that permissions deny
    // (CVE-2022-36109).
    found.groups.insert(0, found.gid);
    let mut seen = std::collections::BTreeSet::new();
    found.groups.retain(|g| seen.insert(*g));
    Ok(found)
}

fn id(text: &str) -> Option<u32> {
    // u32::MAX is "no change" to the kernel.
    text.parse::<u32>().ok().filter(|n| *n != u32::MAX)
}

fn bad(message: String) -> Error {
    Error::new(Kind::User, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/var/www:/bin/false\n1000:x:7:8::/odd:/x\nbig:x:99999999999:0::/:/x\n";
    const GROUP: &str = "root:x:0:\nweb:x:33:\nadm:x:4:web,other\nshadow:x:42:web\n";

    fn at(user: &str, more: &[&str]) -> Result<User> {
        let more: Vec<String> = more.iter().map(|s| s.to_string()).collect();
        lookup(PASSWD, || Ok(GROUP.into()), user, &more)
    }

    #[test]
    fn follows_dockers_rules() {
        type Case<'a> = (&'a str, &'a [&'a str], (u32, u32, &'a [u32], &'a str));
        let cases: &[Case<'_>] = &[
            ("", &[], (0, 0, &[0], "/root")),
            ("web", &[], (33, 33, &[33, 4, 42], "/var/www")),
            ("33", &[], (33, 33, &[33, 4, 42], "/var/www")),
            ("web:0", &[], (33, 0, &[0], "/var/www")),
            ("web:adm", &["shadow", "7", "7"], (33, 4, &[4, 42, 7], "/var/www")),
            ("4242", &[], (4242, 0, &[0], "")),
            ("4242:99", &["adm"], (4242, 99, &[99, 4], "")),
            (":adm", &[], (0, 4, &[4], "/root")),
            // A name of digits wins over the number.
            ("1000", &[], (7, 8, &[8], "/odd")),
        ];
        for (user, more, (uid, gid, groups, home)) in cases {
            let got = at(user, more).unwrap();
            assert_eq!((got.uid, got.gid, &got.groups[..], got.home.as_str()), (*uid, *gid, *groups, *home), "{user}");
        }
        assert!(at("web", &["keep-groups"]).unwrap().keep_groups);
    }

    #[test]
    fn names_what_is_missing() {
        for (user, word) in [
            ("nobody", "user 'nobody'"),
            ("web:nope", "group 'nope'"),
            ("big", "bad id"),
            ("-1", "user '-1'"),
            ("4294967295", "4294967295"),
        ] {
            let e = at(user, &[]).unwrap_err();
            assert!(e.to_string().contains(word) && e.exit_code() == 125, "{user}: {e}");
        }
    }
}
