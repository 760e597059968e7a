//! kill -9 of every process at every step: the next `ps`, `rm` and `run` must be right, and nothing may stay.
//!
//! `CORACLE_TEST_STOP_AT=step` makes the process that reaches the step stop itself (src/state/hook.rs).

mod common;

use common::leaks::processes;
use common::{TestEnv, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};

const CLI_STEPS: &[&str] = &["cli:spawn", "cli:maps", "cli:wait"];
const MONITOR_STEPS: &[&str] = &[
    "monitor:begin",
    "monitor:life",
    "monitor:launch",
    "monitor:launched",
    "monitor:network",
    "monitor:created",
    "monitor:executed",
    "monitor:started",
];

fn signal(pid: i32, signal: Signal) {
    // It may be gone already: that is what the test is about.
    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, signal));
}

/// The field after the command in /proc/PID/stat: R, S, T, Z …
fn state(pid: i32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('-')
}

fn parent(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok()).unwrap_or(0)
}

/// Starts a run that stops at `step`; the client and the stopped process.
fn stopped_at(env: &TestEnv, step: &str, args: &[&str]) -> (Child, i32) {
    let mut c = env.command(args);
    c.env("CORACLE_TEST_STOP_AT", step).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = c.spawn().unwrap();
    let mut stopped = 0;
    eventually(&format!("a process stopped at {step}"), 20, || {
        stopped = processes(&env.dir).into_iter().map(|(pid, _)| pid).find(|pid| state(*pid) == 'T').unwrap_or(0);
        stopped != 0
    });
    (child, stopped)
}

fn ends(what: &str, child: &mut Child) -> i32 {
    let mut code = None;
    eventually(&format!("the client ends after {what}"), 30, || {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    code.unwrap().code().unwrap_or(-1)
}

/// After the crash everything must work on, and the name must be free again.
fn recovers(env: &TestEnv, what: &str) {
    // Whatever they say must be true: the same, as soon as the end of a process that was just killed is recorded.
    eventually(&format!("ps and inspect agree after: {what}"), 10, || {
        let listed = env.sh("ps -a --format '{{.Names}} {{.State}}'").success().stdout;
        let Some(line) = listed.lines().find(|l| l.starts_with("c ")) else { return true };
        let seen = env.run(["inspect", "--format", "{{.State.Running}}", "c"]);
        seen.stdout == format!("{}\n", line.ends_with("running"))
    });
    let out = env.sh("rm -f -t 0 c");
    assert!(out.code == 0 || out.code == 1, "{what}: {out}");
    env.sh("run --name c hello exit 3").code(3);
    env.sh("rm c").success();
    env.assert_no_leaks();
}

const RUN: &[&str] = &["run", "-d", "--name", "c", "-p", "127.0.0.1::80", "hello", "sleep", "forever"];

#[test]
fn the_monitor_dies_at_each_step() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    for step in MONITOR_STEPS {
        let (mut client, monitor) = stopped_at(&env, step, RUN);
        signal(monitor, Signal::KILL);
        let code = ends(step, &mut client);
        // Once the program runs, the client may have been told already.
        assert!(code == 125 || *step == "monitor:started", "{step}: the client ended with {code}");
        recovers(&env, &format!("monitor killed at {step}"));
    }
}

#[test]
fn the_client_dies_at_each_step() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    for step in CLI_STEPS {
        let (mut client, stopped) = stopped_at(&env, step, RUN);
        signal(stopped, Signal::KILL);
        ends(step, &mut client);
        recovers(&env, &format!("client killed at {step}"));
    }
    for step in MONITOR_STEPS {
        let (mut client, monitor) = stopped_at(&env, step, RUN);
        client.kill().unwrap();
        client.wait().unwrap();
        signal(monitor, Signal::CONT);
        // Either it goes on alone or it undoes everything; both take a moment.
        eventually("a settled state", 20, || {
            let all = processes(&env.dir);
            all.is_empty() || env.sh("inspect c --format {{.State.Running}}").stdout == "true\n"
        });
        recovers(&env, &format!("client killed while the monitor was at {step}"));
    }
}

#[test]
fn helpers_and_init_die_at_each_step() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    for step in &MONITOR_STEPS[3..] {
        let (mut client, monitor) = stopped_at(&env, step, RUN);
        for (pid, _) in processes(&env.dir) {
            if parent(pid) == monitor {
                signal(pid, Signal::KILL);
            }
        }
        signal(monitor, Signal::CONT);
        ends(step, &mut client);
        recovers(&env, &format!("the monitor's children killed at {step}"));
    }
}

