use super::*;
use crate::image::tar::{Entry, Kind, TarWriter, Time};
use proptest::prelude::*;
use rustix::fs::{Mode, OFlags};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

const MTIME: Time = Time { secs: 1_000_000_001, nanos: 123_456_789 };

fn entry(kind: Kind, path: &str, link: &str) -> Entry {
    // Owned by whoever runs the tests, so that no privilege is needed.
    Entry {
        path: path.into(),
        link: link.into(),
        kind,
        mode: if kind == Kind::Directory { 0o755 } else { 0o644 },
        mtime: MTIME,
        ..Entry::default()
    }
}
fn file(path: &str) -> Entry {
    entry(Kind::Regular, path, "")
}
fn dir(path: &str) -> Entry {
    entry(Kind::Directory, path, "")
}
fn symlink(path: &str, to: &str) -> Entry {
    entry(Kind::Symlink, path, to)
}
fn link(path: &str, to: &str) -> Entry {
    entry(Kind::Link, path, to)
}

fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for e in entries {
        // A file's content is its own path, so that a wrong place shows.
        let data = if e.kind == Kind::Regular { e.path.clone() } else { Vec::new() };
        writer.file(e, &data).unwrap();
    }
    writer.finish().unwrap()
}

fn open(path: &Path) -> OwnedFd {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn apply_bytes(root: &Path, bytes: &[u8], owners: Owners) -> Result<Report> {
    apply(open(root), &mut TarReader::new(bytes), owners, Limits::default()).map(|(report, _)| report)
}

fn apply_all(root: &Path, entries: &[Entry]) -> Result<Report> {
    apply_bytes(root, &tar(entries), Owners::Record)
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn extracts_the_usual_kinds() {
    let t = scratch();
    let root = t.path();
    let long = format!("d/{}/f", "n".repeat(200));
    let report = apply_all(
        root,
        &[
            Entry { mode: 0o711, ..dir("./") },
            Entry { mode: 0o1777, ..dir("d/") },
            Entry { mode: 0o4755, ..file("/d/setuid") },
            symlink("d/abs", "/d/setuid"),
            link("d/hard", "d/setuid"),
            entry(Kind::Fifo, "d/fifo", ""),
            file(&long),
            Entry { xattrs: vec![(b"user.x".to_vec(), b"y".to_vec())], mode: 0o444, ..file("x") },
        ],
    )
    .unwrap();
    assert_eq!(report.entries, 8);
    assert_eq!(report.noted, 0, "{:?}", report.notes);
    assert_eq!(report.implied, [format!("d/{}", "n".repeat(200))]);
    let meta = |p: &str| std::fs::symlink_metadata(root.join(p)).unwrap();
    for (path, mode) in [("", 0o711), ("d", 0o1777), ("d/setuid", 0o4755), ("x", 0o444), ("d/fifo", 0o644)] {
        assert_eq!(meta(path).permissions().mode() & 0o7777, mode, "{path}");
    }
    for path in ["", "d", "d/setuid", "d/abs", "d/fifo", "x"] {
        assert_eq!((meta(path).mtime(), meta(path).mtime_nsec()), (MTIME.secs, i64::from(MTIME.nanos)), "{path}");
    }
    assert_eq!(meta("d/hard").ino(), meta("d/setuid").ino());
    assert!(meta("d/fifo").file_type().is_fifo());
    assert_eq!(std::fs::read_link(root.join("d/abs")).unwrap(), Path::new("/d/setuid"));
    assert_eq!(read(root.join(&long)), long);
    let mut value = [0; 9];
    assert_eq!(rustix::fs::getxattr(root.join("x"), "user.x", &mut value), Ok(1));
}

#[test]
fn later_entries_replace_earlier_ones() {
    let t = scratch();
    let root = t.path();
    apply_all(
        root,
        &[
            file("a"),
            dir("a"),
            file("a/in"), // file → directory
            dir("b"),
            dir("b/c"),
            file("b/c/f"),
            file("b"), // directory tree → file
            file("c"),
            symlink("c", "a"), // file → link
            symlink("d", "a"),
            dir("d"),
            file("d/own"), // link → directory, the link's target stays
            file("e"),
            link("e2", "e"),
            file("e"),        // new content must not write through the hard link
            link("e2", "e2"), // a link to itself changes nothing
        ],
    )
    .unwrap();
    assert_eq!(read(root.join("a/in")), "a/in");
    assert_eq!(read(root.join("b")), "b");
    assert_eq!(std::fs::read_link(root.join("c")).unwrap(), Path::new("a"));
    assert!(root.join("d").is_dir() && !root.join("a/own").exists());
    assert_ne!(std::fs::metadata(root.join("e")).unwrap().ino(), std::fs::metadata(root.join("e2")).unwrap().ino());
    assert_eq!(read(root.join("e2")), "e");
}

#[test]
fn hostile_paths_stay_inside() {
    let t = scratch();
    let outside = t.path().join("outside");
    let root = t.path().join("root");
    std::fs::create_dir(&outside).unwrap();
    std::fs::create_dir(&root).unwrap();
    let out = outside.to_str().unwrap();
    let up = "../../../../../../../../..";
    for (entries, fails) in [
        (vec![file("../x")], true),
        (vec![file("a/../../x")], true),
        (vec![symlink("l", out), file("l/x")], true), // the absolute target does not exist inside
        (vec![symlink("l", &format!("{up}{out}")), file("l/x")], true),
        (vec![symlink("l", ".."), file("l/x")], false), // the root's parent is the root
        (vec![symlink("l", "/"), file("l/x")], false),
        (vec![symlink("x", out), file("x")], false), // replaced, not followed
        (vec![symlink("x", &format!("{out}/y")), link("h", "x")], false), // the link itself is linked
        (vec![link("h", &format!("{up}/etc/passwd"))], true),
        (vec![link("h", "/etc/passwd")], true),
        (vec![symlink("l", "/etc"), link("h", "l/passwd")], true),
        (vec![dir("d"), link("h", "d")], true),
        (vec![link("h", ".")], true),
        (vec![file(".")], true),
        (vec![symlink("x", "/nowhere"), symlink("y", "x"), dir("y"), file("y/f")], false),
        (vec![symlink("p", "self"), symlink("self", "p"), file("p/x")], true),
        (vec![file("f"), file("f/x")], true),
        (vec![file(".wh...")], true),
        (vec![file(".wh..")], true),
        (vec![file("d/.wh.")], true),
        (vec![symlink("d", out), file("d/.wh..wh..opq")], true),
        (vec![symlink("d", out), file("d/.wh.x")], true),
    ] {
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir(&root).unwrap();
        let result = apply_all(&root, &entries);
        assert_eq!(result.is_err(), fails, "{entries:?}: {result:?}");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "{entries:?}");
        assert_eq!(std::fs::read_dir(t.path()).unwrap().count(), 2, "{entries:?}");
    }
}

#[test]
fn absolute_links_lead_into_the_layer() {
    let t = scratch();
    apply_all(t.path(), &[dir("usr/lib"), symlink("lib", "/usr/lib"), file("lib/a"), link("lib/b", "/lib/a")]).unwrap();
    assert_eq!(read(t.path().join("usr/lib/b")), "lib/a");
}

#[test]
fn whiteouts_take_overlayfs_form() {
    let t = scratch();
    let root = t.path();
    let report = match apply_all(
        root,
        &[
            file("d/.wh.gone"),
            file("o/.wh..wh..opq"),
            file("o/new"),
            file("both"),
            file(".wh.both"), // the new file wins
            file(".wh.dir"),
            dir("dir"),
            file("dir/f"), // a whiteout, then a directory: opaque
            dir("dir2"),
            file(".wh.dir2"), // the same in the other order
            file(".wh..wh.plnk"),
            Entry { path: b"zero".to_vec(), ..entry(Kind::Char, "zero", "") },
        ],
    ) {
        Err(e) if e.is_errno(libc::EPERM) => return eprintln!("skipped: whiteout devices need a user namespace here"),
        other => other.unwrap(),
    };
    let meta = |p: &str| std::fs::symlink_metadata(root.join(p)).unwrap();
    let white = |p: &str| meta(p).file_type().is_char_device() && meta(p).rdev() == 0;
    let opaque = |p: &str| rustix::fs::getxattr(root.join(p), "user.overlay.opaque", &mut [0u8; 4]) == Ok(1);
    assert!(white("d/gone") && !opaque("d"));
    assert!(opaque("o") && root.join("o/new").exists());
    assert_eq!(read(root.join("both")), "both");
    assert!(opaque("dir") && opaque("dir2") && root.join("dir/f").exists());
    assert!(!root.join(".wh..wh.plnk").exists() && !root.join("zero").exists());
    assert_eq!(report.noted, 1, "{:?}", report.notes);
    assert!(apply_all(scratch().path(), &[file(".wh..wh..opq")]).unwrap().opaque_root);
}

#[test]
fn forged_engine_attributes_are_left_out() {
    let t = scratch();
    let names =
        ["user.overlay.opaque", "user.overlay.redirect", "trusted.overlay.whiteout", OVERRIDE_STAT, "user.good"];
    let xattrs = names.iter().map(|n| (n.as_bytes().to_vec(), b"y".to_vec())).collect::<Vec<_>>();
    let report =
        apply_all(t.path(), &[Entry { xattrs: xattrs.clone(), ..dir("d") }, Entry { xattrs, ..file("f") }]).unwrap();
    assert_eq!(report.noted, 8, "{:?}", report.notes);
    for path in ["d", "f"] {
        let mut list = [0u8; 1000];
        let n = rustix::fs::listxattr(t.path().join(path), &mut list).unwrap();
        assert_eq!(&list[..n], b"user.good\0");
    }
}

#[test]
fn one_id_maps_record_owners() {
    let t = scratch();
    let owned = |e: Entry| Entry { uid: 33, gid: 44, ..e };
    let report =
        apply_all(t.path(), &[owned(dir("d")), owned(Entry { mode: 0o4755, ..file("f") }), owned(symlink("l", "f"))])
            .unwrap();
    for (path, value) in [("d", "33:44:0755"), ("f", "33:44:04755")] {
        let mut buffer = [0u8; 100];
        let n = rustix::fs::getxattr(t.path().join(path), OVERRIDE_STAT, &mut buffer).unwrap();
        assert_eq!(std::str::from_utf8(&buffer[..n]).unwrap(), value);
    }
    assert_eq!(report.notes, ["owner 33:44 of l not kept"]);
}

#[test]
fn ids_outside_the_map_name_the_remedy() {
    let e =
        apply_bytes(scratch().path(), &tar(&[Entry { uid: u32::MAX - 1, ..file("f") }]), Owners::Apply { ids: 65537 });
    // As plain root every id but -1 exists.
    if !rustix::process::geteuid().is_root() {
        assert!(e.unwrap_err().to_string().starts_with("extract f: give it to 4294967294:0"));
    }
}

#[test]
fn limits_hold() {
    let entries: Vec<Entry> = (0..20).map(|i| file(&format!("f{i}"))).collect();
    let bytes = tar(&entries);
    for (limits, ok) in [
        (Limits { entries: 19, bytes: 1000 }, false),
        (Limits { entries: 20, bytes: 10 }, false),
        (Limits { entries: 20, bytes: 1000 }, true),
    ] {
        let t = scratch();
        let result = apply(open(t.path()), &mut TarReader::new(&bytes[..]), Owners::Record, limits);
        assert_eq!(result.is_ok(), ok, "{result:?}");
    }
}

#[test]
fn implied_directories_look_like_those_below() {
    let t = scratch();
    let layer = |name: &str, entries: &[Entry]| {
        let path = t.path().join(name);
        std::fs::create_dir(&path).unwrap();
        (path.clone(), apply_all(&path, entries).unwrap().implied)
    };
    let (low, _) =
        layer("low", &[Entry { mode: 0o700, ..dir("./") }, Entry { mode: 0o2775, ..dir("a") }, dir("a/b"), dir("c")]);
    let (mid, implied) = layer("mid", &[Entry { mode: 0o1777, ..dir("a/b") }, file("new/f")]);
    assert_eq!(implied, ["", "a", "new"]);
    inherit_implied(open(&mid).as_fd(), &implied, &[open(&low)]).unwrap();
    let (top, implied) = layer("top", &[file("a/b/f"), file("c/f"), file("new/g")]);
    inherit_implied(open(&top).as_fd(), &implied, &[open(&mid), open(&low)]).unwrap();
    let mode = |p: &str| std::fs::metadata(t.path().join(p)).unwrap().permissions().mode() & 0o7777;
    for (path, want) in [
        ("mid", 0o700),
        ("mid/a", 0o2775),
        ("mid/new", 0o755),
        ("top", 0o700),
        ("top/a", 0o2775),
        ("top/a/b", 0o1777),
        ("top/c", 0o755),
    ] {
        assert_eq!(mode(path), want, "{path}");
    }
    assert_eq!(std::fs::metadata(top.join("a")).unwrap().mtime(), MTIME.secs);
}

#[test]
fn sparse_files_keep_their_holes() {
    let t = scratch();
    // GNU tar writes them; ours does not.
    let data = t.path().join("data");
    let f = std::fs::File::create(&data).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&f, b"start", 0).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&f, b"middle", 5 << 20).unwrap();
    f.set_len(20 << 20).unwrap();
    for format in ["--format=gnu", "--format=pax", "--sparse-version=0.0", "--sparse-version=0.1"] {
        let pax = if format.starts_with("--sparse") { "--format=pax" } else { "--sparse" };
        let out = std::process::Command::new("tar")
            .args(["-c", "--sparse", pax, format, "-C", t.path().to_str().unwrap(), "data"])
            .output()
            .unwrap();
        assert!(out.status.success());
        let root = scratch();
        apply_bytes(root.path(), &out.stdout, Owners::Record).unwrap();
        assert_eq!(std::fs::read(root.path().join("data")).unwrap(), std::fs::read(&data).unwrap(), "{format}");
        let blocks = std::fs::metadata(root.path().join("data")).unwrap().blocks();
        assert!(blocks * 512 < 1 << 20, "{format}: {blocks} blocks");
    }
}

