//! Real programs from Debian's packages: package installation, redis, nginx, PostgreSQL.

mod common;

use common::{TestEnv, eventually, free_port};
use std::process::Command;

/// Runs a client of the host; its output, or None when it fails.
fn client(env: &TestEnv, words: &[&str]) -> Option<String> {
    let mut c: Command = env.program(words[0]);
    c.args(&words[1..]);
    let out = env.finish(&mut c, b"");
    (out.code == 0).then(|| out.stdout.clone())
}

#[test]
fn redis_serves_its_own_client() {
    need!("redis-cli");
    let env = prepared_env!("services.tar");
    let port = free_port().to_string();
    let flags = format!(
        "--name r -p {port}:6379 -u redis localhost/services redis-server --bind 0.0.0.0 --protected-mode no --save ''"
    );
    env.start(&flags);
    eventually("PONG", 30, || client(&env, &["redis-cli", "-p", &port, "ping"]).is_some_and(|o| o == "PONG\n"));
    client(&env, &["redis-cli", "-p", &port, "set", "key", "value"]).unwrap();
    assert_eq!(client(&env, &["redis-cli", "-p", &port, "get", "key"]).unwrap(), "value\n");
    env.sh("exec r redis-cli get key").success().prints("value\n");
    env.sh("stop r").success();
    assert_eq!(env.inspect("r")["State"]["ExitCode"], 0);
}

#[test]
fn nginx_serves_files_from_a_mount() {
    need!("curl");
    let env = prepared_env!("services.tar");
    let port = free_port();
    env.file("html/index.html", "it works\n");
    std::fs::write(env.path("html/big"), vec![b'x'; 20_000_000]).unwrap();
    let dir = env.path("html").display().to_string();
    env.start(&format!("--name n -p {port}:80 -v {dir}:/var/www/html:ro localhost/services nginx -g 'daemon off;'"));
    let url = format!("http://127.0.0.1:{port}/");
    eventually("an answer", 30, || client(&env, &["curl", "-sf", &url]).is_some_and(|o| o == "it works\n"));
    let big = client(&env, &["curl", "-sf", &format!("http://localhost:{port}/big")]).unwrap();
    assert_eq!(big.len(), 20_000_000);
    eventually("the access log", 10, || env.sh("exec n cat /var/log/nginx/access.log").stdout.contains("GET /big"));
    env.sh("top n").success().has("nginx: master");
    env.sh("stop n").success();
}

