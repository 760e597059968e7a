//! RUN: one process in a container of its own, with neither monitor nor record.

use super::ast::Network;
use super::state::RunWork;
use crate::error::{Context, Error, Result};
use crate::net::{self, HostPorts};
use crate::runtime::{self, Joins, LaunchRequest, RootKind, Stdio};
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
    pub add_host: Vec<String>,
    pub dns: Vec<String>,
    pub ulimit: Vec<String>,
    pub shm_size: Option<String>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub security_opt: Vec<String>,
    /// `KEY=value` of proxies: for the program, not for the image.
    pub proxies: Vec<String>,
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

/// Runs the program to its end and gives its exit code; `output` gets what it writes (true: to stderr).
pub fn run(step: RunStep<'_>, output: &mut dyn FnMut(bool, &[u8])) -> Result<i32> {
    let dir = &step.dir;
    crate::state::atomic::make_dirs(&dir.etc())?;
    let spec = spec(&step)?;
    let ports = HostPorts::default();
    let sockets = Sockets(step.paths.sockets(step.id));
    let mut network = net::expected(&spec.network, &ports);
    net::write_etc(&spec, &network, &dir.etc())?;
    let [(out, their_out), (err, their_err)] = [pipe()?, pipe()?];
    let stdin =
        rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context("open /dev/null")?;
    let mut init = runtime::launch(LaunchRequest {
        spec: &spec,
        dir,
        lowers: step.lowers.clone(),
        images: BTreeMap::new(),
        idmap: step.idmap,
        joins: Joins::default(),
        early: None,
        stdio: Stdio::Pipes { stdin, stdout: their_out, stderr: their_err },
        cgroup: None,
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
    relay([out, err], output)?;
    let code = init.wait();
    init.ended();
    drop(active);
    code
}

/// The directory of the network's sockets, which goes with the step.
struct Sockets(PathBuf);

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context("make a pipe")
}

/// Passes both streams on until both are closed: a program left behind in the background dies with PID 1.
fn relay(streams: [OwnedFd; 2], output: &mut dyn FnMut(bool, &[u8])) -> Result<()> {
    let mut open = [true, true];
    let mut buffer = vec![0; 64 << 10];
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

fn spec(step: &RunStep<'_>) -> Result<Spec> {
    let (work, options) = (step.work, step.options);
    if work.run.insecure {
        return Err(Error::unsupported("RUN --security=insecure: not supported"));
    }
    let mode = match (work.run.network, options.network) {
        (Network::None, _) | (Network::Default, Network::None) => Some("none"),
        (Network::Default, Network::Host) => Some("host"),
        (Network::Host, Network::Host) => Some("host"),
        (Network::Host, _) => {
            return Err(Error::denied("RUN --network=host: not allowed").hint("build with --network host"));
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
        user: (!work.user.is_empty()).then(|| work.user.clone()),
        workdir: Some(work.cwd.clone()),
        // One name everywhere: programs write it into what they make.
        hostname: Some("buildkitsandbox".into()).filter(|_| mode != Some("host")),
        network: mode.map(str::to_string).into_iter().collect(),
        add_host: options.add_host.clone(),
        dns: options.dns.clone(),
        ulimit: options.ulimit.clone(),
        shm_size: options.shm_size.clone(),
        cap_add: options.cap_add.clone(),
        cap_drop: options.cap_drop.clone(),
        security_opt: options.security_opt.clone(),
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
    spec.mounts.extend(step.mounts.iter().cloned());
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
