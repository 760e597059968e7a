//! `--init`: we stay PID 1, hand signals on, and reap what others leave behind.

use super::program::Program;
use super::user::User;
use crate::error::{Context, Result};
use crate::stage::Channel;
use crate::sys::process;
use std::os::fd::OwnedFd;

/// Signals of job control and of our own children: not for the program.
const KEPT: [i32; 5] = [libc::SIGCHLD, libc::SIGTTIN, libc::SIGTTOU, libc::SIGTSTP, libc::SIGURG];

/// Forks the program and never returns in PID 1, unless the program can't be executed.
pub(super) fn run(program: &Program, user: &User, channel: &Channel, tty: bool, passed: &[OwnedFd]) -> Result<()> {
    process::block_signals();
    let child = process::fork(false).context("fork the program")?;
    if child == 0 {
        // A group of its own in the foreground, as a shell would give it (so did tini).
        let _ = rustix::process::setpgid(None, None);
        if tty {
            let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpid());
        }
        let error = match passed {
            [] => program.exec(user),
            _ => super::init::give_and_execute(program, user, channel, passed),
        };
        let _ = channel.send(&super::init::FromInit::Failed(error), &[]);
        process::exit(127);
    }
    let _ = rustix::thread::set_name(c"coracle-init");
    // The child's copy of the channel closes at execve: with ours open, nobody would see that.
    let _ = process::close_from(3);
    loop {
        let signal = process::next_signal();
        if signal != libc::SIGCHLD {
            if !KEPT.contains(&signal) {
                let _ = process::kill(child, signal);
            }
            continue;
        }
        while let Some((pid, code)) = process::reap_any() {
            if pid == child {
                // Everybody else dies with PID 1.
                process::exit(code);
            }
        }
    }
}
