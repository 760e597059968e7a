//! `info`: the host, the store and the levels chosen here, with podman's grouped keys and docker's flat ones.

use super::Ctx;
use super::doc::{Doc, fields};
use super::doctor::Environment;
use crate::error::Result;
use crate::image::Store;
use crate::state::container::Status;
use crate::state::containers;
use crate::userns::{IdMap, Level, Range};
use rustix::fs::{Access, access};
use std::path::Path;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything that `info` shows. Makes no namespace, so that it works wherever coracle starts at all.
pub fn info(ctx: &Ctx, env: &Environment) -> Result<Doc> {
    let host = Host::read(env);
    let mut warnings = Vec::new();
    let idmap = IdMap::detect();
    match &idmap {
        Ok(map) => warnings.extend(map.note()),
        Err(e) => warnings.push(e.to_string()),
    }
    let counts = Counts::read(ctx)?;
    let images = Store::open(&ctx.paths)?.list()?.len();
    let data = ctx.paths.data.to_string_lossy().into_owned();
    let network = network(env);
    if network == "none" {
        warnings.push("containers have loopback only: neither slirp4netns nor pasta is installed".into());
    }
    let mut doc = fields! {
        "host" => host.doc(&idmap, env, &network),
        "store" => fields! {
            "graphDriverName" => "overlay",
            "graphRoot" => &data,
            "runRoot" => ctx.paths.run.to_string_lossy().into_owned(),
            "volumePath" => ctx.paths.volumes().to_string_lossy().into_owned(),
            "containerStore" => fields! {
                "number" => counts.all(), "paused" => counts.paused, "running" => counts.running, "stopped" => counts.stopped,
            },
            "imageStore" => fields! { "number" => images },
        },
        "version" => fields! {
            "APIVersion" => "1.41", "Version" => VERSION, "Os" => "linux", "OsArch" => format!("linux/{}", host.arch),
        },
    };
    push_docker(&mut doc, &host, &counts, images, data, warnings);
    Ok(doc)
}

/// The keys of `docker info`.
fn push_docker(doc: &mut Doc, host: &Host, counts: &Counts, images: usize, data: String, warnings: Vec<String>) {
    doc.push("ID", &host.machine);
    doc.push("Name", &host.name);
    doc.push("ServerVersion", VERSION);
    doc.push("Containers", counts.all());
    doc.push("ContainersRunning", counts.running);
    doc.push("ContainersPaused", counts.paused);
    doc.push("ContainersStopped", counts.stopped);
    doc.push("Images", images);
    doc.push("Driver", "overlay");
    doc.push("LoggingDriver", "k8s-file");
    doc.push("CgroupDriver", if host.rootless { "none" } else { "cgroupfs" });
    doc.push("CgroupVersion", host.cgroup_version);
    doc.push("KernelVersion", &host.kernel);
    doc.push("OperatingSystem", &host.system);
    doc.push("OSVersion", &host.system_version);
    doc.push("OSType", "linux");
    doc.push("Architecture", std::env::consts::ARCH);
    doc.push("NCPU", host.cpus);
    doc.push("MemTotal", host.mem_total);
    doc.push("DockerRootDir", data);
    let mut security = vec!["name=seccomp,profile=builtin", "name=cgroupns"];
    if host.rootless {
        security.insert(1, "name=rootless");
    }
    doc.push("SecurityOptions", security);
    doc.push("DefaultRuntime", "coracle");
    doc.push("Warnings", warnings);
}

#[derive(Default)]
struct Counts {
    running: u64,
    paused: u64,
    stopped: u64,
}

impl Counts {
    fn read(ctx: &Ctx) -> Result<Counts> {
        let mut counts = Counts::default();
        for container in containers::list(&ctx.paths)? {
            match container.state.status {
                Status::Running | Status::Stopping | Status::Restarting => counts.running += 1,
                Status::Paused => counts.paused += 1,
                Status::Created | Status::Exited => counts.stopped += 1,
            }
        }
        Ok(counts)
    }

    fn all(&self) -> u64 {
        self.running + self.paused + self.stopped
    }
}

struct Host {
    arch: &'static str,
    name: String,
    kernel: String,
    system: String,
    system_version: String,
    distribution: String,
    machine: String,
    cpus: usize,
    mem_total: u64,
    mem_free: u64,
    swap_total: u64,
    swap_free: u64,
    uptime: u64,
    rootless: bool,
    cgroup_version: &'static str,
    controllers: Vec<String>,
    runtime_dir: String,
}

