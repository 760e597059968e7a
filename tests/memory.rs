//! What commands about images need of memory, whatever the image: 64 MB, and one window of a zstd stream that was
//! compressed with more than the usual one.

mod common;

use common::TestEnv;
use common::hostile::{Hostile, TestImage, digest, tar};
use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

const MB: u64 = 1_000_000;
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// Anonymous memory of a process and all below it, in bytes: what can't be read from a file again.
fn anonymous(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    let own = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024;
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.map(|t| fs::read_to_string(t.path().join("children")).unwrap_or_default());
    let below: Vec<u32> =
        children.flat_map(|c| c.split(' ').filter_map(|n| n.parse().ok()).collect::<Vec<_>>()).collect();
    own + below.into_iter().map(anonymous).sum::<u64>()
}

/// Runs coracle, which must succeed; the peak of its memory in bytes.
fn peak(env: &TestEnv, args: &[&str]) -> u64 {
    let mut child = env.command(args).spawn().unwrap();
    let mut most = 0;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{args:?}");
            assert!(most > 0, "{args:?}: nothing was measured");
            return most;
        }
        most = most.max(anonymous(child.id()));
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn serve(image: TestImage) -> Hostile {
    Hostile::start(move |seen| image.answer(seen))
}

/// A layer of `size` zeros, compressed with a window of 2^`log` bytes.
fn wide(name: &str, size: usize, log: u32) -> (Vec<u8>, String) {
    let mut header = tar::Header::new_ustar();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, name, std::io::repeat(0).take(size as u64)).unwrap();
    let plain = builder.into_inner().unwrap();
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.write_all(&plain).unwrap();
    (encoder.finish().unwrap(), digest(&plain))
}

fn wide_image(names: [&str; 2], size: usize, log: u32) -> TestImage {
    let layers = names.map(|name| wide(name, size, log));
    let (blobs, diff_ids): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
    TestImage::new(&blobs, &diff_ids, ZSTD, "amd64")
}

#[test]
fn many_layers_at_once() {
    let layers: Vec<Vec<u8>> = (0..60).map(|n| tar(&format!("file-{n}"), 300_000)).collect();
    let server = serve(TestImage::plain(&layers));
    let env = TestEnv::new();
    let name = server.name("x");
    let pulled = peak(&env, &["pull", "-q", &name]);
    let saved = peak(&env, &["save", "-q", "-o", &env.path("x.tar").display().to_string(), &name]);
    env.sh(&format!("rmi {name}")).success();
    let loaded = peak(&env, &["load", "-q", "-i", &env.path("x.tar").display().to_string()]);
    for (what, bytes) in [("pull", pulled), ("save", saved), ("load", loaded)] {
        assert!(bytes < 64 * MB, "{what}: {bytes} bytes");
    }
}

#[test]
fn compressing_for_a_push() {
    let layers: Vec<Vec<u8>> = (0..8).map(|n| tar(&format!("file-{n}"), 8_000_000)).collect();
    let server = serve(TestImage::plain(&layers));
    let env = TestEnv::new();
    let Some(registry) = common::registry::Registry::start(&env.path("registry")) else {
        skip!("docker-registry is not installed")
    };
    env.run(["pull", "-q", &server.name("x")]).success();
    for kind in ["gzip", "zstd"] {
        let bytes = peak(
            &env,
            &[
                "push",
                "-q",
                "--compression-format",
                kind,
                "--force-compression",
                &server.name("x"),
                &registry.name(kind),
            ],
        );
        assert!(bytes < 64 * MB, "{kind}: {bytes} bytes");
    }
}

#[test]
fn one_wide_window_at_a_time() {
    let server = serve(wide_image(["a", "b"], 140_000_000, 27));
    let env = TestEnv::new();
    let bytes = peak(&env, &["pull", "-q", &server.name("x")]);
    assert!(bytes > 128 * MB, "the window was not used: {bytes} bytes");
    assert!(bytes < (128 << 20) + 64 * MB, "{bytes} bytes");
    // More is refused, before any memory is taken for it.
    let server = serve(wide_image(["c", "d"], 1000, 28));
    let words = ["its zstd window is 256 MiB, at most 128 MiB are accepted", "--long=27"];
    let _ = env.run(["pull", "-q", "--retry=0", &server.name("x")]).fails(125, &words);
}
