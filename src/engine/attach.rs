//! `attach`: a client of the monitor's attach socket, and the relay between it and the caller's streams.

use super::Ctx;
use super::start::AttachStreams;
use super::term::{DetachKeys, RawGuard};
use crate::error::{Error, Result};
use std::os::fd::OwnedFd;

/// A connection to a container's monitor.
#[derive(Debug)]
pub struct Attachment {
    #[allow(dead_code)]
    pub(crate) id: String,
    #[allow(dead_code)]
    pub(crate) fd: OwnedFd,
    #[allow(dead_code)]
    pub(crate) streams: AttachStreams,
    #[allow(dead_code)]
    pub(crate) tty: bool,
}

/// How to relay.
#[derive(Debug, Default)]
pub struct RelayOptions {
    /// Pass signals on to the container (not with a pty: there the terminal makes them).
    pub sig_proxy: bool,
    pub detach_keys: DetachKeys,
    /// The caller's terminal in raw mode, where it is one.
    pub raw: Option<RawGuard>,
}

/// How an attachment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachEnd {
    /// The container ended with this code.
    Exited(i32),
    /// The user typed the detach keys; the container goes on.
    Detached,
}

/// Connects to a running container. `NotFound` when there is none, `Conflict` when it does not run.
pub fn connect(_ctx: &Ctx, _id: &str, _streams: AttachStreams) -> Result<Attachment> {
    Err(Error::unsupported("attach: not built yet"))
}

/// Copies between fds 0, 1, 2 and the container until it ends or the user detaches.
pub fn relay(_ctx: &Ctx, _attachment: Attachment, _options: RelayOptions) -> Result<AttachEnd> {
    Err(Error::unsupported("attach: not built yet"))
}
