//! The distribution specification's conformance cases, seen from the client's side: what registries may answer has to
//! be understood. What `pull*`, `push*`, `resume` and `search` show is not shown again.

mod common;

use common::TestEnv;
use common::hostile::{Answer, Hostile, MANIFEST, Seen, TestImage, digest, tar};
use common::intake::{Fault, Intake};

/// A registry that answers as `twist` has it.
fn serve(image: &TestImage, twist: impl Fn(&Seen, Answer) -> Answer + Send + Sync + 'static) -> Hostile {
    let image = image.clone();
    Hostile::start(move |seen| twist(seen, image.answer(seen)))
}

fn image() -> TestImage {
    TestImage::plain(&[tar("a", 1000)])
}

/// A store with an image, and its name there.
fn stored(size: usize) -> (TestEnv, String) {
    let image = TestImage::plain(&[tar("a", size)]);
    let server = serve(&image, |_, good| good);
    let (env, name) = (TestEnv::new(), server.name("from/x"));
    let _ = env.run(["pull", "-q", &name]).success();
    (env, name)
}

fn without(mut answer: Answer, header: &str) -> Answer {
    answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(header));
    answer
}

#[test]
fn a_manifest_needs_no_digest_header() {
    let server = serve(&image(), |_, good| without(good, "docker-content-digest"));
    let env = TestEnv::new();
    let _ = env.run(["pull", "-q", &server.name("x")]).success();
    // Nor does the question whether something changed, which is a HEAD: then the manifest is asked for.
    let _ = env.run(["pull", "-q", "--policy=newer", &server.name("x")]).success();
    let by_digest = server.name(&format!("x@{}", digest(&image().manifest)));
    let _ = env.run(["pull", "-q", &by_digest]).success();
}

#[test]
fn a_wrong_digest_header_is_a_lie() {
    let server = serve(&image(), |seen, good| match seen.is_manifest() {
        true => without(good, "docker-content-digest").header("Docker-Content-Digest", digest(b"other")),
        false => good,
    });
    let _ = TestEnv::new().run(["pull", "-q", &server.name("x")]).fails(125, &["digest mismatch"]);
}

#[test]
fn types_may_have_parameters_and_manifests_no_type_of_their_own() {
    let mut plain = image();
    let mut text: serde_json::Value = serde_json::from_slice(&plain.manifest).unwrap();
    text.as_object_mut().unwrap().remove("mediaType");
    plain.manifest = text.to_string().into_bytes();
    let server = serve(&plain, |seen, good| match seen.is_manifest() {
        true => without(good, "content-type").header("Content-Type", format!("{MANIFEST}; charset=utf-8")),
        false => good,
    });
    let _ = TestEnv::new().run(["pull", "-q", &server.name("x")]).success();
    // What is asked for is said: registries choose the form by it.
    let accept = server.seen().iter().find(|s| s.is_manifest()).unwrap().header("accept").to_string();
    for kind in ["oci.image.index", "oci.image.manifest", "manifest.list.v2", "distribution.manifest.v2"] {
        assert!(accept.contains(kind), "{accept}");
    }
}

#[test]
fn errors_without_json_are_told_by_their_status() {
    for (status, body, words) in
        [(404, "<html>not here</html>", "has no image x"), (403, "", "refuses access"), (500, "oops", "500")]
    {
        let server = Hostile::start(move |seen| match seen.path.as_str() {
            "/v2/" => Answer::body(200, "{}"),
            _ => Answer::body(status, body),
        });
        let _ = TestEnv::new().run(["pull", "-q", "--retry=0", &server.name("x")]).fails(125, &[words]);
    }
}

