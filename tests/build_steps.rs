//! COPY, ADD and RUN of `coracle build`, instruction by instruction.

mod common;

use common::{TestEnv, fixtures};

/// Builds `FROM busybox` with these instructions and prints what `script` says in the image.
#[track_caller]
fn after(env: &TestEnv, instructions: &str, flags: &str, script: &str) -> String {
    env.file("c/Dockerfile", format!("FROM busybox\n{instructions}\n"));
    env.sh(&format!("build -q -t made {flags} c")).success();
    env.run(["run", "--rm", "--network", "none", "-u", "0", "made", "sh", "-c", script]).success().stdout.clone()
}

#[track_caller]
fn fails(env: &TestEnv, instructions: &str, want: &str) {
    env.file("c/Dockerfile", format!("FROM busybox\n{instructions}\n"));
    let out = env.sh("build -q c");
    assert!(out.code != 0 && out.stderr.contains(want), "{instructions}: {out}");
}

fn files(env: &TestEnv) {
    for (name, text) in
        [("a.txt", "a"), ("b.txt", "b"), ("d/x", "x"), ("d/e/y.o", "y"), ("d/e/z", "z"), ("skip/s", "s")]
    {
        env.file(&format!("c/{name}"), format!("{text}\n"));
    }
    fixtures::sh(
        &env.path("c"),
        "ln -s x d/link; ln -s a.txt toa; chmod 750 d/e; chmod 600 d/x; chmod 644 a.txt b.txt d/e/*",
    );
}

#[test]
fn destinations() {
    let env = busybox_env!();
    files(&env);
    for (copy, path) in [
        ("COPY a.txt /new", "/new"),
        ("COPY a.txt /new/", "/new/a.txt"),
        ("COPY a.txt /tmp", "/tmp/a.txt"),
        ("WORKDIR /w\nCOPY a.txt .", "/w/a.txt"),
        ("WORKDIR /w\nCOPY a.txt ./x/../y", "/w/y"),
        ("COPY ./../../a.txt /up", "/up"),
        ("COPY toa /through", "/through"),
        ("COPY [\"a.txt\", \"/with blank\"]", "/with blank"),
        ("RUN ln -s /var/lib /l && ln -s nowhere /var/gone\nCOPY a.txt /l/x\nCOPY a.txt /var/gone", "/var/lib/x"),
        ("RUN ln -s ../../../.. /var/top\nCOPY a.txt /var/top/x", "/x"),
    ] {
        assert_eq!(after(&env, copy, "", &format!("cat '{path}'")), "a\n", "{copy}");
    }
    assert_eq!(after(&env, "RUN ln -s nowhere /var/gone\nCOPY a.txt /var/gone", "", "cat /var/nowhere"), "a\n");
    // A directory's content, not itself; a link in the stage to a directory stays one.
    let got = after(
        &env,
        "RUN ln -s tmp /t\nCOPY d /t\nCOPY d /n",
        "",
        "find /t/ /n ! -type d | sort; readlink /t; readlink /n/link; stat -c %a /n /n/e /n/x",
    );
    assert_eq!(got, "/n/e/y.o\n/n/e/z\n/n/link\n/n/x\n/t/e/y.o\n/t/e/z\n/t/link\n/t/x\ntmp\nx\n755\n750\n600\n");
    fails(&env, "COPY a.txt b.txt /x", "must be a directory and end with a /");
    fails(&env, "COPY a.txt /etc/passwd/x", "/etc/passwd");
}

#[test]
fn patterns_and_exclusions() {
    let env = busybox_env!();
    files(&env);
    let list = "cd /o && find . ! -type d | sort | tr '\\n' ' '";
    for (copy, want) in [
        ("COPY *.txt /o/", "./a.txt ./b.txt "),
        ("COPY [ab].t?t d/* /o/", "./a.txt ./b.txt ./link ./x ./y.o ./z "),
        ("COPY --exclude=*.o --exclude=e/z d /o", "./e/y.o ./link ./x "),
        ("COPY --exclude=**/*.o d /o", "./e/z ./link ./x "),
        ("COPY --parents d/e/z ./d/x /o/", "./d/e/z ./d/x "),
        ("COPY --parents d/./e /o", "./e/y.o ./e/z "),
        ("COPY --parents **/*.o *.txt /o/", "./a.txt ./b.txt ./d/e/y.o "),
    ] {
        // What is a link in the source is copied as what it leads to, when it is named itself.
        assert_eq!(after(&env, copy, "", list), want, "{copy}");
    }
    env.file("c/.dockerignore", "*\n!d\nd/e/*.o\n!a.txt\n");
    assert_eq!(after(&env, "COPY . /o", "", list), "./a.txt ./d/e/z ./d/link ./d/x ");
    fails(&env, "COPY b.txt /", "ignore");
    env.file("c/.dockerignore", "**/e\n!**/z\n");
    assert_eq!(after(&env, "COPY d /o", "", list), "./e/z ./link ./x ");
    std::fs::remove_file(env.path("c/.dockerignore")).unwrap();
}

