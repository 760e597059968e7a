//! What whole requests become.

use super::build::{Built, build};
use super::model::{MountKind, NetMode, Ns, Seccomp, UserNs};
use super::request::{Host, ImageInfo, RunRequest};
use crate::error::Result;
use crate::state::container::Restart;
use proptest::prelude::*;

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|w| w.to_string()).collect()
}

fn text(value: &str) -> Option<String> {
    Some(value.to_string())
}

fn image() -> ImageInfo {
    ImageInfo {
        reference: "docker.io/library/web:latest".into(),
        id: "a".repeat(64),
        layers: vec!["b".repeat(64)],
        entrypoint: words(&["/entry"]),
        cmd: words(&["serve"]),
        env: words(&["PATH=/opt/bin", "MODE=prod", "container=x"]),
        user: "app".into(),
        working_dir: "/srv/".into(),
        volumes: words(&["/data"]),
        exposed_ports: words(&["80/tcp", "53/udp"]),
        labels: [("from".to_string(), "image".to_string())].into(),
        stop_signal: "SIGQUIT".into(),
    }
}

fn host() -> Host {
    Host {
        id: "0123456789ab".repeat(5) + "0123",
        now: "2026-01-01T00:00:00.000000000Z".into(),
        name: "web".into(),
        uid: 1000,
        gid: 1001,
        hostname: "box".into(),
        containers: [("db".to_string(), "d".repeat(64))].into(),
        ..Host::default()
    }
}

fn with(change: impl FnOnce(&mut RunRequest)) -> Result<Built> {
    let mut request = RunRequest { image: "web".into(), cwd: "/cwd".into(), ..RunRequest::default() };
    change(&mut request);
    build(&request, &image(), &host())
}

