//! Fetching a file by its address: no registry, but the same connections, proxies and certificates.

use super::fault::Failure;
use super::http::{Http, Request, host, parse};
use super::options::PullOptions;
use super::progress::Silent;
use super::retry::Retries;
use super::tls::HostCerts;
use crate::error::{Context, Error, Kind, Result};
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::AtomicBool;

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

/// Largest file, in bytes.
const MAX_FILE: u64 = 128 << 30;

/// What the server says about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Last-Modified, in seconds since 1970.
    pub modified: Option<i64>,
    pub size: u64,
}

/// Writes what `url` (http or https) has into the empty file `out`; tries again as the options say. Credentials are not
/// sent.
///
/// # Errors
/// NotFound where the server has no such file, Denied where it refuses, Io where the line fails.
pub fn download(url: &str, options: &PullOptions, out: &mut std::fs::File) -> Result<Fetched> {
    let uri = parse(url)?;
    let certs = HostCerts::load(&host(&uri), options)?;
    let http = Http::new(certs, options.tls_verify != Some(false), options);
    let stop = AtomicBool::new(false);
    let mut retries = Retries::new(options, &Silent, &stop);
    loop {
        match once(&http, url, out) {
            Ok(fetched) => return Ok(fetched),
            Err(failure) => retries.next("fetch", failure).map_err(|f| f.error.context(format!("fetch {url}")))?,
        }
    }
}

fn once(http: &Http, url: &str, out: &mut std::fs::File) -> Result<Fetched, Failure> {
    let local = |e: Error| Failure::answer(e);
    out.set_len(0).and_then(|()| out.seek(SeekFrom::Start(0)).map(drop)).context("empty the file").map_err(local)?;
    let reply = http.send(url, Request::default())?;
    let kind = match reply.status {
        200 => None,
        404 | 410 => Some(Kind::NotFound),
        401 | 403 => Some(Kind::Denied),
        _ => Some(Kind::Io),
    };
    if let Some(kind) = kind {
        return Err(Failure::answer(Error::new(kind, format!("{} answers with status {}", reply.host, reply.status))));
    }
    let modified = reply.header("last-modified").and_then(|t| jiff::fmt::rfc2822::parse(t).ok());
    let modified = modified.map(|t| t.timestamp().as_second());
    let (stated, host) = (reply.length(), reply.host.clone());
    let mut reader = reply.reader().take(MAX_FILE + 1);
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        let n = reader.read(&mut buffer).map_err(|e| super::fault::io_failure(e, &host))?;
        if n == 0 {
            break;
        }
        out.write_all(&buffer[..n]).context("write the file").map_err(local)?;
        size += n as u64;
    }
    if size > MAX_FILE || stated.is_some_and(|stated| stated != size) {
        let error = Error::denied(format!("{host} sent {size} bytes, {} were announced", stated.unwrap_or(MAX_FILE)));
        return Err(Failure::answer(error));
    }
    Ok(Fetched { modified, size })
}
