//! `pull` from a real registry (docker-registry), images pushed by skopeo.

mod common;

use common::fixtures::{busybox, sh};
use common::pty::Pty;
use common::registry::Registry;
use common::{TestEnv, which};
use std::path::Path;

/// A registry with busybox in it as `test/bb` in several formats.
macro_rules! registry {
    ($env:expr) => {{
        need!("skopeo", "umoci", "busybox");
        let Some(registry) = Registry::start(&$env.path("registry")) else {
            skip!("docker-registry is not installed");
        };
        let from = format!("oci-archive:{}", busybox().display());
        registry.push(&from, "test/bb:latest", &[]);
        registry
    }};
}

#[test]
fn formats_and_compressions_give_the_same_layers() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let from = format!("oci-archive:{}", busybox().display());
    registry.push(&from, "test/bb:v2s2", &["--format", "v2s2"]);
    // Through an uncompressed copy and to another registry, or skopeo takes the gzip blobs that it knows of.
    let plain = format!("dir:{}", env.path("plain").display());
    sh(&env.path("."), &format!("skopeo --insecure-policy copy -q --dest-decompress {from} {plain}"));
    let Some(second) = Registry::start(&env.path("second")) else {
        skip!("docker-registry is not installed");
    };
    second.push(&plain, "test/bb:zstd", &["--dest-compress-format", "zstd"]);
    for name in [registry.name("test/bb:latest"), registry.name("test/bb:v2s2"), second.name("test/bb:zstd")] {
        let out = env.run(["pull", &name]).success();
        assert_eq!(out.line().len(), 64);
        assert!(out.stderr.contains("Pulling") && !out.stderr.contains('\u{1b}'), "{out}");
    }
    // The chain id is that of the uncompressed layer: extracted once.
    let layers = std::fs::read_dir(env.root().join("layers")).unwrap().count();
    assert_eq!(layers, 1);
    let out = env.run(["run", "--rm", &second.name("test/bb:zstd"), "cat", "/var/lib/data/seed"]);
    let _ = out.success().prints("seeded\n");
}

#[test]
fn repeated_pulls_fetch_nothing() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let name = registry.name("test/bb");
    let first = env.run(["pull", "-q", &name]).success().line();
    let again = env.run(["pull", &name]).success();
    assert_eq!(again.line(), first);
    assert!(again.stderr.contains("already here") && !again.stderr.contains("Fetched"), "{again}");
    for policy in ["newer", "missing", "never"] {
        assert_eq!(env.run(["pull", "-q", "--policy", policy, &name]).success().line(), first);
    }
    let digest = env.run(["image", "inspect", "--format", "{{index .RepoDigests 0}}", &name]).success().line();
    assert_eq!(env.run(["pull", "-q", &digest]).success().line(), first);
    drop(registry);
    // "newer" makes do with what is here.
    let out = env.run(["pull", "--policy=newer", "--retry=0", &name]).success();
    assert!(out.stderr.contains("Using the stored image"), "{out}");
    let _ = env.run(["pull", "-q", "--retry=0", &name]).fails(125, &["connection refused"]);
}

#[test]
fn all_tags() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let from = format!("oci-archive:{}", busybox().display());
    registry.push(&from, "test/bb:one", &[]);
    let out = env.run(["pull", "-a", &registry.name("test/bb")]).success();
    assert_eq!(out.stdout.lines().count(), 2, "{out}");
    let _ = env.run(["pull", "-qa", &registry.name("test/bb:one")]).fails(125, &["leave the tag out"]);
}

