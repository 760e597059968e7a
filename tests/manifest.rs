//! `manifest`: lists of images, made here, pushed to real registries, read by skopeo, podman and buildah, and back.

mod common;

use common::TestEnv;
use common::fixtures::{platforms, sh};
use common::hostile::digest;
use common::registry::Registry;
use serde_json::Value;
use std::process::Command;

/// A registry with `src:amd64`, `src:arm64` and `src:s390x`.
macro_rules! registry {
    ($env:expr) => {{
        need!("skopeo", "busybox", "python3");
        let Some(registry) = Registry::start(&$env.path("registry")) else {
            skip!("docker-registry is not installed");
        };
        platforms(&$env.path("."), "l", "amd64 arm64/v8 s390x");
        for arch in ["amd64", "arm64", "s390x"] {
            sh(
                &$env.path("."),
                &format!(
                    "skopeo --insecure-policy copy -q --dest-tls-verify=false oci:l:{arch} docker://{}",
                    registry.name(&format!("src:{arch}"))
                ),
            );
        }
        registry
    }};
}

fn raw(name: &str) -> Vec<u8> {
    let inspect = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")];
    let out = Command::new("skopeo").args(inspect).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn architectures(index: &Value) -> Vec<&str> {
    let members = index["manifests"].as_array().unwrap();
    members.iter().map(|m| m["platform"]["architecture"].as_str().unwrap()).collect()
}

#[test]
fn a_list_is_made_shown_run_and_pushed() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let (amd64, arm64) = (registry.name("src:amd64"), registry.name("src:arm64"));
    let _ = env.run(["pull", "-q", &amd64]).success();
    let id = env.run(["manifest", "create", "many"]).success().line();
    assert_eq!(id.len(), 64);
    // Of the store, and of the registry: the second's layers stay where they are.
    for image in [&amd64, &format!("docker://{arm64}")] {
        assert_eq!(env.run(["manifest", "add", "--annotation", "k=v", "many", image]).success().line(), id);
    }
    let index = env.run(["manifest", "inspect", "many"]).success().json();
    assert_eq!(architectures(&index), ["amd64", "arm64"]);
    assert_eq!(index["manifests"][1]["platform"]["variant"], "v8");
    assert_eq!(index["manifests"][1]["annotations"]["k"], "v");
    assert_eq!(env.run(["images", "-q", "--filter", "manifest=true"]).success().line(), &id[..12]);
    assert_eq!(env.run(["run", "--rm", "many"]).success().stdout, "amd64");
    let _ = env.run(["run", "--rm", "--pull=never", "--platform=linux/arm64", "many"]).fails(125, &["many"]);
    // The store stays a layout that others read.
    let own = format!("oci:{}:localhost/many:latest", env.root().display());
    let inspect = ["inspect", "--format", "{{.Architecture}}", &own];
    assert_eq!(env.finish(env.program("skopeo").args(inspect), b"").success().line(), "amd64");
    let _ = env.run(["system", "check"]).success();

    let (to, file) = (registry.name("out/many:1"), env.path("digest"));
    let pushed = env.run(["manifest", "push", "-q", "--digestfile", file.to_str().unwrap(), "many", &to]).success();
    let there = raw(&to);
    assert_eq!(digest(&there), pushed.line());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), pushed.line());
    assert_eq!(json(&there), index, "sent as it is stored");
    // Blobs of the same registry are mounted, and no layer came here.
    let layout: Vec<_> = std::fs::read_dir(env.root().join("blobs/sha256")).unwrap().collect();
    assert_eq!(layout.len(), 3 + 2 + 1, "amd64 whole, arm64's manifest and config, the index");

    let other = TestEnv::new();
    let _ = other.run(["pull", "-q", "--platform=linux/arm64", &to]).success();
    let arch = other.run(["image", "inspect", "--format", "{{.Architecture}}", &to]).success().line();
    assert_eq!(arch, "arm64");
    assert_eq!(other.run(["manifest", "inspect", &to]).success().json(), index);
}