#[test]
fn owners_and_modes() {
    let env = busybox_env!();
    files(&env);
    let stat = "stat -c '%u:%g %a' /o/x /o/e";
    for (flags, want) in [
        ("", "0:0 600\n0:0 750\n"),
        ("--chown=app", "1000:1000 600\n1000:1000 750\n"),
        ("--chown=7", "7:7 600\n7:7 750\n"),
        ("--chown=app:extra", "1000:2000 600\n1000:2000 750\n"),
        ("--chown=:8", "0:8 600\n0:8 750\n"),
        ("--chown=:extra", "0:2000 600\n0:2000 750\n"),
        ("--chown=5:6 --chmod=4711", "5:6 4711\n5:6 4711\n"),
        ("--chmod=u=rwX,go=rX", "0:0 644\n0:0 755\n"),
    ] {
        assert_eq!(after(&env, &format!("COPY {flags} d /o"), "", stat), want, "{flags}");
    }
    // From a stage owners stay, and hard links.
    let text = "RUN mkdir /s && echo x > /s/x && ln /s/x /s/y && mkdir /s/e && chown -R 33:34 /s\nFROM busybox\nCOPY --from=0 /s /o";
    assert_eq!(after(&env, text, "", "stat -c '%u:%g %h' /o/x"), "33:34 2\n");
    assert_eq!(after(&env, "USER app\nWORKDIR /home/app/w", "", "stat -c %u:%g /home/app/w"), "1000:1000\n");
}

#[test]
fn archives_are_unpacked_by_add_alone() {
    let env = busybox_env!();
    files(&env);
    fixtures::sh(
        &env.path("c"),
        "tar -cf p.tar d a.txt; gzip -k p.tar; bzip2 -k p.tar; xz -k p.tar; zstd -q p.tar; gzip -c a.txt > plain.gz",
    );
    for name in ["p.tar", "p.tar.gz", "p.tar.bz2", "p.tar.xz", "p.tar.zst"] {
        let got = after(&env, &format!("ADD {name} /o"), "", "cat /o/a.txt /o/d/e/z; stat -c %a /o/d/x");
        assert_eq!(got, "a\nz\n600\n", "{name}");
    }
    assert_eq!(after(&env, "ADD plain.gz a.txt /o/\nCOPY p.tar /o/", "", "ls /o"), "a.txt\np.tar\nplain.gz\n");
    assert_eq!(after(&env, "RUN ln -s /tmp /o\nADD --chown=3:4 p.tar /o", "", "stat -c %u:%g /tmp/a.txt"), "3:4\n");
    // An archive that wants out stays in.
    fixtures::sh(&env.path("c"), "tar -P -cf evil.tar --transform 's,a.txt,../../evil,' a.txt");
    fails(&env, "ADD evil.tar /o/", "leaves the destination");
}

