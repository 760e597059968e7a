//! What the network looks like from here, and small servers and clients for tests.

use crate::json::Value;
use crate::status;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Interface name → addresses with prefix.
pub fn interfaces() -> Vec<(String, Vec<String>)> {
    let names = status::read("/proc/net/dev").unwrap_or_default();
    let names = names.lines().skip(2).filter_map(|l| Some(l.split_once(':')?.0.trim().to_string()));
    let v4 = v4_addresses();
    let v6 = v6_addresses();
    names
        .map(|name| {
            let mut addresses: Vec<String> = Vec::new();
            for (address, prefix) in &v4 {
                if interface_of(*address).as_deref() == Some(&name) {
                    addresses.push(format!("{}/{prefix}", IpAddr::V4((*address).into())));
                }
            }
            addresses.extend(v6.iter().filter(|(n, _)| *n == name).map(|(_, a)| a.clone()));
            (name, addresses)
        })
        .collect()
}

/// Local IPv4 addresses and the prefix of the narrowest on-link network that holds each (/proc/net/fib_trie).
fn v4_addresses() -> Vec<(u32, u32)> {
    let trie = status::read("/proc/net/fib_trie").unwrap_or_default();
    let (mut networks, mut hosts, mut last) = (Vec::new(), Vec::new(), 0u32);
    for line in trie.lines() {
        let line = line.trim();
        if let Some(leaf) = line.strip_prefix("|-- ") {
            last = leaf.parse::<std::net::Ipv4Addr>().map_or(0, u32::from);
        } else if line == "/32 host LOCAL" {
            if !hosts.contains(&last) {
                hosts.push(last);
            }
        } else if let Some((prefix, "link UNICAST")) = line.strip_prefix('/').and_then(|l| l.split_once(' ')) {
            networks.push((last, prefix.parse().unwrap_or(32)));
        } else if let Some((prefix, "host LOCAL")) = line.strip_prefix('/').and_then(|l| l.split_once(' ')) {
            networks.push((last, prefix.parse().unwrap_or(32)));
        }
    }
    let covers = |n: u32, p: u32, a: u32| p == 0 || (n ^ a) >> (32 - p) == 0;
    hosts
        .into_iter()
        .map(|a| {
            let prefix = networks.iter().filter(|(n, p)| covers(*n, *p, a)).map(|(_, p)| *p).max();
            (a, prefix.unwrap_or(32))
        })
        .collect()
}

/// The interface that routes say an own IPv4 address belongs to (/proc/net/route has on-link networks).
fn interface_of(address: u32) -> Option<String> {
    if address >> 24 == 127 {
        return Some("lo".into());
    }
    let table = status::read("/proc/net/route")?;
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let hex = |i: usize| u32::from_str_radix(words.get(i)?, 16).ok().map(u32::swap_bytes);
        let (network, mask) = (hex(1)?, hex(7)?);
        (mask != 0 && network & mask == address & mask).then(|| words[0].to_string())
    })
}

fn v6_addresses() -> Vec<(String, String)> {
    let table = status::read("/proc/net/if_inet6").unwrap_or_default();
    table
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let address = Ipv6Addr::from(u128::from_str_radix(words.first()?, 16).ok()?);
            let prefix = u8::from_str_radix(words.get(2)?, 16).ok()?;
            Some((words.last()?.to_string(), format!("{address}/{prefix}")))
        })
        .collect()
}

/// IPv4 routes as `{dev, dst, via, prefix}`.
pub fn routes() -> Value {
    let table = status::read("/proc/net/route").unwrap_or_default();
    let rows = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let hex = |i: usize| u32::from_str_radix(words.get(i)?, 16).ok().map(u32::swap_bytes);
        let ip = |i: usize| Some(IpAddr::V4(hex(i)?.into()).to_string());
        Some(Value::object([
            ("dev", Value::text(words[0])),
            ("dst", Value::text(ip(1)?)),
            ("via", Value::text(ip(2)?)),
            ("prefix", Value::Number(hex(7)?.count_ones().into())),
        ]))
    });
    Value::Array(rows.collect())
}

fn number<T: std::str::FromStr>(s: &str) -> Result<T, String> {
    s.parse().map_err(|_| format!("{s}: not a number in range"))
}

/// Both families on one socket where the kernel has IPv6.
fn any(port: &str) -> Result<[SocketAddr; 2], String> {
    let port = number(port)?;
    Ok([SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), SocketAddr::from(([0, 0, 0, 0], port))])
}

/// The client as itself: an IPv4 client of a dual-stack socket is shown as IPv4.
fn peer(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

pub fn tcp_serve(port: &str, clients: &str) -> Result<u8, String> {
    let listener = TcpListener::bind(&any(port)?[..]).map_err(|e| format!("listen on tcp {port}: {e}"))?;
    println!("listening on tcp {port}");
    for _ in 0..number::<u64>(clients)? {
        let (mut stream, from) = listener.accept().map_err(|e| format!("accept: {e}"))?;
        // One client after the other keeps it simple; a client that goes away must not end the server.
        let _ = writeln!(stream, "peer {}", peer(from))
            .and_then(|()| std::io::copy(&mut stream.try_clone()?, &mut stream).map(drop));
    }
    Ok(0)
}

pub fn udp_serve(port: &str, datagrams: &str) -> Result<u8, String> {
    let socket = UdpSocket::bind(&any(port)?[..]).map_err(|e| format!("listen on udp {port}: {e}"))?;
    println!("listening on udp {port}");
    let mut buffer = vec![0; 65536];
    for _ in 0..number::<u64>(datagrams)? {
        let (n, from) = socket.recv_from(&mut buffer).map_err(|e| format!("receive: {e}"))?;
        let mut answer = format!("peer {}\n", peer(from)).into_bytes();
        answer.extend_from_slice(&buffer[..n]);
        let _ = socket.send_to(&answer, from);
    }
    Ok(0)
}

fn resolve(host: &str, port: &str) -> Result<Vec<SocketAddr>, String> {
    Ok((host, number(port)?).to_socket_addrs().map_err(|e| format!("resolve {host}: {e}"))?.collect())
}

pub fn tcp(host: &str, port: &str, text: &str) -> Result<u8, String> {
    let mut last = format!("{host} has no address");
    for address in resolve(host, port)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut stream) => {
                let mut answer = Vec::new();
                stream
                    .set_read_timeout(Some(PATIENCE))
                    .and_then(|()| stream.write_all(text.as_bytes()))
                    .and_then(|()| stream.shutdown(Shutdown::Write))
                    .and_then(|()| stream.read_to_end(&mut answer))
                    .map_err(|e| format!("talk to {address}: {e}"))?;
                println!("{}", String::from_utf8_lossy(&answer));
                return Ok(0);
            }
            Err(e) => last = format!("connect to {address}: {e}"),
        }
    }
    Err(last)
}

pub fn udp(host: &str, port: &str, text: &str) -> Result<u8, String> {
    let address = *resolve(host, port)?.first().ok_or_else(|| format!("{host} has no address"))?;
    let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let talk = || -> std::io::Result<String> {
        let socket = UdpSocket::bind(local)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send_to(text.as_bytes(), address)?;
        let mut buffer = vec![0; 65536];
        let n = socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
    };
    println!("{}", talk().map_err(|e| format!("talk to {address}: {e}"))?);
    Ok(0)
}
