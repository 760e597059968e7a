//! A real registry (Debian's docker-registry) on a free loopback port.

use super::{free_port, which};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whether this very process listens there: another test's may have been quicker to take the port.
fn listens(pid: u32, port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let address = format!("0100007F:{port:04X}");
    let inodes = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (*words.get(1)? == address && *words.get(3)? == "0A").then(|| format!("socket:[{}]", words[9]))
    });
    let inodes: Vec<String> = inodes.collect();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|f| std::fs::read_link(f.path()).ok()).any(|f| inodes.iter().any(|i| f.as_os_str() == i.as_str()))
}

pub struct Registry {
    child: Child,
    pub port: u16,
}

impl Registry {
    /// Starts one that keeps its blobs below `dir`; `None` where docker-registry is not installed.
    pub fn start(dir: &Path) -> Option<Registry> {
        Registry::with(dir, "")
    }

    /// With basic authentication; `htpasswd` as written by htpasswd -B.
    pub fn with_auth(dir: &Path, htpasswd: &str) -> Option<Registry> {
        std::fs::create_dir_all(dir).unwrap();
        let file = dir.join("htpasswd");
        std::fs::write(&file, htpasswd).unwrap();
        Registry::with(dir, &format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display()))
    }

    /// With more lines in its configuration, which ends inside `http:`.
    pub fn with(dir: &Path, extra: &str) -> Option<Registry> {
        let program = which("docker-registry").or_else(|| which("registry"))?;
        std::fs::create_dir_all(dir.join("blobs")).unwrap();
        // Another test may take the free port first: try again then.
        for _ in 0..5 {
            let port = free_port();
            let config = dir.join("config.yml");
            let blobs = dir.join("blobs");
            let text = format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{extra}",
                blobs.display()
            );
            std::fs::write(&config, text).unwrap();
            let mut command = Command::new(&program);
            command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap_or_else(|e| panic!("start {program:?}: {e}"));
            let end = Instant::now() + Duration::from_secs(20);
            while Instant::now() < end && child.try_wait().unwrap().is_none() {
                if listens(child.id(), port) {
                    return Some(Registry { child, port });
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("docker-registry does not start");
    }

    /// `127.0.0.1:PORT/name`.
    pub fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// Copies an image in with skopeo (`from` as skopeo names it), with more options.
    pub fn push(&self, from: &str, name: &str, options: &[&str]) {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]).args(options).arg(from);
        skopeo.arg(format!("docker://{}", self.name(name)));
        let out = skopeo.output().expect("run skopeo");
        assert!(out.status.success(), "{skopeo:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
