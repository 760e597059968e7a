//! Raw mode that is always undone.

use crate::error::{Context, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, Once};

/// The terminal to mend when the process ends without running destructors (panic = abort).
static SAVED: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// Keeps a terminal in raw mode; dropping it restores the former mode, and so does a panic.
///
/// Signals are the caller's: relay loops take SIGTERM, SIGINT and SIGHUP from a signalfd and leave by returning, and
/// call [`RawGuard::suspend`] on SIGTSTP.
#[derive(Debug)]
pub struct RawGuard {
    fd: OwnedFd,
    saved: Termios,
}

impl RawGuard {
    /// Puts the terminal into raw mode (cfmakeraw(3)).
    pub fn new(fd: impl AsFd) -> Result<RawGuard> {
        let saved = tcgetattr(&fd).context("read the terminal's mode")?;
        let fd = rustix::io::fcntl_dupfd_cloexec(&fd, 3).context("duplicate the terminal's descriptor")?;
        remember(&fd, &saved);
        // Being killed for a reader that left (`run -it … | head`) would leave the terminal as it is.
        crate::sys::signal::pipe_fails();
        let guard = RawGuard { fd, saved };
        guard.enter()?;
        Ok(guard)
    }

    fn enter(&self) -> Result<()> {
        let mut raw = self.saved.clone();
        raw.make_raw();
        tcsetattr(&self.fd, OptionalActions::Now, &raw).context("switch the terminal to raw mode")
    }

    /// Restores the terminal's former mode.
    pub fn restore(&self) {
        let _ = tcsetattr(&self.fd, OptionalActions::Now, &self.saved);
    }

    /// For SIGTSTP: restores the terminal, stops this process, and takes raw mode again when it is continued.
    pub fn suspend(&self) -> Result<()> {
        self.restore();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)
            .context("stop this process")?;
        self.enter()
    }
}

impl Drop for RawGuard {
    fn drop(&mut self) {
        self.restore();
        if let Ok(mut saved) = SAVED.lock() {
            *saved = None;
        }
    }
}

fn remember(fd: &OwnedFd, mode: &Termios) {
    if let (Ok(mut saved), Ok(copy)) = (SAVED.lock(), fd.try_clone()) {
        *saved = Some((copy, mode.clone()));
    }
    HOOK.call_once(|| {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if let Ok(saved) = SAVED.try_lock()
                && let Some((fd, mode)) = saved.as_ref()
            {
                let _ = tcsetattr(fd, OptionalActions::Now, mode);
            }
            former(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::termios::LocalModes;

    #[test]
    fn restores_on_drop() {
        let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let tty = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).unwrap();
        let echo = |t: &OwnedFd| tcgetattr(t).unwrap().local_modes.contains(LocalModes::ECHO);
        assert!(echo(&tty));
        let guard = RawGuard::new(&tty).unwrap();
        assert!(!echo(&tty));
        drop(guard);
        assert!(echo(&tty));
    }
}
