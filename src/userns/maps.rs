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

/// A user namespace whose maps are on their way before there is a container to use it.
#[derive(Debug)]
pub struct Early {
    map: IdMap,
    writing: Writing,
    namespace: OwnedFd,
    _holder: Holder,
}

impl Early {
    /// Begins, where `map` takes long to write: that is, with the set-id helpers. Errors are left to the later launch.
    pub fn begin(map: IdMap) -> Option<Early> {
        if map.level != Level::Full {
            return None;
        }
        let holder = Holder::new().ok()?;
        let writing = start_maps(holder.pid, &map).ok()?;
        let path = format!("/proc/{}/ns/user", holder.pid);
        let namespace = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, 0.into()).ok()?;
        Some(Early { map, writing, namespace, _holder: holder })
    }

    /// The map that is written.
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
