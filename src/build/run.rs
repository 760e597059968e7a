//! RUN: one process in a container of its own, with neither monitor nor record.

use super::ast::Network;
use super::state::RunWork;
use crate::error::{Context, Error, Result};
use crate::net::{self, HostPorts};
use crate::runtime::{self, Joins, LaunchRequest, RootKind, Stdio, cgroup};
use crate::spec::build::build;
use crate::spec::model::{Mount, MountKind, Spec};
use crate::spec::request::{Host, ImageInfo, RunRequest};
use crate::state::paths::{ContainerDir, Paths};
use crate::userns::IdMap;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// What all RUNs of a build share.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// `--network`: where `RUN --network=default` leads.
    pub network: Network,
    /// `RUN --network=host` may have it.
    pub allow_host: bool,
    pub no_hosts: bool,
    pub group_add: Vec<String>,
    pub add_host: Vec<String>,
    pub dns: Vec<String>,
    pub ulimit: Vec<String>,
    pub shm_size: Option<String>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub security_opt: Vec<String>,
    /// `KEY=value` of proxies: for the program, not for the image.
    pub proxies: Vec<String>,
    pub given: Given,
}

/// Things of the host, and limits, in the words of the command line.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Binds of the host's files.
    pub volumes: Vec<Mount>,
    pub devices: Vec<String>,
    pub memory: Option<String>,
    pub memory_swap: Option<String>,
    pub cpu_shares: Option<u64>,
    pub cpu_period: Option<u64>,
    pub cpu_quota: Option<i64>,
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    pub dns_search: Vec<String>,
    pub dns_option: Vec<String>,
}

impl Given {
    fn has_limits(&self) -> bool {
        let words = [&self.memory, &self.memory_swap, &self.cpuset_cpus, &self.cpuset_mems];
        let numbers = self.cpu_shares.is_some() || self.cpu_period.is_some() || self.cpu_quota.is_some();
        numbers || words.iter().any(|word| word.is_some())
    }

    /// Paths (without leading slash) at and above the mounts, which stay empty in the image.
    pub fn stubs(&self) -> Vec<String> {
        let above = |mount: &Mount| {
            let path = PathBuf::from(mount.destination.trim_start_matches('/'));
            path.ancestors().map(|p| p.display().to_string()).filter(|p| !p.is_empty()).collect::<Vec<_>>()
        };
        self.volumes.iter().flat_map(above).collect()
    }
}

/// The step's control group, which goes with it.
struct Limited(cgroup::Cgroup);

impl Drop for Limited {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// `None` where no limit was asked for, or none can be set.
fn limited(step: &RunStep<'_>, spec: &Spec) -> Result<Option<Limited>> {
    if !step.options.given.has_limits() {
        return Ok(None);
    }
    let (made, notes) = cgroup::create(step.id, &spec.resources)?;
    notes.iter().for_each(|note| log::warn!("{note}"));
    Ok(made.map(Limited))
}

/// Everything that one RUN needs.
pub struct RunStep<'a> {
    pub paths: &'a Paths,
    pub idmap: &'a IdMap,
    pub options: &'a RunOptions,
    pub work: &'a RunWork,
    /// 64 hex digits.
    pub id: &'a str,
    pub dir: ContainerDir,
    /// Top-most first.
    pub lowers: Vec<PathBuf>,
    pub mounts: Vec<Mount>,
    /// Directories that `mounts` call volumes.
    pub volumes: BTreeMap<String, PathBuf>,
    /// Secrets as variables.
    pub env: Vec<String>,
}

/// Where the program's streams lead.
pub enum Streams<'a> {
    /// No input; gets what it writes (true: to stderr).
    Lines(&'a mut dyn FnMut(bool, &[u8])),
    /// The caller's terminal.
    Terminal,
}

/// Runs the program to its end and gives its exit code.
pub fn run(step: RunStep<'_>, streams: Streams<'_>) -> Result<i32> {
    let terminal = matches!(streams, Streams::Terminal);
    let dir = &step.dir;
    crate::state::atomic::make_dirs(&dir.etc())?;
    let spec = spec(&step, terminal)?;
    let ports = HostPorts::default();
    let sockets = Sockets(step.paths.sockets(step.id));
    let mut network = net::expected(&spec.network, &ports);
    net::write_etc(&spec, &network, &dir.etc())?;
    let [(out, their_out), (err, their_err)] = [pipe()?, pipe()?];
    let stdin =
        rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context("open /dev/null")?;
    let limited = limited(&step, &spec)?;
    let group =
        limited.as_ref().map(|made| made.0.dir.try_clone().context("duplicate the control group")).transpose()?;
    let mut init = runtime::launch(LaunchRequest {
        etc: &dir.etc(),
        passed: &[],
        listening: &[],
        spec: &spec,
        dir,
        lowers: step.lowers.clone(),
        images: BTreeMap::new(),
        idmap: step.idmap,
        joins: Joins::default(),
        early: None,
        stdio: match terminal {
            true => Stdio::Pty,
            false => Stdio::Pipes { stdin, stdout: their_out, stderr: their_err },
        },
        cgroup: group,
        volumes: step.volumes.iter().map(|(name, dir)| (name.clone(), dir.clone().into())).collect(),
        window: None,
        root: RootKind::Auto,
    })?;
    let active = net::setup(net::NetRequest {
        spec: &spec.network,
        init_pid: init.pid,
        ports: &ports,
        etc: &spec.etc,
        run_dir: &sockets.0,
        joined: None,
        places: None,
    })?;
    if active.state != network {
        network = active.state.clone();
        net::write_etc(&spec, &network, &dir.etc())?;
    }
    let created = init.created()?;
    for warning in active.warnings.iter().chain(&created.warnings) {
        log::info!("{warning}");
    }
    init.go()?;
    init.executed()?;
    match (streams, &created.pty_master) {
        (Streams::Lines(output), _) => relay([out, err], output)?,
        (Streams::Terminal, Some(master)) => super::shell::relay(master)?,
        (Streams::Terminal, None) => return Err(Error::bug("a terminal without its other side")),
    }
    let code = init.wait();
    init.ended();
    drop(active);
    drop(limited);
    code
}

