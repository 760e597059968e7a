"""Cases of `contrib/bench build`: building images, beside podman and buildah.

podman and buildah build with BUILDAH_ISOLATION=chroot, unless it is set to something else: that works on hosts where crun
does not, and is faster than what their users have, since it makes no network. Environment besides that of contrib/bench: BENCH_FILES, the files of the context
`files` (100000), and BENCH_MB, the size of that of `large` (2048).
"""

import os, shutil, statistics

CASES = ["cold", "warm", "changed", "files", "large", "stages"]
FILES = int(os.environ.get("BENCH_FILES", "100000"))
MB = int(os.environ.get("BENCH_MB", "2048"))
BASE = "localhost/bench:5"


class Builds:
    rounds = int(os.environ.get("BENCH_ROUNDS", "5"))

    def __init__(self, bench, report):
        self.bench, self.dir, self.report = bench, bench.dir, report
        os.environ.setdefault("BUILDAH_ISOLATION", "chroot")
        if (buildah := shutil.which("buildah")) and "buildah" not in os.environ.get("BENCH_SKIP", "").split(","):
            storage = ["--root", self.dir + "/podman", "--runroot", self.dir + "/podman-run", "--storage-driver", "overlay"]
            bench.tools["buildah"] = [buildah, *storage]

    def prepare(self):
        import image
        archive = self.dir + "/image.tar"
        image.write_archive(archive, 5, BASE)
        sh, tools = self.bench.sh, self.bench.tools
        sh(tools["coracle"] + ["load", "-i", archive])
        if "podman" in tools:
            sh(tools["podman"] + ["load", "-i", archive])
            self.bench.keep = frozenset(self.children())
        else:
            tools.pop("buildah", None)
        os.unlink(archive)

    def children(self):
        with open("/proc/self/task/%d/children" % os.getpid()) as f:
            return {int(p) for p in f.read().split()}

    def commands(self, context, *more):
        common = ["--network", "none", "-t", "made", *more, context]
        # They keep the results of steps only when asked to, and build stages one by one.
        theirs = ["--layers", "--jobs", "4", *common]
        if os.environ["BUILDAH_ISOLATION"] == "chroot":
            theirs[theirs.index("none")] = "host"
        found = {"coracle": ["build", *common], "podman": ["build", *theirs], "buildah": ["bud", *theirs]}
        return {t: self.bench.tools[t] + c for t, c in found.items() if t in self.bench.tools}

    def compare(self, title, commands, before=None, rounds=None):
        """All tools in turn; `before` prepares each run, outside the measured time."""
        self.bench.keep = frozenset(self.children())
        times = {t: [] for t in commands}
        for n in range(rounds or self.rounds):
            for number, tool in enumerate(sorted(commands, reverse=bool(n % 2))):
                if before:
                    before(f"{n}-{number}")
                times[tool].append(self.bench.once(commands[tool]))
        self.report(title, {t: (statistics.median(w for w, _ in v), min(w for w, _ in v), statistics.median(c for _, c in v))
                            for t, v in times.items()})

    def context(self, name, dockerfile, files=()):
        path = f"{self.dir}/{name}"
        for file, data in {"Dockerfile": dockerfile, **dict(files)}.items():
            os.makedirs(os.path.dirname(f"{path}/{file}"), exist_ok=True)
            with open(f"{path}/{file}", "w") as f:
                f.write(data)
        return path

    def usual(self):
        text = f"FROM {BASE}\nENV A=1\nWORKDIR /app\nCOPY package lock ./\nRUN seq 2000 > made\nCOPY src src\nRUN cat src/* > all\nUSER 1000\nCMD [\"sh\"]\n"
        files = {"package": "p", "lock": "l", **{f"src/f{n}": f"file {n}\n" * 50 for n in range(200)}}
        return self.context("usual", text, files)

    # -- cases --------------------------------------------------------------------------------------------------------

    def cold(self):
        self.compare("build of 5 steps without the cache", self.commands(self.usual(), "--no-cache"))

    def warm(self):
        commands = self.commands(self.usual())
        for command in commands.values():
            self.bench.once(command)
        self.compare("build of 5 steps, all cached", commands, rounds=3 * self.rounds)

    def changed(self):
        context, commands = self.usual(), self.commands(self.usual())
        for command in commands.values():
            self.bench.once(command)

        def change(word):
            with open(context + "/src/f7", "w") as f:
                f.write(word)
        self.compare("build of 5 steps, one file changed before the last two", commands, change)

    def files(self):
        made = {f"tree/{n % 100}/{n // 100 % 100}/f{n}": f"{n}\n" for n in range(FILES)}
        context = self.context("files", f"FROM {BASE}\nCOPY tree/1 /one\nCOPY . /all\n", made)
        commands = self.commands(context)
        self.compare(f"build with {FILES} files, first", self.commands(context, "--no-cache"), rounds=1)
        for command in commands.values():
            self.bench.once(command)
        self.compare(f"build with {FILES} files, all cached", commands, rounds=3)
        self.compare(f"build with {FILES} files, one changed", commands,
                     lambda word: self.context("files", f"FROM {BASE}\nCOPY tree/1 /one\nCOPY . /all\n", {"tree/2/2/new": word}), rounds=2)
        shutil.rmtree(context)

    def large(self):
        context = self.context("large", f"FROM {BASE}\nCOPY . /all\n")
        for n in range(8):
            with open(f"{context}/f{n}", "wb") as f:
                for _ in range(MB // 8):
                    f.write(os.urandom(1 << 19) + bytes(1 << 19))
        commands = self.commands(context)
        self.compare(f"build with {MB} MB, first", self.commands(context, "--no-cache"), rounds=1)
        for command in commands.values():
            self.bench.once(command)
        self.compare(f"build with {MB} MB, all cached", commands, rounds=3)
        shutil.rmtree(context)

    def stages(self):
        stage = "FROM {0} AS s{1}\nRUN i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; seq {1} > /s{1}\n"
        text = "".join(stage.format(BASE, n) for n in range(4)) + f"FROM {BASE}\n" + "".join(f"COPY --from=s{n} /s{n} /\n" for n in range(4))
        commands = self.commands(self.context("stages", text), "--no-cache")
        self.compare("build of 4 stages that need the processor, 4 at once", commands)

    def close(self):
        pass
