//! Logging in to registries and out again.

use crate::error::Result;
use crate::registry::{self, Credentials, Login, LoginPlace, LoginScope, PullOptions, Registries};

/// The registry that a login without a name means: docker's own one, or the first that short names are looked for in.
pub fn default_registry(docker: bool, options: &PullOptions) -> Result<String> {
    let search = if docker { None } else { Registries::load(&options.env)?.first_search().map(String::from) };
    Ok(search.unwrap_or_else(|| "docker.io".into()))
}

/// The login that is kept for the scope.
pub fn stored(scope: &LoginScope, options: &PullOptions) -> Result<Option<Login>> {
    registry::stored_login(scope, &Registries::load(&options.env)?, options)
}

/// Asks the registry whether it accepts the login.
///
/// # Errors
/// `Denied` when it does not.
pub fn check(scope: &LoginScope, login: &Login, options: &PullOptions) -> Result<()> {
    registry::check_login(scope, login, &Registries::load(&options.env)?, options).map(drop)
}

/// Logs in and keeps what the registry wants to see from now on: the password, or a token in its place.
///
/// # Errors
/// As [`check`]; nothing is kept then.
pub fn login(scope: &LoginScope, credentials: Credentials, docker: bool, options: &PullOptions) -> Result<LoginPlace> {
    let registries = Registries::load(&options.env)?;
    let username = credentials.username.clone();
    let login = Login::Password(credentials);
    let login = match registry::check_login(scope, &login, &registries, options)? {
        Some(token) => Login::Identity { username, token },
        None => login,
    };
    registry::save_login(scope, &login, docker, &registries, options)
}

/// Forgets the login of the scope; tells where it was.
pub fn logout(scope: &LoginScope, docker: bool, options: &PullOptions) -> Result<Vec<LoginPlace>> {
    registry::forget_login(scope, docker, &Registries::load(&options.env)?, options)
}

/// Forgets all logins.
pub fn logout_all(docker: bool, options: &PullOptions) -> Result<Vec<LoginPlace>> {
    registry::forget_all_logins(docker, options)
}
