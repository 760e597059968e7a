//! `push` to registries that break, refuse, redirect and lie.

mod common;

use common::TestEnv;
use common::hostile::{Answer, Hostile, Seen, TestImage, digest, tar};
use common::intake::{Fault, Intake};

/// A store with an image of one layer of `size` bytes that came from a registry as `NAME`, and the name.
fn stored(size: usize) -> (TestEnv, String, TestImage) {
    let image = TestImage::plain(&[tar("a", size)]);
    let served = image.clone();
    let server = Hostile::start(move |seen| served.answer(seen));
    let env = TestEnv::new();
    let name = server.name("from/x");
    let _ = env.run(["pull", "-q", &name]).success();
    (env, name, image)
}

fn push(env: &TestEnv, name: &str, to: &str) -> common::Ran {
    env.run(["push", "--retry=2", "--retry-delay=1ms", name, to])
}

/// Pushes quietly, which must fail with one line that has all of `words`.
#[track_caller]
fn fails(env: &TestEnv, name: &str, to: &str, words: &[&str]) {
    let mut all = vec![to];
    all.extend(words);
    let _ = env.run(["push", "-q", "--retry=2", "--retry-delay=1ms", name, to]).fails(125, &all);
}

fn say(status: u16, code: &str) -> Option<Fault> {
    Some(Fault::Say(Answer::error(status, code, "no")))
}

fn is_patch(seen: &Seen) -> bool {
    seen.method == "PATCH"
}

#[test]
fn what_is_stored_arrives_unchanged() {
    let (env, name, image) = stored(100_000);
    let server = Intake::start(|_| None);
    let out = push(&env, &name, &server.name("to/x:1")).success();
    assert_eq!(out.line(), digest(&image.manifest));
    assert_eq!(server.manifest("to/x:1").unwrap().1, image.manifest);
    assert!(image.blobs.keys().all(|d| server.shelf.lock().unwrap().blobs[&format!("to/x@{d}")] == image.blobs[d]));
    // Again: nothing but questions and the manifest.
    let taken = server.taken();
    let again = push(&env, &name, &server.name("to/x:2")).success();
    assert!(again.stderr.contains("already there") && !again.stderr.contains("Sent"), "{again}");
    assert_eq!(server.taken() - taken, image.manifest.len());
    // Into another repository: mounted.
    let mounted = push(&env, &name, &server.name("third/x")).success();
    assert!(mounted.stderr.contains("mounted from to/x"), "{mounted}");
    assert_eq!((server.taken() - taken, server.blobs("third/x")), (2 * image.manifest.len(), 2));
}

#[test]
fn an_upload_that_is_cut_goes_on_where_it_was() {
    let size = 6 << 20;
    let (env, name, image) = stored(size);
    let server = Intake::start(|seen| (is_patch(seen) && seen.before < 1).then_some(Fault::Cut(2_000_000)));
    let out = push(&env, &name, &server.name("to/x")).success();
    assert!(out.stderr.contains("retrying"), "{out}");
    let layer = image.blobs[&image.layers[0]].len();
    let rest = image.manifest.len() + image.blobs[&image.config].len();
    assert_eq!(server.taken(), layer + rest, "every byte once");
    let ranges: Vec<String> =
        server.seen().iter().filter(|s| is_patch(s)).map(|s| s.header("content-range").to_string()).collect();
    assert_eq!(ranges, ["", &format!("2000000-{}", layer - 1), &format!("4000000-{}", layer - 1)]);
}

#[test]
fn an_upload_that_the_registry_forgot_starts_anew() {
    let (env, name, _) = stored(6 << 20);
    let server = Intake::start(|seen| match seen.method.as_str() {
        "PATCH" if seen.before == 0 && seen.path.contains("uploads/1") => Some(Fault::Cut(3_000_000)),
        "GET" if seen.path.contains("/uploads/") => say(404, "BLOB_UPLOAD_UNKNOWN"),
        _ => None,
    });
    let _ = push(&env, &name, &server.name("to/x")).success();
    assert_eq!(server.count("GET", "/uploads/"), 1);
}

