//! Progress of `load` and `import`: one bar on a terminal, nothing elsewhere.

use crate::engine::images::Step;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws when told of a step, never from a thread: a fork may follow at once.
pub struct Reading(Option<ProgressBar>);

impl Reading {
    /// `total`: bytes at the end, where they are known.
    pub fn new(quiet: bool, total: Option<u64>) -> Reading {
        if quiet || !super::term::fancy_stderr() {
            return Reading(None);
        }
        Reading(Some(bar(total, ProgressDrawTarget::stderr_with_hz(10))))
    }

    pub fn step(&self, step: Step) {
        let Some(bar) = &self.0 else { return };
        match step {
            Step::Stored(bytes) => bar.set_position(bytes),
            Step::Unpacking => {
                bar.set_message("unpacking");
                bar.force_draw();
            }
        }
    }

    /// Takes the bar away: the names that follow on stdout stand alone.
    pub fn end(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>, target: ProgressDrawTarget) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, target);
    let template = match total {
        Some(_) => "{prefix} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {msg}",
        None => "{prefix} {decimal_bytes} {decimal_bytes_per_sec} {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix("reading");
    bar
}
