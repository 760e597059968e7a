//! A build as a view that is drawn anew while it runs, in the form of `docker build` on a terminal.
//!
//! A frame never has more lines than the window, and no line more columns, so that going up by as many lines as the
//! last one had leads to its first. When the window became narrower since, its terminal may have broken lines of
//! that frame: they count as often as they fit into the new width.

use super::model::{Fate, Step, Steps};
use super::text::{cut, plain, width};
use crate::build::progress::Event;
use crate::cli::{human, term};
use std::fmt::Write as _;
use std::io::Write;

/// Lines of output under a running step.
const TAIL: usize = 6;
/// Steps show their output when they have run for so long, in seconds: quick ones would only flicker.
const PATIENCE: f64 = 0.2;

pub struct Live {
    colour: bool,
    /// The widths of the last frame's lines.
    drawn: Vec<usize>,
    finished: bool,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Plain,
    Ended,
    Failed,
    Warned,
    Faint,
}

type Row = (Look, String);

impl Live {
    pub fn new() -> Live {
        Live { colour: term::colour_allowed(), drawn: Vec::new(), finished: false }
    }

    pub fn event(&mut self, event: &Event<'_>, _: &Steps) {
        let text = match event {
            Event::Warning(text) => format!("coracle: warning: {}", plain(text)),
            Event::Note(text) => plain(text),
            // The next tick shows it.
            _ => return,
        };
        let mut out = self.back(size().1);
        let _ = writeln!(out, "\x1b[J{text}");
        self.drawn.clear();
        print(&out);
    }

    pub fn tick(&mut self, steps: &Steps) {
        if self.finished {
            return;
        }
        let (rows, columns) = size();
        let frame = frame(steps, usize::from(rows).saturating_sub(1), usize::from(columns), false);
        self.draw(&frame, columns);
    }

    /// The last frame, with all steps, however many.
    pub fn finish(&mut self, steps: &Steps) {
        if self.finished {
            return;
        }
        self.finished = true;
        let (_, columns) = size();
        let frame = frame(steps, usize::MAX, usize::from(columns), true);
        self.draw(&frame, columns);
        // It stays.
        self.drawn.clear();
    }

    fn draw(&mut self, frame: &[Row], columns: u16) {
        let mut out = self.back(columns);
        for (look, text) in frame {
            let (on, off) = match look {
                _ if !self.colour => ("", ""),
                Look::Plain => ("", ""),
                Look::Ended => ("\x1b[34m", "\x1b[m"),
                Look::Failed => ("\x1b[31m", "\x1b[m"),
                Look::Warned => ("\x1b[33m", "\x1b[m"),
                Look::Faint => ("\x1b[2m", "\x1b[m"),
            };
            let _ = writeln!(out, "{on}{text}{off}\x1b[K");
        }
        // What is left of a longer frame; the cursor is hidden only within one write.
        out.push_str("\x1b[J\x1b[?25h");
        self.drawn = frame.iter().map(|(_, text)| width(text)).collect();
        print(&out);
    }

    /// To the first line of the last frame.
    fn back(&self, columns: u16) -> String {
        let columns = usize::from(columns).max(1);
        let up: usize = self.drawn.iter().map(|w| w.div_ceil(columns).max(1)).sum();
        match up {
            0 => "\x1b[?25l\r".into(),
            n => format!("\x1b[?25l\r\x1b[{n}A"),
        }
    }
}

/// Rows and columns.
fn size() -> (u16, u16) {
    term::window_size(std::io::stderr()).unwrap_or((24, 80))
}

