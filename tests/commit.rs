//! Containers become images: `diff`, `commit`, `export`, and the way back by `import`.

mod common;

use common::{TestEnv, fixtures};
use std::collections::BTreeMap;

/// What changes in every way that a layer can hold.
const WORK: &str = "set -e; echo add > /added; mkdir -p /new/sub; echo x > /new/sub/f; echo more >> /etc/passwd; \
    chmod 700 /home/app; rm -rf /var/lib/data; mkdir /var/lib/data; echo r > /var/lib/data/replaced; \
    mv /home/app /home/moved; ln /added /hard; rm /bin/vi; ln -s /added /soft; mknod /fifo p; chown 33:44 /new/sub/f; \
    truncate -s 3M /sparse; echo end >> /sparse; ln -s x /new/ln; chown -h 5:6 /new/ln";

const CHANGES: &str = "A /added\nC /bin\nD /bin/vi\nC /etc\nC /etc/passwd\nA /fifo\nA /hard\nC /home\nD /home/app\n\
    A /home/moved\nA /new\nA /new/ln\nA /new/sub\nA /new/sub/f\nA /soft\nA /sparse\nC /var\nC /var/lib\n\
    D /var/lib/data\nA /var/lib/data/replaced\n";

fn worked() -> TestEnv {
    let env = TestEnv::new().with_busybox();
    env.run(["run", "--network", "none", "--name", "c", "busybox", "sh", "-c", WORK]).success();
    env
}

fn tools() -> bool {
    fixtures::can_make()
}

/// Owner, mode, size and kind of every file, as a container of the image sees it.
fn listing(env: &TestEnv, image: &str) -> String {
    // Sizes of directories are the file system's business.
    let script = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path '/etc/?*' -o -path '/bin/?*' \\
        -o -path /run \\) -prune -o -print | sort | while read -r f; do \\
        if [ -d \"$f\" ] && [ ! -L \"$f\" ]; then stat -c '%n %F %a %u:%g' $f; else stat -c '%n %F %a %u:%g %s %Y %N' $f; fi; done";
    env.run(["run", "--rm", "--network", "none", image, "sh", "-c", script]).success().stdout
}

#[test]
fn diff_tells_what_changed() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = worked();
    env.sh("diff c").success().prints(CHANGES);
    let json = env.sh("diff --format json c").success().json();
    assert_eq!(json["deleted"], serde_json::json!(["/bin/vi", "/home/app", "/var/lib/data"]));
    env.sh("container diff c").success().prints(CHANGES);
    // Not "c", which may be the beginning of the image's id.
    env.sh("rename c worker").success();
    let _ = env.sh("image diff worker").fails(125, &["no such image"]);
    env.sh("rename worker c").success();
    let _ = env.sh("diff nosuch").fails(125, &["no such container or image"]);
    // An image against the one below it, and against another.
    env.sh("commit c img").success();
    // In the image the directory was not made anew: what it lacks is told one by one.
    let made_anew = "D /var/lib/data\nA /var/lib/data/replaced\n";
    let top = CHANGES.replace(made_anew, "C /var/lib/data\nA /var/lib/data/replaced\nD /var/lib/data/seed\n");
    let touched = |text: &str| text.replace("C /etc\n", "");
    assert_eq!(touched(&env.sh("diff img").success().stdout), touched(&top));
    env.sh("diff busybox img").success().has("A /bin/vi").has("D /added");
    env.sh("diff img img").success().prints("");
}

#[test]
fn a_committed_image_has_the_containers_files() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = worked();
    let id = env.sh("commit -a me -m note c img:1").success().line();
    assert_eq!(id.len(), 64);
    let files = listing(&env, "img:1");
    for part in [
        "/added regular file 644 0:0 4",
        "/new/sub/f regular file 644 33:44 2",
        "/new/ln symbolic link 777 5:6",
        "/fifo fifo 644 0:0",
        "/home/moved directory 700",
        "/var/lib/data/replaced",
        "/sparse regular file 644 0:0 3145732",
    ] {
        assert!(files.contains(part), "{part} not in\n{files}");
    }
    for gone in ["/bin/vi", "/var/lib/data/seed", "/home/app"] {
        assert!(!files.contains(&format!("{gone} ")), "{gone}\n{files}");
    }
    env.sh("run --rm img:1 sh -c 'stat -c %h /hard; tail -c 4 /sparse'").success().prints("2\nend\n");
    // Flattened it is the same.
    env.sh("commit --squash c flat").success();
    assert_eq!(listing(&env, "flat"), files);
    assert_eq!(env.sh("image inspect flat").success().json()[0]["RootFS"]["Layers"].as_array().unwrap().len(), 1);
    let image = env.sh("image inspect img:1").success().json()[0].take();
    assert_eq!((image["Author"].as_str(), image["Comment"].as_str()), (Some("me"), Some("note")));
    assert_eq!(image["RootFS"]["Layers"].as_array().unwrap().len(), 2);
}

