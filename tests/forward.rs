//! The network layer by itself: published ports that keep their clients' addresses, half-closes, resets, bulk, UDP.
//!
//! The test runs itself again inside a user and network namespace that plays the host (so that it can own any client
//! address without privilege), and once more inside a further one that plays the container.

mod common;

use coracle::net::{self, HostPorts, NetRequest};
use coracle::spec::model::{Etc, NetMode, Network};
use coracle::stage;
use coracle::state::container::PortMapping;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "CORACLE_TEST_NET_ROLE";
const HOST: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// Two clients of each family.
const CLIENTS: [[&str; 2]; 2] = [["198.51.100.9", "198.51.100.200"], ["2001:db8:1::9", "2001:db8:2::1"]];
/// Ports inside: an echo of both protocols, one that closes at once, one nobody listens on.
const ECHO: u16 = 7000;
const SINK: u16 = 7001;
const CLOSED: u16 = 7002;
/// One that says goodbye first and then counts what still comes, and one that tells how much came so.
const GOODBYE: u16 = 7003;
const COUNT: u16 = 7004;
/// Bytes of the long stream; more by hand with CORACLE_TEST_STREAM (10000000000 is the goal).
const STREAM: u64 = 300_000_000;

#[test]
fn clients_keep_their_addresses() {
    match std::env::var(ROLE).as_deref() {
        Ok("host") => play_host(),
        Ok("container") => play_container(),
        _ => {
            need!("unshare", "nsenter", "ip", "slirp4netns");
            let mut unshare = Command::new("unshare");
            unshare.args(["--user", "--map-root-user", "--net", "--"]);
            let status = again(unshare, "host").status().unwrap();
            assert!(status.success(), "the namespace that plays the host failed: {status}");
        }
    }
}

/// This test once more, at the end of `wrapper`'s arguments.
fn again(mut wrapper: Command, role: &str) -> Command {
    wrapper.arg(std::env::current_exe().unwrap());
    wrapper.args(["--exact", "clients_keep_their_addresses", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    wrapper
}

struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn play_container() {
    let tcp = TcpListener::bind(("::", ECHO)).unwrap();
    let udp = UdpSocket::bind(("::", ECHO)).unwrap();
    let sink = TcpListener::bind(("::", SINK)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok((n, peer)) = udp.recv_from(&mut buffer) {
            let answer = [format!("{}\n", plain(peer)).as_bytes(), &buffer[..n]].concat();
            let _ = udp.send_to(&answer, peer);
        }
    });
    std::thread::spawn(move || {
        // Closing with unread data sends a reset.
        for stream in sink.incoming().flatten() {
            std::thread::sleep(Duration::from_millis(100));
            drop(stream);
        }
    });
    let (goodbye, count) = (TcpListener::bind(("::", GOODBYE)).unwrap(), TcpListener::bind(("::", COUNT)).unwrap());
    std::thread::spawn(move || {
        for mut stream in goodbye.incoming().flatten() {
            stream.write_all(b"bye").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let came = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
            count.accept().unwrap().0.write_all(came.to_string().as_bytes()).unwrap();
        }
    });
    println!("serving");
    for mut stream in tcp.incoming().flatten() {
        std::thread::spawn(move || {
            let peer = plain(stream.peer_addr().unwrap());
            let _ = stream.write_all(format!("{peer}\n").as_bytes());
            let mut buffer = vec![0; 1 << 16];
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..n]).is_err() {
                    break;
                }
            }
        });
    }
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn ip(args: &str) {
    assert!(Command::new("ip").args(args.split(' ')).status().unwrap().success(), "ip {args}");
}

