//! User-defined networks: names, addresses, isolation, ports, and what a killed helper leaves.

mod common;

use common::fixtures::BUSYBOX;
use common::leaks::processes;
use common::{TestEnv, eventually, free_port};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

fn ask(address: SocketAddr, text: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The container's address in a network (`IPAddress` or `GlobalIPv6Address`).
fn address(env: &TestEnv, container: &str, network: &str, field: &str) -> String {
    env.inspect(container)["NetworkSettings"]["Networks"][network][field].as_str().unwrap_or_default().to_string()
}

/// What `nslookup` inside the container says to a question; the exit code tells whether there was an answer.
fn lookup(env: &TestEnv, container: &str, name: &str) -> (bool, String) {
    let out = env.run(["exec", container, "nslookup", name]);
    (out.code == 0, out.stdout.clone())
}

/// Whether the container reaches a TCP server.
fn reaches(env: &TestEnv, container: &str, host: &str, port: u16) -> bool {
    let port = port.to_string();
    let out = env.run(["exec", container, "sh", "-c", "echo hi | nc -w 2 $0 $1", host, &port]);
    out.code == 0 && out.stdout.contains("hi")
}

/// The stages and helpers of this test's networks with this name.
fn helpers(env: &TestEnv, name: &str) -> Vec<i32> {
    processes(&env.dir).into_iter().filter(|(_, what)| what.contains(name)).map(|(pid, _)| pid).collect()
}

fn slirps(holder: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{holder}/task/{holder}/children")).unwrap_or_default();
    let name = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    children.split_whitespace().filter_map(|p| p.parse().ok()).filter(|p| name(p).starts_with("slirp")).collect()
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// This host's own address towards the outside, for servers that containers may reach.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.200:9").ok()?;
    socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback())
}

#[test]
fn members_that_come_and_go_disturb_nobody() {
    let env = busybox_env!();
    env.sh("network create n").success();
    env.start(&format!("--name stays --network n {BUSYBOX} sleep 1000"));
    env.start(&format!("--name moves --network n {BUSYBOX} sleep 1000"));
    let server = || env.sh("exec stays sh -c 'nslookup moves; cat /proc/net/arp'").success().stdout;
    let (before, gateway) = (server(), "10.89.0.1 ");
    let hardware = |text: &str| text.lines().find(|l| l.starts_with(gateway)).map(|l| l[41..58].to_string());
    assert_eq!(hardware(&before).as_deref(), Some("02:42:0a:59:00:01"), "{before}");
    for _ in 0..5 {
        env.sh("restart -t 0 moves").success();
        // A name server that has moved is not found for seconds.
        assert_eq!(hardware(&server()), hardware(&before));
    }
}

#[test]
fn networks_are_made_listed_and_removed() {
    let env = TestEnv::new();
    let made = "network create --subnet 10.77.1.0/28 --gateway 10.77.1.14 --ip-range 10.77.1.4-10.77.1.6 --label a=b -o mtu=1400";
    assert_eq!(env.sh(&format!("{made} mine")).success().line(), "mine");
    let doc = env.sh("network inspect mine").success().json()[0].take();
    assert_eq!((doc["subnets"][0]["gateway"].as_str(), doc["dns_enabled"].as_bool()), (Some("10.77.1.14"), Some(true)));
    assert_eq!(doc["subnets"][0]["lease_range"]["start_ip"], "10.77.1.4");
    let out =
        env.sh("network inspect mine --format '{{.Driver}} {{(index .Subnets 0).Subnet}} {{.DNSEnabled}}'").success();
    assert_eq!(out.line(), "bridge 10.77.1.0/28 true");
    let _ = env.sh("network create mine").fails(125, &["mine", "exists"]);
    env.sh("network create --ignore mine").success();
    let _ = env.sh("network create --subnet 10.77.1.8/29 other").fails(125, &["mine", "overlaps"]);
    for bad in ["--subnet x other", "--gateway 10.1.1.1 other", "-d macvlan other", "-o color=red other", "host", "a/b"]
    {
        assert_eq!(env.sh(&format!("network create {bad}")).code, 125, "{bad}");
    }
    let first = env.sh("network create --ipv6 first").success().line();
    let second = env.sh("network create --internal").success().line();
    assert_eq!((first.as_str(), second.as_str()), ("first", "coracle1"));
    let subnets =
        |name: &str| env.sh(&format!("network inspect {name} --format '{{{{json .Subnets}}}}'")).success().json();
    assert_eq!((subnets("first").as_array().unwrap().len(), subnets("coracle1").as_array().unwrap().len()), (2, 1));
    assert_ne!(subnets("first")[0]["Subnet"], subnets("coracle1")[0]["Subnet"]);
    assert_eq!(env.sh("network ls -q").success().stdout, "podman\ncoracle1\nfirst\nmine\n");
    assert_eq!(env.sh("network ls -q --filter label=a").success().stdout, "mine\n");
    assert_eq!((env.sh("network exists mine").code, env.sh("network exists nosuch").code), (0, 1));
    assert_eq!(env.sh("network rm nosuch").code, 1);
    assert_eq!(env.sh("network rm podman").code, 125);
    env.start("--name c --network mine hello sleep forever");
    assert_eq!(address(&env, "c", "mine", "IPAddress"), "10.77.1.4");
    assert_eq!(env.sh("network rm mine").code, 2);
    assert_eq!(env.sh("network prune -f").success().stdout, "coracle1\nfirst\n");
    env.sh("network rm -f -t 0 mine").success();
    assert_eq!(env.sh("ps -aq").success().stdout, "");
}

