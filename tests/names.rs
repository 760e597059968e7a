//! The name service of user networks: which names there are, and who is asked for the others.

mod common;

use common::TestEnv;
use common::fixtures::BUSYBOX;

/// The host's programs, for a name server in a container.
const HOSTS_PROGRAMS: &str = "-v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro";

/// Starts a name server with these options; `--log-queries` shows in its log what it was asked.
fn name_server(env: &TestEnv, flags: &str, options: &str) {
    let dnsmasq = "/usr/sbin/dnsmasq -k -u root --pid-file= --no-resolv --no-hosts --log-queries --log-facility=-";
    env.start(&format!("{flags} {HOSTS_PROGRAMS} {BUSYBOX} {dnsmasq} {options}"));
    common::eventually("the name server starts", 20, || env.run(["logs", "dns"]).stderr.contains("cleared cache"));
}

/// What `nslookup` says in a new container.
fn lookup(env: &TestEnv, flags: &str, words: &str) -> (bool, String) {
    let out = env.sh(&format!("run --rm {flags} {BUSYBOX} nslookup {words}"));
    (out.code == 0, format!("{}{}", out.stdout, out.stderr))
}

fn field(env: &TestEnv, container: &str, network: &str, field: &str) -> String {
    env.inspect(container)["NetworkSettings"]["Networks"][network][field].as_str().unwrap_or_default().to_string()
}

#[test]
fn every_name_of_a_member() {
    let env = busybox_env!();
    env.sh("network create --ipv6 n").success();
    env.sh("network create m").success();
    let flags = "--name web --hostname other --network n:alias=one --network m:alias=two --network-alias three";
    let id = env.start(&format!("{flags} {BUSYBOX} sleep 1000"));
    env.start(&format!("--name asks --network n {BUSYBOX} sleep 1000"));
    let (ip, ip6) = (field(&env, "web", "n", "IPAddress"), field(&env, "web", "n", "GlobalIPv6Address"));
    let asked = |name: &str| {
        let out = env.run(["exec", "asks", "nslookup", name]);
        (out.code == 0, format!("{}{}", out.stdout, out.stderr))
    };
    for name in ["web", "Web.N", "one", "three", "web.dns.podman", &id[..12]] {
        let (found, text) = asked(name);
        assert!(found && text.contains(&ip) && text.contains(&ip6), "{name}: {text}");
    }
    // (The full id is one too, but no label of a question can be that long.)
    // An alias of another network, a part of the id, and a hostname are no names; nobody else is asked in our domain.
    for name in ["two.dns.podman", &format!("{}.dns.podman", &id[..6]), "other.dns.podman"] {
        let (found, text) = asked(name);
        assert!(!found && text.contains("NXDOMAIN"), "{name}: {text}");
    }
    for address in [&ip, &ip6] {
        let (found, text) = asked(address);
        assert!(found && text.contains("name = web"), "{address}: {text}");
    }
    // Nobody has this address of ours.
    let (found, text) = asked(&format!("{}.250", ip.rsplit_once('.').unwrap().0));
    assert!(!found && text.contains("NXDOMAIN"), "{text}");
    // The resolver of the C library finds them, too.
    let out =
        env.sh(&format!("run --rm --network n {HOSTS_PROGRAMS} {BUSYBOX} /usr/bin/getent ahostsv4 web")).success();
    assert!(out.stdout.contains(&ip), "{out}");
    env.sh("rename web site").success();
    assert!(asked("site").1.contains(&ip) && !asked("web.dns.podman").0);
}

#[test]
fn name_servers_may_be_members() {
    need!("dnsmasq", "dig");
    let env = busybox_env!();
    env.sh("network create --subnet 10.77.41.0/24 n").success();
    env.sh("network create --subnet 10.77.42.0/24 --internal --dns 10.77.42.53 closed").success();
    let flags = "--name dns --network n:ip=10.77.41.53 --network closed:ip=10.77.42.53";
    let long = ["x", "y", "z"].map(|letter| letter.repeat(250)).join(",");
    let names = "--address=/inner.test/192.0.2.77 --address=/nowhere.test/ --address=/deep.search.test/192.0.2.78";
    name_server(&env, flags, &format!("{names} --txt-record=long.test,{long}"));
    let asked = |name: &str| env.run(["logs", "dns"]).stderr.contains(&format!("] {name} from 10.77.41.1"));
    let with = "--network n --dns 10.77.41.53";
    let (_, text) = lookup(&env, with, "-type=a inner.test");
    assert!(text.contains("192.0.2.77") && asked("inner.test"), "{text}");
    // No such name is its answer, not ours.
    let (found, text) = lookup(&env, with, "-type=a nowhere.test");
    assert!(!found && text.contains("NXDOMAIN") && asked("nowhere.test"), "{text}");
    // What we know ourselves is not asked.
    let (_, text) = lookup(&env, with, "-type=a dns");
    assert!(text.contains("10.77.41.53") && !asked("dns"), "{text}");
    let (_, text) = lookup(&env, with, "-type=a nobody.dns.podman");
    assert!(text.contains("NXDOMAIN") && !asked("nobody.dns.podman"), "{text}");
    // Too long for a datagram of 512 bytes: by TCP, through both of us.
    let dig = format!("run --rm {with} {HOSTS_PROGRAMS} {BUSYBOX} /usr/bin/dig +noedns +short");
    let out = env.sh(&format!("{dig} txt long.test")).success();
    assert!(out.stdout.contains(&"z".repeat(250)), "{out}");
    let out = env.sh(&format!("{dig} +ignore txt long.test")).success();
    assert!(!out.stdout.contains("zzz"), "{out}");
    // Search domains and options are the resolver's; a word of ours would only be in the way.
    let resolver = format!("{with} --dns-search search.test --dns-opt ndots:2 --dns-opt timeout:9");
    let out = env.sh(&format!("run --rm {resolver} {BUSYBOX} cat /etc/resolv.conf")).success();
    assert_eq!(out.stdout, "search search.test\nnameserver 10.77.41.1\noptions ndots:2 timeout:9\n");
    let out = env.sh(&format!("run --rm {resolver} {HOSTS_PROGRAMS} {BUSYBOX} /usr/bin/getent ahostsv4 deep"));
    assert!(out.stdout.contains("192.0.2.78"), "{out}");
    // The network's own server; of an internal network the only one that hears of names outside.
    let (_, text) = lookup(&env, "--network closed", "-type=a inner.test");
    assert!(text.contains("192.0.2.77"), "{text}");
    env.sh("network create --internal shut").success();
    let (found, text) = lookup(&env, "--network shut --dns 127.0.0.1", "-type=a inner.test");
    assert!(!found && text.contains("REFUSED"), "{text}");
    // Nobody there: told before the resolver gives up.
    env.sh("rm -f -t 0 dns").success();
    let dig = format!("run --rm {with} {HOSTS_PROGRAMS} {BUSYBOX} /usr/bin/dig +tries=1 +timeout=5");
    let out = env.sh(&format!("{dig} inner.test"));
    assert!(out.stdout.contains("status: SERVFAIL"), "{out}");
    assert!(lookup(&env, &format!("{with} --name self"), "-type=a self").1.contains("10.77.41."));
}
