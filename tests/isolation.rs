//! What a container sees and can't do: the foreign user's view.

mod common;

use common::{TestEnv, is_root};
use serde_json::Value;

const PODMAN: [&str; 11] = [
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "net_bind_service",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_chroot",
];

fn names(v: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = v.as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn capabilities_are_podmans() {
    let env = TestEnv::new();
    let p = env.probe("");
    for set in ["effective", "permitted", "bounding"] {
        assert_eq!(names(&p["caps"][set]), PODMAN, "{set}");
    }
    assert_eq!(names(&p["caps"]["inheritable"]), [""; 0]);
    let p = env.probe("--cap-drop ALL --cap-add NET_ADMIN,chown");
    assert_eq!(names(&p["caps"]["effective"]), ["chown", "net_admin"]);
    let p = env.probe("--cap-add ALL");
    assert!(names(&p["caps"]["effective"]).len() >= 38);
    env.sh("run --rm --cap-add NOSUCH hello").fails(125, &["NOSUCH"]);
}

#[test]
fn called_as_docker_there_are_dockers_capabilities() {
    let env = TestEnv::new();
    let docker = env.path("docker");
    std::os::unix::fs::symlink(common::binary(), &docker).unwrap();
    let mut c = env.program(&docker);
    c.arg("--root").arg(env.root()).arg("--runroot").arg(env.runroot());
    c.args(["run", "--rm", "hello", "--json"]);
    let p = env.finish(&mut c, b"").success().json();
    let mut docker: Vec<&str> = PODMAN.into();
    docker.extend(["audit_write", "mknod", "net_raw"]);
    docker.sort_unstable();
    assert_eq!(names(&p["caps"]["effective"]), docker);
}

#[test]
fn an_added_capability_reaches_an_ordinary_user() {
    let env = TestEnv::new();
    let p = env.probe("-u 1000 --cap-add NET_BIND_SERVICE");
    // podman's rule: what was asked for by name is ambient for a user other than root.
    assert_eq!(names(&p["caps"]["effective"]), ["net_bind_service"]);
    let p = env.probe("-u 1000");
    assert_eq!(names(&p["caps"]["effective"]), [""; 0]);
    assert_eq!(names(&p["caps"]["ambient"]), [""; 0]);
}

#[test]
fn all_namespaces_are_its_own() {
    let env = TestEnv::new();
    let p = env.probe("");
    for ns in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let host = std::fs::read_link(format!("/proc/self/ns/{ns}")).unwrap();
        assert_ne!(p["namespaces"][ns].as_str().unwrap(), host.to_str().unwrap(), "{ns} is the host's");
    }
    assert_eq!(p["pid"], 1);
    assert_eq!(p["processes"].as_array().unwrap().len(), 1);
    let p = env.probe("--network host --uts host --ipc host --pid host --cgroupns host");
    for ns in ["cgroup", "ipc", "net", "pid", "uts"] {
        let host = std::fs::read_link(format!("/proc/self/ns/{ns}")).unwrap();
        assert_eq!(p["namespaces"][ns].as_str().unwrap(), host.to_str().unwrap(), "{ns} is not the host's");
    }
}

#[test]
fn joining_another_containers_namespaces() {
    let env = TestEnv::new();
    env.start("--name a hello sleep forever");
    let pid = env.inspect("a")["State"]["Pid"].to_string();
    for (ns, flag) in [("net", "network"), ("pid", "pid"), ("ipc", "ipc"), ("uts", "uts")] {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{ns}")).unwrap();
        let p = env.probe(&format!("--{flag} container:a"));
        assert_eq!(p["namespaces"][ns].as_str().unwrap(), link.to_str().unwrap(), "{flag}");
    }
}

#[test]
fn the_id_map_holds_subordinate_ids() {
    let env = TestEnv::new();
    let p = env.probe("");
    let map = p["uid_map"].as_array().unwrap();
    if is_root() {
        assert!(map.iter().any(|r| r[0] == 0), "{map:?}");
    } else {
        let uid = rustix::process::getuid().as_raw();
        assert_eq!((map[0][0].as_u64(), map[0][1].as_u64(), map[0][2].as_u64()), (Some(0), Some(uid.into()), Some(1)));
        assert_eq!(map[1][0], 1);
        assert!(map[1][2].as_u64().unwrap() >= 65535, "{map:?}");
    }
    assert_eq!(p["setgroups"], "allow");
}

