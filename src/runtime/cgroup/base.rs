//! The cgroup below which a container's own one is made: one that is ours already, or a scope of systemd's.

use rustix::fs::{Access, AtFlags, CWD};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where container cgroups go.
#[derive(Debug)]
pub(super) struct Base {
    pub dir: PathBuf,
    /// Why a controller may be absent from it, for warnings.
    pub why_missing: String,
}

/// All that a container's limits need.
const CONTROLLERS: [&str; 5] = ["cpuset", "cpu", "io", "memory", "pids"];
/// systemd answers within milliseconds, unless it is starved.
const SCOPE_WAIT: Duration = Duration::from_secs(5);

/// Finds or makes the base; the error says in words why there is none. `wanted`: limits were asked for, so that leaving
/// a service's cgroup for a scope is worth it.
pub(super) fn find(id: &str, wanted: bool) -> Result<Base, String> {
    let Some(mount) = mount_point() else {
        return Err("this host has no cgroup version 2".into());
    };
    let own = own_cgroup().ok_or("the own cgroup is not visible")?;
    let dir = mount.join(own.trim_start_matches('/'));
    if !is_ours(&dir) {
        return scope(id, &mount, &own, wanted);
    }
    // A cgroup with processes of others (a terminal's scope, say) can't hand out controllers.
    if !alone_in(&dir)
        && let Ok(base) = scope(id, &mount, &own, wanted)
    {
        return Ok(base);
    }
    Ok(prepare(dir))
}

/// The unified hierarchy: alone, or beside version 1 (where it carries few controllers or none).
fn mount_point() -> Option<PathBuf> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(PathBuf::from)
        .find(|dir| dir.join("cgroup.controllers").exists())
}

/// The path in the `0::` line of /proc/self/cgroup (cgroups(7)).
fn own_cgroup() -> Option<String> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    // Moved outside of the cgroup namespace's root, or removed: nothing to build on.
    (!path.starts_with("/..") && !path.ends_with(" (deleted)")).then(|| path.to_string())
}

/// Delegated: directory and the files that delegation gives away are writable.
fn is_ours(dir: &Path) -> bool {
    let writable = |path: &Path| rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok();
    writable(dir) && writable(&dir.join("cgroup.procs")) && writable(&dir.join("cgroup.subtree_control"))
}

/// Words of a file like cgroup.controllers; none when it can't be read.
pub(super) fn words(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_string).collect()
}

/// Hands all controllers of `dir` to its children, making room for that by moving ourselves into `supervisor`.
fn prepare(dir: PathBuf) -> Base {
    let available = words(&dir.join("cgroup.controllers"));
    let missing = missing_in(&dir, &available);
    if !missing.is_empty() {
        // First, not after a refusal: cpu, cpuset and pids can be enabled beside processes, but turn the cgroup into a
        // threaded domain, whose children take no processes. The hierarchy's root is exempt from all that.
        if dir.join("cgroup.type").exists() {
            let supervisor = dir.join("supervisor");
            let _ = fs::create_dir(&supervisor);
            move_ourselves(&dir, &supervisor);
        }
        if !dir.join("cgroup.type").exists() || words(&dir.join("cgroup.procs")).is_empty() {
            enable(&dir, &missing);
        }
    }
    let absent: Vec<&str> = CONTROLLERS.into_iter().filter(|c| !available.iter().any(|a| a == c)).collect();
    let why_missing = if absent.is_empty() {
        format!("other processes live in {}", dir.display())
    } else {
        format!("{} offers {}", dir.display(), if available.is_empty() { "none".into() } else { available.join(" ") })
    };
    Base { dir, why_missing }
}

fn missing_in(dir: &Path, available: &[String]) -> Vec<String> {
    let enabled = words(&dir.join("cgroup.subtree_control"));
    available.iter().filter(|c| CONTROLLERS.contains(&c.as_str()) && !enabled.contains(c)).cloned().collect()
}

/// Enables one by one: one refused controller must not take the others with it.
fn enable(dir: &Path, controllers: &[String]) {
    let file = dir.join("cgroup.subtree_control");
    for controller in controllers {
        let _ = fs::write(&file, format!("+{controller}"));
    }
}

/// Moves this process and, in a foreground run of a service, the CLI above it; processes of others stay.
fn move_ourselves(from: &Path, to: &Path) {
    let inside = words(&from.join("cgroup.procs"));
    for pid in ourselves().iter().filter(|pid| inside.contains(pid)) {
        let _ = fs::write(to.join("cgroup.procs"), pid);
    }
}

/// This process and its parent, where that is coracle too.
fn ourselves() -> Vec<String> {
    let exe = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let mut all = vec![std::process::id().to_string()];
    if let Some(parent) = rustix::process::getppid().map(|p| p.as_raw_nonzero().get().to_string())
        && exe(&parent).is_some_and(|p| Some(p) == exe("self"))
    {
        all.push(parent);
    }
    all
}

/// Whether the "no internal processes" rule lets `dir` enable controllers once we have moved down. The root of the
/// hierarchy (it has no cgroup.type) is exempt.
fn alone_in(dir: &Path) -> bool {
    let us = ourselves();
    !dir.join("cgroup.type").exists() || words(&dir.join("cgroup.procs")).iter().all(|pid| us.contains(pid))
}

/// Asks systemd for a delegated scope with this process in it. A scope outlives the login session (with linger), which
/// the session's own cgroup does not.
fn scope(id: &str, mount: &Path, own: &str, wanted: bool) -> Result<Base, String> {
    let in_service = own.ends_with(".service") && !own.contains("/user@");
    if in_service && !wanted {
        return Err(format!("{own} is not delegated"));
    }
    let root = rustix::process::geteuid().is_root();
    let manager = if root { "/run/systemd/private".to_string() } else { user_manager_socket() };
    if !Path::new(&manager).exists() {
        return Err("no cgroup is delegated to this user and no systemd user manager runs".into());
    }
    let unit = format!("coracle-{}.scope", &id[..id.len().min(12)]);
    let output = Command::new("busctl")
        .args([if root { "--system" } else { "--user" }, "--quiet", "call", "org.freedesktop.systemd1"])
        .args(["/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "StartTransientUnit"])
        .args(["ssa(sv)a(sa(sv))", &unit, "fail", "4"])
        .args(["Description", "s", &format!("coracle container {}", &id[..id.len().min(12)])])
        .args(["Delegate", "b", "true", "CollectMode", "s", "inactive-or-failed"])
        .args(["PIDs", "au", "1", &std::process::id().to_string(), "0"])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("busctl can't be run to ask systemd for a scope: {e}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
        return Err(format!("systemd refused a scope: {text}"));
    }
    // The answer only says that the job is queued.
    let deadline = Instant::now() + SCOPE_WAIT;
    while Instant::now() < deadline {
        if let Some(own) = own_cgroup().filter(|own| own.ends_with(&unit)) {
            return Ok(prepare(mount.join(own.trim_start_matches('/'))));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(format!("systemd did not start {unit} in time"))
}

fn user_manager_socket() -> String {
    let dir = std::env::var("XDG_RUNTIME_DIR")
        .unwrap_or_else(|_| format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    format!("{dir}/systemd/private")
}
