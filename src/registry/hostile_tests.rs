//! Client and downloads against registries that misbehave. Whole pulls are tested from outside (tests/pull*.rs).

use super::blob::Download;
use super::client::Client;
use super::conf::{Registries, Source};
use super::fault::{Cause, Result};
use super::hostile::{Answer, Hostile, Manner, TestImage, digest, tar};
use super::options::{Credentials, Limits, PullOptions};
use super::progress::Silent;
use super::retry::Retries;
use crate::image::Digest;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn options() -> PullOptions {
    let ms = Duration::from_millis;
    PullOptions {
        retries: 2,
        retry_delay: Some(ms(1)),
        limits: Limits { connect: ms(2000), response: ms(500), stall: ms(300), slow: ms(400), ..Limits::default() },
        ..PullOptions::default()
    }
}

fn source(host: &str) -> Source {
    Source { domain: host.into(), path: "x".into(), insecure: false, mirror: false }
}

struct Outcome {
    result: Result<()>,
    bytes: Vec<u8>,
    received: u64,
}

fn download(server: &Hostile, blob: &[u8], options: &PullOptions) -> Outcome {
    let registries = Registries::default();
    let client = Client::connect(source(&server.host()), &registries, options).unwrap();
    let (stop, received) = (AtomicBool::new(false), AtomicU64::new(0));
    let count = |n| {
        received.fetch_add(n, Ordering::Relaxed);
    };
    let download = Download {
        client: &client,
        digest: &Digest::parse(&digest(blob)).unwrap(),
        size: blob.len() as u64,
        name: "layer x",
        limits: &options.limits,
        stop: &stop,
        received: &count,
    };
    let mut bytes = Vec::new();
    let result = download.run(0, &mut bytes, Retries::new(options, &Silent, &stop)).map(drop);
    Outcome { result, bytes, received: received.into_inner() }
}

/// A server that breaks blobs by `how` and does all else well.
fn breaking(blob: &[u8], how: impl Fn(&super::hostile::Seen, Answer) -> Answer + Send + Sync + 'static) -> Hostile {
    let image = TestImage::plain(&[blob.to_vec()]);
    Hostile::start(move |seen| {
        let good = image.answer(seen);
        if seen.is_blob() { how(seen, good) } else { good }
    })
}

#[test]
fn a_cut_download_goes_on_where_it_broke() {
    let blob = tar("a", 300_000);
    let server = breaking(&blob, |seen, good| match seen.before {
        0 => good.manner(Manner::CutAt(100_000)),
        1 => good.manner(Manner::CutAt(50_000)),
        _ => good,
    });
    let got = download(&server, &blob, &options());
    got.result.unwrap();
    assert!(got.bytes == blob && got.received == blob.len() as u64);
    let offsets: Vec<usize> = server.seen().iter().filter(|s| s.is_blob()).map(|s| s.offset()).collect();
    assert_eq!(offsets, [0, 100_000, 150_000]);
}

#[test]
fn a_server_without_ranges_sends_the_start_again_which_is_skipped() {
    let blob = tar("a", 300_000);
    let whole = blob.clone();
    let server = breaking(&blob, move |seen, _| {
        let answer = Answer::body(200, whole.clone());
        if seen.before == 0 { answer.manner(Manner::CutAt(200_000)) } else { answer }
    });
    let got = download(&server, &blob, &options());
    got.result.unwrap();
    assert!(got.bytes == blob && got.received == blob.len() as u64);
}

#[test]
fn another_range_than_the_wanted_is_refused() {
    let blob = tar("a", 300_000);
    let server = breaking(&blob, |seen, good| match seen.offset() {
        0 => good.manner(Manner::CutAt(1000)),
        _ => Answer::body(206, vec![0; 10]).header("Content-Range", "bytes 5-14/300"),
    });
    let failure = download(&server, &blob, &options()).result.unwrap_err();
    assert!(failure.error.to_string().contains("another range"), "{}", failure.error);
}

#[test]
fn bodies_of_another_size_are_refused_without_reading_them_to_the_end() {
    let blob = tar("a", 10_000);
    for (how, word) in [
        (Answer::body(200, vec![0; 20_000]), "more"),
        (Answer::body(200, vec![0; 5_000]), "fewer"),
        (Answer::status(200).length(None).manner(Manner::Endless), "more"),
        (Answer::status(200).length(Some(1 << 62)).manner(Manner::Endless), "more"),
    ] {
        let server = breaking(&blob, move |_, _| how.clone());
        let got = download(&server, &blob, &options());
        let failure = got.result.unwrap_err();
        assert!(failure.error.to_string().contains(word), "{}", failure.error);
        assert!(got.bytes.len() <= blob.len());
        assert_eq!(server.seen().iter().filter(|s| s.is_blob()).count(), 1, "not retried");
    }
}

#[test]
fn standstill_and_dripping_end_in_bounded_time() {
    let blob = tar("a", 100_000);
    for manner in [Manner::Hang, Manner::Drip(Duration::from_millis(20))] {
        let server = breaking(&blob, move |_, good| {
            let length = good.body.len() as u64;
            Answer { body: good.body[..500].to_vec(), manner, ..good.length(Some(length)) }
        });
        let begin = Instant::now();
        let failure = download(&server, &blob, &options()).result.unwrap_err();
        assert_eq!(failure.cause, Cause::Broken, "{}", failure.error);
        assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    }
}

