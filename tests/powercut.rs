//! Power cuts: every command that changes the store is ended before each of its file operations in turn, and what it had
//! not synced by then is emptied, as a file system may do. From each such store `system check` finds no damage, the same
//! command succeeds, and containers run.
//!
//! strace(1) does the killing (`inject=…:signal=KILL:when=N`) and tells what was synced. It follows the command's main
//! thread; helpers die with it, and what they write is covered by the syncfs of the main thread or does not count.
//!
//! A sample of the points is tried; `CORACLE_TEST_POWERCUT=all` tries all of them (some minutes).

mod common;

use common::registry::Registry;
use common::{TestEnv, fixtures};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All that changes a file system, and what brings the changes to disk.
const CHANGES: &str = "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,symlinkat,link,linkat,\
                       write,pwrite64,writev,ftruncate,truncate,fchmod,chmod,fchmodat,copy_file_range";
const SYNCS: &str = "fsync,fdatasync,syncfs";

/// A command to be cut.
struct Case {
    name: &'static str,
    /// What the store holds before; made once.
    before: &'static [&'static str],
    /// `ARCHIVE`, `REPOSITORY` and what else [`Lab::words`] knows are filled in.
    command: &'static str,
    /// The same once more: what is done already is no error then.
    again: &'static str,
}

const LOAD: &str = "load -q -i ARCHIVE";
const CASES: &[Case] = &[
    Case { name: "load", before: &[], command: LOAD, again: LOAD },
    Case { name: "pull", before: &[], command: "pull -q REPOSITORY", again: "pull -q REPOSITORY" },
    Case { name: "rmi", before: &[LOAD], command: "rmi box", again: "rmi -i box" },
    Case { name: "tag", before: &[LOAD], command: "tag box other", again: "tag box other" },
    Case {
        name: "prune",
        before: &[LOAD, "run --name old -v /anon box true", "run --rm hello --json"],
        command: "system prune -a -f --volumes",
        again: "system prune -a -f --volumes",
    },
    Case {
        name: "commit",
        before: &[LOAD, "run --name old box touch /new"],
        command: "commit -q old made",
        again: "commit -q old made",
    },
    Case {
        name: "run",
        before: &[LOAD],
        command: "run --name new -v data:/v box true",
        again: "run --replace --name new -v data:/v box true",
    },
    Case {
        name: "run-rm",
        before: &[LOAD],
        command: "run --rm --name new -v /anon box true",
        again: "run --rm --replace --name new -v /anon box true",
    },
    Case { name: "rm", before: &[LOAD, "create --name old box true"], command: "rm old", again: "rm -f old" },
    Case {
        name: "volume",
        before: &[LOAD, "volume create data"],
        command: "volume rm data",
        again: "volume rm -f data",
    },
    Case { name: "save", before: &[LOAD], command: "save -o SAVED box", again: "save -o SAVED box" },
    Case { name: "import", before: &[LOAD], command: "import -q ROOTFS made", again: "import -q ROOTFS made" },
    Case { name: "push", before: &[LOAD], command: "push -q box HOST/pushed:1", again: "push -q box HOST/pushed:1" },
    Case {
        name: "build",
        before: &[LOAD],
        command: "build -q --network none -t made CONTEXT",
        again: "build -q --network none -t made CONTEXT",
    },
    Case {
        name: "login",
        before: &[LOAD],
        command: "login --authfile LOGINS/auth.json -u me -p secret HOST",
        again: "login --authfile LOGINS/auth.json -u me -p secret HOST",
    },
];

/// The logins that are there before.
const LOGINS: &str = r#"{"auths": {"example.com": {"auth": "bWU6b2xk"}}}"#;

struct Lab<'e> {
    env: &'e TestEnv,
    archive: PathBuf,
    repository: String,
}

