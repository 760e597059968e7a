//! Changes of a container that runs: other networks, ports, limits, another name or restart policy.
//!
//! Whoever changes them writes the container's files and has its monitor read them again.

use super::incarnation::{Incarnation, Subject, places};
use crate::error::Result;
use crate::net::{self, Active};
use crate::spec::model::{NetMode, Rlimit, Spec};
use crate::state::atomic::{self, Class};
use crate::state::container::{Config, NetworkState, PortMapping};
use crate::state::paths::Paths;
use crate::state::{containers, names};

/// Makes the running container what its files say now.
pub fn follow(subject: &mut Subject, incarnation: &mut Incarnation) -> Result<()> {
    let read = Read::now(subject)?;
    let renamed = read.name != subject.name;
    let before = read.adopt(subject);
    let done = publish(subject, Some(&mut *incarnation), &before.spec.network.ports)
        .and_then(|()| reconnect(subject, incarnation))
        .and_then(|()| atomic::write_json(&subject.dir.state(), &incarnation.state, Class::Volatile));
    if done.is_err() && !renamed {
        before.adopt(subject);
    }
    done
}

/// The same between two runs of the container: the next one finds what is needed.
pub fn follow_idle(subject: &mut Subject) -> Result<()> {
    let before = Read::now(subject)?.adopt(subject);
    publish(subject, None, &before.spec.network.ports)
}

/// What may change of a container in its life.
struct Read {
    spec: Spec,
    config: Config,
    name: String,
}

impl Read {
    fn now(subject: &Subject) -> Result<Read> {
        let (paths, id) = (&subject.frame.paths, &subject.frame.id);
        Ok(Read {
            spec: containers::load_spec(paths, id)?,
            config: atomic::read_json(&subject.dir.config())?,
            name: names::recorded(paths, id).unwrap_or_default(),
        })
    }

    /// Gives what was there before. What a program was started with stays as it is.
    fn adopt(self, subject: &mut Subject) -> Read {
        let before = Read { spec: subject.spec.clone(), config: subject.config.clone(), name: subject.name.clone() };
        subject.spec.network.mode = self.spec.network.mode;
        subject.spec.network.ports = self.spec.network.ports;
        subject.spec.resources = self.spec.resources;
        subject.config.restart = self.config.restart;
        subject.name = self.name;
        before
    }
}

/// Binds and closes ports of the host, so that those of the spec are published.
fn publish(subject: &mut Subject, incarnation: Option<&mut Incarnation>, before: &[PortMapping]) -> Result<()> {
    if subject.spec.network.ports == before {
        return Ok(());
    }
    let (paths, id) = (subject.frame.paths.clone(), subject.frame.id.clone());
    let publisher = |port: &PortMapping| publisher(&paths, &id, port);
    let wanted = subject.spec.network.ports.clone();
    let change = subject.ports.change(&wanted, &publisher)?;
    keep_soft_limit(subject);
    let Some((incarnation, active)) = incarnation.and_then(|i| Some((&mut i.state, i.net.as_mut()?))) else {
        return Ok(());
    };
    let done = active.publish(&subject.ports, &change, incarnation.pid);
    match &done {
        Ok(()) => incarnation.network.ports = subject.ports.resolved.clone(),
        // The forwarder knows less than it should: the next one gets the ports of before.
        Err(_) => {
            drop(change);
            let _ = subject.ports.change(before, &publisher);
            active.stop_forwarding();
        }
    }
    done
}

/// Puts the running container into the networks that its spec names now.
fn reconnect(subject: &mut Subject, incarnation: &mut Incarnation) -> Result<()> {
    if !matches!(subject.spec.network.mode, NetMode::Networks(_)) {
        return Ok(());
    }
    let (Some(places), Some(active)) = (places(subject)?, &mut incarnation.net) else { return Ok(()) };
    let network = NetworkState { ports: incarnation.state.network.ports.clone(), ..places.state.clone() };
    Active::renew(active, places, incarnation.state.pid)?;
    net::provide_etc(&subject.frame.paths, &subject.spec, &network, &subject.dir)?;
    incarnation.state.network = network;
    Ok(())
}

/// The running container that has published the port of `wanted`.
pub fn publisher(paths: &Paths, own_id: &str, wanted: &PortMapping) -> Option<String> {
    let udp = |port: &PortMapping| port.protocol == "udp";
    let everywhere = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::" | "[::]");
    let same = |port: &PortMapping| {
        let overlap = port.host_ip == wanted.host_ip || everywhere(&port.host_ip) || everywhere(&wanted.host_ip);
        overlap && port.host_port == wanted.host_port && udp(port) == udp(wanted)
    };
    let all = containers::list(paths).ok()?;
    let others = all.into_iter().filter(|c| c.alive && c.id != own_id);
    // One that joined another's network shows the other's ports.
    let mut owners = others.filter(|c| !c.state.network.mode.starts_with("container:"));
    owners.find(|c| c.state.network.ports.iter().any(same)).map(|c| c.name)
}

/// The limit of open files that was raised for the listeners is not the container's.
pub fn keep_soft_limit(subject: &mut Subject) {
    let rlimits = &mut subject.spec.process.rlimits;
    if let Some(soft) = subject.ports.soft_limit
        && rlimits.iter().all(|limit| limit.name != "nofile")
    {
        let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(u64::MAX);
        rlimits.push(Rlimit { name: "nofile".into(), soft, hard });
    }
}
