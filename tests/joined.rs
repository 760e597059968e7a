//! Containers in networks of others: `--network container:NAME` and `--network ns:PATH`.

mod common;

use common::eventually;
use std::process::Stdio;

const BUSYBOX: &str = "busybox";

#[test]
fn members_of_a_network_see_its_containers_files() {
    let env = busybox_env!();
    env.sh("network create n").success();
    env.sh("network create m").success();
    let flags = "--name first --hostname front --add-host there:192.0.2.77 --network n --dns-option timeout:3";
    env.start(&format!("{flags} {BUSYBOX} sleep 1000"));
    let own = |name: &str, file: &str| env.run(["exec", name, "cat", file]).success().stdout;
    env.start(&format!("--name second --network container:first {BUSYBOX} sleep 1000"));
    env.start(&format!("--name third --network container:second --hostname apart {BUSYBOX} sleep 1000"));
    for file in ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"] {
        assert_eq!(own("second", file), own("first", file), "{file}");
    }
    assert!(own("first", "/etc/hosts").contains("192.0.2.77\tthere"));
    assert_eq!(env.run(["exec", "second", "hostname"]).success().line(), "front");
    // One with a name of its own finds itself, too.
    assert_eq!(env.run(["exec", "third", "hostname"]).success().line(), "apart");
    assert_eq!(own("third", "/etc/hosts"), format!("{}127.0.0.1\tapart\n", own("first", "/etc/hosts")));
    assert_eq!(own("third", "/etc/resolv.conf"), own("first", "/etc/resolv.conf"));
    let path = |name: &str| env.inspect(name)["HostsPath"].as_str().unwrap().to_string();
    assert_eq!((path("second") == path("first"), path("third") == path("first")), (true, false));
    // What changes there changes here.
    let before = own("second", "/etc/hosts");
    env.sh("network connect m first").success();
    let after = own("second", "/etc/hosts");
    assert!(after != before && after == own("first", "/etc/hosts"), "{after}");
    let refused = env.sh(&format!("run --rm --network container:first --add-host a:1.2.3.4 {BUSYBOX} true"));
    let _ = refused.fails(125, &["--add-host", "that container has the files"]);
}

#[test]
fn a_member_of_a_network_may_keep_its_users_id() {
    let env = busybox_env!();
    let ids = rustix::process::getuid().as_raw().to_string();
    env.sh("network create n").success();
    let dir = env.path("shared");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, flags) in [("plain", ""), ("member", "--network n"), ("kept", "--userns keep-id")] {
        env.start(&format!("--name {name} {flags} {BUSYBOX} nc -ll -p 7000 -e cat"));
        let run =
            format!("run --rm --network container:{name} --userns keep-id -v {}:/shared {BUSYBOX}", dir.display());
        let script = format!("id -u; touch /shared/{name}; ip -o a | grep -c inet; echo hi | nc 127.0.0.1 7000");
        let mut words: Vec<&str> = run.split(' ').collect();
        words.extend(["sh", "-c", &script]);
        eventually("an answer", 10, || {
            let out = env.run(&words).success().stdout;
            let lines: Vec<&str> = out.lines().collect();
            assert_eq!(lines[0], ids);
            assert!(lines[1].parse::<u32>().unwrap() > 2, "{out}");
            lines.get(2) == Some(&"hi")
        });
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.join(name)).unwrap());
        assert_eq!(owner.to_string(), ids, "who the file belongs to");
    }
    // Of two with the same ids everything can be shared; processes are not shared with other ids.
    let both = "run --rm --userns keep-id --network container:kept --pid container:kept";
    assert!(env.sh(&format!("{both} {BUSYBOX} ps")).success().stdout.contains("nc -ll"));
    let other = env.sh(&format!("run --rm --userns keep-id --pid container:plain {BUSYBOX} ps"));
    let _ = other.fails(125, &["keep-id", "--userns container:"]);
}

#[test]
fn networks_are_joined_by_path() {
    need!("unshare", "ip");
    let env = busybox_env!();
    env.start(&format!("--name web {BUSYBOX} nc -ll -p 7000 -e cat"));
    let pid = env.inspect("web")["State"]["Pid"].as_i64().unwrap();
    for userns in ["", "--userns keep-id"] {
        let ask = format!("run --rm {userns} --network ns:/proc/{pid}/ns/net {BUSYBOX} sh -c");
        let mut words: Vec<&str> = ask.split_whitespace().collect();
        words.push("echo hi | nc 127.0.0.1 7000");
        eventually("an answer", 10, || env.run(&words).success().stdout == "hi\n");
    }
    // One that no container has made.
    let script = "ip link add mine type veth peer name theirs && echo ready && read wait";
    let mut made = env.program("unshare");
    let made = made.args(["--user", "--map-root-user", "--net", "sh", "-c", script]);
    let mut made = made.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 6];
    std::io::Read::read_exact(made.stdout.as_mut().unwrap(), &mut line).unwrap();
    let show = format!("run --rm --network ns:/proc/{}/ns/net {BUSYBOX} ip link", made.id());
    let out = env.sh(&show).success().stdout;
    drop(made.stdin.take());
    made.wait().unwrap();
    assert!(out.contains("mine") && !out.contains("tap0"), "{out}");
    let _ = env.sh(&show).fails(125, &["no such file"]);
    for (path, why) in [
        ("/etc/passwd", "it is none"),
        ("/proc/self/ns/mnt", "it is none"),
        ("/proc/self/ns/net", "--network host"),
        ("/nowhere", "no such file"),
    ] {
        let _ = env.sh(&format!("run --rm --network ns:{path} {BUSYBOX} true")).fails(125, &[path, why]);
    }
}
