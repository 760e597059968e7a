//! pasta: the way out where it is asked for, or where slirp4netns is missing.
//!
//! It gets the same addresses inside as slirp4netns would give, not a copy of the host's, so that the host stays
//! reachable under its own address and a container's address never changes with the helper.

use crate::error::{Context, Error, Result};
use crate::net::helper::{Helper, command, find_program};
use crate::net::options::{MTU, SlirpOptions};
use crate::net::pasta_options::PastaOptions;
use crate::stage;
use crate::state::container::NetworkState;
use ipnet::IpNet;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::process::Signal;
use std::ffi::OsString;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

/// Name of the program and of the network mode in the state.
pub(super) const NAME: &str = "pasta";
/// The stage that becomes the helper.
pub const GUARD: &str = "guard";

/// A helper that is starting: other work can go on until [`Starting::finish`].
pub(super) struct Starting {
    helper: Helper,
    ready: OwnedFd,
}

fn arguments(user: &PastaOptions, state: &NetworkState, pid_file: &Path, pid: i32) -> Vec<OsString> {
    let usual = SlirpOptions::default();
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
    add(&["--foreground", "--config-net"]);
    if !user.has(&["--debug", "--trace", "--quiet"]) {
        add(&["--quiet"]);
    }
    let ipv4 = !user.has(&["--ipv6-only"]);
    if ipv4 && !user.has(&["--address"]) {
        add(&["--address", &state.ip]);
        if !user.has(&["--netmask"]) {
            add(&["--netmask", &usual.network.prefix_len().to_string()]);
        }
    }
    if ipv4 && !user.has(&["--gateway"]) {
        add(&["--gateway", &state.gateway]);
    }
    if ipv4 && !user.has(&["--dns-forward"]) {
        add(&["--dns-forward", &state.dns]);
    }
    if !user.has(&["--ns-ifname"]) {
        add(&["--ns-ifname", "tap0"]);
    }
    if !state.mac.is_empty() && !user.has(&["--ns-mac-addr"]) {
        add(&["--ns-mac-addr", &state.mac]);
    }
    if !user.has(&["--mtu"]) {
        add(&["--mtu", &MTU.to_string()]);
    }
    // It would forward every port that is bound on either side: publishing is our forwarder's work.
    for option in ["--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"] {
        if !user.has(&[option]) {
            add(&[option, "none"]);
        }
    }
    // As root it would become nobody, who may not enter the container's namespaces.
    if rustix::process::geteuid().is_root() && !user.has(&["--runas"]) {
        add(&["--runas", "0:0"]);
    }
    // Else the gateway's address leads to the host's loopback. `--map-gw` is podman's word for leaving it so.
    if !user.has(&["--map-gw", "--no-map-gw"]) {
        add(&["--no-map-gw"]);
    }
    args.extend(user.words().map(OsString::from));
    args.extend(["--pid".into(), pid_file.into(), pid.to_string().into()]);
    args
}

/// The one guest that it knows behind an interface.
pub(super) struct Guest<'a> {
    pub interface: &'a str,
    /// One of each family that it is to carry.
    pub addresses: &'a [IpNet],
    pub gateways: &'a [IpAddr],
}

/// Starts it for the namespaces of process `pid`, with the addresses of `state` where the user has not said anything
/// else; `run_dir` holds a fifo until it is ready.
pub(super) fn start(user: &PastaOptions, state: &NetworkState, pid: i32, run_dir: &Path) -> Result<Starting> {
    launch(run_dir, |fifo| arguments(user, state, fifo, pid))
}

/// Starts it there with an interface that is left down and without an address.
pub(super) fn start_bare(guest: &Guest<'_>, pid: i32, run_dir: &Path) -> Result<Starting> {
    launch(run_dir, |fifo| bare_arguments(guest, fifo, pid))
}

