//! A finished command, with checks that show the whole of it when they fail.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A finished command whose exit code nobody has looked at yet.
#[must_use = "check the exit code with success(), fails() or code()"]
#[derive(Debug)]
pub struct Ran(Output);

impl std::ops::Deref for Ran {
    type Target = Output;
    fn deref(&self) -> &Output {
        &self.0
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug)]
pub struct Output {
    pub command: String,
    /// 128+signal where a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stdout_bytes: Vec<u8>,
    pub stderr: String,
    pub time: Duration,
}

/// Runs a command with `stdin` as its input; a command that outlives `patience` fails the test.
pub fn finish(command: &mut Command, stdin: &[u8], patience: Duration) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
    let begin = Instant::now();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let name = words.map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let mut child = command.spawn().unwrap_or_else(|e| panic!("start {name}: {e}"));
    let pipe = child.stdin.take();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (status, stdout_bytes, stderr) = std::thread::scope(|scope| {
        // Written beside the reading, as a shell pipeline does; the reader may well close early.
        scope.spawn(move || pipe.map(|mut p| p.write_all(stdin)));
        let out = scope.spawn(move || read(out));
        let err = scope.spawn(move || read(err));
        let mut kill = true;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > patience && kill {
                eprintln!("TIMEOUT after {patience:?}: {name}");
                child.kill().unwrap();
                kill = false;
            }
            std::thread::sleep(Duration::from_millis(if begin.elapsed().as_millis() < 200 { 2 } else { 10 }));
        };
        // A detached container must not keep the caller's pipes open: that would hang every `$(coracle run -d …)`.
        let end = Instant::now() + Duration::from_secs(10);
        while !(out.is_finished() && err.is_finished()) {
            assert!(Instant::now() < end, "something still holds the output of {name} 10 s after its end");
            std::thread::sleep(Duration::from_millis(1));
        }
        (status, out.join().unwrap(), err.join().unwrap())
    });
    Ran(Output {
        command: name,
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&stdout_bytes).into_owned(),
        stdout_bytes,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        time: begin.elapsed(),
    })
}

fn read(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    bytes
}

impl Ran {
    #[track_caller]
    pub fn success(self) -> Output {
        self.code(0)
    }

    #[track_caller]
    pub fn code(self, expected: i32) -> Output {
        assert!(self.code == expected, "expected exit code {expected}, got {self}");
        self.0
    }

    /// Fails with `code` and exactly one line on stderr that names all of `words`; nothing on stdout.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Output {
        let out = self.code(code);
        let lines: Vec<&str> = out.stderr.lines().filter(|l| !l.starts_with("note: ")).collect();
        assert!(lines.len() == 1, "expected one line of error from {out}");
        for word in words {
            assert!(lines[0].contains(word), "expected '{word}' in the error of {out}");
        }
        assert!(out.stdout.is_empty(), "expected nothing on stdout from {out}");
        out
    }
}

impl Output {
    /// The only line of stdout.
    #[track_caller]
    pub fn line(&self) -> String {
        let mut lines = self.stdout.lines();
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.to_string(),
            _ => panic!("expected one line on stdout from {self}"),
        }
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in the output of {self}"))
    }

    #[track_caller]
    pub fn has(self, text: &str) -> Output {
        assert!(self.stdout.contains(text), "expected '{text}' on stdout of {self}");
        self
    }

    #[track_caller]
    pub fn err_has(self, text: &str) -> Output {
        assert!(self.stderr.contains(text), "expected '{text}' on stderr of {self}");
        self
    }

    /// Stdout is exactly this.
    #[track_caller]
    pub fn prints(self, text: &str) -> Output {
        assert!(self.stdout == text, "expected {text:?} on stdout of {self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |s: &str| match s.char_indices().nth(4000) {
            Some((end, _)) => format!("{}… ({} bytes)", &s[..end], s.len()),
            None => s.to_string(),
        };
        write!(f, "{}\n--- exit code {} after {:?}\n", self.command, self.code, self.time)?;
        write!(f, "--- stdout\n{}\n--- stderr\n{}", short(&self.stdout), short(&self.stderr))
    }
}
