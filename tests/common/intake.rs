//! A registry in memory that takes uploads and can be told to misbehave: it keeps what arrived before a cut, counts
//! bytes, and speaks the distribution specification's words (sessions, ranges, mounts, tokens).

#![allow(dead_code)] // Each test uses its own part.

use super::hostile::{Answer, Seen, digest};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What to do with a request instead of the right thing.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answer so; the body is read and thrown away.
    Say(Answer),
    /// Take so many bytes of the body, then close the connection.
    Cut(usize),
    /// Do the right thing, but change its answer: these headers are added.
    Add(Vec<(String, String)>),
}

#[derive(Default)]
pub struct Shelf {
    /// `repository@digest` → bytes.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// `repository:tag` and `repository@digest` → media type and bytes.
    pub manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// Number → repository and bytes.
    pub sessions: BTreeMap<usize, (String, Vec<u8>)>,
    pub seen: Vec<Seen>,
    /// Bytes of uploads that were read.
    pub taken: usize,
    opened: usize,
}

/// The server; it ends with the test.
pub struct Intake {
    pub port: u16,
    pub shelf: Arc<Mutex<Shelf>>,
    stop: Arc<AtomicBool>,
}

type Twist = dyn Fn(&Seen) -> Option<Fault> + Send + Sync;

impl Intake {
    pub fn start(twist: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static) -> Intake {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shelf, stop) = (Arc::new(Mutex::new(Shelf::default())), Arc::new(AtomicBool::new(false)));
        let (list, ended, twist) = (shelf.clone(), stop.clone(), Arc::new(twist));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (list, twist) = (list.clone(), twist.clone());
                // Errors are the client's doing: it may hang up at any time.
                std::thread::spawn(move || drop(serve(stream, &list, twist.as_ref())));
            }
        });
        Intake { port, shelf, stop }
    }

    pub fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
    pub fn seen(&self) -> Vec<Seen> {
        self.shelf.lock().unwrap().seen.clone()
    }
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|s| s.method == method && s.path.contains(part)).count()
    }
    pub fn taken(&self) -> usize {
        self.shelf.lock().unwrap().taken
    }
    /// The manifest under `repository:tag`.
    pub fn manifest(&self, name: &str) -> Option<(String, Vec<u8>)> {
        self.shelf.lock().unwrap().manifests.get(name).cloned()
    }
    pub fn blobs(&self, repository: &str) -> usize {
        let prefix = format!("{repository}@");
        self.shelf.lock().unwrap().blobs.keys().filter(|k| k.starts_with(&prefix)).count()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut stream: TcpStream, shelf: &Mutex<Shelf>, twist: &Twist) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0u8];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
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
    let length: usize = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut seen = {
        let mut shelf = shelf.lock().unwrap();
        let before = shelf.seen.iter().filter(|s| s.path == path && s.method == method).count();
        shelf.seen.push(Seen { method, path, headers, body: Vec::new(), before });
        shelf.seen[shelf.seen.len() - 1].clone()
    };
    let fault = twist(&seen);
    let take = if let Some(Fault::Cut(n)) = fault { n.min(length) } else { length };
    let mut body = vec![0u8; take];
    stream.read_exact(&mut body)?;
    shelf.lock().unwrap().taken += take;
    seen.body = body;
    let answer = match fault {
        Some(Fault::Cut(_)) => {
            // What arrived stays.
            if let Some((_, bytes)) = shelf.lock().unwrap().sessions.get_mut(&session(&seen.path)) {
                bytes.extend_from_slice(&seen.body);
            }
            return Ok(());
        }
        Some(Fault::Say(answer)) => answer,
        Some(Fault::Add(headers)) => {
            let mut answer = right(&seen, &mut shelf.lock().unwrap());
            answer.headers.retain(|(name, _)| !headers.iter().any(|(n, _)| n == name));
            answer.headers.extend(headers);
            answer
        }
        None => right(&seen, &mut shelf.lock().unwrap()),
    };
    let length = answer.length.flatten().unwrap_or(answer.body.len() as u64);
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {length}\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if seen.method == "HEAD" { Ok(()) } else { stream.write_all(&answer.body) }
}

