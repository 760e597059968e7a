//! A registry in a thread that answers whatever a test wants: the good answers, or bad ones in their place.
//!
//! Stands alone (std, tar, serde_json and sha2 only), because unit tests include it too.

#![allow(dead_code)] // Each test uses its own part.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// How many requests with the same path came before.
    pub before: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
    pub fn is_blob(&self) -> bool {
        self.path.contains("/blobs/")
    }
    pub fn is_manifest(&self) -> bool {
        self.path.contains("/manifests/")
    }
    /// First byte asked for.
    pub fn offset(&self) -> usize {
        let range = self.header("range").strip_prefix("bytes=").and_then(|r| r.strip_suffix('-'));
        range.map_or(0, |r| r.parse().unwrap())
    }
}

/// What to do once the head is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Manner {
    #[default]
    Whole,
    /// Close after so many bytes of the body.
    CutAt(usize),
    /// One byte at a time with a pause.
    Drip(Duration),
    /// So many bytes at a time with a pause after each lot.
    Pace(usize, Duration),
    /// Send the body and then wait for ever.
    Hang,
    /// Zeros without end.
    Endless,
}

#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Another Content-Length than the true one; `Some(None)` leaves it out.
    pub length: Option<Option<u64>>,
    pub manner: Manner,
}

impl Answer {
    pub fn status(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }
    pub fn body(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, body: body.into(), ..Answer::default() }
    }
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.into(), value.into()));
        self
    }
    pub fn manner(mut self, manner: Manner) -> Answer {
        self.manner = manner;
        self
    }
    pub fn length(mut self, length: Option<u64>) -> Answer {
        self.length = Some(length);
        self
    }
    /// The error JSON of the distribution specification.
    pub fn error(status: u16, code: &str, message: &str) -> Answer {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Answer::body(status, body.to_string())
    }
}

/// The server; it ends with the test.
pub struct Hostile {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    sent: Arc<Mutex<BTreeMap<String, u64>>>,
    stop: Arc<AtomicBool>,
}

impl Hostile {
    pub fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Hostile {
        Hostile::on("127.0.0.1", answer)
    }

    /// On another loopback address: another host to the client.
    pub fn on(address: &str, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Hostile {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let sent = Arc::new(Mutex::new(BTreeMap::new()));
        let (list, ended, answer, counts) = (seen.clone(), stop.clone(), Arc::new(answer), sent.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (list, ended, answer) = (list.clone(), ended.clone(), answer.clone());
                let counts = counts.clone();
                // Errors are the client's doing: it may hang up at any time.
                std::thread::spawn(move || {
                    let mut stream = Counted { stream, counts, path: String::new() };
                    drop(serve(&mut stream, &list, &ended, answer.as_ref()));
                });
            }
        });
        Hostile { port, seen, sent, stop }
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
    /// Bytes of bodies written so far for blobs whose address ends with `digest`.
    pub fn sent(&self, digest: &str) -> u64 {
        let sent = self.sent.lock().unwrap();
        sent.iter().filter(|(path, _)| path.contains("/blobs/") && path.ends_with(digest)).map(|(_, n)| n).sum()
    }
    /// Offsets of the requests for a blob.
    pub fn offsets(&self, digest: &str) -> Vec<usize> {
        self.seen().iter().filter(|s| s.is_blob() && s.path.ends_with(digest)).map(Seen::offset).collect()
    }
    /// Forgets what came and went so far.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
        self.sent.lock().unwrap().clear();
    }
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
    pub fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// A connection that counts the bytes of bodies by path, once the path is known.
struct Counted {
    stream: TcpStream,
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
    path: String,
}

