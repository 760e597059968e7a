//! Registries: finding, reading and storing images of any OCI distribution registry.
//!
//! Everything the environment decides (paths, proxies, certificate files) arrives in [`Env`]: only the command line
//! reads the process environment.

mod options;
mod platform;
mod progress;

pub use options::{Credentials, Env, PullOptions};
pub use platform::Platform;
pub use progress::{Event, Progress, Silent};
