//! The namespaces that a container shares with others, or that the user names by path.

use super::incarnation::Subject;
use crate::error::{Context, Error, Kind, Result};
use crate::net;
use crate::runtime::Joins;
use crate::spec::model::{NetMode, Ns, Spec, UserNs};
use crate::state::container::NetworkState;
use crate::state::paths::Paths;
use crate::state::{boot, containers};
use crate::sys::process;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};

/// The network state of the container whose network is joined.
pub(super) fn joined_network(subject: &Subject) -> Result<Option<NetworkState>> {
    match &subject.spec.network.mode {
        NetMode::Container(id) => {
            let other = containers::load(&subject.frame.paths, id)?;
            let mut state = other.state.network;
            state.mode = format!("container:{id}");
            Ok(Some(state))
        }
        _ => Ok(None),
    }
}

/// Opens the namespaces that the spec asks for, as they are now.
pub(super) fn open(subject: &Subject, places: Option<&net::Places>) -> Result<Joins> {
    let spec = &subject.spec;
    let paths = &subject.frame.paths;
    let open = |ns: &Ns| match ns {
        Ns::Container(id) => init_of(paths, id).map(Some),
        Ns::Path(path) => namespace_file(path).map(Some),
        Ns::Private | Ns::Host => Ok(None),
    };
    // A network (pid, ipc, uts) namespace can only be entered by root of the user namespace that owns it.
    let owner = match (&spec.userns, &spec.network.mode) {
        (UserNs::Container(id), _) | (_, NetMode::Container(id)) => Some(id),
        _ => [&spec.pid, &spec.ipc, &spec.uts].into_iter().find_map(|ns| match ns {
            Ns::Container(id) => Some(id),
            _ => None,
        }),
    };
    let mut user = match places {
        // Interfaces can only be put into network namespaces that the networks' own user namespace owns.
        Some(places) => Some(places.user_namespace().try_clone_to_owned().context("copy a descriptor")?),
        None => owner.map(|id| init_of(paths, id)).transpose()?,
    };
    let net = match &spec.network.mode {
        NetMode::Container(id) => Some(init_of(paths, id)?),
        NetMode::Path(path) => {
            let namespace = network_file(path)?;
            if user.is_none() {
                user = owner_of(&namespace, path)?;
            }
            Some(namespace)
        }
        _ => None,
    };
    let alone = |ns: &Ns| matches!(ns, Ns::Private | Ns::Host);
    // The others are entered when the container's own user namespace is there, which has no right to.
    let network_alone = net.is_some() && alone(&spec.pid) && alone(&spec.ipc) && alone(&spec.uts);
    // One whose container asked for the same ids is simply shared.
    let same = |id: &String| containers::load_spec::<Spec>(paths, id).is_ok_and(|other| other.userns == spec.userns);
    let nested = user.is_some()
        && matches!(spec.userns, UserNs::KeepId { .. })
        && !(places.is_none() && owner.is_some_and(same));
    if nested && places.is_none() && !network_alone {
        return Err(Error::unsupported("use --userns keep-id with --pid, --ipc or --uts container:… of other ids")
            .hint("share the network only, or the user namespace too: --userns container:NAME"));
    }
    Ok(Joins {
        user,
        nested,
        net,
        pid: open(&spec.pid)?,
        ipc: open(&spec.ipc)?,
        uts: open(&spec.uts)?,
        cgroup: open(&spec.cgroupns)?,
    })
}

fn init_of(paths: &Paths, id: &str) -> Result<OwnedFd> {
    let other = containers::load(paths, id)?;
    let stopped = || {
        Error::conflict(format!("join container {}: it does not run", other.name))
            .hint(format!("start it first: coracle start {}", other.name))
    };
    if !other.active() || other.state.pid == 0 {
        return Err(stopped());
    }
    boot::open(other.state.pid, other.state.start_ticks)?.ok_or_else(stopped)
}

pub(super) fn namespace_file(path: &str) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("open namespace {path}"))
}

fn network_file(path: &str) -> Result<OwnedFd> {
    let fd = namespace_file(path)?;
    match process::namespace_type(fd.as_fd()) {
        Ok(libc::CLONE_NEWNET) => Ok(fd),
        _ => Err(Error::user(format!("join the network namespace {path}: it is none"))
            .hint("name one like /proc/PID/ns/net")),
    }
}

/// A process in the user namespace that owns a network namespace; `None` where that is our own.
fn owner_of(namespace: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    let what = || format!("join the network namespace {path}");
    let owner = process::owning_user_namespace(namespace.as_fd()).map_err(|_| {
        Error::new(Kind::Denied, format!("{}: it belongs to the host, or to another user", what()))
            .hint("one that this user has made can be joined (unshare --user --net, another container's)")
    })?;
    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|s| s.st_ino).context("look at a namespace");
    let wanted = inode(&owner)?;
    if inode(&namespace_file("/proc/self/ns/user")?)? == wanted {
        if inode(namespace)? == inode(&namespace_file("/proc/self/ns/net")?)? && !rustix::process::geteuid().is_root() {
            return Err(
                Error::new(Kind::Denied, format!("{}: it is this one, the host's", what())).hint("use --network host")
            );
        }
        return Ok(None);
    }
    let named = path.strip_prefix("/proc/").and_then(|rest| rest.split('/').next()?.parse::<i32>().ok());
    let all = std::fs::read_dir("/proc").context("list processes")?.flatten();
    let pids = named.into_iter().chain(all.filter_map(|e| e.file_name().to_str()?.parse().ok()));
    for pid in pids {
        let Some(process) = boot::start_ticks(pid).and_then(|ticks| boot::open(pid, ticks).ok()?) else { continue };
        let Ok(file) = namespace_file(&format!("/proc/{pid}/ns/user")) else { continue };
        if inode(&file)? == wanted {
            return Ok(Some(process));
        }
    }
    Err(Error::not_found(format!("{}: no process is left in its user namespace", what())))
}
