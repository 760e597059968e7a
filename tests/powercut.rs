//! Power cuts: every command that changes the store is ended before each of its file operations in turn, and what it had
//! not synced by then is emptied, as a file system may do. From each such store `system check` finds no damage, the same
//! command succeeds, and containers run.
//!
//! strace(1) does the killing (`inject=…:signal=KILL:when=N`) and tells what was synced. It follows the command's main
//! thread; helpers die with it, and what they write is covered by the syncfs of the main thread or does not count.
//! Where threads and helpers work beside each other, a number of calls does not tell one moment from another: there all
//! processes are followed, each change is drawn out by a pause, and everything is killed at once after a time. That is
//! done as root of a namespace: a traced newuidmap has no privileges, and there it is not needed.
//!
//! A sample of the points is tried; `CORACLE_TEST_POWERCUT=all` tries all of them (some minutes).

mod common;

use common::hostile::{Hostile, TestImage, tar};
use common::registry::Registry;
use common::{TestEnv, fixtures};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// All that changes a file system, and what brings the changes to disk.
const CHANGES: &str = "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,symlinkat,link,linkat,\
                       write,pwrite64,writev,ftruncate,truncate,fchmod,chmod,fchmodat,copy_file_range";
const SYNCS: &str = "fsync,fdatasync,syncfs";
/// How long each change takes where time tells the moments apart, in microseconds.
const PAUSE: u32 = 2000;

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
    Case { name: "layers", before: &[], command: "pull -q LAYERS", again: "pull -q LAYERS" },
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
    Case {
        name: "create",
        before: &[LOAD],
        command: "create --name new -v data:/v -v /anon box true",
        again: "create --replace --name new -v data:/v -v /anon box true",
    },
    Case { name: "rm", before: &[LOAD, "create --name old box true"], command: "rm old", again: "rm -f old" },
    Case {
        name: "volume",
        before: &[LOAD, "volume create data"],
        command: "volume rm data",
        again: "volume rm -f data",
    },
    Case {
        name: "volume-create",
        before: &[],
        command: "volume create --label a=b data",
        again: "volume create --ignore data",
    },
    Case {
        name: "volume-prune",
        before: &[LOAD, "volume create data", "run --rm -v other:/bin box true", "volume create third"],
        command: "volume prune -a -f",
        again: "volume prune -a -f",
    },
    Case {
        name: "volume-export",
        before: &[LOAD, "run --rm -v data:/bin box true"],
        command: "volume export data -o EXPORTED",
        again: "volume export data -o EXPORTED",
    },
    Case {
        name: "volume-import",
        before: &[LOAD, "volume create data"],
        command: "volume import data ROOTFS",
        again: "volume import data ROOTFS",
    },
    Case {
        name: "volume-merge",
        before: &[LOAD, "run --rm -v data:/v box touch /v/mine"],
        command: "volume import data ROOTFS",
        again: "volume import data ROOTFS",
    },
    Case {
        name: "copy-up",
        before: &[LOAD],
        command: "run --rm -v data:/bin box true",
        again: "run --rm -v data:/bin box true",
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
    /// An image of several layers; it can't be run.
    layers: Hostile,
    /// All is done as root of a namespace with all ids that we may map.
    mapped: bool,
}

/// When a command ends.
#[derive(Clone, Copy)]
enum Cut {
    Never,
    /// Before the main thread's change of this number.
    Change(usize),
    /// After so long; without it as if, and then not.
    Moment(Option<Duration>),
}

