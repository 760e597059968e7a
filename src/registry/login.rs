//! Whether a registry accepts a login.

use super::auth::{Login, Scope};
use super::client::Client;
use super::conf::{Registries, Source};
use super::fault::Cause;
use super::options::PullOptions;
use super::progress::Silent;
use super::retry::Retries;
use crate::error::{Error, Result};
use std::sync::atomic::AtomicBool;

/// Shows the login to the registry. `Some` is a token that the registry wants to see in the password's place from now
/// on.
///
/// # Errors
/// `Denied` when it is not accepted; `Io` and others when the registry can't be asked.
pub fn check(scope: &Scope, login: &Login, registries: &Registries, options: &PullOptions) -> Result<Option<String>> {
    let stop = AtomicBool::new(false);
    let insecure = registries.is_insecure(&scope.domain);
    let source = Source { domain: scope.domain.clone(), path: scope.path.clone(), insecure, mirror: false };
    let ask = || {
        let client = Client::connect(source.clone(), registries, options)?.for_login(login.clone());
        client.ping()?;
        Ok(client.refresh_token())
    };
    Retries::new(options, &Silent, &stop).run("the registry", ask).map_err(|f| {
        let doing = format!("log in to {}", scope.domain);
        match f.cause {
            Cause::Refused => {
                let said = f.error.context.last().cloned().unwrap_or_default();
                Error::denied(format!("{doing}: the user name or password is not accepted ({said})"))
            }
            Cause::NotFound => Error::user(format!("{doing}: it is no container registry"))
                .hint("give the host that images are pulled from"),
            _ => f.error.context(doing),
        }
    })
}
