//! A further process for a container's cgroup.

use crate::error::{Context, Error, Kind, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path};
use std::process::{Command, Stdio};

/// Moves the process `pid` of ours into the cgroup `dir`. Between two delegated subtrees (a login session and the user's
/// services) the kernel forbids that to users, and systemd does it for them.
pub fn attach(dir: &Path, pid: i32) -> Result<()> {
    let what = || format!("put process {pid} into the container's cgroup");
    match fs::write(dir.join("cgroup.procs"), pid.to_string()) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {}
        other => return other.with_context(what),
    }
    let Some((unit, below)) = unit_of(dir) else {
        return Err(Error::errno(libc::EACCES, what()).kind(Kind::Denied));
    };
    let manager = if rustix::process::geteuid().is_root() { "--system" } else { "--user" };
    let output = Command::new("busctl")
        .args([manager, "--quiet", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"])
        .args(["org.freedesktop.systemd1.Manager", "AttachProcessesToUnit", "ssau", &unit, &below, "1"])
        .arg(pid.to_string())
        .stdin(Stdio::null())
        .output()
        .context("run busctl")
        .map_err(|e| e.context(what()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(Error::new(Kind::Denied, format!("{}: {text}", what())))
}

/// The innermost scope or service of the path, and the rest below it (with a slash).
fn unit_of(dir: &Path) -> Option<(String, String)> {
    let names: Vec<&str> = dir
        .components()
        .filter_map(|c| match c {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let at = names.iter().rposition(|n| n.ends_with(".scope") || n.ends_with(".service"))?;
    Some((names[at].to_string(), format!("/{}", names[at + 1..].join("/"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_unit() {
        let dir = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/coracle-ab.scope/coracle-ab";
        assert_eq!(unit_of(Path::new(dir)), Some(("coracle-ab.scope".into(), "/coracle-ab".into())));
        assert_eq!(unit_of(Path::new("/sys/fs/cgroup/x.scope")), Some(("x.scope".into(), "/".into())));
        assert_eq!(unit_of(Path::new("/sys/fs/cgroup/a/b")), None);
    }
}
