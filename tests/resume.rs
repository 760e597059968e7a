//! Pulls that break off and go on: by a cut, by kill -9, by Ctrl-C, and by several processes at once. What counts is what
//! the registry has to send again: nothing.

mod common;

use common::hostile::{Answer, Hostile, Manner, Seen, TestImage, digest, tar};
use common::{Ran, TestEnv, eventually};
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn serve(image: &TestImage, twist: impl Fn(&Seen, Answer) -> Answer + Send + Sync + 'static) -> Hostile {
    let image = image.clone();
    Hostile::start(move |seen| twist(seen, image.answer(seen)))
}

/// Layers come at 1 MB/s or so.
fn slowly(seen: &Seen, good: Answer) -> Answer {
    if seen.is_blob() && good.body.len() > 10_000 {
        good.manner(Manner::Pace(8192, Duration::from_millis(8)))
    } else {
        good
    }
}

fn pull(env: &TestEnv, server: &Hostile) -> Ran {
    env.run(["pull", "-q", "--retry=0", &server.name("x")])
}

fn partial(env: &TestEnv, digest: &str) -> u64 {
    size(env.root().join("partial").join(digest.trim_start_matches("sha256:")))
}

fn blob(env: &TestEnv, digest: &str) -> PathBuf {
    env.root().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

fn size(path: PathBuf) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// Everything is there, is what it should be, and nothing else is left.
#[track_caller]
fn assert_whole(env: &TestEnv, image: &TestImage) {
    for layer in &image.layers {
        assert_eq!(digest(&std::fs::read(blob(env, layer)).unwrap()), *layer);
    }
    for dir in ["partial", "tmp"] {
        let left: Vec<_> = std::fs::read_dir(env.root().join(dir)).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    assert_eq!(env.sh("images -q").success().stdout.lines().count(), 1);
    assert_eq!(std::fs::read_dir(env.root().join("layers")).unwrap().count(), image.layers.len());
}

#[test]
fn cuts_at_any_byte_cost_nothing() {
    let layer = tar("a", 300_000);
    let image = TestImage::plain(std::slice::from_ref(&layer));
    let mut dice = Dice(0x5eed);
    for round in 0..20 {
        let at = 1 + dice.below(layer.len() as u64 - 1);
        let env = TestEnv::new();
        let cut = serve(&image, move |seen, good| match seen.is_blob() && good.body.len() > 10_000 {
            true => good.manner(Manner::CutAt(at as usize)),
            false => good,
        });
        let _ = pull(&env, &cut).fails(125, &[&format!("{at} of"), "the connection was cut"]);
        assert_eq!(partial(&env, &image.layers[0]), at, "round {round}");
        let good = serve(&image, |_, good| good);
        let _ = pull(&env, &good).success();
        assert_eq!(good.sent(&image.layers[0]), layer.len() as u64 - at, "round {round}");
        assert_eq!(good.sent(&image.config), 0, "the config was complete");
        assert_whole(&env, &image);
    }
}

#[test]
fn kills_at_any_moment_cost_nothing() {
    let image = TestImage::plain(&[tar("a", 150_000), tar("b", 100_000), tar("c", 60_000), tar("d", 30_000)]);
    let mut dice = Dice(0xdead);
    let rounds: Vec<u64> = (0..20).map(|_| dice.below(250)).collect();
    // Several at once: they wait for the server most of the time.
    std::thread::scope(|scope| {
        for part in rounds.chunks(5) {
            let image = &image;
            scope.spawn(move || part.iter().for_each(|ms| kill_at(image, *ms)));
        }
    });
}

fn kill_at(image: &TestImage, ms: u64) {
    let env = TestEnv::new();
    let slow = serve(image, slowly);
    let mut child = env.spawn(["pull", "-q", &slow.name("x")]);
    std::thread::sleep(Duration::from_millis(ms));
    child.kill().unwrap();
    child.wait().unwrap();
    let missing: Vec<u64> = image
        .layers
        .iter()
        .map(|l| if blob(&env, l).exists() { 0 } else { image.blobs[l].len() as u64 - partial(&env, l) })
        .collect();
    let good = serve(image, |_, good| good);
    let _ = pull(&env, &good).success();
    let sent: Vec<u64> = image.layers.iter().map(|l| good.sent(l)).collect();
    assert_eq!(sent, missing, "killed after {ms} ms");
    assert_whole(&env, image);
}

fn finish(child: Child) {
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.stdout.len(), 65, "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn several_pulls_of_one_image_fetch_each_blob_once() {
    for count in [2, 5] {
        let image = TestImage::plain(&[tar("a", 100_000), tar("b", 60_000), tar("c", 10)]);
        let server = serve(&image, slowly);
        let env = TestEnv::new();
        let children: Vec<_> = (0..count).map(|_| env.spawn(["pull", &server.name("x")])).collect();
        children.into_iter().for_each(finish);
        for layer in &image.layers {
            assert_eq!(server.offsets(layer), [0], "{count} pulls");
            assert_eq!(server.sent(layer), image.blobs[layer].len() as u64);
        }
        assert_whole(&env, &image);
    }
}

#[test]
fn others_take_over_from_a_killed_pull() {
    for count in [1, 4] {
        let image = TestImage::plain(&[tar("a", 200_000), tar("b", 100_000)]);
        let server = serve(&image, slowly);
        let env = TestEnv::new();
        let mut first = env.spawn(["pull", "-q", &server.name("x")]);
        eventually("both layers are under way", 20, || image.layers.iter().all(|l| partial(&env, l) > 10_000));
        let others: Vec<_> = (0..count).map(|_| env.spawn(["pull", &server.name("x")])).collect();
        eventually("the others have asked for the manifest", 20, || {
            server.seen().iter().filter(|s| s.is_manifest()).count() > count
        });
        first.kill().unwrap();
        first.wait().unwrap();
        others.into_iter().for_each(finish);
        for layer in &image.layers {
            match server.offsets(layer)[..] {
                [0] => {}
                [0, offset] => assert!(offset > 10_000, "{offset}"),
                ref other => panic!("{other:?}"),
            }
        }
        assert_whole(&env, &image);
    }
}

#[test]
fn images_that_share_a_layer_fetch_it_once_even_when_one_pull_dies() {
    let base = tar("base", 200_000);
    let (one, two) = (TestImage::plain(&[base.clone(), tar("x", 10)]), TestImage::plain(&[base.clone(), tar("y", 10)]));
    let layer = digest(&base);
    for kill in [false, true] {
        let (a, b) = (one.clone(), two.clone());
        // The first repository is called a, the second b.
        let server = Hostile::start(move |seen| {
            let good = if seen.path.starts_with("/v2/a/") { a.answer(seen) } else { b.answer(seen) };
            slowly(seen, good)
        });
        let env = TestEnv::new();
        let mut first = env.spawn(["pull", "-q", &server.name("a")]);
        eventually("the layer is under way", 20, || partial(&env, &layer) > 10_000);
        let second = env.spawn(["pull", &server.name("b")]);
        eventually("the second has its config", 20, || server.sent(&two.config) > 0);
        if kill {
            first.kill().unwrap();
            first.wait().unwrap();
        } else {
            finish(first);
        }
        let out = second.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let offsets = server.offsets(&layer);
        assert!(offsets[0] == 0 && offsets.len() == 1 + usize::from(kill), "{offsets:?}");
        assert!(!kill || offsets[1] > 10_000, "{offsets:?}");
        let _ = env.run(["image", "exists", &server.name("b")]).success();
    }
}

#[test]
fn servers_that_cannot_continue() {
    let layer = tar("a", 300_000);
    let image = TestImage::plain(std::slice::from_ref(&layer));
    let whole = layer.clone();
    let ignores =
        serve(&image, move |seen, good| if seen.offset() > 0 { Answer::body(200, whole.clone()) } else { good });
    let refuses = serve(&image, |seen, good| if seen.offset() > 0 { Answer::status(416) } else { good });
    for server in [ignores, refuses] {
        let env = TestEnv::new();
        let cut = serve(&image, |seen, good| match seen.is_blob() && good.body.len() > 10_000 {
            true => good.manner(Manner::CutAt(123_456)),
            false => good,
        });
        let _ = pull(&env, &cut).fails(125, &["123456 of"]);
        let _ = pull(&env, &server).success();
        assert_whole(&env, &image);
    }
}

#[test]
fn ranges_are_tied_to_the_etag() {
    let layer = tar("a", 300_000);
    let image = TestImage::plain(std::slice::from_ref(&layer));
    let server = serve(&image, |seen, good| match (seen.is_blob(), seen.before) {
        (true, 0) if good.body.len() > 10_000 => good.header("ETag", "\"one\"").manner(Manner::CutAt(100_000)),
        (true, 1) => good.header("ETag", "\"one\"").manner(Manner::CutAt(100_000)),
        _ => good,
    });
    let env = TestEnv::new();
    let _ = env.run(["pull", "-q", "--retry=3", "--retry-delay=1ms", &server.name("x")]).success();
    assert_eq!(server.offsets(&image.layers[0]), [0, 100_000, 200_000]);
    let seen = server.seen();
    let ranges: Vec<&str> = seen.iter().filter(|s| s.offset() > 0).map(|s| s.header("if-range")).collect();
    assert_eq!(ranges, ["\"one\"", "\"one\""]);
}

#[test]
fn what_a_power_cut_spoiled_is_fetched_anew() {
    let layer = tar("a", 100_000);
    let image = TestImage::plain(std::slice::from_ref(&layer));
    let env = TestEnv::new();
    let hex = image.layers[0].trim_start_matches("sha256:");
    env.file(&format!("data/partial/{hex}"), vec![0; 50_000]);
    let server = serve(&image, |_, good| good);
    let _ = pull(&env, &server).success();
    assert_eq!(server.offsets(&image.layers[0]), [50_000, 0]);
    assert_whole(&env, &image);

    // Blobs that had their names, but not yet their contents on disk.
    let image = TestImage::plain(&[layer, tar("b", 1000)]);
    let env = TestEnv::new();
    for (digest, bytes) in &image.blobs {
        env.file(&format!("data/blobs/sha256/{}", digest.trim_start_matches("sha256:")), vec![0; bytes.len()]);
    }
    env.file(&format!("data/blobs/sha256/{}", &digest(&image.manifest)[7..]), vec![0; image.manifest.len()]);
    let server = serve(&image, |_, good| good);
    let _ = pull(&env, &server).success();
    assert_whole(&env, &image);
    env.sh("system check").success();
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

#[test]
fn ctrl_c_keeps_what_is_there() {
    let image = TestImage::plain(&[tar("a", 400_000)]);
    let server = serve(&image, slowly);
    for with in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let env = TestEnv::new();
        let child = env.spawn(["pull", &server.name("x")]);
        eventually("the layer is under way", 20, || partial(&env, &image.layers[0]) > 50_000);
        signal(&child, with);
        let out = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("interrupted") && stderr.contains("goes on from there"), "{stderr}");
        assert!(out.stdout.is_empty());
        assert_eq!(std::fs::read_dir(env.root().join("tmp")).unwrap().count(), 0);
        let there = partial(&env, &image.layers[0]);
        let good = serve(&image, |_, good| good);
        let _ = pull(&env, &good).success();
        assert_eq!(good.offsets(&image.layers[0]), [there as usize]);
        assert_whole(&env, &image);
    }
}

#[test]
fn ctrl_c_ends_a_pull_from_a_silent_server_and_the_second_one_kills() {
    let image = TestImage::plain(&[tar("a", 100_000)]);
    let server = serve(&image, |seen, good| match seen.is_blob() && good.body.len() > 10_000 {
        true => Answer { body: good.body[..50_000].to_vec(), ..good }.length(Some(good_length())).manner(Manner::Hang),
        false => good,
    });
    let env = TestEnv::new();
    let start = || {
        let child = env.spawn(["pull", "-q", &server.name("x")]);
        eventually("half of the layer is there", 20, || partial(&env, &image.layers[0]) == 50_000);
        child
    };
    let child = start();
    signal(&child, rustix::process::Signal::INT);
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(partial(&env, &image.layers[0]), 50_000);
    server.forget();
    let child = env.spawn(["pull", "-q", &server.name("x")]);
    eventually("it has asked for the rest", 20, || server.offsets(&image.layers[0]) == [50_000]);
    signal(&child, rustix::process::Signal::INT);
    // Two that wait to be delivered are one.
    while pending(&child) & 1 << (rustix::process::Signal::INT.as_raw() - 1) != 0 {
        std::thread::sleep(Duration::from_micros(100));
    }
    signal(&child, rustix::process::Signal::INT);
    let out = child.wait_with_output().unwrap();
    // On a busy machine it may have come to its own end in between.
    let killed = std::os::unix::process::ExitStatusExt::signal(&out.status) == Some(2);
    assert!(killed || out.status.code() == Some(130), "{out:?}");
    let good = serve(&image, |_, good| good);
    let _ = pull(&env, &good).success();
    assert_whole(&env, &image);
}

/// The signals that it has still to take (proc_pid_status(5)).
fn pending(child: &std::process::Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Bytes of the tar of 100,000 bytes.
fn good_length() -> u64 {
    tar("a", 100_000).len() as u64
}

#[test]
fn broken_off_pulls_survive_a_clean_up_and_age_out() {
    let image = TestImage::plain(&[tar("a", 100_000), tar("b", 50_000)]);
    let env = TestEnv::new();
    let (last, first) = (image.layers[1].clone(), blob(&env, &image.layers[0]));
    let cut = serve(&image, move |seen, good| match seen.path.ends_with(&last) {
        true => {
            eventually("the first layer is complete", 20, || first.exists());
            good.manner(Manner::CutAt(20_000))
        }
        false => good,
    });
    let _ = pull(&env, &cut).fails(125, &["20000 of", "the connection was cut"]);
    let kept = partial(&env, &image.layers[1]);
    assert_eq!(kept, 20_000);
    // However old the blob is, as long as the pull may go on.
    let hour = std::time::SystemTime::now() - Duration::from_secs(2 * 3600);
    let age = |path: PathBuf, to| std::fs::File::options().write(true).open(path).unwrap().set_modified(to).unwrap();
    age(blob(&env, &image.layers[0]), hour);
    let other = serve(&TestImage::plain(&[tar("o", 10)]), |_, good| good);
    let _ = pull(&env, &other).success();
    let _ = env.run(["rmi", &other.name("x")]).success();
    assert!(blob(&env, &image.layers[0]).exists());
    assert_eq!(partial(&env, &image.layers[1]), kept);
    // After a week they are garbage.
    let week = std::time::SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    for entry in std::fs::read_dir(env.root().join("partial")).unwrap().flatten() {
        age(entry.path(), week);
    }
    let _ = pull(&env, &other).success();
    assert_eq!(std::fs::read_dir(env.root().join("partial")).unwrap().count(), 0);
    let _ = env.run(["rmi", &other.name("x")]).success();
    assert!(!blob(&env, &image.layers[0]).exists());
}
