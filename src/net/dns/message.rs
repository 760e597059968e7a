//! Questions of members and our own answers to them, on the wire (RFC 1035, RFC 6891).

use super::zone::Kind;
use simple_dns::rdata::{A, AAAA, PTR, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use std::net::IpAddr;

/// Seconds that an answer may be kept: names move with their containers.
const TTL: u32 = 1;
/// Answers by UDP without EDNS (RFC 1035 4.2.1), and the most that we send in one datagram.
const PLAIN: usize = 512;
const MAX_UDP: usize = 4096;
const HEADER: usize = 12;

/// What a question says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub id: u16,
    /// Without the closing dot.
    pub name: String,
    pub kind: Kind,
    /// The largest answer that its sender takes by UDP.
    pub room: usize,
}

/// Why a packet gets no answer of substance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not even an error.
    Silence,
    FormatError,
    NotImplemented,
}

/// Reads one question.
pub fn parse(bytes: &[u8]) -> Result<Question, Refusal> {
    // A reply must never be replied to.
    if bytes.len() < HEADER || bytes[2] & 0x80 != 0 {
        return Err(Refusal::Silence);
    }
    if bytes[2] & 0x78 != 0 {
        return Err(Refusal::NotImplemented);
    }
    let packet = Packet::parse(bytes).map_err(|_| Refusal::FormatError)?;
    let [question] = &packet.questions[..] else { return Err(Refusal::FormatError) };
    let kind = match question.qtype {
        QTYPE::TYPE(TYPE::A) => Kind::A,
        QTYPE::TYPE(TYPE::AAAA) => Kind::Aaaa,
        QTYPE::TYPE(TYPE::PTR) => Kind::Ptr,
        _ => Kind::Other,
    };
    let room = packet.opt().map_or(PLAIN, |opt| usize::from(opt.udp_packet_size).clamp(PLAIN, MAX_UDP));
    Ok(Question { id: packet.id(), name: question.qname.to_string(), kind, room })
}

/// An answer with addresses, perhaps none. `room`: cut short (TC) where it is longer.
pub fn addresses(query: &[u8], ips: &[IpAddr], room: Option<usize>) -> Option<Vec<u8>> {
    let data = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => RData::A(A::from(*ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA::from(*ip)),
    };
    reply(query, ips.iter().map(data).collect(), room)
}

/// An answer with host names.
pub fn names(query: &[u8], names: &[String], room: Option<usize>) -> Option<Vec<u8>> {
    let data = |name: &String| Name::new(name).ok().map(|n| RData::PTR(PTR(n.into_owned())));
    reply(query, names.iter().filter_map(data).collect(), room)
}

fn reply(query: &[u8], records: Vec<RData<'_>>, room: Option<usize>) -> Option<Vec<u8>> {
    let asked = Packet::parse(query).ok()?;
    let question = asked.questions.first()?;
    let mut packet = Packet::new_reply(asked.id());
    packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER | PacketFlag::RECURSION_AVAILABLE);
    if asked.has_flags(PacketFlag::RECURSION_DESIRED) {
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    packet.questions.push(question.clone());
    for data in records {
        packet.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, data));
    }
    let bytes = packet.build_bytes_vec_compressed().ok()?;
    if room.is_none_or(|room| bytes.len() <= room) {
        return Some(bytes);
    }
    packet.answers.clear();
    packet.set_flags(PacketFlag::TRUNCATION);
    packet.build_bytes_vec().ok()
}

/// An answer that only says why there is none.
pub fn failure(query: &[u8], code: RCODE) -> Option<Vec<u8>> {
    if query.len() < HEADER {
        return None;
    }
    // What could not be parsed is not repeated.
    let question = match Packet::parse(query) {
        Ok(packet) => packet.questions.first().cloned(),
        Err(_) => None,
    };
    let mut packet = Packet::new_reply(u16::from_be_bytes([query[0], query[1]]));
    packet.set_flags(PacketFlag::RECURSION_AVAILABLE);
    *packet.rcode_mut() = code;
    packet.questions.extend(question);
    packet.build_bytes_vec().ok()
}

