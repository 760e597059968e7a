//! Facts and descriptors of the host that a launch needs.

use crate::error::{Context, Error, Result};
use crate::spec::model::{Seccomp, Spec, UserNs};
use crate::stage;
use crate::sys::clone::{DetachedMount, Exec, Program, Spawned, detached_mount, spawn_mapped};
use crate::sys::{launcher, process};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, memfd_create, open, openat};
use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Starts our program in new namespaces so that nobody in them can write it: through a read-only mount of its own, or
/// (Linux before 5.12, a replaced binary) from a sealed copy. `exec.program` is ours to choose.
pub(super) fn spawn_protected(exec: &Exec<'_>, maps: Option<[&CStr; 2]>) -> Result<Spawned> {
    let program = stage::program();
    // What runs now; its name may belong to a newer version by now.
    let meta = fs::metadata(program).context("look at our own program")?;
    if let Ok(path) = fs::read_link(program).or_else(|_| fs::canonicalize(program)) {
        let path = stage::spawn::cstring(path.as_os_str().as_bytes())?;
        let program = Program::Detached { path: &path, device: meta.dev(), inode: meta.ino() };
        match spawn_mapped(&Exec { program, ..*exec }, maps) {
            Err(e) if e.context[0].contains("mount") => {}
            other => return other,
        }
    }
    let copy = sealed_copy(program)?;
    spawn_mapped(&Exec { program: Program::Fd(copy.as_fd()), ..*exec }, maps)
}

/// What executes the container's program for a process that is a mere fork of ours ([`crate::sys::launcher`]); `None`
/// where that can't be: programs in memory are forbidden, this process has threads, or a filter of the user's own may
/// not allow the launcher's few system calls.
pub(super) fn launcher(filter: &Seccomp) -> Option<OwnedFd> {
    let known = !matches!(filter, Seccomp::Profile(_));
    (known && process::single_threaded()).then(|| launcher::launcher().ok()).flatten()
}

/// Our program, where nobody in a container can write it.
#[derive(Debug)]
pub(super) enum Protected {
    Mount(DetachedMount),
    Copy(OwnedFd),
}

impl AsFd for Protected {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Protected::Mount(mount) => mount.fd.as_fd(),
            Protected::Copy(copy) => copy.as_fd(),
        }
    }
}

/// A descriptor to execute our program through, for a process that will enter a container: as for [`spawn_protected`].
pub(super) fn protected_program() -> Result<Protected> {
    let program = stage::program();
    let meta = fs::metadata(program).context("look at our own program")?;
    if let Ok(path) = fs::read_link(program).or_else(|_| fs::canonicalize(program)) {
        let path = stage::spawn::cstring(path.as_os_str().as_bytes())?;
        if let Ok(mount) = detached_mount(&path, meta.dev(), meta.ino()) {
            return Ok(Protected::Mount(mount));
        }
    }
    sealed_copy(program).map(Protected::Copy)
}

/// A memfd with the program's content that nobody can change any more.
fn sealed_copy(program: &Path) -> Result<OwnedFd> {
    let what = "copy our own program to memory";
    let memfd = memfd_create("coracle", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).context(what)?;
    let mut file = fs::File::from(memfd);
    std::io::copy(&mut fs::File::open(program).context(what)?, &mut file).context(what)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals).context(what)?;
    // A writable descriptor of a file can't be executed (ETXTBSY).
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context(what)
}

/// cgroup.procs of the directory `dir`, for writing by the child.
pub(super) fn cgroup_procs(dir: BorrowedFd<'_>) -> Result<OwnedFd> {
    openat(dir, "cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .context("open the container's cgroup.procs")
}

/// A namespace file named by the user.
pub(super) fn open_namespace(path: &str) -> Result<OwnedFd> {
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::errno(e.raw_os_error(), format!("open the namespace {path}")))
}

/// passwd(5) line of the caller under `--userns keep-id`; his home is there only if he brought it along.
pub(super) fn passwd_entry(spec: &Spec) -> Option<String> {
    let UserNs::KeepId { uid, gid } = &spec.userns else { return None };
    let own = rustix::process::getuid().as_raw();
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry =
        text.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|f| f.len() >= 7 && f[2] == own.to_string());
    let (name, gecos, home) = match &entry {
        Some(f) => (f[0].to_string(), f[4], f[5]),
        None => (format!("user{own}"), "", "/"),
    };
    let brought = spec.mounts.iter().any(|m| m.destination != "/" && Path::new(home).starts_with(&m.destination));
    let home = if brought { home } else { "/" };
    let uid = uid.unwrap_or(own);
    let gid = gid.unwrap_or_else(|| rustix::process::getgid().as_raw());
    Some(format!("{name}:*:{uid}:{gid}:{gecos}:{home}:/bin/sh"))
}

/// Device nodes for --privileged: all in /dev that this user may open, but for terminals (whose are other people's) and
/// what every container has of its own.
pub(super) fn devices() -> Vec<PathBuf> {
    const OWN: [&str; 11] =
        ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "mqueue"];
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from("/dev")];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let text = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            let top = dir == Path::new("/dev");
            if top && (OWN.contains(&text.as_ref()) || text.starts_with("tty") || text.starts_with("pty")) {
                continue;
            }
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_char_device() || kind.is_block_device() {
                let access = rustix::fs::access(entry.path(), rustix::fs::Access::READ_OK);
                if access.is_ok() {
                    found.push(entry.path());
                }
            }
        }
    }
    found.sort();
    found
}
