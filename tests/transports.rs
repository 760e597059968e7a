//! `pull` from archives, directories and podman's own store, made by skopeo and podman.

mod common;

use common::fixtures::{busybox, busybox_docker, can_make, sh};
use common::{TestEnv, which};
use serde_json::json;
use std::process::Command;

macro_rules! env {
    () => {{
        if !can_make() {
            skip!("busybox-static, umoci and skopeo are needed to make the test image");
        }
        TestEnv::new()
    }};
}

/// The image id that skopeo and everybody else gives the test image.
fn id() -> String {
    let out = Command::new("skopeo")
        .args(["inspect", "--raw", &format!("oci-archive:{}", busybox().display())])
        .output()
        .unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    manifest["config"]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_string()
}

#[test]
fn archives() {
    let env = env!();
    let (oci, docker) = (busybox().display().to_string(), busybox_docker().display().to_string());
    let out = env.run(["pull", "-q", &format!("oci-archive:{oci}")]).success();
    assert_eq!(out.line(), id());
    let _ = env.run(["run", "--rm", "--pull=never", "localhost/busybox", "true"]).success();
    let _ = env.run(["rmi", "localhost/busybox"]).success();
    for name in ["", ":localhost/busybox:latest", ":@0"] {
        let out = env.run(["pull", "-q", &format!("docker-archive:{docker}{name}")]).success();
        assert_eq!(out.line().len(), 64, "{name}");
        let _ = env.run(["rmi", "localhost/busybox"]).success();
    }
    let none = env.run(["pull", "-q", &format!("docker-archive:{docker}:other")]);
    let _ = none.fails(125, &["find image 'other'", "localhost/busybox:latest"]);
    let _ = env.run(["pull", "-q", &format!("oci-archive:{oci}:@7")]).fails(125, &["find image @7"]);
    let _ = env.run(["pull", "-q", "oci-archive:/no/such"]).fails(125, &["pull oci-archive:/no/such", "no such file"]);
    // As docker and podman have them, also straight from `run`.
    let out = env.run(["run", "--rm", &format!("oci-archive:{oci}"), "cat", "/var/lib/data/seed"]);
    let _ = out.success().prints("seeded\n");
    assert!(std::fs::read_dir(env.root().join("tmp")).unwrap().next().is_none());
}

#[test]
fn directories() {
    let env = env!();
    let from = format!("oci-archive:{}", busybox().display());
    sh(
        &env.dir,
        &format!(
            "skopeo --insecure-policy copy -q {from} dir:plain
             skopeo --insecure-policy copy -q --format v2s2 {from} dir:v2s2
             skopeo --insecure-policy copy -q {from} oci:layout:one
             skopeo --insecure-policy copy -q {from} oci:layout:two"
        ),
    );
    assert_eq!(env.run(["pull", "-q", &format!("dir:{}", env.path("plain").display())]).success().line(), id());
    let out = env.run(["images", "--no-trunc", "-q"]).success();
    assert_eq!(out.line(), format!("sha256:{}", id()));
    let _ = env.run(["run", "--rm", &id()[..12], "true"]).success();
    let _ = env.run(["rmi", &id()]).success();
    // Relative to where we are; Docker's manifest.
    assert_eq!(env.run(["pull", "-q", "dir:v2s2"]).success().line().len(), 64);
    let layout = format!("oci:{}", env.path("layout").display());
    // skopeo lists one manifest under two names.
    assert_eq!(env.run(["pull", "-q", &format!("{layout}:two")]).success().line(), id());
    let _ = env.run(["image", "exists", "localhost/two"]).success();
    let _ = env.run(["image", "exists", "localhost/one"]).code(1);
    let _ = env.run(["pull", "-q", &format!("{layout}:three")]).fails(125, &["find image 'three'", "localhost/one"]);
    // A blob that is not what its name says.
    let blob = std::fs::read_dir(env.path("plain"))
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .max_by_key(|p| p.metadata().unwrap().len());
    let mut bytes = std::fs::read(blob.as_ref().unwrap()).unwrap();
    bytes[100] ^= 1;
    std::fs::write(blob.unwrap(), bytes).unwrap();
    let fresh = TestEnv::new();
    let out = fresh.run(["pull", "-q", &format!("dir:{}", env.path("plain").display())]);
    let _ = out.fails(125, &["the data's digest is"]);
}

#[test]
fn the_docker_daemon_is_refused_with_the_way_out() {
    let env = TestEnv::new();
    let out = env.run(["pull", "docker-daemon:debian:12"]);
    let _ = out.fails(125, &["docker-daemon:debian:12", "docker save debian:12 | coracle load"]);
}

