//! The user namespace around those of a user's containers: what is below it looks and works as if it was not there.

mod common;

use common::{TestEnv, eventually, is_root};
use std::os::fd::AsFd;
use std::process::Command;

/// The inode numbers of a container's user namespace and of the one around it.
fn namespaces(env: &TestEnv, name: &str) -> (u64, u64) {
    let pid = env.sh(&format!("inspect -f {{{{.State.Pid}}}} {name}")).success().line();
    let own = std::fs::File::open(format!("/proc/{pid}/ns/user")).unwrap();
    let around = coracle::sys::process::parent_user_namespace(own.as_fd()).unwrap();
    let inode = |fd: &dyn AsFd| rustix::fs::fstat(fd.as_fd()).unwrap().st_ino;
    (inode(&own), inode(&around))
}

fn here() -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata("/proc/self/ns/user").unwrap())
}

/// Waits until the monitors of `count` containers hold one.
fn settled(env: &TestEnv, count: usize) {
    let file = env.runroot().join("outer");
    let lines = || std::fs::read_to_string(&file).unwrap_or_default().lines().count();
    eventually("the outer namespace is there", 30, || lines() > count);
}

fn ready(test: &str) -> Option<TestEnv> {
    let env = TestEnv::new().with_busybox();
    // Root and users with one id write their maps themselves.
    if is_root() || env.probe("--network none")["uid_map"].as_array().is_some_and(|map| map.len() < 2) {
        common::note_skip(test, "the id maps are written without helpers here");
        return None;
    }
    Some(env)
}

#[test]
fn the_second_container_is_below_it_and_works_the_same() {
    let Some(env) = ready("outer") else { return };
    env.sh("run -d --name first --network none -v files:/files busybox sleep 1000").success();
    settled(&env, 1);
    env.sh("run -d --name second -v files:/files busybox sleep 1000").success();
    let (first, second) = (namespaces(&env, "first"), namespaces(&env, "second"));
    assert_eq!(first.1, here());
    assert_ne!(second.1, here());
    assert_ne!(first.0, second.0);
    assert_ne!(second.0, second.1);
    for file in ["uid_map", "gid_map"] {
        let [a, b] =
            ["first", "second"].map(|name| env.sh(&format!("exec {name} cat /proc/self/{file}")).success().stdout);
        assert_eq!(a, b, "{file}");
    }
    // The ids mean the same users.
    env.run(["exec", "second", "sh", "-c", "echo x >/files/x && chown 5:7 /files/x"]).success();
    env.sh("exec first stat -c %u:%g /files/x").success().has("5:7");
    env.sh("exec -u 5:7 first cat /files/x").success().has("x");
    env.run(["exec", "second", "sh", "-c", "mkdir /d && touch /d/f && chown 9:9 /d/f"]).success();
    env.sh("top second user,pid,args").success().has("sleep 1000");
    env.sh("diff second").success().has("A /d/f");
    env.sh("stop -t 0 second").success();
    env.sh("commit -q second made").success();
    env.sh("run --rm made stat -c %u:%g /d/f").success().has("9:9");
    // A container without the usual map has a namespace of its own kind.
    let id = env.sh("run --rm --userns keep-id --network none busybox id -u").success().line();
    assert_eq!(id, rustix::process::geteuid().as_raw().to_string());
    // Started again by its monitor or by a command, it is as before.
    env.sh("start second").success();
    env.sh("exec second stat -c %u:%g /d/f").success().has("9:9");
    env.sh("rm -f -t 0 first second").success();
}

/// It lives as long as one of the monitors that hold it, and is made anew when there is none.
#[test]
fn it_outlives_each_of_its_holders() {
    let Some(env) = ready("outer") else { return };
    let start = |name: &str| {
        env.sh(&format!("run -d --name {name} --network none busybox sleep 1000")).success();
    };
    start("one");
    settled(&env, 1);
    start("two");
    settled(&env, 2);
    let outer = namespaces(&env, "two").1;
    env.sh("rm -f -t 0 one").success();
    start("three");
    assert_eq!(namespaces(&env, "three").1, outer);
    settled(&env, 3);
    // Both holders die without a word.
    for name in ["two", "three"] {
        let monitor = env.inspect(name)["State"]["ConmonPid"].as_i64().unwrap_or_default();
        assert!(monitor > 1);
        assert!(Command::new("kill").args(["-9", &monitor.to_string()]).status().unwrap().success());
    }
    env.sh("rm -f -t 0 two three").success();
    start("four");
    assert_eq!(namespaces(&env, "four").1, here());
    // Damage to the hint is not noticed.
    for text in ["", "\n\n", "{}\n1 2 3 4\n", "\u{0}"] {
        std::fs::write(env.runroot().join("outer"), text).unwrap();
        env.sh("run --rm --network none busybox true").success();
    }
    env.sh("rm -f -t 0 four").success();
}

/// The kernel takes limits over into a namespace when it is made: who has others gets another one.
#[test]
fn other_limits_make_another() {
    let Some(env) = ready("outer") else { return };
    env.sh("run -d --name calm --network none busybox sleep 1000").success();
    settled(&env, 1);
    let binary = common::binary();
    let (binary, root, runroot) = (binary.display(), env.root(), env.runroot());
    let script = format!(
        "ulimit -S -l 64 && exec {binary} --root {} --runroot {} run -d --name tight --network none busybox sleep 1000",
        root.display(),
        runroot.display()
    );
    env.finish(env.program("sh").args(["-c", &script]), b"").success();
    assert_eq!(namespaces(&env, "tight").1, here());
    env.sh("rm -f -t 0 calm tight").success();
}