#[test]
fn postgres_keeps_its_data_in_a_volume() {
    need!("psql");
    let env = prepared_env!("services.tar");
    let port = free_port().to_string();
    let script = "set -e; v=$(ls /usr/lib/postgresql); d=/data/db; chown postgres /data
        b=/usr/lib/postgresql/$v/bin
        [ -d $d ] || su postgres -c \"$b/initdb -A trust -D $d >/dev/null\"
        echo 'host all all all trust' >> $d/pg_hba.conf
        exec su postgres -c \"exec $b/postgres -D $d -c listen_addresses='*' -c unix_socket_directories= -c fsync=off\"";
    let sql = |text: &str| client(&env, &["psql", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-Atc", text]);
    for round in 1..=2 {
        let publish = format!("{port}:5432");
        env.run([
            "run",
            "-d",
            "--name",
            "p",
            "-p",
            &publish,
            "-v",
            "pg:/data",
            "localhost/services",
            "sh",
            "-c",
            script,
        ])
        .success();
        eventually("a connection", 60, || sql("select 1").is_some_and(|o| o == "1\n"));
        if round == 1 {
            sql("create table t as select generate_series(1, 100000) n").unwrap();
        }
        assert_eq!(sql("select sum(n) from t").unwrap(), "5000050000\n");
        env.sh("stop -t 30 p").success();
        env.sh("rm p").success();
    }
    env.sh("volume rm pg").success();
}

/// The settings of apt for test machines, which have odd clocks and old mirrors; `None` where there is no mirror.
fn apt_settings(env: &TestEnv) -> Option<&'static str> {
    let sources =
        env.sh("run --rm localhost/debian sh -c 'cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>&1; true'");
    let sources = sources.success().stdout;
    let used = sources.lines().filter(|line| !line.starts_with('#')).find_map(|line| line.split_once("http://"));
    let mirror = used.and_then(|(_, rest)| rest.split(['/', ' ']).next()).unwrap_or_default();
    let there = std::net::TcpStream::connect((mirror, 80)).is_ok();
    there.then_some("-o Acquire::Check-Valid-Until=false -o Acquire::Check-Date=false")
}

#[test]
fn apt_installs_packages_over_the_default_network() {
    let env = prepared_env!("debian.tar");
    let Some(settings) = apt_settings(&env) else { skip!("Debian's package mirror can't be reached from here") };
    let apt = format!("apt-get -qq {settings}");
    let script = format!("{apt} update && {apt} install -y --no-install-recommends hello >/dev/null && hello");
    let flags = ["run", "--name", "apt", "localhost/debian", "sh", "-c", &script];
    env.run(flags).success().has("Hello, world!");
    env.sh("cp apt:/var/lib/dpkg/status status").success();
    assert!(std::fs::read_to_string(env.path("status")).unwrap().contains("Package: hello\n"));
}

/// The example of docker's first year.
#[test]
fn memcached_is_built_and_answers() {
    use std::io::{BufRead, Write};
    let env = prepared_env!("debian.tar");
    let Some(settings) = apt_settings(&env) else { skip!("Debian's package mirror can't be reached from here") };
    let lines: String = settings
        .split("-o ")
        .filter_map(|word| word.trim().split_once('='))
        .map(|(k, v)| format!("{k} \"{v}\";\n"))
        .collect();
    env.file("base/99test", lines);
    env.file("base/Dockerfile", "FROM debian\nCOPY 99test /etc/apt/apt.conf.d/\n");
    env.sh("build -q -t base base").success();
    env.file(
        "c/Dockerfile",
        "# Memcached\nFROM base\nMAINTAINER A User <user@example.org>\nRUN apt-get update\nRUN apt-get install -y memcached\n\
         ENTRYPOINT [\"memcached\"]\nUSER daemon\nEXPOSE 11211\n",
    );
    let out = env.sh("build -t memcached c").success();
    let port = free_port();
    env.sh(&format!("run -d --name m -p 127.0.0.1:{port}:11211 memcached -m 32")).success();
    let mut answers = String::new();
    eventually("memcached answers", 30, || {
        let Ok(mut client) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
        let _ = client.write_all(b"set k 0 0 5\r\nhello\r\nget k\r\nquit\r\n");
        answers = std::io::BufReader::new(client).lines().map_while(Result::ok).collect::<Vec<_>>().join(" ");
        answers.contains("END")
    });
    assert_eq!(answers, "STORED VALUE k 0 5 hello END");
    env.sh("exec m id -un").success().prints("daemon\n");
    // All of it is there for the next build.
    let again = env.sh("build -t memcached c").success();
    assert_eq!((again.stderr.matches(" CACHED\n").count(), again.stdout), (2, out.stdout));
    env.sh("rm -f -t 0 m").success();
}

#[test]
fn setuid_programs_and_file_capabilities_work_inside() {
    let env = prepared_env!("debian.tar");
    env.sh("run --rm -u 1000 localhost/debian sh -c 'su --version >/dev/null; stat -c %a /usr/bin/su'")
        .success()
        .prints("4755\n");
    let script = "cp /usr/bin/id /tmp/id && chown root /tmp/id && chmod 4755 /tmp/id && setpriv --reuid=1000 --clear-groups /tmp/id -u";
    env.run(["run", "--rm", "localhost/debian", "sh", "-c", script]).success().prints("0\n");
    let caps = "cp /bin/cat /tmp/cat && setcap cap_net_bind_service+ep /tmp/cat && getcap /tmp/cat && setpriv --reuid=1000 --clear-groups /tmp/cat /proc/self/status | grep CapEff";
    env.run(["run", "--rm", "localhost/debian", "sh", "-c", caps]).success().has("0000000000000400");
}

#[test]
fn a_gigabyte_through_a_pipe_is_exact() {
    let env = busybox_env!();
    let base: Vec<_> = env.bare().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let coracle = format!("{} {}", common::binary().display(), base.join(" "));
    let size = 1 << 30;
    let script = format!(
        "head -c {size} /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null | tee fifo | {coracle} run -i --rm busybox cat | sha256sum"
    );
    need!("openssl");
    common::fixtures::sh(&env.dir, "mkfifo fifo");
    let mut shell = env.program("bash");
    shell.args(["-c", &format!("sha256sum < fifo > sum & {script}; wait")]);
    let out = env.finish(&mut shell, b"").success();
    assert_eq!(out.stdout, std::fs::read_to_string(env.path("sum")).unwrap());
}