impl Lab<'_> {
    fn words(&self, line: &str) -> Vec<String> {
        let archive = self.archive.display().to_string();
        let host = self.repository.split('/').next().unwrap_or_default();
        let fill = |word: String| {
            let word = word.replace("ARCHIVE", &archive).replace("REPOSITORY", &self.repository).replace("HOST", host);
            ["SAVED", "ROOTFS", "CONTEXT", "LOGINS"]
                .iter()
                .fold(word, |word, name| word.replace(name, &self.env.path(name).display().to_string()))
        };
        let words = shlex::split(line).unwrap().into_iter();
        words.map(|word| if word == "box" { "busybox".into() } else { fill(word) }).collect()
    }

    /// Makes the store that the cuts of a case begin with, and puts it aside.
    fn template(&self, case: &Case) -> PathBuf {
        let template = self.env.path(&format!("template-{}", case.name));
        self.clear();
        for line in case.before {
            self.env.run(self.words(line)).success();
        }
        self.quiet();
        if self.env.root().exists() {
            fs::rename(self.env.root(), &template).unwrap();
        } else {
            fs::create_dir(&template).unwrap();
        }
        template
    }

    /// Waits for monitors and helpers to end.
    fn quiet(&self) {
        common::eventually("processes of the command end", 30, || {
            !common::leaks::processes(&self.env.root()).iter().any(|(_, what)| what.contains("coracle"))
        });
    }

    fn clear(&self) {
        if self.env.root().exists() {
            common::leaks::remove_tree(&self.env.root());
        }
    }

    fn restore(&self, template: &Path) {
        self.clear();
        let mut copy = self.env.program("unshare");
        copy.args(["--user", "--map-root-user", "--map-auto", "--setuid", "0", "cp", "-a"]);
        self.env.finish(copy.arg(template).arg(self.env.root()), b"").success();
        let _ = fs::remove_file(self.env.path("SAVED"));
        self.env.file("LOGINS/auth.json", LOGINS);
    }

    /// Runs the command under strace, killed before its `cut`-th change; the trace, and whether it was killed.
    fn run(&self, case: &Case, cut: Option<usize>) -> (String, bool) {
        let log = self.env.path("trace");
        let mut strace = self.env.program("strace");
        strace.args(["-y", "-q", "-s", "0", "-e", "signal=none", "-o"]).arg(&log);
        strace.arg("-e").arg(format!("trace={CHANGES},{SYNCS}"));
        if let Some(cut) = cut {
            strace.arg("-e").arg(format!("inject={CHANGES}:signal=KILL:when={cut}"));
        }
        strace.arg(common::binary()).arg("--root").arg(self.env.root()).arg("--runroot").arg(self.env.runroot());
        strace.args(self.words(case.command));
        let out = strace.stdin(std::process::Stdio::null()).output().expect("run strace");
        let trace = fs::read_to_string(&log).unwrap_or_default();
        let killed = trace.contains("killed by SIGKILL")
            || std::os::unix::process::ExitStatusExt::signal(&out.status) == Some(9);
        assert!(killed || out.status.success(), "{}: {}", case.name, String::from_utf8_lossy(&out.stderr));
        (trace, killed)
    }

    /// Whatever the cut left: no damage, the command works, and so do containers.
    fn verify(&self, case: &Case, at: &str) {
        let what = |command: &str| format!("{} cut {at}: {command}", case.name);
        let must = |words: Vec<String>| {
            let out = self.env.run(&words);
            assert!(out.code == 0, "{}\n{out}", what(&words.join(" ")));
        };
        must(self.words("system check"));
        if self.env.path("SAVED").exists() {
            must(self.words("load -q -i SAVED"));
        }
        let logins = fs::read_to_string(self.env.path("LOGINS/auth.json")).unwrap();
        assert!(logins.contains("example.com") && logins.trim_end().ends_with('}'), "{}: {logins}", what("logins"));
        must(self.words("images"));
        must(self.words("ps -a"));
        must(self.words(case.again));
        must(self.words(LOAD));
        must(self.words("run --rm box true"));
        self.quiet();
        must(self.words("system check --repair"));
        must(self.words("system check"));
    }
}

