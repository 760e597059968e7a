//! `network connect`, `disconnect` and `reload`.

use super::Ctx;
use crate::error::{Error, IntoError, Kind, Result};
use crate::monitor::proto;
use crate::net::networks;
use crate::spec::model::{Endpoint, NetMode, Spec};
use crate::state::atomic::{self, Class};
use crate::state::containers::{self, Container};
use crate::state::events;
use crate::state::lock::Flock;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::AsFd;

/// How long a monitor may take to change a network (seconds).
const PATIENCE: i64 = 30;

/// Puts a container into a network, now if it runs.
///
/// # Errors
/// `Conflict` when it is there already, or when its network namespace can't be put into networks.
pub fn connect(ctx: &Ctx, container: &str, endpoint: &Endpoint) -> Result<()> {
    let network = networks::resolve(&ctx.paths, &endpoint.network)?;
    let endpoint = Endpoint { network: network.name.clone(), ..endpoint.clone() };
    let id = containers::resolve(&ctx.paths, container)?;
    change(ctx, &id, &|name, endpoints| {
        if endpoints.iter().any(|e| e.network == endpoint.network) {
            let what = format!("connect container {name} to network {}: it is there already", endpoint.network);
            return Err(Error::conflict(what));
        }
        endpoints.push(endpoint.clone());
        Ok(())
    })?;
    let attributes = [("container", id)];
    events::network(&ctx.paths, "connect", &network.id, &network.name, &attributes);
    Ok(())
}

/// Takes a container out of a network, now if it runs; its address is free.
///
/// # Errors
/// `NotFound` when it is not there.
pub fn disconnect(ctx: &Ctx, container: &str, network: &str) -> Result<()> {
    let network = networks::resolve(&ctx.paths, network)?;
    let id = containers::resolve(&ctx.paths, container)?;
    change(ctx, &id, &|name, endpoints| {
        let before = endpoints.len();
        endpoints.retain(|e| e.network != network.name);
        match endpoints.len() < before {
            true => Ok(()),
            false => {
                let what = format!("disconnect container {name} from network {}: it is not there", network.name);
                Err(Error::not_found(what))
            }
        }
    })?;
    networks::release(&ctx.paths, &network, &id);
    let attributes = [("container", id)];
    events::network(&ctx.paths, "disconnect", &network.id, &network.name, &attributes);
    Ok(())
}

/// Makes the places of a running container anew where something of them is missing.
pub fn reload(ctx: &Ctx, container: &Container) -> Result<()> {
    let _lock = Flock::exclusive(&container.dir.lock())?;
    tell(ctx, container)
}

type Change<'a> = &'a dyn Fn(&str, &mut Vec<Endpoint>) -> Result<()>;

fn change(ctx: &Ctx, id: &str, work: Change<'_>) -> Result<()> {
    let dir = ctx.paths.container(id);
    let _lock = Flock::exclusive(&dir.lock())?;
    let container = containers::load(&ctx.paths, id)?;
    container.sound()?;
    let before: Spec = containers::load_spec(&ctx.paths, id)?;
    let mut spec = before.clone();
    match &mut spec.network.mode {
        NetMode::Networks(endpoints) => work(&container.name, endpoints)?,
        // It never was in a network of the user's: its next start is its first there.
        NetMode::Default | NetMode::None if !container.active() => {
            let mut endpoints = Vec::new();
            work(&container.name, &mut endpoints)?;
            spec.network.mode = NetMode::Networks(endpoints);
        }
        _ => {
            return Err(Error::conflict(format!("change the networks of container {}", container.name))
                .hint("only a container that was started with --network NAME can be connected while it runs"));
        }
    }
    atomic::write_json(&dir.spec(), &spec, Class::Durable)?;
    if !container.active() || !container.alive {
        return Ok(());
    }
    let told = tell(ctx, &container);
    if told.is_err() {
        atomic::write_json(&dir.spec(), &before, Class::Durable)?;
    }
    told
}

/// Has the monitor read the container's files again and act on them.
pub(super) fn tell(ctx: &Ctx, container: &Container) -> Result<()> {
    let failed = |e: rustix::io::Errno| e.context(format!("reach the monitor of container {}", container.name));
    let socket = proto::connect(&ctx.paths.sockets(&container.id))?;
    proto::send(socket.as_fd(), proto::HELLO, &[0], true).map_err(failed)?;
    proto::send(socket.as_fd(), proto::CHANGED, &[], true).map_err(failed)?;
    let mut buffer = vec![0; proto::CHUNK + 1];
    loop {
        let mut fds = [PollFd::new(&socket, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: PATIENCE, tv_nsec: 0 })) {
            Ok(0) => {
                let what = format!("change container {}: its monitor does not answer", container.name);
                return Err(Error::new(Kind::Io, what).hint("restart the container"));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(failed(e)),
        }
        match proto::recv(socket.as_fd(), &mut buffer, true).map_err(failed)? {
            Some((proto::CHANGED, payload)) => {
                return serde_json::from_slice::<Result<()>>(payload)
                    .map_err(|e| e.context("read the monitor's answer"))?;
            }
            Some(_) => {}
            // The container has ended: the next start does it.
            None => return Ok(()),
        }
    }
}
