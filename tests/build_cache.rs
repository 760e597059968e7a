//! Build caches that machines share: `--cache-from` and `--cache-to`.

mod common;

use common::registry::Registry;
use common::{Ran, TestEnv, fixtures};
use serde_json::Value;

/// Two stages, so that there are steps which are not in the image; each step writes another thing.
const TEXT: &str = "FROM busybox AS build\nRUN cp /bin/busybox /big && echo built > /o\nRUN true\nFROM busybox\nCOPY --from=build /o /o\nRUN cat /proc/sys/kernel/random/uuid > /once\nCOPY f /f\n";

/// A machine of its own with the same context.
fn machine() -> TestEnv {
    let env = TestEnv::new().with_busybox();
    env.file("c/Dockerfile", TEXT);
    env.file("c/f", "content\n");
    env
}

#[track_caller]
fn build(env: &TestEnv, flags: &str) -> Ran {
    let name = if flags.contains("--push") { "" } else { "-t made" };
    env.sh(&format!("build --progress plain {name} {flags} c"))
}

/// How many steps were not done.
fn cached(out: &common::output::Output) -> usize {
    out.stderr.matches(" CACHED\n").count()
}

/// Bytes of the store's blobs.
fn bytes(env: &TestEnv) -> u64 {
    let blobs = std::fs::read_dir(env.root().join("blobs/sha256")).unwrap().flatten();
    blobs.map(|b| b.metadata().unwrap().len()).sum()
}

#[test]
fn a_directory_brings_all_steps_to_another_machine() {
    let (one, two) = (machine(), machine());
    let dir = one.path("cache").display().to_string();
    let first = build(&one, &format!("--cache-to type=local,dest={dir},mode=max")).success();
    assert_eq!(cached(&first), 0, "{first}");
    let before = bytes(&two);
    let out = build(&two, &format!("--cache-from type=local,src={dir}")).success();
    assert_eq!((cached(&out), out.line()), (5, first.line()), "{out}");
    // The layer of the stage that the image has nothing of but a copy was not fetched.
    assert!(bytes(&two) - before < 100_000, "{}", bytes(&two) - before);
    // What was taken is this machine's own now.
    let again = build(&two, "").success();
    assert!(cached(&again) >= 3 && again.line() == first.line(), "{again}");
    // A step that needs the other stage gets it.
    two.file("c/Dockerfile", TEXT.replace("RUN true", "RUN test -s /big && echo more > /o2"));
    let out = build(&two, &format!("--cache-from type=local,src={dir} --target build")).success();
    assert_eq!(cached(&out), 1, "{out}");
    two.file("c/Dockerfile", TEXT);
    // Written once more, with what the second machine knows: complete again.
    let dir2 = two.path("cache2").display().to_string();
    let _ =
        build(&two, &format!("--cache-from type=local,src={dir} --cache-to type=local,dest={dir2},mode=max")).success();
    let three = machine();
    let out = build(&three, &format!("--cache-from type=local,src={dir2}")).success();
    assert_eq!((cached(&out), out.line()), (5, first.line()), "{out}");
    // Only what the image consists of: the other stage is built again, the image's own RUN is not.
    let dir3 = one.path("cache3").display().to_string();
    let _ = build(&one, &format!("--cache-to type=local,dest={dir3}")).success();
    let four = machine();
    let out = build(&four, &format!("--cache-from type=local,src={dir3}")).success();
    assert_eq!((cached(&out), out.line()), (3, first.line()), "{out}");
    // Nothing is taken where nothing shall be.
    assert_eq!(cached(&build(&machine(), &format!("--cache-from type=local,src={dir} --no-cache")).success()), 0);
}

#[test]
fn registries_keep_caches() {
    let one = busybox_env!();
    one.file("c/Dockerfile", TEXT);
    one.file("c/f", "content\n");
    let Some(registry) = Registry::start(&one.path("registry")) else { skip!("docker-registry is not installed") };
    let (image, cache) = (registry.name("a/app:1"), registry.name("a/cache"));
    let first = build(
        &one,
        &format!("-t {image} --push --cache-to type=inline --cache-to type=registry,ref={cache}:x,mode=max --cache-to {cache}"),
    )
    .success();
    for from in [format!("type=registry,ref={cache}:x"), cache.clone()] {
        let out = build(&machine(), &format!("--cache-to type=inline --cache-from {from}")).success();
        assert_eq!((cached(&out), out.line()), (5, first.line()), "{from}: {out}");
    }
    // The image itself: its own steps, but not those of the other stage.
    let out = build(&machine(), &format!("--cache-to type=inline --cache-from {image}")).success();
    assert_eq!((cached(&out), out.line()), (3, first.line()), "{out}");
    // An image in the store, where its registry is gone.
    let two = machine();
    let _ = two.run(["pull", "-q", &image]).success();
    drop(registry);
    let out = build(&two, &format!("--retry 0 --cache-to type=inline --cache-from {image}")).success();
    assert_eq!((cached(&out), out.line()), (3, first.line()), "{out}");
    // A child image does not carry its base's cache along.
    two.file("d/Dockerfile", format!("FROM {image}\nLABEL x=y\n"));
    let id = two.run(["build", "-q", "--pull=never", "d"]).success().line();
    let config = std::fs::read_to_string(two.root().join("blobs/sha256").join(id)).unwrap();
    assert!(!config.contains("moby.buildkit.cache"), "{config}");
    // A source that is gone costs time only; a destination that is gone is an error, unless it is not to be one.
    let out = build(&two, &format!("--retry 0 --cache-from {cache}")).success();
    assert!(out.stderr.contains("no cache"), "{out}");
    let out = build(&two, &format!("--retry 0 --cache-to {cache}")).code(125);
    assert!(out.stderr.contains("write the cache") && out.stdout.is_empty(), "{out}");
    let out = build(&two, &format!("--retry 0 --cache-to type=registry,ref={cache},ignore-error=true")).success();
    assert!(out.stderr.contains("write the cache"), "{out}");
}