/// The directory of the network's sockets, which goes with the step.
struct Sockets(PathBuf);

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context("make a pipe")
}

/// Passes both streams on until both are closed: a program left behind in the background dies with PID 1.
fn relay(streams: [OwnedFd; 2], output: &mut dyn FnMut(bool, &[u8])) -> Result<()> {
    let mut open = [true, true];
    let mut buffer = vec![0; 16 << 10];
    while open[0] || open[1] {
        let which: Vec<usize> = (0..2).filter(|i| open[*i]).collect();
        let mut fds: Vec<PollFd<'_>> = which.iter().map(|i| PollFd::new(&streams[*i], PollFlags::IN)).collect();
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.context("wait for output")?,
        };
        let ready: Vec<usize> =
            which.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(i, _)| *i).collect();
        for i in ready {
            match rustix::io::read(&streams[i], &mut buffer[..]) {
                Ok(0) => open[i] = false,
                Ok(n) => output(i == 1, &buffer[..n]),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e).context("read the step's output"),
            }
        }
    }
    Ok(())
}

/// In /dev, which is no part of the image.
const APT_CONFIG: &str = "/dev/apt.conf";

fn spec(step: &RunStep<'_>, tty: bool) -> Result<Spec> {
    let (work, options) = (step.work, step.options);
    if work.run.insecure {
        return Err(Error::unsupported("RUN --security=insecure: not supported"));
    }
    let mode = match (work.run.network, options.network) {
        (Network::None, _) | (Network::Default, Network::None) => Some("none"),
        (Network::Default, Network::Host) => Some("host"),
        (Network::Host, Network::Host) => Some("host"),
        (Network::Host, _) if options.allow_host => Some("host"),
        (Network::Host, _) => {
            return Err(Error::denied("RUN --network=host: not allowed")
                .hint("build with --allow network.host, or --network host"));
        }
        (Network::Default, Network::Default) => None,
    };
    let mut env = work.env.clone();
    env.extend(step.env.iter().cloned());
    for proxy in &options.proxies {
        let name = proxy.split('=').next().unwrap_or_default();
        if !env.iter().any(|e| e.split('=').next() == Some(name)) {
            env.push(proxy.clone());
        }
    }
    let request = RunRequest {
        image: "build".into(),
        command: work.args.clone(),
        // Those of docker: package installers expect them.
        docker: true,
        rm: true,
        tty,
        interactive: tty,
        user: (!work.user.is_empty()).then(|| work.user.clone()),
        workdir: Some(work.cwd.clone()),
        // One name everywhere: programs write it into what they make.
        hostname: Some("buildkitsandbox".into()).filter(|_| mode != Some("host")),
        network: mode.map(str::to_string).into_iter().collect(),
        add_host: options.add_host.clone(),
        no_hosts: options.no_hosts,
        group_add: options.group_add.clone(),
        dns: options.dns.clone(),
        ulimit: options.ulimit.clone(),
        shm_size: options.shm_size.clone(),
        cap_add: options.cap_add.clone(),
        cap_drop: options.cap_drop.clone(),
        security_opt: options.security_opt.clone(),
        devices: options.given.devices.clone(),
        memory: options.given.memory.clone(),
        memory_swap: options.given.memory_swap.clone(),
        cpu_shares: options.given.cpu_shares,
        cpu_period: options.given.cpu_period,
        cpu_quota: options.given.cpu_quota,
        cpuset_cpus: options.given.cpuset_cpus.clone(),
        cpuset_mems: options.given.cpuset_mems.clone(),
        dns_search: options.given.dns_search.clone(),
        dns_option: options.given.dns_option.clone(),
        cwd: "/".into(),
        ..RunRequest::default()
    };
    let image = ImageInfo { env, ..ImageInfo::default() };
    let host = Host {
        id: step.id.into(),
        now: crate::state::events::now(),
        name: "build".into(),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        ..Host::default()
    };
    let mut spec = build(&request, &image, &host)?.spec;
    spec.mounts.extend(options.given.volumes.iter().chain(&step.mounts).cloned());
    spec.pretend_owners = true;
    if step.idmap.has_one_id() && !spec.process.env.iter().any(|e| e.starts_with("APT_CONFIG=")) {
        // It looks whether it has become another user, and that can't be pretended.
        let file = step.dir.etc().join("apt.conf");
        std::fs::write(&file, "APT::Sandbox::User \"root\";\n").context("write the settings of apt")?;
        let (source, destination) = (file.to_string_lossy().into_owned(), APT_CONFIG.to_string());
        let kind = MountKind::Bind { source };
        spec.mounts.push(Mount { kind, destination, readonly: true, ..Mount::default() });
        spec.process.env.push(format!("APT_CONFIG={APT_CONFIG}"));
    }
    Ok(spec)
}
