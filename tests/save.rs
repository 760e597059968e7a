//! `save` and the way back by `load`, here and in other people's tools; `untag`, `image tree`, `import` by address.

mod common;

use common::{TestEnv, fixtures};
use std::io::{Read, Write};

/// A store with an image of two layers, one of them made here.
fn env() -> TestEnv {
    let env = TestEnv::new().with_busybox();
    env.run(["run", "--name", "c", "--network", "none", "busybox", "sh", "-c", "echo two > /second; rm /bin/vi"])
        .success();
    env.sh("commit c two:1").success();
    env.sh("rm c").success();
    env
}

fn works(env: &TestEnv, image: &str) {
    let script = "cat /second; [ ! -e /bin/vi ]";
    env.run(["run", "--rm", "--network", "none", image, "sh", "-c", script]).success().prints("two\n");
}

#[test]
fn what_is_saved_loads_again() {
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let env = env();
    let id = env.sh("images -q --no-trunc two").success().line();
    for (format, path) in
        [("docker-archive", "d.tar"), ("oci-archive", "o.tar"), ("oci-dir", "layout"), ("docker-dir", "plain")]
    {
        env.sh(&format!("save -q --format {format} -o {path} two:1")).success().prints("");
        env.sh(&format!("save --format {format} -o again-{path} two:1")).success();
        let mut same = env.program("diff");
        same.args(["-r", path, &format!("again-{path}")]);
        env.finish(&mut same, b"").success();
        env.sh("rmi -f two:1").success();
        let loaded = env.sh(&format!("load -i {path}")).success().line();
        if format == "docker-dir" {
            // It has no place for names.
            assert!(loaded.contains("sha256:"), "{loaded}");
            env.sh(&format!("tag {} two:1", &id["sha256:".len()..])).success();
        }
        assert_eq!(env.sh("images -q --no-trunc two").success().line(), id, "{format}");
        works(&env, "two:1");
    }
    // Nothing is overwritten, and nothing half-written stays.
    let _ = env.sh("save --format oci-dir -o layout two:1").fails(125, &["layout"]);
    let _ = env.sh("save -o /no/such/dir/x two:1").fails(125, &["/no/such/dir/x"]);
    let _ = env.sh("save -o x.tar nosuch").fails(125, &["nosuch"]);
    let _ = env.sh("save --format oci-dir two:1").fails(125, &["-o"]);
    let _ = env.sh("save --format zip two:1").fails(125, &["docker-archive"]);
    assert!(!env.path("x.tar").exists());
    env.sh("save --format docker-dir --compress -o gz two:1").success();
    env.sh("load -i gz").success();
}

#[test]
fn several_images_go_through_a_pipe() {
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let env = env();
    for format in ["docker-archive", "oci-archive"] {
        let mut shell = env.program("sh");
        let me = common::binary().display().to_string();
        let (root, run) = (env.root().display().to_string(), env.runroot().display().to_string());
        let script = "$0 --root $1 --runroot $2 save -m --format $3 busybox two:1 | $0 --root $1.2 --runroot $2.2 load";
        shell.args(["-euc", script, &me, &root, &run, format]);
        let out = env.finish(&mut shell, b"").success();
        assert!(out.stdout.contains("localhost/busybox:latest") && out.stdout.contains("localhost/two:1"), "{out}");
    }
}

