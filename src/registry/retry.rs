//! Another attempt after failures that may pass.

use super::fault::{Failure, Result, Retry};
use super::options::PullOptions;
use super::progress::{Event, Progress};
use crate::sys::signal::interrupted;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Counts attempts at one thing and waits between them.
pub struct Retries<'a> {
    options: &'a PullOptions,
    progress: &'a dyn Progress,
    /// Set when somebody else's failure makes going on pointless.
    stop: &'a AtomicBool,
    used: u32,
}

/// The longest wait of the doubling kind.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Evenly spread between 0 and 1.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |n| f64::from(n) / f64::from(u32::MAX))
}

impl<'a> Retries<'a> {
    pub fn new(options: &'a PullOptions, progress: &'a dyn Progress, stop: &'a AtomicBool) -> Retries<'a> {
        Retries { options, progress, stop, used: 0 }
    }

    /// The other side made good progress since the last failure: count anew.
    pub fn reset(&mut self) {
        self.used = 0;
    }

    /// Waits for the next attempt at `what`, or hands the failure back when there is none.
    pub fn next(&mut self, what: &str, failure: Failure) -> Result<()> {
        if failure.retry == Retry::Never
            || self.used >= self.options.retries
            || self.stop.load(Ordering::Relaxed)
            || interrupted()
        {
            return Err(failure);
        }
        let doubled = self.options.limits.backoff.saturating_mul(1 << self.used.min(16)).min(MAX_BACKOFF);
        // Many clients that a registry shook off must not come back together.
        let doubled = doubled.mul_f64(1.0 + 0.5 * jitter());
        let delay = match (self.options.retry_delay, failure.retry) {
            (_, Retry::After(asked)) => asked,
            (Some(fixed), _) => fixed,
            (None, _) => doubled,
        };
        self.used += 1;
        self.progress.event(Event::Retrying {
            what,
            why: &failure.error.context.join(": "),
            attempt: self.used,
            attempts: self.options.retries,
            delay,
        });
        let end = Instant::now() + delay;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if self.stop.load(Ordering::Relaxed) || interrupted() {
                return Err(failure);
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
        Ok(())
    }

    /// Runs `step` until it succeeds or fails for good.
    pub fn run<T>(mut self, what: &str, mut step: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            match step() {
                Ok(value) => return Ok(value),
                Err(failure) => self.next(what, failure)?,
            }
        }
    }
}
