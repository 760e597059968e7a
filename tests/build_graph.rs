//! Stages at the same time, and how a build shows itself.

mod common;

use common::pty::Pty;
use common::{eventually, leaks};
use std::collections::BTreeSet;

/// Two stages that wait for each other can only end when they run at once.
const MEET: &str = "FROM busybox AS one\nRUN --mount=type=cache,target=/m,id=meet touch /m/one; n=0; while [ ! -e /m/two ]; do n=$((n+1)); [ $n -lt 600 ] || exit 7; sleep 0.1; done; echo 1 > /one\n\
    FROM busybox AS two\nRUN --mount=type=cache,target=/m,id=meet touch /m/two; n=0; while [ ! -e /m/one ]; do n=$((n+1)); [ $n -lt 600 ] || exit 7; sleep 0.1; done; echo 2 > /two\n\
    FROM busybox AS unused\nRUN exit 9\n\
    FROM busybox\nCOPY --from=one /one /\nCOPY --from=two /two /\nRUN cat /one /two > /both\n";

#[test]
fn independent_stages_run_at_once() {
    let env = busybox_env!();
    env.file("c/Dockerfile", MEET);
    let out = env.sh("build --network none --jobs 2 -t made c").success();
    assert!(!out.stderr.contains("unused"), "{out}");
    env.sh("run --rm --network none made cat /both").success().prints("1\n2\n");
    // The same steps one after the other, from the cache, make the same image.
    let again = env.sh("build --network none --jobs 1 c").success();
    assert_eq!(again.stdout, out.stdout);
    assert_eq!(again.stderr.matches(" CACHED\n").count(), 5, "{again}");
}

#[test]
fn one_job_builds_stages_in_order() {
    let env = busybox_env!();
    env.file(
        "c/Dockerfile",
        "FROM busybox AS a\nRUN echo step-a\nFROM busybox AS b\nRUN echo step-b\nFROM a\nCOPY --from=b /etc/passwd /p\nRUN echo step-c\n",
    );
    let out = env.sh("build --network none --jobs 1 c").success();
    let places: Vec<usize> = ["] FROM", " step-a\n", " step-b\n", "] COPY", " step-c\n"]
        .iter()
        .map(|w| out.stderr.find(w).unwrap())
        .collect();
    assert!(places.is_sorted(), "{out}");
    assert_eq!(env.sh("build --network none --no-cache --jobs 0 c").success().stdout, out.stdout);
    let _ = env.sh("build --jobs x c").fails(125, &["--jobs"]);
}

#[test]
fn equal_steps_of_parallel_stages_are_done_once() {
    let env = busybox_env!();
    let steps = "RUN --mount=type=cache,target=/m,id=count echo x >> /m/all; sleep 0.3; date +%N%s > /made\n";
    let text = format!(
        "FROM busybox AS one\n{steps}FROM busybox AS two\n{steps}FROM busybox\nCOPY --from=one /made /1\nCOPY --from=two /made /2\nRUN --mount=type=cache,target=/m,id=count cat /m/all > /all; cmp /1 /2\n"
    );
    env.file("c/Dockerfile", text);
    for count in 1..3 {
        let _ = env.sh("build --network none --no-cache --jobs 4 -t made c").success();
        env.sh("run --rm --network none made cat /all").success().prints(&"x\n".repeat(count));
    }
}

