//! Each option of `--network slirp4netns:…` and `--network pasta:…`, by what it changes inside the container.

mod common;

use common::fixtures::BUSYBOX;
use common::{TestEnv, eventually, free_port};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};

/// A server of the host that tells clients their address.
fn server(ip: &str) -> u16 {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let peer = client.peer_addr().unwrap().ip();
            let _ = client.write_all(format!("seen {peer}\n").as_bytes());
            let _ = client.read(&mut [0; 8]);
        }
    });
    port
}

/// What a client in a container with this network hears from a server; empty where it does not reach it.
fn hears(env: &TestEnv, network: &str, host: &str, port: u16) -> String {
    env.sh(&format!("run --rm --network {network} hello tcp {host} {port} x")).stdout.trim().to_string()
}

/// The same with a client that keeps its half of the connection open: some versions of pasta lose the server's end of
/// others.
fn hears_open(env: &TestEnv, network: &str, host: &str, port: u16) -> String {
    let script = format!("(echo hi; sleep 1) | timeout 5 nc {host} {port} | head -n 1");
    env.run(["run", "--rm", "--network", network, BUSYBOX, "sh", "-c", &script]).stdout.trim().to_string()
}

/// The one interface besides `lo`: its name and what is known of it.
fn interface(probe: &Value) -> (String, Value) {
    let all = probe["interfaces"].as_object().unwrap();
    let mut own = all.iter().filter(|(name, _)| *name != "lo");
    let (name, facts) = own.next().unwrap_or_else(|| panic!("no interface: {all:?}"));
    assert!(own.next().is_none(), "{all:?}");
    (name.clone(), facts.clone())
}

fn addresses(probe: &Value) -> Vec<String> {
    let list = interface(probe).1["addresses"].take();
    list.as_array()
        .unwrap()
        .iter()
        .map(|a| a.as_str().unwrap().to_string())
        .filter(|a| !a.starts_with("fe80"))
        .collect()
}

fn gateway(probe: &Value) -> String {
    let routes = probe["routes"].as_array().unwrap();
    routes.iter().find(|r| r["prefix"] == 0).map_or_else(String::new, |r| r["via"].as_str().unwrap().to_string())
}

fn resolv_conf(env: &TestEnv, network: &str) -> String {
    env.sh(&format!("run --rm --network {network} hello read /etc/resolv.conf")).success().stdout.clone()
}

/// This host's own address towards the outside.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.200:9").ok()?;
    socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    stream.write_all(b"hi")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.is_empty() {
        true => Err(std::io::ErrorKind::UnexpectedEof.into()),
        false => Ok(answer),
    }
}

#[test]
fn options_of_slirp4netns() {
    need!("slirp4netns");
    let env = TestEnv::new();
    let plain = env.probe("--network slirp4netns");
    assert_eq!((interface(&plain).1["mtu"].as_str(), gateway(&plain).as_str()), (Some("65520"), "10.0.2.2"));
    let moved = "slirp4netns:cidr=10.77.9.0/24,mtu=1300";
    let probe = env.probe(&format!("--network {moved}"));
    assert_eq!(interface(&probe).1["mtu"], "1300");
    assert_eq!(gateway(&probe), "10.77.9.2");
    assert!(addresses(&probe).contains(&"10.77.9.100/24".to_string()), "{:?}", addresses(&probe));
    assert!(resolv_conf(&env, moved).starts_with("nameserver 10.77.9.3\n"));
    // An IPv6 address comes with the first advertisement, or never.
    for (flag, has) in [("true", true), ("false", false)] {
        env.start(&format!("--name v6-{flag} --network slirp4netns:enable_ipv6={flag} hello sleep forever"));
        let own = || {
            let probe = env.sh(&format!("exec v6-{flag} /hello --json")).success().json();
            addresses(&probe).iter().any(|a| a.contains("fd00:"))
        };
        match has {
            true => eventually("an IPv6 address", 20, own),
            false => assert!(!own()),
        }
    }
    let port = server("127.0.0.1");
    for network in ["slirp4netns", "slirp4netns:allow_host_loopback=false"] {
        assert_eq!(hears(&env, network, "10.0.2.2", port), "", "{network}");
    }
    let open = "slirp4netns:allow_host_loopback=true";
    assert_eq!(hears(&env, open, "10.0.2.2", port), "seen 127.0.0.1");
    assert_eq!(hears(&env, open, "host.containers.internal", port), "seen 127.0.0.1");
    assert_eq!(hears(&env, &format!("{open},outbound_addr=127.0.0.2"), "10.0.2.2", port), "seen 127.0.0.2");
    assert_eq!(hears(&env, &format!("{open},outbound_addr=lo"), "10.0.2.2", port), "seen 127.0.0.1");
    // Both of podman's handlers are one here.
    for handler in ["rootlesskit", "slirp4netns"] {
        let port = free_port();
        let flags = format!("--name {handler} --network slirp4netns:port_handler={handler} -p {port}:7000");
        env.start(&format!("{flags} hello tcp-serve 7000"));
        let (ip, own) = (IpAddr::from([127, 0, 0, 1]), own_address());
        eventually("an answer", 20, || ask((ip, port).into()).is_ok());
        if let Some(own) = own {
            let seen = ask((own, port).into()).unwrap();
            assert!(seen.starts_with(&format!("peer {own}:")), "{seen}");
        }
    }
}

