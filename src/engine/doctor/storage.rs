//! The data directory, overlay mounts and disk space.

use super::{Environment, Finding, State, read};
use crate::engine::Ctx;
use crate::error::{Context, Error, Result};
use crate::stage::{Work, WorkNs};
use crate::userns::IdMap;
use rustix::fs::{Access, CWD, Mode, OFlags, StatVfsMountFlags, access, statfs, statvfs};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, move_mount,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Magic numbers of file systems (statfs(2)) that have trouble with user namespaces, and their names.
const REMOTE: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
];

/// Request of the job `probe-storage`: a directory to try things in.
#[derive(Debug, Serialize, Deserialize)]
struct Probe {
    dir: PathBuf,
}

/// Its answer; errors as text.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Probed {
    overlay: Option<Error>,
    xattr: Option<Error>,
    chown: Option<Error>,
}

pub(super) fn storage(ctx: &Ctx, env: &Environment, usable: bool) -> Vec<Finding> {
    let data = &ctx.paths.data;
    let at = existing(data);
    let mut findings = vec![data_dir(data, &at)];
    if findings[0].state == State::Fail {
        return findings;
    }
    findings.push(space(&at));
    if usable {
        findings.extend(probes(&at, env));
    }
    findings
}

/// The directory itself, or the nearest that exists: a check must not create the store.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|p| p.is_dir()).unwrap_or(Path::new("/")).to_path_buf()
}

fn data_dir(data: &Path, at: &Path) -> Finding {
    const CHECK: &str = "data-directory";
    let shown = data.display();
    let elsewhere = "use --root DIR or XDG_DATA_HOME with a directory on a local disk";
    if access(at, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let detail = format!("{shown} can't be written ({} is not writable)", at.display());
        return Finding::fail(CHECK, detail, "no image can be stored, no container created", elsewhere).essential();
    }
    let flags = statvfs(at).map(|s| s.f_flag).unwrap_or(StatVfsMountFlags::empty());
    if flags.contains(StatVfsMountFlags::NOEXEC) {
        let detail = format!("{shown} is on a file system mounted noexec");
        return Finding::fail(CHECK, detail, "programs of images can't be executed", elsewhere).essential();
    }
    let magic = statfs(at).map(|s| s.f_type as u64 & 0xffff_ffff).unwrap_or(0);
    if let Some((_, name)) = REMOTE.iter().find(|(number, _)| *number == magic) {
        let detail = format!("{shown} is on {name}");
        let consequence = "files of mapped ids and overlay mounts fail on it";
        return Finding::warn(CHECK, detail, consequence, elsewhere).essential();
    }
    if flags.contains(StatVfsMountFlags::NOSUID) {
        let detail = format!("{shown} ({}) is mounted nosuid", name_of(magic));
        return Finding::warn(CHECK, detail, "set-uid programs of images have no effect", elsewhere).essential();
    }
    Finding::ok(CHECK, format!("{shown} is writable, on {}", name_of(magic))).essential()
}

fn name_of(magic: u64) -> String {
    let name = match magic {
        0xef53 => "ext4",
        0x9123_683e => "btrfs",
        0x5846_5342 => "xfs",
        0x0102_1994 => "tmpfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0x794c_7630 => "overlay",
        0xca45_1a4e => "bcachefs",
        _ => return format!("a file system of type {magic:#x}"),
    };
    name.into()
}

fn space(at: &Path) -> Finding {
    const CHECK: &str = "disk-space";
    const GIB: u64 = 1 << 30;
    let Ok(stat) = statvfs(at) else {
        return Finding::warn(CHECK, "the free space can't be read", "", "");
    };
    let free = stat.f_bavail * stat.f_frsize;
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / GIB as f64);
    let full = "pulls and containers fail with 'no space left on device'";
    let fix = "remove images and containers (coracle rmi, coracle container prune), or use --root DIR on a larger disk";
    // Btrfs and others count no inodes: 0 of 0.
    if stat.f_files > 0 && stat.f_favail < 20_000 {
        return Finding::warn(CHECK, format!("{} inodes are free", stat.f_favail), full, fix);
    }
    match free {
        n if n < 64 << 20 => Finding::fail(CHECK, format!("{} free", gib(n)), full, fix),
        n if n < 2 * GIB => Finding::warn(CHECK, format!("{} free", gib(n)), "a larger image may not fit", fix),
        n => Finding::ok(CHECK, format!("{} free", gib(n))),
    }
}

fn probes(at: &Path, env: &Environment) -> Vec<Finding> {
    let probed = scratch(at).and_then(|dir| {
        let map = IdMap::detect()?;
        let probe = Probe { dir: dir.path().to_path_buf() };
        Work::start("probe-storage", WorkNs::New(&map), &probe, &[])?.finish::<Probed>()
    });
    let fuse = fuse_overlayfs(env);
    let mut findings = Vec::new();
    match probed {
        Err(e) => findings.push(Finding::warn("kernel-overlay", e.to_string(), "not known", "")),
        Ok(probed) => {
            findings.push(overlay(probed.overlay, fuse.state == State::Ok));
            if let Some(e) = probed.xattr {
                findings.push(Finding::warn(
                    "user-xattrs",
                    e.to_string(),
                    "deleted and replaced directories of images can't be marked",
                    "mount the file system with user_xattr, or use --root DIR on another",
                ));
            }
            if let Some(e) = probed.chown {
                findings.push(Finding::fail(
                    "file-owners",
                    e.to_string(),
                    "images with other owners than root can't be unpacked",
                    "use --root DIR on a local disk",
                ));
            }
        }
    }
    findings.push(fuse);
    findings
}

