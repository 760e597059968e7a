//! What a build tells while it runs.

use super::source::Span;

/// One thing that happened. Steps are numbered in the order in which they begin.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A step begins: `[build 2/5] RUN make`.
    Step {
        number: usize,
        title: &'a str,
        span: Option<Span>,
    },
    /// Its result was there already.
    Cached {
        number: usize,
    },
    /// Bytes that its program wrote.
    Output {
        number: usize,
        stderr: bool,
        bytes: &'a [u8],
    },
    Done {
        number: usize,
        millis: u64,
    },
    Failed {
        number: usize,
        error: &'a str,
    },
    /// A line for the user.
    Warning(&'a str),
}

/// Shows events, on a terminal or as lines.
pub trait Progress {
    fn event(&self, event: Event<'_>);
}
