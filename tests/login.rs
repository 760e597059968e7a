//! `login` and `logout`: with docker-registry's passwords, with tokens, with helpers, at a terminal.

mod common;

use common::hostile::{Answer, Hostile, Seen};
use common::pty::Pty;
use common::registry::Registry;
use common::{TestEnv, which};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

const AUTH: &str = "home/.config/containers/auth.json";

/// A registry where `me` has the password `secret`.
macro_rules! registry {
    ($env:expr) => {{
        need!("htpasswd");
        let out = Command::new(which("htpasswd").unwrap()).args(["-Bbn", "me", "secret"]).output().unwrap();
        let Some(registry) = Registry::with_auth(&$env.path("registry"), &String::from_utf8_lossy(&out.stdout)) else {
            skip!("docker-registry is not installed");
        };
        registry
    }};
}

fn login(env: &TestEnv, host: &str, password: &str) -> common::Ran {
    env.run_with_stdin(["login", "-u", "me", "--password-stdin", host], format!("{password}\n").as_bytes())
}

#[test]
fn a_login_is_checked_kept_used_and_forgotten() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let host = format!("127.0.0.1:{}", registry.port);
    let _ = env.run(["login", "--get-login", &host]).fails(125, &["not logged in", "coracle login"]);
    let _ = login(&env, &host, "wrong").fails(125, &[&host, "not accepted"]);
    assert!(!env.path(AUTH).exists(), "nothing is kept of a login that failed");
    let out = login(&env, &host, "secret").success().prints("Login Succeeded!\n");
    assert!(out.stderr.contains(AUTH), "{out}");
    assert_eq!(std::fs::metadata(env.path(AUTH)).unwrap().permissions().mode() & 0o777, 0o600);
    let _ = env.run(["login", "--get-login", &host]).success().prints("me\n");
    let _ = env.run(["login", &host]).success().prints(&format!("Already logged in to {host} as me\n"));
    let name = registry.name("test/hello");
    let _ = env.run(["push", "-q", "localhost/hello", &name]).success();
    // Podman's tools find it too.
    need!("skopeo");
    let mut skopeo = env.program("skopeo");
    let inspect = ["inspect", "--tls-verify=false", "--authfile", AUTH, &format!("docker://{name}")];
    let _ = env.finish(skopeo.args(inspect), b"").success();
    let _ = env.run(["logout", &host]).success().prints(&format!("Removed login credentials for {host}\n"));
    let _ = env.run(["logout", &host]).fails(125, &["not logged in"]);
    let _ = env.run(["push", "-q", "localhost/hello", &name]).fails(125, &["asks for a login"]);
    // In a file of its own, which is made.
    let file = env.path("own/auth.json");
    let own = ["login", "-u=me", "-p=secret", "--authfile", file.to_str().unwrap(), &host];
    let out = env.run(own).success();
    assert!(out.stderr.contains("--password-stdin"), "{out}");
    assert!(file.exists());
    let _ = env.run(["logout", "--all", "--authfile", file.to_str().unwrap()]).success();
    assert!(!std::fs::read_to_string(&file).unwrap().contains(&host));
    for (args, words) in [
        (&["login", "--password-stdin", "h.io"][..], "--username"),
        (&["login", "h.io"], "no terminal"),
        (&["login", "-u=a:b", "-p=x", "h.io"], "colon"),
        (&["login", "-u=a", "-p=x", "not a host"], "registry name"),
    ] {
        let _ = env.run(args).fails(125, &[words]);
    }
}

#[test]
fn as_docker_in_dockers_file() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let host = format!("127.0.0.1:{}", registry.port);
    let config = env.file("docker/config.json", r#"{"auths":{"x.io":{}},"psFormat":"{{.ID}}"}"#);
    let docker = env.path("docker-link/docker");
    std::fs::create_dir_all(docker.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(common::binary(), &docker).unwrap();
    let run = |args: &[&str], stdin: &[u8]| {
        let mut command = env.program(&docker);
        command.args(args).env("DOCKER_CONFIG", config.parent().unwrap());
        env.finish(&mut command, stdin)
    };
    let _ = run(&["login", "-u", "me", "--password-stdin", &host], b"secret").success().prints("Login Succeeded\n");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("psFormat") && text.contains("bWU6c2VjcmV0") && text.contains("x.io"), "{text}");
    let _ = run(&["logout", &host], b"").success();
    let _ = run(&["logout", &host], b"").success().prints(&format!("Not logged in to {host}\n"));
}

/// A credential helper that keeps one file for each server, and the PATH with it.
fn helper(env: &TestEnv) -> (PathBuf, String) {
    let keep = env.path("kept");
    std::fs::create_dir_all(&keep).unwrap();
    let script = r#"#!/bin/sh
cd KEEP
case $1 in
store) cat > new; mv new "$(sed 's/.*"ServerURL":"\([^"]*\)".*/\1/; s,/,_,g' new)";;
get) read -r server; f=$(echo "$server" | sed 's,/,_,g'); [ -f "$f" ] || { echo credentials not found in native keychain; exit 1; }; cat "$f";;
erase) read -r server; rm -f "$(echo "$server" | sed 's,/,_,g')";;
esac
"#;
    let program = env.file("bin/docker-credential-test", script.replace("KEEP", keep.to_str().unwrap()));
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    (keep, format!("{}:/usr/bin:/bin", program.parent().unwrap().display()))
}