#[test]
fn outgoing_ipv6_addresses_of_slirp4netns() {
    need!("slirp4netns");
    if TcpListener::bind("[::1]:0").is_err() {
        skip!("this host has no IPv6");
    }
    let env = TestEnv::new();
    let port = server("::1");
    let network = "slirp4netns:allow_host_loopback=true,outbound_addr6=::1";
    env.start(&format!("--name six --network {network} hello sleep forever"));
    eventually("an answer", 20, || {
        env.sh(&format!("exec six /hello tcp fd00::2 {port} x")).stdout.trim() == "seen ::1"
    });
}

#[test]
fn what_slirp4netns_can_not_do_is_said() {
    let env = TestEnv::new();
    for (option, why) in [
        ("outbound_addr=192.0.2.213", "this host does not have that address"),
        ("outbound_addr=nosuch0", "neither an address nor an interface"),
        ("outbound_addr=::1", "not an IPv4 address"),
        ("outbound_addr6=2001:db8::9", "this host does not have that address"),
        ("outbound_addr6=127.0.0.1", "not an IPv6 address"),
        ("mtu=many", "not 68..65521"),
        ("cidr=10.0.0.0/30", "25 bits"),
        ("port_handler=none", "rootlesskit or slirp4netns"),
        ("enable_ipv6=perhaps", "true or false"),
        ("enable_ipv4=true", "unknown option"),
    ] {
        let out = env.sh(&format!("run --rm --network slirp4netns:{option} hello"));
        let out = out.fails(125, &[option, why]);
        assert!(out.stderr.lines().count() <= 2, "{out}");
    }
    let _ = env.sh("create --network slirp4netns:color=red hello").fails(125, &["color=red"]);
    assert!(env.containers().is_empty());
}

#[test]
fn options_of_pasta() {
    need!("pasta");
    let env = busybox_env!();
    let probe = env.probe("--network pasta:-I,net7,--mtu,1400,--ns-mac-addr,02:00:00:00:00:05");
    let (name, facts) = interface(&probe);
    assert_eq!((name.as_str(), facts["mtu"].as_str()), ("net7", Some("1400")));
    assert_eq!(facts["mac"], "02:00:00:00:00:05");
    let moved = "pasta:-a,10.77.8.7,-n,25,-g,10.77.8.1,--dns-forward=10.77.8.3,-4";
    let probe = env.probe(&format!("--network {moved} --mac-address 02:00:00:00:00:06"));
    assert_eq!((addresses(&probe), gateway(&probe).as_str()), (vec!["10.77.8.7/25".to_string()], "10.77.8.1"));
    assert_eq!(interface(&probe).1["mac"], "02:00:00:00:00:06");
    assert!(resolv_conf(&env, moved).starts_with("nameserver 10.77.8.3\n"));
    let hosts = env.sh(&format!("run --rm --network {moved} --name own hello read /etc/hosts")).success();
    assert!(hosts.stdout.contains("10.77.8.7\t") && !hosts.stdout.contains("10.0.2.100"), "{hosts}");
    let port = server("127.0.0.1");
    for network in ["pasta", "pasta:--no-map-gw"] {
        assert_eq!(hears_open(&env, network, "10.0.2.2", port), "", "{network}");
    }
    assert_eq!(hears_open(&env, "pasta:--map-gw", "10.0.2.2", port), "seen 127.0.0.1");
    assert_eq!(hears_open(&env, "pasta:--map-gw", "host.containers.internal", port), "seen 127.0.0.1");
    assert_eq!(hears_open(&env, "pasta:--map-gw,--no-tcp", "10.0.2.2", port), "");
    // Ports of the host's loopback inside, and of the container on the host.
    assert_eq!(hears_open(&env, "pasta", "127.0.0.1", port), "");
    assert_eq!(hears_open(&env, &format!("pasta:-T,{port}"), "127.0.0.1", port), "seen 127.0.0.1");
    for form in ["-t,", "-t", "--tcp-ports="] {
        let port = free_port();
        env.start(&format!("--name p{port} --network pasta:{form}{port}:7000 hello tcp-serve 7000"));
        eventually("an answer", 20, || ask(([127, 0, 0, 1], port).into()).is_ok());
        env.sh(&format!("rm -f -t 0 p{port}")).success();
    }
    if let Some(own) = own_address() {
        let port = server("0.0.0.0");
        let host = own.to_string();
        assert_eq!(hears_open(&env, "pasta:--outbound,127.0.0.2", &host, port), "seen 127.0.0.2");
        assert_eq!(hears_open(&env, "pasta", &host, port), format!("seen {own}"));
    }
}

