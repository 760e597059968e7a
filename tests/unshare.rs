//! `unshare`, and `mount` and `image mount` in it.

mod common;

use common::TestEnv;
use common::pty::Pty;

/// `coracle` with this environment's directories, for scripts.
fn me(env: &TestEnv) -> String {
    format!("{} --root {} --runroot {}", common::binary().display(), env.root().display(), env.runroot().display())
}

/// A script below `unshare`, with `$me` for coracle.
fn within(env: &TestEnv, script: &str) -> common::output::Ran {
    env.run(["unshare", "sh", "-euc", &format!("me='{}'; {script}", me(env))])
}

#[test]
fn a_program_is_root_and_its_end_is_told() {
    let env = TestEnv::new();
    env.run(["unshare", "sh", "-c", "id -u; exit 7"]).code(7).prints("0\n");
    env.run(["unshare", "sh", "-c", "kill -9 $$"]).code(137);
    env.run(["unshare", "/nonexistent"]).fails(127, &["/nonexistent", "no such program"]);
    env.run(["unshare", "/etc/passwd"]).fails(126, &["/etc/passwd"]);
    env.run_with_stdin(["unshare", "cat"], b"through\n").success().prints("through\n");
    // Ids of containers, and mounts of its own.
    let file = env.file("f", "");
    let script = format!("chown 1:1 {0} && stat -c %u:%g {0}; chown 0:0 {0}; mount -t tmpfs x /mnt", file.display());
    env.run(["unshare", "sh", "-ec", &script]).success().prints("1:1\n");
    assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - tmpfs x "));
    // The shell is $SHELL.
    env.finish(env.command(["unshare"]).env("SHELL", "/bin/true"), b"").success();
}

#[test]
fn images_and_containers_are_mounted() {
    let env = busybox_env!();
    for what in [&["image", "mount", "busybox"][..], &["image", "mount"], &["mount"], &["container", "umount", "-a"]] {
        env.run(what).fails(125, &["coracle unshare"]);
    }
    // Several layers, one of which hides something of another; and a container with changes of its own.
    env.run(["run", "--name", "first", "busybox", "sh", "-ec", "mkdir /d; touch /d/hidden"]).success();
    env.run(["commit", "-q", "first", "between"]).success();
    let script = "echo upper > /new; rm /bin/sleep; rm -r /d; mkdir /d; echo x > /d/only; chown 3:4 /d/only";
    env.run(["run", "--name", "maker", "between", "sh", "-ec", script]).success();
    env.run(["commit", "-q", "maker", "derived"]).success();
    let look = "cat $m/new; test ! -e $m/bin/sleep; ls $m/d; stat -c %u:%g $m/d/only; test -x $m/bin/busybox
        ! touch $m/x 2>/dev/null";
    let seen = "upper\nonly\n3:4\n";
    within(&env, &format!("m=$($me image mount derived); {look}")).success().prints(seen);
    within(&env, &format!("m=$($me mount maker); {look}")).success().prints(seen);
    within(&env, "m=$($me image mount busybox); test -x $m/bin/sleep").success();
    // Twice is once; each is told by its name; all go.
    let script = "a=$($me image mount derived); test $a = $($me image mount derived)
        $me image mount --format '{{.Names}}'; $me image mount busybox derived | cut -d' ' -f1
        $me container mount maker > /dev/null; $me mount --format '{{.Names}}'; $me umount maker
        $me image unmount derived; $me image umount -a > /dev/null; test -z \"$($me image mount --format x)\"
        ls $a 2>/dev/null || echo gone";
    let out = within(&env, script).success();
    assert_eq!(out.stdout, "localhost/derived:latest\nbusybox\nderived\nmaker\nmaker\nderived\ngone\n");
    within(&env, "$me image unmount derived").fails(1, &["not mounted"]);
    within(&env, "cd $($me image mount derived); $me image unmount derived || $me image unmount -f derived")
        .success()
        .err_has("in use");
    // All ended with its namespace.
    assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains("coracle-mounts"));
    assert_eq!(std::fs::read_dir(env.runroot().join("mounts")).unwrap().count(), 0);
    env.run(["rm", "maker", "first"]).success();
}

/// Ids that are arranged differently are the same ids of the host.
#[test]
fn containers_that_keep_ids_are_mounted() {
    let env = busybox_env!();
    let id = rustix::process::getuid().as_raw();
    if id == 0 {
        skip!("root has his own ids in containers anyway");
    }
    let script = "echo mine > /tmp/mine; rm -f /tmp/none";
    env.run(["run", "--name", "keeper", "--userns", "keep-id", "busybox", "sh", "-ec", script]).success();
    // The user himself is root in unshare; root of the container is a subordinate id, the first of which is 1.
    let look = "m=$($me mount keeper); cat $m/tmp/mine; stat -c %u:%g $m/tmp/mine $m/etc/passwd; test -s $m/bin/busybox
        $m/bin/busybox head -n 1 $m/etc/passwd | cut -d: -f1; ! touch $m/x 2>/dev/null";
    within(&env, look).success().prints("mine\n0:0\n1:1\nroot\n");
    env.run(["create", "--name", "fresh", "--userns", "keep-id:uid=77,gid=77", "busybox", "true"]).success();
    within(&env, "$me mount fresh").fails(125, &["fresh", "start a container with that map"]);
    // What can't be looked at there is no damage.
    within(&env, "$me system check").success();
    env.run(["rm", "keeper", "fresh"]).success();
}

#[test]
fn what_is_mounted_is_not_removed() {
    let env = busybox_env!();
    let script = "m=$($me image mount busybox); echo ready; read answer; ls $m";
    let script = format!("me='{}'; {script}", me(&env));
    let mut session = Pty::spawn(env.command(["unshare", "sh", "-euc", &script]));
    session.expect("ready");
    let _ = env.run(["rmi", "busybox"]).fails(2, &["it is mounted", "unmount busybox"]);
    assert_eq!(env.run(["image", "prune", "-af"]).success().stdout.lines().filter(|l| l.len() == 64).count(), 0);
    session.line("");
    session.expect("bin");
    assert_eq!(session.end().0, 0);
    // Inside the session likewise, and by force it is unmounted first.
    let script = "m=$($me image mount busybox); $me rmi busybox && exit 9; $me rmi -f busybox > /dev/null
        ls $m 2> /dev/null || echo gone; $me image mount";
    within(&env, script).code(0).err_has("it is mounted").has("gone\n");
    let _ = env.run(["image", "exists", "busybox"]).code(1);
}

#[test]
fn a_running_container_is_seen_and_goes_on() {
    let env = busybox_env!();
    env.start("--name live busybox sh -c 'echo now > /there; sleep 1000'");
    let ready = || env.run(["exec", "live", "test", "-e", "/there"]).code == 0;
    common::eventually("the container has written", 20, ready);
    within(&env, "cat $($me mount live)/there").success().prints("now\n");
    env.run(["exec", "live", "sh", "-c", "echo later > /there; cat /there"]).success().prints("later\n");
    env.run(["rm", "-f", "-t0", "live"]).success();
}

#[test]
fn commands_work_inside() {
    let env = busybox_env!();
    within(&env, "$me images -q | grep . > /dev/null; $me run --rm busybox echo inside").success().prints("inside\n");
    env.run(["run", "--rm", "busybox", "echo", "outside"]).success().prints("outside\n");
    env.run(["system", "check"]).success();
}
