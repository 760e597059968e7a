//! `--add-host` and `--dns`.

use super::model::Etc;
use super::request::RunRequest;
use crate::error::{Error, Result};
use std::net::IpAddr;

/// `NAME[;NAME…]:ADDRESS` or with `=`; the address may be `host-gateway`, IPv6 may stand in brackets.
pub fn parse_add_host(text: &str) -> Result<Vec<(String, String)>> {
    let bad = |why: &str| Error::user(format!("read --add-host '{text}': {why}")).hint("write NAME:ADDRESS");
    let at = text.find(['=', ':']).ok_or_else(|| bad("the address is missing"))?;
    let (names, address) = (&text[..at], &text[at + 1..]);
    let address = match address.strip_prefix('[').and_then(|a| a.strip_suffix(']')) {
        Some(inner) => inner,
        None => address,
    };
    let address = match address {
        "host-gateway" => address.to_string(),
        _ => address.parse::<IpAddr>().map_err(|_| bad(&format!("'{address}' is no IP address")))?.to_string(),
    };
    let valid = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    names
        .split(';')
        .map(|name| match valid(name) {
            true => Ok((name.to_string(), address.clone())),
            false => Err(bad(&format!("'{name}' is no host name"))),
        })
        .collect()
}

/// Everything that goes into the generated files of /etc.
pub fn etc(request: &RunRequest, name: &str) -> Result<Etc> {
    let mut add_hosts = Vec::new();
    for text in &request.add_host {
        add_hosts.extend(parse_add_host(text)?);
    }
    if request.no_hosts && !add_hosts.is_empty() {
        return Err(Error::user("combine --no-hosts with --add-host: there would be no hosts file to add to"));
    }
    for server in &request.dns {
        // `none` is podman's word for "leave resolv.conf of the image alone".
        if server != "none" && server.parse::<IpAddr>().is_err() {
            return Err(Error::user(format!("read --dns '{server}': not an IP address")));
        }
    }
    for domain in &request.dns_search {
        if domain != "." && (domain.is_empty() || domain.contains(char::is_whitespace)) {
            return Err(Error::user(format!("read --dns-search '{domain}': not a domain")));
        }
    }
    let mut aliases: Vec<String> = request.network_alias.clone();
    if !name.is_empty() {
        aliases.insert(0, name.to_string());
    }
    Ok(Etc {
        add_hosts,
        dns: request.dns.clone(),
        dns_search: request.dns_search.clone(),
        dns_options: request.dns_option.clone(),
        no_hosts: request.no_hosts,
        aliases,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let one = |text: &str| parse_add_host(text).unwrap();
        assert_eq!(one("db:10.0.0.1"), [("db".into(), "10.0.0.1".into())]);
        assert_eq!(one("db=10.0.0.1"), [("db".into(), "10.0.0.1".into())]);
        assert_eq!(one("db:::1"), [("db".into(), "::1".into())]);
        assert_eq!(one("db:[::1]"), [("db".into(), "::1".into())]);
        assert_eq!(one("a;b:host-gateway").len(), 2);
        for bad in ["", "db", "db:", "db:x", ":1.2.3.4", "a b:1.2.3.4", "a;:1.2.3.4"] {
            assert!(parse_add_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files() {
        let request =
            RunRequest { dns: vec!["1.1.1.1".into()], network_alias: vec!["x".into()], ..RunRequest::default() };
        assert_eq!(etc(&request, "web").unwrap().aliases, ["web", "x"]);
        assert!(etc(&RunRequest { dns: vec!["dns.example".into()], ..RunRequest::default() }, "").is_err());
        let both = RunRequest { no_hosts: true, add_host: vec!["a:1.1.1.1".into()], ..RunRequest::default() };
        assert!(etc(&both, "").is_err());
    }
}
