//! Credential helpers: `docker-credential-NAME get` (docker's credential-helpers protocol).

use super::Login;
use crate::error::{Context, Error, Result};
use crate::registry::fault::one_line;
use crate::registry::options::Credentials;
use serde::Deserialize;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Bytes of a helper's answer that are read.
const MAX_ANSWER: u64 = 1 << 20;

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
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(Error::user(format!("use credential helper '{}': the name is malformed", one_line(name))));
    }
    let program = format!("docker-credential-{name}");
    let run = || format!("run credential helper {program}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(run)
        .map_err(|e| match e.errno {
            Some(libc::ENOENT) => e.hint("install it, or remove it from the auth file that names it"),
            _ => e,
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that exits without reading is judged by its exit code.
        let _ = stdin.write_all(server.as_bytes());
    }
    let mut text = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(MAX_ANSWER).read_to_end(&mut text),
        None => Ok(0),
    };
    let status = child.wait().with_context(run)?;
    read.with_context(run)?;
    if !status.success() {
        let text = one_line(&String::from_utf8_lossy(&text));
        // The protocol has no code for "unknown": docker compares this text too.
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(Error::denied(format!("{}: {text}", run())));
    }
    let answer: Answer =
        serde_json::from_slice(&text).map_err(|_| Error::denied(format!("{}: its answer is not JSON", run())))?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => Login::Identity(answer.secret),
        _ => Login::Password(Credentials { username: answer.username, password: answer.secret }),
    }))
}
