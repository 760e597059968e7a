//! Which proxy serves which address, as curl and Go choose it from the environment.

use super::fault;
use super::options::Env;
use ipnet::IpNet;
use std::net::IpAddr;
use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

/// The proxy for a scheme: HTTPS_PROXY or HTTP_PROXY, then ALL_PROXY. Whether it is used for an address is for
/// [`bypassed`] to say.
pub fn for_scheme(env: &Env, secure: bool) -> Option<Proxy> {
    let names: &[&str] = if secure {
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
    };
    let text = names.iter().find_map(|n| env.var(n))?;
    let text = if text.contains("://") { text.to_string() } else { format!("http://{text}") };
    let uri: Uri = text.parse().ok()?;
    let (protocol, port) = match uri.scheme_str()? {
        "http" => (ProxyProtocol::Http, 80),
        "https" => (ProxyProtocol::Https, 443),
        // The proxy resolves names with either, as with docker and podman (Go's net/http): it may know more of them.
        "socks" | "socks5" | "socks5h" => (ProxyProtocol::Socks5h, 1080),
        "socks4" => (ProxyProtocol::Socks4, 1080),
        "socks4a" => (ProxyProtocol::Socks4A, 1080),
        other => {
            let other = fault::one_line(other);
            log::warn!("ignoring the proxy of scheme {other}: http, https, socks5 and socks4a proxies are supported");
            return None;
        }
    };
    let mut builder = Proxy::builder(protocol).host(uri.host()?).port(uri.port_u16().unwrap_or(port));
    if let Some((user, _)) = uri.authority()?.as_str().rsplit_once('@') {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        builder = builder.username(&unescape(name)).password(&unescape(password));
    }
    builder.build().ok()
}

/// Whether the address is reached directly: loopback always is, and what NO_PROXY lists. Its entries are names
/// (`example.com` with everything below it, `.example.com` what is below it only), addresses, networks (`10.0.0.0/8`),
/// each but the last with a port if need be, or `*`.
pub fn bypassed(env: &Env, uri: &Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let list = env.var("NO_PROXY").or_else(|| env.var("no_proxy")).unwrap_or("");
    list.split([',', ' ']).map(str::trim).filter(|e| !e.is_empty()).any(|entry| matches(entry, &host, address, port))
}

fn matches(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    let entry = entry.to_ascii_lowercase();
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return address.is_some_and(|ip| network.contains(&ip));
    }
    // An IPv6 address without brackets has colons, but no port.
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => (name, digits.parse::<u16>().ok()),
        _ => (entry.as_str(), None),
    };
    if wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = name.parse::<IpAddr>() {
        return address == Some(ip);
    }
    match name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// %XX decoding of a URL's user part.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) if bytes[i] == b'%' => {
                out.push(byte);
                i += 3;
            }
            _ => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_follow_the_scheme() {
        let env = Env::from_lookup(|n| (n == "https_proxy").then(|| "http://u:p%40@proxy:3128".into()));
        assert!(for_scheme(&env, false).is_none());
        let p = for_scheme(&env, true).unwrap();
        assert_eq!((p.host(), p.port(), p.username(), p.password()), ("proxy", 3128, Some("u"), Some("p@")));
        let all = |value: &'static str| Env::from_lookup(move |n| (n == "ALL_PROXY").then(|| value.into()));
        assert_eq!(for_scheme(&all("proxy:8080"), false).unwrap().port(), 8080);
        let socks = for_scheme(&all("socks5://me:x@[::1]"), true).unwrap();
        assert_eq!((socks.protocol(), socks.host(), socks.port()), (ProxyProtocol::Socks5h, "[::1]", 1080));
        assert!(!socks.resolve_target());
        assert!(for_scheme(&all("ftp://proxy"), true).is_none());
    }

    #[test]
    fn no_proxy() {
        let list = "example.com, .internal,*.wild.io,10.0.0.0/8,192.168.1.7,fd00::/8,host.net:5000,[2001:db8::1]:443";
        let env = Env::from_lookup(|n| (n == "NO_PROXY").then(|| list.into()));
        for (address, direct) in [
            ("https://example.com/", true),
            ("https://r.Example.com/", true),
            ("https://badexample.com/", false),
            ("https://a.internal/", true),
            ("https://internal/", false),
            ("https://a.wild.io:5000/", true),
            ("https://localhost:5000/", true),
            ("https://127.0.0.1:5000/", true),
            ("http://[::1]:5000/", true),
            ("https://10.1.2.3:5000/", true),
            ("https://11.1.2.3/", false),
            ("https://192.168.1.7/", true),
            ("https://[fd00::5]/", true),
            ("https://host.net:5000/", true),
            ("https://host.net/", false),
            ("https://[2001:db8::1]/", true),
            ("https://r.io/", false),
        ] {
            assert_eq!(bypassed(&env, &address.parse().unwrap()), direct, "{address}");
        }
        let all = Env::from_lookup(|n| (n == "no_proxy").then(|| "*".into()));
        assert!(bypassed(&all, &"https://r.io/".parse().unwrap()));
    }
}
