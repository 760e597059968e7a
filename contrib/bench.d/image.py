"""Images, directories and bundles that the bench runs: busybox in layers."""

import hashlib, io, json, os, pwd, shutil, sys, tarfile

APPLETS = ["sh", "true", "sleep", "yes", "head", "cat", "seq", "ls"]


def busybox():
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(path):
            return path
    sys.exit("busybox is not installed (Debian: apt install busybox-static)")


def layer(n):
    """Layer `n` as an uncompressed tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        def add(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, link=""):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
            tar.addfile(info, io.BytesIO(data))
        if n == 0:
            for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "usr"):
                add(name, tarfile.DIRTYPE, mode=0o755)
            add("bin/busybox", data=open(busybox(), "rb").read(), mode=0o755)
            for applet in APPLETS:
                add("bin/" + applet, tarfile.SYMTYPE, mode=0o777, link="busybox")
            add("etc/passwd", data=b"root:x:0:0:root:/root:/bin/sh\n")
            add("etc/group", data=b"root:x:0:\n")
        else:
            add("usr", tarfile.DIRTYPE, mode=0o755)
            add(f"usr/layer-{n}", data=b"layer %d\n" % n)
    return out.getvalue()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def write_archive(path, count, name):
    """An OCI archive with `count` layers."""
    blobs, layers = {}, [layer(n) for n in range(count)]
    def blob(data):
        blobs[digest(data)] = data
        return {"digest": digest(data), "size": len(data)}
    config = json.dumps({"architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64"),
                         "os": "linux", "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
                         "rootfs": {"type": "layers", "diff_ids": [digest(d) for d in layers]},
                         # buildah builds on no image without one.
                         "history": [{"created_by": f"layer {n}"} for n in range(count)]}).encode()
    kind = "application/vnd.oci.image."
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                           "config": {"mediaType": kind + "config.v1+json", **blob(config)},
                           "layers": [{"mediaType": kind + "layer.v1.tar", **blob(d)} for d in layers]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": kind + "manifest.v1+json", **blob(manifest),
         "annotations": {"org.opencontainers.image.ref.name": name}}]}).encode()
    with tarfile.open(path, "w") as tar:
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
        files.update({"blobs/" + d.replace(":", "/"): data for d, data in blobs.items()})
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))


def unpack(base, count=5):
    """The same layers as directories, lowest first, and one merged directory."""
    lowers, merged = [], base + "/rootfs"
    os.mkdir(merged)
    for n in range(count):
        lowers.append(f"{base}/lower-{n}")
        for target in (lowers[-1], merged):
            with tarfile.open(fileobj=io.BytesIO(layer(n))) as tar:
                tar.extractall(target)
    return lowers, merged


def id_map():
    """(own id, first subordinate id, count) of this user."""
    user = pwd.getpwuid(os.getuid())
    for line in open("/etc/subuid"):
        name, first, count = line.strip().split(":")
        if name in (user.pw_name, str(user.pw_uid)):
            return os.getuid(), int(first), int(count)
    sys.exit(f"no subordinate ids for {user.pw_name} in /etc/subuid")


def write_bundle(path, rootfs, own_network, args):
    """An OCI bundle like coracle's default container."""
    os.mkdir(path)
    own, first, count = id_map()
    maps = [{"containerID": 0, "hostID": own, "size": 1}, {"containerID": 1, "hostID": first, "size": count}]
    caps = ["CAP_" + c for c in "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP".split()]
    flags = ["nosuid", "noexec", "nodev"]
    def mount(target, kind, *options, source=None):
        return {"destination": target, "type": kind, "source": source or kind, "options": list(options)}
    sys_mount = mount("/sys", "sysfs", "ro", *flags) if own_network else mount("/sys", "none", "rbind", "ro", source="/sys")
    namespaces = ["pid", "ipc", "uts", "mount", "user", "cgroup"] + (["network"] if own_network else [])
    spec = {"ociVersion": "1.0.2", "hostname": "bench", "root": {"path": rootfs},
            "process": {"cwd": "/", "args": args, "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
                        "capabilities": {k: caps for k in ("bounding", "effective", "permitted")}},
            "mounts": [mount("/proc", "proc"), mount("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
                       mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
                       mount("/dev/shm", "tmpfs", *flags, "mode=1777", "size=65536k"), mount("/dev/mqueue", "mqueue", *flags),
                       sys_mount],
            "linux": {"uidMappings": maps, "gidMappings": maps, "namespaces": [{"type": n} for n in namespaces],
                      "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                                      "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
                      "readonlyPaths": ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}}
    with open(path + "/config.json", "w") as f:
        json.dump(spec, f)
