//! User networks over their whole life: what is counted, what stays closed, and that nothing is left.

mod common;

use common::fixtures::BUSYBOX;
use common::leaks::processes;
use common::{TestEnv, eventually};
use rustix::process::{Pid, Signal, kill_process};

fn field(env: &TestEnv, container: &str, network: &str, field: &str) -> String {
    env.inspect(container)["NetworkSettings"]["Networks"][network][field].as_str().unwrap_or_default().to_string()
}

/// Numbers that look like chance and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Processes of this test's networks and containers, by name; zombies of others are none.
fn running(env: &TestEnv) -> Vec<(i32, String)> {
    let zombie = |pid: i32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|s| s.rsplit(") ").next().unwrap().starts_with('Z'))
    };
    processes(&env.dir).into_iter().filter(|(pid, _)| !zombie(*pid)).collect()
}

#[test]
fn the_last_member_takes_all_along_whoever_was_killed() {
    let env = TestEnv::new();
    env.sh("network create n").success();
    let seed = u64::from(std::process::id());
    let mut dice = Dice(seed);
    for round in 0..30 {
        for name in ["first", "last"] {
            env.start(&format!("--name {name} --network n -p 127.0.0.1::80 hello sleep forever"));
        }
        // In every other round the helpers alone, in any order; else whatever there is.
        let helpers = ["netholder", "netkeep", "slirp4netns", "portfwd"];
        let mut all = running(&env);
        if round % 2 == 0 {
            all.retain(|(_, what)| helpers.iter().any(|h| what.contains(h)));
            assert!(all.len() >= 3, "{all:?}");
        }
        let mut killed = Vec::new();
        for _ in 0..1 + dice.roll(all.len()) {
            let (pid, what) = all.swap_remove(dice.roll(all.len()));
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            killed.push(what);
        }
        if dice.roll(2) == 0 {
            env.sh("ps -a").success();
            env.sh("network inspect n").success();
        }
        env.sh("rm -f -t 0 first last").success();
        // A keeper without a holder waits for another one for ten seconds.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !running(&env).is_empty() {
            let left = running(&env);
            assert!(std::time::Instant::now() < end, "round {round} of {seed}, after {killed:?}: {left:?}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let names: Vec<String> = std::fs::read_dir(env.root().join("containers"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.is_empty(), "round {round} of {seed}, after {killed:?}: {names:?}");
    }
    // The files of a holder that was killed are the next one's to remove.
    env.sh("run --rm --network n hello").success();
    env.sh("network rm n").success();
    let leases = env.root().join("leases");
    let left: Vec<_> = std::fs::read_dir(leases).into_iter().flatten().flatten().map(|e| e.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// As at a logout.
#[test]
fn networks_end_with_their_last_member_without_a_runtime_directory() {
    let env = TestEnv::new();
    env.sh("network create n").success();
    env.start("--name lone --network n hello sleep forever");
    std::fs::remove_dir_all(env.runroot()).unwrap();
    env.sh("rm -f -t 0 lone").success();
    eventually("nobody is left", 20, || running(&env).is_empty());
    env.sh("run --rm --network n hello").success();
    env.sh("network rm n").success();
}

#[test]
fn counters_agree_with_what_was_sent() {
    let env = busybox_env!();
    env.sh("network create n").success();
    const BYTES: u64 = 20 << 20;
    env.start(&format!("--name takes --network n {BUSYBOX} sh -c 'sleep 1000 | nc -l -p 7000 >/dev/null'"));
    env.start(&format!("--name gives --network n {BUSYBOX} sleep 1000"));
    let ip = field(&env, "takes", "n", "IPAddress");
    let send = format!("sleep 1; head -c {BYTES} /dev/zero | nc -w 10 {ip} 7000");
    env.run(["exec", "gives", "sh", "-c", &send]).success();
    let inspect = || env.sh("network inspect n").success().json()[0].take();
    let of_network = |doc: &serde_json::Value, name: &str, what: &str| {
        let all = doc["containers"].as_object().unwrap();
        let container = all.values().find(|c| c["name"] == name).unwrap();
        container["interfaces"]["eth0"]["traffic"][what].as_u64().unwrap()
    };
    eventually("all has arrived", 20, || of_network(&inspect(), "takes", "rx_bytes") >= BYTES);
    let doc = inspect();
    let counted = |name: &str, what: &str| of_network(&doc, name, what);
    let stats = env.sh("stats --no-stream --format json takes gives").success().json();
    let of = |name: &str, what: &str| {
        stats.as_array().unwrap().iter().find(|row| row["Name"] == name).unwrap()[what].as_u64().unwrap()
    };
    // Headers are at most a few hundredths, and what goes back is little.
    let most = BYTES + BYTES / 10;
    for (what, number) in [
        ("received, by the network", counted("takes", "rx_bytes")),
        ("sent, by the network", counted("gives", "tx_bytes")),
        ("received, by the container", of("takes", "NetInput")),
        ("sent, by the container", of("gives", "NetOutput")),
    ] {
        assert!((BYTES..most).contains(&number), "{what}: {number} of {BYTES}");
    }
    for (what, number) in [
        ("sent back, by the network", counted("takes", "tx_bytes")),
        ("received back, by the network", counted("gives", "rx_bytes")),
        ("sent back, by the container", of("takes", "NetOutput")),
        ("received back, by the container", of("gives", "NetInput")),
    ] {
        assert!(number < BYTES / 10, "{what}: {number}");
    }
    // None of it went outside.
    assert!(doc["traffic"]["tx_bytes"].as_u64().unwrap() < BYTES / 10, "{}", doc["traffic"]);
}

#[test]
fn internal_networks_refuse_at_once() {
    let env = busybox_env!();
    env.sh("network create --internal --ipv6 shut").success();
    env.sh("network create --ipv6 open").success();
    env.start(&format!("--name inner --network shut {BUSYBOX} sleep 1000"));
    env.start(&format!("--name outer --network open {BUSYBOX} sleep 1000"));
    let other = ["IPAddress", "GlobalIPv6Address"].map(|family| field(&env, "outer", "open", family));
    // Not a time-out: programs inside go on with what they have.
    for host in ["192.0.2.1", "10.0.2.2", "2001:db8::1", &other[0], &other[1]] {
        let out = env.run(["exec", "inner", "nc", "-w", "20", host, "80"]);
        assert!(out.code != 0 && out.stderr.contains("unreachable"), "{host}: {out}");
    }
    // Another network is refused as well, by the router between.
    let inner = field(&env, "inner", "shut", "IPAddress");
    let out = env.run(["exec", "outer", "nc", "-w", "20", &inner, "80"]);
    assert!(out.code != 0 && (out.stderr.contains("unreachable") || out.stderr.contains("No route")), "{out}");
    let out = env.run(["exec", "inner", "nslookup", "example.org"]);
    assert!(out.code != 0 && format!("{}{}", out.stdout, out.stderr).contains("REFUSED"), "{out}");
}

#[test]
fn networks_that_can_not_work_as_meant_are_told_of() {
    let env = TestEnv::new();
    let _ = env.sh("network create --ipv6 -o mtu=1000 small").fails(125, &["mtu=1000", "1280"]);
    env.sh("network create -o mtu=1000 small").success();
    let facts = env.probe("--network small");
    assert_eq!(facts["interfaces"]["eth0"]["mtu"], "1000");
    // The host's own network, as its routes tell; networks that were given free subnets are never told of.
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    let number = |word: &str| u32::from_be(u32::from_str_radix(word, 16).unwrap());
    let own = routes.lines().skip(1).map(|l| l.split_whitespace().collect::<Vec<_>>());
    let own = own.map(|w| (number(w[1]), number(w[7]).count_ones())).find(|(_, bits)| (1..31).contains(bits));
    if let Some((net, bits)) = own {
        let subnet = format!("{}/{bits}", std::net::Ipv4Addr::from(net));
        let out = env.sh(&format!("network create --subnet {subnet} hides")).success();
        assert!(out.stderr.contains(&subnet) && out.stderr.contains("warning"), "{out}");
    }
    assert_eq!(env.sh("network create free").success().stderr, "");
    let _ = env.sh("run --rm --tmpfs /t:size=zz hello").fails(125, &["--tmpfs '/t:size=zz'", "size 'zz'"]);
}

#[test]
fn sctp_is_refused_by_name() {
    let env = TestEnv::new();
    for port in ["132/sctp", "127.0.0.1:8080:80/sctp"] {
        let out = env.sh(&format!("run --rm -p {port} hello"));
        let _ = out.fails(125, &[port, "sctp can't be published from a user namespace"]);
    }
}
