//! `coracle run`: streams, exit codes, environment, user, names, and what is left behind (nothing).

mod common;

use common::{TestEnv, eventually};

#[test]
fn hello_needs_no_image_and_no_network() {
    let env = TestEnv::new();
    let out = env.sh("run --rm hello").success();
    assert!(out.stdout.starts_with("Hello from"), "{out}");
    env.sh("run --rm --network none hello").success().has("only the loopback interface");
}

/// `--name "$NAME"` in a script whose variable is not set.
#[test]
fn empty_values_count_as_not_given() {
    let env = TestEnv::new();
    let mut args = vec!["run", "--rm"];
    for option in ["name", "hostname", "workdir", "memory", "cpus", "stop-signal", "shm-size", "cidfile", "log-driver"]
    {
        args.extend([Box::leak(format!("--{option}").into_boxed_str()), ""]);
    }
    args.extend(["hello", "exit", "3"]);
    env.run(args).code(3);
}

#[test]
fn exit_codes_are_the_programs_own() {
    let env = TestEnv::new();
    for code in [0, 1, 7, 125, 126, 127, 255] {
        env.sh(&format!("run --rm hello exit {code}")).code(code);
    }
}

#[test]
fn death_by_signal_is_128_plus_signal() {
    let env = busybox_env!();
    // PID 1 ignores signals without a handler, so a child dies and the shell passes its status on.
    env.sh("run --rm busybox sh -c 'sh -c \"kill -TERM \\$\\$\"; exit $?'").code(143);
    env.sh("run --rm busybox sh -c 'trap \"exit 3\" TERM; kill -TERM $$; sleep 5'").code(3);
    let mut child = env.spawn(["run", "--name", "k", "busybox", "sleep", "1000"]);
    eventually("running", 20, || env.sh("inspect k --format {{.State.Running}}").stdout == "true\n");
    env.sh("kill -s KILL k").success();
    assert_eq!(child.wait().unwrap().code(), Some(137));
    assert_eq!(env.inspect("k")["State"]["ExitCode"], 137);
}

#[test]
fn commands_that_can_not_start() {
    let env = busybox_env!();
    let missing = env.sh("run --rm busybox /no/such/program").fails(127, &["/no/such/program"]);
    assert!(missing.stderr.starts_with("coracle: "), "{missing}");
    env.sh("run --rm busybox nosuchprogram").fails(127, &["nosuchprogram"]);
    env.sh("run --rm busybox /etc/passwd").fails(126, &["/etc/passwd"]);
    env.sh("run --rm busybox /etc").fails(126, &["/etc"]);
    // Detached, the caller learns it all the same, at once.
    env.sh("run -d busybox nosuchprogram").fails(127, &["nosuchprogram"]);
    let _ = env.sh("run --rm -w /etc/passwd busybox true").fails(125, &["/etc/passwd"]);
}

