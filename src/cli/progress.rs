//! Progress of a pull or push on stderr: bars on a terminal, plain lines elsewhere, nothing with `-q`.
//!
//! Nothing here starts a thread: bars are drawn by whoever reports an event, so that a fork may follow at once.

use super::human;
use crate::registry::{Event, Progress, Silent};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The progress display that suits stderr and the environment (`TERM=dumb`, `CI` and `NO_COLOR` get plain lines).
pub fn for_stderr(quiet: bool) -> Box<dyn Progress> {
    display(quiet, &PULL)
}

/// The same for a push.
pub fn for_push(quiet: bool) -> Box<dyn Progress> {
    display(quiet, &PUSH)
}

fn display(quiet: bool, words: &'static Words) -> Box<dyn Progress> {
    if quiet {
        return Box::new(Silent);
    }
    if !super::term::fancy_stderr() {
        return Box::new(Lines { words, tally: Mutex::default() });
    }
    Box::new(Bars::new(ProgressDrawTarget::stderr_with_hz(10), words))
}

/// How the two directions speak.
struct Words {
    exists: &'static str,
    done: &'static str,
    summary: &'static str,
    /// What follows the transfer.
    tail: &'static str,
}

const PULL: Words = Words { exists: "already here", done: "downloaded", summary: "Fetched", tail: "unpacking" };
const PUSH: Words = Words { exists: "already there", done: "sent", summary: "Sent", tail: "finishing" };

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A display never stops a pull: after a panic elsewhere the counters are still good enough.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `sha256:0123456789ab…` → `0123456789ab`.
fn short(digest: &str) -> &str {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}

fn retrying(event: &Event<'_>) -> Option<String> {
    let Event::Retrying { what, why, attempt, attempts, delay } = event else { return None };
    let wait = if delay.is_zero() { "now".to_string() } else { format!("in {:.1} s", delay.as_secs_f32()) };
    Some(format!("{what}: {why}; retrying {wait} ({attempt}/{attempts})"))
}

/// What has been fetched so far.
struct Tally {
    began: Instant,
    layers: BTreeMap<String, Layer>,
    /// Fetched by us.
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    size: u64,
    /// Bytes that are here, whoever brought them.
    here: u64,
    /// We are fetching it, or it was here in part; else another process brings it.
    ours: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Tally { began: Instant::now(), layers: BTreeMap::new(), bytes: 0 }
    }
}

impl Tally {
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Queued { layer, size } => {
                self.layers.entry(layer.to_string()).or_default().size = *size;
            }
            Event::Held { layer, bytes, elsewhere } => {
                let layer = self.layers.entry(layer.to_string()).or_default();
                (layer.here, layer.ours) = (*bytes, !elsewhere);
            }
            Event::Received { layer, bytes } => {
                let layer = self.layers.entry(layer.to_string()).or_default();
                (layer.here, layer.ours) = (layer.here + bytes, true);
                self.bytes += bytes;
            }
            Event::Exists { layer } => {
                if let Some(layer) = self.layers.get_mut(*layer) {
                    layer.here = layer.size;
                }
            }
            Event::Mounted { layer, .. } => drop(self.layers.remove(*layer)),
            _ => {}
        }
    }

    fn layer(&self, layer: &str) -> Layer {
        self.layers.get(layer).copied().unwrap_or_default()
    }

    fn total(&self) -> (u64, u64) {
        self.layers.values().fold((0, 0), |(here, size), l| (here + l.here, size + l.size))
    }

    /// A closing line; `None` when nothing was fetched.
    fn summary(&self, words: &Words) -> Option<String> {
        let count = self.layers.values().filter(|l| l.ours).count();
        let layers = if count == 1 { "layer" } else { "layers" };
        let took: Duration = self.began.elapsed();
        let done = words.summary;
        (self.bytes > 0)
            .then(|| format!("{done} {count} {layers}, {} in {:.1} s", human::size(self.bytes), took.as_secs_f32()))
    }
}

/// What became of a layer without our fetching it from the start.
fn held(event: &Event<'_>, before: Layer) -> Option<String> {
    match event {
        Event::Held { layer, bytes, elsewhere: false } if *bytes > 0 => {
            let of = human::size(before.size);
            Some(format!("layer {}: continuing at {} of {of}", short(layer), human::size(*bytes)))
        }
        Event::Held { layer, elsewhere: true, .. } if before.here == 0 => {
            Some(format!("layer {}: another process fetches it", short(layer)))
        }
        _ => None,
    }
}

/// One line a step.
struct Lines {
    words: &'static Words,
    tally: Mutex<Tally>,
}