impl Lab<'_> {
    fn program(&self, program: impl AsRef<OsStr>) -> Command {
        if !self.mapped {
            return self.env.program(program);
        }
        let mut command = self.env.program("unshare");
        command.args(["--user", "--map-root-user", "--map-auto", "--setuid", "0", "--setgid", "0"]).arg(program);
        command
    }

    fn coracle(&self, words: &[String]) -> common::Ran {
        let mut command = self.program(common::binary());
        command.arg("--root").arg(self.env.root()).arg("--runroot").arg(self.env.runroot());
        self.env.finish(command.args(words), b"")
    }

    fn words(&self, line: &str) -> Vec<String> {
        let archive = self.archive.display().to_string();
        let host = self.repository.split('/').next().unwrap_or_default();
        let fill = |word: String| {
            let word = word.replace("ARCHIVE", &archive).replace("REPOSITORY", &self.repository).replace("HOST", host);
            let word = word.replace("LAYERS", &self.layers.name("x"));
            let word = word.replace("EXPORTED", &self.env.path("out/volume.tar").display().to_string());
            let word = word.replace("SAVED", &self.saved().display().to_string());
            let word = word.replace("OUT", &self.env.path("out").display().to_string());
            ["ROOTFS", "CONTEXT", "LOGINS"]
                .iter()
                .fold(word, |word, name| word.replace(name, &self.env.path(name).display().to_string()))
        };
        let words = shlex::split(line).unwrap().into_iter();
        words.map(|word| if word == "box" { "busybox".into() } else { fill(word) }).collect()
    }

    /// An archive that is there before, and is replaced.
    fn saved(&self) -> PathBuf {
        self.env.path("out/saved.tar")
    }

    /// Makes the store that the cuts of a case begin with, and puts it aside.
    fn template(&self, case: &Case) -> PathBuf {
        let template = self.env.path(&format!("template-{}", case.name));
        self.clear();
        for line in case.before {
            self.coracle(&self.words(line)).success();
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
        self.env.file("out/saved.tar", fs::read(&self.archive).unwrap());
        self.env.file("LOGINS/auth.json", LOGINS);
    }

    /// Runs the command under strace until the cut; the trace, and whether it was killed.
    fn run(&self, case: &Case, cut: Cut) -> (String, bool) {
        let dir = self.env.path("trace");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        let mut strace = self.program("strace");
        strace.args(["-y", "-q", "-ttt", "-s", "0", "-e", "signal=none", "-o"]).arg(dir.join("t"));
        strace.arg("-e").arg(format!("trace={CHANGES},{SYNCS}"));
        match cut {
            Cut::Never => {}
            Cut::Change(n) => drop(strace.arg("-e").arg(format!("inject={CHANGES}:signal=KILL:when={n}"))),
            Cut::Moment(_) => {
                strace.args(["-ff", "-e"]).arg(format!("inject={CHANGES}:delay_exit={PAUSE}"));
            }
        }
        strace.arg(common::binary()).arg("--root").arg(self.env.root()).arg("--runroot").arg(self.env.runroot());
        strace.args(self.words(case.command)).stdin(Stdio::null()).stdout(Stdio::null());
        strace.stderr(fs::File::create(self.env.path("errors")).unwrap());
        let mut child = strace.spawn().expect("run strace");
        let begin = Instant::now();
        let mut killed = false;
        if let Cut::Moment(Some(after)) = cut {
            while begin.elapsed() < after && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            killed = child.try_wait().unwrap().is_none();
            self.kill(&child);
        }
        let status = child.wait().unwrap();
        let trace = merged(&dir);
        killed = killed
            || trace.contains("killed by SIGKILL")
            || std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        let errors = || fs::read_to_string(self.env.path("errors")).unwrap();
        assert!(killed || status.success(), "{}: {}", case.name, errors());
        (trace, killed)
    }

    /// Ends the command with all its threads and helpers; strace last, or they would go on.
    fn kill(&self, strace: &Child) {
        let tracer = format!("TracerPid:\t{}\n", strace.id());
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let traced = fs::read_to_string(entry.path().join("status")).is_ok_and(|s| s.contains(&tracer));
            if let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()).filter(|_| traced)
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        common::leaks::kill_all(&self.env.root());
    }

    /// Whatever the cut left: no damage, the command works, and so do containers.
    fn verify(&self, case: &Case, at: &str) {
        let what = |command: &str| format!("{} cut {at}: {command}", case.name);
        let must = |words: Vec<String>| {
            let out = self.coracle(&words);
            assert!(out.code == 0, "{}\n{out}", what(&words.join(" ")));
        };
        must(self.words("system check"));
        must(self.words("load -q -i SAVED"));
        let logins = fs::read_to_string(self.env.path("LOGINS/auth.json")).unwrap();
        assert!(logins.contains("example.com") && logins.trim_end().ends_with('}'), "{}: {logins}", what("logins"));
        must(self.words("images"));
        must(self.words("ps -a"));
        must(self.words(case.again));
        must(self.words(LOAD));
        must(self.words("run --rm box true"));
        // What the last word was about is whole: all of busybox's programs, all of an archive's files.
        let whole = match case.name {
            "copy-up" => {
                "run --rm -v data:/v box sh -c '/v/busybox --list | while read a; do [ $a = busybox ] || [ -L /v/$a ] || exit 1; done'"
            }
            "volume-export" => {
                "run --rm -v OUT:/o box sh -c 'tar tf /o/volume.tar | grep -q /vi$ && tar xOf /o/volume.tar ./busybox | cmp - /bin/busybox'"
            }
            "volume-import" | "volume-merge" => {
                "run --rm -v data:/v box sh -c 'cmp /v/bin/busybox /bin/busybox && [ -L /v/bin/vi ] && cat /v/etc/passwd /v/var/lib/data/seed'"
            }
            _ => "images",
        };
        must(self.words(whole));
        if case.name == "volume-merge" {
            must(self.words("run --rm -v data:/v box ls /v/mine"));
        }
        self.quiet();
        must(self.words("system check --repair"));
        must(self.words("system check"));
    }
}