#[test]
fn mounts_of_run() {
    let env = busybox_env!();
    files(&env);
    env.file("key", "very secret");
    let got = after(
        &env,
        "RUN mkdir /m && echo stage > /m/f\nFROM busybox\n\
         RUN --mount=target=/ctx --mount=source=d/x,target=/one --mount=from=0,source=/m,target=/s,rw \
         cat /ctx/a.txt /one /s/f > /o && echo w > /s/f && ! touch /ctx/new 2>/dev/null\n\
         RUN --mount=from=0,source=/m/f,target=/s cat /s >> /o",
        "",
        "cat /o; ls -d /ctx /one /s 2>&1 | wc -l; ls /ctx 2>/dev/null; true",
    );
    assert_eq!(got, "a\nx\nstage\nstage\n3\n");
    // Secrets are seen by the step and by nothing else.
    let got = after(
        &env,
        "RUN --mount=type=secret,id=k --mount=type=secret,id=k,target=/etc/k,mode=0440,uid=1000 --mount=type=secret,id=k,env=K \
         cat /run/secrets/k > /o && stat -c %u:%a /etc/k >> /o && test \"$K\" = \"$(cat /etc/k)\"\nRUN ls /etc/k /run/secrets >> /o 2>&1; true",
        "--secret id=k,src=key",
        "sed s/very.secret// /o; cat /etc/k /run/secrets/k 2>/dev/null; true",
    );
    assert!(got.starts_with("1000:440\n") && !got.contains("secret\n"), "{got}");
    let history = env.sh("history --no-trunc made").success();
    assert!(!history.stdout.contains("very secret"), "{history}");
    // Caches stay, and are not in the image.
    let text =
        "RUN --mount=type=cache,target=/cache,id=c echo $(cat /cache/n 2>/dev/null)x > /cache/n; cp /cache/n /o; echo ";
    assert_eq!(after(&env, &format!("{text}1"), "", "cat /o; ls -d /cache 2>/dev/null | wc -l"), "x\n0\n");
    assert_eq!(after(&env, &format!("{text}2"), "", "cat /o"), "xx\n");
    assert_eq!(
        after(
            &env,
            "RUN --mount=type=tmpfs,target=/t,size=1m echo x > /t/x && df /t | tail -1 | tr -s ' ' | cut -d' ' -f2 > /o",
            "",
            "cat /o; ls /t 2>/dev/null; true"
        ),
        "1024\n"
    );
    fails(&env, "RUN --mount=type=cache,target=/c,from=busybox true", "not supported");
}

#[test]
fn here_documents_and_shells() {
    let env = busybox_env!();
    files(&env);
    let got = after(
        &env,
        "RUN <<E\nset -e\nX=1\necho shell $X > /o\nE\nRUN <<'S'\n#!/bin/cat\nscript\nS\nRUN cat <<A >> /o && cat <<B >> /o\nfirst\nA\nsecond\nB\nSHELL [\"/bin/sh\", \"-xec\"]\nRUN echo other >> /o",
        "",
        "cat /o; ls /dev/pipes 2>/dev/null; true",
    );
    assert_eq!(got, "shell 1\nfirst\nsecond\nother\n");
}

#[test]
fn onbuild_runs_in_the_next_image_only() {
    let env = busybox_env!();
    files(&env);
    env.file("c/Dockerfile", "FROM busybox\nONBUILD COPY a.txt /trig\nONBUILD RUN echo more >> /trig\n");
    env.sh("build -q -t parent c").success();
    env.file("c/Dockerfile", "FROM parent\nRUN echo own >> /trig\n");
    env.sh("build -q -t child c").success();
    env.sh("run --rm --network none child cat /trig").success().prints("a\nmore\nown\n");
    let i = env.sh("image inspect child").success().json()[0].take();
    assert!(i["Config"]["OnBuild"].as_array().is_none_or(|l| l.is_empty()), "{i}");
}

#[test]
fn named_contexts_stand_for_images_and_directories() {
    let env = busybox_env!();
    env.file("other/f", "other\n");
    env.file("c/Dockerfile", "FROM base\nCOPY --from=files f /f\nRUN --mount=from=files,target=/m cat /m/f >> /f\n");
    env.sh("build -q -t made --build-context base=docker-image://busybox --build-context files=other c").success();
    env.sh("run --rm --network none made cat /f").success().prints("other\nother\n");
}

/// Answers each request with the file `text`; its address.
fn serve(text: &'static [u8]) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let n = stream.read(&mut request).unwrap_or(0);
            let found = !String::from_utf8_lossy(&request[..n]).starts_with("GET /missing");
            let (status, body) = if found { ("200 OK", text) } else { ("404 Not Found", &b""[..]) };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    address
}