/// podman with a store below the test's directory.
fn podman(env: &TestEnv, driver: &str, args: &[&str]) -> common::Ran {
    let mut command = env.program("podman");
    command.arg("--root").arg(env.path(driver));
    command.args(["--storage-driver", driver, "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
    command.args(args);
    env.finish(&mut command, b"")
}

#[test]
fn the_store_of_podman() {
    need!("podman", "buildah");
    for driver in ["overlay", "vfs"] {
        let env = env!();
        let archive = busybox().display().to_string();
        let _ = podman(&env, driver, &["load", "-q", "-i", &archive]).success();
        // A second layer, with a whiteout, another owner, a closed file and an odd name.
        let script = "rm /var/lib/data/seed; echo x >'/a b'; chown 1:2 '/a b'; chmod 0 '/a b'; ln '/a b' /hard; mkdir -p /deep/er";
        env.file("Dockerfile", format!("FROM localhost/busybox\nRUN {script}\n"));
        let _ = podman(&env, driver, &["build", "-q", "--isolation=chroot", "-t", "localhost/two", "."]).success();
        let name = "localhost/two";
        let theirs = podman(&env, driver, &["image", "inspect", "--format", "{{.Id}}", name]).success().line();
        let spec = format!("containers-storage:[{driver}@{}]{name}", env.path(driver).display());
        let out = env.run(["pull", "-q", &spec]).success();
        assert_eq!(out.line(), theirs, "{driver}");
        let _ = env.run(["image", "exists", name]).success();
        let check = "test ! -e /var/lib/data/seed && stat -c '%u %g %a %h' '/a b' && test -d /deep/er";
        let _ = env.run(["run", "--rm", name, "sh", "-c", check]).success().prints("1 2 0 2\n");
        let by_id = format!("containers-storage:[{}]{}", env.path(driver).display(), &theirs[..12]);
        assert_eq!(env.run(["pull", "-q", &by_id]).success().line(), theirs);
        let digest = podman(&env, driver, &["image", "inspect", "--format", "{{.Digest}}", name]).success().line();
        for which in [format!("@{theirs}"), format!("{name}@{theirs}"), format!("{name}@{digest}")] {
            let spec = format!("containers-storage:[{}]{which}", env.path(driver).display());
            assert_eq!(env.run(["pull", "-q", &spec]).success().line(), theirs, "{which}");
        }
        let missing = format!("containers-storage:[{}]nothing", env.path(driver).display());
        let _ = env.run(["pull", "-q", &missing]).fails(125, &["find image 'nothing'"]);
        // A file that was changed behind podman's back is noticed.
        let _ = env.run(["rmi", "-f", name]).success();
        if driver == "overlay" {
            let found = sh_out(&env, "find overlay -path '*/diff/etc/passwd' | head -n 1");
            let mut text = std::fs::read_to_string(env.path(&found)).unwrap();
            text.replace_range(0..1, "R");
            std::fs::write(env.path(&found), text).unwrap();
            let _ = env.run(["pull", "-q", &spec]).fails(125, &["copy layer", "digest"]);
        }
        // A layer whose tar podman can't make again: the way out that is told leads out.
        if driver == "vfs" {
            let split = sh_out(&env, "ls vfs/vfs-layers/*.tar-split.gz | head -n 1");
            std::fs::remove_file(env.path(&split)).unwrap();
            let said = env.run(["pull", "-q", &spec]).fails(125, &["tar-split.gz is missing", "--squash-all"]).stderr;
            let way = said.split("pull that: ").nth(1).unwrap().trim().trim_end_matches(')');
            let options = "--root \"$PWD/vfs\" --storage-driver vfs --cgroup-manager cgroupfs --events-backend file";
            let way = way.replace("podman ", &format!("podman {options} ")).replace("NEW", "localhost/new");
            let _ = env.finish(env.program("sh").args(["-c", &way]), b"").success();
            let new = format!("containers-storage:[vfs@{}]localhost/new", env.path("vfs").display());
            let _ = env.run(["pull", "-q", &new]).success();
            let _ = env.run(["run", "--rm", "localhost/new", "sh", "-c", check]).success().prints("1 2 0 2\n");
        }
        // policy.json has rules for this transport by store and name.
        let root = env.path(driver).canonicalize().unwrap();
        let policy = json!({"default": [{"type": "insecureAcceptAnything"}], "transports": {"containers-storage": {
            format!("[{driver}@{}]localhost/two", root.display()): [{"type": "reject"}]}}});
        env.file("home/.config/containers/policy.json", policy.to_string());
        let _ = env.run(["pull", "-q", &spec]).fails(125, &["containers-storage:", "policy.json rejects it"]);
        end_podman(&env, driver);
    }
}

/// Deletes podman's files, and ends the process that it leaves to keep its namespaces.
fn end_podman(env: &TestEnv, store: &str) {
    let script = format!("podman unshare rm -rf {store}; kill $(cat run/libpod/tmp/pause.pid)");
    let _ = env.finish(env.program("sh").args(["-c", &script]), b"").success();
}

fn sh_out(env: &TestEnv, script: &str) -> String {
    env.finish(env.program("sh").args(["-c", script]), b"").success().line()
}

#[test]
fn the_store_of_this_user_is_found() {
    need!("podman");
    let env = env!();
    let load = ["--cgroup-manager", "cgroupfs", "load", "-q", "-i"];
    let mut command = env.program(which("podman").unwrap());
    command.args(load).arg(busybox());
    let _ = env.finish(&mut command, b"").success();
    assert_eq!(env.run(["pull", "-q", "containers-storage:localhost/busybox"]).success().line(), id());
    end_podman(&env, "home/.local/share/containers");
}
