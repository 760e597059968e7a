use super::*;
use crate::spec::model::Process;

fn facts() -> Facts {
    Facts { upper: "/c/upper".into(), work: "/c/work".into(), tty_group: true, own_network: true, ..Facts::default() }
}

fn targets(steps: &[Step]) -> Vec<String> {
    steps
        .iter()
        .filter_map(|s| match s {
            Step::Fresh { target, .. } | Step::Bind { target, .. } => Some(target.clone()),
            Step::Node { name } => Some(format!("/dev/{name}")),
            Step::Link { at, .. } => Some(at.clone()),
            Step::Mask { target } => Some(format!("mask {target}")),
            Step::ReadOnly { target } => Some(format!("ro {target}")),
            _ => None,
        })
        .collect()
}

fn mount(kind: MountKind, destination: &str) -> Mount {
    Mount { kind, destination: destination.into(), recursive: true, ..Mount::default() }
}

#[test]
fn usual_container() {
    let spec =
        Spec { masked_paths: vec!["/proc/keys".into()], readonly_paths: vec!["/proc/sys".into()], ..Spec::default() };
    let steps = plan(&spec, &facts());
    assert!(matches!(&steps[0], Step::Overlay { upper, .. } if upper == Path::new("/c/upper")));
    assert_eq!(
        targets(&steps),
        [
            "/proc",
            "/sys",
            "/sys/fs/cgroup",
            "/dev",
            "/dev/pts",
            "/dev/mqueue",
            "/dev/shm",
            "/dev/null",
            "/dev/zero",
            "/dev/full",
            "/dev/random",
            "/dev/urandom",
            "/dev/tty",
            "/dev/fd",
            "/dev/stdin",
            "/dev/stdout",
            "/dev/stderr",
            "/dev/core",
            "/dev/ptmx",
            "ro /proc/sys",
            "mask /proc/keys"
        ]
    );
    assert_eq!(steps.last(), Some(&Step::Pivot));
    assert!(steps.contains(&Step::Loopback) && steps.contains(&Step::PingRange));
}

#[test]
fn kernel_file_systems_are_hard() {
    let steps = plan(&Spec::default(), &facts());
    for step in &steps {
        if let Step::Fresh { fstype, attrs, .. } = step {
            let want = match fstype.as_str() {
                "sysfs" | "cgroup2" => Attrs::RDONLY.set | Attrs::NOSUID.set | Attrs::NODEV.set | Attrs::NOEXEC.set,
                "tmpfs" | "devpts" => Attrs::NOSUID.set | Attrs::NOEXEC.set,
                _ => Attrs::NOSUID.set | Attrs::NODEV.set | Attrs::NOEXEC.set,
            };
            assert_eq!(attrs.set & want, want, "{fstype}");
        }
    }
}

#[test]
fn the_users_own_dev_replaces_ours() {
    let spec = Spec { mounts: vec![mount(MountKind::Bind { source: "/dev".into() }, "/dev/")], ..Spec::default() };
    assert_eq!(targets(&plan(&spec, &facts())), ["/proc", "/sys", "/sys/fs/cgroup", "/dev/"]);
    let spec = Spec { mounts: vec![mount(MountKind::Tmpfs, "/dev/shm")], ..Spec::default() };
    let got = targets(&plan(&spec, &facts()));
    assert_eq!(got.iter().filter(|t| *t == "/dev/shm").count(), 1);
    assert!(got.contains(&"/dev/pts".to_string()));
}

#[test]
fn volumes_and_etc() {
    let volume = MountKind::Volume { name: "data".into(), copy_up: true, subpath: "a/b".into() };
    let spec = Spec {
        mounts: vec![mount(volume, "/d"), mount(MountKind::Bind { source: "/h".into() }, "/etc/hosts")],
        ..Spec::default()
    };
    let facts = Facts {
        volumes: [("data".to_string(), PathBuf::from("/v/data/_data").into())].into(),
        etc: vec!["/c/etc/hosts".into(), "/c/etc/resolv.conf".into()],
        ..facts()
    };
    let steps = plan(&spec, &facts);
    let binds: Vec<_> = steps
        .iter()
        .filter_map(|s| match s {
            Step::Bind { source, subpath, target, copy_up, .. } => {
                Some((source.to_str()?, subpath.as_str(), target.as_str(), *copy_up))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        binds,
        [
            ("/v/data/_data", "a/b", "/d", false),
            ("/h", "", "/etc/hosts", false),
            ("/c/etc/resolv.conf", "", "/etc/resolv.conf", false)
        ]
    );
}

#[test]
fn options_of_mounts() {
    let mut tmpfs = mount(MountKind::Tmpfs, "/t");
    tmpfs.options = ["size=1m", "noexec", "tmpcopyup"].map(String::from).to_vec();
    let spec = Spec { mounts: vec![tmpfs], ..Spec::default() };
    let steps = plan(&spec, &facts());
    let found = steps.iter().find_map(|s| match s {
        Step::Fresh { target, options, attrs, copy_up, .. } if target == "/t" => {
            Some((options.clone(), attrs.set, *copy_up))
        }
        _ => None,
    });
    assert_eq!(found, Some((vec!["size=1m".to_string()], Attrs::NOEXEC.set, true)));
}

#[test]
fn host_namespaces_touch_nothing_of_the_host() {
    let spec = Spec {
        uts: Ns::Host,
        ipc: Ns::Host,
        cgroupns: Ns::Host,
        network: crate::spec::model::Network { mode: NetMode::Host, ..Default::default() },
        ..Spec::default()
    };
    let steps = plan(&spec, &Facts { own_network: false, ..facts() });
    assert!(!steps.iter().any(|s| matches!(s, Step::Names { .. } | Step::Loopback | Step::PingRange)));
    assert!(steps.iter().any(|s| matches!(s, Step::Bind { source, .. } if source == Path::new("/dev/shm"))));
}

#[test]
fn terminal_and_read_only_root() {
    let spec = Spec {
        process: Process { tty: true, ..Process::default() },
        root: crate::spec::model::Root { readonly: true, ..Default::default() },
        ..Spec::default()
    };
    let steps = plan(&spec, &Facts { window: Some((80, 24)), ..facts() });
    assert!(steps.contains(&Step::Terminal { window: Some((80, 24)) }));
    assert_eq!(steps.last(), Some(&Step::ReadOnlyRoot));
}
