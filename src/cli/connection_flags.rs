//! The flags of every command that talks to a registry.

use super::registry_flags::delay;
use crate::error::Result;
use crate::registry::{Credentials, Env, Limits, PullOptions};
use std::path::PathBuf;

/// Flatten into a command's arguments with `#[command(flatten)]`.
#[derive(clap::Args, Debug, Default)]
pub struct ConnectionFlags {
    /// File with registry credentials
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// Credentials for the registry
    #[arg(long, value_name = "USER:PASSWORD")]
    pub creds: Option<String>,
    /// Directory with certificates and keys for the registry
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,
    /// Require HTTPS and verify certificates
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub tls_verify: Option<bool>,
    /// How often to retry after a failure
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub retry: u32,
    /// Wait between retries, such as 2s or 1m (default: doubling from 1s)
    #[arg(long, value_name = "DURATION")]
    pub retry_delay: Option<String>,
}

/// The part of the process environment that registries depend on.
pub fn environment() -> Env {
    Env::from_lookup(|name| std::env::var(name).ok())
}

impl ConnectionFlags {
    /// The flags and the process environment as the engine wants them.
    pub fn options(&self) -> Result<PullOptions> {
        Ok(PullOptions {
            platform: None,
            credentials: self.creds.as_deref().map(Credentials::parse).transpose()?,
            authfile: self.authfile.clone(),
            cert_dir: self.cert_dir.clone(),
            tls_verify: self.tls_verify,
            retries: self.retry,
            retry_delay: self.retry_delay.as_deref().map(delay).transpose()?,
            limits: Limits::default(),
            choose: None,
            env: environment(),
        })
    }
}
