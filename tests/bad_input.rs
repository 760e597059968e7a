//! Bad input: one line that names the object (and the fix), the documented code, no trace left.

mod common;

use common::{TestEnv, is_root};
use std::os::unix::fs::PermissionsExt;

#[test]
fn unknown_images_and_bad_references() {
    let env = TestEnv::new();
    let _ = env.sh("run --rm --pull never nosuchimage true").fails(125, &["nosuchimage"]);
    for bad in ["UPPER/case", "a//b", "image:bad tag", "x@sha256:123", "-x", "a:b:c", ""] {
        let out = env.run(["run", "--rm", "--pull", "never", "--", bad, "true"]);
        assert_eq!(out.code, 125, "{out}");
        assert!(out.stderr.lines().count() <= 3, "{out}");
    }
    let _ = env.sh("image inspect nosuchimage").code(125);
    let _ = env.sh("rmi nosuchimage").code(1);
    assert_eq!(env.containers(), [""; 0]);
}

#[test]
fn unknown_options_and_commands() {
    let env = TestEnv::new();
    env.sh("run --nosuchoption hello").code(125).err_has("--nosuchoption");
    env.sh("nosuchcommand").code(125).err_has("nosuchcommand");
    env.sh("run").code(125).err_has("IMAGE");
    // What belongs to the program is not ours to judge.
    env.sh("run --rm hello args --nosuchoption -v").success().prints("[\"--nosuchoption\",\"-v\"]\n");
}

#[test]
fn unknown_containers() {
    let env = TestEnv::new();
    for verb in ["start", "stop", "kill", "restart", "logs", "attach", "inspect", "wait", "top", "port"] {
        let _ = env.run([verb, "nosuch"]).code(125).err_has("nosuch");
    }
    let _ = env.sh("exec nosuch true").fails(125, &["nosuch"]);
    let _ = env.sh("cp nosuch:/x y").fails(125, &["nosuch"]);
    let _ = env.sh("rm nosuch").fails(1, &["nosuch"]);
}

#[test]
fn missing_sources_and_bad_values() {
    let env = TestEnv::new();
    for (flags, word) in [
        ("-v /no/such/source:/x", "/no/such/source"),
        ("--mount type=bind,source=/no/such,target=/x", "/no/such"),
        ("--mount type=nosuch,target=/x", "nosuch"),
        ("-v relative/path:/x", "relative/path"),
        ("-p notaport", "notaport"),
        ("-p 70000:80", "70000"),
        ("--memory lots", "lots"),
        ("--cpus many", "many"),
        ("--ulimit nosuch=1", "nosuch"),
        ("--restart sometimes", "sometimes"),
        ("--stop-signal SIGNOSUCH", "SIGNOSUCH"),
        ("--env-file /no/such/file", "/no/such/file"),
        ("--security-opt seccomp=/no/such.json", "/no/such.json"),
        ("--security-opt nosuch=1", "nosuch"),
        ("--platform plan9/mips", "plan9"),
        ("--device /dev/nosuch", "/dev/nosuch"),
        ("--name 'bad name'", "bad name"),
        ("--hostname under_score!", "under_score!"),
        ("--log-driver carrier-pigeon", "carrier-pigeon"),
        ("--userns nosuch", "nosuch"),
        ("--network nosuch", "nosuch"),
        ("--sysctl kernel.panic=1", "kernel.panic"),
        ("-w relative", "relative"),
    ] {
        let out = env.sh(&format!("run --rm {flags} hello exit 0"));
        assert_eq!(out.code, 125, "{out}");
        assert!(out.stderr.contains(word), "expected '{word}' in {out}");
        assert!(out.stdout.is_empty(), "{out}");
    }
    assert_eq!(env.containers(), [""; 0]);
    env.assert_no_leaks();
}

#[test]
fn a_data_directory_that_can_not_be_read() {
    if is_root() {
        skip!("root reads everything");
    }
    let env = TestEnv::unchecked();
    env.sh("create --name c hello").success();
    std::fs::set_permissions(env.root(), std::fs::Permissions::from_mode(0o000)).unwrap();
    let out = env.sh("ps -a").code(125);
    let root = env.root().display().to_string();
    std::fs::set_permissions(env.root(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(out.stderr.contains(&root), "{out}");
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
    env.sh("ps -a").success().has("c");
}

#[test]
fn corrupt_state_files_are_named_and_can_be_removed() {
    let env = TestEnv::unchecked();
    env.start("--name good hello sleep forever");
    for file in ["state.json", "config.json", "spec.json"] {
        env.sh(&format!("run --name bad-{} hello exit 0", file.replace(".json", ""))).success();
        let name = format!("bad-{}", file.replace(".json", ""));
        let id = env.inspect(&name)["Id"].as_str().unwrap().to_string();
        std::fs::write(env.root().join("containers").join(&id).join(file), "{\"version\": 1, tru").unwrap();
        // Others are not harmed by it.
        env.sh("ps -a --format {{.Names}}").success().has("good");
        env.sh("exec good /hello exit 0").success();
        let out = env.sh(&format!("start -a {name}"));
        assert!(out.code == 0 || out.code == 125 && out.stderr.contains(file), "{out}");
        env.run(["rm", "-f", "-t", "0", &id]).success();
        assert!(!env.root().join("containers").join(&id).exists());
    }
    assert_eq!(env.containers().len(), 1);
}

#[test]
fn help_goes_to_stdout_and_is_complete() {
    let env = TestEnv::new();
    env.sh("--help").success().has("run").has("doctor");
    env.sh("run --help").success().has("--publish").has("--rm");
    env.finish(env.program(common::binary()).arg("--version"), b"").success().has("coracle");
}