/// Whether `reply` belongs to `query`: same id and, where the server repeats it, the same question.
pub fn belongs(reply: &[u8], query: &[u8]) -> bool {
    if reply.len() < HEADER || query.len() < HEADER || reply[..2] != query[..2] || reply[2] & 0x80 == 0 {
        return false;
    }
    let repeated = u16::from_be_bytes([reply[4], reply[5]]);
    let end = question_end(query);
    repeated == 0 || reply.get(HEADER..end).is_some_and(|q| q.eq_ignore_ascii_case(&query[HEADER..end]))
}

/// The response code of a reply.
pub fn code(reply: &[u8]) -> u8 {
    reply.get(3).map_or(2, |b| b & 0xf)
}

/// Where the first question ends; the whole packet, if it never does.
fn question_end(query: &[u8]) -> usize {
    let mut at = HEADER;
    while let Some(length) = query.get(at) {
        match length {
            0 => return (at + 5).min(query.len()),
            n if n & 0xc0 != 0 => break,
            n => at += usize::from(*n) + 1,
        }
    }
    query.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::{QCLASS, Question as Asked};

    fn query(name: &str, kind: QTYPE) -> Vec<u8> {
        let mut packet = Packet::new_query(7);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(Asked::new(Name::new_unchecked(name), kind, QCLASS::CLASS(CLASS::IN), false));
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn questions_and_answers() {
        let asked = query("web", QTYPE::TYPE(TYPE::A));
        let question = parse(&asked).unwrap();
        assert_eq!(question, Question { id: 7, name: "web".into(), kind: Kind::A, room: 512 });
        let answer = addresses(&asked, &["10.1.0.2".parse().unwrap()], Some(512)).unwrap();
        let packet = Packet::parse(&answer).unwrap();
        assert_eq!((packet.id(), packet.answers.len()), (7, 1));
        assert!(belongs(&answer, &asked) && code(&answer) == 0);
        assert_eq!(code(&failure(&asked, RCODE::NameError).unwrap()), 3);
        assert!(!belongs(&failure(&query("other", QTYPE::TYPE(TYPE::A)), RCODE::NameError).unwrap(), &asked));
        let many: Vec<IpAddr> = (0..100u8).map(|n| IpAddr::from([10, 1, 0, n])).collect();
        let cut = addresses(&asked, &many, Some(512)).unwrap();
        assert!(cut.len() <= 512 && Packet::parse(&cut).unwrap().has_flags(PacketFlag::TRUNCATION));
        assert_eq!(Packet::parse(&addresses(&asked, &many, None).unwrap()).unwrap().answers.len(), 100);
    }

    #[test]
    fn odd_packets() {
        // A type that nobody knew when this was written (HTTPS, RFC 9460) is no error.
        let mut https = query("web", QTYPE::TYPE(TYPE::A));
        let at = https.len() - 3;
        https[at] = 65;
        assert_eq!(parse(&https).map(|q| q.kind), Ok(Kind::Other));
        assert_eq!(parse(&[0; 5]), Err(Refusal::Silence));
        let mut update = query("web", QTYPE::TYPE(TYPE::A));
        update[2] |= 5 << 3;
        assert_eq!(parse(&update), Err(Refusal::NotImplemented));
        let mut response = query("web", QTYPE::TYPE(TYPE::A));
        response[2] |= 0x80;
        assert_eq!(parse(&response), Err(Refusal::Silence));
        assert_eq!(parse(&https[..20]), Err(Refusal::FormatError));
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..300), flags in 0u8..8) {
            let mut bytes = bytes;
            if bytes.len() > 12 {
                // Past the first checks, with plausible counts.
                bytes[2] &= 0x07;
                bytes[4..12].copy_from_slice(&[0, flags & 1, 0, flags >> 1 & 1, 0, 0, 0, flags >> 2]);
            }
            let _ = parse(&bytes);
            let _ = failure(&bytes, RCODE::FormatError);
            let _ = addresses(&bytes, &[IpAddr::from([1, 2, 3, 4])], Some(512));
            let _ = belongs(&bytes, &bytes);
        }
    }
}
