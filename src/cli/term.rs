//! The user's terminal as the commands see it. Raw mode and detach keys live in `engine::term`, because the relay
//! loops of the engine use them.

pub use crate::engine::term::{DetachKeys, DetachMatcher, Fed, RawGuard, is_terminal, window_size};

/// Whether progress bars and colours may be used on stderr: a terminal, and neither NO_COLOR, TERM=dumb nor CI is set.
pub fn fancy_stderr() -> bool {
    is_terminal(std::io::stderr()) && colour_allowed() && !is_set("CI")
}

/// NO_COLOR (no-color.org) and TERM=dumb forbid escape sequences.
pub fn colour_allowed() -> bool {
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|t| t != "dumb")
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|v| !v.is_empty())
}