#[test]
fn layers_go_from_one_registry_to_another() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let second = Registry::start(&env.path("second")).unwrap();
    let _ = env.run(["manifest", "create", "all"]).success();
    for arch in ["amd64", "arm64", "s390x"] {
        let _ = env.run(["manifest", "add", "all", &registry.name(&format!("src:{arch}"))]).success();
    }
    let blobs = || std::fs::read_dir(env.root().join("blobs/sha256")).unwrap().count();
    let before = blobs();
    let to = second.name("all");
    let _ = env.run(["push", "-q", "all", &to]).success();
    assert_eq!(blobs(), before);
    sh(
        &env.path("."),
        &format!("skopeo --insecure-policy copy -q --all --src-tls-verify=false docker://{to} oci:out:x"),
    );
    let zstd = second.name("all:zstd");
    let _ = env.run(["manifest", "push", "-q", "--compression-format=zstd", "all", &zstd]).success();
    let index = json(&raw(&zstd));
    assert_eq!(architectures(&index), ["amd64", "arm64", "s390x"]);
    let member = format!("{}@{}", second.name("all"), index["manifests"][2]["digest"].as_str().unwrap());
    assert!(String::from_utf8(raw(&member)).unwrap().contains("tar+zstd"));
    // Docker's own form, for old registries.
    let docker = second.name("all:docker");
    let _ = env.run(["manifest", "push", "-q", "--format=v2s2", "all", &docker]).success();
    let index = json(&raw(&docker));
    assert_eq!(index["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
    assert_eq!(index["manifests"][1]["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    // The index alone needs its images to be there.
    let _ = env.run(["manifest", "push", "-q", "--all=false", "all", &second.name("all:again")]).success();
    let _ = env.run(["manifest", "push", "-q", "--all=false", "all", &second.name("empty")]).fails(125, &["push to"]);
    // A layer that is nowhere is named before the list is sent.
    let _ = env
        .run(["save", "--format=oci-archive", "-o", env.path("x.tar").to_str().unwrap(), "all"])
        .fails(125, &["is not in the store", "coracle pull"]);
    let _ = env.run(["manifest", "push", "--rm", "-q", "all", &to]).success();
    let _ = env.run(["manifest", "exists", "all"]).code(1);
    let _ = env.run(["image", "prune", "-af"]).success();
    assert_eq!(blobs(), 0);
}

#[test]
fn lists_change_and_go() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let names: Vec<String> = ["amd64", "arm64", "s390x"].map(|a| registry.name(&format!("src:{a}"))).to_vec();
    let mut create = vec!["manifest", "create", "--annotation", "a=b", "list:1"];
    create.extend(names.iter().map(String::as_str));
    let id = env.run(&create).success().line();
    let _ = env.run(["manifest", "create", "list:1"]).fails(125, &["--amend"]);
    let member =
        |list: &str, at: usize| env.run(["manifest", "inspect", list]).success().json()["manifests"][at].clone();
    let s390x = member("list:1", 2)["digest"].as_str().unwrap().to_string();
    let all = ["--arch=arm", "--os=linux", "--variant=v7", "--os-version=1", "--features=x,y", "--annotation=c=d"];
    let mut annotate = vec!["manifest", "annotate"];
    annotate.extend(all);
    annotate.extend(["list:1", &names[1]]);
    assert_eq!(env.run(&annotate).success().line(), id);
    let changed = member("list:1", 1);
    assert_eq!(
        changed["platform"],
        serde_json::json!({"architecture": "arm", "os": "linux", "variant": "v7", "os.version": "1", "features": ["x", "y"]})
    );
    assert_eq!(changed["annotations"]["c"], "d");
    let _ = env.run(["manifest", "annotate", "--index", "--annotation=e=f", "list:1"]).success();
    let whole = env.run(["manifest", "inspect", &id[..10]]).success().json();
    assert_eq!((&whole["annotations"]["a"], &whole["annotations"]["e"]), (&"b".into(), &"f".into()));

    assert_eq!(env.run(["manifest", "remove", "list:1", &s390x]).success().line(), id);
    let _ = env.run(["manifest", "remove", "list:1", &s390x]).fails(125, &["find", "in the manifest list"]);
    let _ = env.run(["manifest", "add", "list:1", "localhost/none"]).fails(125, &["not in the store"]);
    let _ = env.run(["manifest", "add", "none", &names[0]]).fails(125, &["manifest create"]);
    // A list within a list: one member, or all of them.
    let _ = env.run(["manifest", "create", "one", "list:1"]).success();
    let _ = env.run(["manifest", "create", "--all", "two", "list:1"]).success();
    assert_eq!(architectures(&env.run(["manifest", "inspect", "one"]).success().json()), ["amd64"]);
    assert_eq!(architectures(&env.run(["manifest", "inspect", "two"]).success().json()), ["amd64", "arm"]);
    let _ = env.run(["manifest", "create", "--amend", "one", &names[2]]).success();
    assert_eq!(architectures(&env.run(["manifest", "inspect", "one"]).success().json()), ["amd64", "s390x"]);

    // As podman's scripts see it, and in the order of making.
    let podman = env.path("podman");
    std::os::unix::fs::symlink(common::binary(), &podman).unwrap();
    let mut command = env.program(&podman);
    command.arg("--root").arg(env.root()).arg("--runroot").arg(env.runroot()).args(["images", "--format=json"]);
    let rows = env.finish(&mut command, b"").success().json();
    let row = rows.as_array().unwrap().iter().find(|r| r["Id"] == id.as_str()).unwrap().clone();
    assert_eq!((&row["IsManifestList"], &row["Names"][0]), (&true.into(), &"localhost/list:1".into()));
    assert!(row["Created"].as_i64().unwrap() > 1_500_000_000 && row["Size"].is_u64(), "{row}");
    let since = env.run(["images", "--filter=since=list:1", "--format={{.Names}}"]).success().stdout;
    assert!(since.contains("one") && since.contains("two") && !since.contains("list:1"), "{since}");

    // Names, as images have them.
    let _ = env.run(["tag", "list:1", "also"]).success();
    assert_eq!(env.run(["rmi", "list:1"]).success().stdout, "Untagged: localhost/list:1\n");
    let _ = env.run(["manifest", "exists", "list:1"]).code(1);
    let _ = env.run(["untag", "also"]).success();
    let _ = env.run(["manifest", "exists", &id]).success();
    // Without a name it goes with the unused images; the others stay.
    let _ = env.run(["image", "prune", "-f"]).success();
    let _ = env.run(["manifest", "exists", &id]).code(1);
    assert!(env.run(["manifest", "rm", "one", "two"]).success().stdout.contains("Deleted: "));
    let _ = env.run(["manifest", "rm", "one"]).fails(1, &["manifest list 'one'"]);
    assert_eq!(std::fs::read_dir(env.root().join("blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn members_of_directories_survive_a_prune_and_are_saved() {
    let env = TestEnv::new();
    need!("skopeo", "busybox", "python3");
    platforms(&env.path("."), "l", "amd64 arm64/v8");
    let layout = env.path("l").display().to_string();
    let amd64 = format!("oci:{layout}:amd64");
    let _ = env.run(["manifest", "create", "dirs", &amd64, &format!("oci:{layout}:arm64")]).success();
    let _ = env.run(["image", "prune", "-f"]).success();
    let _ = env.run(["run", "--rm", "dirs"]).success().prints("amd64");
    let out = env.path("out.tar");
    let _ = env.run(["save", "--format=oci-archive", "-o", out.to_str().unwrap(), "dirs"]).success();
    let copied = format!("skopeo --insecure-policy copy -q --all oci-archive:{} oci:copied:x", out.display());
    sh(&env.path("."), &copied);
    let copied = env.path("copied/blobs/sha256");
    for entry in std::fs::read_dir(env.path("l/blobs/sha256")).unwrap() {
        assert!(copied.join(entry.unwrap().file_name()).exists(), "saved with the digests that they had");
    }
    // What skopeo adds to the store itself is a list like ours.
    let own = format!("oci:{}:localhost/theirs:latest", env.root().display());
    sh(&env.path("."), &format!("skopeo --insecure-policy copy -q --all oci:copied:x {own}"));
    assert_eq!(env.run(["run", "--rm", "theirs"]).success().stdout, "amd64");
    assert_eq!(
        env.run(["images", "-q", "--filter=manifest=true", "--filter=reference=theirs"])
            .success()
            .stdout
            .lines()
            .count(),
        1
    );
    let other = TestEnv::new();
    let _ = other.run(["load", "-qi", out.to_str().unwrap()]).success();
    assert_eq!(other.run(["run", "--rm", "dirs"]).success().stdout, "amd64");
}

#[test]
fn changes_at_once_are_all_made() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let _ = env.run(["manifest", "create", "busy"]).success();
    let adding: Vec<_> = ["amd64", "arm64", "s390x"]
        .map(|arch| env.spawn(["manifest", "add", "busy", &registry.name(&format!("src:{arch}"))]))
        .into_iter()
        .collect();
    for mut one in adding {
        assert!(one.wait().unwrap().success());
    }
    let index = env.run(["manifest", "inspect", "busy"]).success().json();
    let mut found = architectures(&index);
    found.sort_unstable();
    assert_eq!(found, ["amd64", "arm64", "s390x"]);
}

#[test]
fn podman_and_buildah_lists_and_ours() {
    let env = TestEnv::new();
    let registry = registry!(env);
    need!("podman", "buildah", "unshare");
    let (amd64, arm64, to, ours) =
        (registry.name("src:amd64"), registry.name("src:arm64"), registry.name("theirs:1"), registry.name("ours:1"));
    let conf = format!("[[registry]]\nlocation = '127.0.0.1:{}'\ninsecure = true\n", registry.port);
    let conf = env.file("registries.conf", conf);
    // Mapped already, so that podman leaves no process behind; its path of sockets may have 50 characters.
    let peers = |script: &str| {
        let script = format!(
            "mount -t tmpfs podman /media
            p() {{ tool=$1; shift; $tool --root $PWD/peer --runroot /media/run --storage-driver vfs \"$@\"; }}
            {script}"
        );
        env.finish(env.as_mapped_root(&script).env("CONTAINERS_REGISTRIES_CONF", &conf), b"").success()
    };
    let _ = peers(&format!(
        "p podman manifest create theirs; p podman manifest add theirs docker://{amd64}
        p podman manifest add theirs docker://{arm64}; p podman manifest push --all theirs docker://{to}"
    ));
    let _ = env.run(["pull", "-q", "--platform=linux/arm64/v8", &to]).success();
    assert_eq!(env.run(["image", "inspect", "--format", "{{.Architecture}}", &to]).success().line(), "arm64");
    // All of theirs into ours, and back to them.
    let _ = env.run(["manifest", "create", "--all", "ours", &format!("docker://{to}")]).success();
    let _ = env.run(["manifest", "push", "-q", "ours", &ours]).success();
    let theirs = peers(&format!("p podman manifest inspect {ours}")).json();
    // It prints either kind as Docker's.
    assert_eq!(theirs["manifests"], env.run(["manifest", "inspect", "ours"]).success().json()["manifests"]);
    let id = peers(&format!("p buildah pull -q --arch=arm64 --policy=always docker://{ours}")).line();
    assert_eq!(id, env.run(["image", "inspect", "--format", "{{.Id}}", &to]).success().line().replace("sha256:", ""));
}

/// What was saved as a list is one again, byte for byte; pulls and `--platform` take one image of it.
#[test]
fn lists_go_through_archives() {
    need!("skopeo", "busybox", "python3", "zstd");
    let env = TestEnv::new();
    platforms(&env.path("."), "l", "amd64 arm64/v8 s390x");
    let _ = env.run(["manifest", "create", "many"]).success();
    for arch in ["amd64", "arm64", "s390x"] {
        let _ = env.run(["manifest", "add", "many", &format!("oci:l:{arch}")]).success();
    }
    let _ = env.sh("save --format oci-archive -o many.tar many").success();
    let _ = env.sh("save --format oci-dir -o layout many").success();
    let whole = json(&std::fs::read(env.path("layout/index.json")).unwrap());
    let index = env.run(["manifest", "inspect", "many"]).success().stdout;
    sh(
        &env.path("."),
        "zstd -q many.tar; skopeo --insecure-policy copy -q --all oci:layout:localhost/many:latest dir:plain",
    );
    let other = TestEnv::new();
    let from = |name: &str| env.path(name).display().to_string();
    let listed = |expected: &str| {
        let lists = other.run(["images", "--filter", "manifest=true", "--format", "{{.Digest}}"]).success();
        assert_eq!(lists.stdout.trim(), expected);
    };
    let digest = whole["manifests"][0]["digest"].as_str().unwrap();
    for source in ["many.tar", "many.tar.zst", "layout"] {
        let loaded = other.run(["load", "-i", &from(source)]).success();
        assert_eq!(loaded.line(), "Loaded image: localhost/many:latest", "{source}");
        listed(digest);
        // Once more changes nothing.
        let _ = other.run(["load", "-i", &from(source)]).success();
        listed(digest);
        assert_eq!(other.run(["manifest", "inspect", "many"]).success().stdout, index, "{source}");
        assert_eq!(other.run(["run", "--rm", "many"]).success().stdout, "amd64", "{source}");
        assert_eq!(other.sh("images -q").success().stdout.lines().count(), 1, "{source}: the members have no names");
        let _ = other.sh("save --format oci-archive -o again.tar many").success();
        assert!(std::fs::read(other.path("again.tar")).unwrap() == std::fs::read(env.path("many.tar")).unwrap());
        let _ = other.sh("system check").success();
        let _ = other.sh("rmi many").success();
        std::fs::remove_file(other.path("again.tar")).unwrap();
        listed("");
    }
    let _ = other.run(["load", "-i", &from("plain")]).success();
    listed(digest);
    let _ = other.sh("rmi -a").success();
    // One image of it.
    let _ = other.run(["load", "--platform", "linux/s390x", "-i", &from("many.tar")]).success();
    listed("");
    assert_eq!(other.sh("image inspect -f {{.Architecture}} many").success().line(), "s390x");
    let layout = format!("oci:{}:localhost/many:latest", from("layout"));
    let _ = other.run(["pull", "-q", "--platform", "linux/arm64", &layout]).success();
    assert_eq!(other.sh("image inspect -f {{.Architecture}} many").success().line(), "arm64");
    let _ = other.run(["pull", "-q", &layout]).success();
    assert_eq!(other.run(["run", "--rm", "many"]).success().stdout, "amd64");
    listed("");
    let _ = other.run(["pull", "-q", "--platform", "linux/mips", &layout]).fails(125, &["linux/mips", "linux/s390x"]);
    // What the archive lacks is not in the list.
    let bytes = std::fs::read(env.path("layout/blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
    let lost = json(&bytes)["manifests"][1]["digest"].as_str().unwrap().to_string();
    std::fs::remove_file(env.path("layout/blobs/sha256").join(&lost["sha256:".len()..])).unwrap();
    let _ = other.run(["load", "-i", &from("layout")]).success();
    assert_eq!(architectures(&other.run(["manifest", "inspect", "many"]).success().json()), ["amd64", "s390x"]);
    assert_eq!(other.run(["run", "--rm", "many"]).success().stdout, "amd64");
    let _ = other.sh("system check").success();
}

/// One platform of a list is an image, several are a list; formats without lists hold one.
#[test]
fn platforms_of_a_list_are_saved_and_pushed() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let _ = env.run(["manifest", "create", "many"]).success();
    for arch in ["amd64", "arm64", "s390x"] {
        let _ = env.run(["manifest", "add", "many", &format!("oci:l:{arch}")]).success();
    }
    let other = TestEnv::new();
    let load = |name: &str| {
        let _ = other.run(["load", "-q", "-i", &env.path(name).display().to_string()]).success();
    };
    let architecture = || other.sh("image inspect -f {{.Architecture}} many").success().line();
    for (format, wanted) in [("docker-archive", "s390x"), ("oci-archive", "arm64"), ("oci-dir", "linux/s390x")] {
        let _ = env.run(["save", "--platform", wanted, "--format", format, "-o", format, "many"]).success();
        load(format);
        assert_eq!(architecture(), wanted.trim_start_matches("linux/"), "{format}");
        let lists = other.run(["images", "--filter", "manifest=true", "-q"]).success();
        assert_eq!(lists.stdout, "", "{format}");
    }
    for flags in ["--platform linux/s390x --platform linux/amd64", "--platform linux/s390x,linux/amd64"] {
        let _ = env.sh(&format!("save {flags} --format oci-archive -o two.tar many")).success();
        load("two.tar");
        let listed = other.run(["manifest", "inspect", "many"]).success().json();
        assert_eq!(architectures(&listed), ["amd64", "s390x"], "{flags}");
    }
    sh(&env.path("."), "skopeo --insecure-policy copy -q --all oci-archive:two.tar dir:two");
    // The list here is what it was.
    assert_eq!(architectures(&env.run(["manifest", "inspect", "many"]).success().json()).len(), 3);
    let _ = env.sh("save --platform amd64,s390x -o no.tar many").fails(125, &["one platform", "oci-archive"]);
    let _ = env.sh("save --platform mips -o no.tar many").fails(125, &["linux/mips", "linux/s390x"]);
    assert!(!env.path("no.tar").exists());
    // Elsewhere: one image too.
    let name = registry.name("test/one:1");
    let _ = env.run(["push", "-q", "--platform", "linux/arm64", "many", &name]).success();
    let pushed = json(&raw(&name));
    assert!(pushed["config"].is_object() && pushed["manifests"].is_null(), "{pushed}");
    let _ = env.sh("push -q --platform s390x many oci:pushed:x").success();
    let _ =
        other.run(["pull", "-q", "--platform", "s390x", &format!("oci:{}:x", env.path("pushed").display())]).success();
    let _ = env.run(["push", "-q", "--platform", "mips", "many", &name]).fails(125, &["linux/mips"]);
    // A plain image is for its platform.
    let _ = env.run(["pull", "-q", "--platform", "arm64", "oci:l:arm64"]).success();
    let id = env.sh("images -q --no-trunc --filter manifest=false").success().line();
    let _ = env.run(["save", "--platform", "arm64", "-o", "arm.tar", &id]).success();
    let _ = env.run(["save", "--platform", "s390x", "-o", "no.tar", &id]).fails(125, &["linux/arm64", "linux/s390x"]);
    // A member whose layers stayed at its registry.
    let far = TestEnv::new();
    let _ = far.run(["manifest", "create", "far"]).success();
    let _ = far.run(["manifest", "add", "far", &format!("docker://{}", registry.name("src:amd64"))]).success();
    let _ = far.sh("save --platform amd64 -o no.tar far").fails(125, &["not in the store", "coracle pull"]);
}