fn env<'a>(built: &'a Built, key: &str) -> Option<&'a str> {
    built.spec.process.env.iter().find_map(|e| e.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn the_image_speaks_where_flags_are_silent() {
    let built = with(|_| {}).unwrap();
    let process = &built.spec.process;
    assert_eq!(process.args, ["/entry", "serve"]);
    assert_eq!((process.cwd.as_str(), process.user.as_str()), ("/srv", "app"));
    assert_eq!(env(&built, "PATH"), Some("/opt/bin"));
    assert_eq!(env(&built, "MODE"), Some("prod"));
    assert_eq!(env(&built, "HOSTNAME"), Some("0123456789ab"));
    assert_eq!(env(&built, "TERM"), None);
    assert_eq!(process.capabilities.len(), 11);
    assert!(process.ambient.is_empty() && !process.no_new_privileges);
    assert_eq!(built.config.stop_signal, 3);
    assert_eq!(built.config.stop_timeout, 10);
    assert_eq!(built.config.labels["from"], "image");
    assert_eq!(built.config.exposed_ports, ["80/tcp", "53/udp"]);
    assert_eq!(built.config.anonymous_volumes.len(), 1);
    assert_eq!(built.spec.shm_size, 64 << 20);
    assert_eq!(built.spec.seccomp, Seccomp::Default);
    assert_eq!(built.spec.resources.pids, Some(1024));
    assert_eq!(built.spec.etc.aliases, ["web"]);
    assert!(!built.spec.root.volatile && built.spec.network.ports.is_empty());
}

#[test]
fn flags_win_over_the_image() {
    let built = with(|r| {
        r.command = words(&["other"]);
        r.env = words(&["MODE=test", "PATH", "NEW=1"]);
        r.unset_env = words(&["container"]);
        r.user = text("5:6");
        r.workdir = text("/w/../x");
        r.labels = words(&["from=flag", "more"]);
        r.stop_signal = text("USR1");
        r.stop_timeout = Some(3);
        r.tty = true;
        r.rm = true;
        r.cap_add = words(&["NET_ADMIN"]);
    })
    .unwrap();
    assert_eq!(built.spec.process.args, ["/entry", "other"]);
    assert_eq!(env(&built, "MODE"), Some("test"));
    assert_eq!(env(&built, "PATH"), Some("/opt/bin"), "a bare name the host lacks changes nothing");
    assert_eq!(env(&built, "TERM"), Some("xterm"));
    assert_eq!(env(&built, "container"), None);
    assert_eq!((built.spec.process.cwd.as_str(), built.spec.process.user.as_str()), ("/x", "5:6"));
    assert_eq!(built.config.labels["from"], "flag");
    assert_eq!((built.config.stop_signal, built.config.stop_timeout), (10, 3));
    assert_eq!(built.spec.process.ambient, ["NET_ADMIN"]);
    assert!(built.spec.root.volatile && built.config.auto_remove);
}

#[test]
fn dockers_habits() {
    let built = with(|r| {
        r.docker = true;
        r.env = words(&["MODE"]);
        r.volumes = words(&["./x:/y"]);
        r.cap_add = words(&["NET_ADMIN"]);
    })
    .unwrap();
    assert_eq!(env(&built, "MODE"), None, "a bare name the host lacks removes the image's");
    assert!(built.spec.process.capabilities.iter().any(|c| c == "NET_RAW"));
    assert!(built.spec.process.ambient.is_empty());
    assert!(built.sources[0].create && built.sources[0].path == "/cwd/x");
}

#[test]
fn privileges() {
    let built = with(|r| r.privileged = true).unwrap();
    assert!(built.spec.privileged && built.spec.masked_paths.is_empty() && built.spec.readonly_paths.is_empty());
    assert_eq!(built.spec.process.capabilities.len(), 41);
    assert_eq!(built.spec.seccomp, Seccomp::Unconfined);
}

#[test]
fn namespaces() {
    let built = with(|r| {
        r.pid = text("host");
        r.ipc = text("container:db");
        r.userns = text("keep-id");
        r.network = words(&["container:db"]);
    })
    .unwrap();
    assert_eq!((&built.spec.pid, &built.spec.ipc), (&Ns::Host, &Ns::Container("d".repeat(64))));
    assert_eq!(built.spec.network.mode, NetMode::Container("d".repeat(64)));
    assert_eq!(built.spec.userns, UserNs::KeepId { uid: None, gid: None });
    assert_eq!(built.spec.process.user, "1000:1001");
    assert_eq!(with(|r| r.userns = text("keep-id:uid=5,gid=6")).unwrap().spec.process.user, "5:6");
    let member = with(|r| (r.network, r.userns) = (words(&["mynet"]), text("keep-id"))).unwrap();
    assert!(matches!(member.spec.userns, UserNs::KeepId { .. }));
    let hosted = with(|r| r.network = words(&["host"])).unwrap();
    assert_eq!(hosted.spec.hostname, "box");
}

#[test]
fn ports() {
    let show = |built: &Built| {
        let one = |p: &crate::state::container::PortMapping| format!("{}>{}", p.host_port, p.container_port);
        built.spec.network.ports.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(show(&with(|r| r.publish = words(&["8080:80"])).unwrap()), "8080>80");
    assert_eq!(show(&with(|r| r.publish_all = true).unwrap()), "0>80 0>53");
    let both = with(|r| {
        r.publish_all = true;
        r.publish = words(&["8080:80"]);
        r.expose = words(&["90-91"]);
    });
    assert_eq!(show(&both.unwrap()), "8080>80 0>53 0>90 0>91");
    let hosted = with(|r| (r.network, r.publish) = (words(&["host"]), words(&["80:80"]))).unwrap();
    assert!(hosted.spec.network.ports.is_empty() && hosted.warnings.len() == 1);
}

#[test]
fn rootfs_directories() {
    let request = RunRequest {
        image: "./tree".into(),
        rootfs: true,
        cwd: "/cwd".into(),
        command: words(&["sh"]),
        ..RunRequest::default()
    };
    let built = build(&request, &ImageInfo::default(), &host()).unwrap();
    assert_eq!(built.spec.root.rootfs.as_deref(), Some("/cwd/tree"));
    assert_eq!(built.spec.process.cwd, "/");
}

#[test]
fn read_only_containers_get_scratch_directories() {
    let built = with(|r| (r.read_only, r.volumes) = (true, words(&["x:/tmp"]))).unwrap();
    let tmpfs = |m: &&super::model::Mount| m.kind == MountKind::Tmpfs;
    let dests: Vec<&str> = built.spec.mounts.iter().filter(tmpfs).map(|m| m.destination.as_str()).collect();
    assert_eq!(dests, ["/run", "/var/tmp"]);
    assert!(built.spec.root.readonly);
}

type Change = fn(&mut RunRequest);

#[test]
fn conflicts_are_refused_with_one_line() {
    let cases: &[(&str, Change)] = &[
        ("--restart", |r| (r.rm, r.restart) = (true, text("always"))),
        ("--restart", |r| r.restart = text("sometimes")),
        ("--name", |r| r.name = text("-x")),
        ("--name", |r| r.name = text("a/b")),
        ("--name", |r| r.replace = true),
        ("-p", |r| (r.network, r.publish) = (words(&["container:db"]), words(&["80:80"]))),
        ("--hostname", |r| (r.uts, r.hostname) = (text("host"), text("x"))),
        ("--domainname", |r| (r.uts, r.domainname) = (text("host"), text("x"))),
        ("--shm-size", |r| (r.ipc, r.shm_size) = (text("host"), text("1m"))),
        ("--shm-size", |r| r.shm_size = text("x")),
        ("--shm-size", |r| r.shm_size = text("0")),
        ("--init", |r| (r.pid, r.init) = (text("host"), true)),
        ("--dns", |r| (r.network, r.dns) = (words(&["container:db"]), words(&["1.1.1.1"]))),
        ("container nope", |r| r.pid = text("container:nope")),
        ("--workdir", |r| r.workdir = text("rel")),
        ("--user", |r| r.user = text("a:b:c")),
        ("--umask", |r| r.umask = text("8")),
        ("--mac-address", |r| r.mac_address = text("01:00:00:00:00:00")),
        ("--mac-address", |r| r.mac_address = text("x")),
        ("--stop-signal", |r| r.stop_signal = text("NOPE")),
        ("journald", |r| r.log_driver = text("journald")),
        ("--label", |r| r.labels = words(&["=x"])),
        ("--ulimit", |r| r.ulimit = words(&["x"])),
        ("--device", |r| r.devices = words(&["x"])),
        ("--sysctl", |r| r.sysctl = words(&["vm.x=1"])),
        ("--oom-score-adj", |r| r.oom_score_adj = Some(2000)),
        ("my/net", |r| r.network = words(&["my/net"])),
        ("--ip", |r| r.ip = text("10.0.0.9")),
        ("--ip6", |r| (r.network, r.ip6) = (words(&["mynet"]), text("10.0.0.9"))),
    ];
    for (word, change) in cases {
        let error = with(change).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{word}: {error}");
    }
}

#[test]
fn records_survive_the_disk() {
    let built = with(|r| {
        r.restart = text("on-failure:3");
        r.volumes = words(&["/a:/b:ro", "v:/c", "/d"]);
        r.tmpfs = words(&["/t"]);
        r.network = words(&["slirp4netns:mtu=1500"]);
        r.userns = text("keep-id:uid=1,gid=2");
        r.ulimit = words(&["nofile=5:-1"]);
        r.cpus = text("0.5");
    })
    .unwrap();
    assert_eq!(built.config.restart, Restart::OnFailure(Some(3)));
    let spec: super::model::Spec = serde_json::from_str(&serde_json::to_string(&built.spec).unwrap()).unwrap();
    assert_eq!(spec, built.spec);
    let config: crate::state::container::Config =
        serde_json::from_str(&serde_json::to_string(&built.config).unwrap()).unwrap();
    assert_eq!(config, built.config);
}

proptest! {
    /// Whatever people write, the answer is a container or one line.
    #[test]
    fn no_flag_makes_it_panic(a in "\\PC{0,20}", b in "[a-z0-9:/=.,-]{0,20}") {
        let list = || vec![a.clone(), b.clone()];
        let fields: Vec<fn(&mut RunRequest, Vec<String>)> = vec![
            |r, l| r.volumes = l, |r, l| r.mounts = l, |r, l| r.tmpfs = l, |r, l| r.publish = l,
            |r, l| r.add_host = l, |r, l| r.ulimit = l, |r, l| r.devices = l, |r, l| r.sysctl = l,
            |r, l| r.security_opt = l, |r, l| r.cap_add = l, |r, l| r.log_opt = l, |r, l| r.env = l,
            |r, l| r.network = l, |r, l| r.labels = l, |r, l| r.expose = l,
        ];
        for field in fields {
            for list in [list(), list()[..1].to_vec(), list()[1..].to_vec()] {
                if let Err(e) = with(|r| field(r, list)) {
                    prop_assert!(!e.to_string().contains('\n') || a.contains('\n'));
                }
            }
        }
        let singles: Vec<fn(&mut RunRequest, Option<String>)> = vec![
            |r, v| r.user = v, |r, v| r.workdir = v, |r, v| r.hostname = v, |r, v| r.memory = v, |r, v| r.cpus = v,
            |r, v| r.restart = v, |r, v| r.userns = v, |r, v| r.pid = v, |r, v| r.shm_size = v, |r, v| r.name = v,
            |r, v| r.mac_address = v, |r, v| r.ip = v, |r, v| r.ip6 = v, |r, v| r.entrypoint = v, |r, v| r.umask = v, |r, v| r.cpuset_cpus = v,
        ];
        for single in singles {
            let _ = with(|r| single(r, Some(a.clone())));
            let _ = with(|r| single(r, Some(b.clone())));
        }
    }
}
