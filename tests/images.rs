//! Images made by others' tools: archives, registries, and a comparison of what is unpacked.

mod common;

use common::pty::Pty;
use common::registry::Registry;
use common::{TestEnv, fixtures};
use std::path::Path;

#[test]
fn archives_of_both_kinds_load() {
    let env = busybox_env!();
    env.sh("images --format '{{.Repository}}:{{.Tag}}'").success().prints("localhost/busybox:latest\n");
    let id = env.sh("images -q").success().line();
    env.sh(&format!("rmi {id}")).success();
    env.load(&fixtures::busybox_docker()).has("localhost/busybox:latest");
    env.sh("run --rm busybox echo docker").success().prints("docker\n");
    let bytes = std::fs::read(fixtures::busybox()).unwrap();
    env.run_with_stdin(["load"], &bytes).success();
    assert_eq!(env.sh("images -q").success().stdout.lines().count(), 1);
}

#[test]
fn load_takes_directories_and_compressed_archives() {
    let env = busybox_env!();
    env.sh("rmi busybox").success();
    let archive = fixtures::busybox();
    let archive = archive.display();
    fixtures::sh(&env.dir, &format!("mkdir layout && tar -C layout -xf {archive} && gzip -c {archive} > a.tar.gz"));
    env.sh("load -i layout").success();
    env.sh("run --rm busybox true").success();
    env.sh("rmi busybox").success();
    env.sh("load -i a.tar.gz").success();
    env.sh("run --rm busybox true").success();
    fixtures::sh(&env.dir, &format!("xz -0 -c {archive} > a.tar.xz && bzip2 -1 -c {archive} > a.tar.bz2"));
    for compressed in ["a.tar.xz", "a.tar.bz2"] {
        env.sh("rmi busybox").success();
        env.sh(&format!("load -i {compressed}")).success();
    }
    let _ = env.sh("load -i /no/such/file").fails(125, &["/no/such/file"]);
    // What a program before the pipe that failed leaves.
    let _ = env.run_with_stdin(["load"], b"").fails(125, &["it is empty"]);
    env.file("junk", "not an archive at all");
    let _ = env.sh("load -i junk").fails(125, &["junk"]);
}

#[test]
fn load_shows_its_progress_on_a_terminal_only() {
    let env = busybox_env!();
    env.sh("rmi busybox").success();
    let archive = fixtures::busybox();
    fixtures::sh(&env.dir, &format!("mkdir layout && tar -C layout -xf {}", archive.display()));
    for input in ["layout", &archive.display().to_string()] {
        env.load(Path::new(input)).has("Loaded image");
        assert_eq!(env.load(Path::new(input)).stderr, "", "no bar in a pipe");
        let (code, screen) = Pty::spawn(env.command(["load", "-i", input])).end();
        assert_eq!(code, 0, "{screen}");
        for part in ["reading", "unpacking", "Loaded image: localhost/busybox:latest\r\n"] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
        let (_, screen) = Pty::spawn(env.command(["load", "-q", "-i", input])).end();
        assert_eq!(screen, "", "quiet");
    }
}

