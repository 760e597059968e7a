//! `coracle build`.

mod common;

use common::{Ran, TestEnv, fixtures};
use std::os::unix::fs::PermissionsExt;

#[test]
fn check_prints_warnings_with_their_place() {
    let env = TestEnv::new();
    env.file("ok/Dockerfile", "FROM scratch\nCMD [\"/x\"]\n");
    let _ = env.sh("build --check ok").success().prints("Check complete, no warnings found.\n");
    env.file("bad/Containerfile", "FROM scratch as base\nENV TOKEN=$NOPE\n");
    let _ = env
        .sh("image build --check bad")
        .code(1)
        .has("Check complete, 3 warnings have been found!")
        .has("WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/")
        .has("Containerfile:1\n--------------------\n   1 | >>> FROM scratch as base\n")
        .has("Usage of undefined variable '$NOPE'");
    let _ = env.sh("buildx build --check -f bad/Containerfile bad").code(1).has("SecretsUsedInArgOrEnv");
    let out = env.run_with_stdin(["builder", "build", "--check", "-"], b"FROM scratch\nRUM x\n");
    let out = out.code(125);
    for part in ["coracle: -:2: unknown instruction: RUM", "did you mean RUN?", "   2 | >>> RUM x"] {
        assert!(out.stderr.contains(part), "{out}");
    }
    let _ =
        env.run_with_stdin(["build", "--check", "--build-arg", "V=1", "-f", "-", "ok"], b"ARG V\nFROM x:$V\n").code(1);
    let _ = env.sh("build --check none").fails(125, &["none"]);
    env.file("ignored/Dockerfile", "FROM scratch\nCOPY secret /\n");
    env.file("ignored/.dockerignore", "secret\n");
    let _ = env.sh("build --check ignored").code(1).has("CopyIgnoredFile");
}

/// Builds `dockerfile` in the directory `c` of the test; the image is called `made`.
#[track_caller]
fn build(env: &TestEnv, dockerfile: &str, flags: &str) -> Ran {
    env.file("c/Dockerfile", dockerfile);
    env.sh(&format!("build -t made {flags} c"))
}

/// Runs a shell script in the image `made`.
#[track_caller]
fn made(env: &TestEnv, script: &str) -> String {
    env.run(["run", "--rm", "--network", "none", "made", "sh", "-c", script]).success().stdout.clone()
}

