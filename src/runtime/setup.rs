//! Interprets the plan inside the new mount namespace, before the program starts.

use super::attrs::Attrs;
use super::copyup::{copy_up as copy_up_all, fill_volume, settle};
use super::owned::Layers;
use super::plan::{Or, Step, Writes};
use super::terminal::Terminal;
use super::user::User;
use super::{overlays, rootfs};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::rooted::{self, Want};
use crate::sys::{mount, process};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, open};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What the steps leave behind.
#[derive(Debug, Default)]
pub struct Setup {
    root: Option<OwnedFd>,
    /// Our own fresh /dev: places directly in it need no lookup.
    dev: Option<OwnedFd>,
    /// Who the program will be, once the root is there.
    pub user: User,
    pub terminal: Option<Terminal>,
    pub warnings: Vec<String>,
    /// Another container's /dev/shm, attached nowhere.
    pub shared_memory: Option<OwnedFd>,
    /// The empty directory behind all masked directories.
    blank: Option<OwnedFd>,
    /// Highest group that is mapped in one piece from 0 on.
    pub groups: u32,
}

impl Setup {
    /// Mounts of this namespace must neither reach the host's nor (but for those asked for) hear of them.
    pub fn isolate(&self) -> Result<()> {
        mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
            .context("make the mounts private")
    }

