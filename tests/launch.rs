//! `runtime::launch` alone: namespaces, ids, mounts and limits of a container, without images, network or monitor.

#[macro_use]
mod common;

use coracle::runtime::{ExecRequest, Init, Joins, LaunchRequest, RootKind, Stdio, exec, launch};
use coracle::spec::model::{NetMode, Process, Spec};
use coracle::stage;
use coracle::state::paths::ContainerDir;
use coracle::userns::{IdMap, Level};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

struct Box {
    dir: tempfile::TempDir,
    spec: Spec,
    volumes: BTreeMap<String, PathBuf>,
    idmap: IdMap,
    root: RootKind,
    joins: std::cell::Cell<Joins>,
}

/// A layer with a static busybox, and a spec that runs `script` in it.
fn busybox(script: &str) -> Box {
    stage::set_program(common::binary());
    let dir = tempfile::Builder::new().prefix("launch").tempdir_in(common_dir()).unwrap();
    let layer = dir.path().join("layers/one/diff");
    for name in ["bin", "etc", "tmp"] {
        fs::create_dir_all(layer.join(name)).unwrap();
    }
    fs::set_permissions(layer.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
    for name in [
        "sh", "cat", "id", "ls", "grep", "mount", "sleep", "touch", "env", "stty", "ps", "hostname", "true", "test",
        "wc", "mkdir", "dd", "echo", "readlink", "stat", "tty", "kill",
    ] {
        symlink("busybox", layer.join("bin").join(name)).unwrap();
    }
    fs::write(layer.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n").unwrap();
    fs::write(layer.join("etc/group"), "root:x:0:\nweb:x:34:\nadm:x:4:web\n").unwrap();
    fs::create_dir(dir.path().join("c")).unwrap();
    let spec = Spec {
        id: "f".repeat(64),
        hostname: "box".into(),
        network: coracle::spec::model::Network { mode: NetMode::None, ..Default::default() },
        process: Process {
            args: ["sh", "-c", script].map(String::from).to_vec(),
            env: vec!["PATH=/bin".into()],
            capabilities: ["CHOWN", "KILL", "SETUID", "SETGID", "NET_BIND_SERVICE"].map(String::from).to_vec(),
            ..Default::default()
        },
        masked_paths: ["/proc/kcore", "/proc/keys", "/sys/firmware"].map(String::from).to_vec(),
        readonly_paths: ["/proc/sys", "/proc/bus"].map(String::from).to_vec(),
        shm_size: 1 << 20,
        ..Default::default()
    };
    Box {
        dir,
        spec,
        volumes: BTreeMap::new(),
        idmap: IdMap::detect().unwrap(),
        root: RootKind::Auto,
        joins: Default::default(),
    }
}

fn common_dir() -> PathBuf {
    std::env::var_os("CORACLE_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

impl Box {
    fn start(&self, stdio: Stdio) -> coracle::error::Result<Init> {
        launch(LaunchRequest {
            spec: &self.spec,
            etc: &self.dir.path().join("c/etc"),
            passed: &[],
            listening: &[],
            dir: &ContainerDir { dir: self.dir.path().join("c") },
            lowers: vec![self.dir.path().join("layers/one/diff")],
            images: BTreeMap::new(),
            idmap: &self.idmap,
            joins: self.joins.take(),
            early: None,
            stdio,
            cgroup: None,
            volumes: self.volumes.iter().map(|(name, dir)| (name.clone(), dir.clone().into())).collect(),
            window: Some((30, 100)),
            root: self.root,
        })
    }

    /// Output (stdout and stderr) and exit code.
    fn run(&self) -> coracle::error::Result<(String, i32)> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let stdin = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        let mut init = self.start(Stdio::Pipes { stdin, stdout: write.try_clone().unwrap(), stderr: write })?;
        init.created()?;
        init.go()?;
        init.executed()?;
        let mut text = String::new();
        fs::File::from(read).read_to_string(&mut text).unwrap();
        Ok((text, init.wait()?))
    }

    fn text(&self) -> String {
        let (text, code) = self.run().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(code, 0, "{text}");
        text
    }
}

impl Drop for Box {
    fn drop(&mut self) {
        // Files of subordinate ids can't be removed by TempDir.
        for name in ["c", "views"] {
            let request = coracle::runtime::jobs::RemoveTree { path: self.dir.path().join(name) };
            let work = stage::Work::start("remove-tree", stage::WorkNs::New(&self.idmap), &request, &[]);
            if let Err(e) = work.and_then(stage::Work::finish::<()>) {
                eprintln!("{e}");
            }
        }
    }
}

#[test]
fn isolates() {
    let one =
        busybox("echo $$; hostname; id; set -- /proc/[0-9]*; echo $#; cat /proc/net/dev | wc -l; echo $HOME; pwd");
    let text = one.text();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        ["1", "box", "uid=0(root) gid=0(root) groups=0(root)", "1", "3", "/root", "/"],
        "{text}"
    );
    drop(one);
    // The one-id level needs no helper.
    let mut one = busybox("cat /proc/self/uid_map | wc -l; id -u");
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let range = |outside| vec![coracle::userns::Range { inside: 0, outside, count: 1 }];
    one.idmap = IdMap { level: Level::OneId, uids: range(uid), gids: range(gid), reason: None };
    assert_eq!(one.text(), "1\n0\n");
}

#[test]
fn mounts_what_runtimes_mount() {
    let text =
        busybox("cat /proc/mounts; ls -l /dev; cat /proc/keys; ls /sys/firmware; echo x > /proc/sys/kernel/domainname")
            .text_any();
    for line in [
        "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0",
        "sysfs /sys sysfs ro,nosuid,nodev,noexec,relatime 0 0",
        "devpts /dev/pts devpts rw,nosuid,noexec,relatime,",
        "mqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec,relatime 0 0",
        "tmpfs /dev tmpfs rw,nosuid,noexec,size=65536k,mode=755",
        "/proc/sys proc ro,nosuid,nodev,noexec,relatime",
        "fd -> /proc/self/fd",
        "ptmx -> pts/ptmx",
        "can't create /proc/sys/kernel/domainname: Read-only file system",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("ext4 /"), "{text}");
}

impl Box {
    fn text_any(&self) -> String {
        self.run().unwrap_or_else(|e| panic!("{e}")).0
    }
}

#[test]
fn users_groups_and_capabilities() {
    let mut one = busybox(
        "id; grep -E 'Cap|NoNewPrivs|Seccomp:|SigIgn|SigBlk' /proc/self/status; echo $HOME; touch /tmp/mine; stat -c %u /tmp/mine; echo out > /dev/stdout",
    );
    one.spec.process.user = "web".into();
    if one.idmap.level == Level::OneId {
        skip!("one id only");
    }
    let text = one.text();
    for line in [
        "uid=33(web) gid=34(web) groups=4(adm)",
        "CapEff:\t0000000000000000",
        "CapBnd:\t00000000000004e1",
        "SigIgn:\t0000000000000000",
        "SigBlk:\t0000000000000000",
        "/srv",
        "33",
        "out",
    ] {
        assert!(text.lines().any(|l| l.trim().starts_with(line.trim())), "{line} in\n{text}");
    }
}

#[test]
fn tells_why_a_program_does_not_run() {
    for (args, code, word) in [
        (&["nosuch"][..], 127, "nosuch"),
        (&["/no/such"], 127, "/no/such"),
        (&["/etc/passwd"], 126, "not executable"),
        (&["/etc"], 126, "directory"),
    ] {
        let mut one = busybox("");
        one.spec.process.args = args.iter().map(|a| a.to_string()).collect();
        let e = one.run().unwrap_err();
        assert_eq!(e.exit_code(), code, "{e}");
        assert!(e.to_string().contains(word), "{e}");
    }
    let mut one = busybox("");
    one.spec.process.user = "nobody-here".into();
    assert_eq!(one.run().unwrap_err().exit_code(), 125);
}

#[test]
fn gives_a_terminal() {
    let mut one =
        busybox("tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo all; ls -l /dev/console; exit 7");
    one.spec.process.tty = true;
    let mut init = one.start(Stdio::Pty).unwrap();
    let master = init.created().unwrap().pty_master.unwrap();
    init.go().unwrap();
    init.executed().unwrap();
    let mut text = Vec::new();
    // EIO is the end of a pty.
    let _ = fs::File::from(master).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("30 100") && text.contains("all"), "{text}");
    assert_eq!(init.wait().unwrap(), 7);
}

#[test]
fn reaps_with_init() {
    let mut one = busybox("echo $$; (sleep 0.1 &); sleep 0.3; ps | grep -c '[Z]ombie'; kill -TERM 1; sleep 5");
    one.spec.init = true;
    let (text, code) = one.run().unwrap();
    assert!(text.starts_with("2\n") || text.starts_with("3\n"), "{text}");
    assert_eq!(code, 128 + libc::SIGTERM, "{text}");
}

#[test]
fn binds_and_volumes() {
    use coracle::spec::model::{Mount, MountKind};
    let mut one = busybox("cat /in/file; echo x > /in/new; echo y > /ro/new; echo z > /vol/z; cat /only");
    let (dir, vol) = (one.dir.path().join("in"), one.dir.path().join("vol"));
    fs::create_dir(&dir).unwrap();
    fs::create_dir(&vol).unwrap();
    fs::write(dir.join("file"), "content\n").unwrap();
    let mount = |kind, destination: &str, readonly| Mount {
        kind,
        destination: destination.into(),
        readonly,
        recursive: true,
        ..Mount::default()
    };
    let source = dir.to_str().unwrap().to_string();
    one.spec.mounts = vec![
        mount(MountKind::Bind { source: source.clone() }, "/in", false),
        mount(MountKind::Bind { source: source.clone() }, "/ro", true),
        mount(MountKind::Bind { source: source.clone() + "/file" }, "/only", false),
        mount(MountKind::Volume { name: "v".into(), copy_up: true, subpath: String::new() }, "/vol", false),
    ];
    one.volumes.insert("v".into(), vol.clone());
    let text = one.text();
    assert!(text.contains("can't create /ro/new: Read-only file system"), "{text}");
    assert_eq!(text.matches("content").count(), 2);
    assert_eq!(fs::read_to_string(dir.join("new")).unwrap(), "x\n");
    assert_eq!(fs::read_to_string(vol.join("z")).unwrap(), "z\n");
    let mut one = busybox("true");
    one.spec.mounts = vec![mount(MountKind::Bind { source: "/no/such/dir".into() }, "/in", false)];
    let e = one.run().unwrap_err();
    assert!(e.to_string().contains("/no/such/dir"), "{e}");
}

#[test]
fn dies_when_dropped() {
    let one = busybox("sleep 100");
    let null = || OwnedFd::from(fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap());
    let mut init = one.start(Stdio::Pipes { stdin: null(), stdout: null(), stderr: null() }).unwrap();
    init.created().unwrap();
    let pid = init.pid;
    drop(init);
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
}

impl Box {
    /// A running container that sleeps.
    fn sleeper(&self) -> Init {
        let null = || OwnedFd::from(fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap());
        let mut init = self.start(Stdio::Pipes { stdin: null(), stdout: null(), stderr: null() }).unwrap();
        init.created().unwrap();
        init.go().unwrap();
        init.executed().unwrap();
        init
    }

    fn request(&self, init: &Init, script: &str) -> (ExecRequest<'_>, OwnedFd) {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let stdin = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        let request = ExecRequest {
            spec: &self.spec,
            init_pid: init.pid,
            start_ticks: coracle::state::boot::start_ticks(init.pid).unwrap(),
            args: ["sh", "-c", script].map(String::from).to_vec(),
            env: vec!["EXTRA=1".into()],
            cwd: None,
            user: None,
            privileged: false,
            tty: false,
            window: None,
            stdio: Some((stdin, write.try_clone().unwrap(), write)),
            detach: false,
            cgroup: None,
        };
        (request, read)
    }
}

