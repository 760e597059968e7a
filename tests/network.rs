//! Interfaces, published ports, joining, and what is not reachable.

mod common;

use common::leaks::listeners;
use common::{TestEnv, eventually, free_port};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// What the server of `hello tcp-serve` answers to `text`: its first line is the client's address as it sees it.
fn ask(address: impl std::net::ToSocketAddrs, text: &str) -> std::io::Result<String> {
    let address = address.to_socket_addrs()?.next().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn ask_udp(address: SocketAddr, text: &str) -> std::io::Result<String> {
    let socket = UdpSocket::bind(if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" })?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.send_to(text.as_bytes(), address)?;
    let mut buffer = [0; 2048];
    let n = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

fn host_port(env: &TestEnv, name: &str, port: &str) -> u16 {
    let line = env.run(["port", name, port]).success().stdout;
    line.lines().next().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn the_default_network_has_an_interface_and_a_route() {
    let env = TestEnv::new();
    let p = env.probe("");
    let interfaces = p["interfaces"].as_object().unwrap();
    let own: Vec<_> = interfaces.iter().filter(|(n, _)| *n != "lo").collect();
    assert_eq!(own.len(), 1, "{interfaces:?}");
    assert!(own[0].1["addresses"].as_array().unwrap().iter().any(|a| a.as_str().unwrap().contains('.')), "{own:?}");
    assert!(p["routes"].as_array().unwrap().iter().any(|r| r["prefix"] == 0), "no default route: {}", p["routes"]);
    env.start("--name c hello sleep forever");
    let ip = env.inspect("c")["NetworkSettings"]["IPAddress"].as_str().unwrap().to_string();
    let inside = own[0].1["addresses"][0].as_str().unwrap();
    assert_eq!(ip.split('.').count(), 4, "{ip}");
    assert_eq!(inside.split('/').next().unwrap().split('.').count(), 4, "{inside}");
}

#[test]
fn network_none_is_empty_and_host_is_the_hosts() {
    let env = TestEnv::new();
    let p = env.probe("--network none");
    assert_eq!(p["interfaces"].as_object().unwrap().keys().collect::<Vec<_>>(), ["lo"]);
    assert!(p["interfaces"]["lo"]["addresses"].as_array().unwrap().iter().any(|a| a == "127.0.0.1/8"), "{p}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        client.read_to_end(&mut Vec::new()).unwrap();
        client.write_all(b"from the host").unwrap();
    });
    let out = env.sh(&format!("run --rm --network host hello tcp 127.0.0.1 {port} x")).success();
    assert_eq!(out.stdout, "from the host\n");
    server.join().unwrap();
}

#[test]
fn tcp_ports_are_published() {
    let env = TestEnv::new();
    let port = free_port();
    env.start(&format!("--name c -p {port}:7000 hello tcp-serve 7000"));
    // Ready at once: the listener is there before `run -d` returns, the program soon after.
    eventually("an answer", 20, || ask(("127.0.0.1", port), "hi").is_ok_and(|a| a.ends_with("hi")));
    assert!(ask(("::1", port), "six").unwrap().ends_with("six"));
    assert!(ask(("localhost", port), "name").unwrap().ends_with("name"));
    assert_eq!(host_port(&env, "c", "7000"), port);
    assert!(env.sh("ps").success().stdout.contains(&format!("{port}->7000/tcp")));
    env.sh("rm -f -t 0 c").success();
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
}

#[test]
fn a_megabyte_each_way_and_many_clients() {
    let env = TestEnv::new();
    env.start("--name c -p 127.0.0.1::7000 hello tcp-serve 7000");
    let port = host_port(&env, "c", "7000");
    eventually("an answer", 20, || ask(("127.0.0.1", port), "hi").is_ok_and(|a| a.ends_with("hi")));
    let text: String = (0..1_000_000).map(|i| (b'a' + (i % 26) as u8) as char).collect();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut back = stream.try_clone().unwrap();
    let answer = std::thread::scope(|s| {
        s.spawn(|| {
            stream.write_all(text.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut answer = String::new();
        back.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(answer.split_once('\n').unwrap().1 == text);
    for i in 0..200 {
        assert!(ask(("127.0.0.1", port), &i.to_string()).unwrap().ends_with(&i.to_string()));
    }
}

#[test]
fn udp_ports_are_published() {
    let env = TestEnv::new();
    env.start("--name c -p 7001/udp hello udp-serve 7001");
    let port = host_port(&env, "c", "7001/udp");
    for address in [SocketAddr::from(([127, 0, 0, 1], port)), format!("[::1]:{port}").parse().unwrap()] {
        eventually("an answer", 20, || ask_udp(address, "ping").is_ok_and(|a| a.ends_with("ping")));
    }
}

#[test]
fn a_port_is_taken_once() {
    let env = TestEnv::new();
    let port = free_port();
    env.start(&format!("--name first -p {port}:80 hello sleep forever"));
    let out = env.sh(&format!("run -d --name second -p {port}:80 hello sleep forever"));
    let _ = out.fails(125, &[&port.to_string(), "container first has it"]);
    let out = env.sh(&format!("run -d --name third -p 127.0.0.1:{port}:80 hello sleep forever"));
    let _ = out.fails(125, &[&port.to_string(), "container first has it"]);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let out = env.sh(&format!("run --rm -p 127.0.0.1:{port}:80 hello"));
    let out = out.fails(125, &[&port.to_string(), "another program has it"]);
    assert!(!out.stderr.contains("container first"), "{out}");
}

#[test]
fn more_ports_than_the_soft_limit_of_open_files() {
    let env = TestEnv::new();
    let Some(base) = (20_000..60_000).step_by(500).find(|base| {
        let mut range = *base..*base + 400u16;
        range.all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
    }) else {
        skip!("no 400 free ports in a row");
    };
    let coracle = env.bare();
    let words: Vec<String> = std::iter::once(coracle.get_program())
        .chain(coracle.get_args())
        .map(|word| shlex::try_quote(word.to_str().unwrap()).unwrap().into_owned())
        .collect();
    let coracle = words.join(" ");
    let limited = |limit: &str, args: &str| {
        let script = format!("ulimit {limit}; exec {coracle} {args}");
        env.finish(env.program("sh").args(["-c", &script]), b"")
    };
    let ports = format!("-p 127.0.0.1:{base}-{}:1000-1399", base + 399);
    limited("-Sn 256", &format!("run -d --name c {ports} hello sleep forever")).success();
    for port in [base, base + 399] {
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
    let pid = env.inspect("c")["State"]["Pid"].as_i64().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("256"), "the program's limit is the caller's: {files}");
    env.sh("rm -f -t 0 c").success();
    let out = limited("-n 256", &format!("run --name c {ports} hello"));
    let _ = out.fails(125, &["publish 400 ports", "256 files"]);
}

#[test]
fn publish_all_and_ranges() {
    let env = TestEnv::new();
    env.start("--name c -P --expose 7000 --expose 7001/udp hello sleep forever");
    let all = env.sh("port c").success().stdout;
    assert!(all.contains("7000/tcp -> ") && all.contains("7001/udp -> "), "{all}");
    let base = free_port();
    if base > 60000 {
        return;
    }
    let flag = format!("{}-{}:7000-7002", base, base + 2);
    if env.sh(&format!("run -d --name r -p {flag} hello tcp-serve 7002")).code == 0 {
        eventually("an answer", 20, || ask(("127.0.0.1", base + 2), "x").is_ok_and(|a| a.ends_with('x')));
    }
}

#[test]
fn the_containers_own_clients_get_out_but_not_to_the_hosts_loopback() {
    let env = TestEnv::new();
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    for address in ["127.0.0.1", "10.0.2.2", "host.containers.internal", "host.docker.internal"] {
        let out = env.sh(&format!("run --rm hello tcp {address} {port} x"));
        assert_ne!(out.code, 0, "the host's loopback is reachable by {address}: {out}");
    }
    drop(host);
}

#[test]
fn joined_containers_share_the_loopback() {
    let env = TestEnv::new();
    env.start("--name server hello tcp-serve 7000");
    let out = env.sh("run --rm --network container:server hello tcp 127.0.0.1 7000 shared").success();
    assert!(out.stdout.contains("shared"), "{out}");
    let _ = env.sh("run --rm --network container:nosuch hello").fails(125, &["nosuch"]);
}

#[test]
fn every_network_helper_that_is_named_works() {
    let env = TestEnv::new();
    for (mode, program) in [("slirp4netns", "slirp4netns"), ("pasta", "pasta")] {
        if common::which(program).is_none() {
            skip!("{program} is not installed");
        }
        let p = env.probe(&format!("--network {mode}"));
        assert!(p["interfaces"].as_object().unwrap().len() > 1, "{mode}: {}", p["interfaces"]);
        let port = free_port();
        env.start(&format!("--name {mode} --network {mode} -p {port}:7000 hello tcp-serve 7000"));
        eventually("an answer", 20, || ask(("127.0.0.1", port), "hi").is_ok_and(|a| a.ends_with("hi")));
        env.sh(&format!("rm -f -t 0 {mode}")).success();
    }
    let _ = env.sh("run --rm --network nosuch hello").fails(125, &["nosuch"]);
}

#[test]
fn published_ports_survive_a_restart_and_go_with_the_container() {
    let env = TestEnv::new();
    let before = listeners();
    let port = free_port();
    env.start(&format!("--name c -p {port}:7000 hello tcp-serve 7000"));
    env.sh("restart -t 0 c").success();
    eventually("an answer", 20, || ask(("127.0.0.1", port), "hi").is_ok_and(|a| a.ends_with("hi")));
    env.sh("stop -t 0 c").success();
    assert!(ask(("127.0.0.1", port), "x").is_err());
    let ours = format!(":{port:04X}");
    assert!(!listeners().difference(&before).any(|l| l.ends_with(&ours)));
}
