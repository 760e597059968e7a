//! Two users of one host: neither sees, reaches or hinders the other's networks. (Root plays both.)

mod common;

use common::output::Ran;
use common::{TestEnv, binary, is_root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An unprivileged user with a home of his own. Neither has subordinate ids.
struct User<'a> {
    env: &'a TestEnv,
    id: u32,
    home: PathBuf,
}

impl<'a> User<'a> {
    fn new(env: &'a TestEnv, id: u32) -> User<'a> {
        let home = env.path(&format!("user{id}"));
        for dir in [home.clone(), home.join("run"), home.join("tmp")] {
            std::fs::create_dir(&dir).unwrap();
            std::os::unix::fs::chown(&dir, Some(id), Some(id)).unwrap();
        }
        // As logind makes it. The home is open, as some distributions have it.
        std::fs::set_permissions(home.join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        User { env, id, home }
    }

    fn program(&self, program: &Path) -> Command {
        let mut command = self.env.program("setpriv");
        command.arg(format!("--reuid={}", self.id)).arg(format!("--regid={}", self.id)).arg("--clear-groups");
        command.arg(program).env("HOME", &self.home).env("XDG_RUNTIME_DIR", self.home.join("run"));
        command.env("TMPDIR", self.home.join("tmp")).env_remove("USER").env_remove("LOGNAME").current_dir(&self.home);
        command
    }

    fn sh(&self, args: &str) -> Ran {
        let mut command = self.program(&binary());
        self.env.finish(command.args(shlex::split(args).unwrap()), b"")
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let _ = self.sh("rm -f -t 0 --all");
    }
}

fn abstract_sockets() -> Vec<String> {
    let all = std::fs::read_to_string("/proc/net/unix").unwrap();
    all.lines().filter_map(|l| l.split_whitespace().nth(7)).filter(|n| n.starts_with('@')).map(String::from).collect()
}

#[test]
fn the_same_networks_of_two_users_are_two() {
    if !is_root() {
        skip!("needs root, to be two users");
    }
    let env = TestEnv::unchecked();
    let before = abstract_sockets();
    let (one, other) = (User::new(&env, 61_001), User::new(&env, 61_002));
    for user in [&one, &other] {
        user.sh("network create --subnet 10.77.90.0/24 net").success();
    }
    one.sh("run -d --name srv --network net --ip 10.77.90.5 hello tcp-serve 7000").success();
    // The same subnet, another network: nobody is there, by address or name.
    let out = other.sh("run --rm --network net hello tcp 10.77.90.5 7000 x");
    assert!(out.code != 0 && !out.stdout.contains('x'), "{out}");
    let out = other.sh("run --rm --network net hello tcp srv 7000 x");
    assert!(out.code != 0 && !out.stdout.contains('x'), "{out}");
    let ask = || one.sh("run --rm --network net hello tcp 10.77.90.5 7000 hello-there");
    common::eventually("his own reach it", 20, || ask().stdout.contains("hello-there"));
    // The same address, given to both at once.
    other.sh("run -d --name srv --network net --ip 10.77.90.5 hello tcp-serve 7000").success();
    for user in [&one, &other] {
        assert_eq!(user.sh("ps -q").success().stdout.lines().count(), 1);
    }
    // Nothing that others can open: neither by name in a file system nor in the abstract one.
    let find = |words: &[&str], user: &User<'_>| {
        let mut find = user.program(Path::new("find"));
        env.finish(find.args(words), b"")
    };
    let home = one.home.display().to_string();
    let store = format!("{home}/.local/share/coracle");
    let seen = find(&[&home, "-mindepth", "1", "-path", "*coracle/*"], &other);
    assert_eq!(seen.stdout, "", "others see the store: {seen}");
    assert!(seen.stderr.contains("ermission denied"), "{seen}");
    let open = find(&[&store, &format!("{home}/run"), "-type", "s", "-perm", "/077"], &one);
    let behind: Vec<&str> = open.stdout.lines().collect();
    let private = |path: &Path| {
        path.ancestors().any(|dir| {
            let meta = std::fs::metadata(dir).unwrap();
            meta.is_dir() && std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o077 == 0
        })
    };
    assert!(behind.iter().all(|socket| private(Path::new(socket))), "{behind:?}");
    let ours = abstract_sockets().into_iter().filter(|s| !before.contains(s) && s.contains("coracle"));
    assert_eq!(ours.collect::<Vec<_>>(), Vec::<String>::new());
    // What runs is not the other's to join, to end or to look at.
    let pid = one.sh("inspect srv --format {{.State.Pid}}").success().line();
    for (program, args) in [
        ("nsenter", vec!["--user", "--preserve-credentials", "-n", "-t", &pid, "true"]),
        ("kill", vec!["-0", &pid]),
        ("cat", vec![&*format!("/proc/{pid}/environ").leak()]),
    ] {
        let program = common::which(program).unwrap();
        let mut command = other.program(&program);
        assert_ne!(env.finish(command.args(&args), b"").code, 0, "{program:?} {args:?}");
        let mut command = one.program(&program);
        assert_eq!(env.finish(command.args(&args), b"").code, 0, "{program:?} {args:?} of its own user");
    }
    other.sh(&format!("run --rm --network ns:/proc/{pid}/ns/net hello")).code(125);
    // One's end is not the other's.
    other.sh("rm -f -t 0 srv").success();
    assert!(ask().stdout.contains("hello-there"));
}

#[test]
fn a_runtime_directory_that_another_user_made_is_not_used() {
    if !is_root() {
        skip!("needs root, to be two users");
    }
    let env = TestEnv::unchecked();
    let (one, other) = (User::new(&env, 61_003), User::new(&env, 61_004));
    let dir = format!("/tmp/coracle-{}", one.id);
    let _ = std::fs::remove_dir_all(&dir);
    for make in [format!("mkdir -m 777 {dir}"), format!("ln -s {} {dir}", one.home.join("tmp").display())] {
        let mut shell = other.program(Path::new("/bin/sh"));
        env.finish(shell.args(["-c", &make]), b"").success();
        let mut run = one.program(&binary());
        let out = env.finish(run.env_remove("XDG_RUNTIME_DIR").args(["run", "--rm", "hello"]), b"");
        let _ = std::fs::remove_dir(&dir).or_else(|_| std::fs::remove_file(&dir));
        let _ = out.fails(125, &[&dir, "XDG_RUNTIME_DIR"]);
    }
}
