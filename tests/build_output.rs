//! Where `coracle build` puts its result: archives, registries, metadata. Read back by skopeo and podman.

mod common;

use common::hostile::digest;
use common::registry::Registry;
use common::{Ran, TestEnv};
use serde_json::Value;
use std::process::Command;

const TEXT: &str = "FROM busybox\nCOPY f /f\nRUN echo made > /made\nLABEL own=1\n";

#[track_caller]
fn build(env: &TestEnv, flags: &str) -> Ran {
    env.file("c/Dockerfile", TEXT);
    env.file("c/f", "content\n");
    env.sh(&format!("build {flags} c"))
}

/// What skopeo prints.
#[track_caller]
fn skopeo(env: &TestEnv, args: &[&str]) -> Vec<u8> {
    let out = Command::new("skopeo").args(args).current_dir(env.path(".")).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn json(env: &TestEnv, path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(env.path(path)).unwrap()).unwrap()
}

#[test]
fn archives_and_layouts() {
    let env = busybox_env!();
    need!("skopeo");
    let id = build(&env, "-q -t one -t two:2").success().line();
    let out = build(
        &env,
        "-t app:1 -o type=oci,dest=o.tar -o type=docker,dest=d.tar -o type=oci,dest=dir,tar=false -o files --metadata-file m --iidfile i",
    )
    .success();
    assert_eq!(out.line(), id, "{out}");
    assert_eq!(std::fs::read_to_string(env.path("i")).unwrap(), format!("sha256:{id}"));
    // Nothing of it is an image of the store.
    let _ = env.sh("image exists app:1").code(1);
    let meta = json(&env, "m");
    assert_eq!(meta["containerimage.config.digest"], format!("sha256:{id}"));
    assert_eq!(meta["image.name"], "localhost/app:1");
    for place in ["oci-archive:o.tar", "docker-archive:d.tar", "oci:dir"] {
        let config = skopeo(&env, &["inspect", "--config", "--raw", place]);
        assert_eq!(digest(&config), format!("sha256:{id}"), "{place}");
    }
    let raw = skopeo(&env, &["inspect", "--raw", "oci:dir"]);
    assert_eq!(meta["containerimage.digest"], digest(&raw));
    assert_eq!(meta["containerimage.descriptor"]["size"], raw.len());
    assert_eq!(std::fs::read_to_string(env.path("files/made")).unwrap(), "made\n");
    // Standard output: the archive and nothing else.
    let out = build(&env, "-t app:1 -o type=docker,dest=-").success();
    assert_eq!(out.stdout_bytes, std::fs::read(env.path("d.tar")).unwrap());
    let other = TestEnv::new();
    let _ = other.run_with_stdin(["load"], &out.stdout_bytes).success();
    assert_eq!(other.sh("images -q --no-trunc").success().line(), format!("sha256:{id}"));
    // The image beside the archive.
    let _ = build(&env, "-t app:1 -o type=oci,dest=o.tar --load").success();
    let _ = env.sh("image exists app:1").success();
    let _ = build(&env, "-o type=cacheonly").success().prints("");
}

#[test]
fn what_can_not_be_done_is_said_before_anything_is_built() {
    let env = busybox_env!();
    for (flags, want) in [
        ("-o type=oci,dest=no/such/x.tar", "no/such"),
        ("-o type=zip,dest=x", "unknown"),
        ("-o type=oci -o type=tar", "standard output"),
        ("--push", "no name"),
        ("-t local --push", "name of this host"),
        ("--annotation k=v --format docker", "no annotations"),
        ("--annotation nope:k=v", "no level"),
        ("--label =x", "KEY=VALUE"),
        ("-t x@sha256:00", "x@sha256"),
    ] {
        let out = build(&env, flags);
        assert!(out.code == 125 && out.stderr.contains(want), "{flags}: {out}");
        assert!(!out.stderr.contains("RUN"), "{flags}: {out}");
    }
    // A directory with something in it stays as it is.
    env.file("full/x", "x");
    let out = build(&env, "-o type=oci,dest=full,tar=false");
    assert!(out.code != 0 && out.stderr.contains("not empty"), "{out}");
    assert_eq!(std::fs::read_dir(env.path("full")).unwrap().count(), 1);
}

#[test]
fn pushed_to_registries() {
    let env = busybox_env!();
    need!("skopeo");
    let Some(registry) = Registry::start(&env.path("registry")) else { skip!("docker-registry is not installed") };
    let raw = |name: &str| skopeo(&env, &["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    let (one, two) = (registry.name("a/one:1"), registry.name("b/two"));
    let out =
        build(&env, &format!("-t {one} -t {two} --push --annotation a.b=c --annotation index:no=1 --metadata-file m"))
            .success();
    let manifest = raw(&one);
    assert_eq!(raw(&format!("{two}:latest")), manifest);
    let value: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(value["annotations"], serde_json::json!({"a.b": "c"}));
    let meta = json(&env, "m");
    assert_eq!(meta["containerimage.digest"], digest(&manifest));
    assert_eq!(meta["image.name"], format!("{one},{two}:latest"));
    let _ = env.run(["image", "exists", &one]).success();
    let other = TestEnv::new();
    assert_eq!(other.run(["pull", "-q", &one]).success().line(), out.line());
    assert_eq!(
        other.run(["run", "--rm", "--network=none", &one, "cat", "/f", "/made"]).success().stdout,
        "content\nmade\n"
    );
    // By digest alone, as jobs push that make one platform each.
    let name = registry.name("c/three");
    let flags =
        format!("-o type=image,name={name},push-by-digest=true,name-canonical=true,push=true --metadata-file m");
    let _ = build(&env, &flags).success();
    let by_digest = format!("{name}@{}", json(&env, "m")["containerimage.digest"].as_str().unwrap());
    assert_eq!(digest(&raw(&by_digest)), json(&env, "m")["containerimage.digest"]);
    let tags =
        Command::new("skopeo").args(["list-tags", "--tls-verify=false", &format!("docker://{name}")]).output().unwrap();
    assert!(!String::from_utf8_lossy(&tags.stdout).contains("latest"));
    // In another compression.
    let name = registry.name("d/four:z");
    let _ = build(&env, &format!("-o type=registry,name={name},compression=zstd")).success();
    assert!(String::from_utf8(raw(&name)).unwrap().contains("tar+zstd"));
    // A registry that is gone: an error, and the image is there for another push.
    drop(registry);
    let out = build(&env, &format!("-t {one} --push --retry 0"));
    assert!(out.code == 125 && out.stderr.contains("push to"), "{out}");
    let _ = env.run(["image", "exists", &one]).success();
}

#[test]
fn podman_loads_what_was_built() {
    let env = busybox_env!();
    need!("podman");
    let id = build(&env, "-t app:1 -o type=oci,dest=o.tar -o type=docker,dest=d.tar --label x=y").success().line();
    let podman = |args: &[&str]| {
        let mut command = env.program("podman");
        command.arg("--root").arg(env.path("p")).args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs"]);
        env.finish(command.args(args), b"").success()
    };
    for file in ["o.tar", "d.tar"] {
        let _ = podman(&["load", "-q", "-i", file]);
        assert_eq!(podman(&["image", "inspect", "--format", "{{.Id}}", "localhost/app:1"]).line(), id, "{file}");
        let _ = podman(&["rmi", "-f", &id]);
    }
    // Its files, and the process that it leaves to keep its namespaces.
    let script = "podman unshare rm -rf p; kill $(cat run/libpod/tmp/pause.pid)";
    let _ = env.finish(env.program("sh").args(["-c", script]), b"").success();
}
