"""Cases of `contrib/bench images`: what moves images, beside podman and skopeo.

The image has 8 layers of real files, those of this machine's own /usr, and lies in a registry on loopback. What a
command made is removed again outside the measured time.
"""

import glob, hashlib, io, json, os, shutil, socket, statistics, subprocess, sys, tarfile, time
import image

CASES = ["pull_gzip", "pull_zstd", "push_gzip", "push_zstd", "commit", "diff", "save", "load", "export", "import_", "memory"]
# MB of files a layer: a large base, then ever smaller additions, as images are.
# All of them together are BENCH_MB (336); the stores, the registry and the archives take some five times that.
SCALE = int(os.environ.get("BENCH_MB", "336")) / 336
LAYERS = [n * SCALE for n in (120, 80, 60, 40, 20, 10, 5, 1)]
KIND = "application/vnd.oci.image."


class Images:
    rounds = int(os.environ.get("BENCH_ROUNDS", "5"))

    def __init__(self, bench, report):
        self.bench, self.dir, self.report, self.registry = bench, bench.dir, report, None
        os.environ["XDG_DATA_HOME"] = self.dir + "/data"  # where podman and skopeo remember blobs
        if skopeo := shutil.which("skopeo"):
            bench.tools["skopeo"] = [skopeo, "--insecure-policy"]

    def prepare(self):
        if "skopeo" not in self.bench.tools or not shutil.which("docker-registry"):
            sys.exit("the image cases need skopeo and docker-registry (Debian has both)")
        self.port = free_port()
        os.makedirs(self.dir + "/registry")
        with open(self.dir + "/registry.yml", "w") as f:
            f.write(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.dir}/registry}}}}\n"
                    f"http: {{addr: '127.0.0.1:{self.port}'}}\n")
        self.registry = subprocess.Popen(["docker-registry", "serve", self.dir + "/registry.yml"], stdin=self.bench.null,
                                         stdout=self.bench.null, stderr=self.bench.null)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)
        entries, size = write_layout(self.dir + "/layout", LAYERS)
        for kind in ("gzip", "zstd"):
            # With a memory of its own, or skopeo takes the blobs of the other kind.
            self.bench.sh(self.bench.tools["skopeo"] + [
                "copy", "-q", "--dest-tls-verify=false", "--dest-compress-format", kind, f"oci:{self.dir}/layout:bench",
                f"docker://{self.name(kind)}"], env={**os.environ, "HOME": f"{self.dir}/{kind}", "XDG_DATA_HOME": ""})
        shutil.rmtree(self.dir + "/layout")
        print(f"an image of {len(LAYERS)} layers, {entries} entries, {size / 1e6:.0f} MB of tar")
        # The first podman makes its database and a process that stays.
        if "podman" in self.bench.tools:
            self.bench.sh(self.bench.tools["podman"] + ["images"])
            self.bench.keep = frozenset(self.children())

    def host(self):
        return f"127.0.0.1:{self.port}"

    def name(self, kind):
        return f"{self.host()}/bench-{kind}:latest"

    def children(self):
        with open("/proc/self/task/%d/children" % os.getpid()) as f:
            return {int(p) for p in f.read().split()}

    def compare(self, title, commands, undo, rounds=None):
        """Runs every tool's command in turn; `undo` has a command, or a function, that takes its result away again."""
        self.bench.keep = frozenset(self.children())
        times = {t: [] for t in commands if t in self.bench.tools}
        for n in range(rounds or self.rounds):
            for tool in sorted(times, reverse=bool(n % 2)):
                times[tool].append(self.bench.once(self.bench.tools[tool] + commands[tool]))
                back = undo.get(tool)
                if callable(back):
                    back()
                elif back:
                    self.bench.sh(self.bench.tools[tool] + back)
        self.report(title, medians(times))

    # -- cases --------------------------------------------------------------------------------------------------------

    def pull(self, kind):
        name, target = self.name(kind), self.dir + "/copy"
        copy = ["copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"dir:{target}"]
        self.compare(f"pull, {kind}", {"coracle": ["pull", "-q", name], "podman": ["pull", "-q", "--tls-verify=false", name],
                                       "skopeo": copy},
                     {"coracle": ["rmi", name], "podman": ["rmi", name], "skopeo": lambda: shutil.rmtree(target)})

    def pull_gzip(self):
        self.pull("gzip")

    def pull_zstd(self):
        self.pull("zstd")

    def push(self, kind):
        """To a repository that is new each time, of layers in the other compression: all have to be compressed."""
        name = self.name("zstd" if kind == "gzip" else "gzip")
        for tool, verify in (("coracle", []), ("podman", ["--tls-verify=false"])):
            if tool in self.bench.tools:
                self.bench.sh(self.bench.tools[tool] + ["pull", "-q", *verify, name])
        # What the tools remember of earlier pushes would save them the work.
        times = {}
        for n in range(self.rounds):
            for tool in sorted({"coracle", "podman", "skopeo"} & set(self.bench.tools), reverse=bool(n % 2)):
                target = f"127.0.0.1:{self.port}/pushed/{tool}-{kind}-{n}"
                how = ["--compression-format", kind, "--force-compression"]
                argv = {"coracle": ["push", "-q", *how, name, target],
                        "podman": ["push", "-q", "--tls-verify=false", "--compression-format", kind, name, target],
                        "skopeo": ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-compress-format",
                                   kind, f"docker://{name}", f"docker://{target}"]}[tool]
                for memory in glob.glob(self.dir + "/coracle/places.json") + glob.glob(self.dir + "/data/containers/cache/*"):
                    os.unlink(memory)
                times.setdefault(tool, []).append(self.bench.once(self.bench.tools[tool] + argv))
        self.report(f"push, {kind} made of {'zstd' if kind == 'gzip' else 'gzip'}", medians(times))

    def push_gzip(self):
        self.push("gzip")

    def push_zstd(self):
        self.push("zstd")

    def export(self):
        out, undo = self.dir + "/exported.tar", lambda: os.unlink(self.dir + "/exported.tar")
        self.whole()
        self.compare("export", self.both("export", "-o", out, "whole"), {"coracle": undo, "podman": undo})

    def import_(self):
        out = self.dir + "/exported.tar"
        self.whole()
        self.bench.sh(self.bench.tools["coracle"] + ["export", "-o", out, "whole"])
        self.compare("import", self.both("import", "-q", out, "imported"), self.both("rmi", "imported"))
        os.unlink(out)

    def whole(self):
        """A container of each with the whole image."""
        name = self.pulled()
        for tool in self.both():
            if tool in self.bench.tools:
                known = self.bench.sh(self.bench.tools[tool] + ["ps", "-a", "--format", "{{.Names}}"]).split()
                if "whole" not in known:
                    self.bench.sh(self.bench.tools[tool] + ["create", "--name", "whole", name])

    def pulled(self, kind="gzip"):
        """The image in both stores, for the cases that don't pull."""
        name = self.name(kind)
        for tool, verify in (("coracle", []), ("podman", ["--tls-verify=false"])):
            if tool in self.bench.tools:
                self.bench.sh(self.bench.tools[tool] + ["pull", "-q", *verify, name])
        return name

    def changed(self):
        """A container of each with 2000 new files. They are copied there: not everywhere podman can run containers."""
        archive, new = self.dir + "/bench-5.tar", self.dir + "/new"
        image.write_archive(archive, 5, "localhost/bench:5")
        os.makedirs(new)
        for n in range(2000):
            with open(f"{new}/{n}", "w") as f:
                f.write(f"file {n}\n")
        for tool in ("coracle", "podman"):
            if tool in self.bench.tools:
                known = self.bench.sh(self.bench.tools[tool] + ["ps", "-a", "--format", "{{.Names}}"]).split()
                if "changed" not in known:
                    self.bench.sh(self.bench.tools[tool] + ["load", "-q", "-i", archive])
                    self.bench.sh(self.bench.tools[tool] + ["create", "--network", "none", "--name", "changed",
                                                            "localhost/bench:5", "/bin/sh"])
                    self.bench.sh(self.bench.tools[tool] + ["cp", new, "changed:/"])
        os.unlink(archive)
        shutil.rmtree(new)

    def both(self, *args):
        return {"coracle": list(args), "podman": list(args)}

    def commit(self):
        self.changed()
        self.compare("commit of 2000 new files", self.both("commit", "-q", "changed", "made"), self.both("rmi", "made"))

    def diff(self):
        self.changed()
        self.compare("diff of 2000 new files", self.both("diff", "changed"), {})

    def save(self):
        name, out = self.pulled(), self.dir + "/saved.tar"
        undo = lambda: os.unlink(out)
        for kind in ("docker-archive", "oci-archive"):
            self.compare(f"save as {kind}", self.both("save", "-q", "--format", kind, "-o", out, name),
                         {"coracle": undo, "podman": undo})
        gone = lambda: shutil.rmtree(out)
        self.compare("save as oci-dir", self.both("save", "-q", "--format", "oci-dir", "-o", out, name),
                     {"coracle": gone, "podman": gone})

    def load(self):
        name, out = self.pulled(), self.dir + "/saved.tar"
        for kind in ("docker-archive", "oci-archive"):
            self.bench.sh(self.bench.tools["coracle"] + ["save", "--format", kind, "-o", out, name])
            # Nothing of it may be there: the other kind has the same layers.
            for tool in self.both():
                if tool in self.bench.tools:
                    for known in self.bench.sh(self.bench.tools[tool] + ["images", "-q", "--no-trunc"]).split():
                        subprocess.run(self.bench.tools[tool] + ["rmi", "-f", known], stdin=self.bench.null,
                                       capture_output=True)
            self.compare(f"load of a {kind}", self.both("load", "-q", "-i", out), self.both("rmi", name))
            os.unlink(out)
            self.pulled()

    def memory(self):
        """Peak of the anonymous memory of all processes of a command: what can't be read from a file again."""
        name, out, peaks = self.name("gzip"), self.dir + "/peak.tar", {}
        forget = {t: ["rmi", "-f", "-a"] for t in self.both()}
        source = self.dir + "/layers.tar"
        write_layers(source, 60)

        def peak(title, commands, before=None):
            for tool in sorted(set(commands) & set(self.bench.tools)):
                if before:
                    subprocess.run(self.bench.tools[tool] + before[tool], stdin=self.bench.null, capture_output=True)
                if os.path.exists(out):
                    os.unlink(out)
                peaks.setdefault(title, {})[tool] = self.peak(self.bench.tools[tool] + commands[tool])

        for kind in ("gzip", "zstd"):
            image = self.name(kind)
            peak(f"pull, {kind}", {"coracle": ["pull", "-q", image], "podman": ["pull", "-q", "--tls-verify=false", image]}, forget)
        name = self.pulled("zstd")
        peak("push, gzip", {
            "coracle": ["push", "-q", "--compression-format", "gzip", "--force-compression", name, f"{self.host()}/peak:1"],
            "podman": ["push", "-q", "--tls-verify=false", "--compression-format", "gzip", name, f"{self.host()}/peak:2"]})
        name = self.pulled()
        peak("push, zstd", {
            "coracle": ["push", "-q", "--compression-format", "zstd", "--force-compression", name, f"{self.host()}/peak:3"],
            "podman": ["push", "-q", "--tls-verify=false", "--compression-format", "zstd", name, f"{self.host()}/peak:4"]})
        for kind in ("docker-archive", "oci-archive"):
            peak(f"save as {kind}", self.both("save", "-q", "--format", kind, "-o", out, name))
        self.bench.sh(self.bench.tools["coracle"] + ["save", "-q", "-o", self.dir + "/saved.tar", name])
        peak("load of a docker-archive", self.both("load", "-q", "-i", self.dir + "/saved.tar"), forget)
        os.unlink(self.dir + "/saved.tar")
        peak("load of 60 layers", self.both("load", "-q", "-i", source), forget)
        os.unlink(source)
        self.whole()
        peak("export", self.both("export", "-o", out, "whole"))
        peak("commit", self.both("commit", "-q", "whole", "committed"))
        if os.path.exists(out):
            os.unlink(out)
        print("\npeak of anonymous memory, MB")
        for title, of in peaks.items():
            print(f"  {title:26} " + "  ".join(f"{tool} {kib * 1024 / 1e6:6.1f}" for tool, kib in of.items()))

    def peak(self, argv):
        """KiB."""
        self.bench.keep = frozenset(self.children())
        child = subprocess.Popen(argv, stdin=self.bench.null, stdout=self.bench.null, stderr=self.bench.errors)
        most = 0
        while child.poll() is None:
            most = max(most, sum(anonymous(pid) for pid in descendants(child.pid)))
            time.sleep(0.003)
        if child.returncode:
            os.lseek(self.bench.errors, 0, 0)
            sys.exit(f"failed: {' '.join(argv)}\n{os.read(self.bench.errors, 4096).decode()}")
        self.bench.reap()
        return most

    def close(self):
        if self.registry:
            self.registry.kill()
            self.registry.wait()


