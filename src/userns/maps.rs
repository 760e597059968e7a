//! Writing id maps: by the set-id helpers, or by ourselves where the kernel lets us.

use super::idmap::{IdMap, Level, Range, find_helper};
use crate::error::{Error, Kind, Result};
use crate::sys::clone::{Exec, Program, Spawned, spawn};
use crate::sys::holder::Holder;
use crate::sys::process;
use rustix::fs::OFlags;
use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// A helper at work, with the pipe of its error text.
#[derive(Debug)]
struct Helper {
    name: &'static str,
    process: Spawned,
    stderr: OwnedFd,
}

/// Maps on their way; [`Writing::finish`] waits for them.
#[derive(Debug)]
pub struct Writing {
    helpers: Vec<Helper>,
}

/// Writes the maps of the process `pid`, the first one in a new user namespace that is a child of ours.
///
/// # Errors
/// The helper's own words where newuidmap or newgidmap refuse.
pub fn write_maps(pid: i32, map: &IdMap) -> Result<()> {
    start_maps(pid, map)?.finish()
}

/// Starts to write the maps: both helpers run while the caller does other things.
pub fn start_maps(pid: i32, map: &IdMap) -> Result<Writing> {
    if map.level == Level::Full {
        let helpers = vec![helper("newuidmap", pid, &map.uids)?, helper("newgidmap", pid, &map.gids)?];
        return Ok(Writing { helpers });
    }
    if map.level == Level::OneId {
        // Without privilege a group map is only allowed once setgroups(2) is off (user_namespaces(7)).
        write(pid, "setgroups", "deny")?;
    }
    write(pid, "uid_map", &text(&map.uids))?;
    write(pid, "gid_map", &text(&map.gids))?;
    Ok(Writing { helpers: Vec::new() })
}

/// A user namespace that is there, its maps on their way, before there is a container to use it.
#[derive(Debug)]
pub struct Early {
    map: IdMap,
    writing: Writing,
    namespace: OwnedFd,
    nested: bool,
    _holder: Option<Holder>,
}

impl Early {
    /// Begins, where `map` takes long to write: that is, with the set-id helpers, which take longer than all else of a
    /// start. Below an outer namespace ([`outer`]) nobody needs them. Errors are left to the later launch.
    pub fn begin(map: IdMap, outer: impl FnOnce(&IdMap) -> Option<OwnedFd>) -> Option<Early> {
        if map.level != Level::Full {
            return None;
        }
        if let Some(namespace) = outer(&map) {
            let writing = Writing { helpers: Vec::new() };
            return Some(Early { map, writing, namespace, nested: true, _holder: None });
        }
        let holder = Holder::new().ok()?;
        let writing = start_maps(holder.pid, &map).ok()?;
        let namespace = namespace_of(&holder)?;
        Some(Early { map, writing, namespace, nested: false, _holder: Some(holder) })
    }

    /// Whether the container's own namespace is to be one below this, rather than this.
    pub fn nested(&self) -> bool {
        self.nested
    }

    /// The map of the container.
    pub fn map(&self) -> &IdMap {
        &self.map
    }

    /// The namespace.
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Waits for the maps.
    ///
    /// # Errors
    /// As [`write_maps`].
    pub fn finish(self) -> Result<()> {
        self.writing.finish()
    }
}

/// A user namespace for others to be made below it, with maps that need no helper then: it has all the ids of `map` by
/// the numbers that they have on the host, so that what is below looks as if it was not there.
///
/// # Errors
/// As [`write_maps`].
pub fn outer(map: &IdMap) -> Result<OwnedFd> {
    let holder = Holder::new()?;
    write_maps(holder.pid, &map.on_host())?;
    namespace_of(&holder).ok_or_else(|| Error::not_found("open a user namespace"))
}

fn namespace_of(holder: &Holder) -> Option<OwnedFd> {
    let path = format!("/proc/{}/ns/user", holder.pid);
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, 0.into()).ok()
}

impl Writing {
    pub fn finish(self) -> Result<()> {
        let mut result = Ok(());
        // Both are reaped, whatever the first says.
        for helper in self.helpers {
            let end = finish_helper(helper);
            result = result.and(end);
        }
        result
    }
}

pub(super) fn text(ranges: &[Range]) -> String {
    ranges.iter().map(|r| format!("{} {} {}\n", r.inside, r.outside, r.count)).collect()
}

fn write(pid: i32, file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{pid}/{file}");
    // One write(2): the kernel takes a map only whole.
    fs::write(&path, text).map_err(|e| crate::error::IntoError::context(e, format!("write {path}")))
}

fn cstring(bytes: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(bytes).map_err(|_| Error::bug("start an id map helper: a name has a zero byte"))
}

fn helper(name: &'static str, pid: i32, ranges: &[Range]) -> Result<Helper> {
    let path = find_helper(name)
        .ok_or_else(|| Error::not_found(format!("find {name}")).hint("install the package uidmap (shadow-utils)"))?;
    let path = cstring(path.as_os_str().as_bytes())?;
    let mut argv = vec![cstring(name)?, cstring(pid.to_string())?];
    for range in ranges {
        for number in [range.inside, range.outside, range.count] {
            argv.push(cstring(number.to_string())?);
        }
    }
    let (stderr, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| Error::errno(e.raw_os_error(), "make a pipe"))?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, 0.into())
        .map_err(|e| Error::errno(e.raw_os_error(), "open /dev/null"))?;
    let process = spawn(&Exec {
        program: Program::Path(&path),
        argv: &argv,
        env: &[],
        stdio: [Some(null.as_fd()), Some(null.as_fd()), Some(write.as_fd())],
        fds: &[],
        namespaces: 0,
        joins: &[],
        cgroup_procs: None,
        session: false,
        death_signal: 0,
        ambient: false,
    })
    .map_err(|e| e.context(format!("run {name}")))?;
    Ok(Helper { name, process, stderr })
}

fn finish_helper(helper: Helper) -> Result<()> {
    let mut text = String::new();
    let _ = fs::File::from(helper.stderr).take(4096).read_to_string(&mut text);
    let code = process::wait(helper.process.pid)
        .map_err(|e| Error::errno(e.raw_os_error(), format!("wait for {}", helper.name)))?;
    if code == 0 {
        return Ok(());
    }
    let text = text.trim().trim_start_matches(helper.name).trim_start_matches(": ");
    let what = if text.is_empty() { format!("exit code {code}") } else { text.replace('\n', "; ") };
    Err(Error::new(Kind::Denied, format!("{}: {what}", helper.name))
        .hint("check that it is set-uid root and that /etc/subuid and /etc/subgid have your ranges"))
}