#[test]
fn names_addresses_and_isolation() {
    let env = busybox_env!();
    for network in ["front --subnet 10.77.2.0/24", "back --internal", "other"] {
        env.sh(&format!("network create {network}")).success();
    }
    let serve = "sh -c 'while :; do nc -l -p 7000 -e cat; done'";
    let web = env.start(&format!("--name web --network front --network-alias www --ip 10.77.2.9 {BUSYBOX} {serve}"));
    env.start(&format!("--name app --network front --network back:alias=svc {BUSYBOX} {serve}"));
    env.start(&format!("--name db --network back {BUSYBOX} {serve}"));
    env.start(&format!("--name alone --network other {BUSYBOX} {serve}"));
    assert_eq!(address(&env, "web", "front", "IPAddress"), "10.77.2.9");
    for name in ["web", "www", "WEB", "web.front", &web[..12]] {
        let (found, text) = lookup(&env, "app", name);
        assert!(found && text.contains("10.77.2.9"), "{name}: {text}");
    }
    let (found, text) = lookup(&env, "app", "10.77.2.9");
    assert!(found && text.contains("web"), "{text}");
    let (app_back, db) = (address(&env, "app", "back", "IPAddress"), address(&env, "db", "back", "IPAddress"));
    assert!(lookup(&env, "db", "svc").1.contains(&app_back));
    assert!(lookup(&env, "app", "db").1.contains(&db));
    // Who shares no network is unknown and out of reach.
    for (from, to) in [("web", "db"), ("alone", "web"), ("db", "web")] {
        assert!(!lookup(&env, from, to).0, "{from} knows {to}");
    }
    assert!(reaches(&env, "web", &address(&env, "app", "front", "IPAddress"), 7000));
    assert!(reaches(&env, "app", &db, 7000));
    assert!(!reaches(&env, "alone", "10.77.2.9", 7000) && !reaches(&env, "web", &db, 7000));
    // The other network's name service does not answer either.
    let gateway = address(&env, "alone", "other", "Gateway");
    assert_ne!(env.run(["exec", "web", "nslookup", "alone", &gateway]).code, 0);
    // The host: its own address from networks with a way out, its loopback from none.
    let loopback = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = loopback.local_addr().unwrap().port();
    for host in ["127.0.0.1", "10.77.2.1", "169.254.2.2"] {
        assert!(!reaches(&env, "web", host, port), "{host}");
    }
    if let Some(ip) = own_address() {
        let server = TcpListener::bind((ip, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut client in server.incoming().flatten() {
                let _ = client.write_all(b"hi\n");
            }
        });
        assert!(reaches(&env, "web", &ip.to_string(), port));
        assert!(!reaches(&env, "db", &ip.to_string(), port), "an internal network has a way out");
    }
    // An answer ends with its member.
    env.sh("stop -t 0 web").success();
    eventually("the name is gone", 5, || !lookup(&env, "app", "web").0);
    env.sh("start web").success();
    assert!(lookup(&env, "app", "web").1.contains("10.77.2.9"));
}

