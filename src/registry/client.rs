//! One repository of one registry: finding the scheme, authorization, manifests, tags, blobs
//! (OCI distribution-spec 1.1).

use super::answer;
use super::auth::{Challenge, Login, Token, basic};
use super::conf::{Registries, Source};
use super::fault::{Cause, Failure, Result, Retry, one_line};
use super::http::{Http, Reply, Request, join, parse};
use super::options::PullOptions;
use super::tls::HostCerts;
use crate::error::Error;
use crate::image::{self, Digest};
use std::sync::Mutex;
use std::time::Instant;
use ureq::http::header;

/// Manifest types we understand, in the Accept header.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// Entries of a list at most: a registry can't fill our memory.
const MAX_ENTRIES: usize = 100_000;
/// Pages of a list at most.
const MAX_PAGES: usize = 10_000;
/// Bytes of one page.
const MAX_PAGE: u64 = 8 << 20;

/// Talks to one repository. Usable from several threads.
pub struct Client<'a> {
    pub(super) http: Http,
    /// `https://host:port`.
    pub(super) base: String,
    source: Source,
    registries: &'a Registries,
    pub(super) options: &'a PullOptions,
    /// Tokens may come from a plain HTTP server too.
    lax: bool,
    /// Scopes of the tokens to ask for; what a challenge names, where there are none.
    scopes: Vec<String>,
    /// This is a login: ask for a token that may stand for the password.
    offline: bool,
    auth: Mutex<Auth>,
}

/// How requests are authorized at the moment.
#[derive(Default)]
struct Auth {
    /// `None` until somebody asked for a login; then what was found.
    login: Option<Option<Login>>,
    scheme: Scheme,
}

#[derive(Clone, Default)]
enum Scheme {
    #[default]
    Anonymous,
    Basic(String),
    Bearer(Challenge, Token),
}

/// A manifest or index as served.
#[derive(Clone, Debug)]
pub struct Served {
    pub bytes: Vec<u8>,
    pub digest: Digest,
    pub media_type: String,
}

impl<'a> Client<'a> {
    /// Finds out how the registry is to be talked to; asks it only where there is a choice.
    pub fn connect(source: Source, registries: &'a Registries, options: &'a PullOptions) -> Result<Client<'a>> {
        let host = match source.domain.as_str() {
            // The name of images and the name of the server differ since Docker's first registry.
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let certs = HostCerts::load(&source.domain, options)?;
        let insecure = options.tls_verify.map_or(source.insecure, |verify| !verify);
        // Nobody else listens in on loopback, so plain HTTP is fine there, unless TLS is asked for.
        let loopback = options.tls_verify.is_none() && is_loopback(host);
        let schemes: &[&str] = match (insecure, loopback) {
            // Certificates for the host mean that it speaks TLS.
            (false, true) if certs.is_empty() => &["http", "https"],
            (true, _) | (_, true) => &["https", "http"],
            _ => &["https"],
        };
        let http = Http::new(certs, !insecure, options);
        let scheme = pick_scheme(&http, host, schemes)?;
        Ok(Client {
            http,
            base: format!("{scheme}://{host}"),
            lax: insecure || scheme == "http",
            source,
            registries,
            options,
            scopes: Vec::new(),
            offline: false,
            auth: Mutex::default(),
        })
    }