#[test]
fn tags_come_page_by_page() {
    let server = Hostile::start(|seen| {
        let page = |tags: &str| Answer::body(200, format!(r#"{{"name":"x","tags":[{tags}]}}"#));
        match seen.path.as_str() {
            "/v2/" => Answer::body(200, "{}"),
            // Relative to the host, to the page, and whole; the last page may be empty.
            "/v2/x/tags/list" => page(r#""1","2""#).header("Link", r#"</v2/x/tags/list?last=2>; rel="next""#),
            "/v2/x/tags/list?last=2" => page(r#""3""#).header("Link", r#"<list?last=3>; rel="next""#),
            "/v2/x/tags/list?last=3" => {
                let whole = format!(r#"<http://{}/v2/x/tags/list?last=4>; rel="next""#, seen.header("host"));
                page(r#""4""#).header("Link", whole)
            }
            "/v2/x/tags/list?last=4" => Answer::body(200, r#"{"name":"x","tags":null}"#),
            _ => Answer::error(404, "NAME_UNKNOWN", "no"),
        }
    });
    let out = TestEnv::new().run(["search", "--list-tags", "--format={{.Tag}}", &server.name("x")]).success();
    assert_eq!(out.stdout.split_whitespace().collect::<Vec<_>>(), ["1", "2", "3", "4"]);
}

#[test]
fn a_next_page_elsewhere_is_not_asked_for() {
    let other = Hostile::on("127.0.0.2", |_| Answer::body(200, r#"{"tags":["stolen"]}"#));
    let there = other.name("x").replace("/x", "");
    let server = Hostile::start(move |seen| match seen.path.as_str() {
        "/v2/x/tags/list" => Answer::body(200, r#"{"tags":["1"]}"#)
            .header("Link", format!(r#"<http://{there}/v2/x/tags/list?last=1>; rel="next""#)),
        _ => Answer::body(200, "{}"),
    });
    let out = TestEnv::new().run(["search", "--list-tags", "--format={{.Tag}}", &server.name("x")]).success();
    assert_eq!((out.line().as_str(), other.seen().len()), ("1", 0));
}

#[test]
fn upload_places_are_whole_or_relative_with_or_without_a_query() {
    let (env, name) = stored(5 << 20);
    for shape in ["whole", "host", "bare"] {
        let server = Intake::start(move |seen| {
            if !seen.path.contains("/blobs/uploads/") || !matches!(seen.method.as_str(), "POST" | "PATCH") {
                return None;
            }
            // The sessions of this registry count from one; each blob of the image has its own.
            let number = if seen.method == "POST" {
                seen.before + 1
            } else {
                let last = seen.path.split('?').next().unwrap().rsplit('/').next().unwrap();
                last.parse().unwrap()
            };
            let place = format!("/v2/to/x/blobs/uploads/{number}");
            let place = match shape {
                "whole" => format!("http://{}{place}?_state=a%2Fb&x=1", seen.header("host")),
                "host" => format!("{place}?_state=a%2Fb"),
                _ => place,
            };
            Some(Fault::Add(vec![("Location".into(), place)]))
        });
        let _ = env.run(["push", "-q", "--retry=0", &name, &server.name("to/x")]).success();
        assert_eq!(server.blobs("to/x"), 2, "{shape}");
        let closing: Vec<String> = server
            .seen()
            .iter()
            .filter(|s| s.method == "PUT" && s.path.contains("uploads"))
            .map(|s| s.path.clone())
            .collect();
        // The digest joins whatever the place has already.
        for path in &closing {
            assert!(path.contains("digest=sha256:") || path.contains("digest=sha256%3A"), "{path}");
            assert_eq!(path.contains("_state=a%2Fb&"), shape != "bare", "{path}");
        }
    }
}

#[test]
fn blobs_that_cant_be_asked_for_are_sent() {
    let (env, name) = stored(1000);
    let server = Intake::start(|seen| match (seen.method.as_str(), seen.path.contains("/blobs/")) {
        ("HEAD", true) => Some(Fault::Say(Answer::status(404))),
        _ => None,
    });
    for _ in 0..2 {
        let _ = env.run(["push", "-q", &name, &server.name("to/x")]).success();
    }
    assert_eq!(server.blobs("to/x"), 2);
}

#[test]
fn registries_that_list_referrers_themselves_get_no_tag() {
    let mut about = image();
    let mut text: serde_json::Value = serde_json::from_slice(&about.manifest).unwrap();
    let subject = digest(b"subject");
    text["subject"] = serde_json::json!({"mediaType": MANIFEST, "digest": subject, "size": 7});
    about.manifest = text.to_string().into_bytes();
    let source = serve(&about, |_, good| good);
    let (env, name) = (TestEnv::new(), source.name("x"));
    let _ = env.run(["pull", "-q", &name]).success();
    for lists in [true, false] {
        let header = subject.clone();
        let server = Intake::start(move |seen| {
            let put = seen.method == "PUT" && seen.path.contains("/manifests/");
            (put && lists).then(|| Fault::Add(vec![("OCI-Subject".into(), header.clone())]))
        });
        let _ = env.run(["push", "-q", &name, &server.name("to/x")]).success();
        let tag = server.manifest(&format!("to/x:{}", subject.replace(':', "-")));
        assert_eq!(tag.is_none(), lists);
        if let Some((kind, bytes)) = tag {
            let list: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(
                (kind.as_str(), &list["manifests"][0]["digest"]),
                (common::hostile::INDEX, &digest(&about.manifest).into())
            );
        }
    }
}