#[test]
fn addresses_last_as_long_as_their_containers() {
    let env = TestEnv::new();
    env.sh("network create n --subnet 10.77.3.0/29").success();
    env.start("--name a --network n hello sleep forever");
    env.start("--name b --network n hello sleep forever");
    let ips = || ["a", "b"].map(|name| address(&env, name, "n", "IPAddress"));
    let before = ips();
    env.sh("stop -t 0 a b").success();
    env.start("--name c --network n hello sleep forever");
    env.sh("start b a").success();
    assert_eq!(ips(), before);
    assert!(!before.contains(&address(&env, "c", "n", "IPAddress")));
    // A killed monitor takes its container with it, and not the address of another.
    let monitor = |name: &str| {
        let pid = env.inspect(name)["State"]["Pid"].as_i64().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse::<i32>().unwrap()
    };
    kill(monitor("a"));
    env.start("--name d --network n hello sleep forever");
    env.sh("start a").success();
    let all: BTreeSet<String> = ["a", "b", "c", "d"].map(|name| address(&env, name, "n", "IPAddress")).into();
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(ips(), before);
    let _ = env.sh("run --rm --network n --ip 10.77.3.2 hello").fails(125, &["10.77.3.2", "has it"]);
    let _ = env.sh("run --rm --network n --ip 10.99.0.1 hello").fails(125, &["10.99.0.1", "outside"]);
    env.start("--name e --network n hello sleep forever");
    let _ = env.sh("run --rm --network n hello").fails(125, &["full"]);
    env.sh("rm -f -t 0 c").success();
    env.sh("run --rm --network n hello").success();
}

#[test]
fn ipv6_alone_is_enough() {
    let env = busybox_env!();
    env.sh("network create six --subnet fd77:7::/64").success();
    let port = free_port();
    env.start(&format!("--name server --network six -p {port}:7000 hello tcp-serve 7000"));
    env.start(&format!("--name client --network six --ip6 fd77:7::99 {BUSYBOX} sleep 1000"));
    let server = address(&env, "server", "six", "GlobalIPv6Address");
    assert!(server.starts_with("fd77:7::"), "{server}");
    assert_eq!(address(&env, "client", "six", "GlobalIPv6Address"), "fd77:7::99");
    let (found, text) = lookup(&env, "client", "server");
    assert!(found && text.contains(&server), "{text}");
    eventually("an answer inside", 10, || reaches(&env, "client", &server, 7000));
    for host in ["127.0.0.1", "[::1]"] {
        let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
        eventually(&format!("an answer through {address}"), 10, || ask(address, "hi").is_ok_and(|a| a.ends_with("hi")));
    }
}

#[test]
fn members_may_keep_their_users_id() {
    let env = busybox_env!();
    env.sh("network create n").success();
    let own = rustix::process::getuid().as_raw();
    let dir = env.path("shared");
    std::fs::create_dir_all(&dir).unwrap();
    let port = free_port();
    env.start(&format!("--name plain --network n {BUSYBOX} sleep 1000"));
    let flags = format!("--name kept --network n --userns keep-id -p {port}:7000 -v {}:/shared", dir.display());
    env.start(&format!("{flags} {BUSYBOX} sh -c 'id -u; touch /shared/mine; nc -ll -p 7000 -e cat'"));
    eventually("the file", 10, || dir.join("mine").exists());
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.join("mine")).unwrap()), own);
    assert_eq!(env.sh("logs kept").success().line(), own.to_string());
    assert_eq!(env.run(["exec", "kept", "id", "-u"]).success().line(), own.to_string());
    let ip = address(&env, "kept", "n", "IPAddress");
    assert!(lookup(&env, "plain", "kept").1.contains(&ip));
    assert!(reaches(&env, "plain", &ip, 7000));
    assert!(lookup(&env, "kept", "plain").0);
    eventually("an answer", 10, || ask(SocketAddr::from(([127, 0, 0, 1], port)), "hi").is_ok_and(|a| a == "hi"));
    // Root of it is not root of the networks.
    let out = env.run(["exec", "-u", "0", "kept", "ip", "link", "add", "x", "type", "dummy"]);
    assert_ne!(out.code, 0);
    env.sh("network create m").success();
    env.sh("network connect m kept").success();
    assert!(!address(&env, "kept", "m", "IPAddress").is_empty());
    env.sh("restart -t 0 kept").success();
    assert_eq!(address(&env, "kept", "n", "IPAddress"), ip);
    assert_eq!(env.run(["exec", "kept", "id", "-u"]).success().line(), own.to_string());
    let _ = env.sh("run --rm --network n --userns container:plain hello").fails(125, &["--userns"]);
}