fn kill(mut init: Init) {
    rustix::process::pidfd_send_signal(&init.pidfd, rustix::process::Signal::KILL).unwrap();
    init.wait().unwrap();
}

#[test]
fn executes_in_a_running_container() {
    let one = busybox("sleep 100");
    let init = one.sleeper();
    let script = "hostname; id; env | grep -E 'EXTRA|PATH|HOME'; ps | grep -c '[s]leep'; grep -E 'CapEff|CapBnd' /proc/self/status; ls /proc/self/fd; exit 9";
    let (request, read) = one.request(&init, script);
    let process = exec(request).unwrap();
    let mut text = String::new();
    fs::File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(process.wait().unwrap(), 9, "{text}");
    for line in [
        "box",
        "uid=0(root) gid=0(root)",
        "EXTRA=1",
        "HOME=/root",
        "PATH=/bin",
        "1",
        "CapEff:\t00000000000004e1",
        "CapBnd:\t00000000000004e1",
        "0\n1\n2\n3\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    // A terminal of its own.
    let (mut request, _) = one.request(&init, "tty; stty size; echo done");
    (request.tty, request.window, request.stdio) = (true, Some((20, 60)), None);
    let process = exec(request).unwrap();
    let mut text = Vec::new();
    let _ = fs::File::from(process.pty_master.as_ref().unwrap().try_clone().unwrap()).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("/dev/pts/0") && text.contains("20 60") && text.contains("done"), "{text}");
    assert_eq!(process.wait().unwrap(), 0);
    // Failures.
    for (args, code) in [("nosuch", 127), ("/etc/passwd", 126)] {
        let (mut request, _) = one.request(&init, "");
        request.args = vec![args.into()];
        assert_eq!(exec(request).unwrap_err().exit_code(), code);
    }
    let (mut request, _) = one.request(&init, "true");
    request.start_ticks += 1;
    assert!(exec(request).unwrap_err().to_string().contains("ended"));
    kill(init);
}

