//! Logins written and removed, in a home of the test's own.

use super::*;
use crate::registry::options::{Credentials, Env};
use std::os::unix::fs::PermissionsExt;

struct Home {
    dir: tempfile::TempDir,
    options: PullOptions,
}

impl Home {
    fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let (home, run) = (dir.path().join("home"), dir.path().join("run"));
        let lookup = |n: &str| match n {
            "HOME" => Some(home.to_str().unwrap().to_string()),
            "XDG_RUNTIME_DIR" => Some(run.to_str().unwrap().to_string()),
            _ => None,
        };
        let mut env = Env::from_lookup(lookup);
        env.root = dir.path().into();
        Home { options: PullOptions { env, ..PullOptions::default() }, dir }
    }
    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.dir.path().join(path)).unwrap()).unwrap()
    }
    fn save(&self, scope: &str, docker: bool) -> String {
        let place =
            save(&Scope::parse(scope).unwrap(), &login(), docker, &Registries::default(), &self.options).unwrap();
        place.to_string().replace(&format!("{}/", self.dir.path().display()), "")
    }
    fn forget(&self, scope: &str) -> usize {
        forget(&Scope::parse(scope).unwrap(), false, &Registries::default(), &self.options).unwrap().len()
    }
    fn user(&self, scope: &str) -> Option<String> {
        let found = stored(&Scope::parse(scope).unwrap(), &Registries::default(), &self.options).unwrap();
        found.map(|login| login.username().to_string())
    }
}

fn login() -> Login {
    Login::Password(Credentials { username: "me".into(), password: "a:b".into() })
}

const AUTH: &str = "home/.config/containers/auth.json";
const DOCKER: &str = "home/.docker/config.json";

#[test]
fn the_first_login_makes_a_private_file() {
    let home = Home::new();
    assert_eq!(home.save("quay.io/team", false), AUTH);
    let mode = std::fs::metadata(home.dir.path().join(AUTH)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(home.json(AUTH)["auths"]["quay.io/team"]["auth"], STANDARD.encode("me:a:b"));
    assert_eq!(home.user("quay.io/team/app").as_deref(), Some("me"));
    assert_eq!(home.user("quay.io"), None);
    assert_eq!(home.forget("quay.io"), 0);
    assert_eq!(home.forget("quay.io/team"), 1);
    assert_eq!(home.user("quay.io/team"), None);
}

#[test]
fn logins_go_where_the_user_has_some() {
    let home = Home::new();
    home.write(
        DOCKER,
        r#"{"auths":{"https://index.docker.io/v1/":{"auth":"eDp5"}},"detachKeys":"ctrl-q","psFormat":"x"}"#,
    );
    assert_eq!(home.save("quay.io", false), DOCKER);
    assert_eq!(home.save("docker.io", false), DOCKER);
    let json = home.json(DOCKER);
    assert_eq!((&json["detachKeys"], &json["psFormat"]), (&json!("ctrl-q"), &json!("x")));
    assert_eq!(json["auths"].as_object().unwrap().len(), 2, "{json}");
    assert_eq!(json["auths"][DOCKER_KEY]["auth"], STANDARD.encode("me:a:b"));
    // A login of this registry is replaced in its place, be it in the runtime directory.
    home.write("run/containers/auth.json", r#"{"auths":{"r.io":{"auth":"eDp5"}}}"#);
    assert_eq!(home.save("r.io", false), "run/containers/auth.json");
    // What is only there does not draw others to a place that a reboot empties.
    std::fs::remove_file(home.dir.path().join(DOCKER)).unwrap();
    assert_eq!(home.save("s.io", false), AUTH);
    assert_eq!(home.save("t.io", true), DOCKER);
    assert_eq!(forget_all(false, &home.options).unwrap().len(), 3);
    assert_eq!(["r.io", "s.io", "t.io"].map(|r| home.user(r)), [None, None, None]);
}

#[test]
fn links_and_damaged_files_are_respected() {
    let home = Home::new();
    home.write("dotfiles/auth.json", "{}");
    std::fs::create_dir_all(home.dir.path().join("home/.config/containers")).unwrap();
    std::os::unix::fs::symlink(home.dir.path().join("dotfiles/auth.json"), home.dir.path().join(AUTH)).unwrap();
    let _ = home.save("quay.io", false);
    assert!(home.dir.path().join(AUTH).is_symlink());
    assert!(home.json("dotfiles/auth.json")["auths"]["quay.io"].is_object());
    home.write("dotfiles/auth.json", "{ damaged");
    let scope = Scope::parse("quay.io").unwrap();
    let e = save(&scope, &login(), false, &Registries::default(), &home.options).unwrap_err();
    assert!(e.to_string().contains("auth.json"), "{e}");
    assert_eq!(std::fs::read_to_string(home.dir.path().join("dotfiles/auth.json")).unwrap(), "{ damaged");
}

#[test]
fn identity_tokens_keep_the_user_name() {
    let home = Home::new();
    let token = Login::Identity { username: "me".into(), token: "T".into() };
    let scope = Scope::parse("https://r.io/v2/").unwrap();
    save(&scope, &token, false, &Registries::default(), &home.options).unwrap();
    let entry = &home.json(AUTH)["auths"]["r.io"];
    assert_eq!((&entry["identitytoken"], &entry["auth"]), (&json!("T"), &json!(STANDARD.encode("me:"))));
    assert_eq!(stored(&scope, &Registries::default(), &home.options).unwrap(), Some(token));
}

#[test]
fn registry_names() {
    for (text, want) in [
        ("quay.io", "quay.io"),
        ("quay.io/a/b/", "quay.io/a/b"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("localhost:5000", "localhost:5000"),
        ("docker.io", "docker.io"),
    ] {
        assert_eq!(Scope::parse(text).unwrap().to_string(), want, "{text}");
    }
    for bad in ["", "quay.io/a:b", "a b", "quay.io//x", "nodots", "x@y"] {
        assert!(Scope::parse(bad).is_err(), "{bad}");
    }
}
