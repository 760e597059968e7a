//! logs: every line, in order, also while following, across rotation and after the end.

mod common;

use common::{TestEnv, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;

#[test]
fn logs_keep_streams_and_order() {
    let env = busybox_env!();
    env.sh("run --name c busybox sh -c 'echo one; echo two >&2; printf three'").success();
    let out = env.sh("logs c").success();
    assert_eq!(out.stdout.trim_end(), "one\nthree");
    assert_eq!(out.stderr, "two\n");
}

#[test]
fn a_million_bytes_on_one_line() {
    let env = busybox_env!();
    let script = "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end";
    env.run(["run", "--name", "c", "busybox", "sh", "-c", script]).success();
    let out = env.sh("logs c").success();
    assert_eq!(out.stdout.len(), 1_000_005);
    assert!(out.stdout.ends_with("x\nend\n"));
}

#[test]
fn tail_since_until_and_timestamps() {
    let env = TestEnv::new();
    env.sh("run --name c hello lines 1000").success();
    env.sh("logs --tail 2 c").success().prints("line 999\nline 1000\n");
    env.sh("logs -n 0 c").success().prints("");
    assert_eq!(env.sh("logs --tail all c").success().stdout.lines().count(), 1000);
    let stamped = env.sh("logs -t --tail 1 c").success().line();
    let (time, text) = stamped.split_once(' ').unwrap();
    assert_eq!(text, "line 1000");
    assert!(time.contains('T') && time.len() > 20, "{time}");
    env.sh("logs --since 1h c").success().has("line 1\n");
    env.sh("logs --until 2020-01-01T00:00:00Z c").success().prints("");
    env.run(["logs", "--since", time, "c"]).success().has("line 1000\n");
}

#[test]
fn following_ends_with_the_container() {
    let env = busybox_env!();
    env.start("--name c busybox sh -c 'for i in 1 2 3 4 5; do echo $i; sleep 0.1; done'");
    env.sh("logs -f c").success().prints("1\n2\n3\n4\n5\n");
    // Also of a container that is removed meanwhile.
    env.start("--rm --name r busybox sh -c 'sleep 0.3; echo last'");
    env.sh("logs -f r").success().prints("last\n");
}

#[test]
fn following_across_rotation_loses_nothing() {
    let env = busybox_env!();
    let script =
        "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; [ $((i%200)) = 0 ] && sleep 0.1; done; echo end";
    let flags = ["run", "-d", "--name", "c", "--log-opt", "max-size=20k", "--log-opt", "max-file=3"];
    env.run(flags.into_iter().chain(["busybox", "sh", "-c", script])).success();
    let out = env.sh("logs -f c").success();
    assert_eq!(out.stderr, "");
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert_eq!(lines.last(), Some(&"end"), "{out}");
    // Older files are gone by now; what is shown must be one unbroken run of numbers.
    let numbers: Vec<u32> = lines[..lines.len() - 1].iter().map(|l| l[5..].parse().unwrap()).collect();
    let gap = numbers.windows(2).find(|w| w[1] != w[0] + 1);
    assert!(gap.is_none(), "a gap: {gap:?}");
    assert_eq!(numbers.last(), Some(&3000));
    let size: u64 = std::fs::read_dir(env.root().join("containers").join(env.inspect("c")["Id"].as_str().unwrap()))
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("log"))
        .map(|e| e.metadata().unwrap().len())
        .sum();
    assert!(size < 120_000, "rotation kept {size} bytes");
}

#[test]
fn a_follower_left_behind_by_rotation_says_so() {
    let env = busybox_env!();
    env.file("v/none", "");
    let volume = format!("{}:/v", env.path("v").display());
    let script = "echo begin; while [ ! -e /v/go ]; do sleep 0.05; done; seq 200000; echo end";
    let flags = ["run", "-d", "--name", "c", "-v", &volume, "--log-opt", "max-size=50k", "--log-opt", "max-file=2"];
    env.run(flags.into_iter().chain(["busybox", "sh", "-c", script])).success();
    let mut follower = env.spawn(["logs", "-f", "c"]);
    let mut first = [0; 6];
    follower.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    // Stopped: it sees nothing of what is written, as if its reader were slow.
    let pid = Pid::from_child(&follower);
    kill_process(pid, Signal::STOP).unwrap();
    env.file("v/go", "");
    env.sh("wait c").success();
    kill_process(pid, Signal::CONT).unwrap();
    let out = follower.wait_with_output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.ends_with("\nend\n") && text.lines().count() < 200_000, "{} lines", text.lines().count());
    let warning = String::from_utf8(out.stderr).unwrap();
    assert_eq!(warning.lines().count(), 1, "{warning}");
    assert!(warning.contains("rotated faster than it was read"), "{warning}");
}

#[test]
fn log_driver_none_keeps_nothing() {
    let env = TestEnv::new();
    env.sh("run --name c --log-driver none hello lines 3").success().prints("line 1\nline 2\nline 3\n");
    env.sh("logs c").code(125);
}

#[test]
fn log_driver_passthrough_gives_the_streams_themselves() {
    let env = TestEnv::new();
    let p = env.sh("run --rm --log-driver passthrough hello --json");
    let p = p.success().json();
    assert!(p["fds"]["1"].as_str().is_some());
}

#[test]
fn restarted_containers_append() {
    let env = TestEnv::new();
    env.sh("run --name c hello lines 1").success();
    env.sh("start -a c").success().prints("line 1\n");
    assert_eq!(env.sh("logs c").success().stdout, "line 1\nline 1\n");
    eventually("exited", 10, || env.inspect("c")["State"]["Status"] == "exited");
}

#[test]
fn inspect_tells_where_the_log_is() {
    let env = TestEnv::new();
    let path = env.path("my.log");
    let flags = format!("--log-opt path={} --log-opt tag=foo --log-opt max-size=10k", path.display());
    env.sh(&format!("run --name c {flags} hello lines 1000")).success();
    let doc = env.inspect("c");
    assert_eq!(doc["LogPath"].as_str(), path.to_str());
    let options = &doc["HostConfig"]["LogConfig"]["Config"];
    assert_eq!((options["tag"].as_str(), options["path"].as_str()), (Some("foo"), path.to_str()));
    // One file is kept in all, unless more are asked for.
    assert!(path.exists() && !env.path("my.log.1").exists());
}
