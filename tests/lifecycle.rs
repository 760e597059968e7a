//! create, start, stop, kill, restart, wait, rm, rename, ps: states, codes, what is echoed.

mod common;

use common::fixtures::BUSYBOX;
use common::{TestEnv, eventually};
use std::time::{Duration, Instant};

fn status(env: &TestEnv, name: &str) -> String {
    env.inspect(name)["State"]["Status"].as_str().unwrap().to_string()
}

#[test]
fn create_start_wait_rm() {
    let env = TestEnv::new();
    let id = env.sh("create --name c hello exit 5").success().line();
    assert_eq!(status(&env, "c"), "created");
    env.sh("start c").success().prints("c\n");
    env.sh("wait c").success().prints("5\n");
    assert_eq!(status(&env, "c"), "exited");
    assert_eq!(env.inspect("c")["State"]["ExitCode"], 5);
    // Again, in the foreground: the code is the program's.
    env.sh("start -a c").code(5);
    env.sh("rm c").success().prints("c\n");
    assert_eq!(env.containers(), [""; 0]);
    env.sh(&format!("rm {id}")).code(1);
}

#[test]
fn files_survive_a_restart() {
    let env = busybox_env!();
    env.sh("create --name c busybox sh -c 'date >> /log; wc -l < /log'").success();
    let one = env.sh("start -a c").success().stdout;
    let two = env.sh("start -a c").success().stdout;
    assert_eq!((one.trim(), two.trim()), ("1", "2"));
}

#[test]
fn stop_asks_then_kills() {
    let env = busybox_env!();
    env.start("--name polite busybox sh -c 'trap \"exit 42\" TERM; while :; do sleep 0.1; done'");
    env.start("--name deaf busybox sleep 1000");
    let _ =
        env.start("--name other --stop-signal USR1 busybox sh -c 'trap \"exit 7\" USR1; while :; do sleep 0.1; done'");
    // The shell needs a moment to set its trap.
    std::thread::sleep(Duration::from_millis(500));
    env.sh("stop polite").success().prints("polite\n");
    assert_eq!(env.inspect("polite")["State"]["ExitCode"], 42);
    let begin = Instant::now();
    env.sh("stop -t 1 deaf").success().prints("deaf\n");
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!(env.inspect("deaf")["State"]["ExitCode"], 137);
    env.sh("stop other").success();
    assert_eq!(env.inspect("other")["State"]["ExitCode"], 7);
    // Stopping what is stopped is no fault.
    env.sh("stop polite deaf").success().prints("polite\ndeaf\n");
}

#[test]
fn kill_sends_signals() {
    let env = busybox_env!();
    env.start("--name c busybox sh -c 'trap \"echo hup\" HUP; echo ready; while :; do sleep 0.05; done'");
    eventually("ready", 20, || env.sh("logs c").stdout.contains("ready"));
    env.sh("kill -s HUP c").success().prints("c\n");
    eventually("the trap", 20, || env.sh("logs c").stdout.contains("hup"));
    assert_eq!(status(&env, "c"), "running");
    env.sh("kill c").success();
    env.sh("wait c").success();
    assert_eq!(env.inspect("c")["State"]["ExitCode"], 137);
    env.sh("kill c").code(125);
    env.sh("kill -s NOSUCH c").code(125);
}

#[test]
fn restart_gives_a_new_process() {
    let env = TestEnv::new();
    env.start("--name c hello sleep forever");
    let pid = env.inspect("c")["State"]["Pid"].clone();
    env.sh("restart -t 0 c").success().prints("c\n");
    assert_eq!(status(&env, "c"), "running");
    assert_ne!(env.inspect("c")["State"]["Pid"], pid);
}

