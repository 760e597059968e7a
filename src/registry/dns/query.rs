//! Questions to DNS servers: UDP, with TCP when an answer is cut short (RFC 1035, RFC 7766).

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// What a server says about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Addresses(Vec<IpAddr>),
    /// The name does not exist, or has no address of the family.
    Nothing,
}

/// How long to wait for the other family's reply once one is here.
const SECOND_REPLY: Duration = Duration::from_secs(1);
/// Aliases followed within one answer.
const MAX_ALIASES: usize = 16;
/// Largest UDP answer that is looked at; more than 512 bytes come from servers that don't care.
const UDP_SIZE: usize = 4096;

/// Asks `server` for the IPv4 and IPv6 addresses of the absolute `name`; both questions travel together.
///
/// # Errors
/// Time-out, connection faults, and answers such as SERVFAIL or REFUSED: another server may know better.
pub fn ask(server: SocketAddr, name: &str, tcp: bool, timeout: Duration) -> io::Result<Answer> {
    let deadline = Instant::now() + timeout;
    let questions = [question(name, TYPE::A)?, question(name, TYPE::AAAA)?];
    let replies = if tcp { [None, None] } else { ask_udp(server, &questions, deadline)? };
    let mut found = Vec::new();
    let mut fault = None;
    for (question, reply) in questions.iter().zip(replies) {
        match settle(server, question, reply, deadline, !tcp && !found.is_empty()) {
            Ok(addresses) => found.extend(addresses),
            // Servers that know one family often refuse or drop questions for the other: what is known is enough.
            Err(e) => fault = Some(e),
        }
    }
    match fault {
        Some(e) if found.is_empty() => Err(e),
        _ if found.is_empty() => Ok(Answer::Nothing),
        _ => Ok(Answer::Addresses(found)),
    }
}

/// The addresses of one question's reply, asking by TCP where there is none or a cut one; `enough`: only if it is here.
fn settle(
    server: SocketAddr,
    question: &Asked,
    reply: Option<Vec<u8>>,
    deadline: Instant,
    enough: bool,
) -> io::Result<Vec<IpAddr>> {
    let reply = match reply {
        Some(reply) => reply,
        None if enough => return Ok(Vec::new()),
        None => ask_tcp(server, question, deadline)?,
    };
    match read(&reply, question)? {
        Reading::Addresses(addresses) => Ok(addresses),
        Reading::Cut => match read(&ask_tcp(server, question, deadline)?, question)? {
            Reading::Addresses(addresses) => Ok(addresses),
            // Over TCP nothing is cut short.
            Reading::Cut => Err(io::Error::other(format!("{server} sends answers cut short"))),
        },
    }
}

struct Asked {
    id: u16,
    name: String,
    kind: TYPE,
    bytes: Vec<u8>,
}

fn question(name: &str, kind: TYPE) -> io::Result<Asked> {
    let mut id = [0u8; 2];
    // Unpredictable ids (and the kernel's random source port) keep forged answers out.
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let id = u16::from_ne_bytes(id);
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, format!("'{name}' is not a host name"));
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let qname = Name::new(name).map_err(|_| bad())?;
    packet.questions.push(Question::new(qname, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    let bytes = packet.build_bytes_vec().map_err(|_| bad())?;
    Ok(Asked { id, name: name.to_string(), kind, bytes })
}

/// Replies by question; at least one is there on success.
fn ask_udp(server: SocketAddr, questions: &[Asked; 2], deadline: Instant) -> io::Result<[Option<Vec<u8>>; 2]> {
    let any = if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0))?;
    // Connected: the kernel drops datagrams of others and reports an unreachable port at once.
    socket.connect(server)?;
    for question in questions {
        socket.send(&question.bytes)?;
    }
    let mut replies = [None, None];
    let mut buffer = vec![0u8; UDP_SIZE];
    let mut until = deadline;
    while replies.iter().any(Option::is_none) {
        let received = left(until).and_then(|time| {
            socket.set_read_timeout(Some(time))?;
            socket.recv(&mut buffer)
        });
        let n = match received {
            Ok(n) => n,
            Err(_) if replies.iter().any(Option::is_some) => break,
            Err(e) => return Err(e),
        };
        for (question, reply) in questions.iter().zip(&mut replies) {
            if reply.is_none() && belongs(&buffer[..n], question) {
                *reply = Some(buffer[..n].to_vec());
                until = deadline.min(Instant::now() + SECOND_REPLY);
            }
        }
    }
    Ok(replies)
}

fn ask_tcp(server: SocketAddr, question: &Asked, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let length = u16::try_from(question.bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &question.bytes].concat())?;
    let mut read = |buffer: &mut [u8]| -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            stream.set_read_timeout(Some(left(deadline)?))?;
            match stream.read(&mut buffer[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
        Ok(())
    };
    let mut length = [0u8; 2];
    read(&mut length)?;
    let mut reply = vec![0u8; usize::from(u16::from_be_bytes(length))];
    read(&mut reply)?;
    if !belongs(&reply, question) {
        return Err(io::Error::other(format!("{server} answers another question")));
    }
    Ok(reply)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Whether the reply answers this question: same id, same name, same type.
fn belongs(reply: &[u8], question: &Asked) -> bool {
    let Ok(packet) = Packet::parse(reply) else { return false };
    let Ok(name) = Name::new(&question.name) else { return false };
    packet.id() == question.id
        && packet.has_flags(PacketFlag::RESPONSE)
        // Some servers leave the question out of error replies.
        && packet.questions.first().is_none_or(|q| q.qname == name && q.qtype == QTYPE::TYPE(question.kind))
}

enum Reading {
    Addresses(Vec<IpAddr>),
    /// The TC bit is set.
    Cut,
}

fn read(reply: &[u8], question: &Asked) -> io::Result<Reading> {
    let packet = Packet::parse(reply).map_err(io::Error::other)?;
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(Reading::Cut);
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Reading::Addresses(Vec::new())),
        other => return Err(io::Error::other(format!("it answers {other:?}"))),
    }
    let mut wanted = Name::new(&question.name).map_err(io::Error::other)?;
    for _ in 0..MAX_ALIASES {
        let addresses: Vec<IpAddr> = packet
            .answers
            .iter()
            .filter(|record| record.name == wanted)
            .filter_map(|record| match &record.rdata {
                RData::A(a) if question.kind == TYPE::A => Some(IpAddr::V4(Ipv4Addr::from(a.address))),
                RData::AAAA(a) if question.kind == TYPE::AAAA => Some(IpAddr::V6(Ipv6Addr::from(a.address))),
                _ => None,
            })
            .collect();
        let alias = packet.answers.iter().find_map(|record| match &record.rdata {
            RData::CNAME(target) if record.name == wanted => Some(target.0.clone()),
            _ => None,
        });
        match alias {
            Some(target) if addresses.is_empty() => wanted = target,
            _ => return Ok(Reading::Addresses(addresses)),
        }
    }
    Ok(Reading::Addresses(Vec::new()))
}
