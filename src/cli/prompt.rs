//! Questions at the terminal.

use super::term::{RawGuard, is_terminal};
use crate::error::{Context, Error, Kind, Result};
use crate::registry::Chooser;
use std::io::{BufRead, Read, Write};

/// The longest answer that is taken.
const MAX_ANSWER: usize = 64 << 10;

/// Whether somebody is there to answer.
pub fn possible() -> bool {
    is_terminal(std::io::stdin())
}

/// Asks for a line, which is shown as it is typed.
pub fn line(question: &str) -> Result<String> {
    ask(question);
    let mut answer = String::new();
    let n = std::io::stdin().lock().take(MAX_ANSWER as u64).read_line(&mut answer).context("read the answer")?;
    if n == 0 {
        return Err(Error::new(Kind::Interrupted, "read the answer: there is none"));
    }
    Ok(answer.trim().to_string())
}

/// How to ask which registry a short name means, if somebody is there to answer.
pub fn for_registry() -> Option<Chooser> {
    (possible() && is_terminal(std::io::stdout())).then_some(Chooser(registry))
}

fn registry(name: &str, candidates: &[String]) -> Result<usize> {
    let list = candidates.iter().enumerate().map(|(i, c)| format!("  {}  {c}\n", i + 1)).collect::<String>();
    ask(&format!("{name} may be in several registries:\n{list}"));
    loop {
        let answer = line(&format!("Which one is meant? [1-{}] ", candidates.len()))?;
        if let Some(index) = chosen(&answer, candidates) {
            return Ok(index);
        }
    }
}

/// A number of the list, one of its names, or nothing for the first.
fn chosen(answer: &str, candidates: &[String]) -> Option<usize> {
    match answer.parse::<usize>() {
        Ok(number) => number.checked_sub(1).filter(|index| *index < candidates.len()),
        Err(_) if answer.is_empty() => Some(0),
        Err(_) => candidates.iter().position(|name| name == answer),
    }
}

/// Asks for a secret, which is not shown. Ctrl-C ends the question, with the terminal as it was.
pub fn secret(question: &str) -> Result<String> {
    // Before the question: who answers at once is not to be shown, and their Ctrl-C is ours.
    let guard = RawGuard::new(std::io::stdin())?;
    ask(question);
    let answer = typed(std::io::stdin().lock(), || guard.suspend());
    drop(guard);
    ask("\n");
    answer
}

fn ask(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// A line from a terminal in raw mode, with the editing keys of the usual one.
fn typed(mut keys: impl Read, suspend: impl Fn() -> Result<()>) -> Result<String> {
    let interrupted = || Error::new(Kind::Interrupted, "read the password: interrupted");
    let mut answer: Vec<u8> = Vec::new();
    loop {
        let mut key = [0u8];
        if keys.read(&mut key).context("read the password")? == 0 {
            return Err(interrupted());
        }
        match key[0] {
            b'\r' | b'\n' => break,
            // Ctrl-C, Ctrl-\, and Ctrl-D before anything was typed.
            0x03 | 0x1c => return Err(interrupted()),
            0x04 if answer.is_empty() => return Err(interrupted()),
            0x04 => break,
            0x1a => suspend()?,
            // Ctrl-U.
            0x15 => answer.clear(),
            0x08 | 0x7f => {
                // A whole character of several bytes.
                while answer.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            byte if answer.len() < MAX_ANSWER => answer.push(byte),
            _ => {}
        }
    }
    String::from_utf8(answer).map_err(|_| Error::user("read the password: it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_a_choice() {
        let names = ["quay.io/x:latest".to_string(), "docker.io/library/x:latest".to_string()];
        for (answer, want) in
            [("", Some(0)), ("2", Some(1)), ("0", None), ("3", None), ("quay.io/x:latest", Some(0)), ("no", None)]
        {
            assert_eq!(chosen(answer, &names), want, "{answer:?}");
        }
    }

    #[test]
    fn editing_keys() {
        let read = |keys: &str| typed(keys.as_bytes(), || Ok(()));
        assert_eq!(read("secret\r").unwrap(), "secret");
        assert_eq!(read("sex\x7fcreé\x7ft\n").unwrap(), "secret");
        assert_eq!(read("wrong\x15right\r").unwrap(), "right");
        assert_eq!(read("end\x04").unwrap(), "end");
        for ended in ["abc\x03", "\x04", "no end"] {
            assert_eq!(read(ended).unwrap_err().kind, Kind::Interrupted, "{ended:?}");
        }
    }
}