#[test]
fn layouts_of_another_kind_are_refused() {
    let env = busybox_env!();
    fixtures::sh(&env.dir, &format!("mkdir layout && tar -C layout -xf {}", fixtures::busybox().display()));
    env.file("layout/oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#);
    let _ = env.sh("load -i layout").fails(125, &["OCI layout of version '2.0.0'"]);
}

#[test]
fn tags_history_and_removal() {
    let env = busybox_env!();
    env.sh("tag busybox other:1").success();
    assert_eq!(env.sh("images -q").success().stdout.lines().collect::<std::collections::BTreeSet<_>>().len(), 1);
    env.sh("rmi busybox").success().has("Untagged");
    env.sh("run --rm other:1 true").success();
    env.sh("history other:1").success().has("umoci");
    env.sh("run --name user other:1 true").success();
    let _ = env.sh("rmi other:1").code(2);
    let _ = env.sh("rmi nosuch").fails(1, &["nosuch"]);
    let _ = env.sh("rmi -f nosuch").success().prints("");
    env.sh("rm user").success();
    env.sh("rmi other:1").success().has("Deleted");
    env.sh("images -q").success().prints("");
    assert_eq!(std::fs::read_dir(env.root().join("blobs/sha256")).unwrap().count(), 0, "blobs stay");
    assert_eq!(std::fs::read_dir(env.root().join("layers")).unwrap().count(), 0, "layers stay");
}

/// The orders and fields that podman's users know, by the names that podman's JSON has as well.
#[test]
fn lists_are_ordered_and_shown_as_podmans() {
    let env = busybox_env!();
    env.sh("tag busybox zeta.test/x:1").success();
    let newer = env.run_with_stdin(["import", "-", "alpha.test/y:2"], &common::hostile::tar("file", 10)).success();
    let (old, new) = (env.sh("images -q --no-trunc busybox").success().line(), newer.line());
    let order = |key: &str| {
        let out = env.run(["images", "--sort", key, "--format", "{{.Repository}}"]).success().stdout;
        out.lines().map(String::from).collect::<Vec<_>>().join(" ")
    };
    for key in ["repository", "Repository", "name", "Names"] {
        assert_eq!(order(key), "alpha.test/y localhost/busybox zeta.test/x", "{key}");
    }
    for key in ["size", "Size", "VirtualSize"] {
        assert!(order(key).starts_with("alpha.test/y "), "{key}");
    }
    assert_eq!(order("tag"), "zeta.test/x alpha.test/y localhost/busybox");
    assert_eq!(order("created"), order("CreatedAt"));
    let by_id = order("Id").starts_with("alpha.test/y");
    assert_eq!(by_id, new.trim_start_matches("sha256:") < old.trim_start_matches("sha256:"));
    let _ = env.sh("images --sort colour").fails(125, &["colour", "repository"]);
    let format = "{{.Id}} {{.Dangling}} {{.IsManifestList}} {{.SharedSize}} {{.ParentId}}|{{.History}}";
    let full = old.trim_start_matches("sha256:");
    let shown = env.run(["images", "--format", format, "zeta.test/x"]).success().line();
    assert_eq!(shown, format!("{full} false false 0 |localhost/busybox:latest, zeta.test/x:1"));
    let table = env.sh("images --history zeta.test/x").success().stdout;
    assert!(table.contains("HISTORY") && table.contains("localhost/busybox:latest, zeta.test/x:1"), "{table}");
    // Where case is ignored an object must not have the same name twice.
    let json = env.sh("images --format json zeta.test/x").success().json();
    let mut keys: Vec<String> = json[0].as_object().unwrap().keys().map(|k| k.to_lowercase()).collect();
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn a_short_name_that_several_registries_have_means_its_alias() {
    let env = busybox_env!();
    env.sh("tag busybox one.test/dir/short").success();
    env.sh("tag busybox two.test/dir/short").success();
    for pull in ["missing", "never"] {
        let _ = env.sh(&format!("run --rm --pull={pull} dir/short true")).fails(125, &["several registries have it"]);
    }
    env.file("home/.config/containers/registries.conf", "[aliases]\n'dir/short' = 'two.test/dir/short'\n");
    for pull in ["missing", "never"] {
        env.sh(&format!("run --rm --pull={pull} dir/short echo {pull}")).success().prints(&format!("{pull}\n"));
    }
    env.sh("create --name c dir/short").success();
    assert_eq!(env.inspect("c")["Config"]["Image"], "dir/short");
}

#[test]
fn image_inspect_has_dockers_names() {
    let env = busybox_env!();
    let i = env.sh("image inspect busybox").success().json()[0].take();
    assert_eq!(i["Config"]["Cmd"][0], "sh");
    assert_eq!(i["Config"]["Labels"]["made-by"], "umoci");
    assert_eq!(i["Os"], "linux");
    assert_eq!(i["RepoTags"][0], "localhost/busybox:latest");
    assert_eq!(i["RootFS"]["Layers"].as_array().unwrap().len(), 1);
    env.sh("image exists busybox").success();
    let _ = env.sh("image exists nosuch").code(1);
}

#[test]
fn the_store_is_a_layout_that_skopeo_reads() {
    let env = busybox_env!();
    let store = env.root().display().to_string();
    let mut skopeo = env.program("skopeo");
    let inspect = ["--insecure-policy", "inspect", "--raw"];
    skopeo.args(inspect).arg(format!("oci:{store}:localhost/busybox:latest"));
    let raw = env.finish(&mut skopeo, b"").success();
    assert!(raw.json()["layers"].is_array(), "{raw}");
    let mut skopeo = env.program("skopeo");
    skopeo
        .args(["--insecure-policy", "copy", "-q"])
        .arg(format!("oci:{store}:localhost/busybox:latest"))
        .arg("dir:out");
    env.finish(&mut skopeo, b"").success();
    assert!(env.path("out/manifest.json").exists());
}

#[test]
fn import_makes_an_image_of_a_tar() {
    let env = busybox_env!();
    fixtures::sh(&env.dir, "mkdir -p r/bin && cp $(command -v busybox) r/bin/sh && tar -C r -cf r.tar .");
    env.sh("import -c 'CMD [\"sh\",\"-c\",\"echo imported\"]' -m note r.tar made:1").success();
    env.sh("run --rm --network none made:1").success().prints("imported\n");
    let tar = std::fs::read(env.path("r.tar")).unwrap();
    env.run_with_stdin(["import", "-", "piped"], &tar).success();
    env.sh("run --rm --network none piped sh -c 'echo x'").success().prints("x\n");
}

#[test]
fn pull_from_a_registry_filled_by_skopeo() {
    need!("docker-registry", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let registry = Registry::start(&env.path("registry")).unwrap();
    let archive = format!("oci-archive:{}", fixtures::busybox().display());
    for (name, options) in [
        ("plain", vec![]),
        ("zstd", vec!["--dest-compress-format", "zstd", "--dest-compress"]),
        ("v2s2", vec!["--format", "v2s2"]),
    ] {
        registry.push(&archive, name, &options);
        let reference = registry.name(name);
        let out = env.run(["pull", &reference]).success();
        assert!(!out.stderr.contains('\u{1b}'), "progress bars without a terminal: {out}");
        env.run(["run", "--rm", &reference, "echo", name]).success().prints(&format!("{name}\n"));
    }
    // By run itself, by digest, and again without the registry.
    let reference = registry.name("plain");
    env.run(["rmi", "-f", &reference]).success();
    env.run(["run", "--rm", &reference, "true"]).success();
    drop(registry);
    env.run(["run", "--rm", &reference, "true"]).success();
    let _ = env.run(["pull", &reference]).code(125);
    env.run(["run", "--rm", "--pull", "always", &reference, "true"]).code(125);
}

#[test]
fn images_that_buildah_made_and_pushed_run() {
    need!("docker-registry", "buildah", "busybox", "unshare");
    let env = TestEnv::new();
    let registry = Registry::start(&env.path("registry")).unwrap();
    for format in ["oci", "docker"] {
        let name = registry.name(format);
        let script = format!(
            r#"b() {{ buildah --root $PWD/b --runroot $PWD/b-run --storage-driver vfs "$@"; }}
            mkdir -p tree/bin; cp $(command -v busybox) tree/bin/; ln -sf busybox tree/bin/echo; echo 7 > tree/owned
            c=$(b from scratch); b copy -q $c tree /; b copy -q --chown 7:8 $c tree/owned /owned
            b config --cmd '["echo","made","by","buildah"]' --env PATH=/bin --label tool=buildah --user 7 $c
            b commit -q --format {format} $c made; b push -q --tls-verify=false made docker://{name}"#
        );
        env.finish(&mut env.as_mapped_root(&script), b"").success();
        env.run(["run", "--rm", &name]).success().prints("made by buildah\n");
        let owner = env.run(["run", "--rm", &name, "busybox", "stat", "-c", "%u:%g", "/owned"]).success();
        assert_eq!(
            (owner.line().as_str(), env.run(["run", "--rm", &name, "busybox", "id", "-u"]).success().line()),
            ("7:8", "7".into())
        );
        let labels = env.run(["image", "inspect", "--format", "{{.Config.Labels.tool}}", &name]);
        labels.success().prints("buildah\n");
    }
}

#[test]
fn registry_faults_are_clear() {
    need!("docker-registry", "skopeo", "umoci", "busybox", "htpasswd");
    let env = TestEnv::new();
    let mut htpasswd = env.program("htpasswd");
    htpasswd.args(["-Bbn", "joe", "secret"]);
    let users = env.finish(&mut htpasswd, b"").success().stdout;
    let registry = Registry::with_auth(&env.path("registry"), &users).unwrap();
    let archive = format!("oci-archive:{}", fixtures::busybox().display());
    registry.push(&archive, "closed", &["--dest-creds", "joe:secret"]);
    let reference = registry.name("closed");
    let out = env.run(["pull", &reference]).code(125);
    assert!(out.stderr.contains("401") || out.stderr.contains("unauthorized"), "{}", out.stderr);
    env.run(["pull", "--creds", "joe:wrong", &reference]).code(125);
    env.run(["pull", "--creds", "joe:secret", &reference]).success();
    env.run(["pull", "--creds", "joe:secret", &registry.name("absent")]).code(125).err_has("absent");
    let auth = env.file(
        "auth.json",
        format!("{{\"auths\":{{\"127.0.0.1:{}\":{{\"auth\":\"am9lOnNlY3JldA==\"}}}}}}", registry.port),
    );
    env.run(["rmi", &reference]).success();
    env.run(["pull", "--authfile", auth.to_str().unwrap(), &reference]).success();
}

#[test]
fn a_damaged_blob_is_refused() {
    need!("docker-registry", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let registry = Registry::start(&env.path("registry")).unwrap();
    registry.push(&format!("oci-archive:{}", fixtures::busybox().display()), "bad", &[]);
    // Flip bytes in the largest blob, where the registry keeps it.
    fixtures::sh(
        &env.path("registry"),
        "f=$(find blobs -name data -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2); \
         printf XXXX | dd of=$f bs=1 seek=2000 conv=notrunc 2>/dev/null",
    );
    let out = env.run(["pull", &registry.name("bad")]).code(125);
    assert!(out.stderr.contains("digest") || out.stderr.contains("sha256"), "{}", out.stderr);
    env.sh("images -q").success().prints("");
    assert_eq!(std::fs::read_dir(env.root().join("tmp")).map(|d| d.count()).unwrap_or(0), 0);
}

#[test]
fn a_platform_that_is_not_there() {
    need!("docker-registry", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let registry = Registry::start(&env.path("registry")).unwrap();
    let script = format!(
        "umoci init --layout l; umoci new --image l:x; umoci config --image l:x --architecture s390x; \
         skopeo --insecure-policy copy -q --dest-tls-verify=false oci:l:x docker://{}",
        registry.name("foreign")
    );
    fixtures::sh(&env.dir, &script);
    let out = env.run(["run", "--rm", &registry.name("foreign"), "true"]);
    assert!(out.code == 125 && out.stderr.contains("s390x") || out.code == 126 || out.code == 127, "{out}");
}

/// Compares the tree of the image entry by entry with what `theirs`, the shell script of another tool, leaves in its
/// working directory: kinds, modes, owners, sizes, links, times, extended attributes; but for `other` directories.
fn same_tree(env: &TestEnv, tool: &str, theirs: &str, image: &str, other: &[&str]) {
    // The root directory itself: containers/storage does not take it from the layer.
    let list = "find . -xdev -mindepth 1 ! -path ./dev/\\* -printf '%p %y %m %U %G %s %n %l %T@\\n' |
        sed -E 's/^(.* d [0-9]+ [0-9]+ [0-9]+) [0-9]+ [0-9]+/\\1/' | sort
        find . -xdev -mindepth 1 -print0 | sort -z | xargs -0 getfattr -h -d -m - 2>/dev/null | grep -v user.overlay || true";
    let theirs = env.finish(&mut env.as_mapped_root(&format!("{theirs}\n{list}")), b"").success().stdout;
    let id = env.run(["create", "--network", "none", image, "true"]).success().line();
    let out = env.run(["cp", &format!("{id}:/."), "-"]).success();
    env.run(["rm", &id]).success();
    std::fs::write(env.path("root.tar"), out.stdout_bytes).unwrap();
    let ours = format!(
        "rm -rf ours; mkdir ours; tar --xattrs --xattrs-include='*' --numeric-owner -C ours -xpf root.tar; cd ours\n{list}"
    );
    let ours = env.finish(&mut env.as_mapped_root(&ours), b"").success().stdout;
    let same = |line: &&str| !other.iter().any(|dir| line.starts_with(&format!("{dir} d ")));
    let (a, b): (Vec<&str>, Vec<&str>) = (theirs.lines().filter(same).collect(), ours.lines().filter(same).collect());
    assert!(a.len() > 20, "{a:?}");
    let only = |x: &[&str], y: &[&str]| {
        let y: std::collections::HashSet<&str> = y.iter().copied().collect();
        x.iter().filter(|l| !y.contains(*l)).take(15).map(|l| l.to_string()).collect::<Vec<_>>().join("\n")
    };
    let (lines, more) = (a.len(), b.len());
    assert!(a == b, "{lines} and {more} lines;\nonly {tool}:\n{}\nonly ours:\n{}", only(&a, &b), only(&b, &a));
}

/// Unpacks with umoci as well: into a bundle, as the same ids in the same kind of user namespace that we use.
fn same_as_umoci(env: &TestEnv, layout: &str, image: &str) {
    same_tree(env, "umoci", &format!("umoci unpack --image {layout} bundle >/dev/null; cd bundle/rootfs"), image, &[]);
}

/// Mounts the image with podman as well. `implied`: directories of a lower layer that an upper one names in paths only.
/// containers/storage makes them anew there (root's, 0755, now), and so hides the lower layer's owner, mode and time; we
/// keep those, as umoci and docker do.
fn same_as_podman(env: &TestEnv, archive: &Path, image: &str, implied: &[&str]) {
    let script = format!(
        // Its path of sockets may have 50 characters; what is mounted here nobody else sees.
        "mount -t tmpfs podman /media
        p() {{ podman --root $PWD/podman --runroot /media/run --storage-driver overlay \"$@\"; }}
        p load -qi {} >/dev/null; cd $(p image mount $(p images -q | head -n 1))",
        archive.display()
    );
    same_tree(env, "podman", &script, image, implied);
}

#[test]
fn special_files_unpack_as_with_umoci_and_podman() {
    need!("umoci", "skopeo", "podman", "getfattr", "unshare", "python3");
    let env = busybox_env!();
    // Attributes that only a privileged tar could read from files; a directory `etc` that this layer only implies.
    let python = r"
import tarfile, io
t = tarfile.open('c.tar', 'w', format=tarfile.PAX_FORMAT)
def add(name, mode, **xattrs):
    i = tarfile.TarInfo(name); i.mode = mode; i.size = 4; i.uid = 33; i.gid = 44; i.mtime = 1234567890.123456
    i.pax_headers = {'SCHILY.xattr.' + k.replace('_', '.'): v for k, v in xattrs.items()}
    t.addfile(i, io.BytesIO(b'data'))
ping = '\x01\x00\x00\x02\x00\x20\x00\x00' + '\x00' * 12
add('bin/ping', 0o755, security_capability=ping)
add('bin/setgid', 0o2755, security_capability=ping, user_note='kept')
add('dir/in-implied', 0o400, user_a='1')
i = tarfile.TarInfo('dev'); i.type = tarfile.DIRTYPE; i.mode = 0o755; i.mtime = 1234567890
t.addfile(i)
for n in range(3):
    i = tarfile.TarInfo('dev/node%d' % n); i.type = tarfile.CHRTYPE; i.devmajor = 1; i.devminor = 3 + n
    t.addfile(i)
t.close()
";
    env.file("attributes.py", python);
    let script = r"
        umoci init --layout l; umoci new --image l:x
        mkdir -p a/bin a/dir a/gone a/opaque a/etc; cp $(command -v busybox) a/bin/busybox
        for n in sh find stat cat; do ln -s busybox a/bin/$n; done
        chmod 4755 a/bin/busybox; touch a/dir/keep a/gone/x a/opaque/old 'a/with space' a/dir/$(printf 'long%.0s' $(seq 60))
        mkdir -p a/$(printf 'deep/%.0s' $(seq 40)); ln a/dir/keep a/hard; ln -s /nowhere a/dangling; mkfifo a/pipe
        touch -d '2001-02-03 04:05:06' a/dir/keep a/dir; chmod 1777 a/dir; chmod 2755 a/gone
        truncate -s 20M a/sparse
        tar --format=pax --numeric-owner --owner=7 --group=8 -cf a.tar --exclude=./etc -S -C a .
        mkdir b; touch b/.wh.gone; mkdir b/opaque; touch b/opaque/.wh..wh..opq b/opaque/new; tar -cf b.tar -C b .
        umoci raw add-layer --image l:x a.tar; umoci raw add-layer --image l:x b.tar
        python3 attributes.py; umoci raw add-layer --image l:x c.tar
        skopeo --insecure-policy copy -q oci:l:x oci-archive:x.tar:localhost/x:latest";
    fixtures::sh(&env.dir, script);
    env.sh("load -i x.tar").success();
    same_as_umoci(&env, "l:x", "localhost/x");
    same_as_podman(&env, &env.path("x.tar"), "localhost/x", &["./bin", "./dir"]);
}

#[test]
fn sixty_layers_and_many_small_files() {
    need!("umoci", "skopeo");
    let env = busybox_env!();
    let script = r"
        mkdir l; tar -C l -xf $1; mv l layout
        i=0; while [ $i -lt 60 ]; do i=$((i+1)); mkdir -p d/layer; echo $i > d/layer/last; echo $i > d/layer/$i
            tar -C d -cf d.tar .; umoci raw add-layer --image layout:localhost/busybox:latest d.tar; rm -r d; done
        mkdir -p m/many; i=0; while [ $i -lt 500 ]; do i=$((i+1)); mkdir m/many/$i; (cd m/many/$i; seq -w 100 | xargs touch); done
        tar -C m -cf m.tar .; umoci raw add-layer --image layout:localhost/busybox:latest m.tar; rm -r m";
    fixtures::sh(&env.dir, &script.replace("$1", &fixtures::busybox().display().to_string()));
    env.sh("load -i layout").success();
    let script =
        "cat /layer/last; ls /layer | wc -l; find /many -type f | wc -l; rm -r /many/7 && touch /layer/new && echo ok";
    env.run(["run", "--rm", "busybox", "sh", "-c", script]).success().prints("60\n61\n50000\nok\n");
}

#[test]
fn debian_unpacks_as_with_umoci_and_podman() {
    need!("umoci", "podman", "getfattr", "unshare");
    let env = prepared_env!("debian.tar");
    let archive = fixtures::prepared("debian.tar").unwrap();
    fixtures::sh(&env.dir, &format!("mkdir l && tar -C l -xf {}", archive.display()));
    same_as_umoci(&env, "l:localhost/debian:latest", "localhost/debian");
    same_as_podman(&env, &archive, "localhost/debian", &[]);
    // What the image was made without (contrib/test-images) is missing by intent.
    let verify = "dpkg --verify | grep -vE '^missing +/usr/share/(doc|locale|man)/'; true";
    env.run(["run", "--rm", "localhost/debian", "sh", "-c", verify]).success().prints("");
}

#[test]
fn hostile_layers_stay_inside() {
    need!("umoci", "skopeo", "python3");
    let env = busybox_env!();
    let outside = env.path("outside");
    std::fs::create_dir(&outside).unwrap();
    let python = format!(
        "import tarfile, io
t = tarfile.open('evil.tar', 'w')
def add(name, kind=tarfile.REGTYPE, link='', data=b'evil'):
    i = tarfile.TarInfo(name); i.type = kind; i.linkname = link; i.size = len(data) if kind == tarfile.REGTYPE else 0
    t.addfile(i, io.BytesIO(data))
add('../../../../../../../../../../../..{0}/a')
add('{0}/b')
add('link', tarfile.SYMTYPE, '{0}')
add('link/c')
add('up', tarfile.SYMTYPE, '../../../../../../../../../..{0}')
add('up/d')
add('hard', tarfile.LNKTYPE, '../../../../../../../../../../etc/passwd')
t.close()",
        outside.display()
    );
    env.file("make.py", python);
    fixtures::sh(&env.dir, "python3 make.py");
    // Refused or contained, but never outside.
    let out = env.sh("import evil.tar evil");
    if out.code == 0 {
        let _ = env.sh("run --rm --network none evil true");
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert!(Path::new("/etc/passwd").exists());
}
