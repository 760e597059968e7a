//! The member's side: finding the holder, or starting it.

use super::proto::{Join, Request, Status};
use super::server;
use crate::error::{Context, Error, IntoError, Result};
use crate::net::helper::Helper;
use crate::stage::{self, Channel, Streams};
use crate::state::atomic;
use crate::state::lock::Flock;
use crate::state::paths::Paths;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A holder may be at its end when we come: so often another is looked for or started.
const TRIES: usize = 20;
/// Members that may wait for the holder at a time.
const BACKLOG: i32 = 256;

/// A connection to the holder. The container is a member from [`Member::join`] to the drop of this.
#[derive(Debug)]
pub struct Member {
    channel: Channel,
    /// The process whose user namespace members join.
    keeper: OwnedFd,
}

impl Member {
    /// Connects to the user's holder, which is started where none runs.
    pub fn enter(paths: &Paths) -> Result<Member> {
        let mut last = Error::bug("reach the holder of the networks: it always ends");
        for _ in 0..TRIES {
            let channel = connect_or_start(paths)?;
            match ask::<()>(&channel, &Request::Hello, &[]) {
                Ok(((), fds)) => {
                    let keeper = fds.into_iter().next();
                    let keeper = keeper.ok_or_else(|| Error::bug("reach the holder of the networks: no keeper"))?;
                    return Ok(Member { channel, keeper });
                }
                // It was at its end, or was killed.
                Err(Lost::Gone(e)) => last = e,
                Err(Lost::Refused(e)) => return Err(e),
            }
        }
        Err(last)
    }

    /// The process (a pidfd) whose user namespace owns the networks.
    pub fn user_namespace(&self) -> BorrowedFd<'_> {
        self.keeper.as_fd()
    }

    /// Puts the container with this network namespace into its networks; gives notes for the user.
    pub fn join(&self, join: Join, namespace: &OwnedFd) -> Result<Vec<String>> {
        ask(&self.channel, &Request::Join(Box::new(join)), &[namespace.as_fd()])
            .map(|(notes, _)| notes)
            .map_err(Lost::error)
    }

    /// The membership as a helper, which "dies" with the holder.
    pub(in crate::net) fn stay(self) -> Helper {
        Helper::remote(server::STAGE, self.channel.into_fd())
    }
}

/// What the holder runs; `None` when there is none.
pub fn running(paths: &Paths) -> Result<Option<Status>> {
    let Some(channel) = connect(&paths.holder())? else { return Ok(None) };
    match ask(&channel, &Request::Status, &[]) {
        Ok((status, _)) => Ok(Some(status)),
        Err(Lost::Gone(_)) => Ok(None),
        Err(Lost::Refused(e)) => Err(e),
    }
}

enum Lost {
    Gone(Error),
    Refused(Error),
}

impl Lost {
    fn error(self) -> Error {
        match self {
            Lost::Gone(e) | Lost::Refused(e) => e,
        }
    }
}

fn ask<T: DeserializeOwned>(
    channel: &Channel,
    request: &Request,
    fds: &[BorrowedFd<'_>],
) -> Result<(T, Vec<OwnedFd>), Lost> {
    let gone = || Error::new(crate::error::Kind::Io, "reach the holder of the networks: it has ended");
    channel.send(request, fds).map_err(|_| Lost::Gone(gone()))?;
    match channel.recv::<Result<T>>() {
        Ok(Some((Ok(answer), fds))) => Ok((answer, fds)),
        Ok(Some((Err(e), _))) => Err(Lost::Refused(e)),
        Ok(None) => Err(Lost::Gone(gone())),
        Err(e) => Err(Lost::Refused(e)),
    }
}

fn connect_or_start(paths: &Paths) -> Result<Channel> {
    let dir = paths.holder();
    if let Some(channel) = connect(&dir)? {
        return Ok(channel);
    }
    atomic::make_dirs(&dir)?;
    let lock = Flock::exclusive(&dir.join("lock"))?;
    // Somebody else may have started it while we waited.
    if let Some(channel) = connect(&dir)? {
        return Ok(channel);
    }
    let listener = listen(&dir)?;
    let args = [serde_json::to_string(paths).context("encode paths")?];
    let child = stage::spawn(server::STAGE, &args, &[listener.as_fd()], Streams::Null, true)?;
    drop(listener);
    // It forks, so that nobody has to reap the holder itself.
    child.wait()?;
    let channel = connect(&dir)?;
    drop(lock);
    channel.ok_or_else(|| Error::bug("start the holder of the networks: it does not listen"))
}

/// A connection to the holder that listens in `dir`; `None` when none does.
fn connect(dir: &Path) -> Result<Option<Channel>> {
    let Some((address, _dir)) = address(dir)? else { return Ok(None) };
    let fd =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).context("make a socket")?;
    match rustix::net::connect(&fd, &address) {
        Ok(()) => Ok(Some(Channel::from_fd(fd))),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
        Err(e) => Err(e.context(format!("connect to the holder at {}", dir.display()))),
    }
}

fn listen(dir: &Path) -> Result<OwnedFd> {
    let missing = || Error::not_found(format!("open {}", dir.display()));
    let (address, _dir) = address(dir)?.ok_or_else(missing)?;
    let _ = std::fs::remove_file(dir.join(server::SOCKET));
    let fd =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
            .context("make a socket")?;
    rustix::net::bind(&fd, &address).with_context(|| format!("bind a socket in {}", dir.display()))?;
    rustix::net::listen(&fd, BACKLOG).context("listen")?;
    Ok(fd)
}

/// The socket's address by way of the open directory: sun_path holds 107 bytes only. `None` without a directory.
fn address(dir: &Path) -> Result<Option<(SocketAddrUnix, OwnedFd)>> {
    match rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => {
            let short = format!("/proc/self/fd/{}/{}", fd.as_raw_fd(), server::SOCKET);
            Ok(Some((SocketAddrUnix::new(short).context("name a socket")?, fd)))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e.context(format!("open {}", dir.display()))),
    }
}
