//! What registries say when they refuse: the distribution specification's error JSON, in our words.

use super::fault::{Cause, Failure, Retry, one_line};
use super::http::Reply;
use crate::error::{Error, Kind};
use serde::Deserialize;
use std::time::Duration;

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Entry>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn parse(body: &[u8]) -> Option<Errors> {
    serde_json::from_slice(body).ok()
}

/// The first message in an error's body, fit for one line; empty when there is none.
pub fn message(body: &[u8]) -> String {
    let Some(errors) = parse(body) else { return String::new() };
    let text = match errors.errors.first() {
        Some(entry) if !entry.message.is_empty() => entry.message.clone(),
        Some(entry) => entry.code.clone(),
        None => errors.message.or(errors.details).unwrap_or_default(),
    };
    one_line(&text)
}

/// The failure that a status other than 2xx means. `with_login`: credentials were sent.
pub fn failure(reply: Reply, registry: &str, with_login: bool, retry_cap: Duration) -> Failure {
    let status = reply.status;
    let retry_after = reply.retry_after(retry_cap);
    let body = reply.error_body();
    let said = message(&body);
    let tail = if said.is_empty() { format!("status {status}") } else { format!("{said} (status {status})") };
    let retry = retry_after.map_or(Retry::Soon, Retry::After);
    match status {
        401 if with_login => Failure::new(
            Cause::Refused,
            Retry::Never,
            Error::denied(format!("{registry} does not accept the login: {tail}"))
                .hint("check --creds or the entry in the auth file; the repository may not exist or not be yours"),
        ),
        401 => Failure::new(
            Cause::Refused,
            Retry::Never,
            Error::denied(format!("{registry} asks for a login, or has no such image: {tail}"))
                .hint(format!("check the name, log in with coracle login {registry}, or give --creds USER:PASSWORD")),
        ),
        403 => Failure::new(
            Cause::Refused,
            Retry::Never,
            Error::denied(format!("{registry} refuses access: {tail}"))
                .hint("check that this login has the right to use the repository so"),
        ),
        404 => Failure::new(
            Cause::NotFound,
            Retry::Never,
            Error::not_found(format!("{registry} does not have it: {tail}")),
        ),
        416 => Failure::new(
            Cause::NoRange,
            Retry::Soon,
            Error::new(Kind::Io, format!("{registry} does not send the rest of it: {tail}")),
        ),
        429 => Failure::new(
            Cause::Answer,
            retry,
            // Not Denied: it passes, and what was fetched so far is worth keeping.
            Error::new(Kind::Io, format!("{registry} limits the rate of requests: {tail}"))
                .hint("wait, or log in: registries allow more to known users"),
        ),
        408 | 425 | 500 | 502 | 503 | 504 => {
            Failure::new(Cause::Answer, retry, Error::new(Kind::Io, format!("{registry} has a fault: {tail}")))
        }
        _ => Failure::answer(Error::new(Kind::Io, format!("{registry} answers unexpectedly: {tail}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_message_in_all_shapes() {
        for (body, want) in [
            (r#"{"errors":[{"code":"DENIED","message":"requested access is denied"}]}"#, "requested access is denied"),
            (r#"{"errors":[{"code":"DENIED"}]}"#, "DENIED"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            (r#"{"message":"a\u001b[31mb"}"#, "a [31mb"),
            ("<html>", ""),
            ("[]", ""),
        ] {
            assert_eq!(message(body.as_bytes()), want, "{body}");
        }
    }
}