    /// The container's root directory.
    pub fn root(&self) -> Result<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd).ok_or_else(|| Error::bug("set up a container without a root"))
    }

    pub fn run(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Overlay { layers, upper, work, volatile } => {
                rootfs::prepare(&layers.lowers, upper, work)?;
                let (root, attached) = rootfs::overlay(layers, upper, work, *volatile)?;
                self.enter_root(root, upper, attached)
            }
            Step::Rootfs { dir } => {
                let tree = mount::clone_tree(CWD, dir, true).with_context(|| format!("mount {}", dir.display()))?;
                mount::set_attr(tree.as_fd(), 0, 0, mount::PRIVATE, true).context("make the root private")?;
                self.enter_root(tree, dir, false)
            }
            Step::Fresh { fstype, target, options, attrs, chown, copy_up, or } => {
                let fresh = Fresh { fstype, target, options, attrs: *attrs, chown: *chown, copy_up: *copy_up };
                self.fresh(&fresh, or)
            }
            Step::Image { layers, subpath, target, attrs, writes, place } => {
                self.image(layers, subpath, target, *attrs, writes.as_ref(), place)
            }
            Step::Bind { source, subpath, target, recursive, attrs, chown, volume, copy_up, writes, or } => {
                let bind = Bind {
                    source,
                    subpath,
                    target,
                    recursive: *recursive,
                    attrs: *attrs,
                    chown: *chown,
                    volume: *volume,
                    copy_up: *copy_up,
                    writes: writes.as_ref(),
                };
                match self.bind(&bind) {
                    Err(_) if *or == Or::Skip => Ok(()),
                    other => other,
                }
            }
            Step::SharedMemory { options } => {
                let attrs = Attrs::NOSUID | Attrs::NODEV | Attrs::NOEXEC;
                match self.shared_memory.take() {
                    Some(tree) => self.attach(tree.as_fd(), "/dev/shm", Want::Dir, || "share /dev/shm"),
                    None => {
                        let fstype = "tmpfs";
                        let fresh = Fresh { fstype, target: "/dev/shm", options, attrs, chown: false, copy_up: false };
                        self.fresh(&fresh, &Or::Fail)
                    }
                }
            }
            Step::Node { name } => {
                let place = format!("/dev/{name}");
                let what = || format!("mount {place}");
                let node = mount::clone_tree(CWD, Path::new(&place), false).with_context(what)?;
                self.attach(node.as_fd(), &place, Want::File, what)
            }
            Step::Link { at, to } => self.link(at, to),
            Step::Terminal { window } => {
                let terminal = Terminal::open(self.root()?, *window)?;
                let slave = mount::clone_tree(terminal.slave.as_fd(), Path::new(""), false);
                let slave = slave.context("clone the terminal's mount")?;
                self.attach(slave.as_fd(), "/dev/console", Want::File, || "mount /dev/console")?;
                self.terminal = Some(terminal);
                Ok(())
            }
            Step::Names { hostname, domain } => process::set_names(hostname.as_deref(), domain.as_deref())
                .with_context(|| format!("set the host name {}", hostname.as_deref().unwrap_or_default())),
            Step::Loopback => {
                // Nobody else is on the helper's link: its IPv6 address need not wait a second for objections.
                let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
                process::loopback_up().context("switch the loopback device on")
            }
            Step::PingRange => {
                // A kernel without IPv4 or ping sockets is no reason to fail.
                let _ = self.sysctl("net.ipv4.ping_group_range", &format!("0 {}", self.groups));
                Ok(())
            }
            Step::Sysctl { name, value } => self.sysctl(name, value),
            Step::Mask { target } => self.mask(target),
            Step::ReadOnly { target } => self.read_only(target),
            Step::Pivot => self.pivot(),
            Step::ReadOnlyRoot => mount::set_attr(self.root()?, mount::ATTR_RDONLY, 0, 0, false)
                .context("make the root file system read-only"),
        }
    }

    /// A root that is mounted nowhere yet.
    pub fn attach_root(&mut self, root: OwnedFd, at: &Path) -> Result<()> {
        self.enter_root(root, at, false)
    }

    fn enter_root(&mut self, root: OwnedFd, at: &Path, attached: bool) -> Result<()> {
        if !attached {
            let place = open(at, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .with_context(|| format!("open {}", at.display()))?;
            mount::attach(root.as_fd(), place.as_fd()).context("attach the root file system")?;
        }
        self.root = Some(root);
        Ok(())
    }

    /// The place `target` in the container, made where it is missing.
    fn place(&self, target: &str, want: Want) -> Result<OwnedFd> {
        rooted::ensure(self.root()?, Path::new(target), want).map_err(|e| {
            let error = Error::errno(e.raw_os_error(), format!("make the mount point {target}"));
            match e {
                Errno::NOTDIR | Errno::EXIST => error.kind(Kind::User).hint("a file of the image is in the way"),
                Errno::ROFS => error.hint("the root file system is read-only: make it in the image"),
                _ => error,
            }
        })
    }

    fn fresh(&mut self, fresh: &Fresh<'_>, or: &Or) -> Result<()> {
        let Fresh { fstype, target, options, attrs, .. } = *fresh;
        // Read-only comes when it is filled.
        let later = if fresh.copy_up || fresh.chown { attrs.set & mount::ATTR_RDONLY } else { 0 };
        let made = match mount::create(fstype, options, attrs.set & !later) {
            Ok(made) => made,
            Err(e) => match or {
                Or::Skip => return Ok(()),
                Or::Host(source) => {
                    let clean = Attrs { propagation: mount::PRIVATE, ..attrs };
                    let bind = Bind {
                        source,
                        subpath: "",
                        target,
                        recursive: true,
                        attrs: clean,
                        chown: false,
                        volume: false,
                        copy_up: false,
                        writes: None,
                    };
                    return self
                        .bind(&bind)
                        .map_err(|_| Error::errno(e.raw_os_error(), format!("mount {fstype} on {target}")));
                }
                Or::Fail => {
                    let error = Error::errno(e.raw_os_error(), format!("mount {fstype} on {target}"));
                    return Err(if e == Errno::INVAL {
                        error.kind(Kind::User).hint(format!("check its options: {}", options.join(",")))
                    } else {
                        error
                    });
                }
            },
        };
        if fresh.copy_up {
            let given = |key: &str| options.iter().any(|o| o.starts_with(key));
            let asked = rustix::fs::statat(&made, "", AtFlags::EMPTY_PATH).context("look at it")?;
            self.copy_up(target, made.as_fd(), copy_up_all)?;
            // What was asked for counts more than what the image has.
            let what = || format!("set owner and mode of {target}");
            let uid = given("uid=").then(|| Uid::from_raw(asked.st_uid));
            let gid = given("gid=").then(|| Gid::from_raw(asked.st_gid));
            chownat(&made, "", uid, gid, AtFlags::EMPTY_PATH).with_context(what)?;
            if given("mode=") {
                chmodat(&made, ".", Mode::from_raw_mode(asked.st_mode & 0o7777), AtFlags::empty())
                    .with_context(what)?;
            }
        }
        if fresh.chown {
            super::jobs::chown_all(made.as_fd(), self.user.uid, self.user.gid)
                .with_context(|| format!("give {target} to the container's user"))?;
        }
        if later != 0 {
            mount::set_attr(made.as_fd(), later, 0, 0, false).with_context(|| format!("make {target} read-only"))?;
        }
        match self.attach(made.as_fd(), target, Want::Dir, || format!("mount {fstype} on {target}")) {
            Err(_) if *or == Or::Skip => return Ok(()),
            other => other?,
        }
        if target == "/dev" && fstype == "tmpfs" {
            self.dev = Some(made);
        }
        Ok(())
    }

    /// Attaches `tree` at `target`, making the mount point.
    fn attach<S: Into<String>>(
        &self,
        tree: BorrowedFd<'_>,
        target: &str,
        want: Want,
        what: impl FnOnce() -> S,
    ) -> Result<()> {
        if let (Some(dev), Some(name)) = (&self.dev, target.strip_prefix("/dev/"))
            && !name.is_empty()
            && !name.contains('/')
        {
            let made = match want {
                Want::Dir => rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(0o755)),
                Want::File => rustix::fs::mknodat(dev, name, FileType::RegularFile, Mode::from_raw_mode(0o644), 0),
            };
            // What is there already may be a link, which is a matter for the general way.
            if made.is_ok() {
                return mount::attach_at(tree, dev.as_fd(), name).with_context(what);
            }
        }
        let place = self.place(target, want)?;
        mount::attach(tree, place.as_fd()).with_context(what)
    }

    /// Fills the empty directory `into` by `copy` with what the image has at `target`.
    fn copy_up(
        &self,
        target: &str,
        into: BorrowedFd<'_>,
        copy: fn(BorrowedFd<'_>, BorrowedFd<'_>) -> Result<()>,
    ) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let from = match rooted::open(self.root()?, Path::new(target), flags) {
            Ok(from) => from,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(e) => return Err(e).with_context(|| format!("read {target} of the image")),
        };
        let into = rustix::fs::openat(into, ".", flags | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("open the new content of {target}"))?;
        copy(from.as_fd(), into.as_fd()).with_context(|| format!("copy the image's {target}"))
    }

    fn bind(&mut self, bind: &Bind<'_>) -> Result<()> {
        let shown = bind.source.display();
        let missing = |e: Errno| {
            let error = Error::errno(e.raw_os_error(), format!("open the mount source {shown}"));
            if e == Errno::NOENT { error.kind(Kind::NotFound) } else { error }
        };
        let mut source = open(bind.source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(missing)?;
        if bind.volume {
            settle(source.as_fd()).with_context(|| format!("complete the volume at {shown}"))?;
        }
        if !bind.subpath.is_empty() {
            source = rooted::open_path(source.as_fd(), Path::new(bind.subpath))
                .with_context(|| format!("open {} in {shown}", bind.subpath))?;
        }
        let want = if rootfs::is_dir(&source)? { Want::Dir } else { Want::File };
        if bind.copy_up && want == Want::Dir {
            // A directory of the user's has no place beside it for a copy under way.
            self.copy_up(bind.target, source.as_fd(), if bind.volume { fill_volume } else { copy_up_all })?;
        }
        if bind.chown && bind.writes.is_none() {
            super::jobs::chown_all(source.as_fd(), self.user.uid, self.user.gid)
                .with_context(|| format!("give {shown} to the container's user"))?;
        }
        if let Some(writes) = bind.writes {
            let tree = overlays::over(source.as_fd(), writes, bind.source)?;
            if bind.chown {
                super::jobs::chown_all(tree.as_fd(), self.user.uid, self.user.gid)
                    .with_context(|| format!("give the overlay over {shown} to the container's user"))?;
            }
            set_attrs(tree.as_fd(), bind.attrs, bind.target)?;
            return self.attach(tree.as_fd(), bind.target, want, || format!("mount {shown} on {}", bind.target));
        }
        let tree = mount::clone_tree(source.as_fd(), Path::new(""), bind.recursive).map_err(|e| {
            let error = Error::errno(e.raw_os_error(), format!("bind {shown}"));
            let locked = e == Errno::INVAL && !bind.recursive;
            if locked {
                error.hint("mounts below it can't be left out by an unprivileged user: bind it recursively")
            } else {
                error
            }
        })?;
        set_attrs(tree.as_fd(), bind.attrs, bind.target)?;
        self.attach(tree.as_fd(), bind.target, want, || format!("mount {shown} on {}", bind.target))
    }

    fn image(
        &mut self,
        layers: &Layers,
        subpath: &str,
        target: &str,
        attrs: Attrs,
        writes: Option<&Writes>,
        place: &Path,
    ) -> Result<()> {
        let what = || format!("mount the image on {target}");
        let tree = overlays::image(layers, subpath, writes, place).with_context(what)?;
        let want = if rootfs::is_dir(&tree)? { Want::Dir } else { Want::File };
        set_attrs(tree.as_fd(), attrs, target)?;
        self.attach(tree.as_fd(), target, want, what)
    }

    fn link(&self, at: &str, to: &str) -> Result<()> {
        if let (Some(dev), Some(name)) = (&self.dev, at.strip_prefix("/dev/"))
            && rustix::fs::symlinkat(to, dev, name).is_ok()
        {
            return Ok(());
        }
        let (dir, name) = at.rsplit_once('/').unwrap_or(("", at));
        let dir = self.place(dir, Want::Dir)?;
        match rustix::fs::symlinkat(to, &dir, name) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(e).with_context(|| format!("link {at}")),
        }
    }

    fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        // sysctl(8): dots separate, and a slash stands for a dot within a name.
        let path: String = name
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect();
        let path = format!("/proc/sys/{path}");
        let what = || format!("set the sysctl {name}={value}");
        if path.split('/').any(|part| part == "..") {
            return Err(Error::user(what()));
        }
        let file = rooted::open(self.root()?, Path::new(&path), OFlags::WRONLY | OFlags::TRUNC).map_err(|e| {
            let error = Error::errno(e.raw_os_error(), what());
            match e {
                Errno::NOENT => error.kind(Kind::User).hint("this kernel has no such setting, or none of its own for a container"),
                _ => error.kind(Kind::Denied).hint("only settings of the container's own namespaces can be changed (net.*, kernel.msg*, kernel.sem, kernel.shm*, fs.mqueue.*)"),
            }
        })?;
        rustix::io::write(&file, value.as_bytes()).map(drop).with_context(what)
    }

    fn mask(&mut self, target: &str) -> Result<()> {
        let place = match rooted::open_path(self.root()?, Path::new(target)) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(e) => return Err(e).with_context(|| format!("mask {target}")),
        };
        if !rootfs::is_dir(&place)? {
            let null = mount::clone_tree(CWD, Path::new("/dev/null"), false);
            let null = null.context("clone /dev/null")?;
            return mount::attach(null.as_fd(), place.as_fd()).with_context(|| format!("mask {target}"));
        }
        if let Some(blank) = &self.blank {
            let again =
                mount::clone_tree(blank.as_fd(), Path::new(""), false).with_context(|| format!("mask {target}"))?;
            return mount::attach(again.as_fd(), place.as_fd()).with_context(|| format!("mask {target}"));
        }
        let attrs = mount::ATTR_RDONLY | mount::ATTR_NOSUID | mount::ATTR_NODEV | mount::ATTR_NOEXEC;
        let blank = mount::create("tmpfs", &["mode=755".into(), "size=4k".into(), "nr_inodes=1".into()], attrs);
        let blank = blank.context("make an empty file system")?;
        mount::attach(blank.as_fd(), place.as_fd()).with_context(|| format!("mask {target}"))?;
        self.blank = Some(blank);
        Ok(())
    }

    fn read_only(&self, target: &str) -> Result<()> {
        let place = match rooted::open_path(self.root()?, Path::new(target)) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(e) => return Err(e).with_context(|| format!("make {target} read-only")),
        };
        let make = || -> rustix::io::Result<()> {
            let tree = mount::clone_tree(place.as_fd(), Path::new(""), true)?;
            mount::set_attr(tree.as_fd(), mount::ATTR_RDONLY, 0, 0, true)?;
            mount::attach(tree.as_fd(), place.as_fd())
        };
        make().with_context(|| format!("make {target} read-only"))
    }

    fn pivot(&mut self) -> Result<()> {
        rustix::process::fchdir(self.root()?).context("enter the root file system")?;
        // Both at once: the old root ends up below the new one and is then taken away (pivot_root(2), NOTES).
        rustix::process::pivot_root(".", ".").map_err(|e| {
            let error = Error::errno(e.raw_os_error(), "pivot to the container's root");
            if e == Errno::INVAL {
                error.hint("the host's root is an initramfs, which can't be left safely")
            } else {
                error
            }
        })?;
        unmount(".", UnmountFlags::DETACH).context("detach the host's root")?;
        rustix::process::chdir("/").context("enter the new root")?;
        self.blank = None;
        self.dev = None;
        Ok(())
    }
}