/// The traces of all threads in the order of time, without the times.
fn merged(dir: &Path) -> String {
    let files = fs::read_dir(dir).unwrap().flatten();
    let text: String = files.map(|e| fs::read_to_string(e.path()).unwrap() + "\n").collect();
    let mut lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    lines.sort_by_key(|(time, _)| *time);
    lines.into_iter().map(|(_, line)| line.to_string() + "\n").collect()
}

/// What was written and not synced when the trace ended: files, and directories that a helper filled.
fn unsynced(trace: &str, roots: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut dirty: BTreeSet<PathBuf> = BTreeSet::new();
    let mut opened: BTreeMap<String, PathBuf> = BTreeMap::new();
    for line in trace.lines().filter(|line| !line.contains(" = -1 ")) {
        // Cut while it was at it: done or not.
        let unsure = line.contains("= ?");
        let Some((call, rest)) = line.split_once('(') else { continue };
        let first = rest.split(['<', '>']).nth(1).map(PathBuf::from);
        let strings: Vec<PathBuf> = rest.split('"').skip(1).step_by(2).map(PathBuf::from).collect();
        if let (Some(path), Some((fd, _))) = (&first, rest.split_once('<')) {
            opened.insert(format!("/proc/self/fd/{fd}"), path.clone());
        }
        match call {
            // A file without a name gets one.
            "linkat" if strings.len() == 2 => {
                let from = opened.get(&strings[0].display().to_string()).unwrap_or(&strings[0]);
                if dirty.contains(from) {
                    dirty.insert(strings[1].clone());
                }
            }
            "write" | "pwrite64" | "writev" | "ftruncate" | "copy_file_range" => {
                dirty.extend(first.filter(|path| roots.iter().any(|root| path.starts_with(root))));
            }
            "fsync" | "fdatasync" | "syncfs" if unsure => {}
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
                    if !unsure {
                        dirty.remove(&path);
                    }
                    let rest = path.strip_prefix(&strings[0]).unwrap();
                    dirty.insert(if rest.as_os_str().is_empty() { strings[1].clone() } else { strings[1].join(rest) });
                }
            }
            _ => {}
        }
    }
    dirty
}

/// What became of files that were not synced.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    Empty,
    Half,
    /// As long as they were, but with nothing in them.
    Zeros,
}

fn lose(paths: &BTreeSet<PathBuf>, loss: Loss) {
    for path in paths {
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_dir() {
            let below = fs::read_dir(path).unwrap().flatten().map(|e| e.path()).collect();
            lose(&below, loss);
        } else if meta.is_file()
            && let Ok(file) = fs::File::options().write(true).open(path)
        {
            file.set_len(if loss == Loss::Half { meta.len() / 2 } else { 0 }).unwrap();
            if loss == Loss::Zeros {
                file.set_len(meta.len()).unwrap();
            }
        }
    }
}