/// The executed file of a process, held so that it outlives the process.
fn executable_of(pid: i32) -> OwnedFd {
    rustix::fs::open(format!("/proc/{pid}/exe"), rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap()
}

/// CVE-2019-5736: a container's root must not get a writable handle on our program, whose file may belong to him.
#[test]
fn the_program_is_out_of_reach() {
    let mut one = busybox("sleep 100");
    one.spec.init = true;
    let init = one.sleeper();
    // The reaper is our program for as long as the container lives.
    let (request, read) = one.request(&init, "ls -l /proc/1/exe /proc/1/fd; echo x > /proc/1/exe; echo written: $?");
    exec(request).unwrap().wait().unwrap();
    let mut text = String::new();
    fs::File::from(read).read_to_string(&mut text).unwrap();
    assert!(text.contains("written: 1"), "{text}");
    let reaper = executable_of(init.pid);
    // A script's interpreter is whoever executes it: us. It writes its usage to a full pipe and so stays for a look.
    fs::write(one.dir.path().join("c/upper/evil"), "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(one.dir.path().join("c/upper/evil"), fs::Permissions::from_mode(0o755)).unwrap();
    let (mut request, read) = one.request(&init, "");
    request.args = vec!["/evil".into()];
    let (_, _, stderr) = request.stdio.as_ref().unwrap();
    rustix::pipe::fcntl_setpipe_size(stderr, 4096).unwrap();
    rustix::io::write(stderr, &[b'x'; 4096]).unwrap();
    let process = exec(request).unwrap();
    let joined = executable_of(process.pid);
    drop(read);
    process.wait().unwrap();
    kill(init);
    for handle in [reaper, joined] {
        // Of the mount that it was executed through: a file system of its own would show its own state.
        let flags = rustix::fs::fstatvfs(&handle).unwrap().f_flag;
        assert!(flags.contains(rustix::fs::StatVfsMountFlags::RDONLY), "{flags:?}");
    }
}

#[test]
fn other_roots_than_the_kernels_overlay() {
    for root in [RootKind::Fuse, RootKind::Copy] {
        println!("{root:?}");
        if root == RootKind::Fuse {
            need!("fuse-overlayfs");
        }
        let mut one = busybox(
            "grep ' / ' /proc/mounts; id -u; echo x > /new; rm /etc/group; cat /new; stat -c '%a %u' / /tmp /bin/busybox",
        );
        one.root = root;
        let text = one.text();
        assert!(text.contains("\nx\n") && text.contains("1777 0"), "{root:?}: {text}");
        assert_eq!(text.contains("fuse"), root == RootKind::Fuse, "{text}");
        // The second start finds what the first one did.
        one.spec.process.args = ["sh", "-c", "cat /new; ls /etc"].map(String::from).to_vec();
        assert_eq!(one.text(), "x\npasswd\n", "{root:?}");
    }
}

#[test]
fn keeps_the_users_id() {
    let mut one = busybox(
        "id; stat -c '%u %g %h' /bin/busybox /bin/hard /bin/other / /tmp/s; cat /etc/passwd; echo more >> /bin/hard",
    );
    if one.idmap.level != Level::Full {
        skip!("needs subordinate ids");
    }
    let layer = one.dir.path().join("layers/one/diff");
    fs::hard_link(layer.join("bin/busybox"), layer.join("bin/hard")).unwrap();
    fs::copy("/bin/busybox", layer.join("bin/other")).unwrap();
    fs::write(layer.join("tmp/s"), "text").unwrap();
    one.spec.userns = coracle::spec::model::UserNs::KeepId { uid: Some(1000), gid: Some(1001) };
    one.spec.process.user = "1000:1001".into();
    let (text, _) = one.run().unwrap();
    assert!(text.starts_with("uid=1000"), "{text}");
    assert!(text.contains("gid=1001"), "{text}");
    assert_eq!(text.matches("0 0 2\n").count(), 2, "{text}");
    assert!(text.contains(":*:1000:1001:") && text.contains("Permission denied"), "{text}");
    // Root is another id outside, and owns everything still.
    one.spec.process.user = "0".into();
    one.spec.process.args = [
        "sh",
        "-c",
        "id -u; rm /bin/other; echo more >> /bin/hard; stat -c %s /bin/hard /bin/busybox; cat /tmp/s; ls /bin/other",
    ]
    .map(String::from)
    .to_vec();
    let (text, _) = one.run().unwrap();
    let size = fs::metadata("/bin/busybox").unwrap().len();
    assert!(text.contains("No such file") && text.contains("text"), "{text}");
    assert!(text.contains(&format!("{}\n", size + 5)), "{text}");
    assert_eq!(fs::metadata(layer.join("bin/busybox")).unwrap().len(), size);
}

#[test]
fn shares_namespaces_of_another_container() {
    use coracle::spec::model::Ns;
    let one = busybox("echo there > /dev/shm/file; echo ready > /tmp/ready; sleep 100");
    let init = one.sleeper();
    let ready = one.dir.path().join("c/upper/tmp/ready");
    while !ready.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut two = busybox(
        "cat /dev/shm/file; hostname; ps | grep -c '[s]leep 100'; readlink /proc/self/ns/net; readlink /proc/self/ns/user",
    );
    let fd = || Some(init.pidfd.try_clone().unwrap());
    let other = || Ns::Container("f".repeat(64));
    (two.spec.ipc, two.spec.uts, two.spec.pid) = (other(), other(), other());
    two.spec.network.mode = NetMode::Container("f".repeat(64));
    two.joins.set(Joins { user: fd(), net: fd(), pid: fd(), ipc: fd(), uts: fd(), cgroup: None, ..Joins::default() });
    let text = two.text();
    let link = |ns: &str| fs::read_link(format!("/proc/{}/ns/{ns}", init.pid)).unwrap().display().to_string();
    let want = format!("there\nbox\n1\n{}\n{}\n", link("net"), link("user"));
    assert_eq!(text, want);
    kill(init);
}