#[test]
fn credential_helpers_keep_and_forget() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let host = format!("127.0.0.1:{}", registry.port);
    let (keep, path) = helper(&env);
    let config = env.file("home/.docker/config.json", r#"{"credsStore":"test"}"#);
    let run = |args: &[&str], stdin: &[u8]| {
        let mut command = env.command(args);
        env.finish(command.env("PATH", &path), stdin)
    };
    let out = run(&["login", "-u", "me", "--password-stdin", &host], b"secret").success();
    assert!(out.stderr.contains("docker-credential-test"), "{out}");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("credsStore") && !text.contains("bWU6"), "no password in the file: {text}");
    assert!(std::fs::read_to_string(keep.join(&host)).unwrap().contains("secret"));
    let _ = run(&["login", "--get-login", &host], b"").success().prints("me\n");
    let _ = run(&["push", "-q", "localhost/hello", &registry.name("a/b")], b"").success();
    let _ = run(&["logout", &host], b"").success();
    assert!(!keep.join(&host).exists());
    let _ = run(&["login", "--get-login", &host], b"").fails(125, &["not logged in"]);
    // registries.conf names helpers for podman's tools.
    env.file("home/.config/containers/registries.conf", "credential-helpers = ['test']\n");
    let _ = run(&["login", "-u", "me", "--password-stdin", &host], b"secret").success();
    assert!(keep.join(&host).exists());
    let _ = run(&["logout", &host], b"").success();
    assert!(!keep.join(&host).exists());
}

#[test]
fn identity_tokens_take_the_passwords_place() {
    let env = TestEnv::new();
    let port = Arc::new(AtomicU16::new(0));
    let own = port.clone();
    let server = Hostile::start(move |seen: &Seen| {
        let token = |token: &str, refresh: &str| {
            Answer::body(200, serde_json::json!({"token": token, "refresh_token": refresh}).to_string())
        };
        if seen.path.starts_with("/token") {
            let form = String::from_utf8_lossy(&seen.body).into_owned();
            return match seen.header("authorization") {
                "Basic bWU6c2VjcmV0" if seen.path.contains("offline_token=true") => token("good", "keepme"),
                "" if form.contains("refresh_token=keepme") => token("good", ""),
                _ => Answer::error(401, "UNAUTHORIZED", "wrong"),
            };
        }
        if seen.header("authorization") == "Bearer good" {
            return Answer::body(200, "{}");
        }
        let realm = format!("http://127.0.0.1:{}/token", own.load(Ordering::Relaxed));
        Answer::status(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\",service=\"s\""))
    });
    port.store(server.port, Ordering::Relaxed);
    let host = server.host();
    let _ = login(&env, &host, "wrong").fails(125, &["not accepted"]);
    let _ = login(&env, &host, "secret").success();
    let text = std::fs::read_to_string(env.path(AUTH)).unwrap();
    assert!(text.contains("\"identitytoken\": \"keepme\"") && !text.contains("bWU6c2VjcmV0"), "{text}");
    let _ = env.run(["login", "--get-login", &host]).success().prints("me\n");
    // Valid without the password.
    let _ = env.run(["login", &host]).success();
    assert!(server.seen().iter().all(|s| !s.path.contains("scope=")), "a login asks for no rights");
}

#[test]
fn questions_at_the_terminal() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let host = format!("127.0.0.1:{}", registry.port);
    let mut pty = Pty::spawn(env.command(["login", &host]));
    pty.expect("Username: ");
    pty.line("me");
    pty.expect("Password: ");
    pty.line("sec\u{7f}cret");
    pty.expect("Login Succeeded!");
    let (code, screen) = pty.end();
    assert_eq!(code, 0);
    assert!(!screen.contains("sec"), "the password is not shown: {screen}");
    // Ctrl-C leaves the terminal with its echo.
    let mut shell = env.program("sh");
    let command = format!("{} login -u me {host}; echo code=$?; stty -a", common::binary().display());
    shell.args(["-c", &command]);
    let _ = env.run(["logout", &host]).success();
    let mut pty = Pty::spawn(shell);
    pty.expect("Password: ");
    pty.send("sec\u{3}");
    pty.expect("code=130");
    pty.expect(" echo ");
    assert_eq!(pty.end().0, 0);
}

/// Whatever is wrong with what the user keeps logins in is told, by name, and nothing waits or reads for ever.
#[test]
fn files_and_helpers_of_no_use_are_named() {
    let env = TestEnv::new();
    let registry = registry!(env);
    let name = registry.name("test/hello");
    let pull = |vars: &[(&str, &str)]| {
        let mut command = env.command(["pull", "-q", "--retry=0", &name]);
        command.env("PATH", format!("{}:/usr/bin:/bin", env.path("bin").display())).envs(vars.iter().copied());
        env.finish(&mut command, b"")
    };
    for (file, script, words) in [
        ("text", "echo no json", ["docker-credential-text", "not JSON"]),
        ("zero", "exec cat /dev/zero", ["docker-credential-zero", "longer than"]),
        ("dead", "kill -9 $$", ["docker-credential-dead", "signal: 9"]),
        ("fail", "exit 3", ["docker-credential-fail", "exit status: 3"]),
    ] {
        let program = env.file(&format!("bin/docker-credential-{file}"), format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        env.file("home/.docker/config.json", format!("{{\"credsStore\":\"{file}\"}}"));
        let _ = pull(&[]).fails(125, &words);
    }
    let _ = pull(&[("REGISTRY_AUTH_FILE", "/dev/zero")]).fails(125, &["/dev/zero", "file too large"]);
    let _ = pull(&[("CONTAINERS_REGISTRIES_CONF", "/dev/zero")]).fails(125, &["/dev/zero", "file too large"]);
    let config = env.file("home/.docker/config.json", "{}");
    std::fs::set_permissions(&config, PermissionsExt::from_mode(0o000)).unwrap();
    let out = pull(&[]).code(125);
    assert!(out.stderr.contains(".docker/config.json is left out: permission denied"), "{out}");
    assert_eq!(out.stderr.matches("left out").count(), 1, "{out}");
}
