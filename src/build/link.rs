//! What a stage's process and the build's first process tell each other.

use super::lint::Warning;
use super::progress::Event;
use super::solve::{Built, Failure};
use crate::error::{Error, Kind, Result};
use crate::image::StoredLayer;
use crate::stage::Channel;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// From a stage's process.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    Event(Event<'static>),
    /// It can't go on without this stage.
    Need(usize),
    /// It is about to make what this key names.
    Claim(String),
    /// It has made what it claimed.
    Settled(String, Option<StoredLayer>),
    /// The stage is built.
    Built(Box<Built>, Vec<Warning>),
    /// It failed, and keeps what the failed step left until [`Order::Proceed`].
    Halted(Box<Failure>),
    Failed(Box<Failure>, Vec<Warning>),
}

/// To a stage's process.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The stage that it needs.
    Have(Box<Built>),
    /// What it claimed is its to make.
    Make,
    /// What it claimed has been made.
    Made(Option<StoredLayer>),
    /// After [`Report::Halted`].
    Proceed,
}

/// The way from a stage's process to the first one. Reports may come from several threads.
#[derive(Debug)]
pub struct Link {
    channel: Channel,
}

impl Link {
    pub fn new(channel: Channel) -> Link {
        Link { channel }
    }

    /// Reports; when nobody listens any more this process has nothing left to do.
    pub fn report(&self, report: &Report) {
        if self.channel.send(report, &[]).is_err() {
            crate::sys::process::exit(1);
        }
    }

    pub fn event(&self, event: Event<'_>) {
        // The frame's form without a copy of the event.
        #[derive(Serialize)]
        enum Report<'a> {
            Event(Event<'a>),
        }
        if self.channel.send(&Report::Event(event), &[]).is_err() {
            crate::sys::process::exit(1);
        }
    }

    pub fn warn(&self, text: &str) {
        self.event(Event::Warning(text.into()));
    }

    fn order(&self) -> Result<Order> {
        match self.channel.recv()? {
            Some((order, _)) => Ok(order),
            None => Err(Error::new(Kind::Interrupted, "build the stage: the build ended")),
        }
    }

    /// Waits for another stage.
    pub fn need(&self, stage: usize) -> Result<Built> {
        self.report(&Report::Need(stage));
        match self.order()? {
            Order::Have(built) => Ok(*built),
            other => Err(Error::bug(format!("expect a stage, not {other:?}"))),
        }
    }

    /// Asks for the right to make what `key` names. When another stage of this build makes it, waits for the result.
    pub fn claim(&self, key: &str) -> Result<Option<Option<StoredLayer>>> {
        self.report(&Report::Claim(key.into()));
        match self.order()? {
            Order::Make => Ok(None),
            Order::Made(layer) => Ok(Some(layer)),
            other => Err(Error::bug(format!("expect leave, not {other:?}"))),
        }
    }

    pub fn settle(&self, key: &str, layer: Option<&StoredLayer>) {
        self.report(&Report::Settled(key.into(), layer.cloned()));
    }

    /// Tells of a failure and waits until its user is told and the other stages are ended.
    pub fn halt(&self, failure: &Failure) -> Result<()> {
        self.report(&Report::Halted(Box::new(failure.clone())));
        self.order().map(drop)
    }
}

/// Passes the progress of a pull on as parts of step `number`.
pub struct Fetching<'a> {
    link: &'a Link,
    number: usize,
    layers: Mutex<BTreeMap<String, Layer>>,
}

#[derive(Clone, Copy, Debug)]
struct Layer {
    done: u64,
    total: u64,
    told: Instant,
}

/// How often a layer's progress is told.
const PACE: Duration = Duration::from_millis(100);

impl<'a> Fetching<'a> {
    pub fn new(link: &'a Link, number: usize) -> Fetching<'a> {
        Fetching { link, number, layers: Mutex::default() }
    }

    fn change(&self, layer: &str, finished: bool, change: impl FnOnce(&mut Layer)) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = layers.entry(layer.into()).or_insert_with(|| Layer { done: 0, total: 0, told: Instant::now() });
        change(entry);
        let Layer { done, total, told } = *entry;
        if finished || told.elapsed() >= PACE {
            entry.told = Instant::now();
            self.link.event(Event::Part { number: self.number, name: layer.into(), done, total, finished });
        }
    }

    fn line(&self, text: &str) {
        let bytes = format!("{text}\n").into_bytes();
        self.link.event(Event::Output { number: self.number, stderr: true, bytes: bytes.into() });
    }
}

impl crate::registry::Progress for Fetching<'_> {
    fn event(&self, event: crate::registry::Event<'_>) {
        use crate::registry::Event as Pull;
        match event {
            Pull::Note(text) => self.line(text),
            Pull::Queued { layer, size } => self.change(layer, false, |l| l.total = size),
            Pull::Held { layer, bytes, .. } => self.change(layer, false, |l| l.done = bytes),
            Pull::Received { layer, bytes } => self.change(layer, false, |l| l.done += bytes),
            Pull::Downloaded { layer } => self.change(layer, true, |l| l.done = l.total),
            Pull::Retrying { what, why, attempt, attempts, .. } => {
                self.line(&format!("{what}: {why}; trying again ({attempt}/{attempts})"));
            }
            Pull::Exists { .. } | Pull::Mounted { .. } | Pull::Done { .. } | Pull::Finished { .. } => {}
        }
    }
}
