//! `coracle build --platform`: indexes, cross builds, foreign programs.

mod common;

use common::TestEnv;
use common::hostile::digest;
use common::registry::Registry;
use serde_json::Value;

/// A registry with an image `base` for amd64, arm64 and arm; all hold this machine's busybox, and say for whom they are.
macro_rules! base {
    ($env:expr) => {{
        need!("skopeo", "umoci");
        let Some(registry) = Registry::start(&$env.path("registry")) else { skip!("docker-registry is not installed") };
        let mut words = String::new();
        for (arch, variant) in [("amd64", ""), ("arm64", "v8"), ("arm", "v7")] {
            let name = registry.name(&format!("base:{arch}"));
            $env.file(
                "b/Dockerfile",
                format!(
                    "FROM --platform=$BUILDPLATFORM busybox AS b\nFROM scratch\nCOPY --from=b / /\nLABEL for={arch}\n"
                ),
            );
            let platform = format!("linux/{arch}/{variant}");
            let flags = format!("--platform {} -o type=registry,name={name}", platform.trim_end_matches('/'));
            let _ = $env.sh(&format!("build -q {flags} b")).success();
            words.push_str(&format!(" {name}"));
        }
        let list = registry.name("base:1");
        let _ = $env.sh(&format!("manifest create {list}{words}")).success();
        let _ = $env.sh(&format!("manifest push --all {list}")).success();
        let _ = $env.sh(&format!("rmi -f {list}"));
        registry
    }};
}

fn platforms(index: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
    index["manifests"].as_array().unwrap().iter().map(|m| text(&m["platform"]["architecture"])).collect()
}

#[test]
fn several_platforms_make_an_index() {
    let env = busybox_env!();
    let registry = base!(env);
    let (base, name) = (registry.name("base:1"), registry.name("a/app:1"));
    let text = format!(
        "FROM --platform=$BUILDPLATFORM busybox AS tools\nARG TARGETARCH TARGETPLATFORM BUILDPLATFORM\nRUN echo $TARGETARCH $TARGETPLATFORM $BUILDPLATFORM > /o\nFROM {base}\nCOPY --from=tools /o /o\n"
    );
    env.file("c/Dockerfile", text);
    let flags = "--platform linux/amd64,linux/arm64 --platform linux/arm/v7 --annotation index:i=1 --annotation manifest[linux/arm64]:m=2 --annotation manifest-descriptor:d=3";
    let out = env.sh(&format!("build -t local -o type=registry,name={name} {flags} --metadata-file m --iidfile i -o type=image -o type=oci,dest=o.tar -o type=local,dest=files c")).success();
    let raw = {
        let words = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")];
        std::process::Command::new("skopeo").args(words).output().unwrap().stdout
    };
    let index: Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(platforms(&index), ["amd64", "arm64", "arm"]);
    assert_eq!(index["manifests"][2]["platform"]["variant"], "v7");
    assert_eq!((&index["annotations"]["i"], &index["manifests"][0]["annotations"]["d"]), (&"1".into(), &"3".into()));
    let meta: Value = serde_json::from_slice(&std::fs::read(env.path("m")).unwrap()).unwrap();
    assert_eq!(meta["containerimage.digest"], digest(&raw));
    assert_eq!(std::fs::read_to_string(env.path("i")).unwrap(), digest(&raw));
    assert_eq!(format!("sha256:{}", out.line()), digest(&raw));
    for (dir, want) in [
        ("linux_amd64", "amd64 linux/amd64 "),
        ("linux_arm64", "arm64 linux/arm64 "),
        ("linux_arm_v7", "arm linux/arm/v7 "),
    ] {
        let text = std::fs::read_to_string(env.path("files").join(dir).join("o")).unwrap();
        assert!(text.starts_with(want), "{dir}: {text}");
    }
    // Steps say for which platform they are; each platform is verified by itself.
    let checked = env.sh(&format!("build --verify --progress plain {flags} c")).success();
    let way = if arch() == "arm64" { "linux/arm64" } else { "linux/amd64->arm64" };
    assert!(checked.stderr.contains(&format!("[{way} tools 2/2] RUN echo")), "{checked}");
    assert!(checked.stderr.contains("[linux/arm64 stage-1 2/2] COPY"), "{checked}");
    assert!(checked.stderr.contains("Verified: "), "{checked}");
    // The names are a list of the store, by which the image of this machine runs.
    assert_eq!(platforms(&env.sh("manifest inspect local").success().json()), ["amd64", "arm64", "arm"]);
    let ran = env.sh("run --rm --network=none local cat /o").success();
    assert!(ran.stdout.starts_with(&format!("{} ", arch())), "{ran}");
    // Built once more, it takes the names from the old one.
    env.sh(&format!("build -q -t local {flags} --label x=y c")).success();
    assert_eq!(env.sh("images --filter reference=localhost/local -q").success().stdout.lines().count(), 1);
    env.sh("build -q -t local c").success();
    assert!(env.sh("image inspect local").success().json()[0]["Config"].is_object());
    // The archive has all of it.
    let other = TestEnv::new();
    let words = ["copy", "-q", "--insecure-policy", "--all", "oci-archive:o.tar", "dir:d"];
    let out = std::process::Command::new("skopeo").args(words).current_dir(env.path(".")).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let copied: Value = serde_json::from_slice(&std::fs::read(env.path("d/manifest.json")).unwrap()).unwrap();
    assert_eq!(platforms(&copied), ["amd64", "arm64", "arm"]);
    let _ = other.run(["pull", "-q", "--platform", "linux/arm64", &name]).success();
    assert_eq!(other.run(["image", "inspect", "--format", "{{.Architecture}}", &name]).success().line(), "arm64");
    for (flags, want) in [
        ("-o type=docker,dest=x", "type=oci"),
        ("-o type=tar,dest=x", "type=local"),
        ("--platform linux/a/b/c/d", "parse platform"),
    ] {
        let out = env.sh(&format!("build --platform linux/amd64,linux/arm64 {flags} c"));
        assert!(out.code == 125 && out.stderr.contains(want), "{flags}: {out}");
    }
}

fn arch() -> &'static str {
    coracle::image::host_architecture()
}

#[test]
fn a_manifest_list_collects_builds() {
    let env = busybox_env!();
    env.file("c/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    env.sh("build -q --manifest list --platform linux/s390x c").success();
    env.sh("build -q --manifest list --platform linux/riscv64 c").success();
    assert_eq!(platforms(&env.sh("manifest inspect list").success().json()), ["s390x", "riscv64"]);
}

#[test]
fn a_foreign_program_is_explained() {
    let env = busybox_env!();
    // A program for another processor: nothing but its header.
    let mut elf = vec![0u8; 4096];
    elf[..20].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 22]);
    std::fs::create_dir_all(env.path("c")).unwrap();
    std::fs::write(env.path("c/sh"), elf).unwrap();
    env.file("c/Dockerfile", "FROM scratch\nCOPY --chmod=755 sh /bin/sh\nRUN true\n");
    let out = env.sh("build --platform linux/s390x c");
    assert!(out.code != 0 && out.stderr.contains("qemu-user-static") && out.stderr.contains("s390x"), "{out}");
    assert!(env.sh("doctor").stdout.contains("foreign-programs"));
}
