//! Registries: finding, reading and storing images of any OCI distribution registry.
//!
//! Everything the environment decides (paths, proxies, certificate files) arrives in [`Env`]: only the command line
//! reads the process environment.

mod answer;
mod artifact;
mod auth;
mod blob;
mod client;
pub mod conf;
mod dns;
mod fault;
mod fetch;
mod http;
mod login;
mod options;
mod platform;
mod progress;
mod proxy;
mod pull;
mod push;
mod remote;
mod retry;
mod search;
mod select;
mod tls;

pub use artifact::{Artifact, artifact, fetch_blobs};
pub use auth::{
    Login, Place as LoginPlace, Scope as LoginScope, forget as forget_login, forget_all as forget_all_logins,
    save as save_login, stored as stored_login,
};
pub use conf::{Chooser, Registries, check_policy_of_path, check_policy_of_storage};
pub use fetch::{Fetched, download, fetch};
pub use login::check as check_login;
pub use options::{Credentials, Env, Limits, PullOptions};
pub use platform::Platform;
pub use progress::{Event, Progress, Silent};
pub use pull::{current_digest, pull, tags};
pub use push::{Compressor, ManifestFormat, Members, PushOptions, Pushed, push, push_index};
pub use remote::{Remote, member_for};
pub use search::{Found, SearchFilter, search};
pub use select::{check_platform, from_index};

#[cfg(test)]
#[path = "../../tests/common/hostile.rs"]
mod hostile;
#[cfg(test)]
mod hostile_tests;
