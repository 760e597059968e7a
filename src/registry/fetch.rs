//! Fetching a file by its address (`import`): no registry, but the same connections, proxies and certificates.

use super::http::{Http, Request, host, parse};
use super::options::PullOptions;
use super::tls::HostCerts;
use crate::error::{Error, Result};
use std::io::Read;

/// The body behind an http or https address, as a stream.
///
/// # Errors
/// The server can't be reached, or answers anything but 200.
pub fn fetch(url: &str, options: &PullOptions) -> Result<impl Read + Send + use<>> {
    let certs = HostCerts::load(&host(&parse(url)?), options)?;
    let reply = Http::new(certs, options.tls_verify.unwrap_or(true), options).send(url, Request::default())?;
    match reply.status {
        200 => Ok(reply.reader()),
        404 | 410 => Err(Error::not_found(format!("fetch {url}: {} does not have it", reply.host))),
        status => Err(Error::denied(format!("fetch {url}: {} answers with status {status}", reply.host))),
    }
}
