//! Ports and limits changed while the container runs, and what published ports stand.

mod common;

use common::fixtures::BUSYBOX;
use common::{TestEnv, eventually, free_port};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

fn ask(port: u16, text: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn serves(port: u16) -> bool {
    ask(port, "hi").is_ok_and(|a| a.ends_with("hi"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[test]
fn ports_are_added_to_and_taken_from_a_running_container() {
    let env = TestEnv::new();
    env.sh("network create n").success();
    for flags in ["", "--network n"] {
        let (first, second, third) = (free_port(), free_port(), free_port());
        env.start(&format!("--name c {flags} hello tcp-serve 7000"));
        // The first one starts a forwarder, later ones are handed to it.
        assert_eq!(env.sh(&format!("update --publish-add {first}:7000 c")).success().line(), "c");
        eventually("an answer", 10, || serves(first));
        env.sh(&format!("update --publish-add 127.0.0.1:{second}:7000 --publish-add 7000/udp c")).success();
        eventually("an answer at the second port", 10, || serves(second));
        let shown = env.sh("port c").success().stdout;
        assert!(shown.contains(&second.to_string()) && shown.contains("7000/udp"), "{shown}");
        // A connection outlives its port; its port is free, the others go on.
        let mut open = TcpStream::connect(("127.0.0.1", first)).unwrap();
        open.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        open.write_all(b"early").unwrap();
        env.sh(&format!("update --publish-rm {first}:7000 c")).success();
        assert!(is_free(first), "{first} is still bound");
        open.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        open.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("early"), "{answer}");
        assert!(serves(second));
        // A port of the host goes to another port inside.
        env.sh(&format!("update --publish-rm {second}:7000 --publish-add 127.0.0.1:{second}:7001 c")).success();
        eventually("nobody there", 10, || !serves(second));
        env.sh(&format!("update --publish-rm 7001 --publish-rm 7000/udp --publish-add {third}:7000 c")).success();
        eventually("an answer at the third port", 10, || serves(third));
        assert!(is_free(second));
        // What is refused changes nothing.
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap().port();
        let _ = env
            .sh(&format!("update --publish-add {first}:7000 --publish-add {taken}:7000 c"))
            .fails(125, &[&taken.to_string(), "in use"]);
        assert!(is_free(first) && serves(third));
        let _ = env.sh("update --publish-rm 81 c").fails(125, &["81"]);
        let _ = env.sh(&format!("update --publish-add {third}:7002 c")).fails(125, &["--publish-rm"]);
        // It lasts, and with the last port the forwarder goes.
        env.sh("restart -t 0 c").success();
        eventually("an answer after the restart", 10, || serves(third));
        env.sh("update --publish-rm 7000 c").success();
        assert!(is_free(third));
        assert_eq!(env.sh("port c").success().stdout, "");
        env.sh(&format!("update --publish-add {first}:7000 c")).success();
        eventually("an answer of another forwarder", 10, || serves(first));
        env.sh("rm -f -t 0 c").success();
        assert!(is_free(first));
    }
    env.sh("create --name later hello tcp-serve 7000").success();
    let port = free_port();
    env.sh(&format!("update --publish-add {port}:7000 later")).success();
    env.sh("start later").success();
    eventually("an answer of a container changed before its start", 10, || serves(port));
    env.start("--name bare --network none hello sleep forever");
    let _ = env.sh("update --publish-add 80 bare").fails(125, &["bare", "--network"]);
    let _ = env.sh("update bare").fails(125, &["nothing"]);
}

#[test]
fn udp_ports_come_and_go() {
    let env = TestEnv::new();
    env.start("--name c hello udp-serve 7001");
    let ping = |port: u16| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        let mut buffer = [0; 100];
        socket.send(b"ping").and_then(|_| socket.recv(&mut buffer)).is_ok_and(|n| buffer[..n].ends_with(b"ping"))
    };
    let ports = [free_port(), free_port()];
    for port in ports {
        env.sh(&format!("update --publish-add {port}:7001/udp c")).success();
        eventually("an answer", 20, || ping(port));
    }
    env.sh(&format!("update --publish-rm {}:7001/udp c", ports[0])).success();
    assert!(UdpSocket::bind(("127.0.0.1", ports[0])).is_ok() && ping(ports[1]));
}

#[test]
fn restart_policy_and_limits_are_changed() {
    let env = busybox_env!();
    env.start(&format!("--name c {BUSYBOX} sh -c 'trap \"exit 3\" TERM; while :; do sleep 1; done'"));
    let policy = |env: &TestEnv| env.inspect("c")["HostConfig"]["RestartPolicy"]["Name"].as_str().unwrap().to_string();
    let restarts = |env: &TestEnv| env.inspect("c")["RestartCount"].as_u64().unwrap();
    env.sh("update --restart on-failure:5 --memory 256m --pids-limit 99 c").success();
    assert_eq!(policy(&env), "on-failure");
    let limits = env.inspect("c")["HostConfig"].take();
    assert_eq!((limits["Memory"].as_u64(), limits["PidsLimit"].as_i64()), (Some(256 << 20), Some(99)));
    env.sh("exec c kill -TERM 1").success();
    eventually("a restart", 20, || restarts(&env) == 1 && env.inspect("c")["State"]["Running"] == true);
    env.sh("update --restart no c").success();
    eventually("its end", 20, || {
        let _ = env.run(["exec", "c", "kill", "-TERM", "1"]);
        env.inspect("c")["State"]["Status"] == "exited"
    });
    assert_eq!((restarts(&env), policy(&env)), (1, "no".to_string()));
    let _ = env.sh("update --restart sometimes c").fails(125, &["sometimes"]);
    let _ = env.sh("update --memory 4k c").fails(125, &["6m"]);
    env.start(&format!("--rm --name gone {BUSYBOX} sleep 1000"));
    let _ = env.sh("update --restart always gone").fails(125, &["--rm"]);
    assert_eq!(env.inspect("c")["HostConfig"]["Memory"], 256 << 20);
}

#[test]
fn a_new_name_reaches_the_networks() {
    let env = busybox_env!();
    env.sh("network create n").success();
    env.start(&format!("--name before --network n {BUSYBOX} sleep 1000"));
    env.start(&format!("--name other --network n {BUSYBOX} sleep 1000"));
    let knows = |name: &str| env.run(["exec", "other", "nslookup", name]).code == 0;
    assert!(knows("before") && !knows("after"));
    env.sh("rename before after").success();
    assert!(knows("after") && !knows("before"));
    env.sh("restart -t 0 after").success();
    assert!(knows("after") && !knows("before"));
}
