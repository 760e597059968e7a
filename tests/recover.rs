//! What a reboot, a dead network helper or a signal to the client make of a container, and what its monitor costs.

mod common;

use common::leaks::processes;
use common::{TestEnv, eventually};
use rustix::process::{Pid, Signal, kill_process};

fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn init(env: &TestEnv, name: &str) -> i32 {
    env.inspect(name)["State"]["Pid"].as_i64().unwrap() as i32
}

fn monitor(env: &TestEnv, name: &str) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", init(env, name))).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_reboot_ends_what_ran() {
    let env = TestEnv::new();
    let id = env.start("--name c --restart always hello sleep forever");
    let monitor = monitor(&env, "c");
    kill(monitor, Signal::STOP);
    let path = env.root().join("containers").join(&id).join("state.json");
    let text = std::fs::read_to_string(&path).unwrap();
    kill(monitor, Signal::KILL);
    eventually("the end of all processes", 10, || processes(&env.dir).is_empty());
    // What the disk says after a power cut: running, in another boot.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(text.contains(boot.trim()));
    std::fs::write(&path, text.replace(boot.trim(), "00000000-0000-0000-0000-000000000000")).unwrap();
    env.sh("ps -a --format {{.Status}}").success().has("Exited (255)");
    assert_eq!(env.inspect("c")["State"]["Error"], "the machine was rebooted");
    env.sh("ps -q").success().prints("");
    // The unit that starts containers at boot.
    env.sh("start --all --filter restart-policy=always").success();
    assert_eq!(env.inspect("c")["State"]["Running"], true);
}

#[test]
fn the_network_comes_back_when_its_helper_dies() {
    let env = TestEnv::new();
    env.start("--name c -p 127.0.0.1::80 hello sleep forever");
    let monitor = monitor(&env, "c");
    let helpers = || -> Vec<i32> {
        let all = processes(&env.dir).into_iter();
        all.filter(|(_, c)| c.contains("slirp4netns") || c.contains("portfwd")).map(|(pid, _)| pid).collect()
    };
    for round in 0..2 {
        let before = helpers();
        if before.is_empty() {
            skip!("no network helper on this host");
        }
        kill(before[round % before.len()], Signal::KILL);
        eventually("new helpers", 10, || {
            let now = helpers();
            now.len() == before.len() && now.iter().all(|pid| !before.contains(pid))
        });
    }
    assert!(std::path::Path::new(&format!("/proc/{monitor}")).exists());
    assert_eq!(env.inspect("c")["State"]["Running"], true);
    assert_eq!(env.inspect("c")["State"]["Error"], "");
}

#[test]
fn signals_to_the_client_reach_the_program() {
    let env = busybox_env!();
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut client = env.spawn(["run", "--name", "c", "busybox", "sh", "-c", script]);
    eventually("ready", 20, || env.run(["logs", "c"]).stdout.contains("ready"));
    kill(client.id() as i32, Signal::TERM);
    assert_eq!(client.wait().unwrap().code(), Some(9));
}

#[test]
fn a_monitor_is_small() {
    let env = TestEnv::new();
    env.start("--name c --network none hello sleep forever");
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", monitor(&env, "c"))).unwrap();
    // Pages of the binary are shared by all monitors, unless it lies on a tmpfs, where they count as private.
    let anonymous = rollup.lines().find_map(|l| l.strip_prefix("Pss_Anon:")).unwrap();
    let kib: u64 = anonymous.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 2048, "{kib} KiB of private memory");
}
