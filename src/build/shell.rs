//! A shell in what a failed step left (`--debug-shell`).

use crate::engine::term::{RawGuard, window_size};
use crate::error::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The program to start: the step's own shell if it had one, else the one that nearly all images have.
pub fn program(step: &[String]) -> String {
    const SHELLS: [&str; 8] = ["sh", "bash", "ash", "dash", "zsh", "ksh", "mksh", "fish"];
    let first = step.first().map_or("", String::as_str);
    let name = first.rsplit('/').next().unwrap_or_default();
    if SHELLS.contains(&name) { first.into() } else { "/bin/sh".into() }
}

/// Copies between the caller's terminal and that of the shell until the shell ends.
pub fn relay(master: &OwnedFd) -> Result<()> {
    let stdin = rustix::stdio::stdin();
    let _raw = RawGuard::new(stdin)?;
    let mut set = SigSet::empty();
    set.add(Signal::SIGWINCH);
    set.thread_block().context("block signals")?;
    let signals =
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context("wait for signals")?;
    resize(master);
    let mut buffer = vec![0; 4096];
    let mut typing = true;
    loop {
        let mut fds = vec![PollFd::new(master, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
        if typing {
            fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e).context("wait for the shell"),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready[1] {
            while let Ok(Some(_)) = signals.read_signal() {}
            resize(master);
        }
        if ready[0] {
            match rustix::io::read(master, &mut buffer) {
                // EIO: nobody has the other side any more.
                Ok(0) | Err(Errno::IO) => return Ok(()),
                Ok(n) => write_all(rustix::stdio::stdout(), &buffer[..n])?,
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(e) => return Err(e).context("read the shell's terminal"),
            }
        }
        if ready.get(2) == Some(&true) {
            match rustix::io::read(stdin, &mut buffer) {
                Ok(0) | Err(Errno::IO) => typing = false,
                Ok(n) => write_all(master.as_fd(), &buffer[..n])?,
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(e) => return Err(e).context("read the terminal"),
            }
        }
    }
}

fn resize(master: &OwnedFd) {
    if let Some((rows, columns)) = window_size(rustix::stdio::stdin()) {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let _ = rustix::termios::tcsetwinsize(master, size);
    }
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            // The shell has gone; its output says so.
            Err(Errno::IO) => return Ok(()),
            Err(e) => return Err(e).context("pass the terminal's bytes on"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_own_shell() {
        let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
        assert_eq!(program(&words("/bin/bash -c x")), "/bin/bash");
        assert_eq!(program(&words("make all")), "/bin/sh");
        assert_eq!(program(&[]), "/bin/sh");
    }
}
