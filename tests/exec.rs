//! exec and attach.

mod common;

use common::{TestEnv, eventually};
use std::io::{BufRead, BufReader, Read, Write};

fn busy(env: TestEnv) -> TestEnv {
    env.start("--name c -e FROM_RUN=1 -w /home/app busybox sleep 1000");
    env
}

#[test]
fn exec_runs_beside_the_program() {
    let env = busy(busybox_env!());
    env.sh("exec c echo hi").success().prints("hi\n");
    let out = env.sh("exec c sh -c 'echo out; echo err >&2; exit 9'").code(9);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", "err\n"));
    env.sh("exec c pwd").success().prints("/home/app\n");
    env.sh("exec -w /etc c pwd").success().prints("/etc\n");
    env.sh("exec c sh -c 'echo $FROM_RUN $FROM_IMAGE'").success().prints("1 yes\n");
    env.sh("exec -e FROM_RUN=2 c sh -c 'echo $FROM_RUN'").success().prints("2\n");
    env.sh("exec -u app c id -u").success().prints("1000\n");
    env.sh("exec -u 5:6 c id -g").success().prints("6\n");
}

#[test]
fn exec_passes_bytes_exactly() {
    let env = busy(busybox_env!());
    let bytes: Vec<u8> = (0..5_000_000u32).map(|i| (i.wrapping_mul(2654435761) >> 11) as u8).collect();
    let out = env.run_with_stdin(["exec", "-i", "c", "cat"], &bytes).success();
    assert!(out.stdout_bytes == bytes);
    env.run_with_stdin(["exec", "c", "cat"], b"unseen").success().prints("");
}

#[test]
fn exec_is_in_the_same_namespaces_with_the_same_rights() {
    let env = busy(busybox_env!());
    let namespaces = "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done";
    let one = env.run(["exec", "c", "sh", "-c", namespaces]).success().stdout;
    let pid = env.inspect("c")["State"]["Pid"].to_string();
    for (line, ns) in one.lines().zip(["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]) {
        let theirs = std::fs::read_link(format!("/proc/{pid}/ns/{ns}")).unwrap();
        assert_eq!(line, theirs.to_str().unwrap(), "{ns}");
    }
    let rights = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/$p/status";
    let init = env.run(["exec", "c", "sh", "-c", &rights.replace("$p", "1")]).success().stdout;
    let exec = env.run(["exec", "c", "sh", "-c", &rights.replace("$p", "self")]).success().stdout;
    assert_eq!(init, exec);
}

#[test]
fn exec_that_can_not_start() {
    let env = busy(busybox_env!());
    env.sh("exec c nosuch").fails(127, &["nosuch"]);
    env.sh("exec c /etc/passwd").fails(126, &["/etc/passwd"]);
    env.sh("exec nosuch true").fails(125, &["nosuch"]);
    env.sh("stop -t 0 c").success();
    env.sh("exec c true").fails(125, &["c"]);
}

#[test]
fn exec_detached_and_signals() {
    let env = busy(busybox_env!());
    env.sh("exec -d c sh -c 'echo $$ > /pid; sleep 500'").success();
    eventually("the detached program", 20, || env.sh("exec c cat /pid").code == 0);
    env.sh("exec c sh -c 'kill -0 $(cat /pid)'").success();
    let mut child =
        env.spawn(["exec", "c", "sh", "-c", "trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done"]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
    // The container's end takes the others with it.
    env.sh("rm -f -t 0 c").success();
    env.assert_no_leaks();
}

#[test]
fn two_attach_at_once_and_see_the_same() {
    let env = busybox_env!();
    env.start("--name c -i busybox sh -c 'while read x && [ $x != quit ]; do echo got $x; done; echo end; exit 4'");
    let mut one = env.spawn(["attach", "c"]);
    let mut two = env.spawn(["attach", "--no-stdin", "c"]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    let mut input = one.stdin.take().unwrap();
    input.write_all(b"a\nb\n").unwrap();
    let mut seen = BufReader::new(two.stdout.take().unwrap());
    let mut line = String::new();
    seen.read_line(&mut line).unwrap();
    assert_eq!(line, "got a\n");
    // As with docker, a client's end of file does not end the stdin of a container that was started detached.
    input.write_all(b"quit\n").unwrap();
    let mut rest = String::new();
    seen.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "got b\nend\n");
    assert_eq!((one.wait().unwrap().code(), two.wait().unwrap().code()), (Some(4), Some(4)));
}

#[test]
fn start_attached_with_stdin() {
    let env = busybox_env!();
    env.sh("create --name c -i busybox sh -c 'cat; exit 3'").success();
    let out = env.run_with_stdin(["start", "-a", "-i", "c"], b"through\n").code(3);
    assert_eq!(out.stdout, "through\n");
}

#[test]
fn the_death_of_an_attached_client_does_not_end_the_container() {
    let env = busybox_env!();
    env.start("--name c -i busybox sh -c 'while :; do echo tick; sleep 0.05; done'");
    let mut client = env.spawn(["attach", "--sig-proxy=false", "c"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    client.kill().unwrap();
    client.wait().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(env.inspect("c")["State"]["Running"], true);
    env.sh("exec c true").success();
}

/// Detach keys are for terminals: in a pipe their bytes are data like any other.
#[test]
fn piped_input_may_hold_the_detach_keys() {
    let env = busybox_env!();
    let out = env.run_with_stdin(["run", "-i", "--rm", "busybox", "cat"], b"before\x10\x11after\n").success();
    assert_eq!(out.stdout, "before\x10\x11after\n");
}