/// Makes what the commands work with, and hands it to `cut`.
fn laboratory(mapped: bool, cut: impl FnOnce(&Lab<'_>)) {
    need!("strace");
    let env = TestEnv::unchecked();
    let Some(registry) = Registry::start(&env.path("registry")) else { skip!("docker-registry is not installed") };
    registry.push(&format!("oci-archive:{}", fixtures::busybox().display()), "busybox:1", &[]);
    env.run(["load", "-q", "-i"].map(Into::into).into_iter().chain([fixtures::busybox().into_os_string()])).success();
    env.sh("create --name whole busybox true").success();
    env.run(["export", "-o", &env.path("ROOTFS").display().to_string(), "whole"]).success();
    env.file("CONTEXT/Dockerfile", "FROM busybox\nRUN echo made > /made\nCOPY Dockerfile /copied\n");
    let image = TestImage::plain(&["a", "b", "c", "d", "e", "f"].map(|name| tar(name, 400_000)));
    let layers = Hostile::start(move |seen| image.answer(seen));
    cut(&Lab { env: &env, archive: fixtures::busybox(), repository: registry.name("busybox:1"), layers, mapped });
}

fn all() -> bool {
    std::env::var("CORACLE_TEST_POWERCUT").is_ok_and(|v| v == "all")
}

impl Lab<'_> {
    /// Takes what was not synced, and looks at what is left.
    fn after(&self, case: &Case, number: usize, trace: &str, at: &str) {
        self.quiet();
        let loss = [Loss::Empty, Loss::Half, Loss::Zeros][number % 3];
        lose(&unsynced(trace, &[self.env.root(), self.env.path("LOGINS"), self.env.path("out")]), loss);
        let last = trace.lines().rev().find(|l| l.contains('(')).unwrap_or_default();
        self.verify(case, &format!("{at}, after {last}"));
    }
}

fn cut_everywhere(cases: &[&str], sample: usize) {
    laboratory(false, |lab| cases.iter().for_each(|case| cut_changes(lab, case, sample)));
}

fn named(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"))
}

fn cut_changes(lab: &Lab<'_>, name: &str, sample: usize) {
    let case = named(name);
    let template = lab.template(case);
    lab.restore(&template);
    let (whole, _) = lab.run(case, Cut::Never);
    lab.quiet();
    let is_change = |line: &&str| CHANGES.split(',').any(|call| line.split('(').next() == Some(call));
    let points = whole.lines().filter(is_change).count();
    assert!(points > 0, "{}: nothing is traced\n{whole}", case.name);
    let step = if all() { 1 } else { points.div_ceil(sample).max(1) };
    // Another part of the points each time.
    let first = 1 + if all() { 0 } else { std::process::id() as usize % step };
    let mut tried = 0;
    for cut in (first..=points + 1).step_by(step) {
        lab.restore(&template);
        let (trace, killed) = lab.run(case, Cut::Change(cut));
        lab.after(case, cut, &trace, &format!("before change {cut} of {points} (killed: {killed})"));
        tried += 1;
    }
    eprintln!("{}: {tried} of {points} points", case.name);
}

/// All threads and helpers at once, at moments spread over the command's time.
fn cut_moments(lab: &Lab<'_>, name: &str, sample: u32) {
    let case = named(name);
    let template = lab.template(case);
    lab.restore(&template);
    let begin = Instant::now();
    let (whole, _) = lab.run(case, Cut::Moment(None));
    let time = begin.elapsed();
    lab.quiet();
    assert!(whole.contains("write("), "{name}: nothing is traced\n{whole}");
    let count = if all() { 40 } else { sample };
    // Others each time.
    let shift = f64::from(std::process::id() % 100) / 100.0;
    for n in 0..count {
        let moment = time.mul_f64((f64::from(n) + shift) / f64::from(count));
        lab.restore(&template);
        let (trace, killed) = lab.run(case, Cut::Moment(Some(moment)));
        lab.after(case, n as usize, &trace, &format!("after {moment:?} of {time:?} (killed: {killed})"));
    }
    eprintln!("{name}: {count} moments in {time:?}");
}

#[test]
fn threads_and_helpers_survive_power_cuts() {
    laboratory(true, |lab| {
        for (name, sample) in [("layers", 4), ("pull", 2), ("commit", 2), ("build", 2), ("rmi", 1), ("prune", 1)] {
            cut_moments(lab, name, sample);
        }
    });
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
    cut_everywhere(&["rmi", "prune", "rm", "volume", "volume-create"], 2);
}

#[test]
fn volumes_survive_power_cuts() {
    cut_everywhere(&["volume-prune", "volume-export", "volume-import", "copy-up"], 2);
}

#[test]
fn what_fills_volumes_survives_power_cuts() {
    laboratory(true, |lab| {
        for name in ["volume-import", "volume-merge", "copy-up", "volume-export", "volume-prune"] {
            cut_moments(lab, name, 2);
        }
    });
}

#[test]
fn runs_survive_power_cuts() {
    cut_everywhere(&["run", "run-rm", "create"], 3);
}