#[test]
fn keep_id_keeps_the_users_id() {
    let env = TestEnv::new();
    if is_root() {
        skip!("root has no other id to keep");
    }
    let p = env.probe("--userns keep-id");
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(p["uid"][1], uid);
    // Files on a bind mount are mine inside and outside.
    let here = env.path("mine");
    std::fs::create_dir(&here).unwrap();
    let mount = format!("{}:/mine", here.display());
    env.run(["run", "--rm", "--userns", "keep-id", "-v", &mount, "hello", "write", "/mine/f", "x"]).success();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(here.join("f")).unwrap().uid(), uid);
}

#[test]
fn seccomp_and_no_new_privileges() {
    let env = TestEnv::new();
    let p = env.probe("");
    assert_eq!((p["seccomp"].as_u64(), p["no_new_privs"].as_u64()), (Some(2), Some(0)));
    assert_eq!(env.probe("--security-opt seccomp=unconfined")["seccomp"], 0);
    assert_eq!(env.probe("--security-opt no-new-privileges")["no_new_privs"], 1);
    assert_eq!(env.probe("--security-opt no-new-privileges:false")["no_new_privs"], 0);
}

#[test]
fn system_calls_are_refused_as_docker_refuses_them() {
    let env = busybox_env!();
    for (what, script) in [
        ("mount", "mount -t tmpfs none /tmp"),
        ("remount", "mount -o remount,rw /proc/sys"),
        ("unmask", "umount /proc/kcore"),
        ("new user namespace", "unshare -U true"),
        ("new mount namespace", "unshare -m true"),
        // busybox's date says that it failed and exits with 0.
        ("set the clock", "date -s 2020-01-01; test $(date +%Y) = 2020"),
        ("reboot", "reboot -f -n"),
        ("pivot", "pivot_root / /tmp"),
        ("join the host", "nsenter -t 1 -m -n true && false"),
        ("load a module", "insmod /bin/busybox"),
        ("change the host name", "hostname evil"),
        ("make a device", "mknod /tmp/sda b 8 0 && cat /tmp/sda"),
        ("write to sysctls", "echo 1 > /proc/sys/kernel/panic"),
        ("use the magic key", "echo b > /proc/sysrq-trigger"),
    ] {
        let out = env.run(["run", "--rm", "busybox", "sh", "-c", script]);
        assert!(out.code != 0, "{what} worked: {out}");
    }
}

#[test]
fn masked_and_read_only_paths() {
    let env = TestEnv::new();
    let tries = env.sh("run --rm hello try").success().json();
    for (name, result) in tries.as_object().unwrap() {
        let harmless = name == "write /proc/self/uid_map"; // opening is allowed, a second map is not
        assert!(result != "ok" || harmless, "{name} works in a container");
    }
    let p = env.probe("");
    let mount = |target: &str| p["mounts"].as_array().unwrap().iter().rfind(|m| m["target"] == target);
    for target in ["/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/sys"] {
        let Some(m) = mount(target) else { continue };
        assert!(m["options"].as_str().unwrap().split(',').any(|o| o == "ro"), "{target}: {m}");
    }
    assert!(mount("/proc/sys").is_some());
    // Some kernels have no kcore.
    assert!(mount("/proc/kcore").is_some() || !std::path::Path::new("/proc/kcore").exists());
}

#[test]
fn privileged_opens_what_a_child_namespace_can_have() {
    let env = TestEnv::new();
    let p = env.probe("--privileged");
    assert!(names(&p["caps"]["effective"]).contains(&"sys_admin"));
    assert_eq!(p["seccomp"], 0);
    // Still a child of the caller: no more than the caller has.
    let host = std::fs::read_link("/proc/self/ns/user").unwrap();
    assert_ne!(p["namespaces"]["user"].as_str().unwrap(), host.to_str().unwrap());
}

#[test]
fn a_container_inherits_no_descriptors_and_no_signal_state() {
    let env = busybox_env!();
    let mut shell = env.program("bash");
    let base: Vec<_> = env.bare().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let script = format!(
        "trap '' HUP USR1; exec 7</etc/passwd 9</; {} {} run --rm busybox sh -c 'ls /proc/$$/fd; grep ^Sig /proc/self/status'",
        common::binary().display(),
        base.join(" ")
    );
    shell.args(["-c", &script]);
    let out = env.finish(&mut shell, b"").success();
    let fds: Vec<&str> = out.stdout.lines().take_while(|l| !l.starts_with("Sig")).collect();
    // busybox's shell keeps its script at 10.
    assert!(fds.iter().all(|f| ["0", "1", "2", "10"].contains(f)), "{out}");
    for set in ["SigBlk", "SigIgn"] {
        let line = out.stdout.lines().find(|l| l.starts_with(set)).unwrap();
        let bits = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
        // HUP and USR1 were ignored by the caller and stay so, as for any child; SIGPIPE (13) must be at its default.
        assert_eq!(bits & 1 << 12, 0, "SIGPIPE in {line}");
        assert!(set == "SigIgn" || bits == 0, "{line}");
    }
}

