//! Failures of a conversation with a registry: the error to show, and whether another attempt may help.

use crate::error::{Error, Kind};
use std::io::ErrorKind;
use std::time::Duration;

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Never,
    /// After the usual back-off.
    Soon,
    /// When the registry says (Retry-After).
    After(Duration),
}

/// What failed, for those who have another way to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An HTTP status, a bad body or anything else above the connection.
    Answer,
    /// Status 404.
    NotFound,
    /// Status 401 or 403.
    Refused,
    /// Status 416: it has no such part.
    NoRange,
    /// The name does not resolve or nothing listens.
    Unreachable,
    /// The other side does not speak TLS.
    NotTls,
    /// The connection broke or timed out.
    Broken,
    /// A fault of this side: the store, the disk.
    Local,
}

/// A failed step.
#[derive(Clone, Debug)]
pub struct Failure {
    pub error: Error,
    pub retry: Retry,
    pub cause: Cause,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub fn new(cause: Cause, retry: Retry, error: Error) -> Failure {
        Failure { error, retry, cause }
    }
    /// A final failure of the answer itself.
    pub fn answer(error: Error) -> Failure {
        Failure::new(Cause::Answer, Retry::Never, error)
    }
    pub fn context(mut self, message: impl Into<String>) -> Failure {
        self.error = self.error.context(message);
        self
    }
}

/// An error of our own side ends the pull: no retry mends a full disk.
impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::new(Cause::Local, Retry::Never, error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        failure.error
    }
}

/// What ureq reports, in our words; `host` is whom we talked to.
pub fn transport(e: ureq::Error, host: &str) -> Failure {
    use ureq::Error as U;
    match e {
        U::HostNotFound => unresolved(host, "no such host", Retry::Never),
        U::Io(io) => io_failure(io, host),
        U::Rustls(tls) => tls_failure(&tls, host),
        U::Timeout(reason) => {
            let error = Error::new(Kind::Io, format!("talk to {host}: timed out ({reason})"))
                .hint("check the network, proxies and firewalls on the way to it");
            let cause = if reason == ureq::Timeout::Connect { Cause::Unreachable } else { Cause::Broken };
            Failure::new(cause, Retry::Soon, error)
        }
        U::ConnectProxyFailed(text) => {
            let error = Error::new(Kind::Io, format!("reach {host} through the proxy: {}", one_line(&text)));
            Failure::new(Cause::Unreachable, Retry::Never, error.hint(PROXY_HINT))
        }
        U::BadUri(text) => Failure::answer(Error::user(format!("use address {}", one_line(&text)))),
        other => {
            let error =
                Error::new(Kind::Io, format!("understand the answer of {host}: {}", one_line(&other.to_string())))
                    .hint("check that it is a container registry");
            Failure::answer(error)
        }
    }
}

const PROXY_HINT: &str = "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY";

/// [`transport`] where a proxy is asked for `host`: it is the one whose name is looked up and who is connected to.
pub fn proxied(e: ureq::Error, host: &str, proxy: &ureq::Proxy) -> Failure {
    let address = format!("{}:{}", proxy.host(), proxy.port());
    let mut failure = match e {
        ureq::Error::HostNotFound => unresolved(&address, "no such host", Retry::Never),
        ureq::Error::Io(io) if is_refusal(&io) => {
            Failure::new(Cause::Unreachable, Retry::Never, Error::new(Kind::Io, one_line(&io.to_string())))
        }
        // Once the connection stands all else is between us and the registry.
        ureq::Error::Io(io) if !is_unreachable(&io) => return io_failure(io, host),
        ureq::Error::Io(io) => io_failure(io, &address),
        other => return transport(other, host),
    };
    failure.error.hint = Some(PROXY_HINT.into());
    failure.context(format!("reach {host} through the proxy"))
}

/// The proxy's name does not resolve, or nobody answers there.
fn is_unreachable(e: &std::io::Error) -> bool {
    use ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(e.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable)
        || e.to_string().contains("failed to lookup address information")
}

/// What a SOCKS proxy refuses (RFC 1928 §6) is a text of ureq's without an errno.
fn is_refusal(e: &std::io::Error) -> bool {
    use ErrorKind::{InvalidData, InvalidInput, Other, PermissionDenied};
    let text = e.get_ref().is_some_and(|inner| !inner.is::<rustls::Error>() && !inner.is::<ureq::Error>());
    text && matches!(e.kind(), InvalidData | InvalidInput | Other | PermissionDenied) && !is_unreachable(e)
}

