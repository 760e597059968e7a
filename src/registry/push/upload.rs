//! Bringing one blob into a repository: found there, mounted from another one, or uploaded; continued after a cut
//! (distribution-spec 1.1, "Pushing blobs").

use super::data::Data;
use super::wire::Sending;
use crate::error::{Error, Kind};
use crate::image::Digest;
use crate::registry::client::Client;
use crate::registry::fault::{Cause, Failure, Result, Retry};
use crate::registry::http::{Reply, join, parse};
use crate::registry::retry::Retries;
use std::cell::OnceCell;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use ureq::http::{Method, Uri, header};

/// Blobs up to this size go in one request with their digest.
const SMALL: u64 = 4 << 20;
/// One chunk, where the whole is refused: proxies often allow 100 MB, a cut costs no more than this.
const CHUNK: u64 = 32 << 20;
/// Smaller chunks are not tried.
const MIN_CHUNK: u64 = 1 << 20;
/// An attempt that brought so many bytes was no failure to count.
const GOOD_PROGRESS: u64 = 1 << 20;
/// Repositories tried as the source of a mount.
const MAX_MOUNTS: usize = 3;

const OCTETS: &str = "application/octet-stream";

/// One blob to bring there.
pub struct Upload<'a> {
    pub client: &'a Client<'a>,
    pub digest: &'a Digest,
    /// Bytes.
    pub size: u64,
    /// For messages: `layer 0123456789ab`.
    pub name: &'a str,
    /// Gets the bytes, once it is clear that they have to be sent.
    pub open: &'a dyn Fn() -> Result<Data>,
    pub data: OnceCell<Data>,
    /// Set when going on is pointless.
    pub stop: &'a AtomicBool,
    /// Called with every gain, in bytes.
    pub sent: &'a (dyn Fn(u64) + Sync),
}

/// How the blob got there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// From this repository of the same registry.
    Mounted(String),
    Uploaded,
}

/// How the bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// With the final PUT.
    Put,
    /// In one PATCH.
    Stream,
    /// In PATCHes of so many bytes.
    Chunks(u64),
}

/// An upload that the registry has opened.
#[derive(Debug)]
struct Session {
    location: Uri,
    /// Bytes that the registry has.
    offset: u64,
    /// OCI-Chunk-Min-Length.
    min_chunk: u64,
    /// Bytes of several attempts were put together.
    continued: bool,
}

/// Why a transfer ended early.
enum Trouble {
    /// The registry does not take it this way.
    Way(u16, Failure),
    Other(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Other(failure)
    }
}