fn print(text: &str) {
    // A closed stderr is no reason to fail.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The lines of a frame: at most `rows` of them.
fn frame(steps: &Steps, rows: usize, columns: usize, last: bool) -> Vec<Row> {
    let failed = steps.all.values().any(|s| s.fate == Fate::Failed);
    let end = if last { " FINISHED" } else { "" };
    let seconds = steps.begun.elapsed().as_secs_f64();
    let head = format!("[+] Building {seconds:.1}s ({}/{}){end}", steps.ended(), steps.total());
    let head = (if failed { Look::Failed } else { Look::Plain }, cut(&head, columns));
    let all: Vec<&Step> = steps.all.values().collect();
    let room = rows.saturating_sub(1);
    // Steps that ended give way first, then output, then the steps that began first.
    let running = all.iter().filter(|s| s.fate == Fate::Running).count();
    let mut tail = if last { 0 } else { TAIL };
    let detail = |tail: usize| all.iter().map(|s| details(s, tail, columns).len()).sum::<usize>();
    while tail > 0 && running + detail(tail) > room {
        tail -= 1;
    }
    let parts = !last && running + detail(tail) <= room;
    let details_of = |s: &Step| if parts { details(s, tail, columns) } else { Vec::new() };
    let used = running + all.iter().map(|s| details_of(s).len()).sum::<usize>();
    let ended = all.len() - running;
    let mut dropped = (used + ended).saturating_sub(room).min(ended);
    let mut out = Vec::new();
    for step in all {
        if step.fate != Fate::Running && dropped > 0 {
            dropped -= 1;
            continue;
        }
        out.push(row(step, columns));
        out.extend(details_of(step));
    }
    let over = out.len().saturating_sub(room);
    out.drain(..over);
    out.insert(0, head);
    out.truncate(rows);
    out
}

/// A step's line: its name, and its time at the right edge.
fn row(step: &Step, columns: usize) -> Row {
    let (look, mark) = match step.fate {
        Fate::Running => (Look::Plain, ""),
        Fate::Done => (Look::Ended, ""),
        Fate::Cached => (Look::Ended, "CACHED "),
        Fate::Failed => (Look::Failed, "ERROR "),
        Fate::Canceled => (Look::Warned, "CANCELED "),
    };
    (look, timed(&format!(" => {mark}{}", step.title), step.time().as_secs_f64(), columns))
}

fn timed(text: &str, seconds: f64, columns: usize) -> String {
    let time = format!(" {seconds:.1}s");
    let Some(room) = columns.checked_sub(time.len()).filter(|room| *room >= 10) else { return cut(text, columns) };
    let text = cut(text, room);
    let gap = room - width(&text);
    format!("{text}{}{time}", " ".repeat(gap))
}

/// What is below a running step: layers on their way, and its last output.
fn details(step: &Step, tail: usize, columns: usize) -> Vec<Row> {
    if step.fate != Fate::Running {
        return Vec::new();
    }
    let mut out = Vec::new();
    for (name, part) in &step.parts {
        let name: String = name.chars().take(19).collect();
        let text = match part.finished {
            true => format!(" => => {name} {}", human::size(part.total)),
            false => format!(" => => {name} {} / {}", human::size(part.done), human::size(part.total)),
        };
        out.push((if part.finished { Look::Ended } else { Look::Plain }, cut(&plain(&text), columns)));
    }
    if step.begun.elapsed().as_secs_f64() >= PATIENCE {
        let skip = step.tail.len().saturating_sub(tail);
        let line = |(_, text): &(f64, String)| (Look::Faint, cut(&format!(" => => # {}", plain(text)), columns));
        out.extend(step.tail.iter().skip(skip).map(line));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Steps {
        let mut steps = Steps::default();
        steps.apply(&Event::Planned { steps: 9 });
        for number in 1..=6 {
            steps.apply(&Event::Step { number, title: format!("[a {number}/9] RUN step {number}").into(), span: None });
        }
        steps.apply(&Event::Cached { number: 1 });
        steps.apply(&Event::Done { number: 2, millis: 1234 });
        for number in [3, 4] {
            let text: String = (0..9).map(|n| format!("\x1b[2Jline {n}\n")).collect();
            steps.apply(&Event::Output { number, stderr: false, bytes: text.into_bytes().into() });
            let step = steps.all.get_mut(&number).unwrap();
            step.begun = step.begun.checked_sub(std::time::Duration::from_secs(2)).unwrap_or(step.begun);
        }
        steps.apply(&Event::Part { number: 5, name: "sha256:0123".into(), done: 1, total: 2_000_000, finished: false });
        steps
    }

    fn text(rows: usize, columns: usize) -> Vec<String> {
        frame(&steps(), rows, columns, false).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_frame_has_room_in_its_window() {
        let whole = text(50, 60);
        assert!(whole[0].starts_with("[+] Building ") && whole[0].ends_with("s (2/9)"), "{whole:?}");
        assert!(whole[1].starts_with(" => CACHED [a 1/9] RUN step 1") && whole[1].ends_with(" 0.0s"), "{whole:?}");
        assert!(whole[2].ends_with(" 1.2s"));
        assert_eq!(whole.iter().filter(|l| l.starts_with(" => => # line ")).count(), 2 * TAIL);
        assert!(whole.iter().any(|l| l == " => => # line 8"));
        assert!(whole.iter().any(|l| l.starts_with(" => => sha256:0123 ")));
        assert!(whole.iter().all(|l| width(l) <= 60 && !l.contains('\x1b')));
        for rows in 0..25 {
            for columns in [0, 1, 9, 20, 40] {
                let lines = text(rows, columns);
                assert!(lines.len() <= rows && lines.iter().all(|l| width(l) <= columns), "{rows} {columns} {lines:?}");
            }
        }
        // The running ones stay longest.
        let few = text(5, 60);
        assert!((3..=6).zip(&few[1..]).all(|(n, l)| l.contains(&format!("step {n}"))), "{few:?}");
    }

    #[test]
    fn the_last_frame_tells_all_steps() {
        let mut steps = steps();
        for number in [3, 4, 5] {
            steps.apply(&Event::Canceled { number });
        }
        steps.apply(&Event::Failed { number: 6, error: "x".into() });
        let lines = frame(&steps, usize::MAX, 50, true);
        assert_eq!(lines.len(), 7);
        assert!(lines[0].1.ends_with("FINISHED") && lines[0].0 == Look::Failed);
        assert!(lines[6].1.starts_with(" => ERROR [a 6/9]") && lines[3].1.starts_with(" => CANCELED"));
    }
}