struct Bind<'a> {
    source: &'a Path,
    subpath: &'a str,
    target: &'a str,
    recursive: bool,
    attrs: Attrs,
    chown: bool,
    volume: bool,
    copy_up: bool,
    writes: Option<&'a Writes>,
}

struct Fresh<'a> {
    fstype: &'a str,
    target: &'a str,
    options: &'a [String],
    attrs: Attrs,
    chown: bool,
    copy_up: bool,
}

/// What the host has locked (nosuid of its /tmp, say) stays set: asking to clear it is no error. `place`: the target, for
/// the error.
fn set_attrs(tree: BorrowedFd<'_>, attrs: Attrs, place: &str) -> Result<()> {
    if attrs.set == 0 && attrs.clear == 0 && attrs.propagation == 0 {
        return Ok(());
    }
    let times = mount::ATTR_NOATIME | mount::ATTR_STRICTATIME;
    // One mode of access times takes the place of another.
    let clear = if attrs.set & times != 0 { attrs.clear & mount::ATTR_ATIME } else { 0 };
    let set = match mount::set_attr(tree, attrs.set, attrs.clear, attrs.propagation, true) {
        Err(Errno::PERM) if attrs.clear != clear => mount::set_attr(tree, attrs.set, clear, attrs.propagation, true),
        other => other,
    };
    set.map_err(|e| {
        let error = Error::errno(e.raw_os_error(), format!("set the mount options of {place}"));
        match e {
            Errno::PERM if clear != 0 => error.hint("only the host's root can change how access times are kept"),
            _ => error,
        }
    })
}

/// The /dev/shm of the container behind `pidfd`, as a mount of nowhere: a look into its mount namespace and back. `None`
/// where the descriptor is none of a process, or the container has no such mount.
pub(super) fn shared_memory_of(pidfd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let own = open("/proc/self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    process::setns(pidfd, libc::CLONE_NEWNS).ok()?;
    let tree = mount::clone_tree(CWD, Path::new("/dev/shm"), false).ok();
    // Without a way back nothing works any more: the next step fails on its first path.
    process::setns(own.as_fd(), libc::CLONE_NEWNS).ok()?;
    tree
}
