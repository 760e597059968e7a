//! Attaching a network namespace: which helper, in which order, and what is known of the addresses.

use crate::error::{Error, Result};
use crate::net::facts::Facts;
use crate::net::helper::Helper;
use crate::net::options::SlirpOptions;
use crate::net::pasta_options::PastaOptions;
use crate::net::{HostPorts, Listener, Places, PortChange, forward, pasta, places, slirp};
use crate::spec::model::{Etc, NetMode, Network};
use crate::state::container::NetworkState;
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
    /// On user-defined networks: the places there.
    pub places: Option<Places>,
}

/// A running network. Dropping it ends and reaps the helpers.
#[derive(Debug, Default)]
pub struct Active {
    pub state: NetworkState,
    pub helpers: Vec<Helper>,
    /// One-line notes for the user (levels of the ladder that were missing).
    pub warnings: Vec<String>,
}

impl Active {
    /// Kills the helpers. The ports are free when this returns; other helpers may take their time to go (dropping
    /// waits for them).
    pub fn stop(&mut self) {
        self.helpers.iter().for_each(Helper::kill);
        self.helpers.retain(|h| h.name != forward::STAGE);
    }

    /// Puts the container of process `pid` into its present places in user-defined networks.
    pub fn renew(&mut self, places: Places, pid: i32) -> Result<()> {
        self.state = NetworkState { ports: std::mem::take(&mut self.state.ports), ..places.state.clone() };
        let membership = places.join(pid, &mut self.warnings)?;
        // The former membership ends when the holder knows of the new one.
        self.helpers.retain(|h| !h.is_remote());
        self.helpers.push(membership);
        Ok(())
    }

    /// Has the published ports of the container of process `pid` be `ports`, which came from those before by `change`.
    pub fn publish(&mut self, ports: &HostPorts, change: &PortChange, pid: i32) -> Result<()> {
        let forwarder = self.helpers.iter().position(|h| h.name == forward::STAGE);
        match (forwarder, ports.listeners.is_empty()) {
            (None, true) => {}
            (None, false) => {
                let started = forward::start(pid, ports)?.finish(&mut self.warnings)?;
                self.helpers.push(started);
            }
            (Some(place), true) => drop(self.helpers.remove(place)),
            (Some(place), false) => {
                let opened: Vec<&Listener> =
                    ports.listeners.iter().filter(|l| change.opened.contains(&l.key)).collect();
                forward::change(&self.helpers[place], &opened, &change.closed(), &mut self.warnings)?;
            }
        }
        self.state.ports = ports.resolved.clone();
        Ok(())
    }

    /// Ends the forwarder, whose death shows like any other.
    pub fn stop_forwarding(&mut self) {
        self.helpers.iter().filter(|h| h.name == forward::STAGE).for_each(Helper::kill);
    }

    /// Ends all helpers but the membership in user-defined networks, which is to be renewed.
    pub fn part(mut self) -> Option<Helper> {
        let place = self.helpers.iter().position(Helper::is_remote)?;
        Some(self.helpers.swap_remove(place))
    }
}

/// The state that [`setup`] most likely gives, known before any namespace exists: enough to write the /etc files.
pub fn expected(spec: &Network, ports: &HostPorts) -> NetworkState {
    let named = |mode: &str| NetworkState { mode: mode.to_owned(), ..NetworkState::default() };
    let mac = spec.mac.as_deref();
    let mut state = match &spec.mode {
        NetMode::Default => slirp::state(&SlirpOptions::default(), mac),
        // Bad options are reported by setup.
        NetMode::Slirp4netns(options) => slirp::state(&SlirpOptions::parse(options).unwrap_or_default(), mac),
        NetMode::Pasta(options) => PastaOptions::parse(options).unwrap_or_default().state(mac),
        NetMode::None => named("none"),
        NetMode::Host => named("host"),
        NetMode::Container(id) => named(&format!("container:{id}")),
        NetMode::Path(path) => named(&format!("ns:{path}")),
        NetMode::Networks(_) => named(places::MODE),
    };
    if published(&spec.mode) {
        state.ports = ports.resolved.clone();
    }
    state
}

/// Modes whose ports are forwarded; in the others the container's ports are the host's, another container's, or nobody's.
fn published(mode: &NetMode) -> bool {
    !matches!(mode, NetMode::None | NetMode::Host | NetMode::Container(_))
}

/// Whether the options of a mode can be understood; what they need of the host is seen at the start.
///
/// # Errors
/// `Kind::User`, with the option.
pub fn check(mode: &NetMode) -> Result<()> {
    match mode {
        NetMode::Slirp4netns(options) => SlirpOptions::parse(options).map(drop),
        NetMode::Pasta(options) => PastaOptions::parse(options).map(drop),
        _ => Ok(()),
    }
}

