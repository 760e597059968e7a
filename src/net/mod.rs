//! The container's network: loopback, a way out, published ports, and the generated /etc files.
//!
//! Nothing here enters a namespace except the `portfwd` stage; the monitor that calls [`setup`] stays outside.
//! Order of calls at a start: [`bind_ports`] before anything exists, [`expected`] and [`etc_files`] for the files that
//! are bound into the container, [`setup`] once the network namespace exists, the helpers' death by dropping [`Active`].

mod etc;
mod ports;
mod setup;

pub use etc::{EtcContent, HostEtc, etc_content, etc_files};
pub use ports::{HostPorts, Listener, bind_ports};
pub use setup::{Active, Helper, NetRequest, expected, setup};
