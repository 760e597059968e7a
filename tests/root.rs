//! What is special when root runs the engine. (The suites `run` and `hello` run as root, too: see contrib/test.)

mod common;

use common::{TestEnv, is_root};

#[test]
fn root_gets_a_child_user_namespace_all_the_same() {
    if !is_root() {
        skip!("needs root");
    }
    let env = TestEnv::new();
    let p = env.probe("");
    let host = std::fs::read_link("/proc/self/ns/user").unwrap();
    assert_ne!(p["namespaces"]["user"].as_str().unwrap(), host.to_str().unwrap());
    assert_eq!(p["uid_map"][0][0], 0);
    assert!(p["uid_map"][0][2].as_u64().unwrap() >= 65536, "{}", p["uid_map"]);
}

#[test]
fn roots_containers_reach_the_network_and_publish_low_ports() {
    if !is_root() {
        skip!("needs root");
    }
    let env = TestEnv::new();
    env.start("--name c -p 127.0.0.1:907:7000 hello tcp-serve 7000");
    common::eventually("a listener", 10, || std::net::TcpStream::connect("127.0.0.1:907").is_ok());
}

#[test]
fn devices_can_not_be_made_nor_read() {
    if !is_root() {
        skip!("needs root");
    }
    let env = busybox_env!();
    let script = "mknod /d b 8 0 && cat /d | head -c 1";
    let out = env.run(["run", "--rm", "--cap-add", "ALL", "busybox", "sh", "-c", script]);
    assert!(out.stdout.is_empty() && out.stderr.to_lowercase().contains("not permitted"), "{out}");
}

#[test]
fn no_space_is_said_and_leaves_no_trace() {
    if !is_root() {
        skip!("mounting a small file system needs root");
    }
    need!("busybox", "umoci", "skopeo", "unshare");
    let env = TestEnv::new();
    std::fs::create_dir(env.root()).unwrap();
    let archive = common::fixtures::busybox();
    // In a mount namespace of its own: elsewhere its copies would make other tests' processes look like ours.
    let script = "mount -t tmpfs -o size=600k small data && \"$@\"; code=$?; ls -A data/tmp; exit $code";
    let mut shell = env.program("unshare");
    shell.args(["--mount", "sh", "-c", script, "sh"]).arg(common::binary()).arg("--root").arg(env.root());
    shell.arg("--runroot").arg(env.runroot()).args(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]);
    let out = env.finish(&mut shell, b"").fails(125, &["no space"]);
    assert_eq!(out.stdout, "", "files left in tmp");
}

#[test]
fn what_fills_the_disk_can_be_stopped_and_removed() {
    if !is_root() {
        skip!("mounting a small file system needs root");
    }
    need!("busybox", "umoci", "skopeo", "unshare");
    let env = TestEnv::new();
    std::fs::create_dir(env.root()).unwrap();
    let script = r#"
        mount -t tmpfs -o size=8m small data
        coracle=$1 runroot=$2
        c() { "$coracle" --root data --runroot "$runroot" "$@"; }
        c load -qi "$3" >/dev/null || exit 1
        c run -d --name c --restart always busybox yes >/dev/null || exit 2
        for i in $(seq 100); do dd if=/dev/zero of=data/probe bs=4k count=1 2>/dev/null || break; sleep 0.1; done
        head -c 1 /dev/zero >data/probe 2>/dev/null && exit 3
        rm -f data/probe
        c ps --format '{{.Names}} {{.State}}'
        c stop -t 0 c && c inspect --format '{{.State.Status}} {{.State.ExitCode}}' c
        c rm -f c && ls data/containers"#;
    let mut shell = env.program("unshare");
    shell.args(["--mount", "sh", "-c", script, "sh"]).arg(common::binary()).arg(env.runroot());
    shell.arg(common::fixtures::busybox());
    env.finish(&mut shell, b"").success().prints("c running\nc\nexited 137\nc\n");
}

#[test]
fn log_lines_lost_on_a_full_disk_are_missed_aloud() {
    if !is_root() {
        skip!("mounting a small file system needs root");
    }
    let env = busybox_env!();
    for dir in ["disk", "v"] {
        std::fs::create_dir(env.path(dir)).unwrap();
    }
    let program = "head -c 1000000 /dev/zero | tr '\\0' x; echo; touch /v/full
        while [ ! -e /v/go ]; do sleep 0.05; done; echo after";
    let script = r#"
        mount -t tmpfs -o size=200k small disk && head -c 100000 /dev/zero > disk/filler
        coracle() { "$binary" --root data --runroot run/c "$@"; }
        coracle run -d --name c -v "$PWD/v:/v" --log-opt path="$PWD/disk/log" busybox sh -c "$1" > id
        while [ ! -e v/full ]; do sleep 0.05; done
        rm disk/filler; touch v/go
        coracle wait c && coracle logs c; coracle rm c > /dev/null"#;
    let mut shell = env.program("unshare");
    shell.args(["--mount", "sh", "-c", script, "sh", program]).env("binary", common::binary());
    let out = env.finish(&mut shell, b"").success();
    assert!(out.stdout.starts_with("0\nx") && out.stdout.ends_with("after\n"), "{}", out.stderr);
    assert!(out.stdout.len() < 200_000, "{}", out.stdout.len());
    let _ = out.err_has("bytes of the log are missing here: write the log: no space left on device");
}