/// The number in `/v2/x/blobs/uploads/7?…`.
fn session(path: &str) -> usize {
    let last = path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    last.parse().unwrap_or(usize::MAX)
}

fn query<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    path.split_once('?')?.1.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

fn right(seen: &Seen, shelf: &mut Shelf) -> Answer {
    let plain = seen.path.split('?').next().unwrap_or_default();
    let Some(rest) = plain.strip_prefix("/v2/").filter(|r| !r.is_empty()) else { return Answer::body(200, "{}") };
    if let Some((repository, name)) = rest.split_once("/manifests/") {
        let key = if name.contains(':') { format!("{repository}@{name}") } else { format!("{repository}:{name}") };
        if seen.method == "PUT" {
            let own = digest(&seen.body);
            let entry = (seen.header("content-type").to_string(), seen.body.clone());
            shelf.manifests.insert(format!("{repository}@{own}"), entry.clone());
            shelf.manifests.insert(key, entry);
            return Answer::status(201).header("Docker-Content-Digest", own);
        }
        return match shelf.manifests.get(&key) {
            Some((kind, bytes)) => Answer::body(200, bytes.clone())
                .header("Content-Type", kind)
                .header("Docker-Content-Digest", digest(bytes)),
            None => Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        };
    }
    if let Some((repository, _)) = rest.split_once("/blobs/uploads/") {
        return upload(seen, repository, shelf);
    }
    let Some((repository, name)) = rest.split_once("/blobs/") else {
        return Answer::error(404, "NAME_UNKNOWN", "no such thing");
    };
    match shelf.blobs.get(&format!("{repository}@{name}")) {
        Some(bytes) => Answer::body(200, bytes.clone()),
        None => Answer::error(404, "BLOB_UNKNOWN", "blob unknown"),
    }
}

fn upload(seen: &Seen, repository: &str, shelf: &mut Shelf) -> Answer {
    if seen.method == "POST" {
        if let (Some(wanted), Some(from)) = (query(&seen.path, "mount"), query(&seen.path, "from")) {
            let from = from.replace("%2F", "/");
            if let Some(bytes) = shelf.blobs.get(&format!("{from}@{wanted}")).cloned() {
                shelf.blobs.insert(format!("{repository}@{wanted}"), bytes);
                return Answer::status(201).header("Location", format!("/v2/{repository}/blobs/{wanted}"));
            }
        }
        shelf.opened += 1;
        shelf.sessions.insert(shelf.opened, (repository.into(), Vec::new()));
        return Answer::status(202)
            .header("Location", format!("/v2/{repository}/blobs/uploads/{}?state=x", shelf.opened));
    }
    let number = session(&seen.path);
    let Some((_, kept)) = shelf.sessions.get_mut(&number) else {
        return Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
    };
    let here = format!("/v2/{repository}/blobs/uploads/{number}?state=y");
    let range = |kept: &[u8]| format!("0-{}", kept.len().saturating_sub(1));
    match seen.method.as_str() {
        "GET" => Answer::status(204).header("Location", here).header("Range", range(kept)),
        "DELETE" => {
            shelf.sessions.remove(&number);
            Answer::status(204)
        }
        "PATCH" => {
            let start = seen.header("content-range").split('-').next().and_then(|s| s.parse().ok()).unwrap_or(0);
            if start != kept.len() {
                return Answer::status(416).header("Location", here).header("Range", range(kept));
            }
            kept.extend_from_slice(&seen.body);
            Answer::status(202).header("Location", here).header("Range", range(kept))
        }
        "PUT" => {
            kept.extend_from_slice(&seen.body);
            let wanted = query(&seen.path, "digest").unwrap_or_default().to_string();
            if digest(kept) != wanted {
                return Answer::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
            }
            let bytes = std::mem::take(kept);
            shelf.sessions.remove(&number);
            shelf.blobs.insert(format!("{repository}@{wanted}"), bytes);
            Answer::status(201).header("Docker-Content-Digest", wanted)
        }
        _ => Answer::status(405),
    }
}