#[test]
fn stages_arguments_and_configuration() {
    let env = busybox_env!();
    env.file("c/src/a.txt", "text\n");
    let text = "ARG BASE=busybox\nFROM $BASE AS one\nARG WHO=world\nWORKDIR /work\nCOPY src src\nRUN echo hello $WHO > out && cat src/a.txt >> out\n\
        FROM busybox AS unused\nRUN exit 9\n\
        FROM one AS two\nRUN echo $WHO >> out\n\
        FROM $BASE\nENV A=1 B=\"x y\"\nCOPY --from=two /work/out /out\nLABEL l=$A\nUSER app\nEXPOSE 80\nVOLUME /v\nHEALTHCHECK --retries=2 CMD true\nENTRYPOINT [\"cat\"]\nCMD [\"/out\"]\n";
    let out = build(&env, text, "--build-arg WHO=you --label extra=yes").success();
    assert_eq!(out.stdout.trim().len(), 64, "{out}");
    env.sh("run --rm --network none made").success().prints("hello you\ntext\nyou\n");
    let i = env.sh("image inspect made").success().json()[0].take();
    let config = &i["Config"];
    assert_eq!(config["Labels"]["l"], "1");
    assert_eq!(config["Labels"]["extra"], "yes");
    assert_eq!(config["User"], "app");
    assert_eq!(config["Env"].as_array().unwrap().iter().filter(|e| *e == "B=x y").count(), 1);
    assert_eq!(config["Healthcheck"]["Retries"], 2);
    // The base's layer and that of COPY.
    assert_eq!(i["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    // As docker: the name is on its hub, and another target.
    let _ = build(&env, text, "--target two -q --iidfile id").success();
    assert_eq!(std::fs::read_to_string(env.path("id")).unwrap().len(), 71);
    assert_eq!(made(&env, "cat /work/out"), "hello world\ntext\nworld\n");
}

#[test]
fn the_same_inputs_give_the_same_image() {
    let env = busybox_env!();
    env.file("c/d/f", "one\n");
    let text = "FROM busybox\nCOPY d /d\nRUN date > /dev/null; mkdir /made; echo x > /made/y; touch -d @5 /made/old; rm -r /home/app\nWORKDIR /w/x\n";
    let first = build(&env, text, "").success().line();
    let touch = |secs: u64| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(secs);
        std::fs::File::options().write(true).open(env.path("c/d/f")).unwrap().set_modified(time).unwrap();
    };
    touch(1_000_000_000);
    assert_eq!(build(&env, text, "--no-cache").success().line(), first, "without the cache");
    assert_eq!(build(&env, text, "").success().line(), first, "from the cache");
    let other = TestEnv::new().with_busybox();
    other.file("c/d/f", "one\n");
    assert_eq!(build(&other, text, "").success().line(), first, "in another store");
    let at = build(&env, text, "--timestamp 1234567890").success().line();
    assert_ne!(at, first);
    assert_eq!(
        made(&env, "stat -c %Y /made/y /made/old /d/f /w/x; ls /home"),
        "1234567890\n5\n1234567890\n1234567890\n"
    );
    assert_eq!(env.sh("image inspect made").success().json()[0]["Created"], "2009-02-13T23:31:30Z");
}

/// Root, an ordinary user, one with a single id; other places, habits and file systems.
#[test]
fn users_and_machines_make_the_same_image() {
    need!("unshare", "tar");
    let env = busybox_env!();
    let files = |dir: &str| {
        env.file(&format!("{dir}/tree/a"), "a\n");
        env.file(&format!("{dir}/tree/z/b"), "b\n");
        fixtures::sh(&env.path(dir), "umask 022; chmod 751 tree/z; ln -s a tree/link; printf 'z\n.x*' > .dockerignore");
        env.file(
            &format!("{dir}/Dockerfile"),
            "FROM busybox AS one\nRUN seq 9 > /one; echo $HOME $PATH $TZ $LANG $(hostname) > /who; umask >> /who\nFROM busybox\n\
             ARG TARGETARCH\nCOPY tree /t\nCOPY --chown=33:44 --chmod=640 tree/a /own/a\nCOPY --from=one /one /who /\nADD tree.tar.gz /\n\
             WORKDIR /w/x\nRUN mkdir -p d/e && ln /one d/hard && mkfifo d/p && chmod 2750 d && rm /home/app -r; echo $TARGETARCH > d/f\nLABEL b=2 a=1\nUSER app\n",
        );
        fixtures::sh(&env.path(dir), "tar --owner=7 --group=8 --mtime=@9 --sort=name -C tree -czf tree.tar.gz a z");
    };
    files("c");
    files("elsewhere/deep");
    let load = format!("$c load -qi {} >/dev/null", fixtures::busybox().display());
    let c = |store: &str| {
        let (binary, store) = (common::binary(), env.path(store));
        let (binary, store) = (binary.display(), store.display());
        format!("c='{binary} --root {store} --runroot {store}-run'; {load};")
    };
    let build = "$c build --network none -q";
    let run = |mut command: std::process::Command| env.finish(&mut command, b"").success().line();
    let plain = |script: String| {
        let mut command = env.program("sh");
        command.args(["-euc", &script]);
        command
    };
    let want = run(plain(format!("{} {build} c", c("own"))));
    let mut found = vec![
        (
            "in another place, one stage at a time",
            run(plain(format!("{} cd elsewhere/deep; {build} --jobs 1 .", c("place")))),
        ),
        (
            "with other habits",
            run(plain(format!(
                "umask 077; export TZ=Asia/Tokyo LANG=de_DE.UTF-8 LC_ALL=C HOME=/nowhere PATH=$PATH:/x; {} {build} c",
                c("habits")
            ))),
        ),
        ("from a tar", run(plain(format!("{} tar -C c --owner=5 --mode=u+rw -cf - . | {build} -", c("tar"))))),
        ("by root", run(env.as_mapped_root(&format!("{} {build} c; rm -rf root", c("root"))))),
    ];
    if !common::is_root() {
        // No file system but FUSE's; the user's own id, and no other.
        let script = format!("{} {build} c", c("one"));
        let mut one = env.program("unshare");
        one.args(["--user", "--map-current-user", "sh", "-euc", &script]);
        found.push(("with one id", run(one)));
    }
    for (how, id) in found {
        assert_eq!(id, want, "{how}");
    }
}

#[test]
fn options_that_change_the_image() {
    let env = busybox_env!();
    env.file("args", "# values\nA=file\nB = x y\n");
    let text = "FROM nowhere\nARG A B\nRUN echo \"$A$B\" > /args\nRUN --network=host true\nENV KEEP=1\nLABEL own=1\n";
    let flags = "--from busybox --build-arg-file args --build-arg A=given --allow network.host --env SET=2 --env KEEP=3 --pull-never";
    build(&env, text, flags).success();
    assert_eq!(made(&env, "cat /args; echo $SET$KEEP"), "given x y\n23\n");
    let labels = |flags: &str| {
        build(&env, "FROM busybox\nLABEL own=1\n", flags).success();
        env.sh("image inspect made --format '{{json .Config.Labels}}'").success().line()
    };
    assert_eq!(labels("--inherit-labels=false"), r#"{"own":"1"}"#);
    assert_eq!(labels(""), r#"{"made-by":"umoci","own":"1"}"#);
    build(&env, "FROM busybox\nRUN test ! -s /etc/hosts && id -G > /groups\n", "--no-hosts --group-add 77").success();
    assert_eq!(made(&env, "cat /groups"), "0 77\n");
    let mut command = env.command(["build", "--http-proxy=false", "-t", "made", "c"]);
    env.file("c/Dockerfile", "FROM busybox\nRUN test -z \"$http_proxy\"\n");
    let _ = env.finish(command.env("http_proxy", "http://proxy"), b"").success();
    let _ = env.sh("build --no-cache -t made c").success();
    let mut command = env.command(["build", "-t", "made", "c"]);
    assert_eq!(env.finish(command.env("http_proxy", "http://proxy").arg("--no-cache"), b"").code, 1);
    let out = env.sh("build --call check c").success();
    assert!(out.stdout.starts_with("Check complete"), "{out}");
    env.sh("build --provenance=false --sbom=false -q c").success();
    let _ = env.sh("build --sbom=true c").fails(125, &["--sbom", "attestations"]);
    // What is told goes to a file; what went wrong is told here, too.
    let out = build(&env, "FROM busybox\nRUN echo said\n", "--no-cache --omit-history --logfile log").success();
    assert_eq!(out.stderr, "");
    assert!(std::fs::read_to_string(env.path("log")).unwrap().contains("said"));
    let config = std::fs::read_to_string(env.root().join("blobs/sha256").join(out.line())).unwrap();
    assert!(config.contains("rootfs") && !config.contains("created_by"), "{config}");
    assert_eq!(env.sh("run --rm --network none made echo runs").success().stdout, "runs\n");
    let out = build(&env, "FROM busybox\nRUN echo no; exit 9\n", "--logfile log").code(9);
    assert!(out.stderr.contains("exit code: 9") && !out.stderr.contains("DONE"), "{out}");
    let _ = build(&env, "FROM busybox\n", "--logfile no/such").fails(125, &["no/such"]);
}

#[test]
fn results_are_found_again() {
    let env = busybox_env!();
    env.file("c/used", "1");
    env.file("c/unused", "1");
    let text = "FROM busybox\nARG V=1\nRUN echo first\nCOPY used /\nRUN echo second $V\n";
    let cached = |flags: &str, text: &str| {
        let out = build(&env, text, &format!("--progress plain {flags}")).success();
        out.stderr.matches(" CACHED\n").count()
    };
    assert_eq!(cached("", text), 0);
    assert_eq!(cached("", text), 3);
    env.file("c/unused", "2");
    assert_eq!(cached("", text), 3, "a file that nothing uses");
    env.file("c/used", "2");
    assert_eq!(cached("", text), 1, "after another content");
    env.file("c/used", "1");
    assert_eq!(cached("", text), 3, "the first content is known still");
    // The first RUN changes no file, so that COPY finds the same below it.
    assert_eq!(cached("--build-arg V=2", text), 1, "arguments are part of the environment");
    assert_eq!(cached("--no-cache", text), 0);
    // What an image no longer holds is still there for the next build.
    env.sh("rmi -f made").success();
    assert_eq!(cached("", text), 3);
    // A result whose blob is gone is made again.
    for blob in std::fs::read_dir(env.root().join("blobs/sha256")).unwrap().flatten() {
        if blob.metadata().unwrap().len() < 20_000 && std::fs::read(blob.path()).unwrap()[0] != b'{' {
            std::fs::remove_file(blob.path()).unwrap();
        }
    }
    env.sh("rmi -f made").success();
    assert!(cached("", text) < 3);
}

#[test]
fn failures_show_the_place_the_output_and_the_code() {
    let env = busybox_env!();
    let out = build(&env, "FROM busybox\nRUN echo some output; echo more >&2; \\\n  exit 7\n", "").code(7);
    for part in
        ["   2 | >>> RUN echo", "   3 | >>>   exit 7", "some output", "more", "Dockerfile:2: process", "exit code: 7"]
    {
        assert!(out.stderr.contains(part), "{part}: {out}");
    }
    assert_eq!(out.stdout, "");
    for (text, want) in [
        ("FROM busybox\nCOPY nope /\n", "\"/nope\": not found"),
        ("FROM nosuch.invalid/x\n", "nosuch.invalid"),
        ("FROM busybox\nRUN --mount=type=secret,id=s,required x\n", "--secret id=s"),
        ("FROM busybox\nRUN --network=host true\n", "--network host"),
        ("FROM busybox\nADD https://example.invalid/x /\n", "example.invalid"),
        ("FROM busybox\nCOPY --chown=nobodyknows Dockerfile /\n", "nobodyknows"),
        ("FROM busybox\nRUN [\"/no/such\"]\n", "/no/such"),
        ("FROM busybox\nUSER nouser\nRUN true\n", "nouser"),
    ] {
        let out = build(&env, text, "--pull=never");
        assert!(out.code != 0 && out.stderr.contains(want), "{text}: {out}");
        assert!(out.stderr.contains("Dockerfile:"), "{text}: {out}");
    }
    // Nothing is left of any of them.
    assert!(std::fs::read_dir(env.root().join("tmp")).unwrap().next().is_none());
    let _ = env.sh("image exists made").code(1);
}

#[test]
fn what_is_meant_is_guessed() {
    let env = busybox_env!();
    env.file("c/app.py", "x");
    env.file("c/src/Main.go", "x");
    for (text, want) in [
        (
            "FROM busybox\nCOPY ap.py /\n",
            "Dockerfile:2: copy ap.py: find \"/ap.py\": not found (hint: did you mean app.py?)",
        ),
        ("FROM busybox\nCOPY sr/main.go /\n", "not found\n"),
        ("FROM busybox\nCOPY src/main.go /\n", "did you mean src/Main.go?"),
        ("FROM busybox\nADD scr/Main.go /\n", "did you mean src/Main.go?"),
        ("ARG V\nFROM busybox:$V\n", "Dockerfile:2: busybox:$V is 'busybox:' here"),
        ("FROM busybox:${V}\n", "--build-arg V="),
        ("FROM busybox AS builder\nFROM busybox\nCOPY --from=bulider /x /\n", "did you mean the stage builder?"),
        ("FROM busybox AS a\nCOPY --from=a /x /\n", "can't copy from itself"),
        ("FROM busybox AS a\nCOPY --from=b /x /\nFROM busybox AS b\nCOPY --from=a /x /\n", "in line 3: put it before"),
        ("FROM busybox\nFROM busybox\nRUN --mount=from=7,target=/x true\n", "from stage 7: there is none"),
        ("", "Dockerfile:1: the Dockerfile has no stages"),
    ] {
        let out = build(&env, text, "--pull=never");
        assert!(out.code != 0 && out.stderr.contains(want), "{text}: {out}");
    }
}

#[test]
fn contexts_from_standard_input_and_git() {
    let env = busybox_env!();
    let dockerfile = b"FROM busybox\nRUN echo alone > /x\nCOPY <<E /y\nhere\nE\n";
    env.run_with_stdin(["build", "-q", "-t", "made", "-"], dockerfile).success();
    assert_eq!(made(&env, "cat /x /y"), "alone\nhere\n");
    env.file("c/f", "in a tar\n");
    env.file("c/Dockerfile", "FROM busybox\nCOPY f /f\n");
    fixtures::sh(&env.dir, "tar -C c -czf c.tgz .");
    let tar = std::fs::read(env.path("c.tgz")).unwrap();
    env.run_with_stdin(["build", "-q", "-t", "made", "-"], &tar).success();
    assert_eq!(made(&env, "cat /f"), "in a tar\n");
    env.run_with_stdin(["build", "-q", "-t", "made", "-f", "-", "c"], b"FROM busybox\nCOPY f /g\n").success();
    assert_eq!(made(&env, "cat /g"), "in a tar\n");
    need!("git");
    fixtures::sh(
        &env.dir,
        "export HOME=. && git init -q r && mkdir r/sub && cp c/Dockerfile c/f r/sub && cd r && git add . &&
         git -c user.name=x -c user.email=x@x commit -qm x && git tag v1 && echo later > sub/f &&
         git -c user.name=x -c user.email=x@x commit -qam y",
    );
    let url = format!("file://{}", env.path("r").display());
    env.run(["build", "-q", "-t", "made", &format!("{url}#v1:sub")]).success();
    assert_eq!(made(&env, "cat /f"), "in a tar\n");
    env.run(["build", "-q", "-t", "made", &format!("{url}#:sub")]).success();
    assert_eq!(made(&env, "cat /f"), "later\n");
    let out = env.run(["build", &format!("{url}#:nope")]);
    assert!(out.code != 0 && out.stderr.contains("nope"), "{out}");
    // The same said by queries.
    env.run(["build", "-q", "-t", "made", &format!("{url}?tag=v1&subdir=sub")]).success();
    assert_eq!(made(&env, "cat /f"), "in a tar\n");
    let commit = env.finish(env.program("git").args(["-C", "r", "rev-parse", "v1"]), b"").success().line();
    env.run(["build", "-q", "-t", "made", &format!("{url}?ref=refs/tags/v1&commit={}&subdir=sub", &commit[..12])])
        .success();
    let named = format!("--build-context r={url}?tag=v1&keep-git-dir=true&commit={commit}");
    let _ = build(&env, "FROM busybox\nCOPY --from=r . /r\n", &named).success();
    assert_eq!(made(&env, "cat /r/sub/f; test -d /r/.git && echo kept"), "in a tar\nkept\n");
    for (query, want) in [("?tag=v1&commit=0123456789", "not 0123456789"), ("?tagg=v1", "the query 'tagg' is unknown")]
    {
        let out = env.run(["build", &format!("{url}{query}")]);
        assert!(out.code != 0 && out.stderr.contains(want), "{out}");
    }
}

#[test]
fn files_come_out_instead_of_an_image() {
    let env = busybox_env!();
    env.file("c/f", "content\n");
    let text = "FROM busybox AS b\nRUN mkdir /o && echo made > /o/m && chmod 750 /o/m && ln -s m /o/l\nFROM scratch\nCOPY --from=b /o /\nCOPY --chmod=600 f /d/\n";
    let out = build(&env, text, "-o out").success();
    assert_eq!(out.stdout, "");
    assert_eq!(std::fs::read_to_string(env.path("out/m")).unwrap(), "made\n");
    assert_eq!(std::fs::read_link(env.path("out/l")).unwrap().to_str(), Some("m"));
    assert_eq!(std::fs::metadata(env.path("out/m")).unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(std::fs::metadata(env.path("out/d/f")).unwrap().permissions().mode() & 0o777, 0o600);
    let out = build(&env, text, "-o type=tar,dest=-").success();
    std::fs::write(env.path("o.tar"), &out.stdout_bytes).unwrap();
    fixtures::sh(&env.dir, "tar -tf o.tar | sort | tr '\\n' ' ' > list");
    let list = std::fs::read_to_string(env.path("list")).unwrap();
    assert!(list.contains("d/f") && list.contains(" m "), "{list}");
    let _ = env.sh("image exists made").code(1);
    let _ = build(&env, text, "").success();
    let path = env.sh("image inspect --format '{{.Config.Env}}' made").success();
    assert!(path.stdout.contains("PATH=/usr/local/sbin:"), "{path}");
}

#[test]
fn squashing_makes_one_layer() {
    let env = busybox_env!();
    let text = "FROM busybox\nRUN echo a > /a; echo b > /b\nRUN rm /a; rm /etc/group; echo c > /c\n";
    let layers = |flags: &str| {
        let _ = build(&env, text, flags).success();
        assert_eq!(made(&env, "cat /b /c; ls /a /etc/group 2>/dev/null; true"), "b\nc\n");
        env.sh("image inspect made").success().json()[0]["RootFS"]["Layers"].as_array().unwrap().len()
    };
    assert_eq!((layers(""), layers("--squash"), layers("--squash-all")), (3, 2, 1));
}

#[test]
fn the_cache_can_be_listed_and_emptied() {
    let env = busybox_env!();
    let text = "FROM busybox\nRUN --mount=type=cache,target=/c echo x | tee /x > /c/y\n";
    build(&env, text, "").success();
    let du = env.sh("buildx du").success();
    assert!(du.stdout.contains("RUN --mount") && du.stdout.contains("mount"), "{du}");
    env.sh("builder prune -f").success().prints("");
    env.sh("rmi made").success();
    env.sh("builder prune -f --filter until=1h").success().prints("");
    assert_eq!(env.sh("builder prune -f").success().stdout.lines().count(), 1);
    assert_eq!(env.sh("builder prune -fa").success().stdout.lines().count(), 1);
    assert!(std::fs::read_dir(env.root().join("build/mounts")).unwrap().next().is_none());
    let _ = build(&env, text, "").success();
    let more = env.sh("builder du --verbose").success();
    assert!(more.stdout.contains("exec.cachemount") && more.stdout.contains("Total:"), "{more}");
    env.sh("rmi made").success();
    // Enough room for all of it, then for nothing but what was used last.
    env.sh("builder prune -fa --keep-storage 1g").success().prints("");
    env.sh("builder prune -fa --max-used-space 1g --min-free-space 1k").success().prints("");
    assert_eq!(env.sh("builder prune -f --reserved-space 0").success().stdout.lines().count(), 1);
    env.sh("system prune -f --build").success();
    env.sh("builder du --format '{{.ID}}'").success().prints("");
    env.sh("rmi busybox").success();
    assert_eq!(std::fs::read_dir(env.root().join("blobs/sha256")).unwrap().count(), 0, "blobs stay");
    assert_eq!(std::fs::read_dir(env.root().join("layers")).unwrap().count(), 0, "layers stay");
}
