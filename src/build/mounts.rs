//! `RUN --mount`: what it asks for, and the directories that serve it.

use super::ast::Mount as Written;
use super::source::{Fault, Span};
use super::state::join;
use crate::error::{Error, Result};
use crate::spec::units::parse_size;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    #[default]
    Shared,
    Private,
    Locked,
}

/// One mount, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub kind: Kind,
    /// Stage, image or named context instead of the context.
    pub from: Option<String>,
    /// Path in it, cleaned, without a leading slash.
    pub source: String,
    /// Absolute; empty for a secret that is a variable only.
    pub target: String,
    pub readonly: bool,
    pub id: String,
    pub sharing: Sharing,
    pub required: bool,
    /// Bytes.
    pub size: Option<u64>,
    pub mode: Option<u32>,
    pub uid: u32,
    pub gid: u32,
    /// The variable that holds a secret.
    pub env: Option<String>,
}

/// Gives the words of a `--mount` their meaning; relative targets begin at the working directory.
pub fn read(written: &Written, cwd: &str, span: Span) -> Result<Mount, Fault> {
    let fault = |text: String| Fault::new(span, text);
    let get = |names: &[&str]| {
        let all = written.options.iter().rev();
        all.filter(|(k, _)| names.contains(&k.as_str())).find_map(|(_, v)| v.clone())
    };
    let has = |names: &[&str]| -> Result<Option<bool>, Fault> {
        match written.options.iter().rev().find(|(k, _)| names.contains(&k.as_str())) {
            None => Ok(None),
            Some((key, value)) => match value.as_deref() {
                None | Some("true" | "1") => Ok(Some(true)),
                Some("false" | "0") => Ok(Some(false)),
                Some(other) => {
                    Err(fault(format!("invalid value for {key} in --mount: '{other}'")).hint("true or false"))
                }
            },
        }
    };
    let kind = match get(&["type"]).as_deref() {
        None | Some("bind") => Kind::Bind,
        Some("cache") => Kind::Cache,
        Some("tmpfs") => Kind::Tmpfs,
        Some("secret") => Kind::Secret,
        Some("ssh") => Kind::Ssh,
        Some(other) => {
            return Err(fault(format!("unsupported mount type '{other}'")).hint("bind, cache, secret, ssh or tmpfs"));
        }
    };
    for (key, allowed) in [
        ("sharing", &[Kind::Cache][..]),
        ("size", &[Kind::Tmpfs]),
        ("env", &[Kind::Secret]),
        ("required", &[Kind::Secret, Kind::Ssh]),
        ("from", &[Kind::Bind, Kind::Cache]),
        ("mode", &[Kind::Cache, Kind::Secret, Kind::Ssh]),
    ] {
        if get(&[key]).is_some() && !allowed.contains(&kind) {
            return Err(fault(format!("unexpected key '{key}' for a mount of type {kind:?}").to_lowercase()));
        }
    }
    let number = |key: &str| match get(&[key]) {
        None => Ok(None),
        Some(text) => text.parse::<u32>().map(Some).map_err(|_| fault(format!("invalid {key} '{text}' in --mount"))),
    };
    let mode = match get(&["mode"]) {
        None => None,
        Some(text) => {
            let bits = u32::from_str_radix(&text, 8).ok().filter(|m| *m <= 0o7777);
            Some(bits.ok_or_else(|| fault(format!("invalid mode '{text}' in --mount")))?)
        }
    };
    let size = match get(&["size"]) {
        None => None,
        Some(text) => Some(parse_size(&text).map_err(|error| Fault { error, span })?),
    };
    let sharing = match get(&["sharing"]).as_deref() {
        None | Some("shared") => Sharing::Shared,
        Some("private") => Sharing::Private,
        Some("locked") => Sharing::Locked,
        Some(other) => {
            return Err(fault(format!("unsupported sharing value '{other}'")).hint("shared, private or locked"));
        }
    };
    let asked = get(&["target", "dst", "destination"]);
    let mut id = get(&["id"]).unwrap_or_default();
    let env = get(&["env"]);
    let target = match (&asked, kind) {
        (Some(path), _) => join(cwd, path),
        (None, Kind::Secret) if env.is_some() => String::new(),
        (None, Kind::Secret) if !id.is_empty() => join("/run/secrets", &id),
        (None, Kind::Ssh) => "/run/buildkit/ssh_agent.0".into(),
        (None, Kind::Secret) => return Err(fault("a secret mount needs an id or a target".into())),
        (None, _) => return Err(fault("a mount needs a target".into()).hint("target=/path")),
    };
    if target == "/" {
        return Err(fault("invalid mount target '/'".into()));
    }
    if id.is_empty() {
        id = match kind {
            Kind::Secret => target.rsplit('/').next().unwrap_or_default().into(),
            Kind::Ssh => "default".into(),
            _ => target.clone(),
        };
    }
    let write = has(&["rw", "readwrite"])?;
    let readonly = match (has(&["ro", "readonly"])?, write) {
        (Some(readonly), _) => readonly,
        (None, Some(write)) => !write,
        (None, None) => kind == Kind::Bind,
    };
    Ok(Mount {
        kind,
        from: get(&["from"]),
        source: super::ignore::clean(&get(&["source", "src"]).unwrap_or_default()),
        target,
        readonly,
        id,
        sharing,
        required: has(&["required"])?.unwrap_or(false),
        size,
        mode,
        uid: number("uid")?.unwrap_or(0),
        gid: number("gid")?.unwrap_or(0),
        env,
    })
}

