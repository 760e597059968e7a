//! Dockerfiles as they are in the world (tests/dockerfiles), built by buildah too: the images are compared entry by
//! entry and setting by setting. Every difference is listed where it is to be expected, with its reason.
//!
//! A file there is a context in sections `-- NAME --`, each a file, after a line on what it is about. Not files are:
//! `setup`, a script run in the context; `base`, the prepared image that it builds on; `parent`, a Dockerfile whose
//! image is called `parent`; `flags` for both; `context` and `theirs`, what each is given in the place of the
//! directory (`HERE`); `edit`, what sed does to the Dockerfile for buildah; `differences`, what is expected to differ.

mod common;

use common::{TestEnv, fixtures, source};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command};

/// What buildah leaves in an image after RUN: places that it mounts something at. Ours leaves nothing of the kind.
const MOUNT_POINTS: [&str; 10] = [
    "/dev",
    "/proc",
    "/sys",
    "/run",
    "/run/secrets",
    "/run/lock",
    "/etc",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/hostname",
];

struct Kind {
    name: String,
    sections: BTreeMap<String, String>,
}

impl Kind {
    fn read(name: &str) -> Kind {
        let text = std::fs::read_to_string(source().join(format!("tests/dockerfiles/{name}.txt"))).unwrap();
        let mut sections = BTreeMap::new();
        let mut last = None;
        for line in text.split_inclusive('\n') {
            let title = line.trim_end().strip_prefix("-- ").and_then(|l| l.strip_suffix(" --"));
            match (title, &last) {
                (Some(title), _) => {
                    assert!(sections.insert(title.to_string(), String::new()).is_none(), "{name}: {title} twice");
                    last = Some(title.to_string());
                }
                (None, Some(title)) => sections.get_mut(title).unwrap().push_str(line),
                (None, None) => {}
            }
        }
        Kind { name: name.into(), sections }
    }

    fn get(&self, section: &str) -> &str {
        self.sections.get(section).map_or("", |text| text.trim())
    }

    /// The context, in `dir` of the test's directory.
    fn write(&self, env: &TestEnv, dir: &str) {
        let special = ["setup", "base", "parent", "flags", "context", "theirs", "edit", "differences"];
        for (name, text) in self.sections.iter().filter(|(name, _)| !special.contains(&name.as_str())) {
            env.file(&format!("{dir}/{name}"), text);
        }
        if self.sections.contains_key("parent") {
            env.file(&format!("{dir}/parent.Dockerfile"), &self.sections["parent"]);
        }
        fixtures::sh(&env.path(dir), &format!("umask 022; {}", self.get("setup")));
        if let Some(edit) = self.sections.get("edit") {
            env.file("edit", edit);
            fixtures::sh(&env.path(dir), "sed -f ../../edit Dockerfile > Dockerfile.theirs; ! cmp -s Dockerfile*");
        }
    }
}

/// buildah with a store of its own.
struct Peer<'e> {
    env: &'e TestEnv,
    agent: Option<(Child, std::path::PathBuf)>,
}

impl Peer<'_> {
    fn in_dir(&self, mut command: Command, dir: &str) -> Command {
        command.current_dir(self.env.path(dir));
        if let Some((_, socket)) = &self.agent {
            command.env("SSH_AUTH_SOCK", socket);
        }
        command
    }

    fn run(&self, dir: &str, args: &[&str]) -> common::Output {
        let mut command = self.in_dir(self.env.program("buildah"), dir);
        command.arg("--root").arg(self.env.path("p")).arg("--runroot").arg(self.env.path("run/p"));
        // The others want a helper, or a network of their own.
        command.args(["--storage-driver", "overlay"]).env("BUILDAH_ISOLATION", "chroot").args(args);
        self.env.finish(&mut command, b"").success()
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.agent {
            let _ = child.kill();
            let _ = child.wait();
        }
        let mut command = self.env.program("buildah");
        command.args(["unshare", "rm", "-rf", "p"]).current_dir(&self.env.dir);
        let _ = self.env.finish(&mut command, b"");
    }
}

