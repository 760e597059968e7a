//! What a build tells while it runs.

use super::solve::Failure;
use super::source::Span;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One thing that happened. Steps are numbered in the order in which they begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event<'a> {
    /// So many steps are planned, as far as the Dockerfile tells (a base image's triggers add to them).
    Planned {
        steps: usize,
    },
    /// A step begins: `[build 2/5] RUN make`.
    Step {
        number: usize,
        title: Cow<'a, str>,
        span: Option<Span>,
    },
    /// Its result was there already.
    Cached {
        number: usize,
    },
    /// Bytes that its program wrote.
    Output {
        number: usize,
        stderr: bool,
        #[serde(with = "latin")]
        bytes: Cow<'a, [u8]>,
    },
    /// How far a part of it is (a layer that is fetched), in bytes.
    Part {
        number: usize,
        name: Cow<'a, str>,
        done: u64,
        total: u64,
        finished: bool,
    },
    Done {
        number: usize,
        millis: u64,
    },
    Failed {
        number: usize,
        error: Cow<'a, str>,
    },
    /// It was ended because another one failed.
    Canceled {
        number: usize,
    },
    /// A line for the user.
    Warning(Cow<'a, str>),
    /// What a helper program wrote to stderr.
    Note(Cow<'a, str>),
}

impl Event<'_> {
    /// The step's number.
    pub fn number_mut(&mut self) -> Option<&mut usize> {
        match self {
            Event::Step { number, .. }
            | Event::Cached { number }
            | Event::Output { number, .. }
            | Event::Part { number, .. }
            | Event::Done { number, .. }
            | Event::Failed { number, .. }
            | Event::Canceled { number } => Some(number),
            Event::Planned { .. } | Event::Warning(_) | Event::Note(_) => None,
        }
    }
}

/// Shows events, on a terminal or as lines.
pub trait Progress {
    fn event(&self, event: Event<'_>);

    /// The build failed; a shell in what is left of the step may follow.
    fn halt(&self, _failure: &Failure) {}

    /// Called now and then while steps run: clocks may go on.
    fn tick(&self) {}

    /// How often [`Progress::tick`] has something to show, in milliseconds; `None`: never.
    fn pace(&self) -> Option<u16> {
        None
    }
}

/// Bytes as the first 256 characters: text stays readable and short.
mod latin {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&bytes.iter().map(|b| char::from(*b)).collect::<String>())
    }

    pub fn deserialize<'de, 'a, D: Deserializer<'de>>(from: D) -> Result<Cow<'a, [u8]>, D::Error> {
        let text = String::deserialize(from)?;
        let byte = |c: char| u8::try_from(u32::from(c)).map_err(|_| serde::de::Error::custom("not a byte"));
        text.chars().map(byte).collect::<Result<Vec<u8>, _>>().map(Cow::Owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_cross_the_border_of_processes() {
        let bytes: Vec<u8> = (0..=255).collect();
        let all = [
            Event::Output { number: 3, stderr: true, bytes: bytes.into() },
            Event::Step { number: 1, title: "[1/2] RUN x".into(), span: Some(Span { start: 2, end: 3 }) },
            Event::Warning("w".into()),
        ];
        for event in all {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event<'static>>(&text).unwrap(), event);
        }
    }
}