#[test]
fn containers_conf_names_the_default_network() {
    need!("pasta", "slirp4netns");
    let env = TestEnv::new();
    let conf = |text: &str| env.file("home/.config/containers/containers.conf", text);
    let mtu = |flags: &str| interface(&env.probe(flags)).1["mtu"].as_str().unwrap().to_string();
    conf("[engine]\nnetwork_cmd_options = [\"mtu=1410\", \"enable_ipv6=false\"]\n");
    assert_eq!((mtu("").as_str(), mtu("--network slirp4netns:mtu=1420").as_str()), ("1410", "1420"));
    conf("[network]\ndefault_rootless_network_cmd = \"pasta\"\npasta_options = [\"-m\", \"1430\"]\n");
    assert_eq!((mtu("").as_str(), mtu("--network pasta:-4").as_str()), ("1430", "1430"));
    assert_eq!(mtu("--network slirp4netns"), "65520");
    env.start("--name c hello sleep forever");
    assert_eq!(env.inspect("c")["HostConfig"]["NetworkMode"], "pasta");
    let out = env.sh("doctor").stdout.clone();
    assert!(out.contains("no network setting of containers.conf is ignored"), "{out}");
    conf("[network]\ndefault_subnet = \"10.99.0.0/16\"\n");
    let out = env.sh("doctor").stdout.clone();
    assert!(out.contains("default_subnet = \"10.99.0.0/16\""), "{out}");
    conf("[network]\ndefault_rootless_network_cmd = \"vpnkit\"\n");
    let _ = env.sh("run --rm hello").fails(125, &["vpnkit", "containers.conf", "pasta or slirp4netns"]);
}

#[test]
fn pasta_with_ipv6_alone() {
    need!("pasta");
    let routes = std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    if !routes.lines().any(|l| l.starts_with(&format!("{:032} 00", 0)) && !l.ends_with("lo")) {
        skip!("this host has no IPv6 towards the outside");
    }
    let env = TestEnv::new();
    let probe = env.probe("--network pasta:--ipv6-only,-a,fd77:9::5");
    assert!(addresses(&probe).iter().all(|a| a.contains(':')), "{:?}", addresses(&probe));
    assert!(addresses(&probe).iter().any(|a| a.starts_with("fd77:9::5/")), "{:?}", addresses(&probe));
    assert!(!resolv_conf(&env, "pasta:-6").contains("10.0.2.3"));
}

#[test]
fn what_pasta_can_not_do_is_said() {
    need!("pasta");
    let env = TestEnv::new();
    for (options, why) in [
        ("--bogus", "unrecognized option '--bogus'"),
        ("-Q", "invalid option -- 'Q'"),
        ("-a,zz", "Invalid address: zz"),
        ("--mtu,99999999", "MTU"),
        ("-i,nosuch0", "nosuch0"),
        // These would be a command in the place of the container, or another container.
        ("sh", "pasta:sh: not an option"),
        ("--ipv4-only,sh", "pasta:sh: not an option"),
        ("--mtu", "pasta:--mtu: it needs a value"),
        ("--netns,/proc/1/ns/net", "--netns: coracle sets this itself"),
        ("-P,/tmp/file", "-P: coracle sets this itself"),
    ] {
        let out = env.sh(&format!("run --rm --network pasta:{options} hello"));
        let out = out.fails(125, &[why]);
        assert!(out.stderr.lines().count() <= 2, "{out}");
    }
}
