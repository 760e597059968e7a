//! Images for tests, made by other people's tools (umoci, skopeo, buildah, mmdebstrap) and kept between tests.
//!
//! Small ones are made here, once for all test binaries of a run. The Debian ones need a package mirror: contrib/test
//! makes them (contrib/test-images); a test that wants one that is absent is skipped.

use super::TestEnv;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where fixtures that contrib/test made are, else a directory of this user.
pub fn dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("CORACLE_TEST_FIXTURES") {
        return dir.into();
    }
    let base = std::env::var_os("CORACLE_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    base.join(format!("coracle-fixtures-{}", rustix::process::getuid().as_raw()))
}

/// Runs `make(directory)` once; the result is the file that it must produce in there.
fn once(name: &str, make: impl FnOnce(&Path, &Path)) -> PathBuf {
    let target = dir().join(name);
    if target.exists() {
        return target;
    }
    fs::create_dir_all(dir()).unwrap_or_else(|e| panic!("make {:?}: {e}", dir()));
    let lock = File::create(dir().join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !target.exists() {
        let work = dir().join(format!("{name}.work"));
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).unwrap();
        let made = work.join("made");
        make(&work, &made);
        fs::rename(&made, &target).unwrap_or_else(|e| panic!("fixture {name} was not made: {e}"));
        super::leaks::remove_tree(&work);
    }
    target
}

#[track_caller]
pub fn sh(dir: &Path, script: &str) {
    let mut shell = Command::new("sh");
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let out = shell.args(["-euc", script]).env("PATH", path).current_dir(dir).output().expect("run sh");
    assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
}

pub const BUSYBOX: &str = "localhost/busybox:latest";

/// An oci-archive with one layer: a static busybox with its applets, an /etc/passwd, config written by umoci.
pub fn busybox() -> PathBuf {
    once("busybox.tar", |work, _| {
        sh(
            work,
            r"
            mkdir -p root/bin root/etc root/tmp root/home/app root/var/lib/data root/root
            cp $(command -v busybox) root/bin/busybox
            for a in $(root/bin/busybox --list); do [ $a = busybox ] || ln -s busybox root/bin/$a; done
            printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:An app:/home/app:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > root/etc/passwd
            printf 'root:x:0:\napp:x:1000:\nextra:x:2000:app\nnogroup:x:65534:\n' > root/etc/group
            chmod 1777 root/tmp; echo seeded > root/var/lib/data/seed
            umoci init --layout layout; umoci new --image layout:latest
            umoci insert --rootless --image layout:latest root /
            umoci config --image layout:latest --config.cmd sh --config.env PATH=/bin --config.env FROM_IMAGE=yes \
                --config.workingdir / --config.label made-by=umoci --author test
            skopeo --insecure-policy copy -q oci:layout:latest oci-archive:made:localhost/busybox:latest",
        );
    })
}

/// The same as a docker-archive (`docker save`'s format).
pub fn busybox_docker() -> PathBuf {
    let oci = busybox();
    once("busybox-docker.tar", |work, _| {
        let script = "skopeo --insecure-policy copy -q oci-archive:$1 docker-archive:made:localhost/busybox:latest";
        sh(work, &script.replace("$1", &oci.display().to_string()));
    })
}

/// `ca.crt`; signed by it `srv.crt` for localhost, and `cli.crt` for a client, with their keys.
pub fn certificates(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    sh(
        dir,
        "exec 2>/dev/null; ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
         openssl req -x509 $ec -days 30 -subj '/CN=test CA' -keyout ca.key -out ca.crt
         openssl req $ec -subj /CN=localhost -keyout srv.key -out srv.csr
         printf 'subjectAltName=DNS:localhost' > ext
         openssl x509 -req -in srv.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out srv.crt -extfile ext
         openssl req $ec -subj /CN=client -keyout cli.key -out cli.csr
         printf 'extendedKeyUsage=clientAuth' > ext
         openssl x509 -req -in cli.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out cli.crt -extfile ext",
    );
}

/// A fixture made by contrib/test-images (`debian.tar`, `services.tar`): an oci-archive; `None` where it is absent.
pub fn prepared(name: &str) -> Option<PathBuf> {
    Some(dir().join(name)).filter(|p| p.exists())
}

/// True when the tools are there that make busybox().
pub fn can_make() -> bool {
    ["umoci", "skopeo", "busybox"].iter().all(|p| super::which(p).is_some())
}

impl TestEnv {
    /// Loads an archive; returns what `load` says.
    #[track_caller]
    pub fn load(&self, archive: &Path) -> super::Output {
        self.run(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success()
    }

    /// Makes sure that `localhost/busybox` is in this test's store.
    #[track_caller]
    pub fn with_busybox(self) -> TestEnv {
        let _ = self.load(&busybox());
        self
    }
}

/// A test environment with busybox loaded, or a skip.
#[macro_export]
macro_rules! busybox_env {
    () => {{
        if !$crate::common::fixtures::can_make() {
            $crate::skip!("busybox-static, umoci and skopeo are needed to make the test image");
        }
        $crate::common::TestEnv::new().with_busybox()
    }};
}

/// A test environment with a prepared image loaded, or a skip.
#[macro_export]
macro_rules! prepared_env {
    ($name:expr) => {{
        let Some(archive) = $crate::common::fixtures::prepared($name) else {
            $crate::skip!("{} is absent: contrib/test makes it", $name);
        };
        let env = $crate::common::TestEnv::new();
        let _ = env.load(&archive);
        env
    }};
}

/// An OCI layout in `dir`/name with one image for each of the architectures (`arm64/v8`), named by them. That for
/// `amd64` runs `busybox cat /arch`; the others hold nothing that runs.
pub fn platforms(dir: &Path, name: &str, architectures: &str) {
    std::fs::write(dir.join("platforms.py"), include_str!("platforms.py")).unwrap();
    sh(dir, &format!("python3 platforms.py {name} {architectures}"));
}
