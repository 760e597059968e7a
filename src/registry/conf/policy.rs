//! `policy.json` (containers-policy.json(5)): may this image be pulled at all?
//!
//! `reject` and `insecureAcceptAnything` are decided here. A rule that asks for signatures is a refusal: letting such
//! an image pass unverified would be the one wrong answer.

use super::Env;
use crate::error::{Context, Error, Result};
use crate::image::Reference;
use crate::state::text;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
struct Policy {
    default: Vec<Rule>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Rule>>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
}

/// Refuses `reference` when the user's or else the system's policy does. Without a policy everything is accepted.
pub fn check(reference: &Reference, env: &Env) -> Result<()> {
    check_scopes("docker", &reference.to_string(), &scopes(reference), env)
}

/// The same for an image that comes from a file or directory by one of the other transports
/// (`oci`, `dir`, `docker-archive` …); scopes are paths and the directories above them.
///
/// `name` is that of the image in an OCI layout, where one is asked for.
pub fn check_path(transport: &str, path: &Path, name: Option<&str>, env: &Env) -> Result<()> {
    let full = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    // Archives have no scopes (containers-policy.json(5)).
    let mut scopes: Vec<String> = match transport {
        "dir" | "oci" => full.ancestors().filter(|p| p.parent().is_some()).map(|p| p.display().to_string()).collect(),
        _ => Vec::new(),
    };
    if let Some(name) = name.filter(|_| transport == "oci") {
        scopes.insert(0, format!("{}:{name}", full.display()));
    }
    scopes.push(String::new());
    let what = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    check_scopes(transport, &format!("{transport}:{what}"), &scopes, env)
}

/// The same for an image in a store of containers/storage: `name` as it was asked for, with the drivers that may have it.
/// Scopes are `[driver@root]` with a name, its repository or a namespace, then without, and `[root]`.
pub fn check_storage(drivers: &[&str], root: &Path, name: &str, env: &Env) -> Result<()> {
    let root = root.display();
    // What is meant by id alone has no name.
    let (plain, id) = match name.split_once('@') {
        Some((plain, id)) => (plain, Some(id)),
        None => (name, None),
    };
    let hex = plain.strip_prefix("sha256:").unwrap_or(plain);
    let by_id = plain.is_empty() || (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    // Podman's own short names are of either domain.
    let names = ["localhost", "docker.io"].into_iter().filter_map(|d| Reference::parse_with(plain, d).ok());
    let names: Vec<Reference> = names.filter(|_| !by_id).collect();
    let text = format!("containers-storage:[{root}]{name}");
    for driver in drivers {
        let spec = format!("[{driver}@{root}]");
        let mut tried = names.iter().map(Some).collect::<Vec<_>>();
        tried.dedup();
        if tried.is_empty() {
            tried.push(None);
        }
        for reference in tried {
            let mut all: Vec<String> = Vec::new();
            if let Some(reference) = reference {
                let named = scopes(reference).into_iter().filter(|s| !s.is_empty() && !s.starts_with("*."));
                all.extend(named.map(|scope| format!("{spec}{scope}")));
            }
            if let Some(id) = id {
                let whole = reference.map(Reference::canonical).unwrap_or_default();
                all.insert(0, format!("{spec}{whole}@{id}"));
            }
            all.extend([spec.clone(), format!("[{root}]"), String::new()]);
            check_scopes("containers-storage", &text, &all, env)?;
        }
    }
    Ok(())
}

fn check_scopes(transport: &str, name: &str, scopes: &[String], env: &Env) -> Result<()> {
    let user = env.config_home().map(|dir| dir.join("containers/policy.json"));
    let files: [Option<PathBuf>; 2] = [user, Some(env.system("etc/containers/policy.json"))];
    for file in files.into_iter().flatten() {
        let text = match text::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e).with_context(|| format!("read {}", file.display())),
        };
        return decide(&text, transport, name, scopes, &file);
    }
    Ok(())
}

fn decide(text: &str, transport: &str, name: &str, scopes: &[String], file: &Path) -> Result<()> {
    let policy: Policy = serde_json::from_str(text).with_context(|| format!("parse {}", file.display()))?;
    let own = policy.transports.get(transport);
    let rules = scopes.iter().find_map(|scope| own?.get(scope)).unwrap_or(&policy.default);
    let refuse = |why: &str| {
        let error = Error::denied(format!("use {name}: {} {why}", file.display()));
        Err(error.hint("change the policy there, if it is yours to decide"))
    };
    if rules.is_empty() {
        return refuse("has an empty list of rules for it");
    }
    for rule in rules {
        match rule.kind.as_str() {
            "insecureAcceptAnything" => {}
            "reject" => return refuse("rejects it"),
            kind => return refuse(&format!("asks for a signature ({kind}), which can't be verified")),
        }
    }
    Ok(())
}

