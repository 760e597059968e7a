# Writes an OCI layout with one image for each architecture: platforms.py DIRECTORY ARCH[/VARIANT]...
import gzip, hashlib, io, json, os, shutil, sys, tarfile

out, architectures = sys.argv[1], sys.argv[2:]
os.makedirs(out + "/blobs/sha256")


def blob(content, kind):
    digest = hashlib.sha256(content).hexdigest()
    open(f"{out}/blobs/sha256/{digest}", "wb").write(content)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": "sha256:" + digest, "size": len(content)}


manifests = []
for architecture in architectures:
    name, _, variant = architecture.partition("/")
    busybox = open(shutil.which("busybox"), "rb").read() if name == "amd64" else b"for " + name.encode()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as writer:
        for path, content in (("bin/busybox", busybox), ("arch", name.encode())):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o755
            writer.addfile(member, io.BytesIO(content))
    plain = tar.getvalue()
    layer = blob(gzip.compress(plain, 1, mtime=0), "layer.v1.tar+gzip")
    config = {
        "architecture": name,
        "os": "linux",
        "config": {"Cmd": ["/bin/busybox", "cat", "/arch"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]},
    }
    if variant:
        config["variant"] = variant
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [layer],
    }
    entry = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    manifests.append(entry)
open(out + "/index.json", "w").write(json.dumps({"schemaVersion": 2, "manifests": manifests}))
open(out + "/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')
