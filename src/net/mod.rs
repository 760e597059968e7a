//! The container's network: loopback, a way out, published ports, and the generated /etc files.
//!
//! Nothing here enters a namespace except the `portfwd` stage; the monitor that calls [`setup`] stays outside.
//! Order of calls at a start: [`bind_ports`] before anything exists, [`expected`] and [`etc_files`] for the files that
//! are bound into the container, [`setup`] once the network namespace exists, the helpers' death by dropping [`Active`].

mod dns;
mod etc;
mod facts;
pub mod forward;
mod helper;
pub mod holder;
pub mod netlink;
pub mod networks;
pub mod options;
mod pasta;
mod pasta_options;
mod places;
mod ports;
mod setup;
mod slirp;

pub use etc::{EtcContent, HostEtc, etc_content, etc_files, provide_etc, shown_etc, write_etc};
pub use helper::Helper;
pub use pasta::{GUARD as GUARD_STAGE, guard};
pub use places::{Container as PlaceOf, Places};
pub use ports::{GivenSocket, HostPorts, Listener, PortChange, Publisher, bind_ports};
pub use setup::{Active, NetRequest, check, expected, setup};