fn paths() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        proptest::sample::select(vec!["a", "b", "c", "..", ".", "", "/", ".wh.a", ".wh..wh..opq", ".wh.b"]),
        1..5,
    )
    .prop_map(|parts| parts.join("/"))
}

fn hostile() -> impl Strategy<Value = Entry> {
    let kinds =
        vec![Kind::Regular, Kind::Regular, Kind::Directory, Kind::Symlink, Kind::Symlink, Kind::Link, Kind::Fifo];
    (paths(), paths(), proptest::sample::select(kinds)).prop_map(|(path, to, kind)| {
        let has_link = matches!(kind, Kind::Symlink | Kind::Link);
        entry(
            kind,
            if path.is_empty() { "x" } else { &path },
            if !has_link {
                ""
            } else if to.is_empty() {
                "/"
            } else {
                &to
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..Default::default() })]
    #[test]
    fn nothing_ever_lands_outside(entries in proptest::collection::vec(hostile(), 1..12)) {
        let t = scratch();
        let root = t.path().join("a/b/root");
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(t.path().join("a/c"), "canary").unwrap();
        // Each entry alone, so that a refused one does not end the run.
        for e in &entries {
            let _ = apply_all(&root, std::slice::from_ref(e));
        }
        let _ = apply_all(&root, &entries);
        let names = |p: &str| {
            let mut all: Vec<_> = std::fs::read_dir(t.path().join(p)).unwrap().map(|e| e.unwrap().file_name()).collect();
            all.sort();
            all
        };
        prop_assert_eq!(names(""), ["a"]);
        prop_assert_eq!(names("a"), ["b", "c"]);
        prop_assert_eq!(names("a/b"), ["root"]);
        prop_assert_eq!(read(t.path().join("a/c")), "canary");
    }
}