#[test]
fn busy_registries_are_given_time() {
    let (env, name, _) = stored(1000);
    let server = Intake::start(|seen| match (seen.method.as_str(), seen.before) {
        ("POST", 0) => Some(Fault::Say(Answer::error(429, "TOOMANYREQUESTS", "slow").header("Retry-After", "0"))),
        ("PUT", 0) if seen.path.contains("manifests") => say(503, "UNAVAILABLE"),
        ("HEAD", 0) => say(500, "UNKNOWN"),
        _ => None,
    });
    let out = push(&env, &name, &server.name("to/x")).success();
    assert!(out.stderr.contains("limits the rate"), "{out}");
    let always = Intake::start(|seen| if seen.method == "POST" { say(500, "UNKNOWN") } else { None });
    fails(&env, &name, &always.name("to/x"), &["has a fault"]);
    assert_eq!(always.count("POST", "uploads"), 3, "one attempt and two retries");
}

#[test]
fn chunks_where_the_whole_is_refused() {
    let (env, name, image) = stored(5 << 20);
    // A proxy that takes 2.5 MB at most.
    let small = Intake::start(|seen| match seen.header("content-length").parse::<usize>() {
        Ok(n) if n > 2_500_000 => say(413, "SIZE_INVALID"),
        _ => None,
    });
    let _ = push(&env, &name, &small.name("to/x")).success();
    assert!(small.shelf.lock().unwrap().sessions.is_empty(), "sessions that were given up are cancelled");
    // Only chunks, and none below a size.
    let (minimum, layer) = (1 << 20, image.blobs[&image.layers[0]].len());
    let chunky = Intake::start(move |seen| {
        let length: usize = seen.header("content-length").parse().unwrap_or(0);
        match seen.method.as_str() {
            "POST" => Some(Fault::Add(vec![("OCI-Chunk-Min-Length".into(), minimum.to_string())])),
            "PATCH" if seen.header("content-range").is_empty() => say(400, "BLOB_UPLOAD_INVALID"),
            "PUT" if seen.path.contains("uploads") && length > minimum => say(400, "BLOB_UPLOAD_INVALID"),
            _ => None,
        }
    });
    let _ = push(&env, &name, &chunky.name("to/x")).success();
    let range = chunky.seen().iter().find(|s| is_patch(s)).unwrap().header("content-range").to_string();
    assert_eq!(range, format!("0-{}", layer - 1));
    // Without PATCH at all.
    let old = Intake::start(|seen| if is_patch(seen) { say(405, "UNSUPPORTED") } else { None });
    let _ = push(&env, &name, &old.name("to/x")).success();
}

#[test]
fn uploads_to_another_host_get_no_credentials() {
    let (env, name, image) = stored(1000);
    let storage = Hostile::on("127.0.0.2", |_| Answer::status(201));
    let address = format!("http://127.0.0.2:{}/store?sig=abc", storage.port);
    let server = Intake::start(move |seen| match seen.header("authorization") {
        "" => Some(Fault::Say(Answer::status(401).header("WWW-Authenticate", "Basic realm=\"x\""))),
        _ if seen.method == "POST" => Some(Fault::Say(Answer::status(202).header("Location", &address))),
        _ => None,
    });
    let _ = env.run(["push", "-q", "--creds=me:secret", &name, &server.name("to/x")]).success();
    let seen = storage.seen();
    assert_eq!(seen.len(), 2);
    for put in &seen {
        assert!(put.header("authorization").is_empty(), "{put:?}");
        assert!(put.path.starts_with("/store?sig=abc&digest=sha256:") && put.method == "PUT", "{}", put.path);
    }
    assert!(seen.iter().any(|s| s.body == image.blobs[&image.layers[0]]));
    assert!(server.seen().iter().any(|s| s.header("authorization") == "Basic bWU6c2VjcmV0"));
}

#[test]
fn registries_that_store_something_else() {
    let (env, name, _) = stored(1000);
    let lie = |part: &'static str| {
        Intake::start(move |seen| {
            let add = vec![("Docker-Content-Digest".to_string(), digest(b"other"))];
            (seen.method == "PUT" && seen.path.contains(part)).then_some(Fault::Add(add))
        })
    };
    for part in ["uploads", "manifests"] {
        let server = lie(part);
        fails(&env, &name, &server.name("to/x"), &["it stored", &digest(b"other")]);
    }
}