#[test]
fn restart_policies() {
    let env = busybox_env!();
    env.start("--name f --restart on-failure:2 busybox sh -c 'echo x >> /n; exit 1'");
    eventually("to give up", 60, || status(&env, "f") == "exited");
    assert_eq!(env.inspect("f")["RestartCount"], 2);
    env.start("--name ok --restart on-failure busybox true");
    eventually("to end well", 20, || status(&env, "ok") == "exited");
    env.start("--name a --restart always busybox sh -c 'sleep 0.2'");
    eventually("three restarts", 60, || env.inspect("a")["RestartCount"].as_u64() >= Some(3));
    env.sh("stop -t 1 a").success();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(status(&env, "a"), "exited", "stop must win over the restart policy");
}

#[test]
fn rm_refuses_what_runs() {
    let env = TestEnv::new();
    env.start("--name c hello sleep forever");
    env.sh("rm c").code(2);
    env.sh("rm -f -t 0 c").success().prints("c\n");
    env.sh("rm nosuch").fails(1, &["nosuch"]);
    let _ = env.sh("rm -f nosuch");
}

#[test]
fn anonymous_volumes_go_with_their_container() {
    let env = busybox_env!();
    let volumes = || env.sh("volume ls -q").success().stdout.lines().count();
    env.sh("run --rm -v /data busybox touch /data/x").success();
    assert_eq!(volumes(), 0);
    env.sh("run --name c -v /data busybox touch /data/x").success();
    assert_eq!(volumes(), 1);
    env.sh("rm -v c").success();
    assert_eq!(volumes(), 0);
}

#[test]
fn rename_moves_the_name() {
    let env = TestEnv::new();
    let id = env.start("--name old hello sleep forever");
    env.start("--name taken hello sleep forever");
    env.sh("rename old new").success();
    assert_eq!(env.inspect("new")["Id"], id.as_str());
    env.sh("inspect old").code(125);
    env.sh("rename new taken").fails(125, &["taken"]);
    env.sh("rename nosuch x").fails(125, &["nosuch"]);
}

#[test]
fn ps_shows_and_filters() {
    let env = TestEnv::new();
    let up = env.start("--name up -l tier=web hello sleep forever");
    env.sh("run --name down -l tier=db hello exit 3").code(3);
    let table = env.sh("ps").success().stdout;
    assert!(table.starts_with("CONTAINER ID") && table.contains("up") && !table.contains("down"), "{table}");
    assert!(table.contains(&up[..12]) && table.contains("Up "), "{table}");
    env.sh("ps -a").success().has("Exited (3)");
    env.sh("ps -q --no-trunc").success().prints(&format!("{up}\n"));
    for (filter, names) in [
        ("name=up", "up\n"),
        ("status=exited", "down\n"),
        ("label=tier=db", "down\n"),
        ("label=tier", "down\nup\n"),
        ("exited=3", "down\n"),
        (&format!("id={}", &up[..8]), "up\n"),
    ] {
        env.run(["ps", "-a", "--filter", filter, "--format", "{{.Names}}"]).success().prints(names);
    }
    let rows = env.sh("ps -a --format json").success().json();
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
}

#[test]
fn wait_waits() {
    let env = TestEnv::new();
    env.start("--name c hello sleep 1");
    let begin = Instant::now();
    env.sh("wait c").success().prints("0\n");
    assert!(begin.elapsed() > Duration::from_millis(300));
    env.sh("wait nosuch").fails(125, &["nosuch"]);
}

#[test]
fn exists_has_codes_only() {
    let env = TestEnv::new();
    env.sh("create --name c hello").success();
    env.sh("container exists c").success().prints("");
    let out = env.sh("container exists nosuch").code(1);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", ""));
}

#[test]
fn prune_removes_what_is_stopped() {
    let env = TestEnv::new();
    env.start("--name up hello sleep forever");
    env.sh("run --name down hello exit 0").success();
    env.sh("container prune -f").success();
    env.sh("ps -a --format {{.Names}}").success().prints("up\n");
}

#[test]
fn grouped_commands_are_the_same() {
    let env = TestEnv::new();
    env.start("--name up hello sleep forever");
    assert_eq!(env.sh("container ls -q").success().stdout, env.sh("ps -q").success().stdout);
    assert_eq!(env.sh("image ls -q").success().stdout, env.sh("images -q").success().stdout);
    env.sh("container stop -t 0 up").success().prints("up\n");
}