/// Keys that apply, most specific first: with tag or digest, repository, namespaces, host, `*.domain`, everything.
fn scopes(reference: &Reference) -> Vec<String> {
    let mut scopes = vec![reference.canonical(), reference.repository()];
    while let Some((parent, _)) = scopes[scopes.len() - 1].rsplit_once('/') {
        let parent = parent.to_string();
        scopes.push(parent);
    }
    let mut domain = reference.domain.as_str();
    while let Some((_, parent)) = domain.split_once('.') {
        scopes.push(format!("*.{parent}"));
        domain = parent;
    }
    scopes.push(String::new());
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str, name: &str) -> Result<()> {
        let reference = Reference::parse(name).unwrap();
        decide(text, "docker", name, &scopes(&reference), Path::new("p.json"))
    }

    #[test]
    fn other_transports_have_rules_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let (trusted, other) = (dir.path().join("trusted/layout"), dir.path().join("other"));
        std::fs::create_dir_all(&trusted).unwrap();
        std::fs::create_dir_all(&other).unwrap();
        std::fs::create_dir_all(dir.path().join("etc/containers")).unwrap();
        let scope = std::fs::canonicalize(dir.path().join("trusted")).unwrap();
        let policy = serde_json::json!({"default": [{"type": "reject"}], "transports": {
            "oci": {scope.to_str().unwrap(): [{"type": "insecureAcceptAnything"}],
                format!("{}/layout:bad", scope.display()): [{"type": "reject"}]},
            "docker-archive": {"": [{"type": "insecureAcceptAnything"}]},
            "oci-archive": {"": [{"type": "signedBy"}]}}});
        std::fs::write(dir.path().join("etc/containers/policy.json"), policy.to_string()).unwrap();
        let mut env = Env::default();
        env.root = dir.path().into();
        assert!(check_path("oci", &trusted, Some("v1"), &env).is_ok());
        assert!(check_path("docker-archive", &other, None, &env).is_ok());
        let e = check_path("oci", &trusted, Some("bad"), &env).unwrap_err().to_string();
        assert!(e.contains("rejects"), "{e}");
        for (transport, path, word) in
            [("oci", &other, "rejects"), ("dir", &trusted, "rejects"), ("oci-archive", &other, "signature")]
        {
            let e = check_path(transport, path, None, &env).unwrap_err().to_string();
            assert!(e.contains(word) && e.contains("policy.json"), "{e}");
        }
    }

    #[test]
    fn podmans_store_has_scopes_of_store_and_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc/containers")).unwrap();
        let mut env = Env::default();
        env.root = dir.path().into();
        let write = |rules: serde_json::Value| {
            let policy =
                serde_json::json!({"default": [{"type": "reject"}], "transports": {"containers-storage": rules}});
            std::fs::write(dir.path().join("etc/containers/policy.json"), policy.to_string()).unwrap();
        };
        let (yes, no) =
            (serde_json::json!([{"type": "insecureAcceptAnything"}]), serde_json::json!([{"type": "reject"}]));
        let ask = |drivers: &[&str], name: &str| check_storage(drivers, Path::new("/s"), name, &env).is_ok();
        let id = "ab".repeat(32);
        write(
            serde_json::json!({"": yes, "[overlay@/s]r.io/bad": no, "[vfs@/s]": no, "[overlay@/s]docker.io/library": no}),
        );
        for (driver, name, accepted) in [
            ("overlay", "r.io/good", true),
            ("overlay", "r.io/bad:1", false),
            ("overlay", "r.io/badly", true),
            ("overlay", "debian", false),
            ("vfs", "r.io/good", false),
            ("overlay", &id, true),
            ("overlay", &format!("r.io/bad@{id}"), false),
        ] {
            assert_eq!(ask(&[driver], name), accepted, "{driver} {name}");
        }
        // Whichever of the two may be read: both must be allowed.
        assert!(!ask(&["overlay", "vfs"], "r.io/good"));
        write(serde_json::json!({"[/s]": no, "[overlay@/s]": yes, "[overlay@/s]r.io/x:2": no}));
        assert!(ask(&["overlay"], "r.io/x:1") && !ask(&["overlay"], "r.io/x:2") && !ask(&["vfs"], "r.io/x:1"));
    }

    #[test]
    fn the_most_specific_scope_decides() {
        let text = r#"{"default":[{"type":"reject"}],"transports":{"docker":{
            "docker.io/library":[{"type":"insecureAcceptAnything"}],
            "*.corp.example":[{"type":"insecureAcceptAnything"}],
            "r.corp.example/signed":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}]}}}"#;
        for (name, verdict) in [
            ("debian", "ok"),
            ("quay.io/a/b", "rejects"),
            ("r.corp.example/x", "ok"),
            ("r.corp.example/signed/x", "signature"),
        ] {
            let said = match ask(text, name) {
                Ok(()) => "ok".to_string(),
                Err(e) => e.to_string(),
            };
            assert!(said.contains(verdict), "{name}: {said}");
        }
        assert!(ask("{}", "a").is_err());
    }
}
