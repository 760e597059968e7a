//! What is known of the steps of a build.

use super::text;
use crate::build::progress::Event;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Lines of a failed step that are shown again.
const TAIL: usize = 20;
/// Longest line that is kept together, in bytes.
const LONGEST: usize = 8 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Running,
    Done,
    Cached,
    Failed,
    Canceled,
}

/// A layer that is fetched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    pub done: u64,
    pub total: u64,
    pub finished: bool,
}

#[derive(Debug)]
pub struct Step {
    /// Its first line, without what a terminal would act on.
    pub title: String,
    pub begun: Instant,
    pub fate: Fate,
    /// How long it took.
    pub took: Duration,
    pub tail: VecDeque<(f64, String)>,
    pub parts: BTreeMap<String, Part>,
    /// Of stdout and stderr: what has no line end yet.
    partial: [Vec<u8>; 2],
}

impl Step {
    /// How long it has been running, or has taken.
    pub fn time(&self) -> Duration {
        if self.fate == Fate::Running { self.begun.elapsed() } else { self.took }
    }
}

/// A line that a step has written: when (seconds since its begin), and what.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub number: usize,
    pub seconds: f64,
    pub text: String,
}

#[derive(Debug)]
pub struct Steps {
    pub all: BTreeMap<usize, Step>,
    pub planned: usize,
    pub begun: Instant,
}

impl Default for Steps {
    fn default() -> Self {
        Steps { all: BTreeMap::new(), planned: 0, begun: Instant::now() }
    }
}

impl Steps {
    /// Takes an event in; gives the lines of output that became whole.
    pub fn apply(&mut self, event: &Event<'_>) -> Vec<Line> {
        let (number, fate, took) = match event {
            Event::Planned { steps } => {
                self.planned += steps;
                return Vec::new();
            }
            Event::Step { number, title, .. } => {
                let step = Step {
                    title: text::plain(title.lines().next().unwrap_or_default()),
                    begun: Instant::now(),
                    fate: Fate::Running,
                    took: Duration::ZERO,
                    tail: VecDeque::new(),
                    parts: BTreeMap::new(),
                    partial: Default::default(),
                };
                self.all.insert(*number, step);
                return Vec::new();
            }
            Event::Output { number, stderr, bytes } => return self.output(*number, *stderr, bytes),
            Event::Part { number, name, done, total, finished } => {
                if let Some(step) = self.all.get_mut(number) {
                    step.parts.insert(name.to_string(), Part { done: *done, total: *total, finished: *finished });
                }
                return Vec::new();
            }
            Event::Warning(_) | Event::Note(_) => return Vec::new(),
            Event::Cached { number } => (*number, Fate::Cached, None),
            Event::Done { number, millis } => (*number, Fate::Done, Some(Duration::from_millis(*millis))),
            Event::Failed { number, .. } => (*number, Fate::Failed, None),
            Event::Canceled { number } => (*number, Fate::Canceled, None),
        };
        let mut lines = Vec::new();
        if let Some(step) = self.all.get_mut(&number) {
            for i in 0..2 {
                let rest = std::mem::take(&mut step.partial[i]);
                if !rest.is_empty() {
                    lines.push(step.line(number, &rest));
                }
            }
            step.fate = fate;
            step.took = took.unwrap_or_else(|| step.begun.elapsed());
        }
        lines
    }

    fn output(&mut self, number: usize, stderr: bool, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let Some(step) = self.all.get_mut(&number) else { return lines };
        let i = usize::from(stderr);
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            step.partial[i].extend_from_slice(part);
            if part.ends_with(b"\n") || step.partial[i].len() > LONGEST {
                let line = std::mem::take(&mut step.partial[i]);
                lines.push(step.line(number, line.strip_suffix(b"\n").unwrap_or(&line)));
            }
        }
        lines
    }

    /// Steps that have ended well or were there already.
    pub fn ended(&self) -> usize {
        self.all.values().filter(|s| matches!(s.fate, Fate::Done | Fate::Cached)).count()
    }

    pub fn total(&self) -> usize {
        self.planned.max(self.all.len())
    }

    /// The last output of the step that failed, as docker frames it.
    pub fn failed_output(&self, terminal: bool) -> String {
        let failed = self.all.values().find(|s| s.fate == Fate::Failed);
        let Some(step) = failed.filter(|s| !s.tail.is_empty()) else { return String::new() };
        let line = |(seconds, line): &(f64, String)| match terminal {
            true => format!("{seconds:.3} {}\n", text::plain(line)),
            false => format!("{seconds:.3} {line}\n"),
        };
        let lines: String = step.tail.iter().map(line).collect();
        format!("------\n > {}:\n{lines}------\n", step.title)
    }
}

impl Step {
    fn line(&mut self, number: usize, bytes: &[u8]) -> Line {
        let text = String::from_utf8_lossy(bytes).trim_end_matches('\r').to_string();
        let seconds = self.begun.elapsed().as_secs_f64();
        self.tail.push_back((seconds, text.clone()));
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
        Line { number, seconds, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_lines() {
        let mut steps = Steps::default();
        steps.apply(&Event::Step { number: 1, title: "[1/1] RUN x\nmore".into(), span: None });
        assert_eq!(steps.all[&1].title, "[1/1] RUN x");
        let mut write = |bytes: &[u8], stderr| {
            let lines = steps.apply(&Event::Output { number: 1, stderr, bytes: bytes.into() });
            lines.into_iter().map(|l| l.text).collect::<Vec<_>>()
        };
        assert!(write(b"a", false).is_empty());
        assert_eq!(write(b"error\r\n", true), ["error"]);
        assert_eq!(write(b"b\nc", false), ["ab"]);
        let rest = steps.apply(&Event::Failed { number: 1, error: "e".into() });
        assert_eq!(rest[0].text, "c");
        let shown = steps.failed_output(false);
        assert!(shown.starts_with("------\n > [1/1] RUN x:\n0.0") && shown.ends_with(" c\n------\n"), "{shown}");
        // A line without an end does not grow for ever.
        steps.apply(&Event::Step { number: 2, title: "t".into(), span: None });
        let long = vec![b'x'; 3 * LONGEST];
        assert_eq!(steps.apply(&Event::Output { number: 2, stderr: false, bytes: long.into() }).len(), 1);
        assert_eq!((steps.ended(), steps.total()), (0, 2));
    }
}
