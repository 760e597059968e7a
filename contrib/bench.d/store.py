"""Cases of `contrib/bench store`: whether a store with ten large images stays interactive.

Each image has the base layer that all share and one layer of its own with as many files as a typical image of 1 GB
(FILES); their contents are zeros and smaller (STORE_MB each), since none of these commands reads contents. Set BENCH_MB to
1000 for the full size.
"""

import gzip, hashlib, io, json, os, statistics, tarfile

CASES = ["images", "df", "df_verbose", "dry", "rmi", "prune", "check_quick"]
IMAGES = 10
FILES = 20000
MB = int(os.environ.get("BENCH_MB", "100"))
KIND = "application/vnd.oci.image."


class Store:
    rounds = int(os.environ.get("BENCH_ROUNDS", "5"))

    def __init__(self, bench, report):
        self.bench, self.dir, self.report = bench, bench.dir, report

    def prepare(self):
        for n in range(IMAGES):
            self.load(n)
        print(f"{IMAGES} images of {FILES} files and {MB} MB each")

    def load(self, n):
        archive = f"{self.dir}/store-{n}.tar"
        write_archive(archive, n)
        for tool in ("coracle", "podman"):
            if tool in self.bench.tools:
                self.bench.sh(self.bench.tools[tool] + ["load", "-q", "-i", archive])
        os.unlink(archive)

    def close(self):
        pass

    def compare(self, title, args, again=None, rounds=None):
        """Runs every tool's command in turn; `again` restores what it took away."""
        times = {}
        for n in range(rounds or self.rounds):
            for tool in ("coracle", "podman"):
                if tool in self.bench.tools:
                    times.setdefault(tool, []).append(self.bench.once(self.bench.tools[tool] + args))
            if again:
                again()
        self.report(title, {t: (statistics.median(w for w, _ in v), min(w for w, _ in v), statistics.median(c for _, c in v))
                            for t, v in times.items()})

    # -- cases --------------------------------------------------------------------------------------------------------

    def images(self):
        self.compare("images", ["images"])

    def df(self):
        self.compare("system df", ["system", "df"])

    def df_verbose(self):
        self.compare("system df -v", ["system", "df", "-v"])

    def dry(self):
        self.only_coracle("system prune -a --dry-run", ["system", "prune", "-a", "--dry-run"])

    def check_quick(self):
        self.only_coracle("system check --quick (looks at every file)", ["system", "check", "--quick"])

    def rmi(self):
        self.compare("rmi of one image", ["rmi", "localhost/store:0"], again=lambda: self.load(0), rounds=3)

    def prune(self):
        self.compare("system prune -af of all ten", ["system", "prune", "-a", "-f"], again=self.prepare, rounds=1)

    def only_coracle(self, title, args):
        tools, self.bench.tools = self.bench.tools, {"coracle": self.bench.tools["coracle"]}
        self.compare(title, args)
        self.bench.tools = tools


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(names, size):
    """A tar of files of zeros, `size` bytes together."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        data = bytes(size // len(names))
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def write_archive(path, n):
    """An OCI archive: the base layer, and one of the image's own."""
    blobs, layers, diff_ids = {}, [], []

    def blob(data):
        blobs[digest(data)] = data
        return {"digest": digest(data), "size": len(data)}

    base = [f"base/{i // 200}/{i}" for i in range(FILES // 10)]
    own = [f"image-{n}/{i // 200}/{i}" for i in range(FILES * 9 // 10)]
    for names, size in ((base, MB * 100_000), (own, MB * 900_000)):
        tar = layer(names, size)
        diff_ids.append(digest(tar))
        layers.append({"mediaType": KIND + "layer.v1.tar+gzip", **blob(gzip.compress(tar, 1, mtime=0))})
    config = json.dumps({"architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64"),
                         "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    manifest = json.dumps({"schemaVersion": 2, "mediaType": KIND + "manifest.v1+json", "layers": layers,
                           "config": {"mediaType": KIND + "config.v1+json", **blob(config.encode())}}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": KIND + "manifest.v1+json", **blob(manifest),
         "annotations": {"org.opencontainers.image.ref.name": f"localhost/store:{n}"}}]}).encode()
    with tarfile.open(path, "w") as tar:
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
        files.update({"blobs/" + d.replace(":", "/"): data for d, data in blobs.items()})
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
