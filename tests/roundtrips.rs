//! Images go to the other tools and come back as archives and layouts: the ids stay, and so do the manifests' digests where
//! nothing was compressed anew.

mod common;

use common::fixtures::{busybox, can_make, sh};
use common::{Ran, TestEnv};
use serde_json::Value;

macro_rules! env {
    () => {{
        need!("podman", "buildah", "skopeo", "umoci");
        if !can_make() {
            skip!("busybox-static, umoci and skopeo are needed to make the test image");
        }
        let env = TestEnv::new().with_busybox();
        env.run(["run", "--name", "maker", "busybox", "sh", "-c", "echo more > /more; rm /bin/sleep"]).success();
        env.run(["commit", "-q", "maker", "two:1"]).success();
        env.run(["rm", "maker"]).success();
        env.file("home/.config/containers/policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
        env
    }};
}

/// `podman` or `buildah` with a store below the test's directory.
fn engine(env: &TestEnv, program: &str, args: &[&str]) -> Ran {
    let mut command = env.program(program);
    command.arg("--root").arg(env.path("vfs")).args(["--storage-driver", "vfs"]);
    match program {
        "podman" => command.args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"]),
        // Where podman has its own by default.
        _ => command.arg("--runroot").arg(env.path("run/containers")),
    };
    command.args(args);
    env.finish(&mut command, b"")
}

/// Deletes podman's files, and ends the process that it leaves to keep its namespaces.
fn end(env: &TestEnv) {
    let script = "podman unshare rm -rf vfs; kill $(cat run/libpod/tmp/pause.pid)";
    let _ = env.finish(env.program("sh").args(["-c", script]), b"").success();
}

/// Full id of an image of ours.
fn id(env: &TestEnv, name: &str) -> String {
    env.run(["image", "inspect", "-f", "{{.Id}}", name]).success().line().trim_start_matches("sha256:").to_string()
}

/// Digest of the manifest that skopeo sees there.
fn digest(env: &TestEnv, place: &str) -> String {
    let mut skopeo = env.program("skopeo");
    env.finish(skopeo.args(["inspect", "--format", "{{.Digest}}", place]), b"").success().line()
}

#[test]
fn what_is_saved_is_the_same_image_to_podman_and_buildah() {
    let env = env!();
    let wanted = id(&env, "two:1");
    for (format, transport, path) in [
        ("docker-archive", "docker-archive", "d.tar"),
        ("oci-archive", "oci-archive", "o.tar"),
        ("oci-dir", "oci", "layout"),
        ("docker-dir", "dir", "plain"),
    ] {
        let _ = env.run(["save", "--format", format, "-o", path, "two:1"]).success();
        // Podman makes names of paths, and knows no capital letters in them.
        let place = format!("{transport}:{path}");
        let _ = engine(&env, "podman", &["rmi", "-af"]).success();
        assert_eq!(engine(&env, "podman", &["pull", "-q", &place]).success().line(), wanted, "podman {format}");
        let _ = engine(&env, "podman", &["rmi", "-af"]).success();
        assert_eq!(engine(&env, "buildah", &["pull", "-q", &place]).success().line(), wanted, "buildah {format}");
        if format.ends_with("archive") {
            let _ = engine(&env, "podman", &["rmi", "-af"]).success();
            let _ = engine(&env, "podman", &["load", "-q", "-i", path]).success();
            let ids = engine(&env, "podman", &["images", "-q", "--no-trunc"]).success().line();
            assert_eq!(ids, format!("sha256:{wanted}"), "podman load {format}");
        }
    }
    end(&env);
}

#[test]
fn what_podman_and_buildah_save_is_the_same_image_here() {
    let env = env!();
    let _ = engine(&env, "podman", &["load", "-q", "-i", &busybox().display().to_string()]).success();
    env.file("Dockerfile", "FROM localhost/busybox\nRUN echo x > /x\nLABEL a=b\nHEALTHCHECK CMD true\n");
    for (format, name) in [("oci", "localhost/oci"), ("docker", "localhost/docker")] {
        let build = ["build", "-q", "--isolation=chroot", "--format", format, "-t", name, "."];
        let _ = engine(&env, "podman", &build).success();
        let wanted = engine(&env, "podman", &["image", "inspect", "--format", "{{.Id}}", name]).success().line();
        for kind in ["docker-archive", "oci-archive", "oci-dir", "docker-dir"] {
            // Docker's fields do not survive podman's translation, nor the id: not ours to mend.
            if format == "docker" && kind.starts_with("oci") || format == "oci" && kind == "docker-dir" {
                continue;
            }
            let path = format!("{format}-{kind}");
            let _ = engine(&env, "podman", &["save", "-q", "--format", kind, "-o", &path, name]).success();
            let _ = env.run(["load", "-q", "-i", &path]).success();
            let found = env.run(["images", "-q", "--no-trunc", "--filter", &format!("id={wanted}")]).success();
            assert_eq!(found.line(), format!("sha256:{wanted}"), "podman save --format {kind} of {format}");
            let _ = env.run(["run", "--rm", &wanted, "cat", "/x"]).success().prints("x\n");
            let _ = env.run(["rmi", "-f", &wanted]).success();
        }
        for (transport, path) in
            [("docker-archive", "b.tar"), ("oci-archive", "bo.tar"), ("oci", "blayout"), ("dir", "bdir")]
        {
            let path = format!("{format}-{path}");
            let place = format!("{transport}:{}", env.path(&path).display());
            let _ = engine(&env, "buildah", &["push", "-q", name, &place]).success();
            let theirs = config(&env, &place);
            let line = env.run(["pull", "-q", &place]).success().line();
            assert_eq!(format!("sha256:{line}"), theirs, "buildah push {place}");
            let _ = env.run(["rmi", "-f", &line]).success();
        }
    }
    // Several images and names in one archive.
    let _ = engine(&env, "podman", &["tag", "localhost/oci", "localhost/again:7"]).success();
    let names = ["localhost/oci", "localhost/again:7", "localhost/docker"];
    let _ = engine(&env, "podman", &[&["save", "-q", "-m", "-o", "many.tar"], &names[..]].concat()).success();
    let loaded = env.run(["load", "-i", "many.tar"]).success().stdout;
    for name in ["localhost/oci:latest", "localhost/again:7", "localhost/docker:latest"] {
        assert!(loaded.contains(name), "{loaded}");
    }
    assert_eq!(id(&env, "oci"), id(&env, "again:7"));
    end(&env);
}

/// The image id of what skopeo finds there.
fn config(env: &TestEnv, place: &str) -> String {
    let mut skopeo = env.program("skopeo");
    let out = env.finish(skopeo.args(["inspect", "--raw", place]), b"").success();
    let manifest: Value = out.json();
    manifest["config"]["digest"].as_str().unwrap().to_string()
}

#[test]
fn layouts_go_through_umoci_and_skopeo_and_come_back() {
    let env = env!();
    let wanted = id(&env, "two:1");
    let _ = env.run(["save", "--format", "oci-dir", "-o", "layout", "two:1"]).success();
    let name = "localhost/two:1";
    let ours = digest(&env, &format!("oci:layout:{name}"));
    // Another name by umoci, another place by skopeo: it is the same image yet.
    sh(
        &env.path("."),
        &format!(
            "umoci tag --image layout:{name} renamed:2; umoci rm --image layout:{name}
             skopeo --insecure-policy copy -q oci:layout:renamed:2 oci-archive:moved.tar:moved
             skopeo --insecure-policy copy -q oci-archive:moved.tar:moved oci:third:back"
        ),
    );
    let _ = env.run(["rmi", "-f", "two:1"]).success();
    let third = format!("oci:{}:back", env.path("third").display());
    assert_eq!(digest(&env, &third), ours);
    assert_eq!(env.run(["pull", "-q", &third]).success().line(), wanted);
    // Saved once more it has the digest that it had.
    let _ = env.run(["save", "--format", "oci-archive", "-o", "last.tar", "back"]).success();
    assert_eq!(digest(&env, "oci-archive:last.tar"), ours);
    // What umoci changes is umoci's image, here too; and its unpacked files are those of our container.
    sh(&env.path("."), "umoci config --image third:back --tag changed --config.label by=umoci");
    let changed = format!("oci:{}:changed", env.path("third").display());
    let theirs = config(&env, &changed);
    assert_eq!(format!("sha256:{}", env.run(["pull", "-q", &changed]).success().line()), theirs);
    assert_eq!(env.run(["image", "inspect", "-f", "{{.Config.Labels.by}}", "changed"]).success().line(), "umoci");
    sh(&env.path("."), "umoci unpack --rootless --image third:changed bundle");
    let more = std::fs::read_to_string(env.path("bundle/rootfs/more")).unwrap();
    assert_eq!(env.run(["run", "--rm", "changed", "cat", "/more"]).success().stdout, more);
    assert!(!env.path("bundle/rootfs/bin/sleep").exists());
    sh(&env.path("."), "chmod -R u+rwX bundle");
}
