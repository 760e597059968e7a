//! `push` to a real registry (docker-registry), read back by skopeo, podman and coracle.

mod common;

use common::fixtures::{BUSYBOX, busybox, certificates, sh};
use common::hostile::digest;
use common::registry::Registry;
use common::{TestEnv, which};
use std::process::Command;

/// A registry, and a store with busybox in it as its name.
macro_rules! registry {
    ($env:expr) => {{
        need!("skopeo", "umoci", "busybox");
        let Some(registry) = Registry::start(&$env.path("registry")) else {
            skip!("docker-registry is not installed");
        };
        let _ = $env.load(&busybox());
        registry
    }};
}

/// The manifest as skopeo sees it.
fn raw(name: &str) -> Vec<u8> {
    let out = Command::new("skopeo")
        .args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

#[test]
fn what_is_pushed_is_what_is_stored() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let name = registry.name("test/bb:1");
    let file = env.path("digest");
    let out = env.run(["push", "--digestfile", file.to_str().unwrap(), BUSYBOX, &name]).success();
    assert_eq!(out.line(), digest(&raw(&name)));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), out.line());
    // The archive's own manifest: nothing was compressed anew.
    let of_archive = Command::new("skopeo")
        .args(["inspect", "--raw", &format!("oci-archive:{}", busybox().display())])
        .output()
        .unwrap();
    assert_eq!(digest(&of_archive.stdout), out.line());
    let other = TestEnv::new();
    let id = other.run(["pull", "-q", &name]).success().line();
    assert_eq!(
        id,
        env.run(["image", "inspect", "--format", "{{.Id}}", BUSYBOX]).success().line().replace("sha256:", "")
    );
    // Its own name is enough, and then it is known by its digest there.
    let _ = env.run(["tag", BUSYBOX, &name]).success();
    let again = env.run(["push", &name]).success();
    assert!(again.stderr.contains("already there"), "{again}");
    let digests = env.run(["image", "inspect", "--format", "{{index .RepoDigests 0}}", &name]).success().line();
    assert!(digests.ends_with(&out.line()), "{digests}");
}

#[test]
fn formats_and_compressions() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let push = |tag: &str, flags: &[&str]| {
        let name = registry.name(&format!("test/bb:{tag}"));
        let mut args = vec!["push", "-q"];
        args.extend(flags);
        args.extend([BUSYBOX, &name]);
        let _ = env.run(args).success();
        let text = String::from_utf8(raw(&name)).unwrap();
        let skopeo = format!("skopeo --insecure-policy copy -q --src-tls-verify=false docker://{name} oci:out-{tag}:x");
        sh(&env.path("."), &skopeo);
        text
    };
    let docker = push("v2s2", &["--format=v2s2"]);
    assert!(docker.contains("docker.distribution.manifest.v2+json") && docker.contains("rootfs.diff.tar.gzip"));
    let zstd = push("zstd", &["--compression-format=zstd", "--compression-level=9"]);
    assert!(zstd.contains("tar+zstd") && zstd.contains("oci.image.manifest"), "{zstd}");
    assert_eq!(push("again", &["--compression-format=zstd", "--compression-level=9"]), zstd);
    // The registry has it as gzip, which will do.
    let gzip = push("will-do", &["--compression-format=zstd", "--force-compression=false", "--compression-level=2"]);
    assert!(gzip.contains("tar+gzip"), "{gzip}");
    for (flags, words) in [
        (&["--format=v2s1"][..], "v2s1"),
        (&["--format=v2s2", "--compression-format=zstd"], "no zstd layers"),
        (&["--compression-format=zip"], "gzip or zstd"),
        (&["--compression-format=gzip", "--compression-level=12"], "levels 1 to 9"),
    ] {
        let mut args = vec!["push"];
        args.extend(flags);
        args.extend([BUSYBOX, "127.0.0.1:1/x"]);
        let _ = env.run(args).fails(125, &[words]);
    }
    let other = TestEnv::new();
    for tag in ["v2s2", "zstd", "will-do"] {
        let _ = other.run(["pull", "-q", &registry.name(&format!("test/bb:{tag}"))]).success();
    }
    assert_eq!(std::fs::read_dir(other.root().join("layers")).unwrap().count(), 1, "the same content");
}