#[test]
fn a_detached_container_outlives_its_session() {
    let env = TestEnv::new();
    let mut c = env.program("setsid");
    let run = env.command(["run", "-d", "--name", "c", "hello", "sleep", "forever"]);
    c.arg("--wait").arg(run.get_program()).args(run.get_args());
    env.finish(&mut c, b"").success();
    assert_eq!(status(&env, "c"), "running");
    let monitors = common::leaks::processes(&env.dir);
    assert!(!monitors.is_empty());
}

#[test]
fn a_foreground_container_is_part_of_its_pipeline() {
    let env = busybox_env!();
    // The shell in front of `yes` is PID 1, which no signal of its own namespace kills.
    let script = |rm: &str| {
        let coracle = format!(
            "{} --root {} --runroot {}",
            common::binary().display(),
            env.root().display(),
            env.runroot().display()
        );
        format!("set -o pipefail; {coracle} run {rm} --name c busybox sh -c 'yes; echo $? >&2' | head -n 1; echo $?")
    };
    let bash = |script: &str| env.finish(env.program("bash").args(["-c", script]), b"").success();
    let out = bash(&script("--rm"));
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("y\n0\n", "141\n"));
    assert_eq!(env.containers(), [""; 0]);
    // A container that stays has a log, which goes on.
    let out = bash(&script("").replace("yes", "seq 100000"));
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("1\n0\n", "0\n"));
    assert_eq!(env.sh("logs c").stdout.lines().count(), 100_000);
}

/// It is a copy of the process that started it, and must not pass for it.
#[test]
fn monitors_show_nothing_of_their_callers() {
    let env = busybox_env!();
    env.start(&format!("--name kept -e TOKEN=hunter2 {BUSYBOX} sleep 1000"));
    let pid = env.inspect("kept")["State"]["ConmonPid"].as_i64().unwrap();
    let file = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    assert_eq!(file("comm"), "coracle-monitor\n");
    assert_eq!(file("cmdline").trim_end_matches('\0'), "coracle-stage\0monitor");
    let status = file("status");
    let mask = |field: &str| {
        let line = status.lines().find(|l| l.starts_with(field)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    // SIGPIPE is ignored (a client that goes away is no reason to end), and nothing of the caller's handlers is left.
    let bit = |signal: i32| 1u64 << (signal - 1);
    assert_ne!(mask("SigIgn:") & bit(libc::SIGPIPE), 0, "{status}");
    assert_eq!(mask("SigCgt:") & (bit(libc::SIGTERM) | bit(libc::SIGINT) | bit(libc::SIGHUP)), 0, "{status}");
}

#[test]
fn a_command_stays_on_its_line() {
    let env = busybox_env!();
    env.run(["create", "--name", "c", BUSYBOX, "sh", "-c", "echo \"x\n\u{1b}[31my\""]).success();
    let out = env.sh("ps -a --no-trunc").success();
    assert_eq!(out.stdout.lines().count(), 2, "{out}");
    assert!(out.stdout.contains(r#""sh -c echo \"x\n"#) && !out.stdout.contains('\u{1b}'), "{out}");
}

#[test]
fn limits_that_can_not_be_met_are_told() {
    let env = busybox_env!();
    let out = env.sh("run --rm --ulimit nofile=1000000000 --oom-score-adj -500 busybox true").success();
    assert!(out.stderr.contains("--oom-score-adj=-500 has no effect"), "{out}");
    assert!(out.stderr.contains("--ulimit nofile: "), "{out}");
    let out = env.sh("run --rm --ulimit nofile=100 --oom-score-adj 500 busybox true").success();
    assert_eq!(out.stderr, "");
}

#[test]
fn an_image_has_one_size() {
    let env = busybox_env!();
    let listed = env.sh("images --format {{.Size}} busybox").success().line();
    let bytes = env.sh("image inspect busybox --format {{.Size}}").success().line();
    let megabytes = bytes.parse::<f64>().unwrap() / 1e6;
    assert_eq!(listed, format!("{megabytes:.2}MB"));
}
