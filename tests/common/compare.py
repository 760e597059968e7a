"""compare.py OURS THEIRS: how the images of two docker-archives differ, a line for each difference; times are left out."""

import hashlib, io, json, os, sys, tarfile


class Image:
    def __init__(self, path):
        self.files, self.links = {}, {}
        with tarfile.open(path) as tar:
            manifest = json.load(tar.extractfile("manifest.json"))[0]
            self.config = json.load(tar.extractfile(manifest["Config"]))
            for name in manifest["Layers"]:
                # umoci's layers have no end.
                data = io.BytesIO(tar.extractfile(name).read() + bytes(1024))
                with tarfile.open(fileobj=data) as layer:
                    self.add(layer)

    def remove(self, path, itself=True):
        for known in [p for p in self.files if p.startswith(path.rstrip("/") + "/") and p != path or itself and p == path]:
            del self.files[known]

    def add(self, layer):
        members = [(os.path.normpath("/" + m.name), m) for m in layer]
        for path, _ in members:
            head, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                self.remove(head or "/", itself=False)
            elif name.startswith(".wh."):
                self.remove(f"{head}/{name[4:]}")
        hard = {}
        for path, m in members:
            if path.rpartition("/")[2].startswith(".wh."):
                continue
            if path in self.files and not m.isdir():
                self.remove(path)
            if m.islnk():
                target = os.path.normpath("/" + m.linkname)
                first = hard.get(target, target)
                hard[path] = first
                self.files[path] = self.files[target]
                self.files[path]["links"].add(path)
                continue
            kind = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.CHRTYPE: "device",
                    tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "fifo"}.get(m.type, "file")
            content = hashlib.sha256(layer.extractfile(m).read()).hexdigest()[:12] if kind == "file" else ""
            self.files[path] = {
                "type": kind, "mode": oct(m.mode & 0o7777) if kind != "symlink" else "", "owner": f"{m.uid}:{m.gid}",
                "target": m.linkname if kind == "symlink" else "", "content": content,
                "device": f"{m.devmajor}:{m.devminor}" if kind == "device" else "", "links": {path},
                "xattrs": {k: v for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")
                           # Notes of the file system that buildah has its layers on.
                           and not k.startswith("SCHILY.xattr.user.overlay.")},
            }


def settings(image):
    config = dict(image.config["config"])
    labels = dict(config.get("Labels") or {})
    labels.pop("io.buildah.version", None)
    config["Labels"] = labels
    config["Env"] = sorted(config.get("Env") or [])
    for key in ("author", "architecture", "os"):
        config[key] = image.config.get(key)
    wanted = ("User Env Entrypoint Cmd WorkingDir Labels ExposedPorts Volumes StopSignal OnBuild Healthcheck Shell "
              "author architecture os")
    return {key: config.get(key) or None for key in wanted.split()}


ours, theirs = Image(sys.argv[1]), Image(sys.argv[2])
for path in sorted(ours.files.keys() | theirs.files.keys()):
    a, b = ours.files.get(path), theirs.files.get(path)
    if not a or not b:
        print(f"only {'theirs' if b else 'ours'}: {path}")
        continue
    for field in a:
        if a[field] != b[field]:
            print(f"{field} of {path}: {a[field]} / {b[field]}")
a, b = settings(ours), settings(theirs)
for key in a:
    if a[key] != b[key]:
        print(f"config {key}: {json.dumps(a[key])} / {json.dumps(b[key])}")