/// A failed read or connect.
pub fn io_failure(e: std::io::Error, host: &str) -> Failure {
    if let Some(tls) = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_failure(tls, host);
    }
    let e = match e.downcast::<ureq::Error>() {
        // A body reader wraps what ureq says; an Io inside would come straight back here.
        Ok(ureq::Error::Io(inner)) => inner,
        Ok(other) => return transport(other, host),
        Err(e) => e,
    };
    let text = e.to_string();
    if text.contains("failed to lookup address information") {
        let why = text.rsplit(": ").next().unwrap_or_default();
        let retry = if text.contains("Temporary") { Retry::Soon } else { Retry::Never };
        return unresolved(host, &one_line(why).to_lowercase(), retry);
    }
    match (e.kind(), e.raw_os_error()) {
        (ErrorKind::ConnectionRefused, _) => {
            let error = Error::errno(libc::ECONNREFUSED, format!("connect to {host}"))
                .hint("check that the registry runs there and that host and port are right");
            Failure::new(Cause::Unreachable, Retry::Never, error)
        }
        (ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable, Some(errno)) => {
            let error = Error::errno(errno, format!("connect to {host}")).hint("check this machine's network");
            Failure::new(Cause::Unreachable, Retry::Soon, error)
        }
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => {
            let error = Error::errno(libc::ETIMEDOUT, format!("talk to {host}"));
            Failure::new(Cause::Broken, Retry::Soon, error.hint("check the network, proxies and firewalls on the way"))
        }
        (_, Some(errno)) => Failure::new(Cause::Broken, Retry::Soon, Error::errno(errno, format!("talk to {host}"))),
        _ => {
            let text = match e.kind() {
                ErrorKind::UnexpectedEof => "the connection was cut".to_string(),
                _ if text.contains("disconnected") => "the connection was cut".to_string(),
                _ => one_line(&text),
            };
            Failure::new(Cause::Broken, Retry::Soon, Error::new(Kind::Io, format!("talk to {host}: {text}")))
        }
    }
}

fn unresolved(host: &str, why: &str, retry: Retry) -> Failure {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let error = Error::new(Kind::Io, format!("resolve host name {name}: {why}"))
        .hint("check the name, /etc/hosts and /etc/resolv.conf");
    Failure::new(Cause::Unreachable, retry, error)
}

fn tls_failure(e: &rustls::Error, host: &str) -> Failure {
    use rustls::CertificateError as C;
    let denied = |why: &str| Error::denied(format!("verify the certificate of {host}: {why}"));
    let trust = format!(
        "put the CA's certificate into ~/.config/containers/certs.d/{host}/ca.crt, or skip verification with --tls-verify=false"
    );
    let error = match e {
        rustls::Error::InvalidMessage(_) => {
            let error = Error::denied(format!("open a TLS connection to {host}: the server does not speak TLS"))
                .hint("if it is meant to be plain HTTP use --tls-verify=false, or insecure = true in registries.conf");
            return Failure::new(Cause::NotTls, Retry::Never, error);
        }
        rustls::Error::InvalidCertificate(c) => match c {
            C::UnknownIssuer => denied("signed by an unknown authority").hint(trust),
            C::NotValidForName | C::NotValidForNameContext { .. } => denied("it is made for another host name")
                .hint("use the name in the certificate, or skip verification with --tls-verify=false"),
            C::Expired | C::ExpiredContext { .. } => {
                denied("it has expired").hint("check this machine's clock, or have the certificate renewed")
            }
            C::NotValidYet | C::NotValidYetContext { .. } => {
                denied("it is not valid yet").hint("check this machine's clock")
            }
            C::Revoked => denied("it has been revoked"),
            // A self-signed server certificate without a CA shows as one of these.
            other => denied(&one_line(&other.to_string())).hint(trust),
        },
        rustls::Error::AlertReceived(alert) => {
            Error::denied(format!("open a TLS connection to {host}: refused with alert {alert:?}"))
                .hint("the registry may want a client certificate: put client.cert and client.key into certs.d")
        }
        other => Error::denied(format!("open a TLS connection to {host}: {}", one_line(&other.to_string()))),
    };
    Failure::new(Cause::Answer, Retry::Never, error)
}

/// Text of the other side made fit for a terminal and one line: no control characters, bounded length.
pub fn one_line(text: &str) -> String {
    let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    clean.truncate(clean.trim_end().len());
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(one_line("a\x1b[31mb\nc  "), "a [31mb c");
        assert_eq!(one_line(&"x".repeat(10_000)).len(), 200);
    }

    #[test]
    fn refused_connections_fail_at_once_and_cut_ones_are_retried() {
        let refused = io_failure(io::Error::from_raw_os_error(libc::ECONNREFUSED), "h:1");
        assert_eq!((refused.retry, refused.cause), (Retry::Never, Cause::Unreachable));
        assert!(refused.error.to_string().starts_with("connect to h:1: connection refused"), "{}", refused.error);
        let cut = io_failure(io::Error::from(io::ErrorKind::UnexpectedEof), "h:1");
        assert_eq!((cut.retry, cut.cause), (Retry::Soon, Cause::Broken));
        let reset = io_failure(io::Error::other(ureq::Error::Io(io::Error::from_raw_os_error(libc::ECONNRESET))), "h");
        assert_eq!(reset.error.errno, Some(libc::ECONNRESET));
    }

    #[test]
    fn certificates_name_the_remedy() {
        let e = tls_failure(&rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer), "reg:5000");
        let text = e.error.to_string();
        assert!(text.contains("certs.d/reg:5000") && text.contains("--tls-verify=false"), "{text}");
    }
}