#[test]
fn dev_has_what_programs_expect_and_no_more() {
    let env = TestEnv::new();
    let p = env.probe("");
    let dev = names(&p["dev"]);
    for name in [
        "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom",
        "zero",
    ] {
        assert!(dev.contains(&name), "no /dev/{name}: {dev:?}");
    }
    for name in ["mem", "kmsg", "fuse", "sda", "vda", "kvm", "net", "loop-control"] {
        assert!(!dev.contains(&name), "/dev/{name} is there");
    }
    let out = env.sh("run --rm hello write /dev/null x").success();
    assert_eq!(out.stdout, "");
}

#[test]
fn read_only_root_with_writable_tmpfs() {
    let env = busybox_env!();
    let out = env.sh("run --rm --read-only busybox sh -c 'echo x > /f'").code(1);
    assert!(out.stderr.to_lowercase().contains("read-only"), "{out}");
    env.sh("run --rm --read-only --tmpfs /scratch:size=4m busybox sh -c 'echo x > /scratch/f && cat /scratch/f'")
        .success()
        .prints("x\n");
    env.sh("run --rm --read-only busybox sh -c 'echo x > /tmp/f && echo y > /dev/shm/f'").success();
}

#[test]
fn the_engines_binary_can_not_be_written_from_inside() {
    let env = busybox_env!();
    // The binary belongs to the user, who is the container's root.
    let own = env.path("coracle-copy");
    std::fs::copy(common::binary(), &own).unwrap();
    let before = std::fs::read(&own).unwrap();
    let mut c = env.program(&own);
    c.arg("--root").arg(env.root()).arg("--runroot").arg(env.runroot());
    // The classic: the program is the engine itself, which opens itself for writing (CVE-2019-5736).
    let script = "for i in 1 2 3; do echo evil > /proc/1/exe; done 2>/dev/null; ls -l /proc/1/exe >&2; exit 0";
    c.args(["run", "--rm", "--init", "busybox", "sh", "-c", script]);
    let out = env.finish(&mut c, b"").success();
    assert!(std::fs::read(&own).unwrap() == before, "the binary was overwritten: {out}");
    let mut c = env.program(&own);
    c.arg("--root").arg(env.root()).arg("--runroot").arg(env.runroot());
    c.args(["run", "--rm", "busybox", "/proc/self/exe", "sh", "-c", "true"]);
    let _ = env.finish(&mut c, b"");
    assert!(std::fs::read(&own).unwrap() == before, "the binary was overwritten");
    // A script's interpreter is whoever executes it: what executes other programs, and not the engine, which would
    // know no command `/bin/busybox`.
    std::fs::write(env.path("true"), "#!/proc/self/exe /bin/busybox\n").unwrap();
    std::fs::set_permissions(env.path("true"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let volume = format!("{}:/v", env.path("").display());
    env.run(["run", "--name", "c", "-d", "-v", &volume, "busybox", "sleep", "100"]).success();
    env.run(["exec", "c", "/v/true"]).success().prints("");
    env.run(["run", "--rm", "-v", &volume, "busybox", "/v/true"]).success().prints("");
}

#[test]
fn no_file_of_ours_is_setuid() {
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(common::binary()).unwrap().mode() & 0o6000, 0);
}

#[test]
fn host_files_stay_out_of_reach() {
    let env = busybox_env!();
    let root = env.probe("")["root"].clone();
    assert!(!names(&root).contains(&"host"));
    // A chroot escape needs CAP_SYS_CHROOT, which is there by default: it must end in the container's own root.
    let secret = env.file("secret", "top");
    let path = secret.display();
    let script = format!(
        "for d in /proc/1/root /proc/self/root /proc/1/cwd/../../../../..; do cat $d{path} 2>/dev/null; done; exit 0"
    );
    env.run(["run", "--rm", "busybox", "sh", "-c", &script]).success().prints("");
}
