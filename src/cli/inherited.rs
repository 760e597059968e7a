//! Descriptors that coracle was started with and that are the container's.

use crate::engine::start::Inherited;
use crate::error::{Error, Result};
use crate::sys::process;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// The first descriptor that is not a standard stream (sd_listen_fds(3) SD_LISTEN_FDS_START).
const FIRST: i32 = 3;

/// The sockets of systemd's protocol (LISTEN_FDS, LISTEN_FDNAMES) if they are for this process (LISTEN_PID), and of the
/// descriptors from 3 on `preserve` many. Once in a process.
pub fn inherited(preserve: u32) -> Result<Rc<Inherited>> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<i32>().ok();
    let own = number("LISTEN_PID") == Some(std::process::id() as i32);
    let count = number("LISTEN_FDS").filter(|n| own && (0..1024).contains(n)).unwrap_or(0);
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').filter(|_| own);
    let mut found = Inherited::default();
    for n in FIRST..FIRST + count {
        // systemd.socket(5) FileDescriptorName= has no empty names; `unknown` is for those without.
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        found.listening.push((name.to_string(), take(n, "LISTEN_FDS")?));
    }
    let preserve = i32::try_from(preserve).unwrap_or(i32::MAX - FIRST);
    for n in FIRST + count..FIRST.saturating_add(preserve) {
        found.preserved.push(take(n, "--preserve-fds")?);
    }
    Ok(Rc::new(found))
}

fn take(n: i32, by: &str) -> Result<OwnedFd> {
    let missing = || {
        Error::user(format!("pass descriptor {n} on to the container: it is not open")).hint(format!("{by} counts it"))
    };
    // What we have opened ourselves must not go to a container.
    if !process::is_inherited(n) {
        return Err(missing());
    }
    process::take_fd(n).map_err(|_| missing())
}