impl Host {
    fn read(env: &Environment) -> Host {
        let uname = rustix::system::uname();
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let release = text("/etc/os-release");
        let of = |key: &str| value(&release, key);
        let memory = text("/proc/meminfo");
        let kib = |key: &str| memory_line(&memory, key) * 1024;
        let cgroup = Path::new("/sys/fs/cgroup/cgroup.controllers");
        Host {
            arch: arch(),
            name: uname.nodename().to_string_lossy().into_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
            system: of("PRETTY_NAME"),
            system_version: of("VERSION_ID"),
            distribution: of("ID"),
            machine: text("/etc/machine-id").trim().to_string(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            mem_total: kib("MemTotal"),
            mem_free: kib("MemFree"),
            swap_total: kib("SwapTotal"),
            swap_free: kib("SwapFree"),
            uptime: text("/proc/uptime").split('.').next().and_then(|s| s.parse().ok()).unwrap_or(0),
            rootless: !rustix::process::geteuid().is_root(),
            cgroup_version: if cgroup.exists() { "2" } else { "1" },
            controllers: text("/sys/fs/cgroup/cgroup.controllers").split_whitespace().map(Into::into).collect(),
            runtime_dir: env.runtime_dir.as_ref().map(|d| d.to_string_lossy().into_owned()).unwrap_or_default(),
        }
    }

    /// Podman's `host`.
    fn doc(&self, idmap: &Result<IdMap>, env: &Environment, network: &str) -> Doc {
        let program = |name: &str| match env.version(name, "--version") {
            Some((path, version)) => {
                fields! { "executable" => path.to_string_lossy().into_owned(), "package" => "", "version" => version }
            }
            None => fields! { "executable" => "", "package" => "", "version" => "" },
        };
        let (level, uids, gids) = match idmap {
            Ok(map) => (level(map.level), ranges(&map.uids), ranges(&map.gids)),
            Err(_) => ("none", Vec::new(), Vec::new()),
        };
        fields! {
            "arch" => self.arch,
            "cgroupControllers" => &self.controllers,
            "cgroupManager" => "cgroupfs",
            "cgroupVersion" => format!("v{}", self.cgroup_version),
            "cpus" => self.cpus,
            "distribution" => fields! { "distribution" => &self.distribution, "version" => &self.system_version },
            "eventLogger" => "file",
            "hostname" => &self.name,
            "idMappings" => fields! { "level" => level, "gidmap" => gids, "uidmap" => uids },
            "kernel" => &self.kernel,
            "logDriver" => "k8s-file",
            "memFree" => self.mem_free,
            "memTotal" => self.mem_total,
            "networkBackend" => "coracle",
            "ociRuntime" => fields! { "name" => "coracle", "version" => VERSION },
            "os" => "linux",
            "pasta" => program("pasta"),
            "rootFileSystem" => root_file_system(env),
            "rootlessNetworkCmd" => network,
            "runtimeDir" => &self.runtime_dir,
            "security" => fields! {
                "apparmorEnabled" => Path::new("/sys/kernel/security/apparmor").exists(),
                "rootless" => self.rootless,
                "seccompEnabled" => Path::new("/proc/sys/kernel/seccomp").exists(),
                "selinuxEnabled" => Path::new("/sys/fs/selinux/enforce").exists(),
            },
            "slirp4netns" => program("slirp4netns"),
            "swapFree" => self.swap_free,
            "swapTotal" => self.swap_total,
            "uptime" => uptime(self.uptime),
        }
    }
}

/// Go's name of this machine's architecture.
pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Full => "full",
        Level::OneId => "one-id",
        Level::Root => "root",
    }
}

fn ranges(ranges: &[Range]) -> Vec<Doc> {
    let doc = |r: &Range| fields! { "container_id" => r.inside, "host_id" => r.outside, "size" => r.count };
    ranges.iter().map(doc).collect()
}

/// What the default network will use.
fn network(env: &Environment) -> String {
    let tun = access("/dev/net/tun", Access::READ_OK | Access::WRITE_OK).is_ok();
    let found = ["slirp4netns", "pasta"].into_iter().find(|p| tun && env.find(p).is_some());
    found.unwrap_or("none").to_string()
}

/// The level that the kernel's version promises; `doctor` really tries it.
fn root_file_system(env: &Environment) -> &'static str {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version >= (5, 11) {
        true => "overlay",
        false if env.find("fuse-overlayfs").is_some() => "fuse-overlayfs",
        false => "copy",
    }
}

/// A value of os-release(5), unquoted.
fn value(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_default().trim_matches('"').to_string()
}

fn memory_line(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn uptime(seconds: u64) -> String {
    format!("{}h {}m {}s", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_files_of_the_host() {
        assert_eq!(value("ID=debian\nPRETTY_NAME=\"Debian 13\"\n", "PRETTY_NAME"), "Debian 13");
        assert_eq!(memory_line("MemTotal:  12 kB\nMemFree: 3 kB\n", "MemFree"), 3);
        assert_eq!(uptime(3 * 3600 + 62), "3h 1m 2s");
    }
}
