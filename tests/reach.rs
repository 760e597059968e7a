//! How registries are reached: certificates of clients, proxies of the environment.

mod common;

use common::TestEnv;
use common::fixtures::{busybox, certificates, sh};
use common::registry::Registry;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The registry wants to see a certificate: from certs.d, in podman's and in docker's form, or from --cert-dir.
#[test]
fn clients_show_their_certificate() {
    need!("openssl", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    certificates(&env.path("tls"));
    sh(
        &env.path("tls"),
        "exec 2>/dev/null; openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=me -keyout client.key -out client.csr
         printf 'extendedKeyUsage=clientAuth' > client.ext
         openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out client.cert -extfile client.ext
         mkdir skopeo; cp ca.crt client.cert client.key skopeo",
    );
    let tls = env.path("tls");
    let extra = format!(
        "  tls:\n    certificate: {0}/srv.crt\n    key: {0}/srv.key\n    clientcas:\n      - {0}/ca.crt\n",
        tls.display()
    );
    let Some(registry) = Registry::with(&env.path("registry"), &extra) else {
        skip!("docker-registry is not installed");
    };
    let dir = env.path("tls/skopeo").display().to_string();
    registry.push(&format!("oci-archive:{}", busybox().display()), "test/bb:latest", &["--dest-cert-dir", &dir]);
    let host = format!("localhost:{}", registry.port);
    let name = format!("{host}/test/bb");
    let own = format!("home/.config/containers/certs.d/{host}");
    let ca = std::fs::read(env.path("tls/ca.crt")).unwrap();
    env.file(&format!("{own}/ca.crt"), ca);
    let _ = env.run(["pull", "-q", "--retry=0", &name]).code(125);
    let id = env.run(["pull", "-q", "--cert-dir", &dir, &name]).success().line();
    for file in ["client.cert", "client.key"] {
        std::fs::copy(env.path("tls").join(file), env.path(&own).join(file)).unwrap();
    }
    assert_eq!(env.run(["pull", "-q", &name]).success().line(), id);
    // The way back, and its tags.
    let pushed = format!("{host}/test/again:1");
    let _ = env.run(["push", "-q", &id, &pushed]).success();
    assert_eq!(
        env.run(["search", "--list-tags", "--format", "{{.Tag}}", &format!("{host}/test/again")]).success().line(),
        "1"
    );
    std::fs::remove_file(env.path(&own).join("client.key")).unwrap();
    let _ = env.run(["pull", "-q", &name]).fails(125, &["client.key"]);
}

/// A proxy that asks for `me:secret` and takes every address to `port` of this host; tells what it was asked for.
fn proxy(port: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let log = log.clone();
            thread::spawn(move || serve(client, port, &log));
        }
    });
    (address, asked)
}

fn serve(client: TcpStream, port: u16, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(n) if n > 0 && line != "\r\n" => head.push(line),
            _ => break,
        }
    }
    let Some(first) = head.first() else { return };
    log.lock().unwrap().push(first.trim().to_string());
    let mut client = client;
    let known = head.iter().any(|l| l.trim().eq_ignore_ascii_case("proxy-authorization: basic bWU6c2VjcmV0"));
    if !known {
        let _ = client
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    }
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    if first.starts_with("CONNECT ") {
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    } else {
        // http://host/path → /path; one request for each connection.
        let mut words = first.split(' ');
        let (method, uri) = (words.next().unwrap(), words.next().unwrap());
        let path = uri.split_once("://").map_or(uri, |(_, rest)| &rest[rest.find('/').unwrap()..]);
        let rest = head[1..].iter().filter(|l| !l.to_lowercase().starts_with("connection:"));
        let text =
            format!("{method} {path} HTTP/1.1\r\n{}Connection: close\r\n\r\n", rest.cloned().collect::<String>());
        server.write_all(text.as_bytes()).unwrap();
    }
    let (mut up, mut down) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(std::net::Shutdown::Write);
    });
    let mut buffer = [0; 16 << 10];
    while let Ok(n) = reader.read(&mut buffer) {
        if n == 0 || up.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = up.shutdown(std::net::Shutdown::Write);
    let _ = back.join();
    let _ = down.flush();
}

/// Registries that this host can't name are the proxy's business, but not those that NO_PROXY lists.
#[test]
fn proxies_of_the_environment_are_used() {
    need!("openssl", "skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    certificates(&env.path("tls"));
    let from = format!("oci-archive:{}", busybox().display());
    let Some(plain) = Registry::start(&env.path("plain")) else {
        skip!("docker-registry is not installed");
    };
    plain.push(&from, "test/bb:latest", &[]);
    let extra = format!("  tls:\n    certificate: {0}/srv.crt\n    key: {0}/srv.key\n", env.path("tls").display());
    let secure = Registry::with(&env.path("secure"), &extra).unwrap();
    secure.push(&from, "test/bb:latest", &[]);
    let pull = |vars: &[(&str, &str)], flags: &[&str]| {
        let mut command = env.command(["pull", "-q", "--retry=0"]);
        command.args(flags).arg("registry.invalid:5000/test/bb");
        command.envs(vars.iter().copied());
        env.finish(&mut command, b"")
    };
    let _ = pull(&[], &["--tls-verify=false"]).code(125);
    let (address, asked) = proxy(secure.port);
    let with_login = format!("http://me:secret@{address}");
    let id = pull(&[("HTTPS_PROXY", &with_login)], &["--tls-verify=false"]).success().line();
    let tunnels = asked.lock().unwrap().clone();
    assert!(
        !tunnels.is_empty() && tunnels.iter().all(|l| l.starts_with("CONNECT registry.invalid:5000 ")),
        "{tunnels:?}"
    );
    let _ = pull(&[("https_proxy", &with_login), ("NO_PROXY", ".invalid")], &[]).code(125);
    assert_eq!(asked.lock().unwrap().len(), tunnels.len(), "NO_PROXY");
    let _ = pull(&[("HTTPS_PROXY", &format!("http://{address}"))], &["--tls-verify=false"]).fails(125, &["407"]);
    // Without TLS.
    let (address, asked) = proxy(plain.port);
    let with_login = format!("http://me:secret@{address}");
    let vars = [("HTTP_PROXY", with_login.as_str()), ("ALL_PROXY", with_login.as_str())];
    assert_eq!(pull(&vars, &["--tls-verify=false"]).success().line(), id);
    assert!(!asked.lock().unwrap().is_empty());
}

/// A SOCKS5 proxy (RFC 1928) for `me:secret` that takes every name to `port` of this host, but not `forbidden.invalid`;
/// tells what it was asked for.
fn socks(port: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let log = log.clone();
            thread::spawn(move || serve_socks(client, port, &log));
        }
    });
    (address, asked)
}