fn play_host() {
    stage::set_program(common::binary());
    ip("link set lo up");
    // pasta wants a way out to copy.
    ip("link add out0 type veth peer name out1");
    ip("link set out0 up");
    ip("link set out1 up");
    ip("addr add 203.0.113.1/24 dev out0");
    ip("route add default via 203.0.113.2");
    for address in HOST.iter().chain(CLIENTS.as_flattened()) {
        let bits = if address.contains(':') { "128 dev lo nodad" } else { "32 dev lo" };
        ip(&format!("addr add {address}/{bits}"));
    }
    let mapping = |container_port, protocol: &str| PortMapping {
        container_port,
        protocol: protocol.into(),
        ..PortMapping::default()
    };
    let ports = net::bind_ports(
        &[
            mapping(ECHO, "tcp"),
            mapping(ECHO, "udp"),
            mapping(SINK, "tcp"),
            mapping(CLOSED, "tcp"),
            mapping(GOODBYE, "tcp"),
            mapping(COUNT, "tcp"),
        ],
        &|_| None,
        &mut Vec::new(),
    )
    .unwrap();
    for mode in [NetMode::Default, NetMode::Pasta(vec![]), NetMode::None] {
        if mode == NetMode::Pasta(vec![]) && common::which("pasta").is_none() {
            continue;
        }
        // The listeners outlive each container, as they do at a restart.
        with_container(&ports, mode);
    }
}

fn with_container(ports: &HostPorts, mode: NetMode) {
    eprintln!("--- {mode:?}");
    let namespaces = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--", "sh", "-c", "echo ready; exec sleep 1000"])
        .stdout(Stdio::piped())
        .spawn();
    let mut container = Reaped(namespaces.unwrap());
    read_line(&mut container.0);
    let pid = container.0.id() as i32;
    let run_dir = std::env::temp_dir().join(format!("coracle-net-{}", std::process::id()));
    // Without a helper there is still the forwarder: the level of hosts that have neither.
    let spec_mode = if mode == NetMode::None { NetMode::Path("test".into()) } else { mode.clone() };
    let spec = Network { mode: spec_mode, ..Network::default() };
    let request = NetRequest {
        spec: &spec,
        init_pid: pid,
        ports,
        etc: &Etc::default(),
        run_dir: &run_dir,
        joined: None,
        places: None,
    };
    let begin = Instant::now();
    let active = net::setup(request).unwrap();
    eprintln!("set up in {:?}: {:?} {:?}", begin.elapsed(), active.state, active.warnings);
    assert_eq!(active.warnings, [""; 0]);
    let mut enter = Command::new("nsenter");
    enter.args(["--target", &pid.to_string(), "--user", "--net", "--preserve-credentials", "--"]);
    let mut server = Reaped(again(enter, "container").stdout(Stdio::piped()).spawn().unwrap());
    while !read_line(&mut server.0).contains("serving") {}
    let port = |i: usize| ports.resolved[i].host_port;
    if mode != NetMode::None {
        for family in 0..2 {
            let host: IpAddr = HOST[family].parse().unwrap();
            if family == 1 && active.state.ip6.is_empty() {
                continue;
            }
            if family == 1 {
                wait_for_ipv6(pid);
            }
            let clients = CLIENTS[family].map(|c| SocketAddr::new(c.parse().unwrap(), 0));
            for from in clients {
                tcp_address(from, SocketAddr::new(host, port(0)));
                udp_address(from, SocketAddr::new(host, port(1)));
            }
            crowd(&clients, SocketAddr::new(host, port(1)));
        }
    }
    for loopback in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(loopback.parse().unwrap(), port(0));
        let (_, answer) = ask(address, b"hello");
        assert_eq!(answer, b"hello");
        let address = SocketAddr::new(loopback.parse().unwrap(), port(1));
        let socket = UdpSocket::bind((loopback, 0)).unwrap();
        assert!(ask_udp(&socket, address, b"ping").1 == b"ping");
    }
    eprintln!("addresses in {:?}", begin.elapsed());
    bulk(SocketAddr::new(HOST[0].parse().unwrap(), port(0)));
    resets(SocketAddr::new(HOST[0].parse().unwrap(), port(2)), SocketAddr::new(HOST[0].parse().unwrap(), port(3)));
    let main = mode == NetMode::Default;
    many(SocketAddr::new(HOST[0].parse().unwrap(), port(0)), if main { 10_000 } else { 1000 });
    let begin = Instant::now();
    slow(SocketAddr::new(HOST[0].parse().unwrap(), port(0)));
    eprintln!("a slow reader in {:?}", begin.elapsed());
    goodbye(SocketAddr::new(HOST[0].parse().unwrap(), port(4)), SocketAddr::new(HOST[0].parse().unwrap(), port(5)));
    if main {
        let bytes = std::env::var("CORACLE_TEST_STREAM").map_or(STREAM, |n| n.parse().unwrap());
        stream(SocketAddr::new(HOST[0].parse().unwrap(), port(0)), bytes);
    }
    let pids: Vec<i32> = active.helpers.iter().map(|h| h.pid).collect();
    drop(active);
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "a helper is left");
    }
}

