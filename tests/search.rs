//! `search`: Docker Hub's first interface, catalogs in pages, tags.

mod common;

use common::TestEnv;
use common::hostile::{Answer, Hostile, Seen};

/// A registry with a catalog of `a/app0` … in pages of three, and tags in pages of two.
fn catalog(first: bool) -> Hostile {
    Hostile::start(move |seen: &Seen| {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let last =
            query.split('&').find_map(|p| p.strip_prefix("last=")).and_then(|n| n.parse().ok()).unwrap_or(0usize);
        let page = |key: &str, names: Vec<String>, next: Option<usize>| {
            let answer = Answer::body(200, serde_json::json!({key: names}).to_string());
            match next {
                Some(n) => answer.header("Link", format!("<{path}?n=3&last={n}>; rel=\"next\"")),
                None => answer,
            }
        };
        match path {
            "/v2/" => Answer::body(200, "{}"),
            "/v1/search" if first => {
                let hit = |name: &str, stars: u64, official: bool| {
                    serde_json::json!({"name": name, "description": "An \u{1b}[31mimage\nof a rather long description indeed, is it not",
                        "star_count": stars, "is_official": official})
                };
                let results = [hit("debian", 5000, true), hit("me/debian", 2, false)];
                Answer::body(200, serde_json::json!({"num_pages": 1, "results": results}).to_string())
            }
            "/v2/_catalog" => {
                let names = (last..last + 3).map(|n| format!("a/app{n}")).collect();
                page("repositories", names, (last < 6).then_some(last + 3))
            }
            "/v2/a/app1/tags/list" => {
                let names = (last..last + 2).map(|n| format!("v{n}")).collect();
                page("tags", names, (last < 4).then_some(last + 2))
            }
            _ => Answer::error(404, "NAME_UNKNOWN", "unknown"),
        }
    })
}

#[test]
fn catalogs_are_read_page_by_page() {
    let env = TestEnv::new();
    let server = catalog(false);
    let host = server.host();
    let names = |args: &[&str]| {
        let mut all = vec!["search", "--format", "{{.Name}}"];
        all.extend(args);
        env.run(all).success().stdout
    };
    let all: String = (0..9).map(|n| format!("{host}/a/app{n}\n")).collect();
    assert_eq!(names(&[&format!("{host}/")]), all);
    assert_eq!(names(&[&format!("{host}/app7")]), format!("{host}/a/app7\n"));
    let before = server.seen().len();
    assert_eq!(names(&["--limit=2", &format!("{host}/a/")]).lines().count(), 2);
    let asked = server.seen().split_off(before);
    assert_eq!(asked.iter().filter(|s| s.path.contains("_catalog")).count(), 1, "no more pages than needed");
    assert_eq!(names(&["--filter=stars=1", &format!("{host}/a/")]), "");
    let tags = env.run(["search", "--list-tags", &format!("{host}/a/app1")]).success();
    assert_eq!(tags.stdout.lines().count(), 7, "{tags}");
    let json =
        env.run(["search", "--list-tags", "--limit=3", "--format=json", &format!("{host}/a/app1")]).success().json();
    assert_eq!(json, serde_json::json!([{"Name": format!("{host}/a/app1"), "Tags": ["v0", "v1", "v2"]}]));
    let _ = env.run(["search", "--retry=0", "--list-tags", &format!("{host}/none")]).fails(125, &["none"]);
}

#[test]
fn the_first_interface_and_its_filters() {
    let env = TestEnv::new();
    let server = catalog(true);
    let host = server.host();
    env.file(
        "home/.config/containers/registries.conf",
        format!("unqualified-search-registries = ['127.0.0.1:{}', '{host}']\n", common::free_port()),
    );
    let out = env.run(["search", "--retry=0", "debian"]).success();
    assert!(out.stderr.contains("connection refused"), "the registry that fails is told: {out}");
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[1].starts_with(&format!("{host}/debian ")), "{out}");
    assert!(lines.len() == 3 && !out.stdout.contains('\u{1b}') && lines[1].ends_with('…'), "{out}");
    let term = format!("{host}/debian");
    let official = env.run(["search", "--filter=is-official", "--format=json", "--no-trunc", &term]).success().json();
    assert_eq!(official.as_array().unwrap().len(), 1);
    assert_eq!((official[0]["Stars"].as_u64(), official[0]["Official"].as_str()), (Some(5000), Some("[OK]")));
    let stars = env.run(["search", "--filter=stars=3", "--compatible", &term]).success();
    assert!(stars.stdout.contains("5000") && stars.stdout.lines().count() == 2, "{stars}");
    let _ = env.run(["search", "--filter=colour=red", &term]).fails(125, &["the filters are"]);
}