fn serve_socks(mut client: TcpStream, port: u16, log: &Mutex<Vec<String>>) -> Option<()> {
    fn take(client: &mut TcpStream, n: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; n];
        client.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
    let greeting = take(&mut client, 2)?;
    let methods = take(&mut client, greeting[1].into())?;
    if !methods.contains(&2) {
        return client.write_all(&[5, 0xff]).ok();
    }
    client.write_all(&[5, 2]).ok()?;
    let name = take(&mut client, 2)?[1];
    let name = take(&mut client, name.into())?;
    let password = take(&mut client, 1)?[0];
    let password = take(&mut client, password.into())?;
    let known = name == b"me" && password == b"secret";
    client.write_all(&[1, u8::from(!known)]).ok()?;
    if !known {
        return None;
    }
    let request = take(&mut client, 4)?;
    assert_eq!(request, [5, 1, 0, 3], "a host name, not an address");
    let length = take(&mut client, 1)?[0];
    let host = String::from_utf8(take(&mut client, length.into())?).unwrap();
    let wanted = take(&mut client, 2)?;
    log.lock().unwrap().push(format!("{host}:{}", u16::from_be_bytes([wanted[0], wanted[1]])));
    if host == "forbidden.invalid" {
        return client.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).ok();
    }
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    let (mut up, mut down) = (server.try_clone().ok()?, client.try_clone().ok()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut server, &mut down);
        let _ = down.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut client, &mut up);
    up.shutdown(std::net::Shutdown::Write).ok()
}

/// `ssh -D`, tor and the like, by each variable and for pulls and pushes; the proxy resolves the names.
#[test]
fn socks_proxies_are_used() {
    need!("skopeo", "umoci", "busybox");
    let env = TestEnv::new();
    let Some(registry) = Registry::start(&env.path("registry")) else {
        skip!("docker-registry is not installed");
    };
    registry.push(&format!("oci-archive:{}", busybox().display()), "test/bb:latest", &[]);
    let (address, asked) = socks(registry.port);
    let run = |vars: &[(&str, &str)], words: &[&str]| {
        let mut command = env.command(words);
        command.envs(vars.iter().copied());
        env.finish(&mut command, b"")
    };
    let name = "registry.invalid:5000/test/bb";
    let pull = ["pull", "-q", "--retry=0", "--tls-verify=false", name];
    let with = |scheme: &str, login: &str| format!("{scheme}://{login}{address}");
    let known = with("socks5h", "me:secret@");
    let id = run(&[("ALL_PROXY", &known)], &pull).success().line();
    let heard = asked.lock().unwrap().clone();
    assert!(!heard.is_empty() && heard.iter().all(|a| a == "registry.invalid:5000"), "{heard:?}");
    for scheme in ["socks5", "socks"] {
        assert_eq!(run(&[("all_proxy", &with(scheme, "me:secret@"))], &pull).success().line(), id, "{scheme}");
    }
    let push = ["push", "-q", "--retry=0", "--tls-verify=false", name, "registry.invalid:5000/test/again"];
    let _ = run(&[("ALL_PROXY", &known)], &push).success();
    let before = asked.lock().unwrap().len();
    let _ = run(&[("ALL_PROXY", &known), ("NO_PROXY", "*.invalid:5000")], &pull).fails(125, &["resolve host name"]);
    assert_eq!(asked.lock().unwrap().len(), before, "NO_PROXY");
    let wrong = with("socks5", "me:wrong@");
    let said = run(&[("ALL_PROXY", &wrong)], &pull).fails(125, &["through the proxy", "authentication", "ALL_PROXY"]);
    assert!(!said.stderr.contains("wrong"), "a password is shown");
    let _ = run(&[("ALL_PROXY", &with("socks5", ""))], &pull).fails(125, &["through the proxy", "auth"]);
    let forbidden = ["pull", "-q", "--tls-verify=false", "forbidden.invalid/bb"];
    let _ = run(&[("ALL_PROXY", &known)], &forbidden).fails(125, &["not allowed by ruleset"]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("socks5://{nobody}");
    let _ = run(&[("ALL_PROXY", &nobody)], &pull).fails(125, &["through the proxy", "refused"]);
}
