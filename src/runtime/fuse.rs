//! fuse-overlayfs, where the kernel refuses its own overlay to users (before 5.11, on an overlay or network file
//! system).
//!
//! PID 1 asks for it; the monitor starts it. It works in the container's user namespace, but in the host's pid namespace,
//! where the container can neither see nor stop it, and in a mount namespace of its own, since PID 1's pivot_root(2)
//! would take the host's tree away from it. The mount travels to PID 1 as a descriptor.

use super::owned::Layers;
use crate::error::{Context, Error, Result};
use crate::stage::spawn::{Child, argv, cstring, dev_null};
use crate::stage::{Channel, ids, program};
use crate::state::hook;
use crate::sys::{clone, mount, process};
use crate::userns::find_helper;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Name of the stage.
pub const STAGE: &str = "fuse";
const PATIENCE: Duration = Duration::from_secs(20);

/// What to mount where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub layers: Layers,
    pub upper: PathBuf,
    pub work: PathBuf,
    pub volatile: bool,
    /// The mount point.
    pub at: PathBuf,
}

/// A running fuse-overlayfs: its end is the end of the file system.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    errors: OwnedFd,
}

impl Server {
    /// Starts it for the container that the process behind `pidfd` is PID 1 of; gives its mount, attached nowhere.
    ///
    /// # Errors
    /// Unsupported without the program or /dev/fuse; its own words where it fails.
    pub fn start(pidfd: &OwnedFd, request: &Request) -> Result<(Server, OwnedFd)> {
        let missing = |what: &str| Error::unsupported(format!("mount with fuse-overlayfs: {what}"));
        let binary = helper().ok_or_else(|| missing("it is not installed"))?;
        can_be_used().map_err(|_| missing("/dev/fuse can't be used"))?;
        let (ours, theirs) = Channel::pair()?;
        let errors = memfd_create("fuse-overlayfs", MemfdFlags::CLOEXEC).context("make a memfd")?;
        let null = dev_null()?;
        let path = cstring(program().as_os_str().as_bytes())?;
        let spawned = clone::spawn(&clone::Exec {
            program: clone::Program::Path(&path),
            argv: &argv(STAGE, &[])?,
            env: &[],
            stdio: [Some(null.as_fd()), Some(null.as_fd()), Some(errors.as_fd())],
            fds: &[theirs.as_fd()],
            namespaces: 0,
            joins: &[],
            cgroup_procs: None,
            session: true,
            death_signal: libc::SIGKILL,
            ambient: false,
        });
        drop(theirs);
        let server = Server { child: Child::from(spawned.context("start fuse-overlayfs")?), errors };
        ours.send(&(request, binary), &[pidfd.as_fd()])?;
        // The process that watches for the mount is our child too.
        let Some((watcher, _)) = ours.recv::<i32>()? else { return Err(server.reason()) };
        let mut polled = [PollFd::new(&ours, PollFlags::IN), PollFd::new(&server, PollFlags::IN)];
        while let Err(e) = poll(&mut polled, None) {
            if e != Errno::INTR {
                return Err(e).context("wait for fuse-overlayfs");
            }
        }
        let mounted = if polled[0].revents().is_empty() { None } else { ours.recv::<()>()? };
        if mounted.is_none() {
            let _ = process::kill(watcher, libc::SIGKILL);
        }
        let _ = process::wait(watcher);
        match mounted.and_then(|((), fds)| fds.into_iter().next()) {
            Some(mount) => Ok((server, mount)),
            None => Err(server.reason()),
        }
    }

    /// Why it died.
    pub fn reason(&self) -> Error {
        let mut text = String::new();
        if let Ok(fd) = self.errors.try_clone() {
            let mut file = std::fs::File::from(fd);
            let _ = std::io::Seek::rewind(&mut file);
            let _ = file.take(4096).read_to_string(&mut text);
        }
        let text: Vec<&str> = text.lines().filter(|l| !l.starts_with("unknown argument ignored")).collect();
        Error::new(crate::error::Kind::Io, format!("mount with fuse-overlayfs: {}", text.join("; ")))
    }
}

fn helper() -> Option<PathBuf> {
    if hook::without("fuse") { None } else { find_helper("fuse-overlayfs") }
}

/// Opens the device: its mode says nothing of what a device policy or a mask over it allows (ENODEV, EPERM).
fn can_be_used() -> std::result::Result<(), Errno> {
    let fd = rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // Another device may have been put over it, as containers do.
    let stat = rustix::fs::fstat(fd)?;
    if stat.st_rdev == rustix::fs::makedev(10, 229) { Ok(()) } else { Err(Errno::NODEV) }
}

impl AsFd for Server {
    /// Readable when it has died.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.child.as_fd()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(libc::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The stage: enters the container-to-be and becomes fuse-overlayfs.
pub fn main(_args: &[String]) -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::from(125)
}