#[test]
fn uncompressed_layers_are_compressed_the_same_each_time() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let from = format!("oci-archive:{}", busybox().display());
    sh(&env.path("."), &format!("skopeo --insecure-policy copy -q {from} docker-archive:d.tar:plain/bb:1"));
    let mut digests = Vec::new();
    for repository in ["one/bb", "two/bb"] {
        let own = TestEnv::new();
        let _ = own.run(["load", "-qi", env.path("d.tar").to_str().unwrap()]).success();
        digests.push(own.run(["push", "-q", "plain/bb:1", &registry.name(repository)]).success().line());
        assert!(String::from_utf8(raw(&registry.name(repository))).unwrap().contains("tar+gzip"));
    }
    assert_eq!(digests[0], digests[1]);
    // Another manifest of the same image that came from a registry makes no difference.
    let both = TestEnv::new();
    let _ = both.run(["load", "-qi", env.path("d.tar").to_str().unwrap()]).success();
    let _ = both.run(["pull", "-q", &registry.name("one/bb")]).success();
    assert_eq!(both.run(["push", "-q", "plain/bb:1", &registry.name("three/bb")]).success().line(), digests[0]);
}

#[test]
fn logins_and_tls() {
    need!("htpasswd", "openssl", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let out = Command::new(which("htpasswd").unwrap()).args(["-Bbn", "me", "secret"]).output().unwrap();
    let tls = env.path("tls");
    certificates(&tls);
    let extra = format!(
        "  tls:\n    certificate: {0}/srv.crt\n    key: {0}/srv.key\nauth:\n  htpasswd:\n    realm: test\n    path: {1}\n",
        tls.display(),
        env.file("registry/htpasswd", out.stdout).display()
    );
    let Some(registry) = Registry::with(&env.path("registry"), &extra) else {
        skip!("docker-registry is not installed");
    };
    let _ = env.load(&busybox());
    let name = format!("localhost:{}/test/bb", registry.port);
    let _ = env.run(["push", "-q", BUSYBOX, &name]).fails(125, &["unknown authority"]);
    let ca = std::fs::read(tls.join("ca.crt")).unwrap();
    env.file(&format!("home/.config/containers/certs.d/localhost:{}/ca.crt", registry.port), ca);
    let _ = env.run(["push", "-q", BUSYBOX, &name]).fails(125, &["asks for a login"]);
    let _ = env.run(["push", "-q", "--creds=me:wrong", BUSYBOX, &name]).fails(125, &["does not accept the login"]);
    let _ = env.run(["push", "-q", "--creds=me:secret", BUSYBOX, &name]).success();
    let _ = TestEnv::new().run(["pull", "-q", "--tls-verify=false", "--creds=me:secret", &name]).success();
}

#[test]
fn client_certificates() {
    need!("openssl", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let tls = env.path("tls");
    certificates(&tls);
    let extra = format!(
        "  tls:\n    certificate: {0}/srv.crt\n    key: {0}/srv.key\n    clientcas: [{0}/ca.crt]\n",
        tls.display()
    );
    let Some(registry) = Registry::with(&env.path("registry"), &extra) else {
        skip!("docker-registry is not installed");
    };
    let _ = env.load(&busybox());
    let name = format!("localhost:{}/test/bb", registry.port);
    let give = |from: &str, to: &str| {
        let to = format!("home/.config/containers/certs.d/localhost:{}/{to}", registry.port);
        env.file(&to, std::fs::read(tls.join(from)).unwrap());
    };
    give("ca.crt", "ca.crt");
    let _ = env.run(["push", "-q", "--retry=0", BUSYBOX, &name]).fails(125, &["ertificate"]);
    give("cli.crt", "me.cert");
    give("srv.key", "me.key");
    let _ = env.run(["push", "-q", BUSYBOX, &name]).fails(125, &["use client certificate", "me.cert", "me.key"]);
    give("cli.key", "me.key");
    let _ = env.run(["push", "-q", BUSYBOX, &name]).success();
    let old = "openssl x509 -req -in cli.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out old.crt 2>/dev/null";
    sh(&tls, old);
    if !std::process::Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in"])
        .arg(tls.join("old.crt"))
        .output()
        .is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("Version: 3"))
    {
        give("old.crt", "me.cert");
        let _ = env.run(["push", "-q", BUSYBOX, &name]).fails(125, &["use client certificate", "me.cert", "v3"]);
    }
}

#[test]
fn archives_and_directories() {
    need!("skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let _ = env.load(&busybox());
    for (to, from) in [
        ("oci:layout:localhost/app:1", "oci:layout:localhost/app:1"),
        ("oci-archive:o.tar:localhost/app:1", "oci-archive:o.tar"),
        ("docker-archive:d.tar:localhost/app:1", "docker-archive:d.tar:localhost/app:1"),
        ("dir:plain", "dir:plain"),
    ] {
        let _ = env.run(["push", "-q", BUSYBOX, to]).success();
        let out = Command::new("skopeo").args(["inspect", "--config", from]).current_dir(&env.dir).output().unwrap();
        assert!(out.status.success(), "{to}: {}", String::from_utf8_lossy(&out.stderr));
        assert!(String::from_utf8_lossy(&out.stdout).contains("FROM_IMAGE=yes"), "{to}");
    }
    let _ = env.run(["push", BUSYBOX, "docker-daemon:x:1"]).fails(125, &["another engine's store", "docker load"]);
    // Words are names in layouts, to which further images are added; in Docker's archives they are Docker Hub's.
    let _ = env.run(["tag", BUSYBOX, "two"]).success();
    for (image, place) in [(BUSYBOX, "oci:other:v1"), ("two", "oci:other:v2"), ("two", "oci:other:v1")] {
        let _ = env.run(["push", "-q", image, place]).success();
    }
    let _ = env.run(["push", "-q", BUSYBOX, "oci-archive:tag.tar:t1"]).success();
    let _ = env.run(["push", "-q", BUSYBOX, "docker-archive:short.tar:me/n:1"]).success();
    sh(
        &env.path("."),
        "for from in oci:other:v1 oci:other:v2 oci-archive:tag.tar:t1 docker-archive:short.tar:docker.io/me/n:1; do
             skopeo --insecure-policy copy -q $from dir:seen; rm -r seen
         done
         [ \"$(umoci ls --layout other | sort | tr '\\n' ' ')\" = 'v1 v2 ' ]",
    );
    let _ = env.run(["push", "-q", BUSYBOX, "oci:other:no name"]).fails(125, &["no name"]);
    let _ = env.run(["push", "--format=oci", BUSYBOX, "dir:x"]).fails(125, &["without a registry"]);
}

#[test]
fn all_tags_as_docker() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let name = registry.name("test/bb");
    for tag in ["a", "b"] {
        let _ = env.run(["tag", BUSYBOX, &format!("{name}:{tag}")]).success();
    }
    let docker = env.path("docker");
    std::os::unix::fs::symlink(common::binary(), &docker).unwrap();
    let mut command = env.program(&docker);
    command.arg("--root").arg(env.root()).arg("--runroot").arg(env.runroot()).args(["push", "-a", &name]);
    let out = env.finish(&mut command, b"").success();
    let want = digest(&raw(&format!("{name}:a")));
    for tag in ["a", "b"] {
        assert!(out.stdout.contains(&format!("{tag}: digest: {want} size: ")), "{out}");
    }
    let _ = env.run(["push", "-a", &format!("{name}:a")]).fails(125, &["leave the tag out"]);
    let _ = env.run(["push", "-a", "none/here"]).fails(125, &["none is here"]);
}

#[test]
fn other_engines_pull_what_was_pushed_and_the_other_way() {
    need!("podman", "buildah");
    let env = TestEnv::new();
    let registry = registry!(env);
    let name = registry.name("test/bb:1");
    let pushed = env.run(["push", "-q", BUSYBOX, &name]).success().line();
    let other = TestEnv::unchecked();
    // Podman takes short paths only, and leaves a process that holds its namespaces.
    let short = std::path::PathBuf::from(format!("/tmp/cp{}", std::process::id()));
    let (root, run) = (short.join("p"), short.join("r"));
    let engine = |program: &str, args: &[&str]| {
        let mut command = other.program(program);
        command.arg("--root").arg(&root).arg("--runroot").arg(&run).env("XDG_RUNTIME_DIR", &run);
        std::fs::create_dir_all(&run).unwrap();
        command.args(["--storage-driver=vfs"]).args(args);
        other.finish(&mut command, b"").success()
    };
    other.file("home/.config/containers/policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    let id = engine("podman", &["pull", "-q", "--tls-verify=false", &name]).line();
    let digest = engine("podman", &["image", "inspect", "--format", "{{.Digest}}", &id]).line();
    assert_eq!(digest, pushed);
    for (program, tag) in [("podman", "from-podman"), ("buildah", "from-buildah")] {
        let to = registry.name(&format!("test/back:{tag}"));
        let _ = engine(program, &["push", "-q", "--tls-verify=false", &id, &format!("docker://{to}")]);
        assert_eq!(env.run(["pull", "-q", &to]).success().line(), id);
    }
    common::leaks::kill_all(&short);
    common::leaks::remove_tree(&short);
}

#[test]
fn what_is_about_another_manifest_is_listed_there() {
    let env = TestEnv::new();
    let registry = registry!(env);
    need!("python3");
    let subject = env.run(["push", "-q", BUSYBOX, &registry.name("about:1")]).success().line();
    let _ = env.run(["save", "--format=oci-dir", "-o", env.path("l").to_str().unwrap(), BUSYBOX]).success();
    // The same image, with a subject and something said of it.
    let python = r#"
import hashlib, json, sys
index = json.load(open('l/index.json')); entry = index['manifests'][0]
manifest = json.load(open('l/blobs/sha256/' + entry['digest'][7:]))
manifest.update({'subject': {'mediaType': 'application/vnd.oci.image.manifest.v1+json', 'digest': sys.argv[1], 'size': 1}, 'annotations': {'n': sys.argv[2]}})
text = json.dumps(manifest).encode(); digest = hashlib.sha256(text).hexdigest()
open('l/blobs/sha256/' + digest, 'wb').write(text)
entry.update({'digest': 'sha256:' + digest, 'size': len(text), 'annotations': {'org.opencontainers.image.ref.name': 'sbom:' + sys.argv[2]}})
json.dump(index, open('l/index.json', 'w'))
"#;
    env.file("about.py", python);
    for n in ["1", "2"] {
        sh(&env.path("."), &format!("python3 about.py {subject} {n}"));
        let _ = env.run(["load", "-qi", env.path("l").to_str().unwrap()]).success();
        let name = registry.name(&format!("about:sbom{n}"));
        // Twice: the second adds nothing.
        for _ in 0..2 {
            let _ = env.run(["push", "-q", &format!("localhost/sbom:{n}"), &name]).success();
        }
        assert!(String::from_utf8(raw(&name)).unwrap().contains(&subject));
    }
    // This registry has no list of referrers of its own.
    let list: serde_json::Value =
        serde_json::from_slice(&raw(&registry.name(&format!("about:{}", subject.replace(':', "-"))))).unwrap();
    let entries = list["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{list}");
    for (entry, n) in entries.iter().zip(["1", "2"]) {
        assert_eq!(entry["annotations"]["n"], n);
        assert_eq!(entry["artifactType"], "application/vnd.oci.image.config.v1+json");
        assert_eq!(entry["digest"], digest(&raw(&registry.name(&format!("about:sbom{n}")))));
    }
}