    /// Asks for tokens that may push to the repository and read `from` (to mount blobs of theirs).
    pub fn for_push(mut self, from: &[String]) -> Client<'a> {
        self.scopes = vec![format!("repository:{}:pull,push", self.source.path)];
        self.scopes.extend(from.iter().map(|path| format!("repository:{path}:pull")));
        self
    }

    /// Shows this login, whatever else is kept for the registry, and asks for no rights.
    pub fn for_login(mut self, login: Login) -> Client<'a> {
        self.scopes = vec![String::new()];
        self.offline = true;
        self.lock().login = Some(Some(login));
        self
    }

    /// Whether the registry talks to us (distribution-spec, "Determining Support").
    pub fn ping(&self) -> Result<()> {
        self.get(&format!("{}/v2/", self.base), Request::default()).map(drop)
    }

    /// What the last token's server gave beside it.
    pub fn refresh_token(&self) -> Option<String> {
        match &self.lock().scheme {
            Scheme::Bearer(_, token) => token.refresh.clone(),
            _ => None,
        }
    }

    /// For messages: `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.source.domain
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Auth> {
        // A thread that panicked meanwhile leaves at worst an old token.
        self.auth.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// GETs (or HEADs) a path below the registry; 2xx answers only.
    pub(super) fn get(&self, url: &str, request: Request<'_>) -> Result<Reply> {
        let sent = self.authorization()?;
        let mut with_login = sent.is_some() && self.has_login();
        let mut reply = self.http.send(url, Request { authorization: sent.as_deref(), ..request })?;
        // One new authorization a request: a registry that says 401 forever ends here.
        if reply.status == 401 && !reply.redirected {
            let challenges = challenges(&reply);
            if let Some(header) = self.renew(&challenges, sent.as_deref())? {
                // Read to its end, so that the connection serves again.
                reply.error_body();
                with_login = self.has_login();
                reply = self.http.send(url, Request { authorization: Some(&header), ..request })?;
            }
        }
        match reply.status {
            200..=299 => Ok(reply),
            _ => Err(answer::failure(reply, self.registry(), with_login, self.options.limits.retry_after)),
        }
    }

    pub(super) fn has_login(&self) -> bool {
        matches!(self.lock().login, Some(Some(_)))
    }

    /// The header to send now; an expired token is replaced first.
    pub(super) fn authorization(&self) -> Result<Option<String>> {
        let mut auth = self.lock();
        let challenge = match &auth.scheme {
            Scheme::Anonymous => return Ok(None),
            Scheme::Basic(header) => return Ok(Some(header.clone())),
            Scheme::Bearer(_, token) if Instant::now() < token.expires => return Ok(Some(token.header.clone())),
            Scheme::Bearer(challenge, _) => challenge.clone(),
        };
        self.bearer(&mut auth, challenge).map(Some)
    }

    fn bearer(&self, auth: &mut Auth, challenge: Challenge) -> Result<String> {
        let login = auth.login.clone().flatten();
        let mut asked = challenge.clone();
        let scopes = if self.scopes.is_empty() {
            vec![format!("repository:{}:pull", self.source.path)]
        } else {
            // The challenge of a HEAD names reading only.
            asked.parameters.remove("scope");
            self.scopes.clone()
        };
        let fetch = |scopes: &[String]| {
            Token::fetch(&self.http, &asked, &scopes.join(" "), login.as_ref(), self.lax, self.offline)
        };
        let token = match fetch(&scopes) {
            // Not every token server leaves out what it does not grant.
            Err(f) if f.cause == Cause::Refused && scopes.len() > 1 => fetch(&scopes[..1])?,
            other => other?,
        };
        let header = token.header.clone();
        auth.scheme = Scheme::Bearer(challenge, token);
        Ok(header)
    }

    /// Answers a 401: `None` when nothing more can be offered. The lock is held meanwhile, so that parallel downloads
    /// get one token together.
    pub(super) fn renew(&self, challenges: &[Challenge], sent: Option<&str>) -> Result<Option<String>> {
        let mut auth = self.lock();
        // Another thread was faster.
        let current = match &auth.scheme {
            Scheme::Anonymous => None,
            Scheme::Basic(header) => Some(header),
            Scheme::Bearer(_, token) => Some(&token.header),
        };
        if let Some(current) = current
            && sent != Some(current.as_str())
        {
            return Ok(Some(current.clone()));
        }
        if auth.login.is_none() {
            auth.login = Some(Login::find(&self.source.domain, &self.source.path, self.registries, self.options)?);
        }
        if let Some(bearer) = challenges.iter().find(|c| c.scheme == "bearer") {
            return self.bearer(&mut auth, bearer.clone()).map(Some);
        }
        let Some(Some(Login::Password(credentials))) = &auth.login else { return Ok(None) };
        let header = basic(credentials);
        if !challenges.iter().any(|c| c.scheme == "basic") || sent == Some(header.as_str()) {
            return Ok(None);
        }
        auth.scheme = Scheme::Basic(header.clone());
        Ok(Some(header))
    }

    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.base, self.source.path)
    }

    /// The manifest or index of a tag or digest. With `expect`, other bytes are refused.
    pub fn manifest(&self, tag_or_digest: &str, expect: Option<&Digest>) -> Result<Served> {
        let url = self.url(&format!("manifests/{tag_or_digest}"));
        let reply = self.get(&url, Request { accept: Some(ACCEPT), ..Request::default() })?;
        let stated = reply.header("docker-content-digest").and_then(|d| Digest::parse(d).ok());
        let content_type = reply.header(header::CONTENT_TYPE).unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim().to_string();
        let bytes = reply.bytes(image::MAX_JSON, "the manifest")?;
        let digest = Digest::of(&bytes);
        if let Some(want) = expect.or(stated.as_ref())
            && *want != digest
        {
            return Err(mismatch("the manifest", want, &digest, self.registry()));
        }
        let media_type = media_type(&bytes, &content_type)
            .map_err(|e| Failure::answer(e.context(format!("read the manifest of {}", self.registry()))))?;
        Ok(Served { bytes, digest, media_type })
    }

    /// The digest that a tag has at the registry now; `None` when it does not say.
    pub fn head(&self, tag: &str) -> Result<Option<Digest>> {
        let url = self.url(&format!("manifests/{tag}"));
        let reply = self.get(&url, Request { accept: Some(ACCEPT), head: true, ..Request::default() })?;
        Ok(reply.header("docker-content-digest").and_then(|d| Digest::parse(d).ok()))
    }

    /// Opens a blob at `offset`, or at its start where it has no longer the ETag `if_range`; the caller checks what comes.
    pub fn blob(&self, digest: &Digest, offset: u64, if_range: Option<&str>) -> Result<Reply> {
        self.get(&self.url(&format!("blobs/{digest}")), Request { offset, if_range, ..Request::default() })
    }

    /// A small blob, verified.
    pub fn small_blob(&self, digest: &Digest, size: u64, what: &str) -> Result<Vec<u8>> {
        if size > image::MAX_JSON {
            return Err(Failure::answer(Error::denied(format!("read {what}: {size} bytes are too many for it"))));
        }
        let bytes = self.blob(digest, 0, None)?.bytes(size, what)?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(mismatch(what, digest, &found, self.registry()));
        }
        Ok(bytes)
    }

    /// All tags of the repository.
    pub fn tags(&self) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut tags: Vec<String> = Vec::new();
        self.pages(&self.url("tags/list"), "the list of tags", &mut |bytes| {
            let page: Page = serde_json::from_slice(bytes).ok()?;
            let page = page.tags.unwrap_or_default();
            let count = page.len();
            tags.extend(page);
            Some(count)
        })?;
        Ok(tags)
    }

    /// Reads a list page by page (Link headers), until `take` says that a page held nothing of use: it gives the number
    /// of entries, or nothing where it can't read the page.
    pub fn pages(&self, first: &str, what: &str, take: &mut dyn FnMut(&[u8]) -> Option<usize>) -> Result<()> {
        let mut url = first.to_string();
        let mut total = 0;
        for _ in 0..MAX_PAGES {
            let reply = self.get(&url, Request::default())?;
            let next = next_page(&reply);
            let bytes = reply.bytes(MAX_PAGE, what)?;
            let bad = || Failure::answer(Error::denied(format!("read {what} of {}", self.registry())));
            let count = take(&bytes).ok_or_else(bad)?;
            total += count;
            if total > MAX_ENTRIES {
                let error = Error::denied(format!("read {what} of {}: it is too long", self.registry()));
                return Err(Failure::answer(error));
            }
            // A next page of another host would get our credentials.
            let base = parse(&self.base)?;
            let here = parse(&url)?;
            match next.and_then(|link| join(&here, &link)) {
                Some(uri) if count > 0 && uri.authority() == base.authority() && uri.scheme() == base.scheme() => {
                    url = uri.to_string();
                }
                _ => return Ok(()),
            }
        }
        Err(Failure::answer(Error::denied(format!("read {what} of {}: it has no end", self.registry()))))
    }
}

