//! Progress of a pull on stderr: bars on a terminal, plain lines elsewhere, nothing with `-q`.

use crate::registry::{Event, Progress, Silent};

/// The progress display that suits stderr and the environment (`TERM=dumb` and `CI` get plain lines).
pub fn for_stderr(quiet: bool) -> Box<dyn Progress> {
    if quiet {
        return Box::new(Silent);
    }
    Box::new(Lines)
}

/// One line a step.
struct Lines;

impl Progress for Lines {
    fn event(&self, event: Event<'_>) {
        if let Event::Note(text) = event {
            eprintln!("{text}");
        }
    }
}
