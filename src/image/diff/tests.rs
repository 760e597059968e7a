//! Differences of directories made by hand in overlayfs's form.

use super::*;
use crate::image::tar::{Kind, TarReader};
use rustix::fs::{XattrFlags, lsetxattr, mknodat};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

struct Bed {
    dir: tempfile::TempDir,
}

impl Bed {
    fn new() -> Bed {
        let dir = tempfile::tempdir().unwrap();
        for name in ["upper", "low", "base"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Bed { dir }
    }
    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }
    fn dir(&self, path: &str) {
        std::fs::create_dir_all(self.path(path)).unwrap();
    }
    fn file(&self, path: &str, text: &str) {
        self.dir(Path::new(path).parent().unwrap().to_str().unwrap());
        std::fs::write(self.path(path), text).unwrap();
    }
    fn xattr(&self, path: &str, name: &str, value: &[u8]) {
        lsetxattr(self.path(path), name, value, XattrFlags::empty()).unwrap();
    }
    /// A whiteout as an attribute: making the device needs a user namespace.
    fn whiteout(&self, path: &str) {
        self.file(path, "");
        self.xattr(path, "user.overlay.whiteout", b"y");
    }
    fn trees(&self) -> Trees {
        Trees {
            upper: Some(self.path("upper")),
            lowers: vec![self.path("low"), self.path("base")],
            own: true,
            ..Trees::default()
        }
    }
    /// Same times as below, as copy-up has it.
    fn settle(&self, path: &str) {
        for top in ["upper", "low", "base"] {
            let path = self.path(top).join(path);
            if path.exists() {
                std::fs::File::open(path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            }
        }
    }
}

fn lines(trees: &Trees) -> Vec<String> {
    let mut out = Vec::new();
    run(&Request { trees: trees.clone(), form: Form::List, newest: None }, &mut out).unwrap();
    String::from_utf8(out).unwrap().split_terminator('\0').map(String::from).collect()
}

fn tar(trees: &Trees, newest: Option<i64>) -> Vec<u8> {
    let mut out = Vec::new();
    run(&Request { trees: trees.clone(), form: Form::Tar, newest }, &mut out).unwrap();
    out
}

/// Kind and path of each member.
fn members(bytes: &[u8]) -> Vec<String> {
    let mut reader = TarReader::new(bytes);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let link =
            if entry.kind == Kind::Link { format!(" -> {}", String::from_utf8_lossy(&entry.link)) } else { "".into() };
        all.push(format!("{}{link}", entry.name()));
    }
    all
}

fn sample() -> Bed {
    let bed = Bed::new();
    bed.file("base/etc/passwd", "root");
    bed.file("base/etc/keep", "x");
    bed.file("base/srv/data/old", "x");
    bed.file("low/bin/tool", "x");
    bed.dir("base/var/empty");
    bed.file("upper/etc/passwd", "root and more");
    bed.file("upper/srv/data/new", "x");
    bed.xattr("upper/srv/data", "user.overlay.opaque", b"y");
    bed.whiteout("upper/bin/tool");
    bed.file("upper/new/a", "same");
    std::fs::hard_link(bed.path("upper/new/a"), bed.path("upper/new/b")).unwrap();
    bed.dir("upper/var/empty");
    for path in ["var/empty", "var", "srv", "bin", "etc"] {
        bed.settle(path);
    }
    bed
}

