//! The name service of user networks: members' names answered here, everything else asked of the host's servers.
//!
//! It lives in the holder's loop: sockets of members are inside the networks' namespace, those towards servers in the
//! host's, unless the server is a member itself. All tables are bounded; whoever asks too much at once hears "server failure".

mod forward;
mod hosts;
mod message;
mod serve;
mod zone;

pub use serve::{Server, Source};
pub use zone::{Member, Net, Place, Zone};