#[test]
fn remote_sources() {
    let env = busybox_env!();
    files(&env);
    let url = serve(b"remote\n");
    let stat = "cat /d/f.txt; stat -c '%a %Y' /d/f.txt";
    assert_eq!(after(&env, &format!("ADD {url}/x/f.txt?y /d/"), "", stat), "remote\n600 1000000000\n");
    let sum = "sha256:da41d7d4df4dce34e65c62b2ac8fa4c8e7bcc1d71c71d1e3d0dd8b2c24a5fdb4";
    fails(&env, &format!("ADD --checksum={sum} {url}/f /x"), "its checksum is sha256:");
    fails(&env, &format!("ADD {url}/missing /x"), "status 404");
    fails(&env, &format!("ADD {url}/ /x/"), "ends with none");
    fails(&env, "ADD --checksum=sha256:00 a.txt /x", "no addresses");
    // A Dockerfile at an address.
    let url = serve(b"FROM busybox\nRUN echo fetched > /f\n");
    env.run(["build", "-q", "-t", "made", &format!("{url}/Dockerfile")]).success();
    env.sh("run --rm --network none made cat /f").success().prints("fetched\n");
}

#[test]
fn named_contexts_take_the_place_of_images_stages_and_directories() {
    let env = busybox_env!();
    need!("skopeo", "umoci", "git", "python3");
    // An image in a layout, by tag, by digest, and alone.
    env.file("c/Dockerfile", "FROM busybox\nRUN echo layout > /who\n");
    env.sh("build -q -t app:v1 -o type=oci,dest=dir,tar=false c").success();
    let build = |text: &str, flags: &str| {
        env.file("c/Dockerfile", text);
        env.sh(&format!("build -q -t made {flags} c"))
    };
    let made =
        |script: &str| env.run(["run", "--rm", "--network=none", "made", "sh", "-c", script]).success().stdout.clone();
    let index = std::fs::read_to_string(env.path("dir/index.json")).unwrap();
    let digest = &index[index.find("sha256:").unwrap()..][..71];
    for place in ["dir:v1".to_string(), "dir".to_string(), format!("dir@{digest}")] {
        build("FROM x\nCOPY --from=debian:12 /who /copied\n", &format!("--build-context x=oci-layout://{place} --build-context docker.io/library/debian:12=oci-layout://{place}")).success();
        assert_eq!(made("cat /who /copied"), "layout\nlayout\n", "{place}");
    }
    assert!(build("FROM x\n", "--build-context x=oci-layout://dir:v2").code != 0);
    // A stage that is there already, built elsewhere; its own steps would fail.
    env.file("out/tool", "tool\n");
    env.file("out/skip", "skip\n");
    env.file("out/.dockerignore", "skip\n");
    let text = "FROM busybox AS tools\nRUN exit 7\nFROM busybox\nCOPY --from=tools /tool /tool\nRUN --mount=from=tools,target=/t ls /t > /list\n";
    build(text, "--build-context tools=out").success();
    assert_eq!(made("cat /tool /list"), "tool\ntool\n");
    let out = build(text, "--build-context tools=docker-image://localhost/busybox");
    assert!(out.code != 0 && out.stderr.contains("\"/tool\": not found"), "{out}");
    // A directory as base.
    let out = build("FROM base\nCOPY Dockerfile /d\n", "--build-context base=out -o files");
    assert_eq!(out.success().stdout, "");
    assert!(env.path("files/tool").exists() && env.path("files/d").exists() && !env.path("files/skip").exists());
    // From git, and a tar from the web.
    fixtures::sh(
        &env.dir,
        "export HOME=. && git init -q r && cp out/tool r && cd r && git add . && git -c user.name=x -c user.email=x@x commit -qm x",
    );
    let url = format!("file://{}", env.path("r").display());
    build("FROM busybox\nCOPY --from=src . /src\n", &format!("--build-context src={url}")).success();
    assert_eq!(made("ls -A /src"), "tool\n");
    for (context, want) in
        [("x=none", "none"), ("x=s3://a", "not supported"), ("x", "NAME=CONTEXT"), ("x=oci-layout://out", "oci-layout")]
    {
        let out = build("FROM x\n", &format!("--build-context {context}"));
        assert!(out.code == 125 && out.stderr.contains(want), "{context}: {out}");
    }
}

#[test]
fn with_one_id_installers_run_to_their_end() {
    let env = busybox_env!();
    if common::is_root() {
        return;
    }
    let text = "FROM busybox\nRUN touch /f && chown 33:44 /f && chown -h app /f && stat -c %u:%g /f\nUSER app\nRUN id -u; test -w /etc\n";
    env.file("c/Dockerfile", text);
    // The user's own id, and no other.
    let load = format!("load -q -i {}", fixtures::busybox().display());
    let run = |words: &str| {
        let mut command = env.program("unshare");
        command.args(["--user", "--map-current-user"]).arg(common::binary());
        command.arg("--root").arg(env.path("one")).arg("--runroot").arg(env.path("one-run"));
        env.finish(command.args(shlex::split(words).unwrap()), b"")
    };
    run(&load).success();
    let out = run("build --network none --progress plain -t made c").success();
    assert!(out.stderr.contains("one id only") && out.stderr.contains("0:0"), "{out}");
    // Containers are told the truth.
    let out = run("run --rm --network none made sh -c 'chown 33 /f'");
    assert!(out.code != 0, "{out}");
}