/// Builds the kinds with both and gives how the results differ otherwise than expected.
fn differences(env: &TestEnv, bases: &[&str], kinds: &[&str]) -> Vec<String> {
    let mut peer = Peer { env, agent: None };
    for base in bases {
        let archive = if *base == "busybox" { Some(fixtures::busybox()) } else { fixtures::prepared(base) };
        let _ = peer.run("", &["pull", "-q", &format!("oci-archive:{}", archive.unwrap().display())]);
    }
    let mut wrong = Vec::new();
    for name in kinds {
        let kind = Kind::read(name);
        // Several kinds have a directory beside their context.
        let dir = format!("{name}/c");
        kind.write(env, &dir);
        if kind.name == "ssh" {
            let socket = env.path("agent");
            let mut agent = env.program("ssh-agent");
            peer.agent = Some((
                agent.arg("-D").arg("-a").arg(&socket).stdout(std::process::Stdio::null()).spawn().unwrap(),
                socket.clone(),
            ));
            common::eventually("the agent listens", 10, || socket.exists());
            let mut add = peer.in_dir(env.program("ssh-add"), &dir);
            let _ = env.finish(add.args(["-q", "key"]), b"").success();
        }
        let ours = |args: &[&str]| {
            let mut command = peer.in_dir(env.bare(), &dir);
            env.finish(command.arg("build").args(["--network", "none", "-q"]).args(args), b"").success()
        };
        let theirs = |args: &[&str]| {
            // In chroot isolation there is no network of one's own.
            let common = ["build", "--network", "host", "--format", "docker", "--identity-label=false", "-q"];
            peer.run(&dir, &[&common[..], args].concat())
        };
        if kind.sections.contains_key("parent") {
            let args = ["-t", "localhost/parent", "-f", "parent.Dockerfile", "."];
            let _ = (ours(&args), theirs(&args));
            env.sh("image exists localhost/parent").success();
        }
        let flags: Vec<&str> = kind.get("flags").split_whitespace().collect();
        let or = |section: &str| if kind.get(section).is_empty() { "." } else { kind.get(section) }.to_string();
        let (mine, other) = (or("context").replace("HERE", env.path(&dir).to_str().unwrap()), or("theirs"));
        let file =
            if env.path(&dir).join("Dockerfile.theirs").exists() { vec!["-f", "Dockerfile.theirs"] } else { vec![] };
        let _ = ours(&[&flags[..], &["-o", "type=docker,dest=../ours.tar", &mine]].concat());
        let _ = theirs(&[&flags[..], &file, &["-t", "made", &other]].concat());
        let _ = peer.run(&dir, &["push", "-q", "made", "docker-archive:../theirs.tar"]);
        let mut compare = env.program("python3");
        compare.arg(source().join("tests/common/compare.py")).args(["ours.tar", "theirs.tar"]);
        let found = env.finish(compare.current_dir(env.path(name)), b"").success().stdout;
        let usual = |line: &&str| line.strip_prefix("only theirs: ").is_some_and(|path| MOUNT_POINTS.contains(&path));
        let found: BTreeSet<String> = found.lines().filter(|line| !usual(line)).map(str::to_string).collect();
        let reason = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let expected: BTreeSet<String> = kind.get("differences").lines().filter(reason).map(str::to_string).collect();
        wrong.extend(found.difference(&expected).map(|line| format!("{name}: {line}")));
        wrong.extend(expected.difference(&found).map(|line| format!("{name}: no longer: {line}")));
        let _ = std::fs::remove_file(env.path(name).join("ours.tar"));
        let _ = std::fs::remove_file(env.path(name).join("theirs.tar"));
    }
    wrong
}

fn check(env: &TestEnv, bases: &[&str], kinds: &[&str]) {
    let wrong = differences(env, bases, kinds);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn programs_of_several_stages() {
    let env = busybox_env!();
    need!("buildah", "python3", "git", "ssh-agent");
    check(&env, &["busybox"], &["go", "rust", "node", "python", "java", "static-site", "distroless", "c-heredoc"]);
}

#[test]
fn files_contexts_and_secrets() {
    let env = busybox_env!();
    need!("buildah", "python3", "git", "ssh-agent");
    check(&env, &["busybox"], &["ignore", "git", "secrets", "ssh", "context", "redis", "escape", "ruby"]);
}

#[test]
fn settings_and_deletions() {
    let env = busybox_env!();
    need!("buildah", "python3");
    check(&env, &["busybox"], &["onbuild", "labels", "shell", "deletions"]);
}

#[test]
fn services_of_debian() {
    let env = prepared_env!("services.tar");
    need!("buildah", "python3");
    check(&env, &["services.tar"], &["nginx", "postgres"]);
}

#[test]
fn users_of_debian() {
    let env = prepared_env!("debian.tar");
    need!("buildah", "python3");
    check(&env, &["debian.tar"], &["users", "php"]);
}

/// A file that no test names is not tested.
#[test]
fn all_files_are_built() {
    let this = std::fs::read_to_string(source().join("tests/build_peers.rs")).unwrap();
    let files = std::fs::read_dir(source().join("tests/dockerfiles")).unwrap().flatten();
    let names: Vec<String> = files.map(|f| f.path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert!(names.len() >= 20);
    for name in names {
        assert!(this.contains(&format!("\"{name}\"")), "{name}");
    }
}
