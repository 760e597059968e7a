//! Registries: finding, reading and storing images of any OCI distribution registry.
//!
//! Everything the environment decides (paths, proxies, certificate files) arrives in [`Env`]: only the command line
//! reads the process environment.

mod answer;
mod auth;
mod blob;
mod client;
pub mod conf;
mod dns;
mod fault;
mod http;
mod options;
mod platform;
mod progress;
mod pull;
mod push;
mod retry;
mod select;
mod tls;

pub use conf::Registries;
pub use options::{Credentials, Env, Limits, PullOptions};
pub use platform::Platform;
pub use progress::{Event, Progress, Silent};
pub use pull::{current_digest, pull, tags};
pub use push::{Compressor, ManifestFormat, PushOptions, Pushed, push, push_index};

#[cfg(test)]
#[path = "../../tests/common/hostile.rs"]
mod hostile;
#[cfg(test)]
mod hostile_tests;
