//! The whole name service over real sockets, with a server of the "host" beside it.

use super::super::zone::{Member, Net, Place};
use super::*;
use rustix::event::PollFd;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, TYPE};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A name service for one member (127.0.0.1 itself), run by a thread until the drop of this.
struct Running {
    udp: SocketAddr,
    tcp: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Server>>,
}

impl Running {
    fn start(upstream: u16) -> Running {
        Running::with(upstream, vec![])
    }

    /// With servers that the member names.
    fn with(upstream: u16, servers: Vec<IpAddr>) -> Running {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let mut server = Server::new(Path::new("/nonexistent"));
        server.port = upstream;
        server.add("n", udp.into(), tcp.into());
        let local = IpAddr::from([127, 0, 0, 1]);
        let place = Place { network: "n".into(), ips: vec![local], aliases: vec!["alias".into()] };
        let ips = (1..=60).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        let many = Place { ips, aliases: vec![], ..place.clone() };
        let member = |name: &str, letter: &str, place: Place| Member {
            id: letter.repeat(64),
            name: name.into(),
            servers: servers.clone(),
            places: vec![place],
        };
        let net = Net { name: "n".into(), subnets: vec!["10.0.0.0/24".parse().unwrap()], ..Net::default() };
        let networks = [("n".to_string(), net)].into();
        server.set_zone(Zone::new(networks, vec![member("web", "a", place), member("many", "b", many)]));
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                turn(&mut server);
            }
            server
        });
        Running { udp: udp_at, tcp: tcp_at, stop, thread: Some(thread) }
    }

    fn end(mut self) -> Server {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn turn(server: &mut Server) {
    let ready: Vec<Source> = {
        let mut sources = Vec::new();
        server.sources(&mut sources);
        let mut fds: Vec<PollFd<'_>> = sources.iter().map(|(_, fd, f)| PollFd::from_borrowed_fd(*fd, *f)).collect();
        let tick = rustix::time::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        rustix::event::poll(&mut fds, Some(&tick)).unwrap();
        sources.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|((s, ..), _)| *s).collect()
    };
    let now = Instant::now();
    ready.into_iter().for_each(|source| server.handle(source, now, &|_, _, _| None));
    server.tick(now, &|_, _, _| None);
}

fn query(name: &str, id: u16) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let question = Question::new(Name::new_unchecked(name), QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false);
    packet.questions.push(question);
    packet.build_bytes_vec().unwrap()
}

fn addresses(reply: &[u8]) -> Vec<Ipv4Addr> {
    let packet = Packet::parse(reply).unwrap();
    let data = packet.answers.iter().map(|a| match &a.rdata {
        RData::A(a) => Ipv4Addr::from(a.address),
        other => panic!("{other:?}"),
    });
    data.collect()
}

fn ask(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(query, server).unwrap();
    let mut buffer = vec![0; 65536];
    let n = socket.recv(&mut buffer).unwrap();
    buffer.truncate(n);
    buffer
}

fn ask_tcp(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&[&(query.len() as u16).to_be_bytes()[..], query].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    reply
}

/// A server of the host: by UDP it answers 192.0.2.1, after garbage and a forgery; by TCP 192.0.2.2.
fn upstream() -> u16 {
    upstream_at("127.0.0.1")
}

fn upstream_at(ip: &str) -> u16 {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind((ip, 0)).unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let port = udp.local_addr().unwrap().port();
    let reply = |query: &[u8], last: u8| message::addresses(query, &[IpAddr::from([192, 0, 2, last])], None).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((n, from)) = udp.recv_from(&mut buffer) {
            let answer = reply(&buffer[..n], 1);
            let mut forged = reply(&buffer[..n], 66);
            forged[0] ^= 0xff;
            for packet in [&b"garbage"[..], &forged, &answer] {
                let _ = udp.send_to(packet, from);
            }
        }
    });
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut buffer = [0; 4096];
            let n = stream.read(&mut buffer).unwrap_or(0);
            if n > 2 {
                let answer = reply(&buffer[2..n], 2);
                // In two pieces, as networks do.
                let all = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                let _ = stream.write_all(&all[..5]);
                let _ = stream.flush();
                let _ = stream.write_all(&all[5..]);
            }
        }
    });
    port
}

#[test]
fn answers_and_asks_by_udp_and_tcp() {
    let running = Running::start(upstream());
    let local = [Ipv4Addr::LOCALHOST];
    assert_eq!(addresses(&ask(running.udp, &query("WEB", 1))), local);
    assert_eq!(addresses(&ask_tcp(running.tcp, &query("alias.n", 2))), local);
    // Too long for 512 bytes: cut short by UDP, whole by TCP.
    let cut = ask(running.udp, &query("many", 3));
    assert!(Packet::parse(&cut).unwrap().has_flags(PacketFlag::TRUNCATION) && cut.len() <= 512);
    assert_eq!(addresses(&ask_tcp(running.tcp, &query("many", 3))).len(), 60);
    let outside = ask(running.udp, &query("example.org", 77));
    assert_eq!((addresses(&outside), Packet::parse(&outside).unwrap().id()), (vec![[192, 0, 2, 1].into()], 77));
    assert_eq!(addresses(&ask_tcp(running.tcp, &query("example.org", 78))), [Ipv4Addr::new(192, 0, 2, 2)]);
    assert!(running.end().pending.is_empty());
}

#[test]
fn a_dead_server_costs_one_question() {
    // Not the client's own address, which is not asked.
    let port = upstream_at("127.0.0.3");
    // Bound, so that nothing refuses what comes, and read by nobody.
    let dead = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    let running = Running::with(port, vec![IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 3])]);
    dead.set_nonblocking(true).unwrap();
    let mut buffer = [0; 512];
    for id in 1..5 {
        assert_eq!(addresses(&ask(running.udp, &query("example.org", id))), [Ipv4Addr::new(192, 0, 2, 1)]);
        assert_eq!(dead.recv(&mut buffer).is_ok(), id == 1, "question {id}");
    }
    let server = running.end();
    assert_eq!(server.silent.keys().map(SocketAddr::ip).collect::<Vec<_>>(), [IpAddr::from([127, 0, 0, 2])]);
}

#[test]
fn hostile_clients_cost_little() {
    // Nobody answers outside: questions pile up to the bound, the next is refused at once.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let running = Running::start(silent.local_addr().unwrap().port());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for id in 0..MAX_ASKED_OF_ONE as u16 + 50 {
        socket.send_to(&query("example.org", id), running.udp).unwrap();
        socket.send_to(&[id as u8; 40], running.udp).unwrap();
        socket.send_to(&query("web", id)[..15], running.udp).unwrap();
    }
    let mut buffer = [0; 512];
    loop {
        // Server failure for the surplus; format errors come too.
        let n = socket.recv(&mut buffer).unwrap();
        if message::code(&buffer[..n]) == 2 {
            break;
        }
    }
    // Connections that say nothing, or lie about the length of what they say.
    let held: Vec<TcpStream> = (0..40)
        .map(|n| {
            let mut stream = TcpStream::connect(running.tcp).unwrap();
            let _ = stream.write_all(&vec![0xff; n]);
            stream
        })
        .collect();
    assert_eq!(addresses(&ask(running.udp, &query("web", 9))), [Ipv4Addr::LOCALHOST]);
    let server = running.end();
    assert!(server.pending.len() <= MAX_ASKED_OF_ONE && server.clients.len() <= MAX_CLIENTS_OF_ONE);
    drop(held);
}
