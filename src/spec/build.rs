//! Flags + image config → config and spec.

use super::model::Spec;
use super::request::{Host, ImageInfo, RunRequest};
use crate::error::{Error, Result};
use crate::state::container::Config;

/// What becomes of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    pub config: Config,
    pub spec: Spec,
    /// One line each, for stderr.
    pub warnings: Vec<String>,
}

/// Gives the request its meaning. Pure: the same input gives the same container.
///
/// # Errors
/// `Kind::User` with one line that names the flag and the value that is wrong.
pub fn build(_request: &RunRequest, _image: &ImageInfo, _host: &Host) -> Result<Built> {
    Err(Error::unsupported("build the container's spec: not built yet"))
}