/// `--secret id=X[,src=FILE|,env=NAME]` as given, or `id` alone for a file or variable of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    File(std::path::PathBuf),
    /// The variable's value.
    Value(String),
}

/// Reads one `--secret`.
pub fn secret(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<(String, Secret)> {
    let bad = |why: String| {
        Error::user(format!("read --secret '{text}': {why}")).hint("id=NAME,src=FILE or id=NAME,env=VARIABLE")
    };
    let (mut id, mut src, mut env, mut kind) = (String::new(), None, None, None);
    for field in text.split(',') {
        let (key, value) = field.split_once('=').ok_or_else(|| bad(format!("'{field}' has no value")))?;
        match key {
            "id" => id = value.to_string(),
            "src" | "source" => src = Some(value.to_string()),
            "env" => env = Some(value.to_string()),
            "type" if matches!(value, "file" | "env") => kind = Some(value.to_string()),
            _ => return Err(bad(format!("'{field}' is unknown"))),
        }
    }
    if id.is_empty() {
        return Err(bad("the id is missing".into()));
    }
    if kind.as_deref() == Some("env") && env.is_none() {
        env = src.take();
    }
    let by_name = (src.is_none() && env.is_none() && kind.as_deref() != Some("file")).then(|| variable(&id)).flatten();
    let secret = match (src, env, by_name) {
        (Some(path), None, _) => Secret::File(path.into()),
        (None, Some(name), _) => {
            Secret::Value(variable(&name).ok_or_else(|| bad(format!("the variable {name} is not set")))?)
        }
        (None, None, Some(value)) => Secret::Value(value),
        (None, None, None) => Secret::File(id.clone().into()),
        (Some(_), Some(_), _) => return Err(bad("src and env exclude each other".into())),
    };
    Ok((id, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(text: &str) -> Result<Mount, String> {
        let options = text
            .split(',')
            .map(|f| f.split_once('=').map_or((f.to_string(), None), |(k, v)| (k.to_string(), Some(v.to_string()))))
            .collect();
        read(&Written { options }, "/w", Span::default()).map_err(|f| f.error.to_string())
    }

    #[test]
    fn mounts_have_their_defaults() {
        let bind = mount("target=x,source=/a/../b,from=s").unwrap();
        assert_eq!(
            (bind.kind, bind.target.as_str(), bind.source.as_str(), bind.readonly),
            (Kind::Bind, "/w/x", "b", true)
        );
        assert!(!mount("type=bind,target=/x,rw").unwrap().readonly);
        let cache = mount("type=cache,target=/c,sharing=locked,mode=0755,uid=5").unwrap();
        assert_eq!((cache.id.as_str(), cache.sharing, cache.mode, cache.uid), ("/c", Sharing::Locked, Some(0o755), 5));
        assert!(!cache.readonly);
        assert_eq!(mount("type=secret,id=k").unwrap().target, "/run/secrets/k");
        assert_eq!(mount("type=secret,target=/a/b").unwrap().id, "b");
        assert_eq!(mount("type=secret,id=k,env=K").unwrap().target, "");
        assert_eq!(mount("type=tmpfs,target=/t,size=1m").unwrap().size, Some(1 << 20));
        for (text, want) in [
            ("type=bind", "needs a target"),
            ("type=cache", "needs a target"),
            ("type=secret", "needs an id or a target"),
            ("type=nope,target=/x", "unsupported mount type"),
            ("target=/", "invalid mount target"),
            ("target=/x,size=1", "unexpected key"),
            ("type=cache,target=/x,sharing=y", "unsupported sharing"),
            ("type=cache,target=/x,mode=9", "invalid mode"),
            ("target=/x,ro=maybe", "invalid value for ro"),
        ] {
            assert!(mount(text).unwrap_err().contains(want), "{text}");
        }
    }

    #[test]
    fn secrets_come_from_files_and_variables() {
        let env = |name: &str| (name == "TOKEN").then(|| "t".to_string());
        assert_eq!(secret("id=a,src=/f", &env).unwrap(), ("a".into(), Secret::File("/f".into())));
        assert_eq!(secret("id=a,env=TOKEN", &env).unwrap(), ("a".into(), Secret::Value("t".into())));
        assert_eq!(secret("id=TOKEN", &env).unwrap(), ("TOKEN".into(), Secret::Value("t".into())));
        assert_eq!(secret("id=f", &env).unwrap(), ("f".into(), Secret::File("f".into())));
        for bad in ["src=/f", "id=a,env=NOPE", "id=a,src=b,env=TOKEN", "id=a,x=y", "a"] {
            assert!(secret(bad, &env).is_err(), "{bad}");
        }
    }
}