#[test]
fn commit_keeps_and_changes_the_config() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = TestEnv::new().with_busybox();
    env.sh("run --name c -e A=1 -l who=me -w /tmp -u app -v named:/vol -h there busybox sh -c true").success();
    let changes = [
        "ENV B=2",
        "EXPOSE 80",
        "HEALTHCHECK --interval=5s CMD true",
        "ONBUILD RUN x",
        "STOPSIGNAL SIGINT",
        "VOLUME /data",
        "LABEL x=y",
    ];
    let mut args = vec!["commit", "--iidfile", "id", "--include-volumes"];
    changes.iter().for_each(|c| args.extend(["-c", c]));
    args.extend(["c", "img"]);
    let id = env.run(args).success().line();
    assert_eq!(std::fs::read_to_string(env.path("id")).unwrap(), id);
    let config = env.sh("image inspect img").success().json()[0]["Config"].take();
    assert_eq!(config["Cmd"], serde_json::json!(["sh", "-c", "true"]));
    assert_eq!((config["User"].as_str(), config["WorkingDir"].as_str()), (Some("app"), Some("/tmp")));
    let env_list: Vec<&str> = config["Env"].as_array().unwrap().iter().filter_map(|e| e.as_str()).collect();
    for entry in ["A=1", "B=2", "FROM_IMAGE=yes"] {
        assert!(env_list.contains(&entry), "{env_list:?}");
    }
    assert!(!env_list.iter().any(|e| e.starts_with("HOSTNAME=")), "{env_list:?}");
    assert_eq!(config["Labels"], serde_json::json!({"made-by": "umoci", "who": "me", "x": "y"}));
    assert_eq!(config["Healthcheck"]["Interval"], 5_000_000_000u64);
    assert_eq!(config["StopSignal"], "SIGINT");
    assert_eq!(config["OnBuild"][0], "RUN x");
    let volumes: Vec<&String> = config["Volumes"].as_object().unwrap().keys().collect();
    assert_eq!(volumes, ["/data", "/vol"]);
    // A wrong change leaves nothing.
    let _ = env.sh("commit -c 'RUN x' c bad").fails(125, &["RUN x"]);
    let _ = env.sh("image exists bad").code(1);
    // No change of files makes no layer, but a step.
    env.sh("create --name same busybox").success();
    env.sh("commit same plain").success();
    let image = env.sh("image inspect plain").success().json()[0].take();
    assert_eq!(image["RootFS"]["Layers"].as_array().unwrap().len(), 1);
    env.sh("commit -f docker -q c dk").success();
    env.sh("run --rm dk true").success();
    // Without the image only a flat copy can be made.
    env.sh("rmi -f busybox img plain dk").success();
    let _ = env.sh("commit c again").fails(125, &["--squash"]);
    env.sh("commit --squash c again").success();
    env.sh("run --rm again echo yes").success().prints("yes\n");
}

#[test]
fn a_running_container_is_committed_and_exported() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = TestEnv::new().with_busybox();
    env.start("--name c busybox sh -c 'echo live > /live; while :; do echo x >> /grow; done'");
    common::eventually("the file", 10, || env.sh("diff c").stdout.contains("A /live"));
    env.sh("commit -p c img").success();
    env.sh("run --rm img cat /live").success().prints("live\n");
    env.sh("export -o out.tar c").success();
    let list = std::process::Command::new("tar").arg("-tf").arg(env.path("out.tar")).output().unwrap();
    assert!(String::from_utf8_lossy(&list.stdout).lines().any(|l| l == "live"));
    assert_eq!(env.inspect("c")["State"]["Status"], "running");
}

#[test]
fn keep_id_and_one_id_containers_are_committed() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = TestEnv::new().with_busybox();
    env.sh("run --name k --userns keep-id:uid=1000,gid=1000 busybox sh -c 'echo mine > /tmp/mine; mkdir /tmp/d'")
        .success();
    env.sh("commit k img").success();
    env.sh("run --rm img stat -c '%u:%g %a' /tmp/mine /bin/busybox /etc/passwd")
        .success()
        .prints("1000:1000 644\n0:0 755\n0:0 644\n");
    // The second layer covers files of the first.
    env.sh("run --rm --userns keep-id:uid=1000,gid=1000 img sh -c 'cat /tmp/mine; grep -c app /etc/passwd'")
        .success()
        .prints("mine\n1\n");
    env.sh("commit --squash k flat").success();
    env.sh("run --rm flat sh -c 'cat /tmp/mine; busybox stat -c %u /tmp/mine'").success().prints("mine\n1000\n");
}