#[test]
fn things_of_the_host_in_run() {
    let env = busybox_env!();
    env.file("host/f", "from the host\n");
    let run = "RUN cat /given/deep/f; echo x > /given/deep/g 2>/dev/null; head -c 3 /dev/mine | wc -c; grep search /etc/resolv.conf";
    let flags = "--network none -v ./host:/given/deep:ro --device /dev/zero:/dev/mine --dns-search example.test";
    env.file(
        "c/Dockerfile",
        format!("FROM busybox\nENV GONE=1 STAYS=2\nLABEL out=1 in=2\n{run}\nRUN echo file > /made\n"),
    );
    let out = env.sh(&format!("build --progress plain -t made --unsetenv GONE --unsetlabel out {flags} c")).success();
    for want in ["from the host", " 3\n", "example.test"] {
        assert!(out.stderr.contains(want), "{want}: {out}");
    }
    assert!(!env.path("host/g").exists());
    // Neither the files nor their mount points are in the image.
    env.sh("run --rm --network none made ls -d /given").code(1);
    let config = env.run(["image", "inspect", "made"]).success().json()[0]["Config"].clone();
    assert_eq!(config["Labels"]["in"], "2");
    assert!(config["Labels"]["out"].is_null(), "{config}");
    let words = config["Env"].to_string();
    assert!(words.contains("STAYS=2") && !words.contains("GONE"), "{words}");
    // An overlay keeps what is written from the host.
    env.file("c/Dockerfile", "FROM busybox\nRUN echo mine > /v/f; cat /v/f\n");
    env.sh("build -q --network none -v ./host:/v:O c").success();
    assert_eq!(std::fs::read_to_string(env.path("host/f")).unwrap(), "from the host\n");
    // A limit is set, or it is said why not.
    env.file("c/Dockerfile", "FROM busybox\nRUN cat /sys/fs/cgroup/memory.max || true\n");
    let out = env.sh("build --no-cache --network none --progress plain --memory 64m c").success();
    assert!(out.stderr.contains("67108864") || out.stderr.contains("memory"), "{out}");
    for (flags, word) in [
        ("--cgroup-parent /x", "cgroup-parent"),
        ("-v name:/x", "no volumes"),
        ("-v ./nosuch:/x", "nosuch"),
        ("--memory lots", "lots"),
        ("--device /nosuch", "nosuch"),
    ] {
        let out = env.sh(&format!("build --no-cache --network none {flags} c"));
        assert!(out.code != 0 && out.stderr.contains(word), "{flags}: {out}");
    }
}

#[test]
fn secrets_are_nowhere_afterwards() {
    let env = busybox_env!();
    // Not in the Dockerfile either: the text of a step is no secret.
    let (file, value) = ("k3-file-secret-88", "k3-value-secret-99");
    env.file("s", file);
    env.file("v", value);
    let text = "RUN --mount=type=secret,id=s,required --mount=type=secret,id=s,target=/deep/er/x,mode=0444,uid=5 --mount=type=secret,id=v,env=TOKEN \\\n sha256sum /run/secrets/s /deep/er/x | cut -c1-64 | uniq > /sum && echo -n $TOKEN | wc -c >> /sum && stat -c '%a %u' /deep/er/x >> /sum\nRUN ls -d /deep /run/secrets >> /sum 2>/dev/null; env | grep TOKEN >> /sum; true";
    let got = after(&env, text, "--secret id=s,src=s --secret id=v,src=v", "cat /sum");
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(lines[1..], ["18", "444 5"], "{got}");
    // Neither in the store nor in what a blob unpacks to.
    let script = format!(
        "! grep -rqF -e {file} -e {value} {root} && for b in {root}/blobs/sha256/*; do ! gzip -dcf \"$b\" | grep -qF -e {file} -e {value} || exit 1; done",
        root = env.root().display()
    );
    fixtures::sh(&env.dir, &script);
}
