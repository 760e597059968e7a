//! What coracle is started with: listening sockets of systemd's protocol (LISTEN_FDS) and other descriptors.

mod common;

use common::{Ran, TestEnv, eventually};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::io::FdFlags;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

const BUSYBOX: &str = "busybox";

/// Runs coracle as systemd would, with these as 3, 4, …
fn with(env: &TestEnv, fds: &[BorrowedFd<'_>], variables: &str, args: &str) -> Ran {
    let mut script = String::from("exec 0</dev/null");
    // First out of the way of each other.
    for (i, fd) in fds.iter().enumerate() {
        rustix::io::fcntl_setfd(fd, FdFlags::empty()).unwrap();
        script += &format!(" {}<&{} {}<&-", 200 + i, fd.as_raw_fd(), fd.as_raw_fd());
    }
    for i in 0..fds.len() {
        script += &format!(" {}<&{} {}<&-", 3 + i, 200 + i, 200 + i);
    }
    let command = env.bare();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|w| w.to_string_lossy().into_owned()).collect();
    script += &format!("; {variables} exec {} {args}", words.join(" "));
    let ran = env.finish(env.program("bash").args(["-c", &script]), b"");
    fds.iter().for_each(|fd| rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC).unwrap());
    ran
}

fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"hi").ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn sockets_of_the_caller_serve_published_ports() {
    need!("bash");
    let env = busybox_env!();
    let tcp = TcpListener::bind("[::]:0").unwrap();
    let udp = UdpSocket::bind("[::]:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let udp_port = udp.local_addr().unwrap().port();
    let publish = format!("-p {port}:7000");
    let fds = [other.as_fd(), tcp.as_fd()];
    // Bound already, so that nobody else gets it: only who has the socket can publish it.
    let _ = env.sh(&format!("run --rm {publish} {BUSYBOX} true")).fails(125, &[&port.to_string(), "in use"]);
    let _ = with(&env, &fds, "LISTEN_PID=1 LISTEN_FDS=2", &format!("run --rm {publish} {BUSYBOX} true"))
        .fails(125, &[&port.to_string(), "in use"]);
    let script = "'env | grep LISTEN; nc -ll -p 7000 -e cat; exit 1'";
    let run = format!("run -d --name web --restart on-failure:1 {publish} {BUSYBOX} sh -c {script}");
    with(&env, &fds, "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=more:web", &run).success();
    drop(tcp);
    eventually("an answer", 20, || ask(port).as_deref() == Some("hi"));
    // What serves no port is the program's.
    let passed = "LISTEN_FDS=1\nLISTEN_PID=1\nLISTEN_FDNAMES=more\n";
    eventually("the first output", 10, || env.sh("logs web").success().stdout == passed);
    // The next incarnation has them too.
    // The container's end may be quicker than that of the command that brings it.
    let _ = env.sh("exec web killall nc");
    eventually("the restart", 20, || env.inspect("web")["RestartCount"] == 1);
    eventually("an answer of the next incarnation", 20, || ask(port).as_deref() == Some("hi"));
    eventually("the next output", 10, || env.sh("logs web").success().stdout == passed.repeat(2));
    env.sh("stop -t 0 web").success();
    assert!(ask(port).is_none(), "the port is closed with the container");
    // A stopped one is started with sockets, too.
    let tcp = TcpListener::bind(("::", port)).unwrap();
    with(&env, &[tcp.as_fd()], "LISTEN_PID=$$ LISTEN_FDS=1", "start web").success();
    eventually("an answer after the start", 20, || ask(port).as_deref() == Some("hi"));
    let run = format!("run -d -p {udp_port}:7001/udp hello udp-serve 7001");
    with(&env, &[udp.as_fd()], "LISTEN_PID=$$ LISTEN_FDS=1", &run).success();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    client.connect(("127.0.0.1", udp_port)).unwrap();
    let mut buffer = [0; 100];
    eventually("a datagram", 20, || client.send(b"ho").is_ok() && client.recv(&mut buffer).is_ok());
}

#[test]
fn descriptors_of_the_caller_reach_the_program() {
    need!("bash");
    let env = busybox_env!();
    let file = |name: &str| std::fs::File::open(env.file(name, format!("{name}\n"))).unwrap();
    let (one, two) = (file("one"), file("two"));
    let fds = [one.as_fd(), two.as_fd()];
    for flags in ["", "--init", "--pid host", "--network none --user 7"] {
        let script = "'read a <&3; read b <&4; echo $a $b; ls /proc/self/fd | wc -l'";
        for fd in fds {
            rustix::fs::seek(fd, rustix::fs::SeekFrom::Start(0)).unwrap();
        }
        let run = format!("run --rm --preserve-fds 2 {flags} {BUSYBOX} sh -c {script}");
        // 0 to 4, and the directory that is listed.
        assert_eq!(with(&env, &fds, "", &run).success().stdout, "one two\n6\n", "{flags}");
        let env_of = |variables: &str| {
            let run =
                format!("run --rm {flags} {BUSYBOX} sh -c 'test $LISTEN_PID = $$ && echo $LISTEN_FDS $LISTEN_FDNAMES'");
            with(&env, &fds, variables, &run).stdout.clone()
        };
        assert_eq!(env_of("LISTEN_PID=$$ LISTEN_FDS=2"), "2 unknown:unknown\n", "{flags}");
        assert_eq!(env_of("LISTEN_PID=1 LISTEN_FDS=2"), "", "{flags}");
    }
    // Without the flag nothing of the caller's is open inside.
    let run = format!("run --rm {BUSYBOX} sh -c 'ls /proc/self/fd | wc -l'");
    assert_eq!(with(&env, &fds, "", &run).success().stdout, "4\n");
    let _ = with(&env, &fds, "", &format!("run --rm --preserve-fds 3 {BUSYBOX} true")).fails(125, &["descriptor 5"]);
    let _ = with(&env, &fds, "", &format!("run --rm --preserve-fds 2 {BUSYBOX} nosuch")).fails(127, &["nosuch"]);
    let _ = with(&env, &fds, "", &format!("run --rm --init --preserve-fds 2 {BUSYBOX} nosuch")).fails(127, &["nosuch"]);
}