fn run() -> Result<()> {
    ids::undumpable()?;
    let channel = Channel::inherited(3)?;
    let Some(((request, binary), fds)) = channel.recv::<(Request, PathBuf)>()? else {
        return Err(Error::bug("start fuse-overlayfs: the monitor is gone"));
    };
    let pidfd = fds.first().ok_or_else(|| Error::bug("start fuse-overlayfs without a pidfd"))?;
    process::setns(pidfd.as_fd(), libc::CLONE_NEWUSER).context("enter the container")?;
    ids::become_root(true)?;
    process::unshare(libc::CLONE_NEWNS).context("make a mount namespace")?;
    let before = device(&request.at)?;
    if process::fork(true).context("fork")? == 0 {
        channel.send(&process::own_pid(), &[])?;
        wait_for(&request.at, before, None)?;
        let mount = mount::clone_tree(rustix::fs::CWD, &request.at, false).context("take the mount")?;
        return channel.send(&(), &[mount.as_fd()]);
    }
    // Becoming another user cleared it.
    super::program::Program::die_with_parent()?;
    let (file, argv) = command(&request, &binary)?;
    process::reset_signals();
    let errno = process::exec(&file, &argv, &[]);
    Err(Error::errno(errno.raw_os_error(), format!("execute {}", binary.display())))
}

fn command(request: &Request, binary: &Path) -> Result<(CString, [CString; 5])> {
    let mut lower = Vec::new();
    for (n, layer) in request.layers.lowers.iter().enumerate() {
        if n > 0 {
            lower.push(b':');
        }
        lower.extend(escaped(layer));
    }
    let mut options = b"lowerdir=".to_vec();
    options.extend(lower);
    options.extend(b",upperdir=");
    options.extend(escaped(&request.upper));
    options.extend(b",workdir=");
    options.extend(escaped(&request.work));
    if request.volatile {
        options.extend(b",volatile");
    }
    let argv = [
        cstring("fuse-overlayfs")?,
        cstring("-f")?,
        cstring("-o")?,
        cstring(options)?,
        cstring(request.at.as_os_str().as_bytes())?,
    ];
    Ok((cstring(binary.as_os_str().as_bytes())?, argv))
}

/// Mounts in our own namespaces, for a job; gives the root directory. The server ends with our thread.
pub(super) fn here(request: &Request) -> Result<OwnedFd> {
    let missing = |what: &str| Error::unsupported(format!("mount with fuse-overlayfs: {what}"));
    let binary = helper().ok_or_else(|| missing("it is not installed"))?;
    can_be_used().map_err(|_| missing("/dev/fuse can't be used"))?;
    let (file, argv) = command(request, &binary)?;
    let null = dev_null()?;
    let before = device(&request.at)?;
    let server = clone::spawn(&clone::Exec {
        program: clone::Program::Path(&file),
        argv: &argv,
        env: &[],
        stdio: [Some(null.as_fd()); 3],
        fds: &[],
        namespaces: 0,
        joins: &[],
        cgroup_procs: None,
        session: true,
        death_signal: libc::SIGKILL,
        ambient: false,
    })
    .context("start fuse-overlayfs")?;
    wait_for(&request.at, before, Some(&server.pidfd))?;
    rustix::fs::open(&request.at, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .context("open the root")
}

/// Commas, colons and backslashes divide options.
fn escaped(path: &Path) -> Vec<u8> {
    path.as_os_str()
        .as_bytes()
        .iter()
        .flat_map(|b| if b",:\\".contains(b) { vec![b'\\', *b] } else { vec![*b] })
        .collect()
}

/// The device of what is mounted at `at`. Its file system's type would not tell: the store may lie on FUSE, too.
fn device(at: &Path) -> Result<u64> {
    let stat = rustix::fs::stat(at).with_context(|| format!("look at {}", at.display()))?;
    Ok(stat.st_dev)
}

/// Waits in the container's mount namespace until something else than `before` is mounted at `at`, or `server` ends.
fn wait_for(at: &Path, before: u64, server: Option<&OwnedFd>) -> Result<()> {
    let failed = |why: &str| Err(Error::new(crate::error::Kind::Io, format!("mount with fuse-overlayfs: {why}")));
    let deadline = Instant::now() + PATIENCE;
    loop {
        if device(at)? != before {
            return Ok(());
        }
        if Instant::now() > deadline {
            return failed("it takes too long");
        }
        let pause = rustix::time::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        let mut polled: Vec<PollFd<'_>> = server.iter().map(|fd| PollFd::new(*fd, PollFlags::IN)).collect();
        // An interruption only makes the pause shorter.
        if poll(&mut polled, Some(&pause)).is_ok_and(|n| n > 0) && device(at)? == before {
            return failed("it ended");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_what_divides_options() {
        assert_eq!(super::escaped(std::path::Path::new("/a,b:c\\d")), b"/a\\,b\\:c\\\\d");
    }
}
