//! `pull` from registries that misbehave: one line of error, exit code 125, nothing in the store afterwards.

mod common;

use common::TestEnv;
use common::hostile::{Answer, Hostile, INDEX, MANIFEST, Manner, Seen, TestImage, digest, tar};
use std::io::Write;

/// Serves `image`, with `twist` applied to the good answers.
fn serve(image: TestImage, twist: impl Fn(&Seen, Answer) -> Answer + Send + Sync + 'static) -> Hostile {
    Hostile::start(move |seen| twist(seen, image.answer(seen)))
}

fn image() -> TestImage {
    TestImage::plain(&[tar("a", 200_000), tar("b", 50_000), tar("c", 10)])
}

/// Pulls `name`, which must fail with one line that has all of `words`, and leave no image, layer or temporary file.
#[track_caller]
fn fails(server: &Hostile, name: &str, words: &[&str]) {
    fails_with(server, name, &[], words);
}

#[track_caller]
fn fails_with(server: &Hostile, name: &str, flags: &[&str], words: &[&str]) {
    let env = TestEnv::new();
    let name = server.name(name);
    let mut args = vec!["pull", "-q", "--retry=1", "--retry-delay=1ms"];
    args.extend(flags);
    args.push(&name);
    let mut all = vec![name.as_str()];
    all.extend(words);
    let _ = env.run(args).fails(125, &all);
    // Not by `images`: this must hold on disk.
    let index = std::fs::read_to_string(env.root().join("index.json")).unwrap_or_default();
    assert!(!index.contains("digest"), "{index}");
    for dir in ["tmp", "layers", "blobs/sha256", "partial"] {
        let left: Vec<_> = std::fs::read_dir(env.root().join(dir)).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn succeeds(server: &Hostile, name: &str) -> TestEnv {
    let env = TestEnv::new();
    let out = env.run(["pull", "--retry=2", "--retry-delay=1ms", &server.name(name)]).success();
    assert_eq!(out.line().len(), 64, "the id alone is on stdout: {out}");
    env
}

#[test]
fn good_image() {
    let env = succeeds(&serve(image(), |_, good| good), "x");
    assert_eq!(env.sh("images -q").success().stdout.lines().count(), 1);
}

#[test]
fn the_same_layer_twice_is_fetched_once() {
    let layer = tar("a", 1000);
    let server = serve(TestImage::plain(&[layer.clone(), tar("b", 10), layer.clone(), layer.clone()]), |_, good| good);
    let env = succeeds(&server, "x");
    assert_eq!(std::fs::read_dir(env.root().join("layers")).unwrap().count(), 4);
    assert_eq!(server.seen().iter().filter(|s| s.path.ends_with(&digest(&layer))).count(), 1);
}

#[test]
fn forged_and_damaged_data() {
    let forged = |_: &Seen, mut good: Answer| {
        if let Some(byte) = good.body.get_mut(5) {
            *byte ^= 1;
        }
        good
    };
    let layer = image().layers[0].clone();
    let server = serve(image(), move |seen, good| if seen.path.ends_with(&layer) { forged(seen, good) } else { good });
    fails(&server, "x", &["layer", "digest", "damaged"]);
    let config = image().config;
    let server = serve(image(), move |seen, good| if seen.path.ends_with(&config) { forged(seen, good) } else { good });
    fails(&server, "x", &["image config", "digest mismatch"]);
    // The header promises another manifest than comes.
    let server = serve(image(), |seen, good| match seen.is_manifest() {
        true => Answer { headers: vec![("Docker-Content-Digest".into(), digest(b"x"))], ..good },
        false => good,
    });
    fails(&server, "x", &["manifest", "digest mismatch"]);
    let pinned = format!("x@{}", digest(b"other"));
    let all = image();
    let server = serve(image(), move |seen, good| match seen.is_manifest() {
        true => Answer::body(200, all.manifest.clone()),
        false => good,
    });
    fails(&server, &pinned, &["digest mismatch"]);
}

#[test]
fn layer_that_unpacks_to_something_else_than_the_config_says() {
    let layer = tar("a", 100);
    let lie = TestImage::new(&[layer], &[digest(b"something else")], "application/vnd.oci.image.layer.v1.tar", "amd64");
    fails(&serve(lie, |_, good| good), "x", &["layer"]);
}

#[test]
fn wrong_sizes() {
    let big = serve(image(), |seen, good| match seen.is_blob() {
        true => Answer { body: [good.body.clone(), vec![0; 100]].concat(), ..good },
        false => good,
    });
    fails(&big, "x", &["larger than"]);
    let layer = image().layers[0].clone();
    let short = serve(image(), move |seen, good| match seen.path.ends_with(&layer) {
        true => Answer { body: good.body[..1000].to_vec(), ..good },
        false => good,
    });
    fails(&short, "x", &["fewer than the", "bytes"]);
    let layer = image().layers[0].clone();
    let endless = serve(image(), move |seen, good| match seen.path.ends_with(&layer) {
        true => good.length(None).manner(Manner::Endless),
        false => good,
    });
    fails(&endless, "x", &["more than the", "bytes"]);
}

#[test]
fn manifests_that_are_huge_or_no_manifests() {
    let with = |body: Vec<u8>| {
        serve(image(), move |seen, good| match seen.is_manifest() {
            true => Answer { body: body.clone(), headers: Vec::new(), ..good },
            false => good,
        })
    };
    fails(&with(vec![b' '; 9 << 20]), "x", &["larger than"]);
    // Nothing of what is announced as too large is read.
    let announced = serve(image(), |seen, good| match seen.is_manifest() {
        true => good.length(Some(1 << 30)).manner(Manner::Endless),
        false => good,
    });
    fails(&announced, "x", &["larger than"]);
    let text = String::from_utf8(image().manifest).unwrap();
    let size = format!("\"size\":{}", image().blobs[&image().config].len());
    let config = text.replacen(&size, "\"size\":1073741824", 1);
    assert_ne!(config, text);
    fails(&with(config.into_bytes()), "x", &["read the image config", "1073741824 bytes are too many"]);
    fails(&with(b"<html>hello</html>".to_vec()), "x", &["not a JSON object"]);
    fails(&with(b"{\"schemaVersion\":1}".to_vec()), "x", &["schema 1"]);
    fails(&with(b"{}".to_vec()), "x", &["no manifest"]);
    fails(
        &with(br#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#.to_vec()),
        "x",
        &["image and an index"],
    );
    let endless = serve(image(), |seen, good| match seen.is_manifest() {
        true => good.length(None).manner(Manner::Endless),
        false => good,
    });
    fails(&endless, "x", &["larger than"]);
    let chart = String::from_utf8(image().manifest).unwrap().replace("oci.image.config", "cncf.helm.config");
    fails(&with(chart.into_bytes()), "x", &["artifact of type application/vnd.cncf.helm.config.v1+json"]);
    // Endless nesting of indexes ends.
    let nested = Hostile::start(|seen| {
        let entry = serde_json::json!({"mediaType": INDEX, "digest": digest(b"1"), "size": 1,
            "platform": {"os": "linux", "architecture": "amd64"}});
        match seen.is_manifest() {
            true => Answer::body(200, serde_json::json!({"schemaVersion": 2, "manifests": [entry]}).to_string()),
            false => Answer::body(200, "{}"),
        }
    });
    fails(&nested, "x", &["digest mismatch"]);
}

#[test]
fn bombs() {
    // 300 MB of zeros in a few hundred kilobytes, although the config promises a small layer.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0u8; 1 << 20];
    gzip.write_all(&tar("a", 10)).unwrap();
    for _ in 0..300 {
        gzip.write_all(&zeros).unwrap();
    }
    let bomb = gzip.finish().unwrap();
    let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
    let server = serve(TestImage::new(&[bomb], &[digest(&tar("a", 10))], kind, "amd64"), |_, good| good);
    fails(&server, "x", &["layer"]);
}

#[test]
fn interruptions_are_survived() {
    let cut = serve(image(), |seen, good| match (seen.is_blob(), seen.before) {
        (true, 0) => good.manner(Manner::CutAt(70_000)),
        _ => good,
    });
    let env = succeeds(&cut, "x");
    drop(env);
    let ranges = cut.seen().iter().filter(|s| s.offset() == 70_000).count();
    assert_eq!(ranges, 1, "the one layer larger than 70,000 bytes was continued");

    // What a continued download got wrong, one whole download gets right.
    let spliced = serve(image(), |seen, good| match (seen.offset(), seen.before) {
        (0, 0) if seen.is_blob() => good.manner(Manner::CutAt(70_000)),
        (70_000, _) => Answer { body: vec![7; good.body.len()], ..good },
        _ => good,
    });
    let _ = succeeds(&spliced, "x");

    let busy = serve(image(), |seen, good| match (seen.path.as_str(), seen.before) {
        ("/v2/", _) => good,
        (_, 0) => Answer::error(429, "TOOMANYREQUESTS", "slow down").header("Retry-After", "0"),
        (_, 1) => Answer::status(503),
        _ => good,
    });
    let _ = succeeds(&busy, "x");
}

#[test]
fn what_a_lost_network_left_complete_is_not_fetched_again() {
    let last = image().layers[1].clone();
    let cut = serve(image(), move |seen, good| match seen.path.ends_with(&last) {
        true => good.manner(Manner::CutAt(100)),
        false => good,
    });
    let env = TestEnv::new();
    let name = cut.name("x");
    let _ = env.run(["pull", "-q", "--retry=0", &name]).fails(125, &["layer", "100 of", "the connection was cut"]);
    let good = serve(image(), |_, good| good);
    let _ = env.run(["pull", "-q", &good.name("x")]).success();
    let blobs: Vec<String> = good.seen().into_iter().filter(|s| s.is_blob()).map(|s| s.path).collect();
    assert!(blobs.len() < 4 && blobs.iter().any(|p| p.ends_with(&image().layers[1])), "{blobs:?}");
    assert_eq!(std::fs::read_dir(env.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn retry_after_is_heeded() {
    let busy = serve(image(), |seen, good| match (seen.is_manifest(), seen.before) {
        (true, 0) => Answer::status(429).header("Retry-After", "1"),
        _ => good,
    });
    let begin = std::time::Instant::now();
    let env = succeeds(&busy, "x");
    assert!(begin.elapsed() >= std::time::Duration::from_secs(1));
    drop(env);
    let always = serve(image(), |seen, good| match seen.is_manifest() {
        true => Answer::error(429, "TOOMANYREQUESTS", "pull rate limit").header("Retry-After", "0"),
        false => good,
    });
    fails(&always, "x", &["limits the rate", "pull rate limit", "hint"]);
    assert_eq!(always.seen().iter().filter(|s| s.is_manifest()).count(), 2, "one retry was allowed");
}

#[test]
fn login_loops_end() {
    let never =
        Hostile::start(|_| Answer::error(401, "UNAUTHORIZED", "no").header("WWW-Authenticate", "Basic realm=\"r\""));
    fails(&never, "x", &["asks for a login", "--creds"]);
    fails_with(&never, "x", &["--creds=me:secret"], &["does not accept the login"]);
    assert!(never.seen().len() < 12, "{}", never.seen().len());

    let tokens = Hostile::start(|seen| {
        if seen.path.starts_with("/token") {
            return Answer::body(200, r#"{"token":"T"}"#);
        }
        let realm = format!("http://{}/token", seen.header("host"));
        Answer::status(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
    });
    fails(&tokens, "x", &["asks for a login"]);
    assert!(tokens.seen().len() < 12, "{}", tokens.seen().len());

    let refusing = Hostile::start(|seen| {
        if seen.path.starts_with("/token") {
            return Answer::body(401, r#"{"details":"incorrect username or password"}"#);
        }
        let realm = format!("http://{}/token", seen.header("host"));
        Answer::status(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
    });
    fails_with(&refusing, "x", &["--creds=me:secret"], &["not accepted", "incorrect username or password"]);
}

#[test]
fn refusals_and_unknown_names() {
    let denied = Hostile::start(|seen| match seen.path.as_str() {
        "/v2/" => Answer::body(200, "{}"),
        _ => Answer::error(403, "DENIED", "requested access is denied"),
    });
    fails(&denied, "x", &["refuses access", "requested access is denied"]);
    let known = serve(image(), |_, good| good);
    fails(&known, "x:2.0", &["no tag 2.0", "1.0", "latest"]);
    let unknown = Hostile::start(|seen| match seen.path.as_str() {
        "/v2/" => Answer::body(200, "{}"),
        _ => Answer::error(404, "NAME_UNKNOWN", "repository name not known"),
    });
    fails(&unknown, "x", &["has no image x"]);
}

#[test]
fn text_of_the_registry_cannot_drive_the_terminal() {
    let rude = Hostile::start(|seen| match seen.path.as_str() {
        "/v2/" => Answer::body(200, "{}"),
        _ => Answer::error(403, "DENIED", "a\u{1b}[2J\nb"),
    });
    let env = TestEnv::new();
    let out = env.run(["pull", "-q", &rude.name("x")]).fails(125, &["refuses access"]);
    assert!(!out.stderr.contains('\u{1b}'), "{out}");
}

#[test]
fn other_platforms() {
    let arm =
        TestImage::new(&[tar("a", 10)], &[digest(&tar("a", 10))], "application/vnd.oci.image.layer.v1.tar", "arm64");
    let server = serve(arm.clone(), |_, good| good);
    fails(&server, "x", &["linux/arm64 only", "--platform linux/arm64"]);
    let env = TestEnv::new();
    let _ = env.run(["pull", "-q", "--platform=linux/arm64", &server.name("x")]).success();

    let entry = |arch: &str| {
        serde_json::json!({"mediaType": MANIFEST, "digest": digest(&arm.manifest), "size": arm.manifest.len(),
            "platform": {"os": "linux", "architecture": arch}})
    };
    let index =
        serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry("arm64"), entry("s390x")]});
    let index = index.to_string();
    let server = serve(arm, move |seen, good| match seen.path.ends_with("/latest") {
        true => Answer::body(200, index.clone()).header("Content-Type", INDEX),
        false => good,
    });
    fails(&server, "x", &["there is no image for linux/amd64", "linux/arm64, linux/s390x"]);
    let _ = env.run(["pull", "-q", "--arch=arm64", &server.name("x")]).success();
}

#[test]
fn nobody_listens_and_unknown_hosts() {
    let port = common::free_port();
    let env = TestEnv::new();
    let name = format!("127.0.0.1:{port}/x");
    let _ = env.run(["pull", "-q", &name]).fails(125, &[&name, "connection refused", "check that the registry runs"]);
    let _ = env.run(["pull", "-q", "no-such-host.invalid/x"]).fails(125, &["resolve host name no-such-host.invalid"]);
    for bad in ["Upper", "a/Upper", "x:", "x@sha256:1", ""] {
        let _ = env.run(["pull", "-q", bad]).fails(125, &["parse"]);
    }
    let _ = env.run(["pull", "-q", "--policy=never", "x"]).fails(125, &["find image 'x'", "coracle pull x"]);
}

#[test]
fn layers_that_cannot_fit_are_not_even_fetched() {
    // 1 << 60 bytes can't fit anywhere: refused before the first byte is fetched.
    let text = String::from_utf8(image().manifest).unwrap();
    let size = format!("\"size\":{}", image().blobs[&image().layers[0]].len());
    let huge = text.replacen(&size, "\"size\":1152921504606846976", 1);
    assert_ne!(text, huge);
    let server = serve(image(), move |seen, good| match seen.is_manifest() {
        true => Answer { body: huge.clone().into_bytes(), headers: Vec::new(), ..good },
        false => good,
    });
    fails(&server, "x", &["no space left", "free"]);
    assert!(!server.seen().iter().any(|s| s.path.ends_with(&image().layers[0])));
}

#[test]
fn absurd_media_types() {
    let with = |from: &str, to: &str| {
        let text = String::from_utf8(image().manifest).unwrap().replace(from, to).into_bytes();
        serve(image(), move |seen, good| match seen.is_manifest() {
            true => Answer { body: text.clone(), headers: Vec::new(), ..good },
            false => good,
        })
    };
    let layer = "application/vnd.oci.image.layer.v1.tar";
    fails(&with(layer, "text/html"), "x", &["a layer is of type text/html"]);
    fails(&with(layer, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"), "x", &["encrypted"]);
    fails(&with(layer, "a\\u001b[2J"), "x", &["a layer is of type a [2J"]);
    let config = "application/vnd.oci.image.config.v1+json";
    fails(&with(config, &"x".repeat(5000)), "x", &["artifact of type xxx"]);
    fails(&with(r#""mediaType":"application/vnd.oci.image.manifest.v1+json""#, r#""mediaType":"image/png""#), "x", &[]);
}

#[test]
fn a_storm_of_429_ends() {
    let storm = serve(image(), |seen, good| match seen.is_blob() {
        true => Answer::error(429, "TOOMANYREQUESTS", "slow down").header("Retry-After", "0"),
        false => good,
    });
    fails(&storm, "x", &["limits the rate of requests", "slow down"]);
    assert!(storm.seen().len() < 10, "{}", storm.seen().len());
}

/// A member of a tar with the fields as they are given, whatever they hold.
fn member(kind: u8, name: &[u8], link: &[u8], size: u64, data: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o755);
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_cksum();
    [header.as_bytes(), data, &vec![0; data.len().next_multiple_of(512) - data.len()]].concat()
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 2;
        while length.to_string().len() + rest.len() != length {
            length += 1;
        }
        format!("{length}{rest}")
    };
    let body: String = records.iter().map(record).collect();
    member(b'x', b"pax", b"", body.len() as u64, body.as_bytes())
}

fn layer_of(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}

/// A file whose name begins in the header's second field for it.
fn prefixed(prefix: &[u8], name: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().prefix[..prefix.len()].copy_from_slice(prefix);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_mode(0o755);
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn no_field_of_a_tar_leads_out_of_the_layer() {
    let up = "../".repeat(12);
    let file = |name: &[u8]| member(b'0', name, b"", 4, b"evil");
    let mut sparse = b"1\n0\n4\n".to_vec();
    sparse.resize(512, 0);
    sparse.extend(b"evil");
    let long = |kind: u8, text: &str| {
        member(kind, b"././@LongLink", b"", text.len() as u64 + 1, format!("{text}\0").as_bytes())
    };
    for outside in ["/tmp/", "/dev/shm/"] {
        let mark = format!("coracle-escape-{}", std::process::id());
        let path = format!("{}{}{mark}", up, outside.trim_start_matches('/'));
        let to = format!("{up}{}", outside.trim_start_matches('/'));
        let below = format!("d/{mark}");
        let layers = [
            // Refused for their names.
            (vec![file(path.as_bytes())], true),
            (vec![pax(&[("path", &path)]), file(b"x")], true),
            (vec![long(b'L', &path), file(b"x")], true),
            (vec![member(b'1', b"x", path.as_bytes(), 0, b"")], true),
            (vec![pax(&[("linkpath", &path)]), member(b'1', b"x", b"y", 0, b"")], true),
            (vec![member(b'5', path.as_bytes(), b"", 0, b"")], true),
            (vec![file(format!("{to}.wh.{mark}").as_bytes())], true),
            (vec![file(format!("{to}.wh..wh..opq").as_bytes())], true),
            (vec![prefixed(to.trim_end_matches('/').as_bytes(), mark.as_bytes())], true),
            (
                vec![
                    pax(&[
                        ("GNU.sparse.major", "1"),
                        ("GNU.sparse.minor", "0"),
                        ("GNU.sparse.name", &path),
                        ("GNU.sparse.realsize", "4"),
                    ]),
                    member(b'0', b"x", b"", 516, &sparse),
                ],
                true,
            ),
            // Extracted inside: absolute names and links lead into the layer.
            (vec![file(format!("{outside}{mark}").as_bytes())], false),
            (vec![member(b'2', b"d", to.as_bytes(), 0, b""), file(below.as_bytes())], false),
            (vec![member(b'2', b"d", outside.as_bytes(), 0, b""), file(below.as_bytes())], false),
            (vec![long(b'K', &to), member(b'2', b"d", b"", 0, b""), file(below.as_bytes())], false),
        ];
        for (n, (members, refused)) in layers.into_iter().enumerate() {
            let server = serve(TestImage::plain(&[layer_of(&members)]), |_, good| good);
            if refused {
                fails(&server, "x", &["layer"]);
            } else {
                // Whether it can be extracted is the layer's business, where to is ours.
                let env = TestEnv::new();
                let _ = env.run(["pull", "-q", &server.name("x")]);
            }
            assert!(!std::path::Path::new(outside).join(&mark).exists(), "{outside} {n}");
        }
    }
}

#[test]
fn files_that_cannot_fit_are_refused_before_they_fill_the_disk() {
    let layer = layer_of(&[pax(&[("size", "1125899906842624")]), member(b'0', b"big", b"", 0, &[7; 5120])]);
    fails(&serve(TestImage::plain(&[layer]), |_, good| good), "x", &["layer", "bytes"]);
}
