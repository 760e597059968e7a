//! HTTP as registries need it: redirects followed by hand (credentials stay with their host), bounded bodies,
//! time-outs everywhere, TLS set up only when an address asks for it.

use super::dns;
use super::fault::{self, Cause, Failure, Result, Retry};
use super::options::{Env, Limits, PullOptions};
use super::proxy;
use super::tls::{self, HostCerts};
use crate::error::{Error, Kind};
use std::io::Read;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, Uri, header};
use ureq::{Agent, Body};

/// Redirects followed for one request: registry → CDN is one, some chain two or three.
const MAX_REDIRECTS: usize = 8;
/// Bytes of an error's body that are looked at.
const MAX_ERROR_BODY: u64 = 64 << 10;

/// Connections to one registry and whoever it redirects to.
#[derive(Debug)]
pub struct Http {
    /// For http and https, each through the proxy and past it; made when they are needed.
    agents: [OnceLock<Agent>; 4],
    certs: HostCerts,
    /// Certificates are verified and https never leads to http.
    verify: bool,
    limits: Limits,
    env: Env,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// `host[:port]` that answered in the end, for messages.
    pub host: String,
    /// Somebody else than the one asked answers: his challenges must not be believed.
    pub redirected: bool,
    body: Body,
    /// For a small body as a whole.
    patience: Duration,
}

/// A request without a body, or with a form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    pub accept: Option<&'a str>,
    /// Whole Authorization header; never sent to another host or port, nor from https to http.
    pub authorization: Option<&'a str>,
    /// First byte wanted (Range).
    pub offset: u64,
    /// With an offset: the ETag that the range must belong to; otherwise all of it comes.
    pub if_range: Option<&'a str>,
    pub head: bool,
    /// `application/x-www-form-urlencoded` body of a POST.
    pub form: Option<&'a str>,
}

impl Http {
    pub fn new(certs: HostCerts, verify: bool, options: &PullOptions) -> Http {
        Http { agents: Default::default(), certs, verify, limits: options.limits.clone(), env: options.env.clone() }
    }

    /// Whether certificates are verified; then https never leads to http.
    pub(super) fn verifies(&self) -> bool {
        self.verify
    }

    pub(super) fn agent(&self, uri: &Uri) -> &Agent {
        let secure = uri.scheme_str() == Some("https");
        let direct = proxy::bypassed(&self.env, uri);
        self.agents[usize::from(secure) * 2 + usize::from(direct)].get_or_init(|| {
            let tls = secure.then(|| tls::config(&self.certs, self.verify));
            agent(tls, direct, &self.limits, &self.env)
        })
    }

    /// Sends the request and follows redirects; any status is an answer, not an error.
    pub fn send(&self, url: &str, request: Request<'_>) -> Result<Reply> {
        let mut uri = parse(url)?;
        let mut authorization = request.authorization;
        let mut redirected = false;
        for _ in 0..=MAX_REDIRECTS {
            let host = host(&uri);
            let mut reply = self.send_once(&uri, &host, request, authorization)?;
            reply.redirected = redirected;
            let location = match (reply.status, reply.headers.get(header::LOCATION)) {
                (301 | 302 | 303 | 307 | 308, Some(location)) if request.form.is_none() => location,
                _ => return Ok(reply),
            };
            let location = location.to_str().map_err(|_| bad_redirect(&host, "its address is malformed"))?;
            let next = join(&uri, location).ok_or_else(|| bad_redirect(&host, "its address is malformed"))?;
            if self.verify && uri.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                return Err(bad_redirect(&host, "it leads from https to http"));
            }
            if next.scheme() != uri.scheme() || next.authority() != uri.authority() {
                authorization = None;
                redirected = true;
            }
            log::debug!("redirected from {host} to {}", self::host(&next));
            uri = next;
        }
        Err(bad_redirect(&host(&uri), "there are too many"))
    }

    fn send_once(&self, uri: &Uri, host: &str, request: Request<'_>, authorization: Option<&str>) -> Result<Reply> {
        let agent = self.agent(uri);
        let sent = if let Some(form) = request.form {
            let mut builder = agent.post(uri).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            if let Some(value) = authorization {
                builder = builder.header(header::AUTHORIZATION, value);
            }
            builder.send(form)
        } else {
            let mut builder = if request.head { agent.head(uri) } else { agent.get(uri) };
            if let Some(accept) = request.accept {
                builder = builder.header(header::ACCEPT, accept);
            }
            if let Some(value) = authorization {
                builder = builder.header(header::AUTHORIZATION, value);
            }
            if request.offset > 0 {
                builder = builder.header(header::RANGE, format!("bytes={}-", request.offset));
                if let Some(etag) = request.if_range {
                    builder = builder.header(header::IF_RANGE, etag);
                }
            }
            builder.call()
        };
        let response = sent.map_err(|e| self.failure(e, uri))?;
        log::debug!("{} {uri}: {}", if request.head { "HEAD" } else { "GET" }, response.status());
        Ok(self.reply(response, host))
    }

    /// What a request for `uri` ended with instead of an answer.
    pub(super) fn failure(&self, e: ureq::Error, uri: &Uri) -> Failure {
        let proxy = match proxy::bypassed(&self.env, uri) {
            true => None,
            false => proxy::for_scheme(&self.env, uri.scheme_str() == Some("https")),
        };
        match proxy {
            Some(proxy) => fault::proxied(e, &host(uri), &proxy),
            None => fault::transport(e, &host(uri)),
        }
    }

    /// The answer of `host`.
    pub(super) fn reply(&self, response: ureq::http::Response<Body>, host: &str) -> Reply {
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            host: host.to_string(),
            redirected: false,
            body,
            patience: self.limits.slow,
        }
    }
}

