//! The resolver against name servers on loopback.

use super::*;
use simple_dns::rdata::{A, AAAA, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use std::io::{Read, Write};
use std::net::TcpListener;

/// Answers UDP and TCP questions by the last label but one of the name; ends with the process.
fn name_server() -> SocketAddr {
    // A number that is free for one protocol may be another's for the other.
    let both = || {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        TcpListener::bind(address).map(|tcp| (udp, address, tcp))
    };
    let (udp, address, tcp) = (0..20).find_map(|_| both().ok()).expect("a port for UDP and TCP");
    std::thread::spawn(move || {
        let mut buffer = [0u8; 512];
        while let Ok((n, from)) = udp.recv_from(&mut buffer) {
            if let Some(reply) = answer(&buffer[..n], false) {
                let _ = udp.send_to(b"junk", from);
                let _ = udp.send_to(&reply, from);
            }
        }
    });
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0u8; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length) as usize];
            stream.read_exact(&mut question).unwrap();
            let reply = answer(&question, true).unwrap();
            stream.write_all(&(reply.len() as u16).to_be_bytes()).unwrap();
            stream.write_all(&reply).unwrap();
        }
    });
    address
}

fn answer(question: &[u8], tcp: bool) -> Option<Vec<u8>> {
    let question = Packet::parse(question).unwrap();
    let (name, kind) = (question.questions[0].qname.to_string().to_lowercase(), question.questions[0].qtype);
    let mut reply = question.clone().into_reply();
    let record = |name: &str, data| ResourceRecord::new(Name::new(name).unwrap().into_owned(), CLASS::IN, 60, data);
    let v4 = |last: u8| RData::A(A { address: u32::from(Ipv4Addr::new(127, 0, 0, last)) });
    let is_v4 = kind == QTYPE::TYPE(TYPE::A);
    match name.as_str() {
        "plain.test" if is_v4 => reply.answers.push(record("plain.test", v4(2))),
        "plain.test" => reply.answers.push(record("plain.test", RData::AAAA(AAAA { address: 1 }))),
        "alias.test" if is_v4 => {
            let target = Name::new("plain.test").unwrap();
            reply.answers.push(record("alias.test", RData::CNAME(CNAME(target))));
            reply.answers.push(record("other.test", v4(66)));
            reply.answers.push(record("plain.test", v4(2)));
        }
        "loop.test" => {
            reply.answers.push(record("loop.test", RData::CNAME(CNAME(Name::new("loop.test").unwrap()))));
        }
        "big.test" if !tcp => reply.set_flags(PacketFlag::TRUNCATION),
        "big.test" if is_v4 => (1..40).for_each(|i| reply.answers.push(record("big.test", v4(i)))),
        "fail.test" => *reply.rcode_mut() = RCODE::ServerFailure,
        "silent.test" => return None,
        "half.test" | "deaf.test" if is_v4 => reply.answers.push(record(&name, v4(3))),
        "half.test" => *reply.rcode_mut() = RCODE::Refused,
        "deaf.test" => return None,
        "alias.test" | "big.test" => {}
        _ => *reply.rcode_mut() = RCODE::NameError,
    }
    Some(reply.build_bytes_vec().unwrap())
}

fn conf(servers: Vec<SocketAddr>) -> ResolvConf {
    ResolvConf { servers, timeout: Duration::from_millis(300), attempts: 1, ..ResolvConf::default() }
}

fn ask(conf: &ResolvConf, name: &str) -> io::Result<Vec<IpAddr>> {
    ask_servers(conf, name, 0, Instant::now() + Duration::from_secs(5))
}

#[test]
fn finds_both_families_and_follows_aliases() {
    let conf = conf(vec![name_server()]);
    let both: Vec<IpAddr> = vec!["127.0.0.2".parse().unwrap(), "::1".parse().unwrap()];
    assert_eq!(ask(&conf, "plain.test").unwrap(), both);
    assert_eq!(ask(&conf, "PLAIN.test.").unwrap(), both);
    // A record of another name in the same answer is not taken.
    assert_eq!(ask(&conf, "alias.test").unwrap(), both[..1]);
    assert!(ask(&conf, "loop.test").unwrap().is_empty());
    assert!(ask(&conf, "nosuch.test").unwrap().is_empty());
    assert!(ask(&conf, &"x".repeat(300)).unwrap().is_empty());
}

#[test]
fn a_cut_answer_is_asked_for_again_by_tcp() {
    let server = name_server();
    assert_eq!(ask(&conf(vec![server]), "big.test").unwrap().len(), 39);
    let tcp_only = ResolvConf { tcp: true, ..conf(vec![server]) };
    assert_eq!(ask(&tcp_only, "plain.test").unwrap().len(), 2);
}

#[test]
fn dead_and_failing_servers_are_passed_over() {
    let dead = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = name_server();
    assert_eq!(ask(&conf(vec![dead, server]), "plain.test").unwrap().len(), 2);
    let e = ask(&conf(vec![server]), "silent.test").unwrap_err().to_string();
    assert!(e.contains("127.0.0.1 does not answer"), "{e}");
    assert!(ask(&conf(vec![server]), "fail.test").unwrap_err().to_string().contains("ServerFailure"));
}

#[test]
fn one_family_is_enough() {
    let conf = conf(vec![name_server()]);
    let want: Vec<IpAddr> = vec!["127.0.0.3".parse().unwrap()];
    assert_eq!(ask(&conf, "half.test").unwrap(), want);
    assert_eq!(ask(&conf, "deaf.test").unwrap(), want);
}

#[test]
fn short_names_use_the_search_list() {
    let conf = ResolvConf { search: vec!["nosuch".into(), "test".into()], ..conf(vec![name_server()]) };
    assert_eq!(ask(&conf, "plain").unwrap().len(), 2);
}

#[test]
fn files_and_literals_need_no_server() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    std::fs::write(dir.path().join("etc/hosts"), "127.0.0.9 reg.example\n").unwrap();
    let mut env = Env::default();
    env.root = dir.path().into();
    let builtin = Builtin::new(&env);
    for (name, first) in [("reg.example", "127.0.0.9"), ("[::1]", "::1"), ("127.0.0.1", "127.0.0.1")] {
        let found = builtin.lookup(name, Duration::from_secs(1)).unwrap();
        assert_eq!(found[0].to_string(), first, "{name}");
    }
    let local = builtin.lookup("a.localhost", Duration::from_secs(1)).unwrap();
    assert!(local.iter().all(IpAddr::is_loopback) && !local.is_empty());
}