def descendants(pid):
    """The process and all below it."""
    found, todo = [], [pid]
    while todo:
        found.append(at := todo.pop())
        for tasks in glob.glob(f"/proc/{at}/task/*/children"):
            try:
                with open(tasks) as f:
                    todo += map(int, f.read().split())
            except OSError:
                pass  # It ended.
    return found


def anonymous(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return next((int(l.split()[1]) for l in f if l.startswith("RssAnon:")), 0)
    except OSError:
        return 0


def write_layers(path, count):
    """A docker-archive of `count` layers of 4 MB each."""
    names, diff_ids = [], []
    with tarfile.open(path, "w") as archive:
        def add(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for n in range(count):
            layer = io.BytesIO()
            with tarfile.open(fileobj=layer, mode="w") as tar:
                for part in range(40):
                    info = tarfile.TarInfo(f"layer-{n}/{part}")
                    info.size = 100_000
                    tar.addfile(info, io.BytesIO(os.urandom(50_000) + bytes(50_000)))
            diff_ids.append("sha256:" + hashlib.sha256(layer.getvalue()).hexdigest())
            names.append(f"{n}/layer.tar")
            add(names[-1], layer.getvalue())
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64")
        add("config.json", json.dumps({"architecture": arch, "os": "linux", "config": {"Cmd": ["/x"]},
                                       "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode())
        add("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": ["localhost/layers:1"],
                                          "Layers": names}]).encode())


def medians(times):
    """What `report` shows of (wall, cpu) pairs by tool."""
    return {t: (statistics.median(w for w, _ in v), min(w for w, _ in v), statistics.median(c for _, c in v))
            for t, v in times.items()}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def files():
    """Regular files and links of /usr, directories in an arbitrary order that is the same each time: in path order the
    first layers would be /usr/bin, few and large files."""
    for base, _, names in sorted(os.walk("/usr"), key=lambda d: hashlib.sha256(d[0].encode()).digest()):
        for name in sorted(names):
            path = os.path.join(base, name)
            info = os.lstat(path)
            if os.path.islink(path) or (os.path.isfile(path) and info.st_size < 20e6 and os.access(path, os.R_OK)):
                yield path


def write_layout(path, sizes):
    """An OCI layout of uncompressed layers; the number of their entries, and of bytes."""
    os.makedirs(path + "/blobs/sha256")
    source, layers, entries, total = files(), [], 0, 0
    for megabytes in sizes:
        temp, left, seen = path + "/layer", megabytes * 1e6, set()
        with tarfile.open(temp, "w", format=tarfile.PAX_FORMAT) as tar:
            while left > 0 and (file := next(source, None)):
                for n, c in enumerate(file):  # parents first
                    if n and c == "/" and file[:n] not in seen:
                        seen.add(file[:n])
                        tar.add(file[:n], recursive=False, filter=plain)
                        entries += 1
                tar.add(file, recursive=False, filter=plain)
                entries += 1
                left -= os.lstat(file).st_size + 1024
        with open(temp, "rb") as f:
            hash = hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else sha256(f)
        total += os.path.getsize(temp)
        layers.append({"mediaType": KIND + "layer.v1.tar", "digest": "sha256:" + hash, "size": os.path.getsize(temp)})
        os.rename(temp, f"{path}/blobs/sha256/{hash}")

    def blob(data):
        data = json.dumps(data).encode()
        hash = hashlib.sha256(data).hexdigest()
        with open(f"{path}/blobs/sha256/{hash}", "wb") as f:
            f.write(data)
        return {"digest": "sha256:" + hash, "size": len(data)}

    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64")
    config = blob({"architecture": arch, "os": "linux", "config": {"Cmd": ["/usr/bin/env"]},
                   "rootfs": {"type": "layers", "diff_ids": [l["digest"] for l in layers]}})
    manifest = blob({"schemaVersion": 2, "mediaType": KIND + "manifest.v1+json",
                     "config": {"mediaType": KIND + "config.v1+json", **config}, "layers": layers})
    with open(path + "/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [{"mediaType": KIND + "manifest.v1+json", **manifest,
                   "annotations": {"org.opencontainers.image.ref.name": "bench"}}]}, f)
    with open(path + "/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}')
    return entries, total


def plain(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode &= 0o777
    return info


def sha256(file):
    hash = hashlib.sha256()
    while data := file.read(1 << 20):
        hash.update(data)
    return hash.hexdigest()
