//! `attach`: connections to a container's monitor.

use super::start::AttachStreams;
use super::{Ctx, recover};
use crate::error::{Context, Error, Kind, Result};
use crate::monitor::proto;
use crate::state::containers::{self, Container};
use crate::state::lock::Life;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::os::fd::{AsFd, OwnedFd};

pub use super::relay::{AttachEnd, RelayOptions, relay};

/// A connection to a container's monitor.
#[derive(Debug)]
pub struct Attachment {
    pub(super) id: String,
    pub(super) fd: OwnedFd,
    pub(super) streams: AttachStreams,
    pub(super) tty: bool,
    /// The life lock's file: what is left to look at when the container goes with its program.
    pub(super) life: OwnedFd,
}

/// Connects to a running container. `NotFound` when there is none, `Conflict` when it does not run.
pub fn connect(ctx: &Ctx, id: &str, streams: AttachStreams) -> Result<Attachment> {
    let container = recover::load_repaired(ctx, id)?;
    container.sound()?;
    let idle = || Error::conflict(format!("attach to container {}: it is not running", container.name));
    if !container.active() {
        return Err(idle().hint(format!("coracle start -a {}", container.name)));
    }
    if container.config.log.driver == "passthrough" {
        return Err(Error::unsupported(format!(
            "attach to container {}: its log driver is passthrough",
            container.name
        )));
    }
    let fd = proto::connect(&ctx.paths.sockets(id)).map_err(|e| match e.kind {
        Kind::NotFound => match containers::load(&ctx.paths, id) {
            Ok(now) if now.active() => {
                e.kind(Kind::Io).hint("the runtime directory was emptied; restart the container to attach to it")
            }
            _ => idle(),
        },
        _ => e,
    })?;
    // What the user set up as a pipeline (`run -i`, not detached) ends with its standard input.
    hello(container, fd, streams, 0)
}

/// A connected pair for a container that is about to start: the foreground client's end and the monitor's.
pub(super) fn pair(_ctx: &Ctx, container: &Container, streams: AttachStreams) -> Result<(Attachment, OwnedFd)> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context("make a socket pair")?;
    Ok((hello(container.clone(), ours, streams, proto::HELLO_LOSSLESS)?, theirs))
}

fn hello(container: Container, fd: OwnedFd, streams: AttachStreams, mut flags: u8) -> Result<Attachment> {
    for (wanted, flag) in [
        (streams.stdin && container.config.stdin_open, proto::HELLO_STDIN),
        (streams.stdout, proto::HELLO_STDOUT),
        (streams.stderr, proto::HELLO_STDERR),
        (!container.config.detached, proto::HELLO_ONCE),
    ] {
        if wanted {
            flags |= flag;
        }
    }
    let lost = |_| Error::new(Kind::Io, format!("attach to container {}: the monitor has gone", container.name));
    proto::send(fd.as_fd(), proto::HELLO, &[flags], true).map_err(lost)?;
    let life = Life::probe(&container.dir.life())?;
    let streams = AttachStreams { stdin: flags & proto::HELLO_STDIN != 0, ..streams };
    Ok(Attachment { id: container.id, fd, streams, tty: container.config.tty, life })
}