#[test]
fn lists_what_podman_lists() {
    let bed = sample();
    let want = [
        "C /bin",
        "D /bin/tool",
        "C /etc/passwd",
        "A /new",
        "A /new/a",
        "A /new/b",
        "C /srv",
        "D /srv/data",
        "A /srv/data/new",
    ];
    assert_eq!(lines(&bed.trees()), want);
    std::fs::set_permissions(bed.path("upper/var/empty"), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(lines(&bed.trees()).contains(&"C /var/empty".to_string()));
}

#[test]
fn packs_only_what_changed() {
    let bed = sample();
    let bytes = tar(&bed.trees(), None);
    let want = [
        "bin/",
        "bin/.wh.tool",
        "etc/",
        "etc/passwd",
        "new/",
        "new/a",
        "new/b -> new/a",
        "srv/",
        "srv/data/",
        "srv/data/new",
        "srv/data/.wh.old",
    ];
    assert_eq!(members(&bytes), want);
    assert_eq!(bytes, tar(&bed.trees(), None), "the same again");
    assert_ne!(bytes, tar(&bed.trees(), Some(1000)), "times are bounded");
}

#[test]
fn mount_points_of_the_engine_are_left_out() {
    let bed = Bed::new();
    bed.dir("base/etc");
    for file in ["upper/etc/hosts", "upper/run/.containerenv", "upper/etc/resolv.conf"] {
        bed.file(file, "");
    }
    bed.dir("upper/proc");
    assert_eq!(members(&tar(&bed.trees(), None)), Vec::<String>::new());
    bed.file("upper/etc/resolv.conf", "nameserver ::1");
    bed.file("upper/run/mine", "x");
    assert_eq!(members(&tar(&bed.trees(), None)), ["etc/", "etc/resolv.conf", "run/", "run/mine"]);
    assert!(members(&tar(&Trees { own: false, ..bed.trees() }, None)).contains(&"proc/".to_string()));
}

#[test]
fn marks_of_fuse_overlayfs_count() {
    let bed = Bed::new();
    bed.file("base/a/one", "x");
    bed.file("base/a/two", "x");
    bed.file("base/b", "x");
    bed.file("upper/a/.wh..wh..opq", "");
    bed.file("upper/a/two", "new");
    bed.file("upper/.wh.b", "");
    assert_eq!(members(&tar(&bed.trees(), None)), ["a/", "a/.wh.one", "a/two", ".wh.b"]);
}

#[test]
fn a_whole_copy_is_compared_by_looks() {
    let bed = Bed::new();
    bed.file("base/same", "x");
    bed.file("base/gone", "x");
    bed.file("base/other", "x");
    bed.file("upper/same", "x");
    bed.file("upper/other", "longer");
    bed.settle("same");
    let trees = Trees { whole: true, ..bed.trees() };
    assert_eq!(lines(&trees), ["D /gone", "C /other"]);
    assert_eq!(members(&tar(&trees.flattened(), None)), ["./", "other", "same"]);
}

#[test]
fn flattening_merges_all_layers() {
    let bed = sample();
    let all = members(&tar(&bed.trees().flattened(), None));
    assert!(all.contains(&"etc/keep".to_string()) && all.contains(&"srv/data/new".to_string()), "{all:?}");
    assert!(!all.contains(&"bin/tool".to_string()) && !all.contains(&"srv/data/old".to_string()), "{all:?}");
}

#[test]
fn content_is_found_where_it_is() {
    let bed = Bed::new();
    bed.file("base/f", "the content");
    bed.file("upper/f", "");
    std::fs::File::options().write(true).open(bed.path("upper/f")).unwrap().set_len(11).unwrap();
    bed.xattr("upper/f", "user.overlay.metacopy", b"");
    bed.xattr("upper/f", "user.containers.override_stat", b"33:44:0644");
    bed.xattr("upper/f", "user.mine", b"1");
    let bytes = tar(&bed.trees(), None);
    let mut reader = TarReader::new(&bytes[..]);
    let entry = reader.next_entry().unwrap().unwrap().clone();
    assert_eq!((entry.uid, entry.gid), (33, 44));
    assert_eq!(entry.xattrs, [(b"user.mine".to_vec(), b"1".to_vec())]);
    let mut text = Vec::new();
    while reader
        .data(|chunk| {
            text.extend_from_slice(chunk);
            Ok(())
        })
        .unwrap()
    {}
    assert_eq!(text, b"the content");
}

#[test]
fn holes_follow_from_the_content() {
    use std::os::unix::fs::FileExt;
    let bed = Bed::new();
    let file = std::fs::File::create(bed.path("upper/big")).unwrap();
    file.set_len(8 << 20).unwrap();
    file.write_all_at(b"in the middle", 4 << 20).unwrap();
    // Allocated, but of no content.
    file.write_all_at(&[0; 8192], 1 << 20).unwrap();
    let bytes = tar(&bed.trees(), None);
    assert!(bytes.len() < 20_000, "{}", bytes.len());
    let mut reader = TarReader::new(&bytes[..]);
    let entry = reader.next_entry().unwrap().unwrap();
    assert_eq!((entry.size, entry.sparse.clone()), (8 << 20, Some(vec![(4 << 20, 4096)])));
}

#[test]
fn fifos_links_and_sockets() {
    let bed = Bed::new();
    mknodat(rustix::fs::CWD, bed.path("upper/pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    std::os::unix::fs::symlink("/where", bed.path("upper/link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bed.path("upper/socket")).unwrap();
    bed.file("upper/.wh.mine", "a user's own file");
    let mut out = Vec::new();
    let notes = run(&Request { trees: bed.trees(), form: Form::Tar, newest: None }, &mut out).unwrap();
    assert_eq!(members(&out), ["link", "pipe"]);
    assert!(notes.len() == 2 && notes[0].contains(".wh.mine") && notes[1].contains("socket"), "{notes:?}");
}