impl Progress for Lines {
    fn event(&self, event: Event<'_>) {
        let mut tally = locked(&self.tally);
        let before = match &event {
            Event::Held { layer, .. } => tally.layer(layer),
            _ => Layer::default(),
        };
        let words = self.words;
        tally.note(&event);
        match &event {
            Event::Note(text) => eprintln!("{text}"),
            Event::Exists { layer } => eprintln!("layer {}: {}", short(layer), words.exists),
            Event::Downloaded { layer } => {
                let size = human::size(tally.layer(layer).size);
                eprintln!("layer {}: {} {size}", short(layer), words.done);
            }
            Event::Mounted { layer, from } => eprintln!("layer {}: mounted from {from}", short(layer)),
            Event::Retrying { .. } => eprintln!("{}", retrying(&event).unwrap_or_default()),
            Event::Held { .. } => {
                if let Some(line) = held(&event, before) {
                    eprintln!("{line}");
                }
            }
            Event::Finished { success } => {
                if let Some(line) = tally.summary(self.words).filter(|_| *success) {
                    eprintln!("{line}");
                }
                *tally = Tally::default();
            }
            Event::Queued { .. } | Event::Received { .. } | Event::Done { .. } => {}
        }
    }
}

/// A bar for each layer under way and one for the whole.
struct Bars {
    words: &'static Words,
    multi: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    total: Option<ProgressBar>,
    layers: BTreeMap<String, ProgressBar>,
}

impl Bars {
    fn new(target: ProgressDrawTarget, words: &'static Words) -> Bars {
        Bars { words, multi: MultiProgress::with_draw_target(target), state: Mutex::default() }
    }

    fn bar(&self, prefix: &str, template: &str, size: u64) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(prefix.to_string());
        bar
    }

    fn total<'s>(&self, state: &'s mut State) -> &'s ProgressBar {
        state.total.get_or_insert_with(|| {
            let template =
                "{prefix:12} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} {msg}";
            self.multi.add(self.bar("total", template, 0))
        })
    }

    /// Draws the layer, and the whole, as the tally has them.
    fn advance(&self, state: &mut State, layer: &str) {
        let (here, size) = state.tally.total();
        let total = self.total(state);
        total.set_length(size);
        total.set_position(here);
        let known = state.tally.layer(layer);
        if !state.layers.contains_key(layer) {
            let template = "{prefix:12} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {msg}";
            let bar = self.bar(short(layer), template, known.size);
            let at = state.layers.len();
            state.layers.insert(layer.to_string(), self.multi.insert(at, bar));
        }
        if let Some(bar) = state.layers.get(layer) {
            bar.set_message(if known.ours { "" } else { "(by another process)" });
            bar.set_position(known.here);
        }
    }

    fn downloaded(&self, state: &mut State, layer: &str) {
        if let Some(bar) = state.layers.remove(layer) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
        // Extraction runs beside the downloads; only its tail is worth a word.
        let (here, size) = state.tally.total();
        if here >= size && size > 0 {
            self.total(state).set_message(self.words.tail);
        }
    }

    fn line(&self, text: &str) {
        // Above the bars, where it stays.
        let _ = self.multi.println(text);
    }
}

impl Progress for Bars {
    fn event(&self, event: Event<'_>) {
        let mut state = locked(&self.state);
        let state = &mut *state;
        state.tally.note(&event);
        match &event {
            Event::Note(text) => self.line(text),
            Event::Queued { .. } => {
                let (_, size) = state.tally.total();
                self.total(state).set_length(size);
            }
            Event::Received { layer, .. } | Event::Held { layer, .. } => self.advance(state, layer),
            Event::Exists { layer } | Event::Downloaded { layer } => self.downloaded(state, layer),
            Event::Mounted { layer, from } => self.line(&format!("layer {}: mounted from {from}", short(layer))),
            Event::Done { .. } => {}
            Event::Retrying { .. } => self.line(&retrying(&event).unwrap_or_default()),
            Event::Finished { success } => {
                for bar in std::mem::take(&mut state.layers).into_values().chain(state.total.take()) {
                    bar.finish_and_clear();
                    self.multi.remove(&bar);
                }
                if let Some(line) = state.tally.summary(self.words).filter(|_| *success) {
                    self.line(&line);
                }
                state.tally = Tally::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;
    use std::io;
    use std::sync::Arc;

    const LAYER: &str = "sha256:0123456789abcdef0123456789abcdef";

    /// Keeps what is written and ignores where.
    #[derive(Clone, Debug, Default)]
    struct Paper(Arc<Mutex<String>>);

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            locked(&self.0).push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bars_show_layers_and_end_with_a_summary() {
        let paper = Paper::default();
        let bars = Bars::new(ProgressDrawTarget::term_like(Box::new(paper.clone())), &PULL);
        bars.event(Event::Note("Pulling x"));
        bars.event(Event::Queued { layer: LAYER, size: 2_000_000 });
        bars.event(Event::Received { layer: LAYER, bytes: 1_000_000 });
        locked(&bars.state).layers[LAYER].force_draw();
        bars.event(Event::Downloaded { layer: LAYER });
        bars.event(Event::Finished { success: true });
        let shown = locked(&paper.0).clone();
        for part in ["Pulling x", "0123456789ab", "1.00 MB/2.00 MB", "Fetched 1 layer, 1MB in"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn no_thread_is_left_behind() {
        let before = threads();
        let bars = Bars::new(ProgressDrawTarget::hidden(), &PULL);
        bars.event(Event::Queued { layer: LAYER, size: 1 });
        bars.event(Event::Received { layer: LAYER, bytes: 1 });
        bars.event(Event::Finished { success: true });
        // Other tests run beside this one, so threads may only have gone.
        assert!(threads() <= before + 1);
    }

    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task").unwrap().count()
    }
}