#[test]
fn pid_1_dies_between_leave_and_execution() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    for args in [&["run", "-d", "--name", "c", "hello"][..], &["run", "--name", "c", "hello"]] {
        let out = env.finish(env.command(args).env("CORACLE_TEST_DIE_AT", "init:go"), b"");
        let _ = out.fails(125, &["PID 1 of the container was killed"]);
        assert_eq!(env.inspect("c")["State"]["Status"], "created");
        recovers(&env, "PID 1 dead before execve");
    }
}

#[test]
fn a_volume_is_filled_wholly_or_not_at_all() {
    let env = busybox_env!();
    let sum = |volume: &str| {
        let all = "find /v -type f -o -type l | sort | xargs ls -ldn --full-time | sha256sum";
        env.run(["run", "--rm", "-v", &format!("{volume}:/v"), "busybox", "sh", "-c", all]).success().line()
    };
    env.sh("run --rm -v whole:/bin busybox true").success();
    for step in ["init:volume-copied", "init:volume-moving"] {
        let run = ["run", "--name", "c", "-v", &format!("{step}:/bin").replace("init:", ""), "busybox", "true"];
        let out = env.finish(env.command(run).env("CORACLE_TEST_DIE_AT", step), b"");
        let _ = out.fails(125, &["PID 1"]);
        env.sh("rm c").success();
        env.run(run).success();
        assert_eq!(sum(&step.replace("init:", "")), sum("whole"), "{step}");
        env.sh("rm c").success();
    }
}

#[test]
fn a_foreground_client_dies() {
    let env = TestEnv::new();
    for flags in [&["--rm"][..], &[]] {
        let mut args = vec!["run", "--name", "c"];
        args.extend(flags);
        args.extend(["hello", "sleep", "forever"]);
        let mut client = env.spawn(args);
        eventually("running", 20, || env.sh("inspect c --format {{.State.Running}}").stdout == "true\n");
        client.kill().unwrap();
        client.wait().unwrap();
        recovers(&env, "foreground client killed");
    }
}

#[test]
fn the_monitor_of_a_running_container_dies() {
    let env = TestEnv::new();
    let id = env.start("--name c -p 127.0.0.1::80 hello sleep forever");
    let pid = env.inspect("c")["State"]["Pid"].as_i64().unwrap() as i32;
    signal(parent(pid), Signal::KILL);
    eventually("the program to end with its monitor", 10, || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    eventually("no helper to be left", 10, || processes(&env.dir).is_empty());
    let state = env.inspect("c")["State"].take();
    assert_eq!((state["Status"].as_str(), state["ExitCode"].as_i64()), (Some("exited"), Some(137)), "{state}");
    env.sh("ps -a").success().has("Exited (137)");
    // It is an ordinary stopped container now.
    env.sh("start c").success();
    assert_eq!(env.inspect("c")["Id"], id.as_str());
    recovers(&env, "monitor killed while running");
}

#[test]
fn init_or_the_network_helper_dies() {
    let env = TestEnv::new();
    env.start("--name c hello sleep forever");
    let pid = env.inspect("c")["State"]["Pid"].as_i64().unwrap() as i32;
    signal(pid, Signal::KILL);
    eventually("the end", 10, || env.inspect("c")["State"]["Running"] == false);
    assert_eq!(env.inspect("c")["State"]["ExitCode"], 137);
    recovers(&env, "init killed");
    env.start("--name c hello sleep forever");
    for (pid, command) in processes(&env.dir) {
        if command.contains("slirp4netns") || command.contains("pasta") {
            signal(pid, Signal::KILL);
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    recovers(&env, "network helper killed");
}

#[test]
fn the_monitor_dies_while_cleaning_up() {
    let env = TestEnv::new();
    for flags in [&["--rm"][..], &[]] {
        let mut args = vec!["run", "-d", "--name", "c"];
        args.extend(flags);
        args.extend(["hello", "exit", "0"]);
        let (mut client, monitor) = stopped_at(&env, "monitor:exited", &args);
        ends("start", &mut client);
        signal(monitor, Signal::KILL);
        recovers(&env, &format!("monitor killed at its end, {flags:?}"));
    }
}
