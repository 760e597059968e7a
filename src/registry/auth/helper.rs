//! Credential helpers: `docker-credential-NAME get|store|erase` (docker's credential-helpers protocol).

use super::Login;
use crate::error::{Context, Error, Result};
use crate::registry::fault::one_line;
use crate::registry::options::Credentials;
use crate::sys::signal::interrupted;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Deserialize;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PREFIX: &str = "docker-credential-";
/// The user name that stands for an identity token.
const TOKEN: &str = "<token>";
/// Bytes of a helper's answer that are read.
const MAX_ANSWER: usize = 1 << 20;
/// How long a helper may take: it may have to ask for a passphrase.
const PATIENCE: Duration = Duration::from_secs(300);
/// After how long it is said who is waited for.
const QUIET: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks the helper `name` for the login at `server`; `None` when it knows none.
pub fn get(name: &str, server: &str) -> Result<Option<Login>> {
    let Some(text) = run(name, "get", server.as_bytes())? else { return Ok(None) };
    let answer: Answer = serde_json::from_slice(&text)
        .map_err(|_| Error::denied(format!("run credential helper {PREFIX}{name}: its answer is not JSON")))?;
    Ok(Some(match answer.username.as_str() {
        TOKEN => Login::Identity { username: TOKEN.into(), token: answer.secret },
        _ => Login::Password(Credentials { username: answer.username, password: answer.secret }),
    }))
}

/// Has the helper keep the login.
pub fn store(name: &str, server: &str, login: &Login) -> Result<()> {
    let (username, secret) = match login {
        Login::Password(credentials) => (credentials.username.as_str(), credentials.password.as_str()),
        Login::Identity { token, .. } => (TOKEN, token.as_str()),
    };
    let input = serde_json::json!({"ServerURL": server, "Username": username, "Secret": secret});
    run(name, "store", input.to_string().as_bytes()).map(drop)
}

/// Has the helper forget the login; whether it knew one.
pub fn erase(name: &str, server: &str) -> Result<bool> {
    run(name, "erase", server.as_bytes()).map(|answer| answer.is_some())
}

/// Runs `docker-credential-NAME VERB`; `None` when it says that it has no such login.
fn run(name: &str, verb: &str, input: &[u8]) -> Result<Option<Vec<u8>>> {
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(Error::user(format!("use credential helper '{}': the name is malformed", one_line(name))));
    }
    let program = format!("{PREFIX}{name}");
    let run = || format!("run credential helper {program}");
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(question(input).with_context(run)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(run)
        .map_err(|e| match e.errno {
            Some(libc::ENOENT) => e.hint("install it, or remove it from the auth file that names it"),
            _ => e,
        })?;
    let answer = read(&mut child, &program, PATIENCE);
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().with_context(run)?;
    let text = answer.map_err(|e| e.context(run()))?;
    if !status.success() {
        let text = one_line(&String::from_utf8_lossy(&text));
        // The protocol has no code for "unknown": docker compares this text too.
        if text.contains("credentials not found") {
            return Ok(None);
        }
        let text = if text.is_empty() { status.to_string() } else { text };
        return Err(Error::denied(format!("{}: {text}", run())));
    }
    Ok(Some(text))
}

/// What a helper is asked, as a file in memory: one that exits without reading is judged by its exit code, where a pipe
/// would end us with SIGPIPE.
fn question(input: &[u8]) -> Result<File> {
    let mut file = File::from(memfd_create("coracle-helper", MemfdFlags::CLOEXEC).context("make a memfd")?);
    file.write_all(input).and_then(|()| file.rewind()).context("write to a memfd")?;
    Ok(file)
}

/// What the helper prints until it ends. It may have children that keep its output open (gpg-agent).
fn read(child: &mut Child, program: &str, patience: Duration) -> Result<Vec<u8>> {
    let mut stdout = child.stdout.take().ok_or_else(|| Error::bug("a helper without output"))?;
    let pid = Pid::from_child(child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("watch it")?;
    let begin = Instant::now();
    let (mut text, mut open, mut told) = (Vec::new(), true, false);
    let mut buffer = [0; 16 << 10];
    loop {
        let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN)];
        if open {
            fds.push(PollFd::new(&stdout, PollFlags::IN));
        }
        let wait = if told { patience.saturating_sub(begin.elapsed()) } else { QUIET.min(patience) };
        let timeout = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) if told => {
                let error = Error::denied(format!("it does not answer within {} s", patience.as_secs()));
                return Err(error.hint("see what it waits for, or remove it from the auth file that names it"));
            }
            Ok(0) => {
                // It may ask for a passphrase in another window.
                log::warn!("waiting for {program}, which keeps the credentials");
                told = true;
                continue;
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) if !interrupted() => continue,
            Err(e) => return Err(crate::error::IntoError::context(e, "wait for it")),
        }
        let ended = !fds[0].revents().is_empty();
        if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
            let n = stdout.read(&mut buffer).context("read its answer")?;
            text.extend_from_slice(&buffer[..n]);
            open = n > 0;
            if text.len() > MAX_ANSWER {
                return Err(Error::denied(format!("its answer is longer than {MAX_ANSWER} bytes")));
            }
        } else if ended {
            return Ok(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(script: &str, patience: Duration) -> Result<Vec<u8>> {
        let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let answer = read(&mut child, "sh", patience);
        let _ = child.kill();
        child.wait().unwrap();
        answer
    }

    #[test]
    fn helpers_that_misbehave_end() {
        assert_eq!(answer("printf a; exec >&-; printf b", PATIENCE).unwrap(), b"a");
        // A child of its own keeps the pipe.
        assert_eq!(answer("sleep 1000 & echo $!", PATIENCE).map(|pid| kill(&pid)).unwrap(), ());
        let e = answer("exec head -c 3000000 /dev/zero", PATIENCE).unwrap_err();
        assert!(e.to_string().contains("longer than"), "{e}");
        let e = answer("exec sleep 1000", Duration::ZERO).unwrap_err();
        assert!(e.to_string().contains("does not answer"), "{e}");
    }

    fn kill(pid: &[u8]) {
        let pid: i32 = std::str::from_utf8(pid).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    }
}
