//! Published ports: listeners in the host's network namespace.

use crate::error::{Error, Result};
use crate::state::container::PortMapping;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// One bound socket of the host.
#[derive(Debug)]
pub struct Listener {
    pub fd: OwnedFd,
    /// The address it is bound to; `[::]` of a dual-stack socket serves IPv4 too.
    pub local: SocketAddr,
    /// Port inside the container.
    pub container_port: u16,
    /// UDP, else TCP.
    pub udp: bool,
}

/// All published ports of one container. The monitor keeps it through restarts, so that no port is lost between two
/// incarnations and clients wait in the backlog.
#[derive(Debug, Default)]
pub struct HostPorts {
    pub listeners: Vec<Listener>,
    /// The mappings with random ports filled in.
    pub resolved: Vec<PortMapping>,
}

/// Binds all ports or none. A port in use is [`Kind::Conflict`](crate::error::Kind) and names the port.
pub fn bind_ports(mappings: &[PortMapping]) -> Result<HostPorts> {
    if mappings.is_empty() {
        return Ok(HostPorts::default());
    }
    Err(Error::unsupported("publish ports"))
}
