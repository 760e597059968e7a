//! slirp4netns: the default way out. Ready in a few milliseconds, 3.5 MB, in a sandbox of its own.

use crate::error::{Error, Kind, Result};
use crate::net::helper::{Helper, command, find_program, pipe};
use crate::net::options::SlirpOptions;
use crate::state::container::NetworkState;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

/// Name of the program and of the network mode in the state.
pub(super) const NAME: &str = "slirp4netns";
/// The interface inside the container.
const TAP: &str = "tap0";

/// A helper that is starting: other work can go on until [`Starting::finish`].
pub(super) struct Starting {
    helper: Helper,
    ready: OwnedFd,
}

/// What slirp4netns gives a container with these options; the same at every start.
pub(super) fn state(options: &SlirpOptions, mac: Option<&str>) -> NetworkState {
    let mac = mac.map_or_else(|| default_mac(options), str::to_owned);
    let ip6 = if options.ipv6 { stateless_address(&mac) } else { None };
    NetworkState {
        mode: NAME.into(),
        ip: options.address().to_string(),
        prefix: options.network.prefix_len(),
        ip6: ip6.map(|ip| ip.to_string()).unwrap_or_default(),
        prefix6: if ip6.is_some() { 64 } else { 0 },
        gateway: options.gateway().to_string(),
        dns: options.dns().to_string(),
        mac,
        ports: Vec::new(),
        networks: Vec::new(),
    }
}

/// Starts it for the namespaces of process `pid`.
pub(super) fn start(options: &SlirpOptions, state: &NetworkState, pid: i32) -> Result<Starting> {
    options.check_outbound()?;
    let configure = ["--configure".to_owned(), format!("--macaddress={}", state.mac)];
    launch(options, &configure, TAP, pid)
}

/// Starts it there with an interface named `tap`, which is left down and without an address.
pub(super) fn start_bare(options: &SlirpOptions, tap: &str, pid: i32) -> Result<Starting> {
    launch(options, &[], tap, pid)
}

fn launch(options: &SlirpOptions, more: &[String], tap: &str, pid: i32) -> Result<Starting> {
    let Some(program) = find_program(NAME) else {
        return Err(Error::unsupported(format!("start {NAME}: not installed")).hint(format!("install {NAME}")));
    };
    if !Path::new("/dev/net/tun").exists() {
        return Err(Error::unsupported(format!("start {NAME}: /dev/net/tun does not exist")).hint("modprobe tun"));
    }
    let (ready, ready_end) = pipe()?;
    let (exit_end, exit) = pipe()?;
    let mut args: Vec<String> = ["--enable-sandbox", "--enable-seccomp"].map(String::from).into();
    args.extend_from_slice(more);
    let mut option = |name: &str, value: String| args.push(format!("--{name}={value}"));
    option("ready-fd", ready_end.as_raw_fd().to_string());
    option("exit-fd", exit_end.as_raw_fd().to_string());
    option("mtu", options.mtu.to_string());
    option("cidr", options.network.to_string());
    if let Some(address) = &options.outbound {
        option("outbound-addr", address.clone());
    }
    if let Some(address) = &options.outbound6 {
        option("outbound-addr6", address.clone());
    }
    if !options.host_loopback {
        args.push("--disable-host-loopback".into());
    }
    if options.ipv6 {
        args.push("--enable-ipv6".into());
    }
    // The form with a pid: with --userns-path the sandbox of version 1.2 fails (it doesn't enter that namespace).
    args.extend([pid.to_string(), tap.to_owned()]);
    let inherit = [ready_end.as_fd(), exit_end.as_fd()];
    let helper = Helper::start(NAME, command(&program, &args), &inherit, Some(exit))?;
    Ok(Starting { helper, ready })
}

impl Starting {
    pub(super) fn finish(mut self) -> Result<Helper> {
        self.helper.await_ready(self.ready.as_fd()).map_err(explain)?;
        Ok(self.helper)
    }
}

fn explain(e: Error) -> Error {
    let text = e.to_string();
    if text.contains("/dev/net/tun") {
        return e.kind(Kind::Unsupported).hint("make the device usable: chmod 666 /dev/net/tun");
    }
    if text.contains("unrecognized option") {
        return e.kind(Kind::Unsupported).hint(format!("{NAME} is too old: 1.1.9 or newer is needed"));
    }
    e
}

/// As Docker makes them: 02:42 and the address. The network is the container's own, so nothing can clash.
fn default_mac(options: &SlirpOptions) -> String {
    let [a, b, c, d] = options.address().octets();
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// The address that the kernel gives itself from slirp's router advertisement (RFC 4862, modified EUI-64) in fd00::/64.
fn stateless_address(mac: &str) -> Option<Ipv6Addr> {
    let bytes: Vec<u8> = mac.split(':').map(|b| u8::from_str_radix(b, 16).ok()).collect::<Option<_>>()?;
    let [a, b, c, d, e, f] = bytes[..].try_into().ok()?;
    let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Some(Ipv6Addr::new(0xfd00, 0, 0, 0, pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_beforehand() {
        let state = state(&SlirpOptions::default(), None);
        assert_eq!((state.ip.as_str(), state.prefix), ("10.0.2.100", 24));
        assert_eq!(state.mac, "02:42:0a:00:02:64");
        assert_eq!(state.ip6, "fd00::42:aff:fe00:264");
        assert_eq!(stateless_address("zz"), None);
        let plain = SlirpOptions { ipv6: false, ..SlirpOptions::default() };
        assert_eq!(super::state(&plain, Some("02:00:00:00:00:01")).ip6, "");
    }
}
