//! `coracle login`.

use super::connection_flags::environment;
use super::{Cx, Personality, output, prompt};
use crate::engine::login;
use crate::error::{Context, Error, Result};
use crate::registry::{Credentials, LoginScope, PullOptions};
use std::io::Read;
use std::path::PathBuf;

/// Log in to a registry.
///
/// The login is checked with the registry and kept where you keep others: in a credential helper, docker's config.json
/// or auth.json. A name with a path (quay.io/team) logs in for that part of the registry only.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// User name
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Password; others on this machine can see it: prefer --password-stdin
    #[arg(short, long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    /// Print the user name of the login that is kept, and do nothing else
    #[arg(long)]
    get_login: bool,
    /// Keep the login in this file
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Directory with certificates and keys for the registry
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Require HTTPS and verify certificates
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    tls_verify: Option<bool>,
    /// Registry, as HOST[:PORT][/NAMESPACE] (default: the first of registries.conf, or docker.io)
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

/// Bytes of a password on standard input.
const MAX_PASSWORD: u64 = 64 << 10;

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let options = PullOptions {
        authfile: args.authfile.clone(),
        cert_dir: args.cert_dir.clone(),
        tls_verify: args.tls_verify,
        env: environment(),
        ..PullOptions::default()
    };
    let registry = match &args.registry {
        Some(registry) => registry.clone(),
        None => login::default_registry(docker, &options)?,
    };
    let scope = LoginScope::parse(&registry)?;
    let stored = login::stored(&scope, &options);
    if args.get_login {
        return match stored? {
            Some(login) => output::line(login.username()).map(|()| 0),
            None => Err(Error::not_found(format!("find a login for {scope}: you are not logged in"))
                .hint(format!("coracle login {scope}"))),
        };
    }
    // A helper or file that fails is no reason not to log in anew.
    let stored = stored.ok().flatten();
    if let Some(login) = &stored
        && args.username.is_none()
        && args.password.is_none()
        && !args.password_stdin
    {
        match login::check(&scope, login, &options) {
            Ok(()) => {
                output::line(&format!("Already logged in to {scope} as {}", login.username()))?;
                return Ok(0);
            }
            Err(e) if prompt::possible() => eprintln!("The login that is kept for {scope} is not valid any more: {e}"),
            Err(e) => return Err(e),
        }
    }
    let known = stored.as_ref().map_or("", |login| login.username());
    let credentials = credentials(&args, &scope, known)?;
    let place = login::login(&scope, credentials, docker, &options)?;
    eprintln!("Kept in {place}");
    output::line(if docker { "Login Succeeded" } else { "Login Succeeded!" })?;
    Ok(0)
}

fn credentials(args: &Args, scope: &LoginScope, known: &str) -> Result<Credentials> {
    let nobody = || {
        Error::user(format!("log in to {scope}: there is no terminal to ask for the user name and password at"))
            .hint("use --username USER --password-stdin")
    };
    let username = match &args.username {
        Some(username) => username.clone(),
        None if args.password_stdin => {
            return Err(Error::user("use --password-stdin without --username").hint("give --username USER too"));
        }
        None if !prompt::possible() => return Err(nobody()),
        None => {
            let shown = if known.is_empty() { String::new() } else { format!(" ({known})") };
            let answer = prompt::line(&format!("Username{shown}: "))?;
            if answer.is_empty() { known.to_string() } else { answer }
        }
    };
    if username.is_empty() || username.contains(':') {
        return Err(Error::user(format!("log in to {scope}: the user name is empty or has a colon")));
    }
    let password = if args.password_stdin {
        let mut text = String::new();
        std::io::stdin().take(MAX_PASSWORD).read_to_string(&mut text).context("read the password")?;
        text.trim_end_matches(['\n', '\r']).to_string()
    } else if let Some(password) = &args.password {
        output::warn("a password on the command line can be seen by others; use --password-stdin");
        password.clone()
    } else if prompt::possible() {
        prompt::secret("Password: ")?
    } else {
        return Err(nobody());
    };
    if password.is_empty() {
        return Err(Error::user(format!("log in to {scope}: the password is empty")));
    }
    Ok(Credentials { username, password })
}
