//! How a build shows itself on stderr: as a live view, as lines, as JSON, or not at all.

mod json;
mod live;
mod model;
mod plain;
mod text;

use crate::build::progress::{Event, Progress};
use crate::build::solve::Failure;
use crate::error::{Error, Result};
use model::Steps;
use std::cell::{Cell, RefCell};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Live,
    Plain,
    Quiet,
    RawJson,
}

impl Style {
    /// `--progress` and `-q`; `asked` is `BUILDKIT_PROGRESS` where there is no `--progress`.
    pub fn choose(flag: Option<&str>, environment: Option<&str>, quiet: bool, terminal: bool) -> Result<Style> {
        let auto = if terminal { Style::Live } else { Style::Plain };
        match (quiet, flag, environment.filter(|t| !t.is_empty())) {
            (true, ..) => Ok(Style::Quiet),
            (_, Some("tty"), _) if !terminal => {
                Err(Error::user("use --progress tty: stderr is no terminal that moves its cursor")
                    .hint("--progress plain, or auto"))
            }
            // A wish for every build, wherever it runs.
            (_, None, Some("tty")) => Ok(auto),
            (_, Some(text), _) | (_, None, Some(text)) => match text {
                "auto" => Ok(auto),
                "plain" => Ok(Style::Plain),
                "tty" => Ok(Style::Live),
                "quiet" | "none" => Ok(Style::Quiet),
                "rawjson" => Ok(Style::RawJson),
                _ => Err(Error::user(format!("read --progress '{text}'")).hint("auto, plain, tty, rawjson or quiet")),
            },
            (_, None, None) => Ok(auto),
        }
    }
}

enum View {
    Quiet,
    Plain(plain::Plain),
    Live(live::Live),
    Json(json::Json),
}

/// Shows a build on stderr.
pub struct Shown {
    view: RefCell<View>,
    steps: RefCell<Steps>,
    /// Escape sequences of programs do not get through to a terminal.
    terminal: bool,
    /// Shows a failure before its step is given up.
    explain: RefCell<Option<Box<dyn Fn(&Failure, &str)>>>,
    halted: Cell<bool>,
    /// Steps of earlier builds.
    before: Cell<usize>,
}

impl Shown {
    pub fn new(style: Style) -> Shown {
        let terminal = super::term::is_terminal(std::io::stderr());
        let view = match style {
            Style::Quiet => View::Quiet,
            Style::Plain => View::Plain(plain::Plain::new(terminal)),
            Style::Live => View::Live(live::Live::new()),
            Style::RawJson => View::Json(json::Json::default()),
        };
        Shown {
            view: RefCell::new(view),
            steps: RefCell::default(),
            terminal,
            explain: RefCell::new(None),
            halted: Cell::new(false),
            before: Cell::new(0),
        }
    }

    /// What to do with a failure while what its step left is still there.
    pub fn on_halt(&self, explain: impl Fn(&Failure, &str) + 'static) {
        *self.explain.borrow_mut() = Some(Box::new(explain));
    }

    /// Whether the failure was shown by what [`Shown::on_halt`] set.
    pub fn halted(&self) -> bool {
        self.halted.get()
    }

    /// The end of the view; lines may follow.
    pub fn finish(&self) {
        if let View::Live(live) = &mut *self.view.borrow_mut() {
            live.finish(&self.steps.borrow());
        }
    }

    /// The last output of the step that failed, as docker frames it.
    pub fn failed_step(&self) -> String {
        self.steps.borrow().failed_output(self.terminal)
    }
}

impl Progress for Shown {
    fn event(&self, mut event: Event<'_>) {
        let mut steps = self.steps.borrow_mut();
        // One build after the other (`--verify`, several platforms): their steps are told apart.
        if let Event::Planned { .. } = event {
            self.before.set(steps.all.keys().next_back().copied().unwrap_or(0));
        }
        if let Some(number) = event.number_mut() {
            *number += self.before.get();
        }
        let lines = steps.apply(&event);
        match &mut *self.view.borrow_mut() {
            View::Quiet => {}
            View::Plain(plain) => plain.event(&event, &lines, &steps),
            View::Live(live) => live.event(&event, &steps),
            View::Json(json) => json.event(&event, &steps),
        }
    }

    fn halt(&self, failure: &Failure) {
        self.finish();
        if let Some(explain) = &*self.explain.borrow() {
            explain(failure, &self.failed_step());
            self.halted.set(true);
        }
    }

    fn tick(&self) {
        if let View::Live(live) = &mut *self.view.borrow_mut() {
            live.tick(&self.steps.borrow());
        }
    }

    fn pace(&self) -> Option<u16> {
        matches!(&*self.view.borrow(), View::Live(_)).then_some(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles() {
        let style = |flag, env, terminal| Style::choose(flag, env, false, terminal);
        for (flag, env, terminal, want) in [
            (None, None, true, Style::Live),
            (None, None, false, Style::Plain),
            (None, Some(""), true, Style::Live),
            (None, Some("plain"), true, Style::Plain),
            (None, Some("tty"), false, Style::Plain),
            (Some("rawjson"), Some("plain"), true, Style::RawJson),
            (Some("auto"), Some("plain"), true, Style::Live),
            (Some("tty"), None, true, Style::Live),
            (Some("none"), None, true, Style::Quiet),
        ] {
            assert_eq!(style(flag, env, terminal).unwrap(), want, "{flag:?} {env:?} {terminal}");
        }
        assert!(style(Some("tty"), None, false).unwrap_err().to_string().contains("no terminal"));
        assert!(style(Some("fancy"), None, true).is_err());
        assert_eq!(Style::choose(Some("plain"), None, true, true).unwrap(), Style::Quiet);
    }
}
