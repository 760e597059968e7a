//! A build as lines, in the form of `docker build --progress plain`.

use super::model::{Line, Steps};
use super::text;
use crate::build::progress::Event;
use crate::cli::human;
use std::io::Write;

/// Lines of several steps are told apart by their numbers; where another step speaks, its name is said again.
pub struct Plain {
    terminal: bool,
    /// The step of the last line.
    last: Option<usize>,
}

fn print(text: &str) {
    // A closed stderr is no reason to fail.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

impl Plain {
    pub fn new(terminal: bool) -> Plain {
        Plain { terminal, last: None }
    }

    /// The beginning of what step `number` has to say.
    fn turn(&mut self, number: usize, steps: &Steps) -> String {
        if self.last == Some(number) {
            return String::new();
        }
        let blank = if self.last.replace(number).is_some() { "\n" } else { "" };
        let title = steps.all.get(&number).map_or("", |s| s.title.as_str());
        format!("{blank}#{number} {title}\n")
    }

    pub fn event(&mut self, event: &Event<'_>, lines: &[Line], steps: &Steps) {
        let mut out = String::new();
        for Line { number, seconds, text } in lines {
            let text = if self.terminal { text::plain(text) } else { text.clone() };
            out.push_str(&self.turn(*number, steps));
            out.push_str(&format!("#{number} {seconds:.3} {text}\n"));
        }
        let end = match event {
            Event::Step { number, .. } => Some((*number, None)),
            Event::Cached { number } => Some((*number, Some("CACHED".to_string()))),
            Event::Done { number, millis } => Some((*number, Some(format!("DONE {:.1}s", *millis as f64 / 1e3)))),
            Event::Failed { number, error } => Some((*number, Some(format!("ERROR: {error}")))),
            Event::Canceled { number } => Some((*number, Some("CANCELED".to_string()))),
            Event::Part { number, name, total, finished: true, .. } => {
                Some((*number, Some(format!("{name} {} done", human::size(*total)))))
            }
            Event::Warning(text) => {
                print(&out);
                super::super::output::warn(text);
                return;
            }
            Event::Note(text) => {
                print(&format!("{out}{text}\n"));
                return;
            }
            Event::Planned { .. } | Event::Output { .. } | Event::Part { .. } => None,
        };
        if let Some((number, text)) = end {
            out.push_str(&self.turn(number, steps));
            if let Some(text) = text {
                out.push_str(&format!("#{number} {text}\n"));
            }
        }
        print(&out);
    }
}