#[test]
fn a_silent_server_times_out() {
    let server = Hostile::start(|seen| {
        if seen.path == "/v2/" {
            return Answer::body(200, "{}");
        }
        std::thread::sleep(Duration::from_secs(3));
        Answer::status(500)
    });
    let (registries, options) = (Registries::default(), options());
    let client = Client::connect(source(&server.host()), &registries, &options).unwrap();
    let begin = Instant::now();
    let failure = client.manifest("latest", None).unwrap_err();
    assert!(failure.error.to_string().contains("timed out"), "{}", failure.error);
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn no_registry_makes_us_wait_for_days() {
    let server = Hostile::start(|seen| match seen.path.as_str() {
        "/v2/" => Answer::body(200, "{}"),
        _ => Answer::status(429).header("Retry-After", "864000"),
    });
    let (registries, mut options) = (Registries::default(), options());
    options.limits.retry_after = Duration::from_millis(20);
    let stop = AtomicBool::new(false);
    let client = Client::connect(source(&server.host()), &registries, &options).unwrap();
    let begin = Instant::now();
    Retries::new(&options, &Silent, &stop).run("the manifest", || client.manifest("latest", None)).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(server.seen().iter().filter(|s| s.path != "/v2/").count(), 3);
    assert!(Limits::default().retry_after <= Duration::from_secs(120));
}

#[test]
fn tokens_and_passwords_stay_with_their_host() {
    let blob = tar("a", 1000);
    let stranger_blob = blob.clone();
    // Another host that serves the blob, and asks for a login of its own first.
    let cdn = Hostile::on("127.0.0.2", move |seen| {
        if seen.before == 0 {
            return Answer::status(401).header("WWW-Authenticate", "Basic realm=\"mine\"");
        }
        Answer::body(200, stranger_blob.clone())
    });
    let cdn_port = cdn.port;
    let image = TestImage::plain(std::slice::from_ref(&blob));
    let server = Hostile::start(move |seen| {
        if seen.header("authorization") != "Basic bWU6c2VjcmV0" {
            return Answer::status(401).header("WWW-Authenticate", "Basic realm=\"r\"");
        }
        if seen.is_blob() {
            return Answer::status(307).header("Location", format!("http://127.0.0.2:{cdn_port}/b"));
        }
        image.answer(seen)
    });
    let mut options = options();
    options.credentials = Some(Credentials::parse("me:secret").unwrap());
    let registries = Registries::default();
    let client = Client::connect(source(&server.host()), &registries, &options).unwrap();
    let digest = Digest::of(&blob);
    let refused = client.blob(&digest, 0, None).unwrap_err();
    assert_eq!(refused.cause, Cause::Refused);
    assert_eq!(client.blob(&digest, 0, None).unwrap().bytes(10_000, "x").unwrap().len(), blob.len());
    assert_eq!(cdn.seen().len(), 2);
    for seen in cdn.seen() {
        assert_eq!(seen.header("authorization"), "", "the login went to {}", seen.path);
    }
}

#[test]
fn redirect_loops_and_strange_targets_end() {
    for (location, word) in [("/v2/x/manifests/latest", "too many"), ("file:///etc/passwd", "malformed")] {
        let server = Hostile::start(move |seen| match seen.path.as_str() {
            "/v2/" => Answer::body(200, "{}"),
            _ => Answer::status(302).header("Location", location),
        });
        let (registries, options) = (Registries::default(), options());
        let client = Client::connect(source(&server.host()), &registries, &options).unwrap();
        let failure = client.manifest("latest", None).unwrap_err();
        assert!(failure.error.to_string().contains(word), "{}", failure.error);
    }
}

#[test]
fn lists_of_tags_are_read_page_by_page_and_never_from_another_host() {
    let server = Hostile::start(|seen| match seen.path.as_str() {
        "/v2/" => Answer::body(200, "{}"),
        "/v2/x/tags/list" => {
            Answer::body(200, r#"{"tags":["a"]}"#).header("Link", "</v2/x/tags/list?last=a>; rel=\"next\"")
        }
        "/v2/x/tags/list?last=a" => {
            Answer::body(200, r#"{"tags":["b"]}"#).header("Link", "<http://127.0.0.2:1/x>; rel=\"next\"")
        }
        _ => Answer::status(500),
    });
    let (registries, options) = (Registries::default(), options());
    let client = Client::connect(source(&server.host()), &registries, &options).unwrap();
    assert_eq!(client.tags().unwrap(), ["a", "b"]);
}

#[test]
fn parallel_requests_share_one_token() {
    let image = TestImage::plain(&[tar("a", 10)]);
    let server = Hostile::start(move |seen| {
        if seen.path.starts_with("/token") {
            std::thread::sleep(Duration::from_millis(50));
            return Answer::body(200, r#"{"access_token":"T","expires_in":300}"#);
        }
        if seen.header("authorization") == "Bearer T" {
            return image.answer(seen);
        }
        let realm = format!("http://{}/token", seen.header("host"));
        Answer::status(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\",service=\"s\""))
    });
    let (registries, options) = (Registries::default(), options());
    let client = Client::connect(source(&server.host()), &registries, &options).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| client.manifest("latest", None).unwrap());
        }
    });
    let tokens: Vec<String> =
        server.seen().into_iter().filter(|s| s.path.starts_with("/token")).map(|s| s.path).collect();
    assert_eq!(tokens, ["/token?service=s&scope=repository%3Ax%3Apull"]);
}