fn scratch(at: &Path) -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(".coracle-doctor-")
        .tempdir_in(at)
        .with_context(|| format!("make a directory in {}", at.display()))
}

fn overlay(error: Option<Error>, fuse: bool) -> Finding {
    const CHECK: &str = "kernel-overlay";
    let Some(error) = error else {
        return Finding::ok(CHECK, "an overlay was mounted in a user namespace");
    };
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let consequence = match fuse {
        true => "fuse-overlayfs is used instead: slower, but complete",
        false => "each container copies its whole image",
    };
    Finding::warn(
        CHECK,
        format!("{error} (kernel {release})"),
        consequence,
        "use Linux 5.11 or newer, or install fuse-overlayfs",
    )
}

fn fuse_overlayfs(env: &Environment) -> Finding {
    const CHECK: &str = "fuse-overlayfs";
    let unused = "not needed while the kernel's overlay works";
    let Some((path, version)) = env.version("fuse-overlayfs", "--version") else {
        return Finding::warn(CHECK, "not installed", unused, "sudo apt-get install fuse-overlayfs");
    };
    let device = rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    match device {
        Ok(_) => Finding::ok(CHECK, format!("{}: {version}", path.display())),
        Err(_) if read("/proc/filesystems").is_some_and(|t| t.contains("fuse")) => Finding::warn(
            CHECK,
            "/dev/fuse can't be opened",
            unused,
            "sudo chmod 666 /dev/fuse (and a rule in /etc/udev/rules.d to keep it)",
        ),
        Err(_) => Finding::warn(CHECK, "the kernel has no FUSE", unused, "sudo modprobe fuse"),
    }
}

/// Job `probe-storage`: mounts an overlay, sets an attribute, gives a file away, all in a directory of the store.
pub fn probe_storage(request: Value, _fds: Vec<OwnedFd>) -> Result<Value> {
    let probe: Probe = serde_json::from_value(request).context("read the request")?;
    let probed = Probed {
        overlay: try_overlay(&probe.dir).err(),
        xattr: try_xattr(&probe.dir).err(),
        chown: try_chown(&probe.dir).err(),
    };
    serde_json::to_value(&probed).context("write the answer")
}

fn try_overlay(dir: &Path) -> Result<()> {
    let tried = overlay_in(dir);
    // The kernel makes `work/work` with no permission at all: only we, with root's capabilities here, can empty it.
    let _ = std::fs::remove_dir_all(dir.join("work"));
    tried
}

fn overlay_in(dir: &Path) -> Result<()> {
    for name in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir(dir.join(name)).with_context(|| format!("make {}", dir.join(name).display()))?;
    }
    std::fs::write(dir.join("lower/file"), b"below").context("write a file")?;
    let mount = || -> rustix::io::Result<OwnedFd> {
        let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, name) in [("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")] {
            fsconfig_set_string(fs.as_fd(), key, dir.join(name))?;
        }
        fsconfig_set_flag(fs.as_fd(), "userxattr")?;
        fsconfig_create(fs.as_fd())?;
        fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
    };
    let mounted = mount().context("mount an overlay")?;
    let merged = dir.join("merged");
    move_mount(mounted.as_fd(), "", CWD, &merged, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .context("attach an overlay")?;
    // Copy-up and whiteouts are what file systems below refuse, if anything.
    std::fs::write(merged.join("file"), b"above").context("write to an overlay")?;
    std::fs::remove_file(merged.join("file")).context("delete in an overlay")
}

fn try_xattr(dir: &Path) -> Result<()> {
    let file = dir.join("attributes");
    std::fs::write(&file, b"").context("write a file")?;
    rustix::fs::setxattr(&file, "user.coracle.probe", b"1", rustix::fs::XattrFlags::empty())
        .context("set a user attribute")
}

fn try_chown(dir: &Path) -> Result<()> {
    let file = dir.join("owner");
    std::fs::write(&file, b"").context("write a file")?;
    // With one id only there is nobody to give a file to.
    let ids = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if !ids.lines().any(|l| l.split_whitespace().nth(2).is_some_and(|n| n != "1")) {
        return Ok(());
    }
    let owner = |id| (Some(rustix::fs::Uid::from_raw(id)), Some(rustix::fs::Gid::from_raw(id)));
    let (uid, gid) = owner(1);
    rustix::fs::chown(&file, uid, gid).context("change a file's owner")?;
    let (uid, gid) = owner(0);
    rustix::fs::chown(&file, uid, gid).context("change a file's owner back")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_directories() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        assert_eq!(existing(&deep), dir.path());
        let finding = data_dir(&deep, &existing(&deep));
        assert!(finding.state != State::Fail && finding.essential, "{finding:?}");
        assert!(!dir.path().join("a").exists());
    }

    #[test]
    fn attributes_and_owners_are_tried() {
        let dir = tempfile::tempdir().unwrap();
        let answer = probe_storage(serde_json::json!({"dir": dir.path()}), Vec::new()).unwrap();
        assert!(answer.get("xattr").is_some());
    }
}
