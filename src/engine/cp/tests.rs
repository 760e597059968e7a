//! Both ends in one process: docker's table of destinations, and hostile streams.

use super::files::{Owner, Root};
use super::{End, Place, extract, is_contents, pack, place};
use crate::error::Result;
use crate::image::tar::{Entry, Kind, TarWriter};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn run(source: &Path, source_root: &Root, target: &str, target_root: &Root) -> Result<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let stream = dir.path().join("stream");
    pack::pack(source_root, source, false, false, File::create(&stream).unwrap())?;
    let place = place(target, &End::Local(source.to_string_lossy().into_owned()));
    extract::tree(target_root, &place, Owner::Extractor, File::open(&stream).unwrap())
}

fn inside(dir: &Path) -> Root {
    Root::Inside(File::open(dir).unwrap().into())
}

fn copy(source: &str, target: &str) -> Result<Vec<String>> {
    run(Path::new(source), &Root::Host, target, &Root::Host)
}

#[test]
fn ends() {
    let container = |name: &str, path: &str| End::Container { name: name.into(), path: path.into() };
    for (text, want) in [
        ("-", End::Stream),
        ("web:/etc", container("web", "/etc")),
        ("web:", container("web", "")),
        ("web:a:b", container("web", "a:b")),
        ("/abs:x", End::Local("/abs:x".into())),
        ("./rel:x", End::Local("./rel:x".into())),
        ("file", End::Local("file".into())),
        (":x", End::Local(":x".into())),
    ] {
        assert_eq!(End::parse(text), want, "{text}");
    }
    for (path, want) in
        [("a/.", true), (".", true), ("/", true), ("", true), ("a", false), ("a/", false), ("..", false)]
    {
        assert_eq!(is_contents(path), want, "{path}");
    }
}

/// docker cp, "Description": every row of its table.
#[test]
fn destinations() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).ok();
    fs::write(at("file"), "F").unwrap();
    fs::create_dir_all(at("dir/sub")).unwrap();
    fs::write(at("dir/sub/deep"), "D").unwrap();
    fs::create_dir(at("there")).unwrap();
    fs::write(at("old"), "O").unwrap();

    copy(&at("file"), &at("new")).unwrap();
    assert_eq!(read("new").as_deref(), Some("F"));
    assert!(copy(&at("file"), &at("nodir/")).unwrap_err().to_string().contains("find directory"));
    assert!(copy(&at("file"), &at("no/file")).is_err());
    copy(&at("file"), &at("old")).unwrap();
    assert_eq!(read("old").as_deref(), Some("F"));
    copy(&at("file"), &at("there")).unwrap();
    assert_eq!(read("there/file").as_deref(), Some("F"));
    assert!(copy(&at("file"), &at("old/")).is_err());

    copy(&at("dir"), &at("fresh")).unwrap();
    assert_eq!(read("fresh/sub/deep").as_deref(), Some("D"));
    copy(&at("dir"), &at("there")).unwrap();
    assert_eq!(read("there/dir/sub/deep").as_deref(), Some("D"));
    copy(&at("dir/."), &at("there")).unwrap();
    assert_eq!(read("there/sub/deep").as_deref(), Some("D"));
    copy(&at("dir/."), &at("fresh2")).unwrap();
    assert_eq!(read("fresh2/sub/deep").as_deref(), Some("D"));
    assert!(copy(&at("dir"), &at("old")).unwrap_err().to_string().contains("it is a file"));
    // Over a directory of the same name a file can't go, and the reverse.
    fs::create_dir(at("there/old")).unwrap();
    assert!(copy(&at("old"), &at("there")).unwrap_err().to_string().contains("replace directory"));
    assert!(copy(&at("missing"), &at("x")).unwrap_err().is_errno(libc::ENOENT));
    assert!(copy(&at("file/"), &at("x")).unwrap_err().is_errno(libc::ENOTDIR));
}

#[test]
fn keeps_modes_times_links_and_attributes() {
    let dir = tempfile::tempdir().unwrap();
    let p = dir.path();
    fs::create_dir_all(p.join("src/ro")).unwrap();
    fs::write(p.join("src/ro/a"), "x").unwrap();
    fs::hard_link(p.join("src/ro/a"), p.join("src/b")).unwrap();
    symlink("/nowhere/at/all", p.join("src/link")).unwrap();
    fs::set_permissions(p.join("src/ro/a"), PermissionsExt::from_mode(0o4711)).unwrap();
    fs::set_permissions(p.join("src/ro"), PermissionsExt::from_mode(0o555)).unwrap();
    let long = "n".repeat(250);
    fs::write(p.join("src").join(&long), "long").unwrap();
    let source = p.join("src").to_string_lossy().into_owned();
    copy(&source, &p.join("dst").to_string_lossy()).unwrap();
    let meta = |path: &str| fs::symlink_metadata(p.join(path)).unwrap();
    assert_eq!(meta("dst/ro").mode() & 0o7777, 0o555);
    // To the host without -a: no set-uid bit.
    assert_eq!(meta("dst/ro/a").mode() & 0o7777, 0o711);
    assert_eq!(meta("dst/ro/a").ino(), meta("dst/b").ino());
    assert_eq!(meta("dst/ro").mtime_nsec(), meta("src/ro").mtime_nsec());
    assert_eq!(fs::read_link(p.join("dst/link")).unwrap(), PathBuf::from("/nowhere/at/all"));
    assert_eq!(fs::read_to_string(p.join("dst").join(long)).unwrap(), "long");
    // Into a container the bit stays.
    fs::create_dir(p.join("root")).unwrap();
    run(Path::new(&source), &Root::Host, "/in", &inside(&p.join("root"))).unwrap();
    assert_eq!(meta("root/in/ro/a").mode() & 0o7777, 0o4711);
    for path in ["src/ro", "dst/ro", "root/in/ro"] {
        fs::set_permissions(p.join(path), PermissionsExt::from_mode(0o755)).unwrap();
    }
}