fn bare_arguments(guest: &Guest<'_>, pid_file: &Path, pid: i32) -> Vec<OsString> {
    let mtu = MTU.to_string();
    let mut words = vec!["--foreground", "--quiet", "--no-map-gw", "--ns-ifname", guest.interface, "--mtu", &mtu];
    words.extend(["-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-dhcp", "--no-dhcpv6", "--no-ra"]);
    if rustix::process::geteuid().is_root() {
        words.extend(["--runas", "0:0"]);
    }
    let mut args: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    for net in guest.addresses {
        args.extend(["--address".into(), net.addr().to_string().into()]);
        if net.addr().is_ipv4() {
            args.extend(["--netmask".into(), net.prefix_len().to_string().into()]);
        }
    }
    for gateway in guest.gateways {
        args.extend(["--gateway".into(), gateway.to_string().into()]);
    }
    args.extend(["--pid".into(), pid_file.into(), pid.to_string().into()]);
    args
}

fn launch(run_dir: &Path, arguments: impl FnOnce(&Path) -> Vec<OsString>) -> Result<Starting> {
    let Some(program) = find_program(NAME) else {
        return Err(Error::unsupported(format!("start {NAME}: not installed")).hint("install passt"));
    };
    // It reports readiness by writing its pid file only; as a fifo that is an event that can be waited for.
    std::fs::create_dir_all(run_dir).with_context(|| format!("make directory {}", run_dir.display()))?;
    let fifo = run_dir.join("pasta.pid");
    let _ = std::fs::remove_file(&fifo);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .with_context(|| format!("make fifo {}", fifo.display()))?;
    let ready = rustix::fs::open(&fifo, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("open {}", fifo.display()))?;
    let parent = rustix::process::getpid().as_raw_nonzero().to_string();
    let mut args: Vec<OsString> = vec![GUARD.into(), parent.into(), program.into()];
    args.extend(arguments(&fifo));
    let mut guarded = command(stage::program(), args);
    guarded.arg0(stage::ARGV0);
    let helper = Helper::start(NAME, guarded, &[], None)?;
    Ok(Starting { helper, ready })
}

impl Starting {
    pub(super) fn finish(mut self, run_dir: &Path) -> Result<Helper> {
        let done = self.helper.await_ready(self.ready.as_fd());
        let _ = std::fs::remove_file(run_dir.join("pasta.pid"));
        done.map(|()| self.helper)
    }
}

/// The `guard` stage (caller's pid, program, arguments): becomes the program, which is killed when the caller dies.
/// slirp4netns has a descriptor for that; pasta would live on, since it holds the container's network namespace itself.
pub fn guard(args: &[String]) -> ExitCode {
    let [caller, program, args @ ..] = args else {
        return ExitCode::from(125);
    };
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let parent = rustix::process::getppid().map_or(0, |p| p.as_raw_nonzero().get());
    if parent.to_string() != *caller {
        return ExitCode::from(125); // it died before the signal was armed
    }
    let e = command(Path::new(program), args).exec();
    eprintln!("execute {program}: {e}");
    ExitCode::from(126)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(user: &[&str]) -> String {
        let user: Vec<String> = user.iter().map(|s| (*s).to_owned()).collect();
        let user = PastaOptions::parse(&user).unwrap();
        let words = arguments(&user, &user.state(None), Path::new("/p"), 7);
        words.iter().map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn closed_by_default_and_open_to_user_options() {
        let plain = args(&[]);
        assert!(plain.contains("--no-map-gw") && plain.contains("--tcp-ns none") && plain.ends_with("--pid /p 7"));
        let user = args(&["--map-gw", "-T", "5432", "--mtu=1500", "-t80"]);
        assert!(!user.contains("map-gw") && !user.contains("tcp-ns none") && !user.contains("65520"));
        assert!(user.contains("-T 5432 --mtu=1500 -t80") && !user.contains("tcp-ports none"));
        assert!(!args(&["-6"]).contains("10.0.2"));
    }
}
