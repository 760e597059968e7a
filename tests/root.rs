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
    need!("busybox", "umoci", "skopeo");
    let env = TestEnv::unchecked();
    std::fs::create_dir(env.root()).unwrap();
    common::fixtures::sh(&env.dir, "mount -t tmpfs -o size=600k small data");
    let archive = common::fixtures::busybox();
    let out = env.run(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]);
    let code = out.code;
    let text = out.stderr.clone();
    let left = std::fs::read_dir(env.root().join("tmp")).map(|d| d.count()).unwrap_or(0);
    common::fixtures::sh(&env.dir, "umount data");
    assert_eq!(code, 125, "{text}");
    assert!(text.contains("no space"), "{text}");
    assert_eq!(left, 0, "files left in tmp");
}