/// Symlinks of a container lead nowhere but into the container, at either end.
#[test]
fn symlinks_stay_in_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let p = dir.path();
    fs::create_dir_all(p.join("root/etc")).unwrap();
    fs::create_dir_all(p.join("root/usr/bin")).unwrap();
    fs::create_dir(p.join("host")).unwrap();
    fs::write(p.join("host/secret"), "secret").unwrap();
    let host = p.join("host");
    symlink(&host, p.join("root/out")).unwrap();
    symlink("../../../../../../../../../../..", p.join("root/up")).unwrap();
    symlink("usr/bin", p.join("root/bin")).unwrap();
    fs::write(p.join("file"), "F").unwrap();
    let source = p.join("file");
    let root = || inside(&p.join("root"));
    let put = |target: &str| run(&source, &Root::Host, target, &root());
    // The link's target does not exist inside.
    assert!(put("/out/file").is_err());
    assert!(!host.join("file").exists());
    put("/up/etc/file").unwrap();
    assert!(p.join("root/etc/file").exists());
    put("/../../etc/other").unwrap();
    assert!(p.join("root/etc/other").exists());
    // Reading through it finds nothing of the host.
    let stolen = run(Path::new("/out/secret"), &root(), &p.join("x").to_string_lossy(), &Root::Host);
    assert!(stolen.is_err());
    // A merged `bin/` goes where the container's link says.
    fs::create_dir_all(p.join("tree/bin")).unwrap();
    fs::write(p.join("tree/bin/tool"), "T").unwrap();
    run(&p.join("tree/."), &Root::Host, "/", &root()).unwrap();
    assert_eq!(fs::read_to_string(p.join("root/usr/bin/tool")).unwrap(), "T");
    assert!(fs::symlink_metadata(p.join("root/bin")).unwrap().file_type().is_symlink());
}

/// A stream as a hostile container would send it.
fn hostile(entries: &[Entry], target: &Path) -> Result<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream");
    let mut tar = TarWriter::new(File::create(&path).unwrap());
    for entry in entries {
        match entry.kind {
            Kind::Regular => tar.file(entry, b"evil").unwrap(),
            _ => tar.start(entry).unwrap(),
        }
    }
    tar.finish().unwrap();
    let place = Place { path: target.to_path_buf(), slash: false, base: "x".into(), contents: false };
    extract::tree(&Root::Host, &place, Owner::Extractor, File::open(&path).unwrap())
}

#[test]
fn hostile_streams_stay_below_the_destination() {
    let dir = tempfile::tempdir().unwrap();
    let victim = dir.path().join("victim");
    fs::create_dir(&victim).unwrap();
    let entry = |path: &str, kind, link: &str| Entry {
        path: path.into(),
        link: link.into(),
        kind,
        mode: 0o755,
        ..Entry::default()
    };
    let out = victim.to_string_lossy().into_owned();
    let top = || entry("x", Kind::Directory, "");
    let attacks: &[Vec<Entry>] = &[
        vec![top(), entry("x/l", Kind::Symlink, &out), entry("x/l/evil", Kind::Regular, "")],
        vec![
            top(),
            entry("x/l", Kind::Symlink, &out),
            entry("x/l", Kind::Directory, ""),
            entry("x/l/evil", Kind::Regular, ""),
        ],
        vec![top(), entry("x/../../victim/evil", Kind::Regular, "")],
        vec![top(), entry("x/h", Kind::Link, "x/../../victim")],
        vec![top(), entry("x/l", Kind::Symlink, &out), entry("x/h", Kind::Link, "x/l/evil")],
        vec![entry("x", Kind::Symlink, &out), entry("x/evil", Kind::Regular, "")],
        vec![entry("x", Kind::Regular, ""), entry("y", Kind::Regular, "")],
    ];
    for (i, attack) in attacks.iter().enumerate() {
        let target = dir.path().join(format!("target{i}"));
        let result = hostile(attack, &target);
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0, "attack {i}");
        assert!(result.is_err() || i >= 5, "attack {i}: {result:?}");
    }
}
