//! `update`: ports, limits and restart policy of a container, running or not.

use super::Ctx;
use super::connect::tell;
use crate::error::{Error, Result};
use crate::runtime::cgroup;
use crate::spec::limits;
use crate::spec::model::{NetMode, Spec};
use crate::spec::ports::{self, Unpublish};
use crate::spec::request::RunRequest;
use crate::state::atomic::{self, Class};
use crate::state::container::{Config, PortMapping, Restart};
use crate::state::containers::{self, Container};
use crate::state::events;
use crate::state::lock::Flock;
use std::path::Path;

/// What is to change; what is not mentioned stays.
#[derive(Clone, Debug, Default)]
pub struct Update {
    pub publish: Vec<PortMapping>,
    pub unpublish: Vec<Unpublish>,
    pub restart: Option<Restart>,
    /// Only its limits count.
    pub limits: RunRequest,
}

/// Changes a container and stores it for its next start. The warnings name limits that can't be applied here.
///
/// # Errors
/// `Conflict` when a port is taken; then nothing has changed. A limit that the kernel refuses.
pub fn update(ctx: &Ctx, id: &str, update: &Update) -> Result<Vec<String>> {
    let dir = ctx.paths.container(id);
    let _lock = Flock::exclusive(&dir.lock())?;
    let container = containers::load(&ctx.paths, id)?;
    container.sound()?;
    let before: Spec = containers::load_spec(&ctx.paths, id)?;
    let mut spec = before.clone();
    let mut config: Config = atomic::read_json(&dir.config())?;
    if let Some(restart) = &update.restart {
        if config.auto_remove && *restart != Restart::No {
            return Err(Error::user("combine --rm with --restart: the container would be gone before its restart"));
        }
        config.restart = restart.clone();
    }
    spec.resources = limits::change(&before.resources, &update.limits)?;
    spec.network.ports = published(&container, &spec, update)?;
    let runs = container.active() && container.alive;
    let mut warnings = Vec::new();
    if runs && spec.resources != before.resources {
        let path = Some(Path::new(&container.state.cgroup)).filter(|p| !p.as_os_str().is_empty());
        warnings = cgroup::update(path, &before.resources, &spec.resources)?;
    }
    let former: Config = atomic::read_json(&dir.config())?;
    atomic::write_json(&dir.config(), &config, Class::Durable)?;
    atomic::write_json(&dir.spec(), &spec, Class::Durable)?;
    if runs && let Err(e) = tell(ctx, &container) {
        atomic::write_json(&dir.spec(), &before, Class::Durable)?;
        atomic::write_json(&dir.config(), &former, Class::Durable)?;
        return Err(e);
    }
    events::container(&ctx.paths, "update", id, &container.name, &[]);
    Ok(warnings)
}

fn published(container: &Container, spec: &Spec, update: &Update) -> Result<Vec<PortMapping>> {
    if update.publish.is_empty() && update.unpublish.is_empty() {
        return Ok(spec.network.ports.clone());
    }
    if matches!(spec.network.mode, NetMode::Host | NetMode::None | NetMode::Container(_) | NetMode::Path(_)) {
        return Err(Error::conflict(format!(
            "publish ports of container {}: its network has none of its own",
            container.name
        ))
        .hint("start it with --network NAME, or without --network"));
    }
    let wanted = &spec.network.ports;
    let real = if container.active() { container.state.network.ports.as_slice() } else { &[] };
    let real = if real.len() == wanted.len() { real } else { wanted };
    ports::change(wanted, real, &update.unpublish, &update.publish)
}