#[test]
fn the_same_content_gives_the_same_digests() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let script =
        "set -e; mkdir -p /srv/a/b; echo x > /srv/a/b/f; ln /srv/a/b/f /srv/z; rm /bin/vi; chmod 600 /etc/group";
    let mut seen: Vec<BTreeMap<String, String>> = Vec::new();
    for _ in 0..2 {
        let env = TestEnv::new().with_busybox();
        env.run(["run", "--name", "c", "-h", "h", "--network", "none", "busybox", "sh", "-c", script]).success();
        let ran = |args: &str| {
            let mut command = env.command(shlex::split(args).unwrap());
            command.env("SOURCE_DATE_EPOCH", "1700000000");
            env.finish(&mut command, b"").success().stdout
        };
        let mut all = BTreeMap::new();
        all.insert("commit".to_string(), ran("commit c img"));
        all.insert("squash".to_string(), ran("commit --squash c img2"));
        ran("export -o out.tar c");
        let tar = std::fs::read(env.path("out.tar")).unwrap();
        all.insert("export".to_string(), format!("{:?} {}", tar.len(), hash(&tar)));
        all.insert("import".to_string(), ran("import out.tar img3"));
        seen.push(all);
    }
    assert_eq!(seen[0], seen[1]);
}

/// Nothing but the content decides, unless a time is asked for: not when, and not from where.
#[test]
fn nothing_is_dated_by_the_clock() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = worked();
    let first = env.sh("commit c one").success().line();
    env.sh("export -o out.tar c").success();
    let imported = env.sh("import out.tar two").success().line();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(env.sh("commit c again").success().line(), first);
    env.sh("export -o later.tar c").success();
    let tar = std::fs::read(env.path("out.tar")).unwrap();
    assert!(std::fs::read(env.path("later.tar")).unwrap() == tar);
    assert_eq!(env.sh("import later.tar").success().line(), imported);
    assert_eq!(env.run_with_stdin(["import", "-"], &tar).success().line(), imported);
    let finished = env.inspect("c")["State"]["FinishedAt"].as_str().unwrap().to_string();
    let created = env.sh("image inspect -f {{.Created}} one").success().line();
    assert_eq!(created[..19], finished[..19]);
    let mut dated = env.command(["commit", "c", "dated"]);
    env.finish(dated.env("SOURCE_DATE_EPOCH", "1700000000"), b"").success();
    let created = env.sh("image inspect -f {{.Created}} dated").success().line();
    assert!(created.starts_with("2023-11-14"), "{created}");
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[test]
fn export_and_import_go_round() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = worked();
    let tar = env.sh("export -o out.tar c").success();
    assert_eq!(tar.stdout, "");
    env.sh("import -c 'CMD sh' out.tar back").success();
    let back = listing(&env, "back");
    env.sh("commit c img").success();
    assert_eq!(back, listing(&env, "img"));
    // The same through a pipe.
    let mut shell = env.program("sh");
    let me = common::binary().display().to_string();
    let (root, run) = (env.root().display().to_string(), env.runroot().display().to_string());
    shell.args(["-c", &format!("{me} --root {root} --runroot {run} export c | cmp - out.tar")]);
    env.finish(&mut shell, b"").success();
    // A directory as root.
    std::fs::create_dir_all(env.path("dir/bin")).unwrap();
    std::fs::write(env.path("dir/file"), "x").unwrap();
    env.sh("create --name d --rootfs dir /bin/sh").success();
    let _ = env.sh("commit d x").fails(125, &["export"]);
    let _ = env.sh("diff d").fails(125, &["not an image"]);
    env.sh("export -o d.tar d").success();
    let _ = env.sh("export nosuch").fails(125, &["nosuch"]);
}

#[test]
fn others_run_what_was_committed() {
    need!("skopeo", "umoci");
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = worked();
    env.sh("commit c img").success();
    let root = env.root().display().to_string();
    let mut copy = env.program("skopeo");
    copy.args(["--insecure-policy", "copy", "-q", &format!("oci:{root}:localhost/img:latest"), "oci:layout:img"]);
    env.finish(&mut copy, b"").success();
    let mut unpack = env.program("umoci");
    unpack.args(["unpack", "--rootless", "--image", "layout:img", "bundle"]);
    env.finish(&mut unpack, b"").success();
    assert_eq!(std::fs::read_to_string(env.path("bundle/rootfs/var/lib/data/replaced")).unwrap(), "r\n");
    for gone in ["bin/vi", "var/lib/data/seed", "home/app"] {
        assert!(!env.path("bundle/rootfs").join(gone).exists(), "{gone}");
    }
    assert_eq!(std::fs::metadata(env.path("bundle/rootfs/sparse")).unwrap().len(), (3 << 20) + 4);
}

