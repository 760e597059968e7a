//! `policy.json` (containers-policy.json(5)): may this image be pulled at all?
//!
//! `reject` and `insecureAcceptAnything` are decided here. A rule that asks for signatures is a refusal: letting such
//! an image pass unverified would be the one wrong answer.

use super::Env;
use crate::error::{Context, Error, Result};
use crate::image::Reference;
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
    let user = env.config_home().map(|dir| dir.join("containers/policy.json"));
    let files: [Option<PathBuf>; 2] = [user, Some(env.system("etc/containers/policy.json"))];
    for file in files.into_iter().flatten() {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e).with_context(|| format!("read {}", file.display())),
        };
        return decide(&text, reference, &file);
    }
    Ok(())
}

fn decide(text: &str, reference: &Reference, file: &Path) -> Result<()> {
    let policy: Policy = serde_json::from_str(text).with_context(|| format!("parse {}", file.display()))?;
    let docker = policy.transports.get("docker");
    let rules = scopes(reference).iter().find_map(|scope| docker?.get(scope)).unwrap_or(&policy.default);
    let refuse = |why: &str| {
        let error = Error::denied(format!("pull {reference}: {} {why}", file.display()));
        Err(error.hint("change the policy there, if it is yours to decide"))
    };
    if rules.is_empty() {
        return refuse("has an empty list of rules for it");
    }
    for rule in rules {
        match rule.kind.as_str() {
            "insecureAcceptAnything" => {}
            "reject" => return refuse("rejects it"),
            kind => return refuse(&format!("asks for a signature ({kind}), which can't be verified yet")),
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
            let said = match decide(text, &Reference::parse(name).unwrap(), Path::new("p.json")) {
                Ok(()) => "ok".to_string(),
                Err(e) => e.to_string(),
            };
            assert!(said.contains(verdict), "{name}: {said}");
        }
        assert!(decide("{}", &Reference::parse("a").unwrap(), Path::new("p.json")).is_err());
    }
}