fn read_line(child: &mut Child) -> String {
    let mut line = String::new();
    let mut byte = [0];
    let out = child.stdout.as_mut().unwrap();
    while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0] as char);
    }
    assert!(byte[0] == b'\n', "it ended early");
    line
}

fn wait_for_ipv6(pid: i32) {
    common::eventually("an IPv6 address inside", 20, || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/if_inet6")).unwrap();
        // Flag 0x40: still under duplicate address detection.
        let ready = |flags: &str| u8::from_str_radix(flags, 16).unwrap() & 0x40 == 0;
        text.lines().any(|l| l.starts_with("fd00") && ready(l.split_whitespace().nth(4).unwrap()))
    });
}

/// Connects from a chosen address.
fn connect_from(from: SocketAddr, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket(family, SocketType::STREAM, None).unwrap();
    bind(fd.as_fd(), &from).unwrap();
    connect(fd.as_fd(), &to).unwrap();
    TcpStream::from(fd)
}

fn tcp_address(from: SocketAddr, to: SocketAddr) {
    let mut stream = connect_from(from, to);
    let own = stream.local_addr().unwrap();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, format!("{own}\nhello"), "the address and port of a TCP client");
}

fn udp_address(from: SocketAddr, to: SocketAddr) {
    let socket = UdpSocket::bind(from).unwrap();
    for text in [&b"one"[..], b"two", &[b'x'; 9000]] {
        let (peer, answer) = ask_udp(&socket, to, text);
        assert_eq!(peer, socket.local_addr().unwrap(), "the address and port of a UDP client");
        assert!(answer == text);
    }
}

fn split(answer: &[u8]) -> (SocketAddr, Vec<u8>) {
    let end = answer.iter().position(|b| *b == b'\n').expect("an address first");
    (std::str::from_utf8(&answer[..end]).unwrap().parse().unwrap(), answer[end + 1..].to_vec())
}

fn ask_udp(socket: &UdpSocket, to: SocketAddr, text: &[u8]) -> (SocketAddr, Vec<u8>) {
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut buffer = [0; 65536];
    for _ in 0..5 {
        socket.send_to(text, to).unwrap();
        if let Ok((n, from)) = socket.recv_from(&mut buffer) {
            assert_eq!(plain(from), to, "the answer comes from where the question went");
            return split(&buffer[..n]);
        }
    }
    panic!("no answer from {to}");
}

fn ask(to: SocketAddr, text: &[u8]) -> (SocketAddr, Vec<u8>) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut writing = stream.try_clone().unwrap();
    let mut answer = Vec::new();
    std::thread::scope(|s| {
        s.spawn(move || {
            writing.write_all(text).unwrap();
            writing.shutdown(Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut answer).unwrap();
    });
    split(&answer)
}

fn bulk(to: SocketAddr) {
    let text: Vec<u8> = (0..64 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let begin = Instant::now();
    assert!(ask(to, &text).1 == text);
    eprintln!("64 MB there and back in {:?}", begin.elapsed());
}

fn resets(sink: SocketAddr, closed: SocketAddr) {
    for (address, text) in [(sink, &b"unread"[..]), (closed, b"")] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(text);
        let e = stream.read(&mut [0; 16]).expect_err("a reset");
        assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset, "{address}: {e}");
    }
}

