//! Builds where the kernel's overlay, or fuse-overlayfs too, can't be had: the same images come out.

mod common;

use common::{Output, TestEnv};

/// Writing to one of several names that an earlier layer made is left out: overlays part them, a copy does not.
const TEXT: &str = r"FROM busybox AS one
COPY f /f
RUN mkdir -p /d/sub && echo 1 > /d/a && ln /d/a /d/b && ln -s a /d/s && echo x > /d/sub/y && mkfifo /d/p && chown -R 7:8 /d && chmod 4755 /d/a && chmod 1777 /d/sub
RUN rm /bin/vi && rm -r /d/sub && mkdir /d/sub && echo z > /d/sub/z
RUN echo more >> /d/b && mv /d/p /d/q && touch /etc/passwd
RUN rm -rf /d && mkdir /d && echo n > /d/n && ls /d
COPY g/ /d/
RUN test ! -e /d/a && test -e /d/h && rm -r /var /home
FROM busybox
COPY --from=one --chown=app:extra /d /dd
RUN --mount=type=bind,from=one,target=/o,rw --mount=type=cache,target=/cache cat /o/f && touch /o/x && mv /dd/n /dd/m && cp -a /o/etc /etc2 && rmdir /tmp && mkdir -m 1777 /tmp
RUN ln /dd/m /dd/l && rm /bin/vi && ln -s m /bin/vi
RUN echo 2 >> /dd/h && rm -rf /etc2
RUN grep ' / ' /proc/mounts >&2
WORKDIR /w/x
";

#[track_caller]
fn coracle(env: &TestEnv, without: &str, words: &str) -> Output {
    env.finish(env.command(words.split(' ')).env("CORACLE_TEST_WITHOUT", without), b"").success()
}

#[test]
fn every_kind_of_root_makes_the_same_image() {
    need!("fuse-overlayfs");
    let mut ids = Vec::new();
    for (without, root) in [("", "overlay"), ("overlay", "fuse"), ("overlay,fuse", "")] {
        let env = busybox_env!();
        env.file("c/Dockerfile", TEXT);
        env.file("c/f", "f\n");
        env.file("c/g/h", "g\n");
        let out = coracle(&env, without, "build --progress plain -t x c");
        let mounted =
            out.stderr.lines().find(|l| l.contains(" / ") && !l.contains("RUN")).unwrap_or_else(|| panic!("{out}"));
        assert!(mounted.contains(root) && (root == "fuse") == mounted.contains("fuse"), "{without}: {mounted}");
        assert!(!out.stderr.contains("left out"), "{out}");
        ids.push(out.line());
        let again = coracle(&env, without, "build --progress plain -t x c");
        assert_eq!(again.stderr.matches(" CACHED\n").count(), 13, "{again}");
        // What is committed there too.
        coracle(&env, without, "run --network none --name made x rm /dd/h /bin/ls");
        let diff = coracle(&env, without, "diff made").stdout;
        assert!(diff.starts_with("C /bin\nD /bin/ls\nC /dd\nD /dd/h\n"), "{without}: {diff}");
        coracle(&env, without, "commit -q made y");
        let words = ["run", "--rm", "--network=none", "y", "sh", "-c", "test ! -e /bin/ls && echo /dd/*"];
        let seen = env.finish(env.command(words).env("CORACLE_TEST_WITHOUT", without), b"").success();
        assert_eq!(seen.stdout, "/dd/l /dd/m\n", "{without}");
        coracle(&env, without, "rm made");
    }
    assert!(ids.windows(2).all(|two| two[0] == two[1]), "{ids:?}");
}
