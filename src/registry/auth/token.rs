//! Bearer tokens (distribution's token and oauth specifications).

use super::{Challenge, Login, basic};
use crate::error::{Error, Kind};
use crate::registry::fault::{Failure, Result, one_line};
use crate::registry::http::{Http, Request, parse};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// A token and when to get another.
#[derive(Clone, Debug)]
pub struct Token {
    /// The whole Authorization header.
    pub header: String,
    pub expires: Instant,
    /// What a login leaves behind instead of the password, if it was asked for and the server gives such.
    pub refresh: Option<String>,
}

/// Without `expires_in` a token lives 60 s (token specification).
const DEFAULT_LIFE: u64 = 60;
/// Renewed so long before its end, so that it does not expire on the way.
const MARGIN: Duration = Duration::from_secs(5);
/// Tokens of some registries are large (signed JSON with many claims).
const MAX_ANSWER: u64 = 1 << 20;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Token {
    /// Gets the token that `challenge` asks for; `scope` is used where it names none. `offline`: ask for a
    /// refresh token too.
    pub fn fetch(
        http: &Http,
        challenge: &Challenge,
        scope: &str,
        login: Option<&Login>,
        may_be_plain: bool,
        offline: bool,
    ) -> Result<Token> {
        let realm = challenge.get("realm").ok_or_else(|| {
            Failure::answer(Error::denied("log in: the registry names no token server (no realm in its challenge)"))
        })?;
        let uri = parse(realm).map_err(|e| e.context("log in at the token server"))?;
        if uri.scheme_str() != Some("https") && !may_be_plain {
            let error = Error::denied(format!("log in at {}: the token server is not HTTPS", one_line(realm)));
            return Err(Failure::answer(error));
        }
        let mut query = Vec::new();
        if let Some(service) = challenge.get("service") {
            query.push(format!("service={}", escape(service)));
        }
        for scope in challenge.get("scope").unwrap_or(scope).split(' ').filter(|s| !s.is_empty()) {
            query.push(format!("scope={}", escape(scope)));
        }
        let reply = match login {
            Some(Login::Identity { token: refresh, .. }) => {
                query.push("grant_type=refresh_token&client_id=coracle".into());
                query.push(format!("refresh_token={}", escape(refresh)));
                http.send(realm, Request { form: Some(&query.join("&")), ..Request::default() })?
            }
            other => {
                if offline {
                    query.push("offline_token=true&client_id=coracle".into());
                }
                let separator = if realm.contains('?') { '&' } else { '?' };
                let url = format!("{realm}{separator}{}", query.join("&"));
                let authorization = match other {
                    Some(Login::Password(credentials)) => Some(basic(credentials)),
                    _ => None,
                };
                http.send(&url, Request { authorization: authorization.as_deref(), ..Request::default() })?
            }
        };
        let host = reply.host.clone();
        if reply.status != 200 {
            return Err(refused(reply.status, &host, login.is_some(), reply.error_body()));
        }
        let bytes = reply.bytes(MAX_ANSWER, "the token")?;
        let bad = || Failure::answer(Error::denied(format!("log in at {host}: its answer holds no token")));
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        let token = answer.token.or(answer.access_token).filter(|t| !t.is_empty()).ok_or_else(bad)?;
        if token.bytes().any(|b| b.is_ascii_control()) {
            return Err(bad());
        }
        let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(1, 24 * 3600));
        let expires = Instant::now() + life.saturating_sub(MARGIN);
        let refresh = answer.refresh_token.filter(|t| offline && !t.is_empty());
        Ok(Token { header: format!("Bearer {token}"), expires, refresh })
    }
}

fn refused(status: u16, host: &str, with_login: bool, body: Vec<u8>) -> Failure {
    use crate::registry::fault::{Cause, Retry};
    let said = crate::registry::answer::message(&body);
    let said = if said.is_empty() { format!("status {status}") } else { said };
    match status {
        401 | 403 if with_login => Failure::new(
            Cause::Refused,
            Retry::Never,
            Error::denied(format!("log in at {host}: the user name or password is not accepted ({said})"))
                .hint("check --creds, or the entry in the auth file"),
        ),
        429 | 500.. => {
            Failure::new(Cause::Answer, Retry::Soon, Error::new(Kind::Io, format!("log in at {host}: {said}")))
        }
        _ => Failure::new(
            Cause::Refused,
            Retry::Never,
            Error::denied(format!("log in at {host}: {said}")).hint("give credentials with --creds or an auth file"),
        ),
    }
}

/// Percent-encodes for a query or a form (everything but RFC 3986's unreserved characters).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_queries() {
        assert_eq!(escape("repository:a/b:pull,push x&y=ü"), "repository%3Aa%2Fb%3Apull%2Cpush%20x%26y%3D%C3%BC");
    }
}
