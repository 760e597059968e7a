//! Build script of the package: compiles the static `hello` program that is embedded in coracle.
//!
//! The program is one std-only crate, built by the same rustc for the same target as coracle itself, so nothing but
//! the toolchain is needed. It must be static whatever flags coracle itself is built with, because it is the only
//! file of its image.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "src/hello/program";

fn main() {
    let root = PathBuf::from(required("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(required("OUT_DIR"));
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=src/hello/build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    compile(&root.join(SOURCE).join("main.rs"), &root, &out);
}

fn compile(source: &Path, root: &Path, out: &Path) {
    let mut remap = OsString::from(root);
    // Two check-outs of one commit must embed the same bytes: the image's digest depends on them.
    remap.push("=/coracle");
    let mut command = Command::new(required("RUSTC"));
    command
        .args(["--crate-name", "hello", "--crate-type", "bin", "--edition", "2024", "--cap-lints", "warn"])
        .arg("--target")
        .arg(required("TARGET"))
        .args(["-C", "target-feature=+crt-static", "-C", "relocation-model=static", "-C", "opt-level=z"])
        .args(["-C", "panic=abort", "-C", "strip=symbols", "-C", "codegen-units=1", "-C", "lto=fat"])
        .args(["-C", "link-arg=-Wl,--build-id=none"])
        .arg("--remap-path-prefix")
        .arg(remap);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut flag = OsString::from("linker=");
        flag.push(linker);
        command.arg("-C").arg(flag);
    }
    command.arg("-o").arg(out.join("hello")).arg(source);
    // rustc writes its scratch files beside the output, but the linker uses TMPDIR: leave that as it is.
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("compile the embedded hello program: {command:?}: {status}"),
        Err(e) => panic!("run {command:?}: {e}"),
    }
}

fn required(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo did not set {name}"))
}