#[test]
fn the_first_failure_ends_the_other_stages() {
    let env = busybox_env!();
    env.file(
        "c/Dockerfile",
        "FROM busybox AS slow\nRUN --mount=type=cache,target=/m,id=m touch /m/here; sleep 500\n\
         FROM busybox AS bad\nRUN --mount=type=cache,target=/m,id=m <<EOF\nwhile [ ! -e /m/here ]; do sleep 0.1; done\necho the reason\nexit 3\nEOF\n\
         FROM busybox\nCOPY --from=slow / /\nCOPY --from=bad / /\n",
    );
    for flags in ["", "--progress rawjson", "-q"] {
        let out = env.sh(&format!("build --network none --jobs 4 {flags} c")).code(3);
        let parts = ["coracle: Dockerfile:4: ", "   4 | >>> RUN --mount=type=cache", "   8 | >>> EOF\n"];
        for part in parts {
            assert_eq!(out.stderr.matches(part).count(), 1, "{flags} {part} {out}");
        }
        assert!(out.stderr.contains(" the reason\n------\n"), "{out}");
        assert_eq!(out.stderr.matches("CANCELED").count(), usize::from(flags.is_empty()), "{out}");
        assert!(leaks::processes(&env.root()).is_empty());
        let left: Vec<_> = std::fs::read_dir(env.root().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn interrupted_builds_leave_nothing() {
    let env = busybox_env!();
    env.file(
        "c/Dockerfile",
        "FROM busybox AS a\nRUN echo done\nRUN echo waiting-$((1+0))a; sleep 500\nFROM busybox AS b\nRUN trap '' INT TERM; echo waiting-$((1+1))b; sleep 500\nFROM a\nCOPY --from=b / /\n",
    );
    let mut terminal =
        Pty::spawn(env.command(["build", "--network", "none", "--jobs", "2", "--progress", "plain", "c"]));
    eventually("both steps run", 60, || {
        let screen = terminal.screen();
        screen.contains("waiting-1a") && screen.contains("waiting-2b")
    });
    terminal.send("\x03");
    let (code, text) = terminal.end();
    assert_eq!(code, 130, "{text}");
    assert!(text.contains("interrupted"), "{text}");
    assert!(leaks::processes(&env.root()).is_empty());
    assert_eq!(std::fs::read_dir(env.root().join("tmp")).unwrap().count(), 0);
    // What was done is there for the next one.
    env.file("c/Dockerfile", "FROM busybox AS a\nRUN echo done\n");
    let _ = env.sh("build --network none c").success().err_has("CACHED");
}

#[test]
fn a_terminal_shows_steps_while_they_run() {
    let env = busybox_env!();
    env.file(
        "c/Dockerfile",
        "FROM busybox\nRUN echo first\nRUN --mount=type=cache,target=/m,id=m printf '\\033[2J\\033]0;x\\007steering\\n'; while [ ! -e /m/go ]; do sleep 0.1; done\n",
    );
    let _ = env.sh("build --network none --target 0 -t x c --progress tty").fails(125, &["--progress tty", "plain"]);
    let mut command = env.command(["build", "--network", "none", "c"]);
    command.env("TERM", "xterm").env_remove("CI").env_remove("NO_COLOR").env_remove("BUILDKIT_PROGRESS");
    let mut terminal = Pty::sized(command, 12, 60);
    let _ = terminal.expect(" => => # steering");
    terminal.resize(5, 40);
    let _ = terminal.expect("/3)");
    env.file("go/Dockerfile", "FROM busybox\nRUN --mount=type=cache,target=/m,id=m touch /m/go\n");
    let _ = env.sh("build --network none go").success();
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("(3/3) FINISHED"), "{text}");
    assert!(!text.contains("\x1b[2J") && !text.contains("\x1b]0;"), "{text:?}");
    // Without colours it is alive still.
    let mut command = env.command(["build", "--network", "none", "c"]);
    command.env("TERM", "xterm").env("NO_COLOR", "1").env_remove("CI").env_remove("BUILDKIT_PROGRESS");
    let (_, text) = Pty::sized(command, 12, 60).end();
    assert!(text.contains(" => CACHED [2/3] RUN echo first") && !text.contains("\x1b[3"), "{text:?}");
    // As lines where somebody asks for them.
    let mut command = env.command(["build", "--network", "none", "c"]);
    command.env("TERM", "xterm").env("BUILDKIT_PROGRESS", "plain").env_remove("CI");
    let (_, text) = Pty::sized(command, 12, 60).end();
    assert!(text.contains("#2 CACHED") && !text.contains('\x1b'), "{text:?}");
}

#[test]
fn raw_json_is_that_of_buildkit() {
    let env = busybox_env!();
    env.file("c/Dockerfile", "FROM busybox\nRUN echo out; echo err >&2\n");
    let out = env.sh("build --network none --progress rawjson c").success();
    let all: Vec<serde_json::Value> = out.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let vertexes: Vec<&serde_json::Value> = all.iter().filter_map(|v| v["vertexes"].get(0)).collect();
    let names: BTreeSet<&str> = vertexes.iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["[1/2] FROM busybox", "[2/2] RUN echo out; echo err >&2"]);
    assert!(vertexes.iter().filter(|v| v.get("completed").is_some()).count() == 2, "{out}");
    let mut logs: Vec<String> =
        all.iter().filter_map(|v| v["logs"].get(0)).map(|l| format!("{} {}", l["stream"], l["data"])).collect();
    logs.sort();
    assert_eq!(logs, ["1 \"b3V0Cg==\"", "2 \"ZXJyCg==\""]);
}

#[test]
fn a_build_that_is_killed_takes_its_processes_along() {
    let env = busybox_env!();
    env.file(
        "c/Dockerfile",
        "FROM busybox AS a\nRUN --mount=type=cache,target=/m,id=m touch /m/a; sleep 500\nFROM busybox AS b\nRUN --mount=type=cache,target=/m,id=m while [ ! -e /m/a ]; do sleep 0.1; done; touch /m/b; sleep 500\nFROM a\nCOPY --from=b / /\n",
    );
    let mut child = env.spawn(["build", "--network", "none", "--jobs", "2", "c"]);
    let caches = env.root().join("build/mounts");
    let there = |name: &str| {
        let all = std::fs::read_dir(&caches).into_iter().flatten().flatten();
        all.into_iter().any(|dir| dir.path().join("data").join(name).exists())
    };
    eventually("both steps run", 60, || there("a") && there("b"));
    child.kill().unwrap();
    let _ = child.wait();
    eventually("nothing is left", 20, || leaks::processes(&env.root()).is_empty());
    // What the steps left goes with the next build, which finds the base image and nothing half-done.
    env.file("c/Dockerfile", "FROM busybox\nRUN true\n");
    let _ = env.sh("build --network none c").success();
}

#[test]
fn a_shell_opens_in_what_a_failed_step_left() {
    let env = busybox_env!();
    env.file(
        "c/Dockerfile",
        "FROM busybox\nENV COLOUR=blue\nWORKDIR /work\nUSER app\nRUN --mount=type=tmpfs,target=/scratch echo made > /tmp/file; exit 4\n",
    );
    let _ = env.sh("build --network none --debug-shell c").fails(125, &["--debug-shell", "terminal"]);
    for style in ["plain", "tty"] {
        let mut command = env.command(["build", "--network", "none", "--debug-shell", "--progress", style, "c"]);
        command.env("TERM", "xterm");
        let mut terminal = Pty::sized(command, 24, 80);
        let _ = terminal.expect("exit code: 4");
        let _ = terminal.expect("A shell in the failed step");
        let _ = terminal.expect("$ ");
        terminal
            .line("echo [$COLOUR $(pwd) $(id -un) $(cat /tmp/file) $(grep -c ' /scratch ' /proc/mounts)]; stty size");
        let _ = terminal.expect("[blue /work app made 1]");
        let _ = terminal.expect("24 80");
        terminal.line("exit 7");
        let (code, text) = terminal.end();
        assert_eq!(code, 4, "{text}");
        assert_eq!(text.matches(">>> RUN").count(), 1, "{text}");
        assert!(leaks::processes(&env.root()).is_empty());
        assert_eq!(std::fs::read_dir(env.root().join("tmp")).unwrap().count(), 0);
    }
    // A build that goes well needs none.
    env.file("c/Dockerfile", "FROM busybox\nRUN true\n");
    let mut command = env.command(["build", "--network", "none", "--debug-shell", "c"]);
    command.env("TERM", "xterm");
    assert_eq!(Pty::sized(command, 24, 80).end().0, 0);
}

#[test]
fn verify_tells_what_differs() {
    let env = busybox_env!();
    env.file("c/f", "x\n");
    env.file("c/Dockerfile", "FROM busybox\nCOPY f /\nRUN mkdir /d; date > /dev/null; echo y > /d/y\n");
    let out = env.sh("build --network none --verify -t made c").success().err_has("Verified: two builds gave the same");
    env.sh("image inspect made").success().has(&out.line());
    let count = "RUN --mount=type=cache,target=/m,id=count echo x >> /m/all; n=$(wc -l < /m/all);";
    env.file(
        "c/Dockerfile",
        format!("FROM busybox\nCOPY f /\n{count} echo $n > /content; touch /only$n; touch /own /mode; chown $n /own; chmod 60$n /mode; touch -d @$n /time\n"),
    );
    let out = env.sh("build --network none --verify -t made c").code(125);
    for line in [
        "layer 3: /content: content (RUN ",
        "layer 3: /only1: only the first build has it",
        "layer 3: /only2: only the second build has it",
        "layer 3: /own: owner 1:0 → 2:0 (",
        "layer 3: /mode: mode 0601 → 0602 (",
        "layer 3: /time: time 1970-01-01T00:00:01Z → 1970-01-01T00:00:02Z (",
        "the second one differs in 6 places",
    ] {
        assert!(out.stderr.contains(line), "{line} {out}");
    }
}
