//! Terminals for the relay loops: raw mode, window size, detach keys.

mod detach;
mod raw;

pub use detach::{DEFAULT_DETACH_KEYS, DetachKeys, DetachMatcher, Fed};
pub use raw::RawGuard;

use std::os::fd::AsFd;

/// Whether the descriptor is a terminal.
pub fn is_terminal(fd: impl AsFd) -> bool {
    rustix::termios::isatty(fd)
}

/// (rows, columns) of a terminal; `None` when it is none or says 0×0.
pub fn window_size(fd: impl AsFd) -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(fd).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}
