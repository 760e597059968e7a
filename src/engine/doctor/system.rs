//! Control groups, seccomp, and what logins do to processes.

use super::{Environment, Finding, ids, read};
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};

pub(super) fn system(env: &Environment) -> Vec<Finding> {
    let mut findings = vec![cgroup(env), seccomp(), runtime_dir(env)];
    findings.extend(linger());
    findings
}

const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

const BOOT: &str = "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line";
const DELEGATE: &str = "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io \
                        memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl \
                        daemon-reload, then log in again";

fn cgroup(env: &Environment) -> Finding {
    const CHECK: &str = "cgroup";
    let no_limits = "--memory, --cpus, --pids-limit and the like are not applied";
    let unified = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let Some(mount) = unified.into_iter().map(Path::new).find(|d| d.join("cgroup.controllers").exists()) else {
        return Finding::warn(CHECK, "cgroup version 2 is not mounted", no_limits, BOOT);
    };
    let Some(base) = base(mount, env) else {
        return Finding::warn(
            CHECK,
            "no cgroup is delegated to this user",
            no_limits,
            if mount.ends_with("unified") { BOOT } else { DELEGATE },
        );
    };
    let have = read(&base.join("cgroup.controllers").to_string_lossy()).unwrap_or_default();
    let missing: Vec<&str> = CONTROLLERS.into_iter().filter(|c| !have.split_whitespace().any(|h| h == *c)).collect();
    let detail =
        format!("version 2, {} has {}", base.display(), if have.is_empty() { "no controllers" } else { &have });
    if missing.is_empty() {
        return Finding::ok(CHECK, detail);
    }
    let consequence = format!("limits of {} are not applied", missing.join(", "));
    // Beside version 1, that one has the controllers, and delegation can't help.
    let fix = if mount.ends_with("unified") { BOOT } else { DELEGATE };
    Finding::warn(CHECK, detail, consequence, fix)
}

/// Where containers' cgroups go: our own cgroup if it is delegated, else the user manager's.
fn base(mount: &Path, env: &Environment) -> Option<PathBuf> {
    let writable = |dir: &Path| {
        [dir.to_path_buf(), dir.join("cgroup.procs"), dir.join("cgroup.subtree_control")]
            .iter()
            .all(|p| access(p, Access::WRITE_OK).is_ok())
    };
    let own = read("/proc/self/cgroup")?.lines().find_map(|l| l.strip_prefix("0::").map(str::to_string))?;
    let own = mount.join(own.trim_start_matches('/'));
    if writable(&own) {
        return Some(own);
    }
    let manager = env.runtime_dir.as_ref()?.join("systemd/private");
    let uid = rustix::process::geteuid().as_raw();
    let user = mount.join(format!("user.slice/user-{uid}.slice/user@{uid}.service"));
    (manager.exists() && writable(&user)).then_some(user)
}

fn seccomp() -> Finding {
    const CHECK: &str = "seccomp";
    match read("/proc/sys/kernel/seccomp/actions_avail") {
        Some(actions) => Finding::ok(CHECK, format!("the kernel filters system calls ({actions})")),
        None => Finding::warn(
            CHECK,
            "the kernel has no seccomp filters",
            "containers start with --security-opt seccomp=unconfined only",
            "use a kernel with CONFIG_SECCOMP_FILTER",
        ),
    }
}

fn runtime_dir(env: &Environment) -> Finding {
    const CHECK: &str = "runtime-directory";
    let uid = rustix::process::geteuid().as_raw();
    match &env.runtime_dir {
        Some(dir) if access(dir, Access::WRITE_OK).is_ok() => Finding::ok(CHECK, format!("{}", dir.display())),
        Some(dir) => Finding::warn(
            CHECK,
            format!("XDG_RUNTIME_DIR is {}, which can't be written", dir.display()),
            "containers can't be attached to",
            format!("export XDG_RUNTIME_DIR=/run/user/{uid}, or unset it"),
        ),
        None => Finding::ok(CHECK, format!("XDG_RUNTIME_DIR is not set: sockets go to /tmp/coracle-{uid}")),
    }
}

/// Only where systemd-logind ends users' processes at logout.
fn linger() -> Option<Finding> {
    const CHECK: &str = "linger";
    let logind = Path::new("/run/systemd/seats").exists() && read("/proc/1/comm").as_deref() == Some("systemd");
    if rustix::process::geteuid().is_root() || !logind {
        return None;
    }
    let user = ids::user_name();
    if Path::new("/var/lib/systemd/linger").join(&user).exists() {
        return Some(Finding::ok(CHECK, format!("the processes of {user} outlive his logins")));
    }
    Some(Finding::warn(
        CHECK,
        format!("lingering is off for {user}"),
        "containers in the background may end at the last logout, and none starts at boot",
        format!("loginctl enable-linger {user}"),
    ))
}