#[test]
fn refused_mounts_become_uploads() {
    let (env, name, image) = stored(1000);
    let server = Intake::start(|_| None);
    let _ = push(&env, &name, &server.name("one/x")).success();
    // What the notes say is not true any more.
    server.shelf.lock().unwrap().blobs.clear();
    let before = server.seen().len();
    let out = push(&env, &name, &server.name("two/x")).success();
    assert!(!out.stderr.contains("mounted"), "{out}");
    let seen = server.seen().split_off(before);
    let posts: Vec<&Seen> = seen.iter().filter(|s| s.method == "POST").collect();
    assert_eq!(posts.len(), 2, "the session of the refused mount is used: {posts:?}");
    assert!(posts.iter().any(|s| s.path.contains(&format!("mount={}", image.layers[0]))));
}

#[test]
fn tokens_are_asked_for_with_the_right_scopes() {
    let (env, name, _) = stored(1000);
    let port = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(0));
    let own = port.clone();
    let server = Intake::start(move |seen| {
        if seen.path.starts_with("/token") {
            let allowed = seen.header("authorization") == "Basic bWU6c2VjcmV0";
            let body = serde_json::json!({"token": if allowed { "good" } else { "" }, "expires_in": 300});
            return Some(Fault::Say(Answer::body(200, body.to_string())));
        }
        if seen.header("authorization") == "Bearer good" {
            return None;
        }
        let port = own.load(std::sync::atomic::Ordering::Relaxed);
        let challenge =
            format!("Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"s\",scope=\"repository:to/x:pull\"");
        Some(Fault::Say(Answer::status(401).header("WWW-Authenticate", challenge)))
    });
    port.store(server.port, std::sync::atomic::Ordering::Relaxed);
    let _ = env.run(["push", "-q", "--creds=me:secret", &name, &server.name("to/x")]).success();
    let tokens: Vec<Seen> = server.seen().into_iter().filter(|s| s.path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert!(tokens[0].path.contains("scope=repository%3Ato%2Fx%3Apull%2Cpush"), "{}", tokens[0].path);
    let _ = env.run(["push", "-q", "--creds=me:secret", &name, &server.name("three/x")]).success();
    let last = server.seen().into_iter().rfind(|s| s.path.starts_with("/token")).unwrap();
    assert!(
        last.path.contains("scope=repository%3Ato%2Fx%3Apull&") || last.path.ends_with("to%2Fx%3Apull"),
        "{}",
        last.path
    );
}

#[test]
fn refusals_say_what_to_do() {
    let (env, name, _) = stored(1000);
    let closed = Intake::start(|seen| {
        (seen.method != "GET").then(|| Fault::Say(Answer::status(401).header("WWW-Authenticate", "Basic realm=\"x\"")))
    });
    fails(&env, &name, &closed.name("to/x"), &["asks for a login", "coracle login"]);
    let forbidden = Intake::start(|seen| if seen.method == "POST" { say(403, "DENIED") } else { None });
    fails(&env, &name, &forbidden.name("to/x"), &["refuses access"]);
    let picky = Intake::start(|seen| if seen.path.contains("/manifests/") { say(415, "UNSUPPORTED") } else { None });
    fails(&env, &name, &picky.name("to/x"), &["--format v2s2"]);
    let _ = env.run(["push", "-q", &name]).fails(125, &["from/x"]);
    let _ = env.run(["push", "localhost/hello"]).fails(125, &["a name of this host", "coracle push"]);
}

#[test]
fn a_killed_push_leaves_nothing_behind() {
    let (env, name, _) = stored(6 << 20);
    let files = || {
        let mut all: Vec<_> = walk(&env.root());
        all.sort();
        all
    };
    let before = files();
    let server = Intake::start(|seen| {
        if is_patch(seen) {
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        None
    });
    for (signal, flags) in [("KILL", &[][..]), ("INT", &[]), ("KILL", &["--compression-format=gzip"])] {
        let mut args = vec!["push", "-q"];
        args.extend(flags);
        let to = server.name(&format!("to/{signal}{}", flags.len()).to_lowercase());
        args.extend([name.as_str(), to.as_str()]);
        let seen = server.count("PATCH", "");
        let mut child = env.spawn(args);
        common::eventually("the upload begins", 30, || server.count("PATCH", "") > seen);
        let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
        let signal = if signal == "INT" { rustix::process::Signal::INT } else { rustix::process::Signal::KILL };
        rustix::process::kill_process(pid, signal).unwrap();
        assert!(!child.wait().unwrap().success());
        assert_eq!(files(), before);
    }
    let well = Intake::start(|_| None);
    let _ = push(&env, &name, &well.name("to/x")).success();
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("layers") {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}
