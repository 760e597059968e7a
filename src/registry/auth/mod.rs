//! Who we are to a registry: logins from flags, files and helpers; basic and bearer authorization.

mod challenge;
mod files;
mod helper;
mod save;
mod token;

pub use challenge::Challenge;
pub use save::{Place, Scope, forget, forget_all, save, stored};
pub use token::{Token, escape};

use super::conf::Registries;
use super::options::{Credentials, PullOptions};
use crate::error::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a user has for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Password(Credentials),
    /// A refresh token that a login left behind instead of the password.
    Identity {
        username: String,
        token: String,
    },
}

impl Login {
    /// Whose it is; `<token>` where a credential helper does not say.
    pub fn username(&self) -> &str {
        match self {
            Login::Password(credentials) => &credentials.username,
            Login::Identity { username, .. } => username,
        }
    }

    /// The login for `domain/path`; `--creds` wins over helpers and files.
    pub fn find(domain: &str, path: &str, registries: &Registries, options: &PullOptions) -> Result<Option<Login>> {
        if let Some(credentials) = &options.credentials {
            return Ok(Some(Login::Password(credentials.clone())));
        }
        for helper in registries.credential_helpers() {
            // containers-registries.conf(5): this name stands for the auth files.
            let found = match helper {
                "containers-auth.json" => files::lookup(domain, path, options)?,
                name => helper::get(name, domain)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// The Authorization header of the basic scheme (RFC 7617).
pub fn basic(credentials: &Credentials) -> String {
    let text = format!("{}:{}", credentials.username, credentials.password);
    format!("Basic {}", STANDARD.encode(text))
}
