//! Credential helpers: `docker-credential-NAME get|store|erase` (docker's credential-helpers protocol).

use super::Login;
use crate::error::{Context, Error, Result};
use crate::registry::fault::one_line;
use crate::registry::options::Credentials;
use serde::Deserialize;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

const PREFIX: &str = "docker-credential-";
/// The user name that stands for an identity token.
const TOKEN: &str = "<token>";
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
        let _ = stdin.write_all(input);
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
    Ok(Some(text))
}