/// `Link: </v2/x/tags/list?n=2&last=b>; rel="next"`.
fn next_page(reply: &Reply) -> Option<String> {
    let link = reply.header(header::LINK)?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| target.to_string())
}

pub(super) fn challenges(reply: &Reply) -> Vec<Challenge> {
    let values = reply.headers.get_all(header::WWW_AUTHENTICATE);
    values.iter().filter_map(|v| v.to_str().ok()).flat_map(Challenge::parse).collect()
}

/// `localhost`, `127.0.0.0/8` and `::1`, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The first scheme that a registry answers to.
fn pick_scheme<'s>(http: &Http, host: &str, schemes: &[&'s str]) -> Result<&'s str> {
    if let [only] = schemes {
        return Ok(only);
    }
    let mut first: Option<Failure> = None;
    for scheme in schemes {
        let fault = match http.send(&format!("{scheme}://{host}/v2/"), Request::default()) {
            // TLS servers answer plain HTTP with 400 (Go, nginx, Apache).
            Ok(reply) if *scheme == "http" && reply.status == 400 => {
                Failure::answer(answer::failure(reply, host, false, std::time::Duration::ZERO).error)
            }
            Ok(reply) => {
                reply.error_body();
                return Ok(scheme);
            }
            Err(fault) => fault,
        };
        // With a port, both schemes go to the same socket: what refuses one refuses the other.
        let hopeless = fault.cause == Cause::Unreachable && (host_has_port(host) || fault.error.errno.is_none());
        let better = match &first {
            None => true,
            // "Not TLS" says nothing when plain HTTP was allowed and failed as well.
            Some(known) => known.cause == Cause::NotTls && fault.cause != Cause::NotTls,
        };
        // An unverified certificate explains more than what plain HTTP says to a TLS server.
        let tls_story =
            *scheme == "https" && fault.cause == Cause::Answer && fault.error.kind == crate::error::Kind::Denied;
        if better || tls_story {
            first = Some(fault);
        }
        if hopeless {
            break;
        }
    }
    Err(first.unwrap_or_else(|| Failure::answer(Error::bug("no scheme to try"))))
}

