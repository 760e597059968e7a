//! The key sequence that leaves an attached container running.

use crate::error::{Error, Result};

/// What podman and docker use when nothing is said.
pub const DEFAULT_DETACH_KEYS: &str = "ctrl-p,ctrl-q";

/// A parsed key sequence; empty = detaching is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

impl Default for DetachKeys {
    /// [`DEFAULT_DETACH_KEYS`].
    fn default() -> Self {
        DetachKeys(vec![0x10, 0x11])
    }
}

impl DetachKeys {
    /// Nothing detaches.
    pub fn none() -> DetachKeys {
        DetachKeys(Vec::new())
    }

    /// Parses Docker's form: keys separated by commas, each one character or `ctrl-X` with X of `a-z @ [ \ ] ^ _`.
    /// The empty string switches detaching off.
    pub fn parse(text: &str) -> Result<DetachKeys> {
        if text.is_empty() {
            return Ok(DetachKeys::none());
        }
        let keys = text.split(',').map(|key| parse_key(key).ok_or_else(|| bad(text, key)));
        Ok(DetachKeys(keys.collect::<Result<_>>()?))
    }

    /// A matcher at its start.
    pub fn matcher(&self) -> DetachMatcher {
        DetachMatcher { keys: self.0.clone(), matched: 0 }
    }
}

fn bad(text: &str, key: &str) -> Error {
    Error::user(format!("parse detach keys '{text}': '{key}' is no key"))
        .hint("use keys such as 'a' or 'ctrl-p', separated by commas")
}

fn parse_key(key: &str) -> Option<u8> {
    match (key.strip_prefix("ctrl-"), key.as_bytes()) {
        (_, [byte]) if byte.is_ascii() => Some(*byte),
        (Some(rest), _) => match rest.as_bytes() {
            [c @ b'a'..=b'z'] => Some(c - b'a' + 1),
            [c @ (b'@' | b'[' | b'\\' | b']' | b'^' | b'_')] => Some(c - b'@'),
            _ => None,
        },
        _ => None,
    }
}

/// Looks for the sequence in the bytes typed.
#[derive(Clone, Debug)]
pub struct DetachMatcher {
    keys: Vec<u8>,
    matched: usize,
}

/// What to do after some input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// Bytes for the container: input, and keys held back earlier that turned out to be no detach sequence.
    pub forward: Vec<u8>,
    /// The sequence is complete; input after it is dropped.
    pub detached: bool,
}

impl DetachMatcher {
    /// Takes input; holds back a beginning of the sequence until it is clear what it is.
    pub fn feed(&mut self, input: &[u8]) -> Fed {
        let mut fed = Fed { forward: Vec::with_capacity(input.len() + self.matched), detached: false };
        if self.keys.is_empty() {
            fed.forward.extend_from_slice(input);
            return fed;
        }
        for &byte in input {
            self.step(byte, &mut fed.forward);
            if self.matched == self.keys.len() {
                self.matched = 0;
                fed.detached = true;
                break;
            }
        }
        fed
    }

    fn step(&mut self, byte: u8, forward: &mut Vec<u8>) {
        // The held-back bytes are a prefix of the keys: on a mismatch the longest shorter prefix that still fits stays
        // held (`ctrl-p ctrl-p ctrl-q` must detach and pass one ctrl-p on).
        while self.keys[self.matched] != byte && self.matched > 0 {
            let held = self.matched;
            let keep = (0..held).rev().find(|&n| self.keys[..n] == self.keys[held - n..held]).unwrap_or(0);
            forward.extend_from_slice(&self.keys[..held - keep]);
            self.matched = keep;
        }
        match self.keys[self.matched] == byte {
            true => self.matched += 1,
            false => forward.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(keys: &str, chunks: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut matcher = DetachKeys::parse(keys).unwrap().matcher();
        let mut all = Vec::new();
        for chunk in chunks {
            let fed = matcher.feed(chunk);
            all.extend(fed.forward);
            if fed.detached {
                return (all, true);
            }
        }
        (all, false)
    }

    #[test]
    fn parses_keys() {
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap(), DetachKeys(vec![16, 17]));
        assert_eq!(DetachKeys::parse("a,ctrl-@,ctrl-_,ctrl-[").unwrap(), DetachKeys(vec![b'a', 0, 31, 27]));
        assert_eq!(DetachKeys::parse("").unwrap(), DetachKeys(Vec::new()));
        assert_eq!(DetachKeys::parse(DEFAULT_DETACH_KEYS).unwrap(), DetachKeys::default());
        for wrong in ["ctrl-", "ctrl-1", "ab", "a,,b", "ctrl-A", "é"] {
            assert!(DetachKeys::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn finds_the_sequence() {
        assert_eq!(run("ctrl-p,ctrl-q", &[b"ls\n\x10\x11rest"]), (b"ls\n".to_vec(), true));
        assert_eq!(run("ctrl-p,ctrl-q", &[b"a\x10", b"\x11"]), (b"a".to_vec(), true));
        assert_eq!(run("ctrl-p,ctrl-q", &[b"\x10", b"x"]), (b"\x10x".to_vec(), false));
        assert_eq!(run("ctrl-p,ctrl-q", &[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        assert_eq!(run("a,a,b", &[b"aaaab"]), (b"aa".to_vec(), true));
        assert_eq!(run("", &[b"\x10\x11"]), (b"\x10\x11".to_vec(), false));
    }
}
