//! The holder: one process for each user, only while containers on user-defined networks run.
//!
//! It owns (through its [`keeper`]) a user namespace and a network namespace with a bridge for each network in use,
//! runs one slirp4netns for each network with a way out, and answers questions for names. Members join its user
//! namespace, so that interfaces can be put into their network namespaces. A member is an open connection of a
//! container's monitor: the kernel ends it whatever happens to the monitor. The last one's end is the holder's.
//!
//! When the holder is killed, the monitors see their connections end and the first of them starts another, which finds
//! the namespaces in the keeper's hands: containers keep their interfaces and connections.

mod client;
mod keeper;
mod live;
mod proto;
mod server;

pub use client::{Member, running};
pub use keeper::{STAGE as KEEPER_STAGE, main as keeper_main};
pub use live::WAY_OUT;
pub use proto::{Join, MemberStatus, NetworkStatus, Status, Wire};
pub use server::{STAGE, main};