impl Upload<'_> {
    /// Mounts or uploads a blob that the repository does not have. `from`: repositories of this registry that may have
    /// it, the likeliest first.
    pub fn run<'r>(&self, from: &[String], retries: &dyn Fn() -> Retries<'r>) -> Result<Outcome> {
        let mut session = None;
        for repository in from.iter().take(MAX_MOUNTS) {
            if let Some(unused) = session.take() {
                self.cancel(&unused);
            }
            let mount = || self.open(&format!("?mount={}&from={}", self.digest, escape(repository)));
            match retries().run(self.name, mount) {
                Ok(None) => return Ok(Outcome::Mounted(repository.clone())),
                // Not mounted, but a session is open already.
                Ok(Some(opened)) => session = Some(opened),
                // The right to read over there is not needed for an upload.
                Err(f) if matches!(f.cause, Cause::Refused | Cause::NotFound) => {}
                Err(f) => return Err(f),
            }
        }
        let _ = self.data.set((self.open)()?);
        let session = match session {
            Some(session) => session,
            None => self.fresh(retries)?,
        };
        self.transfer(session, retries).map(|()| Outcome::Uploaded)
    }

    fn fresh<'r>(&self, retries: &dyn Fn() -> Retries<'r>) -> Result<Session> {
        let opened = retries().run(self.name, || self.open(""))?;
        opened.ok_or_else(|| self.odd("it says that the blob is there before it was sent"))
    }

    /// Opens an upload; `None` when the blob was mounted.
    fn open(&self, query: &str) -> Result<Option<Session>> {
        let uri = parse(&self.client.url(&format!("blobs/uploads/{query}")))?;
        let reply = self.client.exchange(&uri, &Sending::empty(Method::POST))?;
        match reply.status {
            201 => self.client.same_digest(&reply, self.digest, self.name).map(|()| None),
            202 => {
                let min_chunk = reply.header("oci-chunk-min-length").and_then(|n| n.trim().parse().ok()).unwrap_or(0);
                let location = self.location(&reply, &uri)?;
                reply.error_body();
                Ok(Some(Session { location, offset: 0, min_chunk, continued: false }))
            }
            _ => Err(self.client.refusal(reply).context(format!("start the upload of {}", self.name))),
        }
    }

    /// Where to go on; the address asked, if the answer names none.
    fn location(&self, reply: &Reply, asked: &Uri) -> Result<Uri> {
        match reply.header(header::LOCATION) {
            Some(location) => join(asked, location).ok_or_else(|| self.odd("the address of the upload is malformed")),
            None if asked.path().ends_with("/uploads/") => Err(self.odd("it names no address for the upload")),
            None => Ok(asked.clone()),
        }
    }

    fn odd(&self, why: &str) -> Failure {
        Failure::answer(Error::new(Kind::Io, format!("upload {} to {}: {why}", self.name, self.client.registry())))
    }

    fn transfer<'r>(&self, mut session: Session, retries: &dyn Fn() -> Retries<'r>) -> Result<()> {
        let mut way = match session.min_chunk {
            0 if self.size <= SMALL => Way::Put,
            0 => Way::Stream,
            // It speaks of chunks, so it takes them.
            min if self.size > min => Way::Chunks(min.max(CHUNK)),
            _ => Way::Put,
        };
        let mut tried = vec![way];
        let mut counted = retries();
        let best = AtomicU64::new(0);
        loop {
            let began = session.offset;
            let trouble = match self.attempt(&mut session, way, &best) {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Way(status, failure) => {
                    let next = next_way(way, status, session.min_chunk, &tried).ok_or(failure)?;
                    log::debug!("{} is not taken by {way:?} (status {status}); trying {next:?}", self.name);
                    way = next;
                    tried.push(way);
                    self.cancel(&session);
                    session = self.fresh(retries)?;
                }
                Trouble::Other(failure) => {
                    if failure.cause == Cause::Local || failure.retry == Retry::Never {
                        self.cancel(&session);
                    }
                    let broken = failure.cause == Cause::Broken;
                    let done = session.offset;
                    let place = match done {
                        0 => format!("upload {}", self.name),
                        done => format!("upload {}, {done} of {} bytes done", self.name, self.size),
                    };
                    counted.next(self.name, failure.context(place))?;
                    match self.resume(session)? {
                        Some(resumed) => session = resumed,
                        None if self.client.has_blob(self.digest, self.size).unwrap_or(false) => return Ok(()),
                        None => session = self.fresh(retries)?,
                    }
                    if session.offset >= began + GOOD_PROGRESS {
                        counted.reset();
                    }
                    // A body that is too large may end in a cut instead of an answer.
                    if broken && session.offset <= began && self.size > CHUNK && way != Way::Chunks(CHUNK) {
                        way = Way::Chunks(CHUNK);
                    }
                }
            }
        }
    }

    /// Asks how far the upload got; `None` when it is lost.
    fn resume(&self, session: Session) -> Result<Option<Session>> {
        let reply = match self.client.exchange(&session.location, &Sending::empty(Method::GET)) {
            Ok(reply) => reply,
            Err(f) => {
                log::debug!("{}: {}", self.name, f.error);
                return Ok(None);
            }
        };
        if !matches!(reply.status, 200..=299) {
            reply.error_body();
            return Ok(None);
        }
        let offset = reply.header(header::RANGE).map_or(Some(0), kept);
        let location = self.location(&reply, &session.location)?;
        reply.error_body();
        Ok(offset.filter(|n| *n <= self.size).map(|offset| {
            log::debug!("{}: continuing the upload at byte {offset} of {}", self.name, self.size);
            Session { location, offset, continued: session.continued || offset > 0, ..session }
        }))
    }

    fn attempt(&self, session: &mut Session, way: Way, best: &AtomicU64) -> Result<(), Trouble> {
        if way == Way::Put && session.offset == 0 && !session.continued {
            let reply = self.send(session, Method::PUT, self.size, false, best)?;
            return match reply.status {
                200..=299 => Ok(self.client.same_digest(&reply, self.digest, self.name)?),
                status @ (404 | 405 | 411 | 413 | 415 | 416 | 501) => {
                    Err(Trouble::Way(status, self.client.refusal(reply)))
                }
                _ => Err(self.client.refusal(reply).into()),
            };
        }
        let step = if let Way::Chunks(step) = way { step } else { u64::MAX };
        let mut idle = 0;
        while session.offset < self.size {
            let end = session.offset.saturating_add(step).min(self.size);
            let began = session.offset;
            // Docker's registry takes a whole blob without a range; the specification wants one for each chunk.
            let ranged = began > 0 || step != u64::MAX;
            let reply = self.send(session, Method::PATCH, end, ranged, best)?;
            match reply.status {
                200..=299 => {
                    session.offset = reply.header(header::RANGE).and_then(kept).unwrap_or(end).min(self.size);
                    session.location = self.location(&reply, &session.location)?;
                    reply.error_body();
                    idle = if session.offset > began { 0 } else { idle + 1 };
                    if idle > 2 {
                        return Err(self.odd("it takes the data, but keeps none of it").into());
                    }
                }
                status @ (400 | 404 | 405 | 411 | 413 | 415 | 416 | 501) if !session.continued => {
                    return Err(Trouble::Way(status, self.client.refusal(reply)));
                }
                // It stands elsewhere than we think: ask.
                404 | 416 => {
                    let error = self.client.refusal(reply).error;
                    return Err(Failure::new(Cause::Answer, Retry::Soon, error).into());
                }
                _ => return Err(self.client.refusal(reply).into()),
            }
        }
        self.finish(session)
    }

    /// Sends the bytes from the session's offset to `end`.
    fn send(&self, session: &Session, method: Method, end: u64, ranged: bool, best: &AtomicU64) -> Result<Reply> {
        let start = session.offset;
        let fault = Mutex::new(None);
        let open = || -> crate::error::Result<Box<dyn Read + '_>> {
            let data = self.data.get().ok_or_else(|| Error::bug("a blob without bytes"))?;
            Ok(Box::new(Watched {
                inner: Box::new(data.reader(start, end)),
                at: start,
                best,
                stop: self.stop,
                sent: self.sent,
                fault: &fault,
            }))
        };
        let uri = match method {
            Method::PUT => self.with_digest(&session.location)?,
            _ => session.location.clone(),
        };
        let range = ranged.then(|| (start, end.saturating_sub(1)));
        let body = Some((end - start, &open as super::wire::Opener<'_>));
        let result = self.client.exchange(&uri, &Sending { method, content_type: Some(OCTETS), range, body });
        match (result, fault.into_inner().ok().flatten()) {
            // Our own disk failed, not the network.
            (Err(_), Some(error)) => Err(Failure::from(error)),
            (result, _) => result,
        }
    }

    fn finish(&self, session: &Session) -> Result<(), Trouble> {
        let uri = self.with_digest(&session.location)?;
        let reply =
            self.client.exchange(&uri, &Sending { content_type: Some(OCTETS), ..Sending::empty(Method::PUT) })?;
        match reply.status {
            200..=299 => Ok(self.client.same_digest(&reply, self.digest, self.name)?),
            // Put together wrongly, or the session is gone: the whole again.
            400 | 404 | 416 if session.continued => {
                let error = self.client.refusal(reply).error;
                Err(Failure::new(Cause::Answer, Retry::Soon, error).into())
            }
            400 => {
                let mut failure = self.client.refusal(reply);
                failure.error =
                    failure.error.hint("the blob in the store may be damaged: remove the image and pull it again");
                Err(failure.into())
            }
            _ => Err(self.client.refusal(reply).into()),
        }
    }

    fn with_digest(&self, location: &Uri) -> Result<Uri> {
        let separator = if location.query().is_some() { '&' } else { '?' };
        parse(&format!("{location}{separator}digest={}", self.digest))
    }

    /// Lets the registry forget the upload. Its answer is of no interest.
    fn cancel(&self, session: &Session) {
        if let Err(f) = self.client.exchange(&session.location, &Sending::empty(Method::DELETE)) {
            log::debug!("cancel the upload of {}: {}", self.name, f.error);
        }
    }
}

