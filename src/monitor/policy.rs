//! The restart policy: a pure function of what happened.

use crate::state::container::Restart;
use std::time::Duration;

/// Docker's values (FEATURES 3.7): 100 ms, doubled at each try up to a minute, from the start after 10 s of uptime.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
const STABLE: Duration = Duration::from_secs(10);

/// Remembers how long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { next: FIRST }
    }
}

impl Backoff {
    /// The pause after an incarnation that was up so long.
    pub fn pause(&mut self, uptime: Duration) -> Duration {
        if uptime >= STABLE {
            self.next = FIRST;
        }
        let pause = self.next;
        self.next = (self.next * 2).min(LONGEST);
        pause
    }
}

/// Whether a container that ended with `code` is to be started again, after `restarts` restarts so far. `stopped`: the
/// user asked for the end.
pub fn restarts(policy: &Restart, code: i32, restarts: u32, stopped: bool) -> bool {
    match policy {
        _ if stopped => false,
        Restart::No => false,
        Restart::Always | Restart::UnlessStopped => true,
        Restart::OnFailure(limit) => code != 0 && limit.is_none_or(|n| restarts < n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_policy() {
        use Restart::*;
        for (policy, code, count, stopped, want) in [
            (No, 1, 0, false, false),
            (Always, 0, 9, false, true),
            (Always, 0, 0, true, false),
            (UnlessStopped, 1, 0, false, true),
            (UnlessStopped, 1, 0, true, false),
            (OnFailure(None), 0, 0, false, false),
            (OnFailure(None), 3, 99, false, true),
            (OnFailure(Some(2)), 3, 1, false, true),
            (OnFailure(Some(2)), 3, 2, false, false),
        ] {
            assert_eq!(restarts(&policy, code, count, stopped), want, "{policy:?} {code} {count} {stopped}");
        }
    }

    #[test]
    fn backs_off_and_recovers() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..12).map(|_| backoff.pause(Duration::ZERO).as_millis() as u64).collect();
        assert_eq!(&pauses[..4], &[100, 200, 400, 800]);
        assert_eq!(pauses[11], 60_000);
        assert_eq!(backoff.pause(STABLE), FIRST);
    }
}
