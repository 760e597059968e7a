//! Interprets the plan inside the new mount namespace, before the program starts.

use super::attrs::Attrs;
use super::plan::{Or, Step};
use super::rootfs;
use super::terminal::Terminal;
use super::user::User;
use crate::error::{Context, Error, Kind, Result};
use crate::sys::rooted::{self, Want};
use crate::sys::{mount, process};
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What the steps leave behind.
#[derive(Debug, Default)]
pub struct Setup {
    root: Option<OwnedFd>,
    /// Who the program will be, once the root is there.
    pub user: User,
    pub terminal: Option<Terminal>,
    pub warnings: Vec<String>,
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
            Step::Fresh { fstype, target, options, attrs, copy_up, or } => {
                self.fresh(fstype, target, options, *attrs, *copy_up, or)
            }
            Step::Bind { source, subpath, target, recursive, attrs, chown, copy_up, or } => {
                let bind = Bind {
                    source,
                    subpath,
                    target,
                    recursive: *recursive,
                    attrs: *attrs,
                    chown: *chown,
                    copy_up: *copy_up,
                };
                match self.bind(&bind) {
                    Err(_) if *or == Or::Skip => Ok(()),
                    other => other,
                }
            }
            Step::Node { name } => {
                let place = format!("/dev/{name}");
                let attrs = Attrs::NOSUID | Attrs::NOEXEC;
                let bind = Bind {
                    source: Path::new(&place),
                    subpath: "",
                    target: &place,
                    recursive: false,
                    attrs,
                    chown: false,
                    copy_up: false,
                };
                self.bind(&bind)
            }
            Step::Link { at, to } => self.link(at, to),
            Step::Terminal { window } => {
                let terminal = Terminal::open(self.root()?, *window)?;
                let place = self.place("/dev/console", Want::File)?;
                let slave = mount::clone_tree(terminal.slave.as_fd(), Path::new(""), false);
                let slave = slave.context("clone the terminal's mount")?;
                mount::attach(slave.as_fd(), place.as_fd()).context("mount /dev/console")?;
                self.terminal = Some(terminal);
                Ok(())
            }
            Step::Names { hostname, domain } => process::set_names(hostname.as_deref(), domain.as_deref())
                .with_context(|| format!("set the host name {}", hostname.as_deref().unwrap_or_default())),
            Step::Loopback => process::loopback_up().context("switch the loopback device on"),
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

    fn fresh(
        &mut self,
        fstype: &str,
        target: &str,
        options: &[String],
        attrs: Attrs,
        copy_up: bool,
        or: &Or,
    ) -> Result<()> {
        let made = match mount::create(fstype, options, attrs.set) {
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
                        copy_up: false,
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
        // sysfs and proc are still empty files to the container's tree: only the mount point is made.
        let place = match self.place(target, Want::Dir) {
            Err(_) if *or == Or::Skip => return Ok(()),
            other => other?,
        };
        if copy_up {
            self.copy_up(target, made.as_fd())?;
        }
        mount::attach(made.as_fd(), place.as_fd()).with_context(|| format!("mount {fstype} on {target}"))
    }

    /// Fills the empty directory `into` with what the image has at `target`.
    fn copy_up(&self, target: &str, into: BorrowedFd<'_>) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let from = match rooted::open(self.root()?, Path::new(target), flags) {
            Ok(from) => from,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(e) => return Err(e).with_context(|| format!("read {target} of the image")),
        };
        let into = rustix::fs::openat(into, ".", flags | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("open the new content of {target}"))?;
        super::copyup::copy_up(from.as_fd(), into.as_fd()).with_context(|| format!("copy the image's {target}"))
    }

    fn bind(&mut self, bind: &Bind<'_>) -> Result<()> {
        let shown = bind.source.display();
        let missing = |e: Errno| {
            let error = Error::errno(e.raw_os_error(), format!("open the mount source {shown}"));
            if e == Errno::NOENT { error.kind(Kind::NotFound) } else { error }
        };
        let mut source = open(bind.source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(missing)?;
        if !bind.subpath.is_empty() {
            source = rooted::open_path(source.as_fd(), Path::new(bind.subpath))
                .with_context(|| format!("open {} in {shown}", bind.subpath))?;
        }
        let want = if rootfs::is_dir(&source)? { Want::Dir } else { Want::File };
        if bind.copy_up && want == Want::Dir {
            self.copy_up(bind.target, source.as_fd())?;
        }
        if bind.chown {
            super::jobs::chown_all(source.as_fd(), self.user.uid, self.user.gid)
                .with_context(|| format!("give {shown} to the container's user"))?;
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
        set_attrs(tree.as_fd(), bind.attrs).with_context(|| format!("set the mount options of {}", bind.target))?;
        let place = self.place(bind.target, want)?;
        mount::attach(tree.as_fd(), place.as_fd()).with_context(|| format!("mount {shown} on {}", bind.target))
    }

    fn link(&self, at: &str, to: &str) -> Result<()> {
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
    copy_up: bool,
}

/// What the host has locked (nosuid of its /tmp, say) stays set: asking to clear it is no error.
fn set_attrs(tree: BorrowedFd<'_>, attrs: Attrs) -> rustix::io::Result<()> {
    if attrs.set == 0 && attrs.clear == 0 && attrs.propagation == 0 {
        return Ok(());
    }
    match mount::set_attr(tree, attrs.set, attrs.clear, attrs.propagation, true) {
        Err(Errno::PERM) if attrs.clear != 0 => mount::set_attr(tree, attrs.set, 0, attrs.propagation, true),
        other => other,
    }
}
