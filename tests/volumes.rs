//! `volume export`, `volume import` and the other commands about volumes.

mod common;

use common::TestEnv;
use common::fixtures::BUSYBOX;
use coracle::image::tar::{Entry, Kind, TarReader, TarWriter, Time};

fn entry(path: &str, kind: Kind, mode: u32) -> Entry {
    Entry { path: path.into(), kind, mode, mtime: Time { secs: 981_173_106, nanos: 123_456_789 }, ..Entry::default() }
}

fn file(path: &str, text: &str) -> (Entry, Vec<u8>) {
    (entry(path, Kind::Regular, 0o644), text.into())
}

fn link(path: &str, kind: Kind, to: &str) -> (Entry, Vec<u8>) {
    (Entry { link: to.into(), ..entry(path, kind, 0o777) }, Vec::new())
}

fn dir(path: &str) -> (Entry, Vec<u8>) {
    (entry(path, Kind::Directory, 0o755), Vec::new())
}

fn archive(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = TarWriter::new(Vec::new());
    for (entry, data) in entries {
        let size = if entry.sparse.is_some() { entry.size } else { data.len() as u64 };
        writer.start(&Entry { size, ..entry.clone() }).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap()
}

fn entries(archive: &[u8]) -> Vec<(Entry, Vec<u8>)> {
    let mut reader = TarReader::new(archive);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap().cloned() {
        let mut data = Vec::new();
        let mut take = |piece: &[u8]| {
            data.extend_from_slice(piece);
            Ok(())
        };
        while reader.data(&mut take).unwrap() {}
        // An empty segment at the end only says where the file ends.
        let sparse = entry.sparse.map(|map| map.into_iter().filter(|(_, length)| *length > 0).collect());
        all.push((Entry { sparse, ..entry }, data));
    }
    all
}

fn export(env: &TestEnv, volume: &str) -> Vec<u8> {
    let place = env.path("export.tar");
    let _ = std::fs::remove_file(&place);
    env.run(["volume", "export", volume, "-o", "export.tar"]).success();
    std::fs::read(place).unwrap()
}

/// The paths in the volume, with their files' content.
fn content(env: &TestEnv, volume: &str) -> Vec<String> {
    let text = |(e, data): (Entry, Vec<u8>)| {
        let path = String::from_utf8_lossy(&e.path).into_owned();
        if e.kind == Kind::Regular { format!("{path}={}", String::from_utf8_lossy(&data)) } else { path }
    };
    entries(&export(env, volume)).into_iter().map(text).collect()
}

#[test]
fn an_archive_comes_back_as_it_was() {
    let env = TestEnv::new();
    let owned = |(e, data): (Entry, Vec<u8>), uid, gid, mode| (Entry { uid, gid, mode, ..e }, data);
    let capability = [1u8, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let with = |(e, data): (Entry, Vec<u8>), name: &str, value: &[u8]| {
        (Entry { xattrs: vec![(name.into(), value.to_vec())], ..e }, data)
    };
    let sparse = Entry {
        size: 3 << 30,
        sparse: Some(vec![(1 << 20, 4096), (2 << 30, 4096)]),
        ..entry("./holes", Kind::Regular, 0o600)
    };
    let all = [
        owned(dir("./"), 33, 44, 0o1777),
        with(file("./able", "x"), "security.capability", &capability),
        with(dir("./d/"), "user.overlay.opaque", b"y"),
        owned(file("./d/setuid", "data"), 1000, 2000, 0o4755),
        owned((entry("./fifo", Kind::Fifo, 0), Vec::new()), 7, 8, 0o640),
        link("./hard", Kind::Link, "./d/setuid"),
        (sparse, [[b'a'; 4096], [b'b'; 4096]].concat()),
        owned(link("./link", Kind::Symlink, "/etc/passwd"), 5, 6, 0o777),
        file("./ünïcode \n name", "text"),
    ];
    env.sh("volume create one").success();
    let out = env.run_with_stdin(["volume", "import", "one", "-"], &archive(&all)).success();
    assert_eq!(out.stderr, "", "{out}");
    let first = export(&env, "one");
    let got = entries(&first);
    for ((want, want_data), (got, got_data)) in all.iter().zip(&got) {
        // A hard link's owner and mode are its file's.
        let want = match want.kind {
            Kind::Link => Entry { uid: 1000, gid: 2000, mode: 0o4755, ..want.clone() },
            _ => Entry { size: if want.sparse.is_some() { want.size } else { want_data.len() as u64 }, ..want.clone() },
        };
        assert_eq!(got, &want);
        assert!(got_data == want_data, "the content of {} differs", want.name());
    }
    assert_eq!(got.len(), all.len());
    let data = env.inspect_volume("one")["Mountpoint"].as_str().unwrap().to_string();
    let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(format!("{data}/holes")).unwrap());
    assert!(blocks * 512 < 1 << 20, "the holes are filled: {blocks} blocks");

    // Through a pipe into another volume, and compressed.
    env.sh("volume create two").success();
    env.run_with_stdin(["volume", "import", "two"], &first).success();
    assert!(export(&env, "two") == first, "the copy differs");
    let compressed = env.file("compressed", zstd::encode_all(&first[..], 3).unwrap());
    env.sh("volume create three").success();
    env.run(["volume", "import", "three", compressed.to_str().unwrap()]).success();
    assert!(export(&env, "three") == first, "the copy differs");
}

#[test]
fn containers_see_what_was_imported_and_exports_show_what_they_wrote() {
    let env = busybox_env!();
    let script = "cd /v && mkdir d && echo hi >d/a && ln d/a b && ln -s d l && chown -R app:extra d && chmod 2750 d && \
                  mkfifo p && dd if=/dev/zero of=z bs=1k count=1 seek=200000 2>/dev/null && touch -d @981173106 d";
    env.run(["run", "--rm", "-v", "one:/v", "busybox", "sh", "-c", script]).success();
    env.sh("volume create two").success();
    let first = export(&env, "one");
    env.run_with_stdin(["volume", "import", "two"], &first).success();
    let script = "stat -c '%n %a %U:%G %h %s' d d/a b p z; stat -c %Y d; readlink l; du -k z | cut -f1";
    let look = |volume: &str| {
        let mount = format!("{volume}:/v");
        env.run(["run", "--rm", "-v", &mount, "-w", "/v", "busybox", "sh", "-c", script]).success().stdout.clone()
    };
    let seen = look("two");
    assert_eq!(look("one"), seen);
    assert!(seen.starts_with("d 2750 app:extra 2 ") && seen.contains("d/a 644 app:extra 2 3\n"), "{seen}");
    assert!(seen.contains("981173106\nd\n"), "{seen}");
}

#[test]
fn access_lists_and_attributes_move_along() {
    need!("setfacl", "getfacl", "setfattr", "setcap");
    let env = busybox_env!();
    let run = |volume: &str, script: &str| {
        let programs = ["-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro"];
        let mount = format!("{volume}:/v");
        let mut args = vec!["run", "--rm", "-v", &mount, "-w", "/v", "-e", "PATH=/bin:/usr/bin:/usr/sbin:/sbin"];
        args.extend(programs);
        args.extend([BUSYBOX, "sh", "-euc", script]);
        env.run(args).success().stdout.clone()
    };
    run(
        "one",
        "mkdir d; echo x >f; setfacl -m u:1000:rw f; setfacl -d -m g:2000:rx d; setfattr -n user.note -v hi f; \
         setcap cap_net_raw+ep f",
    );
    env.sh("volume create two").success();
    let first = export(&env, "one");
    env.run_with_stdin(["volume", "import", "two"], &first).success();
    let look = |volume: &str| run(volume, "getfacl -n f d; getfattr -d -m - f d; getcap f");
    let seen = look("two");
    for part in ["user:1000:rw-", "default:group:2000:r-x", "user.note=\"hi\"", "cap_net_raw"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert_eq!(look("one"), seen);
}

#[test]
fn imports_are_merged_with_what_is_there() {
    let env = TestEnv::new();
    env.sh("volume create vol").success();
    let import = |all: &[(Entry, Vec<u8>)]| env.run_with_stdin(["volume", "import", "vol"], &archive(all));
    import(&[file("a", "old"), dir("d"), file("d/keep", "kept"), link("l", Kind::Symlink, "/etc")]).success();
    import(&[
        file("a", "new"),
        (entry("d", Kind::Directory, 0o700), vec![]),
        file("d/more", "m"),
        dir("l"),
        file("l/f", "f"),
    ])
    .success();
    let now = ["./", "./a=new", "./d/", "./d/keep=kept", "./d/more=m", "./l/", "./l/f=f"];
    assert_eq!(content(&env, "vol"), now);
    assert_eq!(entries(&export(&env, "vol"))[2].0.mode, 0o700);
    // A directory does not make way, and nothing else has changed then.
    import(&[file("a", "newer"), file("d", "no")]).fails(125, &["directory d", "empty volume"]);
    assert_eq!(content(&env, "vol"), now);
}

#[test]
fn hostile_archives_change_nothing_and_leave_nothing() {
    let env = TestEnv::new();
    let outside = env.file("outside/f", "untouched").parent().unwrap().display().to_string();
    let up = format!("{}{outside}", "../".repeat(20));
    for name in ["empty", "used"] {
        env.run(["volume", "create", name]).success();
    }
    env.run_with_stdin(["volume", "import", "used"], &archive(&[file("mine", "m")])).success();
    let whole = archive(&[file("x", &"long".repeat(2000))]);
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (archive(&[file("ok", ""), file(&format!("{up}/f"), "evil")]), "leaves"),
        (archive(&[file("a/../../x", "evil")]), "leaves"),
        (archive(&[link("h", Kind::Link, &up)]), "leaves"),
        (archive(&[link("l", Kind::Symlink, &outside), link("h", Kind::Link, "l/f")]), "h"),
        (archive(&[file("d", ""), file("d/f", "")]), "d/f"),
        (archive(&[file(".", "")]), "top"),
        (whole[..whole.len() / 2].to_vec(), "truncated"),
        (b"this is no archive".repeat(100), "read tar"),
    ];
    for (bytes, word) in &bad {
        for volume in ["empty", "used"] {
            let out = env.run_with_stdin(["volume", "import", volume], bytes).fails(125, &[word]);
            assert!(out.stderr.contains(&format!("volume {volume}")), "{out}");
        }
    }
    // Nothing leads out of the volume, even where it succeeds.
    env.run_with_stdin(["volume", "import", "used"], &archive(&[link("l", Kind::Symlink, &outside)])).success();
    env.run_with_stdin(["volume", "import", "used"], &archive(&[file("l/f", "inside")])).success();
    // A link means what it means in a container: below the volume's top.
    env.sh("volume create through").success();
    let through = archive(&[link("l", Kind::Symlink, &outside), file("l/f", "evil")]);
    env.run_with_stdin(["volume", "import", "through"], &through).success();
    assert!(content(&env, "through").contains(&format!(".{outside}/f=evil")));
    assert_eq!(std::fs::read_to_string(env.path("outside/f")).unwrap(), "untouched");
    assert_eq!(content(&env, "empty"), ["./"]);
    assert_eq!(content(&env, "used"), ["./", "./l/", "./l/f=inside", "./mine=m"]);
    assert_eq!(std::fs::read_dir(env.root().join("tmp")).unwrap().count(), 0);
    env.sh("volume import nosuch /dev/null").fails(125, &["nosuch"]);
    env.sh("volume export nosuch -o out.tar").fails(125, &["nosuch"]);
    assert!(!env.path("out.tar").exists());
}

#[test]
fn devices_are_named_and_left_out() {
    let env = TestEnv::new();
    if common::is_root() {
        return;
    }
    env.sh("volume create vol").success();
    let device = Entry { major: 1, minor: 3, ..entry("null", Kind::Char, 0o666) };
    let out = env.run_with_stdin(["volume", "import", "vol"], &archive(&[(device, vec![]), file("f", "")])).success();
    assert!(out.stderr.contains("device null"), "{out}");
    assert_eq!(content(&env, "vol"), ["./", "./f="]);
}

#[test]
fn an_import_that_is_killed_is_whole_or_did_not_happen() {
    let env = busybox_env!();
    let bytes = archive(&[file("a", "1"), dir("d"), file("d/b", "2"), file("z", "3")]);
    let all = ["./", "./a=1", "./d/", "./d/b=2", "./z=3"];
    for (step, want) in [
        ("volume:unpacked", &["./"][..]),
        ("volume:adopted", &all),
        ("init:volume-moving", &all),
        ("volume:merging", &["./", "./a=1", "./first=0"]),
    ] {
        env.sh("volume create vol").success();
        if step == "volume:merging" {
            env.run_with_stdin(["volume", "import", "vol"], &archive(&[file("first", "0")])).success();
        }
        let mut import = env.command(["volume", "import", "vol"]);
        env.finish(import.env("CORACLE_TEST_DIE_AT", step), &bytes).code(125);
        // A container sees what an export says, whichever comes first.
        let seen = env.sh("run --rm -v vol:/v busybox sh -c 'cd /v; find . | grep -c .'").success().line();
        if step != "volume:merging" {
            assert_eq!(seen, want.len().to_string(), "{step}");
            assert_eq!(content(&env, "vol"), want, "{step}");
        } else {
            // File by file, each of them whole.
            assert!(seen == "3" || seen == "4", "{seen}");
        }
        // Again, and it is complete.
        env.run_with_stdin(["volume", "import", "vol"], &bytes).success();
        assert!(all.iter().all(|line| content(&env, "vol").contains(&line.to_string())), "{step}");
        env.sh("volume rm vol").success();
    }
    env.sh("system prune -f").success();
    assert_eq!(std::fs::read_dir(env.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn exists_mount_and_size() {
    let env = TestEnv::new();
    env.sh("volume create vol").success();
    env.sh("volume exists vol").success();
    env.sh("volume exists nosuch").code(1);
    env.sh("volume exists ../x").code(1);
    env.run_with_stdin(["volume", "import", "vol"], &archive(&[file("f", "12345")])).success();
    let usage = env.sh("volume inspect --size vol").success().json()[0]["UsageData"].clone();
    assert_eq!((usage["Size"].as_u64(), usage["RefCount"].as_u64()), (Some(5), Some(0)));
    if !common::is_root() {
        env.sh("volume mount vol").fails(125, &["unshare"]);
        // As root of a user namespace that has the ids.
        let mut inside = env.program("unshare");
        inside.args(["--user", "--map-root-user"]).arg(common::binary()).arg("--root").arg(env.root());
        inside.arg("--runroot").arg(env.runroot()).args(["volume", "mount", "vol"]);
        let place = env.finish(&mut inside, b"").success().line();
        assert_eq!(std::fs::read_to_string(format!("{place}/f")).unwrap(), "12345");
    }
}

#[test]
fn volumes_in_memory() {
    let env = busybox_env!();
    env.sh("volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,mode=700 mem").success();
    let script = "df -k /m | tail -1; stat -c %a /m; echo x > /m/f";
    let out = env.run(["run", "--rm", "-v", "mem:/m", "busybox", "sh", "-c", script]).success();
    assert!(out.stdout.contains(" 1024 ") && out.stdout.ends_with("700\n"), "{out}");
    // Gone with its container, and one container's at a time.
    env.sh("run -d --name holder -v mem:/m busybox sleep 100").success();
    env.sh("exec holder ls /m").success().prints("");
    env.sh("run --rm -v mem:/m busybox true").fails(125, &["mem", "has it"]);
    env.sh("rm -f -t 0 holder").success();
    env.sh("run --rm -v mem:/m:ro busybox touch /m/x").code(1);
    env.sh("volume export mem -o mem.tar").fails(125, &["in memory"]);
    assert_eq!(env.inspect_volume("mem")["Options"]["o"], "size=1m,mode=700");
    env.sh("volume ls -q --filter opt=type=tmpfs").success().prints("mem\n");
    env.sh("volume ls -q --filter opt=type=none").success().prints("");
    // The options of one that is there can't be changed.
    env.sh("run --rm --mount type=volume,src=mem,dst=/m,volume-opt=type=tmpfs busybox true")
        .fails(125, &["other options"]);
    let made = "type=volume,src=new,dst=/m,volume-opt=type=tmpfs,volume-opt=o=size=2m";
    env.run(["run", "--rm", "--mount", made, "busybox", "sh", "-c", "df -k /m"]).success().has(" 2048 ");
}

#[test]
fn volumes_that_stand_for_a_directory() {
    let env = busybox_env!();
    let dir = env.path("host");
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let device = format!("device={}", dir.display());
    env.run(["volume", "create", "-o", "type=none", "-o", &device, "-o", "o=bind", "there"]).success();
    env.sh("run --rm -v there:/d busybox sh -c 'echo x > /d/f'").success();
    assert_eq!(std::fs::read_to_string(dir.join("f")).unwrap(), "x\n");
    env.run(["volume", "create", "-o", "type=bind", "-o", &device, "-o", "o=ro", "fixed"]).success();
    env.sh("run --rm -v fixed:/d busybox sh -c 'cat /d/f; touch /d/g'").code(1).prints("x\n");
    assert_eq!(content(&env, "there"), ["./", "./f=x\n"]);
    env.sh("volume import there export.tar").fails(125, &["not in the store"]);
    // A stopped container's files are those of the directory.
    env.sh("create --name stopped -v there:/d busybox true").success();
    env.sh("cp stopped:/d/f copied").success();
    assert_eq!(std::fs::read_to_string(env.path("copied")).unwrap(), "x\n");
    env.sh("rm stopped").success();
    // Nothing of ours beside it, and it stays when the volume goes.
    env.sh("volume rm there fixed").success();
    assert!(dir.join("f").exists());
    env.run(["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/nosuch/dir", "gone"]).success();
    env.sh("run --rm -v gone:/d busybox true").fails(125, &["/nosuch/dir", "mkdir"]);
    for (options, words) in [
        ("-o type=nfs -o device=:/x -o o=addr=host", ["nfs", "mount it on the host"]),
        ("-o o=size=1g", ["quotas", "tmpfs"]),
        ("-o nope=1", ["nope", "device"]),
        ("-d vieux/sshfs", ["vieux/sshfs", "local"]),
    ] {
        env.sh(&format!("volume create {options} bad")).fails(125, &words);
        env.sh("volume exists bad").code(1);
    }
}

#[test]
fn volumes_without_a_name_are_told_by_their_place() {
    let env = TestEnv::new();
    for (options, why) in [
        ("volume-opt=type=nfs,volume-opt=device=:/x", "host's root"),
        ("volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/nosuch", "there is no directory /nosuch"),
        ("volume-subpath=nosuch", "open nosuch"),
    ] {
        let out = env.sh(&format!("run --rm --mount type=volume,dst=/place,{options} hello"));
        let out = out.fails(125, &["the volume at /place", why]);
        assert!(!out.stderr.contains("/_data"), "{out}");
    }
    assert_eq!(env.sh("volume ls -q").success().stdout, "");
}

#[test]
fn volumes_in_use_are_not_removed_unless_by_force() {
    let env = busybox_env!();
    env.sh("volume create before").success();
    env.sh("create --name first -v data:/d busybox true").success();
    env.sh("run -d --name second -v data:/d busybox sleep 100").success();
    env.sh("volume rm data").fails(2, &["first", "second", "coracle rm"]);
    env.sh("volume ls -q --filter since=before").success().prints("data\n");
    env.sh("volume ls -q --filter since=nosuch").fails(125, &["nosuch"]);
    env.sh("volume prune -af --filter since=before").success();
    env.sh("volume exists data").success();
    env.sh("volume rm -f -t 0 data").success().prints("data\n");
    assert_eq!(env.containers(), [""; 0]);
    env.sh("volume prune -af").success();
    assert_eq!(env.sh("volume ls -q").success().stdout, "");
}

#[test]
fn containers_that_start_at_once_fill_a_volume_once() {
    let env = busybox_env!();
    let script = "ls /bin | wc -l; stat -c %h /bin/busybox";
    let running: Vec<_> = (0..6)
        .map(|_| env.spawn(["run", "--rm", "-v", "shared:/bin", "busybox", "/bin/busybox", "sh", "-c", script]))
        .collect();
    let outputs: Vec<_> = running.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    for out in &outputs {
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(out.stdout, outputs[0].stdout);
    }
}