/// What was written and not synced when the trace ended: files, and directories that a helper filled.
fn unsynced(trace: &str, roots: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut dirty: BTreeSet<PathBuf> = BTreeSet::new();
    for line in trace.lines().filter(|line| !line.contains(" = -1 ") && !line.contains("= ?")) {
        let Some((call, rest)) = line.split_once('(') else { continue };
        let first = rest.split(['<', '>']).nth(1).map(PathBuf::from);
        let strings: Vec<PathBuf> = rest.split('"').skip(1).step_by(2).map(PathBuf::from).collect();
        match call {
            "write" | "pwrite64" | "writev" | "ftruncate" | "copy_file_range" => {
                dirty.extend(first.filter(|path| roots.iter().any(|root| path.starts_with(root))));
            }
            "fsync" | "fdatasync" => {
                first.map(|path| dirty.remove(&path));
            }
            "syncfs" => dirty.clear(),
            // The extraction writes below it, unseen.
            "mkdir" | "mkdirat" => {
                let staging =
                    |path: &&PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("layer-"));
                dirty.extend(strings.first().filter(staging).cloned());
            }
            "rename" | "renameat" | "renameat2" if strings.len() == 2 => {
                let moved: Vec<PathBuf> = dirty.iter().filter(|path| path.starts_with(&strings[0])).cloned().collect();
                for path in moved {
                    dirty.remove(&path);
                    let rest = path.strip_prefix(&strings[0]).unwrap();
                    dirty.insert(if rest.as_os_str().is_empty() { strings[1].clone() } else { strings[1].join(rest) });
                }
            }
            _ => {}
        }
    }
    dirty
}

/// Empties the files, or cuts them in half.
fn lose(paths: &BTreeSet<PathBuf>, half: bool) {
    for path in paths {
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_dir() {
            let below = fs::read_dir(path).unwrap().flatten().map(|e| e.path()).collect();
            lose(&below, half);
        } else if meta.is_file() {
            let length = if half { meta.len() / 2 } else { 0 };
            if let Ok(file) = fs::File::options().write(true).open(path) {
                file.set_len(length).unwrap();
            }
        }
    }
}

fn cut_everywhere(cases: &[&str], sample: usize) {
    need!("strace");
    let env = TestEnv::unchecked();
    let Some(registry) = Registry::start(&env.path("registry")) else { skip!("docker-registry is not installed") };
    registry.push(&format!("oci-archive:{}", fixtures::busybox().display()), "busybox:1", &[]);
    env.run(["load", "-q", "-i"].map(Into::into).into_iter().chain([fixtures::busybox().into_os_string()])).success();
    env.sh("create --name whole busybox true").success();
    env.run(["export", "-o", &env.path("ROOTFS").display().to_string(), "whole"]).success();
    env.file("CONTEXT/Dockerfile", "FROM busybox\nRUN echo made > /made\nCOPY Dockerfile /copied\n");
    let lab = Lab { env: &env, archive: fixtures::busybox(), repository: registry.name("busybox:1") };
    let all = std::env::var("CORACLE_TEST_POWERCUT").is_ok_and(|v| v == "all");
    for case in CASES.iter().filter(|case| cases.contains(&case.name)) {
        let template = lab.template(case);
        lab.restore(&template);
        let (whole, _) = lab.run(case, None);
        lab.quiet();
        let is_change = |line: &&str| CHANGES.split(',').any(|call| line.split('(').next() == Some(call));
        let points = whole.lines().filter(is_change).count();
        assert!(points > 0, "{}: nothing is traced\n{whole}", case.name);
        let step = if all { 1 } else { points.div_ceil(sample).max(1) };
        // Another part of the points each time.
        let first = 1 + if all { 0 } else { std::process::id() as usize % step };
        let mut tried = 0;
        for cut in (first..=points + 1).step_by(step) {
            lab.restore(&template);
            let (trace, killed) = lab.run(case, Some(cut));
            lab.quiet();
            lose(&unsynced(&trace, &[env.root(), env.path("LOGINS")]), cut % 2 == 1);
            let last = trace.lines().rev().find(|l| l.contains('(')).unwrap_or_default();
            lab.verify(case, &format!("before change {cut} of {points} (killed: {killed}), after {last}"));
            tried += 1;
        }
        eprintln!("{}: {tried} of {points} points", case.name);
    }
}

#[test]
fn images_survive_power_cuts() {
    cut_everywhere(&["load", "pull", "commit", "tag"], 2);
}

#[test]
fn what_leaves_and_enters_survives_power_cuts() {
    cut_everywhere(&["save", "import", "push", "build", "login"], 2);
}

#[test]
fn removals_survive_power_cuts() {
    cut_everywhere(&["rmi", "prune", "rm", "volume"], 2);
}

#[test]
fn runs_survive_power_cuts() {
    cut_everywhere(&["run", "run-rm"], 3);
}
