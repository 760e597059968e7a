//! Downloading one layer: bounded, watched for standstill, continued from where it broke.

use super::client::Client;
use super::fault::{self, Cause, Failure, Result, Retry};
use super::http::Reply;
use super::options::Limits;
use super::retry::Retries;
use crate::error::{Context, Error, Kind};
use crate::image::Digest;
use crate::sys::signal::interrupted;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use ureq::http::header;

/// One read; large enough that system calls don't count, small enough that several downloads stay in the cache.
const CHUNK: usize = 128 << 10;
/// An attempt that brought so many bytes was no failure to count.
const GOOD_PROGRESS: u64 = 1 << 20;

/// One blob to fetch.
pub struct Download<'a> {
    pub client: &'a Client<'a>,
    pub digest: &'a Digest,
    /// As the manifest says; neither more nor less is accepted.
    pub size: u64,
    /// For messages: `layer 0123456789ab`.
    pub name: &'a str,
    pub limits: &'a Limits,
    /// Set when going on is pointless.
    pub stop: &'a AtomicBool,
    /// Called with every gain, in bytes.
    pub received: &'a dyn Fn(u64),
}

/// How far a download is, and what is known of its server.
struct Course {
    at: u64,
    /// The server has not refused a range yet.
    ranges: bool,
    /// Strong ETag of the last answer: sent back (If-Range), it keeps parts of different contents from being joined.
    etag: Option<String>,
}

impl Download<'_> {
    /// Writes the blob into `sink` from byte `start` on (what is before is there already). The digest is the sink's to
    /// verify. Tells whether the blob was put together from several answers.
    pub fn run(&self, start: u64, sink: &mut dyn Write, mut retries: Retries<'_>) -> Result<bool> {
        let mut course = Course { at: start, ranges: true, etag: None };
        let mut continued = start > 0;
        loop {
            let began = course.at;
            let Err(failure) = self.attempt(&mut course, sink) else { return Ok(continued) };
            let at = course.at;
            continued |= at > 0;
            if at - began >= GOOD_PROGRESS {
                retries.reset();
            }
            // That was an answer too: it wants another question.
            if failure.cause == Cause::NoRange && std::mem::take(&mut course.ranges) {
                continue;
            }
            let place = match at {
                0 => format!("download {}", self.name),
                at => format!("download {}, {at} of {} bytes done", self.name, self.size),
            };
            retries.next(self.name, failure.context(place))?;
            log::debug!("continuing {} at byte {at} of {}", self.digest, self.size);
        }
    }

    fn attempt(&self, course: &mut Course, sink: &mut dyn Write) -> Result<()> {
        if course.at == self.size && self.size > 0 {
            return Ok(());
        }
        let offset = if course.ranges { course.at } else { 0 };
        let validator = course.etag.take();
        let reply = self.client.blob(self.digest, offset, validator.as_deref())?;
        // A validator that changes with each answer (or server) only costs the start again: then go without.
        if validator.is_none() || reply.status == 206 {
            course.etag = reply.header(header::ETAG).filter(|tag| tag.starts_with('"')).map(String::from);
        }
        let at = &mut course.at;
        let host = reply.host.clone();
        let mut skip = checked_offset(&reply, *at, self.size)?;
        let mut reader = reply.reader();
        let mut buffer = vec![0u8; CHUNK];
        let (mut window, mut in_window) = (Instant::now(), 0u64);
        loop {
            if self.stop.load(Ordering::Relaxed) || interrupted() {
                return Err(stopped());
            }
            let n = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(fault::io_failure(e, &host)),
            };
            // A server that knows no ranges sends the start again.
            let again = skip.min(n as u64);
            skip -= again;
            let fresh = &buffer[again as usize..n];
            if *at + fresh.len() as u64 > self.size {
                return Err(wrong_size(&host, "more", self.size));
            }
            sink.write_all(fresh).context("store it").map_err(Failure::from)?;
            *at += fresh.len() as u64;
            if !fresh.is_empty() {
                (self.received)(fresh.len() as u64);
            }
            in_window += n as u64;
            if window.elapsed() >= self.limits.slow {
                if in_window < Limits::MIN_BYTES {
                    let error = Error::new(
                        Kind::Io,
                        format!("talk to {host}: only {in_window} bytes in {} s", window.elapsed().as_secs()),
                    );
                    return Err(Failure::new(
                        Cause::Broken,
                        Retry::Soon,
                        error.hint("check the network on the way to it"),
                    ));
                }
                (window, in_window) = (Instant::now(), 0);
            }
        }
        if *at < self.size {
            let error = Error::new(Kind::Io, format!("talk to {host}: the connection was cut"));
            return Err(Failure::new(Cause::Broken, Retry::Soon, error));
        }
        Ok(())
    }
}

/// How many bytes of the body to skip; refuses answers that can't be the wanted blob before reading them.
fn checked_offset(reply: &Reply, at: u64, size: u64) -> Result<u64> {
    let length = reply.length();
    if reply.status == 206 {
        let range = reply.header(header::CONTENT_RANGE).and_then(content_range);
        return match range {
            Some((start, total)) if start == at && total.is_none_or(|t| t == size) => Ok(0),
            _ => {
                let error =
                    Error::new(Kind::Io, format!("continue the download from {}: it sends another range", reply.host));
                Err(Failure::answer(error))
            }
        };
    }
    match length {
        Some(n) if n > size => Err(wrong_size(&reply.host, "more", size)),
        Some(n) if n < size => Err(wrong_size(&reply.host, "fewer", size)),
        _ => Ok(at),
    }
}

/// `bytes 5-9/10` → (5, Some(10)); the total may be `*`.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.parse().ok()?, total))
}

fn wrong_size(host: &str, how: &str, size: u64) -> Failure {
    let error = Error::denied(format!("verify the size: {host} sends {how} than the {size} bytes of the manifest"))
        .hint("the registry, a proxy or a mirror on the way serves damaged or forged data");
    Failure::answer(error)
}

/// Ends a download because another one failed, or because the user wants it; never shown.
fn stopped() -> Failure {
    Failure::new(Cause::Local, Retry::Never, Error::new(Kind::Interrupted, "stop the download"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for bad in ["", "bytes", "bytes */10", "items 5-9/10", "bytes 5-9"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
