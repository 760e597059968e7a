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
    env.sh("exec -u app c sh -c 'echo there > /dev/stdout'").success().prints("there\n");
}

#[test]
fn exec_passes_bytes_exactly() {
    let env = busy(busybox_env!());
    let bytes: Vec<u8> = (0..5_000_000u32).map(|i| (i.wrapping_mul(2654435761) >> 11) as u8).collect();
    let out = env.run_with_stdin(["exec", "-i", "c", "cat"], &bytes).success();
    assert!(out.stdout_bytes == bytes);
    env.run_with_stdin(["exec", "c", "cat"], b"unseen").success().prints("");
}

/// Through /proc/self/fd a file of the host's could be opened anew, with more rights than its descriptor has.
#[test]
fn exec_hands_over_no_file_of_the_caller() {
    let env = busy(busybox_env!());
    let (input, log) = (env.file("input", "mine\n"), env.file("log", "before\n"));
    let script = "for n in 0 1 2; do readlink /proc/$$/fd/$n; done; echo x > /proc/self/fd/0; echo hacked > /proc/1/fd/0; \
                  (: > /proc/self/fd/1); cat";
    for flags in ["-i", "-u 0 -i --privileged"] {
        let mut command = env.command(["exec"].into_iter().chain(flags.split(' ')).chain(["c", "sh", "-c", script]));
        command.stdin(std::fs::File::open(&input).unwrap());
        command.stdout(std::fs::OpenOptions::new().append(true).open(&log).unwrap());
        command.stderr(std::fs::File::create(env.path("errors")).unwrap());
        let _ = command.status().unwrap();
        assert_eq!(std::fs::read_to_string(&input).unwrap(), "mine\n");
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(said.starts_with("before\npipe:["), "{said}");
        assert_eq!(said.lines().filter(|l| l.starts_with("pipe:[")).count() % 3, 0, "{said}");
    }
    // A directory would be a way out.
    let mut command = env.command(["exec", "-i", "-w", "/proc/self/fd/0", "c", "ls"]);
    command.stdin(std::fs::File::open("/").unwrap()).stderr(std::process::Stdio::null());
    assert_eq!(command.status().unwrap().code(), Some(125));
}

#[test]
fn exec_ends_with_its_program() {
    let env = busy(busybox_env!());
    // Whoever else has its pipes is not waited for, and what it wrote itself is not lost.
    let out = env.sh("exec c sh -c 'sleep 500 & yes | head -c 200000'").success();
    assert_eq!(out.stdout_bytes.len(), 200_000);
    // A reader that goes away ends the program as in any pipeline.
    let line = format!(
        "'{}' --root '{}' --runroot '{}' exec c yes | head -n 1",
        common::binary().display(),
        env.root().display(),
        env.runroot().display()
    );
    let out = env.finish(env.program("sh").arg("-c").arg(line), b"").success();
    assert_eq!(out.stdout, "y\n");
    eventually("yes has ended", 20, || env.sh("exec c pidof yes").code == 1);
}

#[test]
fn exec_has_the_last_word_on_variables_and_makes_no_directory() {
    let env = busy(busybox_env!());
    let file = env.file("vars", "Z=file\nONLY=file\n");
    let flags = format!("-e A=1 -e A=2 --env-file {} -e Z=cli -e FROM_IMAGE", file.display());
    let words = |command: &[&str]| {
        ["exec"]
            .into_iter()
            .chain(flags.split(' '))
            .chain(["c"])
            .chain(command.iter().copied())
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let out = env.run(words(&["sh", "-c", "echo $A $Z $ONLY ${FROM_IMAGE-none}"])).success();
    assert_eq!(out.stdout, "2 cli file none\n");
    let raw = env.run(words(&["cat", "/proc/self/environ"])).success().stdout;
    assert_eq!(raw.split('\0').filter(|v| v.starts_with("A=")).count(), 1, "{raw}");
    env.sh("exec -w /not/there c pwd").fails(126, &["/not/there"]);
    env.sh("exec c ls /not").code(1);
    env.sh("exec -w etc c pwd").fails(125, &["etc", "absolute"]);
}

#[test]
fn what_the_caller_ignores_or_masks_is_no_obstacle() {
    let env = busy(busybox_env!());
    let coracle = format!(
        "'{}' --root '{}' --runroot '{}'",
        common::binary().display(),
        env.root().display(),
        env.runroot().display()
    );
    for (prelude, command) in [
        ("trap '' CHLD", "run --rm busybox echo here"),
        ("trap '' CHLD", "exec c echo here"),
        ("umask 0777", "run --rm busybox echo here"),
        ("umask 0177", "run --rm busybox echo here"),
    ] {
        let line = format!("{prelude}; exec {coracle} {command}");
        let out = env.finish(env.program("sh").arg("-c").arg(&line), b"");
        assert_eq!((out.code, out.stdout.as_str()), (0, "here\n"), "{line}: {out}");
    }
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