/// Many peers of both addresses at a time: each gets its own answers, from the address that it asked.
fn crowd(clients: &[SocketAddr], to: SocketAddr) {
    let sockets: Vec<UdpSocket> = (0..300).map(|i| UdpSocket::bind(clients[i % clients.len()]).unwrap()).collect();
    sockets.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
    let mut missing: Vec<usize> = (0..sockets.len()).collect();
    let mut buffer = [0; 256];
    // A full buffer loses datagrams, as on any path.
    for _ in 0..10 {
        for i in &missing {
            sockets[*i].send_to(format!("peer {i}").as_bytes(), to).unwrap();
        }
        // All of them have half a second for a sign of life, not each.
        let mut last = Instant::now();
        while !missing.is_empty() && last.elapsed() < Duration::from_millis(500) {
            let before = missing.len();
            missing.retain(|i| {
                let Ok((n, from)) = sockets[*i].recv_from(&mut buffer) else { return true };
                assert_eq!(plain(from), to);
                assert_eq!(split(&buffer[..n]), (sockets[*i].local_addr().unwrap(), format!("peer {i}").into_bytes()));
                false
            });
            if missing.len() < before {
                last = Instant::now();
            } else {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
    assert!(missing.is_empty(), "{} of {} UDP peers have no answer", missing.len(), sockets.len());
}

/// A client that sends and does not read holds up nobody, and gets everything in the end.
fn slow(to: SocketAddr) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let chunk: Vec<u8> = (0..1 << 16).map(|i: u32| i as u8).collect();
    let mut sent = 0;
    // Until every buffer on the way is full.
    loop {
        match stream.write(&chunk[sent % chunk.len()..]) {
            Ok(n) => sent += n,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => break,
            Err(e) => panic!("{e}"),
        }
        assert!(sent < 1 << 30, "the forwarder keeps what nobody reads");
    }
    assert_eq!(ask(to, b"meanwhile").1, b"meanwhile");
    let mut reading = stream.try_clone().unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    reading.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    reading.read_to_end(&mut answer).unwrap();
    let (_, answer) = split(&answer);
    assert_eq!(answer.len(), sent);
    assert!(answer.iter().enumerate().all(|(i, byte)| *byte == i as u8), "bytes are lost or changed");
}

/// The server ends its half first and still gets what the client sends then.
fn goodbye(to: SocketAddr, count: SocketAddr) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "bye");
    stream.write_all(&vec![b'x'; 3_000_000]).unwrap();
    drop(stream);
    let mut came = String::new();
    let mut stream = TcpStream::connect(count).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.read_to_string(&mut came).unwrap();
    assert_eq!(came, "3000000");
}

/// One connection, `bytes` there and back, each checked.
fn stream(to: SocketAddr, bytes: u64) {
    const CHUNK: usize = 1 << 16;
    // A prime length, so that a lost chunk shows.
    let pattern: Vec<u8> = (0..65_521 + CHUNK).map(|i| (i % 65_521 * 31 % 251) as u8).collect();
    let at = |offset: u64, length: usize| {
        let start = (offset % 65_521) as usize;
        &pattern[start..start + length]
    };
    let begin = Instant::now();
    let mut reading = TcpStream::connect(to).unwrap();
    reading.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut writing = reading.try_clone().unwrap();
    std::thread::scope(|s| {
        s.spawn(move || {
            let mut sent = 0;
            while sent < bytes {
                let length = CHUNK.min((bytes - sent) as usize);
                writing.write_all(at(sent, length)).unwrap();
                sent += length as u64;
            }
            writing.shutdown(Shutdown::Write).unwrap();
        });
        let mut byte = [0];
        while byte[0] != b'\n' {
            reading.read_exact(&mut byte).unwrap();
        }
        let (mut got, mut buffer) = (0, vec![0; CHUNK]);
        loop {
            let n = reading.read(&mut buffer).unwrap();
            if n == 0 {
                break;
            }
            assert!(buffer[..n] == *at(got, n), "the stream differs within {n} bytes after byte {got}");
            got += n as u64;
        }
        assert_eq!(got, bytes);
    });
    eprintln!("{bytes} bytes there and back in {:?}", begin.elapsed());
}

fn many(to: SocketAddr, count: u32) {
    let begin = Instant::now();
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| (0..count / 4).for_each(|i: u32| assert_eq!(ask_once(to, i), i.to_string())));
        }
    });
    eprintln!("{count} short connections in {:?}", begin.elapsed());
    let open: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(to).unwrap()).collect();
    assert_eq!(ask(to, b"while others are open").1, b"while others are open");
    drop(open);
}

fn ask_once(to: SocketAddr, i: u32) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(i.to_string().as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(split(&answer).1).unwrap()
}