#[test]
fn logins_by_flag_file_and_helper() {
    need!("htpasswd", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let out = std::process::Command::new(which("htpasswd").unwrap()).args(["-Bbn", "me", "secret"]).output().unwrap();
    let Some(registry) = Registry::with_auth(&env.path("registry"), &String::from_utf8_lossy(&out.stdout)) else {
        skip!("docker-registry is not installed");
    };
    let from = format!("oci-archive:{}", busybox().display());
    registry.push(&from, "test/bb:latest", &["--dest-creds", "me:secret"]);
    let name = registry.name("test/bb");
    let _ = env.run(["pull", "-q", &name]).fails(125, &["asks for a login", "--creds"]);
    let _ = env.run(["pull", "-q", "--creds=me:wrong", &name]).fails(125, &["does not accept the login"]);
    let id = env.run(["pull", "-q", "--creds=me:secret", &name]).success().line();

    let host = format!("127.0.0.1:{}", registry.port);
    let auth = format!(r#"{{"auths":{{"{host}/test":{{"auth":"bWU6c2VjcmV0"}}}}}}"#);
    let file = env.file("auth.json", &auth);
    let by_file = env.run(["pull", "-q", "--authfile", file.to_str().unwrap(), &name]);
    assert_eq!(by_file.success().line(), id);
    let with = |key: &str, value: &Path| {
        let mut command = env.command(["pull", "-q", &name]);
        command.env(key, value);
        env.finish(&mut command, b"")
    };
    assert_eq!(with("REGISTRY_AUTH_FILE", &file).success().line(), id);
    env.file("home/.config/containers/auth.json", &auth);
    assert_eq!(env.run(["pull", "-q", &name]).success().line(), id);
    env.file("home/.config/containers/auth.json", "{}");
    let _ = env.run(["pull", "-q", &name]).fails(125, &["asks for a login"]);

    let helper = env.file(
        "bin/docker-credential-test",
        format!("#!/bin/sh\nread server\n[ \"$1 $server\" = \"get {host}\" ] || {{ echo credentials not found in native keychain; exit 1; }}\necho '{{\"ServerURL\":\"x\",\"Username\":\"me\",\"Secret\":\"secret\"}}'\n"),
    );
    std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = env.file("docker/config.json", r#"{"credsStore":"test"}"#);
    let mut command = env.command(["pull", "-q", &name]);
    command.env("DOCKER_CONFIG", config.parent().unwrap());
    command.env("PATH", format!("{}:/usr/bin:/bin", helper.parent().unwrap().display()));
    assert_eq!(env.finish(&mut command, b"").success().line(), id);
    env.file("docker/config.json", r#"{"credsStore":"absent"}"#);
    let mut command = env.command(["pull", "-q", &name]);
    command.env("DOCKER_CONFIG", config.parent().unwrap());
    let _ = env.finish(&mut command, b"").fails(125, &["docker-credential-absent", "install it"]);
}

#[test]
fn tls_with_a_private_authority() {
    need!("openssl", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    common::fixtures::certificates(&env.path("tls"));
    let extra = format!("  tls:\n    certificate: {0}/srv.crt\n    key: {0}/srv.key\n", env.path("tls").display());
    let Some(registry) = Registry::with(&env.path("registry"), &extra) else {
        skip!("docker-registry is not installed");
    };
    registry.push(&format!("oci-archive:{}", busybox().display()), "test/bb:latest", &[]);
    let name = format!("localhost:{}/test/bb", registry.port);
    let host = format!("localhost:{}", registry.port);
    let hint = format!("certs.d/{host}/ca.crt");
    let _ = env.run(["pull", "-q", &name]).fails(125, &["unknown authority", &hint, "--tls-verify=false"]);
    let id = env.run(["pull", "-q", "--tls-verify=false", &name]).success().line();
    let _ = env.run(["pull", "-q", "--tls-verify=true", &name]).fails(125, &["unknown authority"]);
    let tls = env.path("tls");
    let by_dir = env.run(["pull", "-q", "--cert-dir", tls.to_str().unwrap(), &name]);
    assert_eq!(by_dir.success().line(), id);
    let ca = std::fs::read(env.path("tls/ca.crt")).unwrap();
    env.file(&format!("home/.config/containers/certs.d/{host}/ca.crt"), &ca);
    assert_eq!(env.run(["pull", "-q", &name]).success().line(), id);
    // The certificate is made for localhost only.
    let other = registry.name("test/bb");
    env.file(&format!("home/.config/containers/certs.d/127.0.0.1:{}/ca.crt", registry.port), &ca);
    let _ = env.run(["pull", "-q", &other]).fails(125, &["made for another host name"]);
}

#[test]
fn plain_http_where_tls_is_asked_for() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let name = registry.name("test/bb");
    let out = env.run(["pull", "-q", "--tls-verify=true", &name]);
    let _ = out.fails(125, &["does not speak TLS", "--tls-verify=false", "insecure = true"]);
    let _ = env.run(["pull", "-q", "--tls-verify=false", &name]).success();
}

#[test]
fn registries_conf_mirrors_and_blocks() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let port = registry.port;
    let dead = common::free_port();
    env.file(
        "home/.config/containers/registries.conf",
        format!(
            "unqualified-search-registries = ['127.0.0.1:{port}']\n[[registry]]\nprefix = 'example.test/far'\nlocation = '127.0.0.1:{dead}'\n\
             insecure = true\n[[registry.mirror]]\nlocation = '127.0.0.1:{dead}/nothing'\n[[registry.mirror]]\nlocation = '127.0.0.1:{port}/test'\n\
             [[registry]]\nlocation = 'blocked.test'\nblocked = true\n[aliases]\nbb = '127.0.0.1:{port}/test/bb'\n"
        ),
    );
    let out = env.run(["pull", "example.test/far/bb"]).success();
    assert!(out.stderr.contains(&format!("Mirror 127.0.0.1:{dead} failed")), "{out}");
    // It has the name that was asked for.
    let _ = env.run(["image", "exists", "example.test/far/bb"]).success();
    let id = out.line();
    assert_eq!(env.run(["pull", "-q", "bb"]).success().line(), id);
    assert_eq!(env.run(["pull", "-q", "test/bb"]).success().line(), id);
    // Short names are found in the store by what they mean, without asking anybody.
    for name in ["bb", "test/bb"] {
        assert_eq!(env.run(["pull", "-q", "--policy=never", name]).success().line(), id);
    }
    let _ = env.run(["pull", "-q", "blocked.test/x"]).fails(125, &["blocks it"]);
    env.file("home/.config/containers/policy.json", r#"{"default":[{"type":"reject"}]}"#);
    let _ = env.run(["pull", "-q", "bb"]).fails(125, &["policy.json", "rejects it"]);
}

#[test]
fn names_by_our_own_resolver() {
    need!("unshare", "ip", "dnsmasq", "docker-registry", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let made = Registry::start(&env.path("registry")).unwrap();
    made.push(&format!("oci-archive:{}", busybox().display()), "test/bb:latest", &[]);
    let port = made.port;
    drop(made);
    // The first server is dead, the second one knows IPv4 only, or has both families, or an alias.
    env.file(
        "resolv.conf",
        "search nosuch.invalid test\nnameserver 127.0.0.99\nnameserver 127.0.0.53\noptions timeout:1\n",
    );
    let mut conf = String::new();
    for host in ["four.test", "both.test", "alias.test", "four", "absent.test"] {
        conf.push_str(&format!("[[registry]]\nlocation = '{host}:{port}'\ninsecure = true\n"));
    }
    env.file("home/.config/containers/registries.conf", conf);
    let script = format!(
        "ip link set lo up
         mount --bind resolv.conf /etc/resolv.conf
         dnsmasq --no-daemon --no-resolv --no-hosts --listen-address=127.0.0.53 --bind-interfaces --user=root --pid-file= \
             --address=/four.test/127.0.0.1 --host-record=both.test,127.0.0.1,::1 --cname=alias.test,both.test >/dev/null 2>dns.log & dns=$!
         docker-registry serve registry/config.yml >/dev/null 2>&1 & registry=$!
         trap 'kill $dns $registry' EXIT
         for i in 1 2 3 4 5 6 7 8 9 10; do
             busybox nc -z 127.0.0.1 {port} && grep -q started dns.log && break
             sleep 0.3
         done
         for host in four.test both.test alias.test four; do
             \"$@\" pull -q $host:{port}/test/bb
         done
         \"$@\" pull -q --retry=0 absent.test:{port}/test/bb && exit 1
         kill $dns; wait $dns || true
         \"$@\" pull -q --retry=0 four.test:{port}/test/bb && exit 1
         true"
    );
    let mut command = env.program("unshare");
    command.args(["-rnm", "sh", "-euc", &script, "sh"]);
    command.arg(common::binary()).arg("--root").arg(env.root()).arg("--runroot").arg(env.runroot());
    command.env("CORACLE_RESOLVER", "builtin");
    let out = env.finish(&mut command, b"");
    let ids: Vec<&str> = out.stdout.lines().collect();
    assert!(ids.len() == 4 && ids.iter().all(|id| *id == ids[0]), "{out}");
    assert!(out.stderr.contains("resolve host name absent.test: name server 127.0.0.53 fails"), "{out}");
    assert!(out.stderr.contains("name server 127.0.0.53 can't be reached"), "{out}");
}

#[test]
fn concurrent_pulls_of_one_image() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let name = registry.name("test/bb");
    let children: Vec<_> = (0..4).map(|_| env.spawn(["pull", "-q", &name])).collect();
    let outputs: Vec<_> = children.into_iter().map(|c| c.wait_with_output().unwrap()).collect();
    for out in &outputs {
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(out.stdout, outputs[0].stdout);
    }
    assert_eq!(env.sh("images -q").success().stdout.lines().count(), 1);
}

/// An eStargz layer (github.com/containerd/stargz-snapshotter, docs/estargz.md): a gzip member for each entry, the table
/// of contents as the last one, and an empty member with its offset. Returns the blob and the tar in it.
fn estargz(files: &[(&str, &[u8])]) -> (Vec<u8>, Vec<u8>) {
    use std::io::Write;
    let member = |data: &[u8], extra: Option<Vec<u8>>| {
        let mut builder = flate2::GzBuilder::new();
        if let Some(extra) = extra {
            builder = builder.extra(extra);
        }
        let mut encoder = builder.write(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    let (mut blob, mut whole, mut toc) = (Vec::new(), Vec::new(), Vec::new());
    let entry = |name: &str, data: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, name, data).unwrap();
        let size = 512 + data.len().div_ceil(512) * 512;
        builder.into_inner().unwrap()[..size].to_vec()
    };
    for (name, data) in files {
        toc.push(serde_json::json!({"name": name, "type": "reg", "size": data.len(), "offset": blob.len()}));
        let bytes = entry(name, data);
        blob.extend(member(&bytes, None));
        whole.extend(bytes);
    }
    let table = serde_json::json!({"version": 1, "entries": toc}).to_string();
    let offset = blob.len();
    let last = [entry("stargz.index.json", table.as_bytes()), vec![0; 1024]].concat();
    blob.extend(member(&last, None));
    whole.extend(last);
    let extra = [b"SG".to_vec(), 22u16.to_le_bytes().to_vec(), format!("{offset:016x}STARGZ").into_bytes()].concat();
    blob.extend(member(b"", Some(extra)));
    (blob, whole)
}

#[test]
fn estargz_is_an_ordinary_layer() {
    use common::hostile::{Hostile, TestImage, digest};
    let (blob, tar) = estargz(&[(".prefetch.landmark", b"\x0f"), ("etc/motd", b"hello\n")]);
    let image = TestImage::new(&[blob], &[digest(&tar)], "application/vnd.oci.image.layer.v1.tar+gzip", "amd64");
    let server = Hostile::start(move |seen| image.answer(seen));
    let env = TestEnv::new();
    let _ = env.run(["pull", "-q", &server.name("x")]).success();
    let layer = std::fs::read_dir(env.root().join("layers")).unwrap().next().unwrap().unwrap().path().join("diff");
    assert_eq!(std::fs::read(layer.join("etc/motd")).unwrap(), b"hello\n");
    // They are part of the layer's tar: docker and podman have them in the root too, and the diff id needs them.
    assert!(layer.join("stargz.index.json").exists() && layer.join(".prefetch.landmark").exists());
}

/// A zstd:chunked layer (containers/storage, pkg/chunked): a frame for each entry, then the table of contents and a footer
/// as skippable frames.
#[test]
fn zstd_chunked_is_an_ordinary_layer() {
    use common::hostile::{Hostile, TestImage, digest, tar};
    let tar = tar("etc-motd", 5000);
    let skippable = |data: &[u8]| [&[0x50, 0x2a, 0x4d, 0x18][..], &(data.len() as u32).to_le_bytes(), data].concat();
    let frames = tar.chunks(2048).map(|part| zstd::encode_all(part, 3).unwrap()).collect::<Vec<_>>().concat();
    let toc = zstd::encode_all(&br#"{"version":1,"entries":[{"type":"reg","name":"etc-motd"}]}"#[..], 3).unwrap();
    let footer = [&[0; 56][..], b"GNUlInUx"].concat();
    let blob = [frames, skippable(&toc), skippable(&footer)].concat();
    let image = TestImage::new(&[blob], &[digest(&tar)], "application/vnd.oci.image.layer.v1.tar+zstd", "amd64");
    let server = Hostile::start(move |seen| image.answer(seen));
    let env = TestEnv::new();
    let _ = env.run(["pull", "-q", &server.name("x")]).success();
    let layer = std::fs::read_dir(env.root().join("layers")).unwrap().next().unwrap().unwrap().path().join("diff");
    // The table lies outside the tar.
    let names: Vec<_> = std::fs::read_dir(layer).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["etc-motd"]);
}

/// Asked once at a terminal, kept where podman keeps it, and used from then on; nobody is asked without a terminal.
#[test]
fn short_names_are_asked_for_and_remembered() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let (port, dead) = (registry.port, common::free_port());
    let configure = |mode: &str| {
        env.file(
            "home/.config/containers/registries.conf",
            format!(
                "unqualified-search-registries = ['127.0.0.1:{dead}', '127.0.0.1:{port}']\nshort-name-mode = '{mode}'\n"
            ),
        );
    };
    configure("enforcing");
    let full = format!("127.0.0.1:{port}/test/bb:latest");
    let _ = env.run(["pull", "-q", "test/bb"]).fails(125, &["several registries", &full]);
    let question = |command: Vec<&str>| {
        let mut pty = Pty::spawn(env.command(command));
        pty.expect(&full);
        pty.expect("[1-2] ");
        pty
    };
    let kept = if common::is_root() { "/var/cache" } else { "home/.cache" };
    let kept = env.path(kept).join("containers/short-name-aliases.conf");
    // Ctrl-C, and a choice that turns out wrong, leave nothing behind.
    let mut pty = question(vec!["pull", "test/bb"]);
    pty.send("\u{3}");
    assert_ne!(pty.end().0, 0);
    let mut pty = question(vec!["pull", "--retry=0", "test/bb"]);
    pty.line("1");
    assert_eq!(pty.end().0, 125);
    assert!(!kept.exists());
    // A run asks, too.
    configure("permissive");
    let mut pty = question(vec!["run", "--rm", "--network=none", "test/bb", "echo", "it", "works"]);
    pty.line("7");
    pty.expect("[1-2] ");
    pty.line("2");
    pty.expect("it works");
    assert_eq!(pty.end().0, 0);
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.contains(&format!("\"test/bb\" = \"127.0.0.1:{port}/test/bb\"")), "{text}");
    configure("enforcing");
    let id = env.run(["pull", "-q", "test/bb"]).success().line();
    let mut pty = Pty::spawn(env.command(["pull", "-q", "test/bb:latest"]));
    pty.expect(&id);
    assert_eq!(pty.end().0, 0);
    // Without aliases all are tried.
    std::fs::remove_file(&kept).unwrap();
    configure("disabled");
    let mut pty = Pty::spawn(env.command(["pull", "--retry=0", "test/bb"]));
    pty.expect(&id);
    assert_eq!(pty.end().0, 0);
    configure("permissive");
    assert_eq!(env.run(["pull", "-q", "--retry=0", "test/bb"]).success().line(), id);
    assert!(!kept.exists());
}

/// What policy.json says about transports holds for `load` and `import`, too.
#[test]
fn the_policy_is_asked_about_archives() {
    need!("skopeo", "umoci", "busybox");
    let env = TestEnv::new().with_busybox();
    let _ = env.sh("save -o d.tar busybox").success();
    let _ = env.sh("save --format oci-archive -o o.tar busybox").success();
    let _ = env.sh("save --format oci-dir -o layout busybox").success();
    let _ = env.sh("save --format docker-dir -o plain busybox").success();
    let root = env.run(["create", "busybox"]).success().line();
    let _ = env.run(["export", "-o", "root.tar", &root]).success();
    let _ = env.run(["rm", &root]).success();
    let _ = env.sh("rmi busybox").success();
    let policy = |transports: serde_json::Value| {
        let policy = serde_json::json!({"default": [{"type": "insecureAcceptAnything"}], "transports": transports});
        env.file("home/.config/containers/policy.json", policy.to_string());
    };
    let all = [
        ("docker-archive", "load -i d.tar"),
        ("oci-archive", "load -i o.tar"),
        ("oci", "load -i layout"),
        ("dir", "load -i plain"),
        ("tarball", "import root.tar"),
    ];
    for (transport, command) in all {
        for (rule, word) in [("reject", "rejects"), ("signedBy", "signature"), ("sigstoreSigned", "sigstoreSigned")] {
            policy(serde_json::json!({ transport: {"": [{"type": rule}]} }));
            let _ = env.sh(command).fails(125, &["policy.json", word, transport]);
            assert_eq!(env.sh("images -aq").success().stdout, "", "{command}");
        }
        policy(serde_json::json!({ "docker": {"": [{"type": "reject"}]} }));
        let _ = env.sh(command).success();
        let _ = env.sh("rmi -af").success();
    }
    // From a pipe it is the archive that tells what it is.
    policy(serde_json::json!({ "oci-archive": {"": [{"type": "reject"}]} }));
    let _ = env.run_with_stdin(["load"], &std::fs::read(env.path("o.tar")).unwrap()).fails(125, &["standard input"]);
    let _ = env.run_with_stdin(["load"], &std::fs::read(env.path("d.tar")).unwrap()).success();
    let scope = env.path("layout").canonicalize().unwrap();
    policy(
        serde_json::json!({ "oci": {"": [{"type": "reject"}], scope.to_str().unwrap(): [{"type": "insecureAcceptAnything"}]} }),
    );
    let _ = env.sh("load -i layout").success();
}
