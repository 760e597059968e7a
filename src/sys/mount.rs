//! mount_setattr(2), which rustix lacks, and short forms of the new mount API (Linux 5.2, mount_setattr 5.12).

use rustix::io::{Errno, Result};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// MOUNT_ATTR_* of <linux/mount.h>.
pub const ATTR_RDONLY: u64 = 0x1;
pub const ATTR_NOSUID: u64 = 0x2;
pub const ATTR_NODEV: u64 = 0x4;
pub const ATTR_NOEXEC: u64 = 0x8;
/// The field of all access time modes: to be cleared before one is set.
pub const ATTR_ATIME: u64 = 0x70;
pub const ATTR_RELATIME: u64 = 0x0;
pub const ATTR_NOATIME: u64 = 0x10;
pub const ATTR_STRICTATIME: u64 = 0x20;
pub const ATTR_NODIRATIME: u64 = 0x80;
pub const ATTR_NOSYMFOLLOW: u64 = 0x20_0000;

/// Propagation types (mount(2) MS_*).
pub const PRIVATE: u64 = libc::MS_PRIVATE;
pub const SHARED: u64 = libc::MS_SHARED;
pub const SLAVE: u64 = libc::MS_SLAVE;
pub const UNBINDABLE: u64 = libc::MS_UNBINDABLE;

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// The raw call: async-signal-safe, errno is left to the caller.
pub(super) fn raw_mount_setattr(fd: c_int, set: u64, clear: u64, propagation: u64, recursive: bool) -> i64 {
    let attr = MountAttr { attr_set: set, attr_clr: clear, propagation, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `attr` is the kernel's struct mount_attr (version 0, 32 bytes) and outlives the call.
    unsafe { libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, &raw const attr, size_of::<MountAttr>()) }
}

/// Sets and clears ATTR_* flags and the propagation (0 = leave) of the mount at `fd`.
pub fn set_attr(fd: BorrowedFd<'_>, set: u64, clear: u64, propagation: u64, recursive: bool) -> Result<()> {
    if raw_mount_setattr(fd.as_raw_fd(), set, clear, propagation, recursive) == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// A file system of type `fstype` that is mounted nowhere yet. Options are `key` or `key=value`.
pub fn create(fstype: &str, options: &[String], attr: u64) -> Result<OwnedFd> {
    let fs = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
    // What /proc/mounts shows; programs look for it (`df tmpfs`).
    fsconfig_set_string(fs.as_fd(), "source", fstype)?;
    for option in options {
        match option.split_once('=') {
            Some((key, value)) => fsconfig_set_string(fs.as_fd(), key, value)?,
            None => fsconfig_set_flag(fs.as_fd(), option.as_str())?,
        }
    }
    fsconfig_create(fs.as_fd())?;
    from_context(fs.as_fd(), attr)
}

/// The mount of a configured fsopen(2) context.
pub fn from_context(fs: BorrowedFd<'_>, attr: u64) -> Result<OwnedFd> {
    fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(attr as u32))
}

/// What the kernel said about the last failed fsconfig(2) on `fs` (its message log), for error texts.
pub fn log_of(fs: BorrowedFd<'_>) -> Option<String> {
    let mut buffer = [0u8; 512];
    let n = rustix::io::read(fs, &mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..n]).trim().to_owned())
}

/// A detached copy of the mount at `path` (relative to `dir`), with everything mounted below it if `recursive`.
pub fn clone_tree(dir: BorrowedFd<'_>, path: &Path, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(dir, path, flags)
}

/// Attaches the detached mount `mount` at `target` (a descriptor of the place, O_PATH will do).
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

/// Attaches the detached mount `mount` at the entry `name` of `dir`; a symlink there is not followed.
pub fn attach_at(mount: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &str) -> Result<()> {
    move_mount(mount, "", dir, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}