#[test]
fn a_killed_commit_or_save_leaves_nothing_half_done() {
    if !tools() {
        skip!("the test image can't be made");
    }
    let env = worked();
    for (step, args) in [
        ("commit:packing", vec!["commit", "c", "img"]),
        ("commit:layer", vec!["commit", "c", "img"]),
        ("commit:composed", vec!["commit", "c", "img"]),
        ("save:written", vec!["save", "-o", "out.tar", "busybox"]),
        ("save:written", vec!["save", "--format", "oci-dir", "-o", "out.dir", "busybox"]),
    ] {
        let mut command = env.command(&args);
        command.env("CORACLE_TEST_STOP_AT", step).stdout(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        common::eventually(step, 20, || std::fs::read_to_string(&stat).is_ok_and(|s| s.contains(") T ")));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(env.sh("images --format '{{.Repository}}'").success().stdout, "localhost/busybox\n", "{step}");
        assert!(!env.path("out.tar").exists() && !env.path("out.dir").exists(), "{step}");
        env.sh("diff c").success().prints(CHANGES);
    }
    let before = env.sh("commit c img").success().line();
    env.sh("run --rm img cat /added").success().prints("add\n");
    // What the killed ones stored is collected with the next removal.
    assert_eq!(env.sh("rmi img").success().stdout.lines().last(), Some(format!("Deleted: {before}").as_str()));
    assert_eq!(std::fs::read_dir(env.root().join("tmp")).unwrap().count(), 0);
}

/// File capabilities, set-id bits and owners of files that a container touched are in its image.
#[test]
fn privileges_of_files_survive_a_commit() {
    need!("python3", "busybox");
    let env = TestEnv::new();
    let python = r"
import tarfile, io, sys, shutil
t = tarfile.open('c.tar', 'w', format=tarfile.PAX_FORMAT)
t.add(shutil.which('busybox'), 'bin/busybox')
def add(name, mode, **xattrs):
    i = tarfile.TarInfo(name); i.mode = mode; i.size = 4; i.uid = 33; i.gid = 44; i.mtime = 1234567890
    i.pax_headers = {'SCHILY.xattr.' + k.replace('_', '.'): v for k, v in xattrs.items()}
    t.addfile(i, io.BytesIO(b'data'))
add('ping', 0o755, security_capability='\x01\x00\x00\x02\x00\x20\x00\x00' + '\x00' * 12)
add('suid', 0o4755)
add('sgid', 0o2711, user_note='kept')
t.close()
";
    env.file("make.py", python);
    fixtures::sh(&env.dir, "python3 make.py");
    env.sh("import c.tar caps").success();
    let script = "for f in ping suid sgid; do /bin/busybox touch -d @99 /$f; done; /bin/busybox mv /ping /moved";
    env.run(["run", "--name", "made", "--network", "none", "caps", "/bin/busybox", "sh", "-c", script]).success();
    env.sh("commit made out").success();
    env.sh("save --format oci-dir -o layout out").success();
    let python = r"
import tarfile, json, gzip, io
rd = lambda d: open('layout/blobs/' + d.replace(':', '/'), 'rb').read()
m = json.loads(rd(json.load(open('layout/index.json'))['manifests'][0]['digest']))
b = rd(m['layers'][-1]['digest'])
b = gzip.decompress(b) if b[:2] == b'\x1f\x8b' else b
for e in tarfile.open(fileobj=io.BytesIO(b)):
    if e.name in ('moved', 'suid', 'sgid', '.wh.ping'):
        x = {k[13:]: v.encode().hex() for k, v in sorted(e.pax_headers.items()) if 'xattr' in k}
        print(e.name, oct(e.mode), e.uid, e.gid, int(e.mtime), x)
";
    env.file("show.py", python);
    let mut show = env.program("python3");
    show.arg("show.py");
    let capability = format!("{{'security.capability': '0100000200200000{}'}}", "00".repeat(12));
    let note = "{'user.note': '6b657074'}";
    let want = format!(
        "moved 0o755 33 44 99 {capability}\n.wh.ping 0o600 0 0 0 {{}}\nsgid 0o2711 33 44 99 {note}\nsuid 0o4755 33 44 99 {{}}\n"
    );
    env.finish(&mut show, b"").success().prints(&want);
    env.sh("rm made").success();
}