impl Write for Counted {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let n = self.stream.write(buf)?;
        if !self.path.is_empty() {
            *self.counts.lock().unwrap().entry(self.path.clone()).or_default() += n as u64;
        }
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

fn serve(
    stream: &mut Counted,
    list: &Mutex<Vec<Seen>>,
    ended: &AtomicBool,
    answer: &(dyn Fn(&Seen) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0u8];
        stream.stream.read_exact(&mut byte)?;
        head.push(byte[0]);
        // A TLS client: answer as plain HTTP servers do.
        if head == [0x16] {
            return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut request = lines.next().unwrap_or_default().split(' ');
    let method = request.next().unwrap_or_default().to_string();
    let path = request.next().unwrap_or_default().to_string();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_string()))
        .collect();
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0u8; length];
    stream.stream.read_exact(&mut body)?;
    let seen = {
        let mut list = list.lock().unwrap();
        let before = list.iter().filter(|s| s.path == path).count();
        list.push(Seen { method, path, headers, body, before });
        list[list.len() - 1].clone()
    };
    let answer = answer(&seen);
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", answer.status);
    match answer.length {
        Some(Some(length)) => head.push_str(&format!("Content-Length: {length}\r\n")),
        Some(None) => {}
        None => head.push_str(&format!("Content-Length: {}\r\n", answer.body.len())),
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if seen.method == "HEAD" {
        return Ok(());
    }
    stream.path = seen.path.clone();
    match answer.manner {
        Manner::Whole => stream.write_all(&answer.body),
        Manner::CutAt(n) => stream.write_all(&answer.body[..n.min(answer.body.len())]),
        Manner::Drip(pause) => answer.body.iter().try_for_each(|byte| {
            std::thread::sleep(pause);
            stream.write_all(&[*byte])
        }),
        Manner::Pace(size, pause) => answer.body.chunks(size).try_for_each(|lot| {
            std::thread::sleep(pause);
            stream.write_all(lot)
        }),
        Manner::Hang => {
            stream.write_all(&answer.body)?;
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Manner::Endless => {
            stream.write_all(&answer.body)?;
            loop {
                stream.write_all(&[0u8; 65536])?;
            }
        }
    }
}

/// An image with its blobs, served as registries do.
#[derive(Clone, Debug, Default)]
pub struct TestImage {
    pub manifest: Vec<u8>,
    pub manifest_type: String,
    pub blobs: BTreeMap<String, Vec<u8>>,
    pub layers: Vec<String>,
    pub config: String,
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// `sha256:…` of bytes.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hex: String = sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// A tar with one file of `size` bytes that don't compress.
pub fn tar(name: &str, size: usize) -> Vec<u8> {
    let mut state = name.bytes().fold(88172645463325252u64, |s, b| s.rotate_left(8) ^ u64::from(b));
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(size)
    .collect();
    let mut header = tar::Header::new_ustar();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, name, content.as_slice()).unwrap();
    builder.into_inner().unwrap()
}

impl TestImage {
    /// Uncompressed layers, so that blob and diff id are the same.
    pub fn plain(layers: &[Vec<u8>]) -> TestImage {
        let diff_ids: Vec<String> = layers.iter().map(|l| digest(l)).collect();
        TestImage::new(layers, &diff_ids, LAYER, "amd64")
    }

    pub fn new(layers: &[Vec<u8>], diff_ids: &[String], layer_type: &str, architecture: &str) -> TestImage {
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "config": {"Cmd": ["/x"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}
        });
        let config = config.to_string().into_bytes();
        let entry = |kind: &str, bytes: &[u8]| serde_json::json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()});
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": entry(CONFIG, &config),
            "layers": layers.iter().map(|l| entry(layer_type, l)).collect::<Vec<_>>()
        });
        let mut image = TestImage {
            manifest: manifest.to_string().into_bytes(),
            manifest_type: MANIFEST.into(),
            layers: layers.iter().map(|l| digest(l)).collect(),
            config: digest(&config),
            blobs: BTreeMap::new(),
        };
        for blob in layers.iter().chain([&config]) {
            image.blobs.insert(digest(blob), blob.clone());
        }
        image
    }

    /// The good answer.
    pub fn answer(&self, seen: &Seen) -> Answer {
        let last = seen.path.rsplit('/').next().unwrap_or_default();
        if seen.path.ends_with("/v2/") {
            return Answer::body(200, "{}");
        }
        if seen.path.ends_with("/tags/list") {
            return Answer::body(200, r#"{"name":"x","tags":["latest","1.0"]}"#);
        }
        if seen.is_manifest() {
            let found = last == "latest" || last == "1.0" || last == digest(&self.manifest);
            return match found {
                true => Answer::body(200, self.manifest.clone())
                    .header("Content-Type", &self.manifest_type)
                    .header("Docker-Content-Digest", digest(&self.manifest)),
                false => Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            };
        }
        let Some(blob) = self.blobs.get(last) else { return Answer::error(404, "BLOB_UNKNOWN", "blob unknown") };
        match seen.offset() {
            0 => Answer::body(200, blob.clone()),
            n if n < blob.len() => Answer::body(206, &blob[n..])
                .header("Content-Range", format!("bytes {n}-{}/{}", blob.len() - 1, blob.len())),
            _ => Answer::status(416),
        }
    }
}