/// Straight into a file, through a pipe, and from a store that doesn't know how large the layers are.
#[test]
fn a_docker_archive_is_the_same_wherever_it_goes() {
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let env = env();
    env.sh("save -m -o file.tar busybox two:1").success();
    let out = env.command(["save", "-m", "busybox", "two:1"]).output().unwrap();
    let file = std::fs::read(env.path("file.tar")).unwrap();
    assert!(out.status.success() && out.stdout == file, "pipe: {} bytes, file: {}", out.stdout.len(), file.len());
    let mut known = 0;
    for layer in std::fs::read_dir(env.root().join("layers")).unwrap().flatten() {
        let path = layer.path().join("meta.json");
        let Ok(text) = std::fs::read(&path) else { continue };
        let mut record: serde_json::Value = serde_json::from_slice(&text).unwrap();
        known += usize::from(record["report"].as_object_mut().unwrap().remove("tar").is_some());
        std::fs::write(&path, record.to_string()).unwrap();
    }
    assert!(known > 0, "no layer's record knows the size of its tar");
    env.sh("save -m -o unknown.tar busybox two:1").success();
    assert!(std::fs::read(env.path("unknown.tar")).unwrap() == file, "without known sizes");
}

#[test]
fn a_damaged_blob_is_not_saved() {
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let env = TestEnv::unchecked().with_busybox();
    let blobs = std::fs::read_dir(env.root().join("blobs/sha256")).unwrap().flatten();
    let layer = blobs.max_by_key(|b| b.metadata().unwrap().len()).unwrap().path();
    let mut bytes = std::fs::read(&layer).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&layer, bytes).unwrap();
    for format in ["docker-archive", "oci-archive", "oci-dir", "docker-dir"] {
        let out = env.sh(&format!("save --format {format} -o out busybox")).code(125);
        assert!(out.stderr.contains("sha256"), "{out}");
        assert!(!env.path("out").exists(), "{format}");
    }
}

#[test]
fn others_read_what_is_saved() {
    need!("skopeo");
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let env = env();
    let id = env.sh("images -q --no-trunc two").success().line();
    for (format, transport, path) in [
        ("docker-archive", "docker-archive", "d.tar"),
        ("oci-archive", "oci-archive", "o.tar"),
        ("oci-dir", "oci", "layout"),
        ("docker-dir", "dir", "plain"),
    ] {
        env.sh(&format!("save --format {format} -o {path} two:1")).success();
        let mut skopeo = env.program("skopeo");
        skopeo.args(["--insecure-policy", "copy", "-q", &format!("{transport}:{path}"), &format!("dir:from-{path}")]);
        env.finish(&mut skopeo, b"").success();
        let manifest = std::fs::read_to_string(env.path(&format!("from-{path}/manifest.json"))).unwrap();
        assert!(manifest.contains(&id), "{format}: the config is another: {manifest}");
    }
}

#[test]
fn names_come_and_go() {
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let env = env();
    env.sh("tag two:1 three:1 four:1").success();
    env.sh("untag two:1 three:1").success();
    let _ = env.sh("image exists three:1").code(1);
    env.sh("image exists four:1").success();
    let _ = env.sh("untag two:1 other:1").fails(125, &["other:1"]);
    let _ = env.sh("untag two:1 busybox").fails(125, &["busybox"]);
    env.sh("untag two:1").success();
    env.sh("images --filter dangling=true -q").success().has("");
    assert_eq!(env.sh("images --filter dangling=true -q").success().stdout.lines().count(), 1);
    let tree = env.sh("image tree busybox").success();
    assert!(tree.stdout.contains("Top Layer of: [localhost/busybox:latest]"), "{tree}");
    env.sh("image tree --whatrequires busybox").success().has("├──");
}

#[test]
fn import_fetches_an_address() {
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let env = env();
    env.sh("create --name c two:1").success();
    env.sh("export -o out.tar c").success();
    let tar = std::fs::read(env.path("out.tar")).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let n = stream.read(&mut request).unwrap();
            if request[..n].starts_with(b"GET /a.tar ") {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", tar.len())
                    .unwrap();
                let _ = stream.write_all(&tar);
            } else {
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        }
    });
    env.sh(&format!("import http://127.0.0.1:{port}/a.tar web")).success();
    works(&env, "web");
    let _ = env.sh(&format!("import http://127.0.0.1:{port}/b.tar web2")).fails(125, &["b.tar"]);
    server.join().unwrap();
}