impl Reply {
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Content-Length, where the server states one.
    pub fn length(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH).and_then(|v| v.trim().parse().ok())
    }

    /// The body as a stream. The caller bounds it.
    pub fn reader(self) -> impl Read + Send {
        // ureq's own limit applies to its convenience calls only.
        self.body.into_reader()
    }

    /// The whole body, refused above `limit` bytes.
    pub fn bytes(self, limit: u64, what: &str) -> Result<Vec<u8>> {
        let host = self.host.clone();
        let too_big =
            || Failure::answer(Error::denied(format!("read {what} of {host}: it is larger than {limit} bytes")));
        let stated = self.length();
        if stated.is_some_and(|n| n > limit) {
            return Err(too_big());
        }
        let bytes =
            self.read_some(limit + 1).map_err(|e| fault::io_failure(e, &host).context(format!("read {what}")))?;
        if bytes.len() as u64 > limit {
            return Err(too_big());
        }
        Ok(bytes)
    }

    /// The start of an error's body; faults while reading it don't hide the error itself.
    pub fn error_body(self) -> Vec<u8> {
        self.read_some(MAX_ERROR_BODY).unwrap_or_default()
    }

    /// At most `limit` bytes, in bounded time even from a server that drips them.
    fn read_some(self, limit: u64) -> std::io::Result<Vec<u8>> {
        let deadline = Instant::now() + self.patience;
        let mut reader = self.reader().take(limit);
        let mut bytes = Vec::new();
        let mut buffer = [0u8; 16 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(bytes),
                n => bytes.extend_from_slice(&buffer[..n]),
            }
            if Instant::now() > deadline {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// The wait that the server asks for, in seconds or as a date (RFC 9110 §10.2.3), at most `cap`.
    pub fn retry_after(&self, cap: Duration) -> Option<Duration> {
        let text = self.header(header::RETRY_AFTER)?.trim();
        let wait = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
                let seconds = at.as_second() - jiff::Timestamp::now().as_second();
                Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
            }
        };
        Some(wait.min(cap))
    }
}

/// `host[:port]` of an address, for messages.
pub fn host(uri: &Uri) -> String {
    // An authority may carry user:password@, which messages must not.
    let authority = uri.authority().map_or("", |a| a.as_str());
    fault::one_line(authority.rsplit('@').next().unwrap_or(authority))
}

pub fn parse(url: &str) -> Result<Uri> {
    let bad = || Failure::answer(Error::user(format!("use address {}: it is malformed", fault::one_line(url))));
    let uri: Uri = url.parse().map_err(|_| bad())?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.authority().is_some_and(|a| !a.host().is_empty()) => Ok(uri),
        _ => Err(bad()),
    }
}

/// Resolves a Location or Link address against the one it came from (RFC 3986 §5.2, without dot segments).
pub fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    if location.contains("://") {
        return parse(location).ok();
    }
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let joined = match location {
        l if l.starts_with("//") => format!("{scheme}:{l}"),
        l if l.starts_with('/') => format!("{scheme}://{authority}{l}"),
        l if l.starts_with('?') => format!("{scheme}://{authority}{}{l}", base.path()),
        l => {
            let dir = base.path().rsplit_once('/').map_or("", |(dir, _)| dir);
            format!("{scheme}://{authority}{dir}/{l}")
        }
    };
    parse(&joined).ok()
}

pub(super) fn bad_redirect(host: &str, why: &str) -> Failure {
    let error = Error::new(Kind::Denied, format!("follow the redirect of {host}: {why}"));
    Failure::new(Cause::Answer, Retry::Never, error)
}

fn agent(tls: Option<ureq::tls::TlsConfig>, direct: bool, limits: &Limits, env: &Env) -> Agent {
    let secure = tls.is_some();
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.response))
        // An upload takes as long as it takes, while it moves.
        .timeout_per_write(Some(limits.stall))
        .timeout_recv_response(Some(limits.response))
        .timeout_per_read(Some(limits.stall))
        .max_response_header_size(64 << 10)
        .input_buffer_size(128 << 10)
        // Without compression: ureq is built without decoders, and a blob's digest is that of the bytes on the wire.
        .accept_encoding("identity")
        .user_agent(concat!("coracle/", env!("CARGO_PKG_VERSION")))
        .proxy(if direct { None } else { proxy::for_scheme(env, secure) });
    if let Some(tls) = tls {
        config = config.tls_config(tls);
    }
    dns::agent(config.build(), env)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_locations() {
        let base: Uri = "https://r.io:5000/v2/a/blobs/x?y=1".parse().unwrap();
        for (location, want) in [
            ("https://cdn.net/b?sig=%2F", "https://cdn.net/b?sig=%2F"),
            ("//cdn.net/b", "https://cdn.net/b"),
            ("/v2/b", "https://r.io:5000/v2/b"),
            ("?n=2", "https://r.io:5000/v2/a/blobs/x?n=2"),
            ("z#frag", "https://r.io:5000/v2/a/blobs/z"),
        ] {
            assert_eq!(join(&base, location).unwrap().to_string(), want, "{location}");
        }
        for bad in ["file:///etc/passwd", "gopher://x/", "http://", "http:// x"] {
            assert!(join(&base, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn messages_never_hold_passwords() {
        assert_eq!(host(&"https://me:secret@r.io/x".parse().unwrap()), "r.io");
    }
}