#[test]
fn ports_are_published_from_networks() {
    let env = TestEnv::new();
    env.sh("network create n").success();
    let port = free_port();
    env.start(&format!("--name c --network n -p {port}:7000 hello tcp-serve 7000"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("an answer", 10, || ask(address, "hi").is_ok_and(|a| a.ends_with("hi")));
    env.sh("restart -t 0 c").success();
    eventually("an answer after the restart", 10, || ask(address, "hi").is_ok_and(|a| a.ends_with("hi")));
    if let Some(ip) = own_address() {
        // A client with an address of its own is seen as itself.
        let seen = ask(SocketAddr::new(ip, port), "who").unwrap();
        assert!(seen.starts_with(&format!("peer {ip}:")), "{seen}");
    }
}

#[test]
fn running_containers_are_connected_and_disconnected() {
    let env = busybox_env!();
    for network in ["one", "two"] {
        env.sh(&format!("network create {network}")).success();
    }
    env.start(&format!("--name a --network one {BUSYBOX} sleep 1000"));
    env.start(&format!("--name b --network two {BUSYBOX} sh -c 'while :; do nc -l -p 7000 -e cat; done'"));
    env.start("--name plain hello sleep forever");
    let b = address(&env, "b", "two", "IPAddress");
    assert!(!reaches(&env, "a", &b, 7000) && !lookup(&env, "a", "b").0);
    env.sh("network connect --alias second two a").success();
    assert!(reaches(&env, "a", &b, 7000) && lookup(&env, "a", "b").1.contains(&b));
    let ip = address(&env, "a", "two", "IPAddress");
    assert!(lookup(&env, "b", "second").1.contains(&ip));
    let _ = env.sh("network connect two a").fails(125, &["already"]);
    let _ = env.sh("network connect two plain").fails(125, &["plain"]);
    env.sh("network reload --all").success();
    // It lasts.
    env.sh("restart -t 0 a").success();
    assert_eq!(address(&env, "a", "two", "IPAddress"), ip);
    env.sh("network disconnect two a").success();
    assert!(!reaches(&env, "a", &b, 7000) && !lookup(&env, "b", "second").0);
    let _ = env.sh("network disconnect two a").fails(125, &["not there"]);
    env.sh("network disconnect one a").success();
    // Without any network it still runs, and joins again.
    assert_eq!(env.run(["exec", "a", "ls", "/sys/class/net"]).success().stdout, "lo\n");
    env.sh("network connect two a").success();
    assert!(reaches(&env, "a", &b, 7000));
    env.sh("create --name later hello sleep forever").success();
    env.sh("network connect one later").success();
    env.sh("start later").success();
    assert!(!address(&env, "later", "one", "IPAddress").is_empty());
}

#[test]
fn every_helper_may_be_killed() {
    let env = busybox_env!();
    env.sh("network create n").success();
    let serve = "sh -c 'while :; do nc -l -p 7000 -e cat; done'";
    env.start(&format!("--name a --network n {BUSYBOX} {serve}"));
    env.start(&format!("--name b --network n {BUSYBOX} sleep 1000"));
    let ip = address(&env, "a", "n", "IPAddress");
    let works = |what: &str| {
        eventually(&format!("names after {what}"), 10, || lookup(&env, "b", "a").1.contains(&ip));
        assert!(reaches(&env, "b", &ip, 7000), "{what}");
        // Newcomers find the others.
        let out = env.run(["run", "--rm", "--network", "n", BUSYBOX, "nslookup", "a"]).success();
        assert!(out.stdout.contains(&ip), "{what}: {out}");
    };
    let holder = |env: &TestEnv| helpers(env, "netholder")[0];
    works("nothing");
    kill(slirps(holder(&env))[0]);
    eventually("another slirp4netns", 10, || slirps(holder(&env)).len() == 1);
    works("slirp4netns was killed");
    let keeper = helpers(&env, "netkeep")[0];
    kill(keeper);
    eventually("another keeper", 10, || helpers(&env, "netkeep").first().is_some_and(|p| *p != keeper));
    works("the keeper was killed");
    for _ in 0..2 {
        let old = holder(&env);
        kill(old);
        eventually("another holder", 10, || helpers(&env, "netholder").first().is_some_and(|p| *p != old));
        works("the holder was killed");
    }
    let out = env.sh("network inspect n --format '{{len .Containers}}'").success();
    assert_eq!(out.line(), "2");
    // Both at once: the stopped holder can't start another keeper.
    let (old, keeper) = (holder(&env), helpers(&env, "netkeep")[0]);
    kill_process(Pid::from_raw(old).unwrap(), Signal::STOP).unwrap();
    kill(keeper);
    kill(old);
    eventually("another holder", 10, || helpers(&env, "netholder").first().is_some_and(|p| *p != old));
    works("holder and keeper were killed");
    assert_eq!(address(&env, "a", "n", "IPAddress"), ip);
}

#[test]
fn networks_are_found_like_other_objects() {
    let env = TestEnv::new();
    let _ = env.sh("network create kept").success();
    let _ = env.sh("network create --label a=b unused").success();
    env.start("--name member --network kept hello sleep forever");
    env.sh("create --name idle --network unused hello").success();
    for command in ["inspect -t network kept", "inspect kept"] {
        assert_eq!(env.sh(command).success().json()[0]["name"], "kept", "{command}");
    }
    let id = env.sh("inspect -t network kept --format '{{.ID}}'").success().line();
    assert_eq!(id.len(), 64);
    assert_eq!(env.sh("inspect -t network member").code, 125);
    for filter in ["kept", &id[..12], &id] {
        let out = env.sh(&format!("ps -a --filter network={filter} --format '{{{{.Names}}}}'")).success();
        assert_eq!(out.line(), "member", "{filter}");
    }
    // A container that will go keeps no network.
    let out = env.sh("system prune --dry-run").success();
    assert!(out.stdout.contains("Networks:\nunused"), "{out}");
    assert!(env.sh("network exists unused").code == 0);
    env.sh("system prune -f --filter label=nosuch").success();
    assert!(env.sh("network exists unused").code == 0);
    env.sh("system prune -f").success().has("unused");
    assert_eq!(env.sh("network ls -q").success().stdout, "podman\nkept\n");
}

#[test]
fn stats_count_traffic() {
    let env = TestEnv::new();
    env.sh("network create n").success();
    let port = free_port();
    env.start(&format!("--name c --network n -p {port}:7000 hello tcp-serve 7000"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("an answer", 10, || ask(address, "hi").is_ok_and(|a| a.ends_with("hi")));
    let row = env.sh("stats --no-stream --format json").success().json()[0].take();
    assert_eq!(row["Name"], "c");
    assert!(row["PIDs"].as_u64().unwrap() >= 1 && row["MemUsage"].as_str().unwrap().contains(" / "), "{row}");
    let member = |env: &TestEnv| {
        let doc = env.sh("network inspect n").success().json()[0].take();
        let all = doc["containers"].as_object().unwrap();
        let container = all.values().find(|c| c["name"] == "c").unwrap();
        container["interfaces"]["eth0"]["traffic"]["rx_packets"].as_u64().unwrap()
    };
    env.start("--name d --network n hello sleep forever");
    let before = member(&env);
    let c = self::address(&env, "c", "n", "IPAddress");
    env.run(["run", "--rm", "--network", "n", "hello", "tcp", &c, "7000", "x"]).success();
    assert!(member(&env) > before);
    let _ = env.sh("stop -t 0 c").success();
    let _ = env.sh("stats --no-stream c").fails(125, &["not running"]);
    assert!(env.sh("stats --no-stream --all").success().stdout.contains("--"));
}

#[test]
fn sixty_containers_find_each_other() {
    let env = busybox_env!();
    env.sh("network create crowd").success();
    const COUNT: usize = 60;
    std::thread::scope(|s| {
        for lane in 0..4 {
            let env = &env;
            s.spawn(move || {
                for n in (lane..COUNT).step_by(4) {
                    env.start(&format!("--name m{n} --network crowd {BUSYBOX} nc -ll -p 7000 -e hostname"));
                }
            });
        }
    });
    let ips: BTreeSet<String> = (0..COUNT).map(|n| address(&env, &format!("m{n}"), "crowd", "IPAddress")).collect();
    assert_eq!(ips.len(), COUNT);
    let status = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    // One exec for many pairs: each member asks for some others, resolves and connects.
    for (from, step) in [(0, 1), (17, 7), (59, 11)] {
        let script = format!(
            "n=0; i={from}; while [ $n -lt 20 ]; do i=$(( (i + {step}) % {COUNT} )); \
             a=$(nslookup m$i | sed -n 's/^Address: //p' | tail -1); \
             h=$(echo | nc -w 5 $a 7000); [ -n \"$h\" ] || {{ echo m$i $a; exit 1; }}; n=$((n+1)); done; echo all"
        );
        let out = env.run(["exec", &format!("m{from}"), "sh", "-c", &script]).success();
        assert_eq!(out.line(), "all");
    }
    let holder = helpers(&env, "netholder")[0];
    let anonymous = status(holder);
    let kilobytes: u64 = anonymous
        .lines()
        .find_map(|l| l.strip_prefix("RssAnon:"))
        .and_then(|l| l.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap();
    assert!(kilobytes < 16 << 10, "the holder has {kilobytes} KB");
}

#[test]
fn pasta_may_be_the_way_out() {
    need!("pasta");
    let env = busybox_env!();
    let Some(own) = own_address() else { skip!("this host has no address of its own") };
    let server = TcpListener::bind((own, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let mut question = [0; 3];
            let _ = stream.read_exact(&mut question).and_then(|()| stream.write_all(&question));
        }
    });
    for network in ["n", "m"] {
        env.run(["network", "create", "--opt", "way_out=pasta", network]).success();
    }
    let _ = env.sh("network create --opt way_out=ship x").fails(125, &["way_out=ship", "slirp4netns or pasta"]);
    env.sh("network create --internal closed").success();
    for (name, network) in [("a", "n"), ("b", "n"), ("other", "m"), ("inner", "closed")] {
        let out =
            env.sh(&format!("run -d --name {name} --network {network} {BUSYBOX} nc -ll -p 7000 -e cat")).success();
        assert_eq!(out.stderr, "", "{network}");
    }
    let host = own.to_string();
    // pasta knows one guest; all members get their own answers, both networks at once.
    // Some versions of pasta lose the server's end of a connection whose client has ended its half.
    let script = format!("(echo hi; sleep 1) | timeout 5 nc {host} {port} | head -n 1");
    let out = |name: &str| env.run(["exec", name, "sh", "-c", &script]).stdout == "hi\n";
    std::thread::scope(|s| {
        let asked: Vec<_> =
            ["a", "b", "other"].map(|name| s.spawn(move || (0..3).all(|_| out(name)))).into_iter().collect();
        assert!(asked.into_iter().all(|t| t.join().unwrap()));
    });
    assert!(reaches(&env, "a", "b", 7000), "members by name");
    assert!(!reaches(&env, "a", &address(&env, "other", "m", "IPAddress"), 7000), "networks are apart");
    assert!(!out("inner"));
    let pastas = || processes(&env.dir).into_iter().filter(|(_, what)| what.contains("--ns-ifname")).count();
    assert_eq!(pastas(), 2);
    for (pid, _) in processes(&env.dir).into_iter().filter(|(_, what)| what.contains("--ns-ifname")) {
        kill(pid);
    }
    eventually("a way out again", 20, || out("a") && out("other"));
}

#[test]
fn an_address_with_another_owner_is_found_at_once() {
    let env = busybox_env!();
    env.sh("network create --ipv6 n").success();
    let serve = format!("{BUSYBOX} nc -ll -p 7000 -e cat");
    env.start(&format!("--name cli --network n {BUSYBOX} sleep 1000"));
    env.start(&format!("--name srv --network n {serve}"));
    let ips = ["IPAddress", "GlobalIPv6Address"].map(|field| address(&env, "srv", "n", field));
    let found = |mac: &str| {
        eventually("the server", 10, || ips.iter().all(|ip| reaches(&env, "cli", ip, 7000)));
        let known = env.run(["exec", "cli", "ip", "neigh"]).success().stdout;
        for ip in &ips {
            let line = known.lines().find(|l| l.starts_with(&format!("{ip} "))).unwrap_or_default();
            assert!(line.contains(mac), "{mac} has {ip}: {known}");
        }
    };
    let own = env.inspect("srv")["NetworkSettings"]["Networks"]["n"]["MacAddress"].as_str().unwrap().to_string();
    found(&own);
    let mac = "02:11:22:33:44:55";
    env.sh("rm -f -t 0 srv").success();
    let [ip, ip6] = &ips;
    env.start(&format!("--name srv --network n --ip {ip} --ip6 {ip6} --mac-address {mac} {serve}"));
    found(mac);
}
