//! What a test left behind: processes, mounts, files.

use super::TestEnv;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Fails when a process, mount or file of removed containers is still there.
pub fn assert_none(env: &TestEnv) {
    // The last clean-up of a monitor may run a moment longer than the command that waited for the container.
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let found = find(env);
        if found.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left behind:\n{}", found.join("\n"));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn find(env: &TestEnv) -> Vec<String> {
    let mut found: Vec<String> =
        processes(&env.dir).into_iter().map(|(pid, what)| format!("process {pid}: {what}")).collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let dir = env.dir.to_string_lossy().into_owned();
    found.extend(mounts.lines().filter(|l| l.contains(&dir)).map(|l| format!("mount {l}")));
    for sub in ["containers", "names", "tmp", "trash"] {
        found.extend(entries(&env.root().join(sub)).map(|e| format!("file {e}")));
    }
    // `system check` and `system reset` must know what commands leave in the store.
    let strange = |e: &fs::DirEntry| !coracle::state::store::is_ours(&e.file_name().to_string_lossy());
    let top = fs::read_dir(env.root()).into_iter().flatten().flatten().filter(strange);
    found.extend(top.map(|e| format!("unknown file {}", e.path().display())));
    for dir in entries(&env.root().join("leases")) {
        found.extend(entries(Path::new(&dir)).map(|e| format!("address {e}")));
    }
    let holder = env.runroot().join("net");
    found.extend(entries(&holder).filter(|e| !e.ends_with("/lock")).map(|e| format!("the holder's {e}")));
    found.extend(entries(&env.runroot().join("c")).map(|e| format!("socket directory {e}")));
    found
}

fn entries(dir: &Path) -> impl Iterator<Item = String> {
    // Lock files of the directory itself are hidden ones and stay.
    let hidden = |e: &fs::DirEntry| e.file_name().as_encoded_bytes().starts_with(b".");
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(move |e| !hidden(e))
        .map(|e| e.path().display().to_string())
}

/// Processes that name the directory in their command line, environment, working directory or open files.
pub fn processes(dir: &Path) -> Vec<(i32, String)> {
    let needle = dir.as_os_str().as_encoded_bytes();
    let me = std::process::id() as i32;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        if pid != me && belongs(&entry.path(), needle) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push((pid, format!("{} ({})", command.trim(), comm.trim())));
        }
    }
    found
}

fn belongs(process: &Path, needle: &[u8]) -> bool {
    // Zombies have no memory to read; whoever is their parent will be found.
    let has = |bytes: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    let file = |name: &str| fs::read(process.join(name)).is_ok_and(|b| has(&b));
    let link = |path: &Path| fs::read_link(path).is_ok_and(|l| has(l.as_os_str().as_encoded_bytes()));
    file("cmdline")
        || file("environ")
        || link(&process.join("cwd"))
        || fs::read_dir(process.join("fd")).is_ok_and(|fds| fds.flatten().any(|fd| link(&fd.path())))
        // A container's own view: its root is an overlay whose mount data names the store.
        || fs::read(process.join("mountinfo")).is_ok_and(|b| has(&b)) && !same_mounts(process)
}

fn same_mounts(process: &Path) -> bool {
    fs::read_link(process.join("ns/mnt")).ok() == fs::read_link("/proc/self/ns/mnt").ok()
}

/// Ends what is still there after a failed test.
pub fn kill_all(dir: &Path) {
    for _ in 0..50 {
        let found = processes(dir);
        if found.is_empty() {
            return;
        }
        for (pid, _) in found {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Removes a tree that holds files of subordinate ids.
pub fn remove_tree(dir: &Path) {
    // Directories without write permission in images make a plain removal fail for their owner, too.
    let plain = || fs::remove_dir_all(dir).is_ok() || !dir.exists();
    if plain() {
        return;
    }
    let rm = ["--user", "--map-root-user", "--map-auto", "--setuid", "0", "rm", "-rf", "--one-file-system"];
    let _ = Command::new("unshare").args(rm).arg(dir).stderr(Stdio::null()).status();
    if !plain() {
        let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(dir).stderr(Stdio::null()).status();
        if !plain() {
            eprintln!("note: could not remove {}", dir.display());
        }
    }
}

/// All open sockets in listening state, as text of /proc/net/{tcp,tcp6}: to compare before and after.
pub fn listeners() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.get(3) == Some(&"0A") {
                all.insert(words[1].to_string());
            }
        }
    }
    all
}
