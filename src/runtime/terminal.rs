//! The container's pty, from its own devpts (pts(4)).

use crate::error::{Context, Result};
use crate::sys::rooted;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Both sides of a pty.
#[derive(Debug)]
pub struct Terminal {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

impl Terminal {
    /// Opens a new pty of the devpts in `root`, with the given rows and columns.
    pub fn open(root: BorrowedFd<'_>, window: Option<(u16, u16)>) -> Result<Terminal> {
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let master = rooted::open(root, Path::new("/dev/pts/ptmx"), flags).context("open /dev/pts/ptmx")?;
        unlockpt(&master).context("unlock the terminal")?;
        // By descriptor, not by the path that an image could have replaced.
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .context("open the terminal's other side")?;
        if let Some((rows, columns)) = window {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&master, size).context("set the terminal's size")?;
        }
        Ok(Terminal { master, slave })
    }

    /// Makes the slave the controlling terminal and the standard streams of this session leader.
    pub fn take(slave: BorrowedFd<'_>) -> Result<()> {
        rustix::process::ioctl_tiocsctty(slave).context("take the controlling terminal")?;
        rustix::stdio::dup2_stdin(slave).context("set stdin")?;
        rustix::stdio::dup2_stdout(slave).context("set stdout")?;
        rustix::stdio::dup2_stderr(slave).context("set stderr")
    }

    pub fn give_to(&self, uid: u32) -> Result<()> {
        // The group stays that of devpts (tty), as login(1) leaves it.
        rustix::fs::fchown(self.slave.as_fd(), Some(rustix::fs::Uid::from_raw(uid)), None)
            .context("give the terminal to the container's user")
    }
}
