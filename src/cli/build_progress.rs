//! How a build shows itself: as lines, as JSON, or not at all.

use crate::build::progress::{Event, Progress};
use crate::error::{Error, Result};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::time::Instant;

/// Lines of a failed step that are shown again.
const TAIL: usize = 20;
/// Longest line that is kept together, in bytes.
const LONGEST: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Quiet,
    RawJson,
}

impl Style {
    /// `--progress` and `-q`.
    pub fn parse(text: &str, quiet: bool) -> Result<Style> {
        match text {
            _ if quiet => Ok(Style::Quiet),
            "auto" | "plain" => Ok(Style::Plain),
            "quiet" | "none" => Ok(Style::Quiet),
            "rawjson" => Ok(Style::RawJson),
            "tty" => Err(Error::unsupported("use --progress tty: not supported").hint("auto, plain, rawjson or quiet")),
            _ => Err(Error::user(format!("read --progress '{text}'")).hint("auto, plain, rawjson or quiet")),
        }
    }
}

#[derive(Default)]
struct StepState {
    title: String,
    begun: Option<Instant>,
    /// Of stdout and stderr: what has no line end yet.
    partial: [Vec<u8>; 2],
    tail: VecDeque<String>,
}

/// Shows a build on stderr.
pub struct Shown {
    style: Style,
    steps: RefCell<BTreeMap<usize, StepState>>,
}

impl Shown {
    pub fn new(style: Style) -> Shown {
        Shown { style, steps: RefCell::default() }
    }

    /// The last output of the step that failed, as docker frames it.
    pub fn failed_step(&self) -> String {
        let steps = self.steps.borrow();
        let Some((_, step)) = steps.last_key_value() else { return String::new() };
        if step.tail.is_empty() {
            return String::new();
        }
        let lines: String = step.tail.iter().map(|l| format!("{l}\n")).collect();
        format!("------\n > {}:\n{lines}------\n", step.title)
    }

    fn line(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    fn json(&self, value: &serde_json::Value) {
        self.line(&value.to_string());
    }

    /// One line of output.
    fn output(&self, number: usize, step: &mut StepState, line: &[u8]) {
        let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_string();
        let seconds = step.begun.map_or(0.0, |b| b.elapsed().as_secs_f64());
        if self.style == Style::Plain {
            self.line(&format!("#{number} {seconds:.3} {text}"));
        }
        step.tail.push_back(format!("{seconds:.3} {text}"));
        if step.tail.len() > TAIL {
            step.tail.pop_front();
        }
    }

    /// What was written without a line end.
    fn flush(&self, number: usize) {
        let mut steps = self.steps.borrow_mut();
        let Some(step) = steps.get_mut(&number) else { return };
        for i in 0..2 {
            let rest = std::mem::take(&mut step.partial[i]);
            if !rest.is_empty() {
                self.output(number, step, &rest);
            }
        }
    }
}

impl Progress for Shown {
    fn event(&self, event: Event<'_>) {
        let plain = self.style == Style::Plain;
        let json = self.style == Style::RawJson;
        match event {
            Event::Step { number, title, span } => {
                let first = title.lines().next().unwrap_or_default().to_string();
                let state = StepState { title: first.clone(), begun: Some(Instant::now()), ..StepState::default() };
                self.steps.borrow_mut().insert(number, state);
                if plain {
                    if number > 1 {
                        self.line("");
                    }
                    self.line(&format!("#{number} {first}"));
                }
                if json {
                    let line = span.map(|s| s.start);
                    self.json(&serde_json::json!({"event": "step", "step": number, "name": title, "line": line}));
                }
            }
            Event::Cached { number } if plain => self.line(&format!("#{number} CACHED")),
            Event::Cached { number } if json => self.json(&serde_json::json!({"event": "cached", "step": number})),
            Event::Cached { .. } => {}
            Event::Output { number, stderr, bytes } => {
                if json {
                    let (stream, data) = (if stderr { 2 } else { 1 }, String::from_utf8_lossy(bytes));
                    self.json(&serde_json::json!({"event": "output", "step": number, "stream": stream, "data": data}));
                }
                let mut steps = self.steps.borrow_mut();
                let Some(step) = steps.get_mut(&number) else { return };
                let i = usize::from(stderr);
                for part in bytes.split_inclusive(|b| *b == b'\n') {
                    step.partial[i].extend_from_slice(part);
                    if part.ends_with(b"\n") || step.partial[i].len() > LONGEST {
                        let line = std::mem::take(&mut step.partial[i]);
                        self.output(number, step, line.strip_suffix(b"\n").unwrap_or(&line));
                    }
                }
            }
            Event::Done { number, millis } => {
                self.flush(number);
                if plain {
                    self.line(&format!("#{number} DONE {:.1}s", millis as f64 / 1e3));
                }
                if json {
                    self.json(&serde_json::json!({"event": "done", "step": number, "millis": millis}));
                }
            }
            Event::Failed { number, error } => {
                self.flush(number);
                if plain {
                    self.line(&format!("#{number} ERROR: {error}"));
                }
                if json {
                    self.json(&serde_json::json!({"event": "failed", "step": number, "error": error}));
                }
            }
            Event::Warning(text) if json => self.json(&serde_json::json!({"event": "warning", "text": text})),
            Event::Warning(text) => super::output::warn(text),
        }
    }
}
