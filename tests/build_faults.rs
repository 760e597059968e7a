//! Builds that are killed, and that run out of disk or network: the next one works and takes what was finished.

mod common;

use common::hostile::{Answer, Hostile, Manner};
use common::{TestEnv, eventually, fixtures, leaks};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

const TEXT: &str = "FROM busybox AS one\nCOPY tree /tree\nRUN echo 1 > /one; sleep 0.05\nRUN cp -r /tree /copy\n\
    FROM busybox AS two\nRUN seq 20000 > /two\nRUN --mount=type=cache,target=/m,id=m touch /m/x; sleep 0.05; echo 2 >> /two\n\
    FROM one\nCOPY --from=two /two /\nWORKDIR /work\nRUN cat /one /two | wc -l > lines\n";

fn context(env: &TestEnv) {
    for n in 0..40 {
        env.file(&format!("c/tree/{}/f{n}", n % 5), "x".repeat(n * 500));
    }
    env.file("c/Dockerfile", TEXT);
}

/// Records of finished steps.
fn finished(env: &TestEnv) -> usize {
    let all = std::fs::read_dir(env.root().join("build")).into_iter().flatten().flatten();
    all.filter(|e| e.path().extension().is_some_and(|x| x == "json")).count()
}

#[test]
fn builds_killed_at_any_moment_go_on_where_they_were() {
    let env = busybox_env!();
    context(&env);
    let clean = busybox_env!();
    context(&clean);
    let want = clean.sh("build --network none c").success().line();
    let mut random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {random}");
    let mut next = |most: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % most
    };
    let mut before = 0;
    for round in 0..12 {
        let mut child = env.spawn(["build", "--network", "none", "--jobs", "3", "c"]);
        std::thread::sleep(Duration::from_millis(u64::from(next(400))));
        // All of them at once, or one that takes the others along.
        let there = leaks::processes(&env.root());
        let one = there.get(next(there.len().max(1) as u32) as usize).map(|(pid, _)| *pid);
        for (pid, _) in &there {
            if round % 2 == 0 || Some(*pid) == one {
                let _ = Pid::from_raw(*pid).map(|pid| kill_process(pid, Signal::KILL));
            }
        }
        let mut done = false;
        eventually("the build ends", 30, || {
            done = done || child.try_wait().unwrap().is_some();
            done && leaks::processes(&env.root()).is_empty()
        });
        let now = finished(&env);
        assert!(now >= before, "round {round}: {now} steps are known, {before} were before");
        before = now;
        if round % 4 == 3 {
            let _ = env.sh("system check").success();
        }
    }
    let out = env.sh("build --network none -t made c").success();
    assert_eq!(out.line(), want, "{out}");
    assert!(out.stderr.matches(" CACHED\n").count() >= before.min(1), "{out}");
    // Files without a maker are swept when they are a minute old.
    let left = || std::fs::read_dir(env.root().join("tmp")).unwrap().flatten().map(|e| e.path()).collect::<Vec<_>>();
    for file in left() {
        assert!(!file.is_dir(), "{}", file.display());
        let old = std::time::SystemTime::now() - Duration::from_secs(120);
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    }
    env.sh("create --name swept busybox").success();
    env.sh("rm swept").success();
    assert_eq!(left(), Vec::<std::path::PathBuf>::new());
    env.sh("run --rm --network none made cat /work/lines").success().prints("20002\n");
    let _ = env.sh("system check").success();
}

#[test]
fn a_full_disk_fails_one_step_only() {
    need!("unshare");
    let env = busybox_env!();
    env.file("c/Dockerfile", "FROM busybox\nRUN echo kept > /kept\nRUN dd if=/dev/urandom of=/big bs=1M count=60\n");
    env.file(
        "small/Dockerfile",
        "FROM busybox\nRUN echo kept > /kept\nRUN dd if=/dev/urandom of=/fits bs=1M count=1\n",
    );
    env.file("copy/Dockerfile", "FROM busybox\nRUN echo kept > /kept\nCOPY big /\n");
    fixtures::sh(&env.dir, "head -c 40000000 /dev/urandom > copy/big");
    let script = r#"
        mkdir disk && mount -t tmpfs -o size=20m small disk
        c() { "$binary" --root disk/data --runroot disk/run "$@"; }
        c load -qi "$image" >/dev/null
        for dir in c copy; do
            code=0; c build --network none --progress plain $dir 2>err || code=$?
            [ $code != 0 ] && grep -qi 'no space' err || { cat err; exit 3; }
            ls -A disk/data/tmp disk/data/trash
        done
        c build --network none --progress plain small 2>err >/dev/null || { cat err; exit 4; }
        grep -c CACHED err
        c system check >/dev/null"#;
    let mut command = env.program("unshare");
    command.arg("--mount");
    if !common::is_root() {
        command.args(["--user", "--map-root-user", "--map-auto", "--setuid", "0", "--setgid", "0"]);
    }
    command.args(["sh", "-euc", script]).env("binary", common::binary()).env("image", fixtures::busybox());
    let out = env.finish(&mut command, b"").success();
    assert_eq!(out.stdout, "disk/data/tmp:\n\ndisk/data/trash:\ndisk/data/tmp:\n\ndisk/data/trash:\n1\n", "{out}");
}

#[test]
fn a_line_that_breaks_costs_one_step_only() {
    let env = busybox_env!();
    let body = vec![b'x'; 300_000];
    let sent = body.clone();
    let server = Hostile::start(move |seen| match seen.before {
        0..3 => Answer::body(200, sent.clone()).manner(Manner::CutAt(100_000)),
        _ => Answer::body(200, sent.clone()),
    });
    env.file(
        "c/Dockerfile",
        format!("FROM busybox\nRUN echo kept > /kept\nADD http://127.0.0.1:{}/file /got\n", server.port),
    );
    let mut failed = 0;
    let out = loop {
        let out = env.sh("build --network none --retry 0 --progress plain -t made c");
        if out.code == 0 {
            break out;
        }
        failed += 1;
        assert!(failed < 5 && out.stderr.contains("Dockerfile:3"), "{out}");
    };
    assert!(failed > 0 && out.stderr.contains("#2 CACHED"), "{failed} {out}");
    env.sh("run --rm --network none made wc -c /got").success().prints("300000 /got\n");
    // A repository that is not there, and one that stays away.
    env.file("c/Dockerfile", "FROM busybox\nRUN echo kept > /kept\nADD http://127.0.0.1:1/x.git /got\n");
    let out = env.sh("build --network none --progress plain c");
    assert!(out.code != 0 && out.stderr.contains("#2 CACHED") && out.stderr.contains("Dockerfile:3"), "{out}");
    assert_eq!(std::fs::read_dir(env.root().join("tmp")).unwrap().count(), 0);
}