#[test]
fn stdout_and_stderr_stay_apart() {
    let env = busybox_env!();
    let out = env.sh("run --rm busybox sh -c 'echo out; echo err >&2; exit 3'").code(3);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn every_byte_goes_through() {
    let env = busybox_env!();
    let bytes: Vec<u8> = (0..20_000_000u32).map(|i| (i.wrapping_mul(2654435761) >> 13) as u8).collect();
    let out = env.run_with_stdin(["run", "--rm", "-i", "busybox", "cat"], &bytes).success();
    assert!(out.stdout_bytes == bytes, "{} of {} bytes came back, or others", out.stdout_bytes.len(), bytes.len());
    let out = env.run_with_stdin(["run", "--rm", "-i", "busybox", "wc", "-c"], &bytes).success();
    assert_eq!(out.stdout.trim(), "20000000");
    // Without -i, stdin is empty whatever the caller's is.
    env.run_with_stdin(["run", "--rm", "busybox", "cat"], b"not seen").success().prints("");
}

#[test]
fn much_output_without_a_newline_and_on_stderr() {
    let env = TestEnv::new();
    let out = env.sh("run --rm hello out 5000001").success();
    assert_eq!(out.stdout_bytes.len(), 5_000_001);
    assert!(out.stdout.ends_with("00078124\n0"), "the end is {:?}", &out.stdout[out.stdout.len() - 20..]);
    let out = env.sh("run --rm hello err 3000000").success();
    assert_eq!((out.stdout.len(), out.stderr.len()), (0, 3_000_000));
}

#[test]
fn a_reader_that_goes_away_does_not_kill_the_container() {
    let env = busybox_env!();
    let base: Vec<_> = env.bare().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let coracle = format!("{} {}", common::binary().display(), base.join(" "));
    let inside = "yes | head -n 200000; echo done > /done";
    let mut shell = env.program("sh");
    shell.args(["-c", &format!("{coracle} run --name pipe busybox sh -c '{inside}' | head -n 1")]);
    env.finish(&mut shell, b"").success().prints("y\n");
    eventually("the container to finish", 30, || {
        env.sh("inspect pipe --format {{.State.Status}}").stdout == "exited\n"
    });
    assert_eq!(env.inspect("pipe")["State"]["ExitCode"], 0);
}

#[test]
fn environment_directory_and_entrypoint() {
    let env = busybox_env!();
    env.file("vars", "# comment\nA=from file\n\nB=two\n");
    let out = env.sh("run --rm -e B=flag --env C= --env-file vars busybox env").success();
    let vars: Vec<&str> = out.stdout.lines().collect();
    for expected in ["A=from file", "B=flag", "C=", "FROM_IMAGE=yes", "PATH=/bin", "HOME=/root", "container=coracle"] {
        if expected.starts_with("container=") {
            assert!(vars.iter().any(|v| v.starts_with("container=")), "no container= in {vars:?}");
        } else {
            assert!(vars.contains(&expected), "no {expected} in {vars:?}");
        }
    }
    assert!(!out.stdout.contains("XDG_RUNTIME_DIR"), "the host's environment leaks: {out}");
    assert!(vars.iter().any(|v| v.starts_with("HOSTNAME=")), "{out}");
    env.sh("run --rm -w /home/app busybox pwd").success().prints("/home/app\n");
    env.sh("run --rm -w /new/deep busybox pwd").success().prints("/new/deep\n");
    env.sh("run --rm --entrypoint echo busybox a b").success().prints("a b\n");
    env.sh("run --rm --entrypoint '[\"echo\",\"x\"]' busybox a").success().prints("x a\n");
}

#[test]
fn users_and_groups() {
    let env = busybox_env!();
    env.sh("run --rm busybox id -u").success().prints("0\n");
    env.sh("run --rm -u app busybox id").success().has("uid=1000(app) gid=1000(app) groups=").has("2000(extra)");
    env.sh("run --rm -u 1000:2000 busybox id -g").success().prints("2000\n");
    env.sh("run --rm -u 4242 busybox id -u").success().prints("4242\n");
    env.sh("run --rm -u app busybox sh -c 'echo $HOME'").success().prints("/home/app\n");
    env.sh("run --rm -u app --group-add 3000 busybox id -G").success().has("3000");
    env.sh("run --rm -u nobodyatall busybox true").fails(125, &["nobodyatall"]);
    // An ordinary user of the container has no capabilities but may not gain any either.
    let probe = env.sh("run --rm -u 1000 hello --json").success().json();
    assert_eq!(probe["caps"]["effective"].as_array().unwrap().len(), 0);
}

#[test]
fn names_ids_and_files_of_them() {
    let env = TestEnv::new();
    let id = env.start("--name one --cidfile cid --pidfile pid hello sleep forever");
    assert!(id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    assert_eq!(std::fs::read_to_string(env.path("cid")).unwrap().trim(), id);
    let pid: i32 = std::fs::read_to_string(env.path("pid")).unwrap().trim().parse().unwrap();
    assert_eq!(env.inspect("one")["State"]["Pid"], pid);
    for reference in [&id, &id[..12], &id[..5], "one"] {
        assert_eq!(env.inspect(reference)["Id"], id.as_str());
    }
    env.sh("run -d --name one hello").fails(125, &["one"]);
    env.sh("run -d --cidfile cid hello").fails(125, &["cid"]);
    let second = env.start("--replace --name one hello sleep forever");
    assert_ne!(second, id);
    assert_eq!(env.containers(), [second]);
}

#[test]
fn rm_leaves_nothing() {
    let env = busybox_env!();
    env.sh("run --rm busybox sh -c 'mkdir -m 0 /x /x/y 2>/dev/null; touch /f; chown 1000:2000 /f; true'").success();
    env.sh("run --rm busybox false").code(1);
    env.sh("run --rm busybox nosuch").code(127);
    assert_eq!(env.containers(), [""; 0]);
    let id = env.start("--rm busybox sleep 0.3");
    eventually("the detached container to vanish", 20, || !env.containers().contains(&id));
    env.assert_no_leaks();
}

#[test]
fn hosts_hostname_and_resolver() {
    let env = TestEnv::new();
    let probe =
        env.probe("--hostname box --add-host db:10.1.2.3 --dns 9.9.9.9 --dns-search corp.example --dns-option ndots:3");
    assert_eq!(probe["hostname"], "box");
    assert_eq!(probe["etc_hostname"], "box");
    let hosts = probe["etc_hosts"].as_str().unwrap();
    assert!(hosts.lines().any(|l| l.split_whitespace().eq(["10.1.2.3", "db"])), "{hosts}");
    assert!(hosts.lines().any(|l| l.starts_with("127.0.0.1") && l.contains("localhost")), "{hosts}");
    assert!(hosts.lines().any(|l| l.split_whitespace().any(|w| w == "box")), "{hosts}");
    let resolv = probe["etc_resolv_conf"].as_str().unwrap();
    for line in ["nameserver 9.9.9.9", "search corp.example", "options ndots:3"] {
        assert!(resolv.lines().any(|l| l == line), "{resolv}");
    }
    let plain = env.probe("");
    let name = plain["hostname"].as_str().unwrap();
    assert!(name.len() == 12 && name.chars().all(|c| c.is_ascii_hexdigit()), "{name}");
}

#[test]
fn limits_sysctls_and_shm() {
    let env = busybox_env!();
    let out =
        env.sh("run --rm --ulimit nofile=100:200 --ulimit core=0 busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c'");
    out.success().prints("100\n200\n0\n");
    let sysctl = "run --rm --sysctl net.ipv4.ip_unprivileged_port_start=80 busybox cat";
    env.sh(&format!("{sysctl} /proc/sys/net/ipv4/ip_unprivileged_port_start")).success().prints("80\n");
    env.sh("run --rm --shm-size 8m busybox sh -c 'df -k /dev/shm | tail -1'").success().has("8192");
}

#[test]
fn init_reaps_orphans() {
    let env = busybox_env!();
    let script = "(sleep 0.1 &); sleep 0.5; ps -o stat,comm | grep -c ^Z; exit 9";
    let mut run = env.command(["run", "--rm", "--init", "busybox", "sh", "-c", script]);
    let out = env.finish(&mut run, b"").code(9);
    assert_eq!(out.stdout, "0\n", "{out}");
}

#[test]
fn files_made_by_one_container_belong_to_the_right_ids_in_the_next() {
    let env = busybox_env!();
    env.sh("volume create v").success();
    env.sh("run --rm -v v:/v busybox sh -c 'echo x > /v/f; chown 1000:2000 /v/f; chmod 640 /v/f'").success();
    env.sh("run --rm -v v:/v busybox stat -c '%u %g %a' /v/f").success().prints("1000 2000 640\n");
    env.sh("run --rm -u app -v v:/v busybox cat /v/f").success().prints("x\n");
    env.sh("volume rm v").success();
}

#[test]
fn a_rootfs_directory_instead_of_an_image() {
    let env = busybox_env!();
    std::fs::create_dir_all(env.path("root/bin")).unwrap();
    std::fs::copy(common::which("busybox").unwrap(), env.path("root/bin/sh")).unwrap();
    let root = env.path("root").display().to_string();
    env.run(["run", "--rm", "--network", "none", "--rootfs", &root, "/bin/sh", "-c", "echo in"])
        .success()
        .prints("in\n");
}
