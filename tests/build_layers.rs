//! Layers that are made here stay uncompressed in the store, and leave it compressed: the same way to every place, from
//! every machine.

mod common;

use common::hostile::digest;
use common::registry::Registry;
use common::{TestEnv, fixtures};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

const TEXT: &str = "FROM busybox\nCOPY f /f\nRUN seq 100000 > /numbers && rm /bin/vi\n";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

fn machine() -> TestEnv {
    let env = TestEnv::new().with_busybox();
    env.file("c/Dockerfile", TEXT);
    env.file("c/f", "content\n");
    env
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The manifest that a layout has under a name, with its digest.
fn manifest(layout: &std::path::Path, name: &str) -> (String, Value) {
    let index = json(&std::fs::read(layout.join("index.json")).unwrap());
    let named = |e: &&Value| e["annotations"]["org.opencontainers.image.ref.name"] == name;
    let entry = index["manifests"].as_array().unwrap().iter().find(named).unwrap_or_else(|| panic!("{index}"));
    let digest = entry["digest"].as_str().unwrap().to_string();
    let bytes = std::fs::read(layout.join("blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
    (digest, json(&bytes))
}

/// How the layers of a manifest are compressed, without the base's.
fn own(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap();
    layers[layers.len() - 2..].iter().map(|l| l["mediaType"].as_str().unwrap().to_string()).collect()
}

#[test]
fn layers_stay_plain_here_and_leave_compressed() {
    need!("skopeo");
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let (one, two) = (machine(), machine());
    let Some(registry) = Registry::start(&one.path("registry")) else { skip!("docker-registry is not installed") };
    let raw = |name: &str| {
        let place = format!("docker://{name}");
        let out = Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false", &place]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    let name = registry.name("a/app:1");
    let id = one.run(["build", "-q", "-t", &name, "c"]).success().line();
    let (_, stored) = manifest(&one.root(), &name);
    assert_eq!(own(&stored), [TAR, TAR]);
    let config = json(&std::fs::read(one.root().join("blobs/sha256").join(&id)).unwrap());
    let layers = stored["layers"].as_array().unwrap();
    for (layer, diff_id) in layers.iter().zip(config["rootfs"]["diff_ids"].as_array().unwrap()).skip(layers.len() - 2) {
        assert_eq!(layer["digest"], *diff_id);
    }
    // Pushed twice, since by then it is known as an image of that registry, and from elsewhere.
    let pushed = one.run(["push", "-q", &name]).success().line();
    let sent = raw(&name);
    assert_eq!(own(&json(&sent)), [format!("{TAR}+gzip"), format!("{TAR}+gzip")]);
    assert_eq!(one.run(["push", "-q", &name]).success().line(), pushed);
    assert_eq!(raw(&name), sent);
    let there = registry.name("b/app:2");
    let _ = two.run(["build", "-q", "-t", &there, "c"]).success();
    let _ = two.run(["push", "-q", &there]).success();
    assert_eq!(raw(&there), sent);
    // A file of it is the same image, unless it is asked for otherwise.
    for (format, path) in [("oci-archive", "a.tar"), ("oci-dir", "a")] {
        let _ = one.run(["save", "--format", format, "-o", path, &name]).success();
        let place = format!("{}:{path}", if format == "oci-dir" { "oci" } else { format });
        let out =
            Command::new("skopeo").args(["inspect", "--raw", &place]).current_dir(one.path(".")).output().unwrap();
        assert_eq!(digest(&out.stdout), digest(&sent), "{format}: {}", String::from_utf8_lossy(&out.stderr));
    }
    let _ = one.run(["save", "--uncompressed", "--format", "oci-dir", "-o", "plain", &name]).success();
    assert_eq!(manifest(&one.path("plain"), &name).1, stored);
    // A list with it.
    let _ = one.sh("manifest create list").success();
    let _ = one.run(["manifest", "add", "list", &name]).success();
    let _ = one.sh("save --format oci-dir -o all list").success();
    let (_, index) = manifest(&one.path("all"), "localhost/list:latest");
    assert_eq!(index["manifests"][0]["digest"], digest(&sent));
    assert_eq!(TestEnv::new().run(["load", "-q", "-i", one.path("all").to_str().unwrap()]).success().code, 0);
    // Whoever pulls has the same image.
    let three = TestEnv::new();
    assert_eq!(three.run(["pull", "-q", &name]).success().line(), id);
    let made = three.run(["run", "--rm", "--network=none", &name, "sh", "-c", "wc -l < /numbers; ls /bin/vi; cat /f"]);
    assert!(made.code(0).stdout.contains("100000\ncontent"));
    let _ = one.sh("system check").success();
}

#[test]
fn results_that_came_compressed_make_the_same_image() {
    if !fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let (one, two) = (machine(), machine());
    let Some(registry) = Registry::start(&one.path("registry")) else { skip!("docker-registry is not installed") };
    let cache = one.path("cache").display().to_string();
    let id = one.sh(&format!("build -q -t app --cache-to type=local,dest={cache} c")).success().line();
    // The other store holds the first layer as gzip, as one does that is older than this rule.
    two.file("c/g", "more\n");
    let out = two.sh(&format!("build -q -t app --cache-from type=local,src={cache} c")).success();
    assert_eq!(out.line(), id);
    assert_eq!(own(&manifest(&two.root(), "localhost/app:latest").1)[0], format!("{TAR}+gzip"));
    two.file("c/Dockerfile", format!("{TEXT}COPY g /g\n"));
    let out = two.sh("build --progress plain -t more c").success();
    assert_eq!(out.stderr.matches(" CACHED\n").count(), 2, "{out}");
    assert_eq!(own(&manifest(&two.root(), "localhost/more:latest").1), [format!("{TAR}+gzip"), TAR.to_string()]);
    one.file("c/g", "more\n");
    one.file("c/Dockerfile", format!("{TEXT}COPY g /g\n"));
    let _ = one.sh("build -q -t more c").success();
    let mut pushed = BTreeSet::new();
    for (env, name) in [(&one, registry.name("one/more")), (&two, registry.name("two/more"))] {
        let _ = env.run(["push", "-q", "more", &name]).success();
        let other = TestEnv::new();
        let _ = other.run(["pull", "-q", &name]).success();
        let line = other.run(["images", "--format", "{{.Digest}}", "--no-trunc"]).success().line();
        pushed.insert(line);
    }
    assert_eq!(pushed.len(), 1, "{pushed:?}");
}