#[test]
fn hostile_caches_are_refused_and_leave_nothing() {
    let one = busybox_env!();
    one.file("c/Dockerfile", TEXT);
    one.file("c/f", "content\n");
    let dir = one.path("cache");
    let _ = build(&one, &format!("--cache-to type=local,dest={},mode=max", dir.display())).success();
    let read = |path: &std::path::Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let blob = |digest: &Value| dir.join("blobs/sha256").join(digest.as_str().unwrap().trim_start_matches("sha256:"));
    let index = read(&dir.join("index.json"));
    let manifest = read(&blob(&index["manifests"][0]["digest"]));
    let config = read(&blob(&manifest["config"]["digest"]));
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.buildkit.cacheconfig.v0");
    // Puts another list in its place, digests made anew.
    let forge = |config: &Value| {
        let bytes = serde_json::to_vec(config).unwrap();
        let mut manifest = manifest.clone();
        let put = |bytes: &[u8]| {
            let digest = common::hostile::digest(bytes);
            std::fs::write(blob(&digest.as_str().into()), bytes).unwrap();
            (digest, bytes.len())
        };
        let (digest, size) = put(&bytes);
        (manifest["config"]["digest"], manifest["config"]["size"]) = (digest.into(), size.into());
        let (digest, size) = put(&serde_json::to_vec(&manifest).unwrap());
        let mut index = index.clone();
        (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = (digest.into(), size.into());
        std::fs::write(dir.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    };
    let flags = format!("--cache-from type=local,src={}", dir.display());
    let records = |env: &TestEnv| {
        let entries = std::fs::read_dir(env.root().join("build")).into_iter().flatten().flatten();
        entries.filter(|e| e.file_name().to_string_lossy().ends_with(".json")).count()
    };
    // A layer that is not what the list says it is.
    let mut lie = config.clone();
    for layer in lie["layers"].as_array_mut().unwrap() {
        layer["annotations"]["diffID"] = format!("sha256:{}", "7".repeat(64)).into();
    }
    forge(&lie);
    let two = machine();
    let out = build(&two, &flags).code(125);
    assert!(out.stderr.contains("without --cache-from") && out.stderr.contains("sha256:777"), "{out}");
    assert_eq!(records(&two) - records(&machine()), records(&two), "records");
    let lying = |env: &TestEnv| {
        let out = build(env, "").success();
        cached(&out)
    };
    assert!(lying(&two) <= 1, "nothing of it is taken later but steps without a layer");
    // Lists that make no sense are no cache, and no failure.
    for (path, value) in [
        (
            "layer",
            serde_json::json!([{"digest": format!("sha256:{}", "0".repeat(64)), "layers": [{"layer": 99}], "io.coracle": {"title": "x", "chain": ""}}]),
        ),
        (
            "chain",
            serde_json::json!([{"digest": format!("sha256:{}", "0".repeat(64)), "io.coracle": {"title": "x", "chain": "../../x"}}]),
        ),
        ("junk", serde_json::json!("x")),
    ] {
        let mut bad = config.clone();
        bad["records"] = value;
        forge(&bad);
        let out = build(&machine(), &flags).success();
        assert!(out.stderr.contains("no cache") && cached(&out) == 0, "{path}: {out}");
    }
    // A blob that was changed or cut.
    forge(&config);
    for layer in manifest["layers"].as_array().unwrap() {
        let path = blob(&layer["digest"]);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let out = build(&machine(), &flags).code(125);
    assert!(out.stderr.contains("digest"), "{out}");
    fixtures::sh(&dir, "rm blobs/sha256/*");
    assert!(build(&machine(), &flags).success().stderr.contains("no cache"));
    let _ = build(&machine(), "--cache-from type=gha").fails(125, &["only registries and directories"]);
}
