//! Requests that send something: uploads and manifests.

use crate::error::Error;
use crate::image::Digest;
use crate::registry::answer;
use crate::registry::client::{Client, challenges};
use crate::registry::fault::{self, Failure, Result};
use crate::registry::http::{Reply, bad_redirect, host, join, parse};
use std::io::Read;
use ureq::SendBody;
use ureq::http::{Method, Uri, header};

/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 5;
/// A registry that assembles a large blob in remote storage may be silent for so many times the usual patience.
const PATIENCE: u32 = 10;

/// Opens the body anew: a request may have to be sent again.
pub type Opener<'a> = &'a dyn Fn() -> crate::error::Result<Box<dyn Read + 'a>>;

/// One request and its body.
pub struct Sending<'a> {
    pub method: Method,
    pub content_type: Option<&'a str>,
    /// First and last byte of the blob that the body is (Content-Range of the distribution specification).
    pub range: Option<(u64, u64)>,
    /// Bytes, and where they come from.
    pub body: Option<(u64, Opener<'a>)>,
}

impl Sending<'_> {
    pub fn empty(method: Method) -> Sending<'static> {
        Sending { method, content_type: None, range: None, body: None }
    }
}

impl Client<'_> {
    /// Sends to an address that may belong to another host than the registry: then without credentials. Any status but
    /// a 401 that a new token mends is an answer.
    pub fn exchange(&self, target: &Uri, sending: &Sending<'_>) -> Result<Reply> {
        let base = parse(&self.base)?;
        let mut uri = target.clone();
        let mut renewed = false;
        for _ in 0..=MAX_REDIRECTS {
            let host = host(&uri);
            if self.http.verifies() && base.scheme_str() == Some("https") && uri.scheme_str() != Some("https") {
                return Err(bad_redirect(&host, "it leads from https to http"));
            }
            let home = uri.authority() == base.authority() && uri.scheme() == base.scheme();
            let authorization = if home { self.authorization()? } else { None };
            let reply = self.send_once(&uri, &host, sending, authorization.as_deref())?;
            match reply.status {
                401 if home && !renewed => {
                    renewed = true;
                    if self.renew(&challenges(&reply), authorization.as_deref())?.is_none() {
                        return Ok(reply);
                    }
                    reply.error_body();
                }
                307 | 308 => {
                    let next = reply.header(header::LOCATION).and_then(|location| join(&uri, location));
                    uri = next.ok_or_else(|| bad_redirect(&host, "its address is malformed"))?;
                }
                _ => return Ok(reply),
            }
        }
        Err(bad_redirect(&host(&uri), "there are too many"))
    }

    fn send_once(&self, uri: &Uri, host: &str, sending: &Sending<'_>, authorization: Option<&str>) -> Result<Reply> {
        let mut builder = ureq::http::Request::builder().method(sending.method.clone()).uri(uri);
        if let Some(value) = authorization {
            builder = builder.header(header::AUTHORIZATION, value);
        }
        if let Some(value) = sending.content_type {
            builder = builder.header(header::CONTENT_TYPE, value);
        }
        if let Some((first, last)) = sending.range {
            builder = builder.header(header::CONTENT_RANGE, format!("{first}-{last}"));
        }
        let bad = |e| Failure::answer(Error::user(format!("use address {}: {e}", fault::one_line(&uri.to_string()))));
        let agent = self.http.agent(uri);
        let patience = Some(self.options.limits.response * PATIENCE);
        let result = if matches!(sending.method, Method::GET | Method::HEAD | Method::DELETE) {
            let request = builder.body(()).map_err(bad)?;
            agent.run(agent.configure_request(request).timeout_recv_response(patience).build())
        } else {
            let (length, mut reader) = match &sending.body {
                Some((length, open)) => (*length, open().map_err(Failure::from)?),
                None => (0, Box::new(std::io::empty()) as Box<dyn Read>),
            };
            let body = SendBody::from_reader(&mut reader);
            let request = builder.header(header::CONTENT_LENGTH, length).body(body).map_err(bad)?;
            agent.run(agent.configure_request(request).timeout_recv_response(patience).build())
        };
        let response = result.map_err(|e| self.http.failure(e, uri))?;
        log::debug!("{} {uri}: {}", sending.method, response.status());
        Ok(self.http.reply(response, host))
    }

    /// The failure that an unwanted status means.
    pub fn refusal(&self, reply: Reply) -> Failure {
        let with_login = self.has_login();
        answer::failure(reply, self.registry(), with_login, self.options.limits.retry_after)
    }

    /// Whether the repository has the blob; the size is checked where the registry states it.
    pub fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool> {
        use crate::registry::http::Request;
        match self.get(&self.url(&format!("blobs/{digest}")), Request { head: true, ..Request::default() }) {
            Ok(reply) => Ok(reply.length().is_none_or(|length| length == size)),
            Err(f) if f.cause == fault::Cause::NotFound => Ok(false),
            Err(f) => Err(f),
        }
    }

    /// Stores a manifest or an index under a tag or its digest; whether the registry says that it lists it as a referrer
    /// of its subject (OCI-Subject).
    pub fn put_manifest(&self, name: &str, media_type: &str, bytes: &[u8]) -> Result<bool> {
        let uri = parse(&self.url(&format!("manifests/{name}")))?;
        let open = || -> crate::error::Result<Box<dyn Read + '_>> { Ok(Box::new(bytes)) };
        let sending = Sending {
            method: Method::PUT,
            content_type: Some(media_type),
            range: None,
            body: Some((bytes.len() as u64, &open)),
        };
        let reply = self.exchange(&uri, &sending)?;
        match reply.status {
            200..=299 => {
                self.same_digest(&reply, &Digest::of(bytes), "the manifest")?;
                Ok(reply.header("oci-subject").is_some())
            }
            400 | 415 => {
                let mut failure = self.refusal(reply);
                failure.error = failure.error.hint("the registry may not know this format: try --format v2s2 or oci");
                Err(failure)
            }
            _ => Err(self.refusal(reply)),
        }
    }

    /// Refuses an answer that claims to have stored something else than what was sent.
    pub fn same_digest(&self, reply: &Reply, sent: &Digest, what: &str) -> Result<()> {
        let stated = reply.header("docker-content-digest").and_then(|d| Digest::parse(d).ok());
        match stated {
            Some(stated) if stated != *sent => {
                let text = format!("verify {what} at {}: it stored {stated}, not {sent}", self.registry());
                Err(Failure::answer(
                    Error::denied(text).hint("the registry or a proxy on the way changes what it gets"),
                ))
            }
            _ => Ok(()),
        }
    }
}