/// Starts what the network mode asks for and returns when the container can use it.
pub fn setup(mut request: NetRequest<'_>) -> Result<Active> {
    let spec = request.spec;
    let mut active = Active { state: expected(spec, request.ports), ..Active::default() };
    // The helpers start side by side: ours first, since it takes less of what the other is waited for.
    let forwarder = match published(&spec.mode) && !request.ports.listeners.is_empty() {
        true => Some(forward::start(request.init_pid, request.ports)?),
        false => None,
    };
    if let Some(places) = request.places.take() {
        active.state = NetworkState { ports: std::mem::take(&mut active.state.ports), ..places.state.clone() };
        let membership = places.join(request.init_pid, &mut active.warnings)?;
        active.helpers.push(membership);
    }
    match &spec.mode {
        NetMode::Default => way_out(&request, &mut active)?,
        NetMode::Slirp4netns(options) => {
            let helper = slirp::start(&SlirpOptions::parse(options)?, &active.state, request.init_pid)?.finish()?;
            active.helpers.push(helper);
        }
        NetMode::Pasta(options) => with_pasta(&request, &PastaOptions::parse(options)?, &mut active)?,
        NetMode::Container(_) => {
            let joined = request.joined.cloned().unwrap_or_default();
            active.state = NetworkState { mode: active.state.mode, ports: Vec::new(), ..joined };
        }
        NetMode::Path(_) => learn(&mut active.state, request.init_pid),
        NetMode::None | NetMode::Host | NetMode::Networks(_) => {}
    }
    if !published(&spec.mode) && !spec.ports.is_empty() {
        active.warnings.push(format!("published ports have no meaning with --network {}", active.state.mode));
    }
    if let Some(forwarder) = forwarder {
        active.helpers.push(forwarder.finish(&mut active.warnings)?);
    }
    Ok(active)
}

/// The ladder of the default network: slirp4netns, pasta, loopback only with a note.
fn way_out(request: &NetRequest<'_>, active: &mut Active) -> Result<()> {
    let first = match slirp::start(&SlirpOptions::default(), &active.state, request.init_pid).and_then(|s| s.finish()) {
        Ok(helper) => {
            active.helpers.push(helper);
            return Ok(());
        }
        Err(e) => e,
    };
    let (options, ports) = (PastaOptions::default(), std::mem::take(&mut active.state.ports));
    active.state = NetworkState { ports, ..options.state(request.spec.mac.as_deref()) };
    let Err(second) = with_pasta(request, &options, active) else {
        return Ok(());
    };
    let ports = std::mem::take(&mut active.state.ports);
    active.state = NetworkState { mode: "none".into(), ports, ..NetworkState::default() };
    active.warnings.push(format!("the container has no way out: {}; {}", brief(&first), brief(&second)));
    Ok(())
}

fn with_pasta(request: &NetRequest<'_>, options: &PastaOptions, active: &mut Active) -> Result<()> {
    let helper = pasta::start(options, &active.state, request.init_pid, request.run_dir)?.finish(request.run_dir)?;
    active.helpers.push(helper);
    learn(&mut active.state, request.init_pid);
    Ok(())
}

/// Replaces what was assumed by what is there.
fn learn(state: &mut NetworkState, pid: i32) {
    let facts = Facts::of(pid);
    if let Some((ip, prefix)) = facts.ip {
        (state.ip, state.prefix) = (ip.to_string(), prefix);
    }
    if let Some((ip6, prefix)) = facts.ip6 {
        (state.ip6, state.prefix6) = (ip6.to_string(), prefix);
    }
    if let Some(gateway) = facts.gateway {
        state.gateway = gateway.to_string();
    }
}

/// An error within a note of one line.
fn brief(e: &Error) -> String {
    e.to_string().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::container::PortMapping;

    #[test]
    fn states_known_beforehand() {
        let mapping = PortMapping { container_port: 80, ..PortMapping::default() };
        let ports = HostPorts { resolved: vec![mapping], ..HostPorts::default() };
        for (mode, name, ip, published) in [
            (NetMode::Default, "slirp4netns", "10.0.2.100", 1),
            (NetMode::Slirp4netns(vec!["cidr=10.9.0.0/24".into()]), "slirp4netns", "10.9.0.100", 1),
            (NetMode::Pasta(vec![]), "pasta", "10.0.2.100", 1),
            (NetMode::None, "none", "", 0),
            (NetMode::Host, "host", "", 0),
            (NetMode::Container("ab".into()), "container:ab", "", 0),
        ] {
            let state = expected(&Network { mode, ..Network::default() }, &ports);
            assert_eq!((state.mode.as_str(), state.ip.as_str(), state.ports.len()), (name, ip, published));
        }
    }
}