/// What to try after `way` was refused with `status`.
fn next_way(way: Way, status: u16, min_chunk: u64, tried: &[Way]) -> Option<Way> {
    let smallest = min_chunk.max(MIN_CHUNK);
    let chunks = Way::Chunks(CHUNK.max(min_chunk));
    let next = match way {
        Way::Chunks(n) if status == 413 && n / 4 >= smallest => Way::Chunks(n / 4),
        Way::Chunks(_) => Way::Put,
        // PATCH is not known there.
        Way::Stream if matches!(status, 404 | 405 | 501) => Way::Put,
        Way::Stream | Way::Put => chunks,
    };
    (!tried.contains(&next)).then_some(next)
}

/// How many bytes a Range of an upload (`0-99`, also `bytes=0-99`) stands for. `0-0` is what registries say of an
/// empty upload.
fn kept(range: &str) -> Option<u64> {
    let range = range.trim().trim_start_matches("bytes").trim_start_matches(['=', ' ']);
    let (first, last) = range.split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    if first.trim() != "0" {
        return None;
    }
    Some(if last == 0 { 0 } else { last + 1 })
}

/// Repository names in a query: only `/` needs it.
fn escape(repository: &str) -> String {
    repository.replace('/', "%2F")
}

/// A body that counts, stops when told, and remembers its own faults.
struct Watched<'a> {
    inner: Box<dyn Read + 'a>,
    at: u64,
    /// The furthest byte that any attempt sent.
    best: &'a AtomicU64,
    stop: &'a AtomicBool,
    sent: &'a (dyn Fn(u64) + Sync),
    fault: &'a Mutex<Option<Error>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        let n = self.inner.read(buf).inspect_err(|e| {
            if let Ok(mut fault) = self.fault.lock() {
                let errno = e.raw_os_error().unwrap_or(libc::EIO);
                *fault = Some(Error::errno(errno, "read the blob from the store"));
            }
        })?;
        self.at += n as u64;
        let before = self.best.fetch_max(self.at, Ordering::Relaxed);
        if self.at > before {
            (self.sent)(self.at - before);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_uploads() {
        for (text, want) in
            [("0-99", Some(100)), ("bytes=0-99", Some(100)), ("0-0", Some(0)), ("5-9", None), ("", None), ("0-x", None)]
        {
            assert_eq!(kept(text), want, "{text}");
        }
    }

    #[test]
    fn ways_end() {
        let mut tried = vec![Way::Stream];
        while let Some(next) = next_way(tried[tried.len() - 1], 413, 0, &tried) {
            tried.push(next);
        }
        assert_eq!(tried.first(), Some(&Way::Stream));
        assert_eq!(tried.last(), Some(&Way::Put));
        assert!(tried.len() < 8, "{tried:?}");
        assert_eq!(next_way(Way::Stream, 405, 0, &[Way::Stream]), Some(Way::Put));
        assert_eq!(next_way(Way::Put, 413, 5 << 20, &[Way::Put]), Some(Way::Chunks(CHUNK)));
    }
}
