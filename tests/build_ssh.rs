//! RUN --mount=type=ssh with a real agent.

mod common;

use common::{TestEnv, fixtures, leaks};
use std::process::{Child, Command, Stdio};

struct Agent(Child);

impl Agent {
    /// An agent of the host in the foreground.
    fn start(env: &TestEnv) -> Agent {
        let socket = env.path("agent");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        common::eventually("the agent listens", 20, || socket.exists());
        Agent(child)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The host's ssh-add with its libraries, below `c/host`, and two keys, `k1` and `k2`.
fn prepare(env: &TestEnv) {
    std::fs::create_dir_all(env.path("c/host")).unwrap();
    fixtures::sh(
        &env.path("c"),
        "for f in $(which ssh-add) $(ldd $(which ssh-add) | grep -o '/[^ ]*'); do mkdir -p host$(dirname $f); cp -L $f host$f; done
         for k in k1 k2; do ssh-keygen -q -t ed25519 -N '' -C key-$k -f ../$k; done",
    );
}

const TEXT: &str = "FROM busybox\nCOPY host /\nRUN --mount=type=ssh /usr/bin/ssh-add -l > /keys\nRUN --mount=type=ssh,id=other [ ! -S \"$SSH_AUTH_SOCK\" ] || /usr/bin/ssh-add -l >> /keys\nRUN [ -z \"$SSH_AUTH_SOCK\" ]\n";

#[test]
fn steps_talk_to_agents() {
    let env = busybox_env!();
    if common::which("ssh-agent").is_none() {
        return common::note_skip("steps_talk_to_agents", "ssh-agent is not installed");
    }
    prepare(&env);
    env.file("c/Dockerfile", TEXT);
    let agent = Agent::start(&env);
    let added = Command::new("ssh-add").arg("-q").arg(env.path("k1")).env("SSH_AUTH_SOCK", env.path("agent")).status();
    assert!(added.unwrap().success());
    let build = |flags: &str| {
        let mut command = env.command(["build", "--network", "none", "--no-cache", "-t", "made", "c"]);
        command.args(flags.split_whitespace()).env("SSH_AUTH_SOCK", env.path("agent"));
        env.finish(&mut command, b"")
    };
    let keys = || env.sh("run --rm --network none made cat /keys").success().stdout.clone();
    for flags in ["--ssh default".to_string(), format!("--ssh default={}", env.path("agent").display())] {
        let _ = build(&flags).success();
        assert!(keys().contains("key-k1") && !keys().contains("key-k2"), "{}", keys());
    }
    // Keys: with an agent of our own, which ends with the build.
    let places = [env.path("k1").display().to_string(), env.path("k2").display().to_string()];
    let _ = build(&format!("--ssh default={} --ssh other={}", places.join(","), places[1])).success();
    assert_eq!(
        keys().lines().map(|l| l.split(' ').nth(2).unwrap().to_string()).collect::<Vec<_>>(),
        ["key-k1", "key-k2", "key-k2"]
    );
    drop(agent);
    assert!(leaks::processes(&env.runroot()).is_empty());
    // Nothing of it is in the image.
    env.sh("run --rm --network none made sh -c 'ls -A /run; env'").success();
    let _ = env.sh("build --ssh default=none c").fails(125, &["--ssh default=none", "/none: no such file"]);
    let _ = env.sh("build --ssh default=c c").fails(125, &["neither a socket nor a key"]);
    env.file("junk", "no key");
    std::fs::set_permissions(env.path("junk"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let _ = env.sh("build --ssh default=junk c").fails(125, &["add the keys"]);
    env.file("c/Dockerfile", "FROM busybox\nRUN --mount=type=ssh,required=true true\n");
    let _ = env
        .sh("build --network none c")
        .code(125)
        .err_has("Dockerfile:2: ")
        .err_has("agent 'default': none was given (hint: --ssh default");
}