fn host_has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty())
}

/// Other bytes than the digest promises. Never retried by itself: a registry that lies keeps lying.
pub fn mismatch(what: &str, want: &Digest, found: &Digest, registry: &str) -> Failure {
    let error = Error::denied(format!("verify {what} of {registry}: digest mismatch, expected {want}, got {found}"))
        .hint("the registry, a proxy or a mirror on the way serves damaged or forged data");
    Failure::new(Cause::Answer, Retry::Never, error)
}

/// The one type that header and body agree on. Documents that are manifest and index at once mean different images to
/// different tools (CVE-2021-41190): refused.
fn media_type(bytes: &[u8], content_type: &str) -> crate::error::Result<String> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes)
        .map_err(|_| Error::denied("its answer is not a JSON object").hint("check that it is a container registry"))?;
    if fields.contains_key("manifests") && (fields.contains_key("layers") || fields.contains_key("config")) {
        return Err(Error::denied("it claims to be an image and an index at once"));
    }
    if fields.get("schemaVersion").and_then(|v| v.as_u64()) == Some(1) {
        return Err(Error::unsupported("the image has the format that registries gave up in 2017 (schema 1)")
            .hint("push it again with a present tool"));
    }
    let inside = image::guess_media_type(bytes);
    let known =
        |t: &str| [image::OCI_INDEX, image::OCI_MANIFEST, image::DOCKER_INDEX, image::DOCKER_MANIFEST].contains(&t);
    match inside {
        Some(inside) if known(&inside) && known(content_type) && inside != content_type => {
            Err(Error::denied(format!("its header says {content_type}, its text {inside}")))
        }
        Some(inside) if known(&inside) => Ok(inside),
        _ if known(content_type) => Ok(content_type.to_string()),
        Some(other) => Err(Error::unsupported(format!("it is of unknown type {}", one_line(&other)))),
        None => Err(Error::denied("its answer is no manifest").hint("check that it is a container registry")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.8.9.1:80", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.evil.com", "128.0.0.1", "[2001::1]:1", "10.0.0.1:5000", "127.0.0.1.evil.com"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn ambiguous_manifests_are_refused() {
        for (body, header, want) in [
            (r#"{"manifests":[],"layers":[]}"#, image::OCI_INDEX, None),
            (r#"{"manifests":[]}"#, "", Some(image::OCI_INDEX)),
            (r#"{"manifests":[]}"#, image::DOCKER_INDEX, None),
            (r#"{"layers":[],"config":{}}"#, "application/json", Some(image::OCI_MANIFEST)),
            (r#"{"mediaType":"application/vnd.docker.distribution.manifest.v2+json"}"#, image::OCI_MANIFEST, None),
            (r#"{"schemaVersion":1}"#, "", None),
            ("[]", image::OCI_INDEX, None),
            ("<html>", "text/html", None),
        ] {
            assert_eq!(media_type(body.as_bytes(), header).ok().as_deref(), want, "{body}");
        }
    }
}
