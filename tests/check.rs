//! `system check`: every kind of damage is found, explained and healed, and nothing of a container is lost.

mod common;

use common::registry::Registry;
use common::{TestEnv, fixtures};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A store with a pulled image of one layer and what is made from it.
struct Furnished {
    env: TestEnv,
    _registry: Option<Registry>,
}

fn furnished() -> Furnished {
    let env = TestEnv::unchecked();
    let registry = Registry::start(&env.path("registry"));
    let image = match &registry {
        Some(registry) => {
            registry.push(&format!("oci-archive:{}", fixtures::busybox().display()), "busybox:1", &[]);
            env.run(["pull", "-q", &registry.name("busybox:1")]).success();
            registry.name("busybox:1")
        }
        None => panic!("docker-registry is needed"),
    };
    env.run(["tag", &image, "box"]).success();
    env.sh("run --name user -v data:/v box sh -c 'echo precious > /mine; echo kept > /v/f'").success();
    settled(&env);
    Furnished { env, _registry: registry }
}

/// Waits for the monitors of containers that ended: they write their records to the last.
fn settled(env: &TestEnv) {
    common::eventually("monitors end", 20, || {
        !common::leaks::processes(&env.dir).iter().any(|(_, what)| what.contains("monitor"))
    });
}

impl Furnished {
    fn root(&self, path: &str) -> PathBuf {
        self.env.root().join(path)
    }

    /// The only entry of a directory.
    fn only(&self, dir: &str) -> PathBuf {
        let mut entries = fs::read_dir(self.root(dir)).unwrap();
        let first = entries.next().unwrap_or_else(|| panic!("{dir} is empty")).unwrap().path();
        assert!(entries.next().is_none(), "{dir} has several entries");
        first
    }

    fn blob(&self, digest: &Value) -> PathBuf {
        self.root("blobs/sha256").join(digest.as_str().unwrap().trim_start_matches("sha256:"))
    }

    fn json(&self, path: &Path) -> Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// Paths of manifest, config and layer.
    fn blobs(&self) -> [PathBuf; 3] {
        let index = self.json(&self.root("index.json"));
        let manifest = self.blob(&index["manifests"][0]["digest"]);
        let parsed = self.json(&manifest);
        [manifest, self.blob(&parsed["config"]["digest"]), self.blob(&parsed["layers"][0]["digest"])]
    }

    #[track_caller]
    fn check(&self, flags: &str, code: i32) -> Value {
        self.env.sh(&format!("system check --json {flags}")).code(code).json()
    }

    /// Damage is found and said, healed, and gone; the container still has its own.
    #[track_caller]
    fn heals(&self, what: &str, quick_finds_it: bool) {
        let has = |report: &Value, severity: &str| {
            report["findings"].as_array().unwrap().iter().any(|f| {
                f["severity"] == severity
                    && (f["object"].as_str().unwrap().contains(what) || f["problem"].as_str().unwrap().contains(what))
                    && !f["consequence"].as_str().unwrap().is_empty()
                    && !f["repair"].as_str().unwrap().is_empty()
            })
        };
        let report = self.check("", 1);
        assert!(has(&report, "damage") && report["sound"] == false, "{what}: {report:#}");
        if quick_finds_it {
            let quick = self.check("--quick", 1);
            assert!(has(&quick, "damage"), "{what}: {quick:#}");
        }
        let repaired = self.check("--repair", 0);
        let all = repaired["findings"].as_array().unwrap();
        assert!(all.iter().all(|f| f["outcome"] == "repaired"), "{what}: {repaired:#}");
        let after = self.check("", 0);
        assert_eq!(after["findings"].as_array().unwrap().len(), 0, "{what}: {after:#}");
        self.works();
    }

    #[track_caller]
    fn works(&self) {
        assert_eq!(self.env.sh("start -a user").success().stdout, "");
        let id = self.env.containers().remove(0);
        let upper = self.root("containers").join(id).join("upper/mine");
        assert_eq!(fs::read_to_string(upper).unwrap(), "precious\n");
        assert_eq!(fs::read_to_string(self.root("volumes/data/_data/f")).unwrap(), "kept\n");
        self.env.sh("run --rm box cat /etc/passwd").success();
        settled(&self.env);
    }
}

/// Changes a byte without changing size or time.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let time = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn heals_blobs() {
    let f = furnished();
    let sound = f.check("", 0);
    assert_eq!(sound["findings"].as_array().unwrap().len(), 0, "{sound:#}");
    assert_eq!((&sound["checked"]["images"], &sound["checked"]["blobs"]), (&1.into(), &3.into()));
    let [manifest, config, layer] = f.blobs();
    flip(&layer);
    f.heals("its content's digest is", false);
    fs::File::options().write(true).open(&layer).unwrap().set_len(100).unwrap();
    f.heals("it has 100 bytes instead of", true);
    fs::remove_file(&layer).unwrap();
    f.heals("missing", true);
    flip(&config);
    f.heals("digest", true);
    fs::remove_file(&manifest).unwrap();
    f.heals("manifest of", true);
    // All at once, with the layer that could serve as a source of nothing.
    for blob in [&manifest, &config, &layer] {
        flip(blob);
    }
    f.heals("digest", true);
}

#[test]
fn heals_layers() {
    let f = furnished();
    let dir = f.only("layers");
    let diff = dir.join("diff");
    fs::write(diff.join("etc/passwd"), "").unwrap();
    f.heals("one of its files", true);
    flip(&f.only("layers").join("diff/etc/passwd"));
    f.heals("one of its files", false);
    fs::remove_file(diff.join("etc/group")).unwrap();
    f.heals("files are not", true);
    fs::write(diff.join("bin/backdoor"), "x").unwrap();
    f.heals("files are not", true);
    fs::write(dir.join("tree.zst"), "").unwrap();
    f.heals("tree.zst", true);
    fs::remove_file(dir.join("meta.json")).unwrap();
    f.heals("meta.json", true);
    fs::rename(&diff, f.env.path("away")).unwrap();
    f.heals("diff", true);
    // The report names the files.
    fs::write(f.only("layers").join("diff/etc/passwd"), "").unwrap();
    let text = f.env.sh("system check").code(1).stdout;
    assert!(text.contains("etc/passwd: size") && text.contains("repair: extracts it again"), "{text}");
    let text = f.env.sh("system check --repair").success().stdout;
    assert!(text.contains("done:   extracts it again") && text.contains("the store is sound"), "{text}");
}

/// What keep-id sees the layers as is made again when something of it was changed.
#[test]
fn heals_views_of_other_ids() {
    let f = furnished();
    let own = |what: &str| f.env.sh(&format!("run --rm --userns keep-id {what}"));
    let image = f.env.sh("images -q").success().line();
    let _ = own(&format!("{image} true")).success();
    if !f.root("views").exists() {
        skip!("there are no ids to arrange differently");
    }
    f.check("", 0);
    for (script, what) in [
        ("rm etc/passwd", "etc/passwd: missing"),
        ("chown 5 etc/passwd", "etc/passwd: owner"),
        ("chmod 0 etc/passwd", "etc/passwd: mode"),
        ("touch etc/passwd", "etc/passwd: time"),
        ("echo x >> etc/passwd", "etc/passwd: size"),
        ("rm -r etc", "etc: missing"),
        ("echo x > bin/backdoor", "bin/backdoor: was not there"),
        ("rm ../request.json; echo x > ../request.json", "request.json"),
    ] {
        let script = format!("cd {}/*/as-*/*/; {script}", f.root("views").display());
        let _ = f.env.run(["unshare", "sh", "-ec", &script]).success();
        let report = f.check("", 1);
        let text = f.env.sh("system check").code(1).stdout;
        assert!(text.contains(what) && text.contains("keep-id"), "{text}");
        assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report:#}");
        f.heals("view ", false);
        assert_eq!(own(&format!("{image} head -n 1 /etc/passwd")).success().stdout.split(':').next(), Some("root"));
        f.check("", 0);
    }
    // Not below a container that has it mounted.
    let _ = own(&format!("-d --name busy {image} sleep 1000")).success();
    let script = format!("rm {}/*/as-*/*/etc/group", f.root("views").display());
    let _ = f.env.run(["unshare", "sh", "-ec", &script]).success();
    let report = f.check("--repair", 1);
    assert!(report["findings"][0]["repair"].as_str().unwrap().contains("while a container of it runs"), "{report:#}");
    let _ = f.env.sh("rm -f -t 0 busy").success();
    f.heals("view ", false);
}

#[test]
fn heals_the_build_cache() {
    let f = furnished();
    let text = "FROM box\nRUN echo made > /made\nRUN echo more > /more\n";
    f.env.file("context/Dockerfile", text);
    let build = || {
        f.env.sh("build -q --network none -t made context").success();
        f.env.sh("run --rm made cat /made /more").success().prints("made\nmore\n");
        settled(&f.env);
        f.env.sh("rmi made").success();
    };
    build();
    let records = || -> Vec<(PathBuf, Value)> {
        let files = fs::read_dir(f.root("build")).unwrap().flatten().map(|e| e.path());
        files.filter(|p| p.extension().is_some_and(|e| e == "json")).map(|p| (p.clone(), f.json(&p))).collect()
    };
    let of = |step: &str| records().into_iter().find(|(_, r)| r["title"].as_str().unwrap().contains(step)).unwrap();
    let sound = f.check("", 0);
    assert_eq!(sound["findings"].as_array().unwrap().len(), 0, "{sound:#}");
    // The blob of a step that no image has any more.
    flip(&f.blob(&of("made").1["layer"]["digest"]));
    f.heals("its content's digest is", false);
    assert!(!records().iter().any(|(_, r)| r["title"].as_str().unwrap().contains("made")), "the step is forgotten");
    build();
    let blob = f.blob(&of("more").1["layer"]["digest"]);
    fs::File::options().write(true).open(&blob).unwrap().set_len(10).unwrap();
    f.heals("it has 10 bytes instead of", true);
    build();
    // Its extracted files.
    let chain = of("made").1["chain"].as_str().unwrap().to_string();
    let layer = fs::read_dir(f.root("layers")).unwrap().flatten().map(|e| e.path());
    let layer = layer.into_iter().find(|p| p.to_string_lossy().contains(&chain)).unwrap();
    fs::write(layer.join("diff/made"), "evil").unwrap();
    f.heals("one of its files", true);
    build();
    // Records that lead to nothing are no damage: builds don't heed them.
    fs::remove_file(f.blob(&of("more").1["layer"]["digest"])).unwrap();
    fs::write(of("made").0, "{").unwrap();
    let report = f.check("", 0);
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|f| f["severity"] == "leftover"), "{report:#}");
    assert_eq!(findings.iter().filter(|f| f["object"].as_str().unwrap().ends_with(".json")).count(), 2, "{report:#}");
    f.check("--repair", 0);
    let report = f.check("", 0);
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report:#}");
    build();
}

#[test]
fn running_containers_survive_the_repair_of_their_layer() {
    let f = furnished();
    f.env.sh("run -d --name live box sleep 1000").success();
    f.env.sh("run -d --name kept --userns keep-id box sleep 1000").success();
    let layer = f.only("layers");
    fs::remove_file(layer.join("diff/etc/group")).unwrap();
    f.check("--repair", 0);
    assert!(layer.join("diff/etc/group").exists());
    for name in ["live", "kept"] {
        f.env.run(["exec", name, "cat", "/etc/passwd"]).success();
        f.env.run(["exec", name, "sh", "-c", "echo new > /etc/new; ls /bin/busybox"]).success();
    }
    assert_eq!(f.check("", 0)["findings"].as_array().unwrap().len(), 0);
    f.env.sh("restart -t 0 live").success();
    f.env.sh("exec live cat /etc/group").success();
    f.env.sh("rm -f -t 0 live kept").success();
    f.env.sh("system prune -f").success();
    assert_eq!(f.only("layers"), layer, "the replaced one goes with its last user");
}

#[test]
fn heals_records() {
    let f = furnished();
    let container = f.only("containers");
    // What a power cut may leave of a record that is not synced while a container runs.
    fs::write(container.join("state.json"), "{").unwrap();
    assert_eq!(f.check("", 0)["findings"][0]["severity"], "leftover");
    f.works();
    fs::write(container.join("state.json"), "{").unwrap();
    f.check("--repair", 0);
    assert_eq!(f.env.inspect("user")["State"]["Status"], "exited");
    fs::remove_file(container.join("lock")).unwrap();
    fs::remove_file(container.join("life")).unwrap();
    f.heals("life is missing", true);
    fs::remove_file(f.root("names/user")).unwrap();
    f.heals("does not lead to it", true);
    fs::remove_file(f.root("volumes/data/meta.json")).unwrap();
    let report = f.check("--repair", 0);
    assert_eq!(report["findings"][0]["object"], "volume data", "{report:#}");
    f.works();
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    set_mode(&f.root("layers"), 0o777);
    f.heals("its mode is 777", true);
    // What is behind a closed directory can only be seen once it is open.
    for closed in ["containers", "blobs/sha256", "volumes", "names", "."] {
        set_mode(&f.root(closed), 0);
        f.heals("its mode is 0", true);
    }
    for closed in ["", "config.json", "spec.json", "name", "lock", "life"] {
        set_mode(&container.join(closed), 0);
        f.env.sh("images").success();
        f.env.sh("ps -a").success();
        f.heals("its mode is 0", true);
        assert_eq!(f.env.inspect("user")["Name"], "user", "{closed}");
    }
    // A name that leads elsewhere is given back, not just taken away.
    fs::remove_file(f.root("names/user")).unwrap();
    std::os::unix::fs::symlink("nowhere", f.root("names/user")).unwrap();
    f.heals("does not lead to it", true);
    fs::write(f.root("index.json"), "{").unwrap();
    let report = f.check("--repair", 0);
    assert_eq!(report["findings"][0]["outcome"], "repaired", "{report:#}");
    assert!(f.root("index.json.damaged").exists());
    // Only the container's record still knew a name: the one that it was made by.
    let image = f.env.sh("images --format {{.Repository}}:{{.Tag}}").success().line();
    assert_eq!(image, "localhost/box:latest");
    f.works();
}

#[test]
fn says_what_it_can_not_heal() {
    let env = TestEnv::unchecked().with_busybox();
    env.sh("create --name user busybox true").success();
    let f = Furnished { env, _registry: None };
    let [manifest, _, layer] = f.blobs();
    // It can be fetched from nowhere, but that is not needed.
    fs::set_permissions(&layer, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    f.check("", 1);
    f.check("--repair", 0);
    f.check("", 0);
    flip(&layer);
    let report = f.check("--repair", 1);
    assert!(report["findings"][0]["repair"].as_str().unwrap().contains("load"), "{report:#}");
    assert!(report["findings"][0]["outcome"]["failed"].is_string(), "{report:#}");
    f.env.sh("start -a user").success();
    // Its advice works.
    f.env.load(&fixtures::busybox());
    f.check("", 0);
    flip(&manifest);
    f.check("", 1);
    let report = f.check("--repair", 0);
    assert!(report["findings"][0]["repair"].as_str().unwrap().contains("off the list"), "{report:#}");
    assert_eq!(f.env.sh("images -q").success().stdout, "");
    f.env.sh("start -a user").success();
    settled(&f.env);
    let container = f.only("containers");
    fs::write(container.join("config.json"), "{").unwrap();
    f.check("--repair", 1);
    assert!(container.join("upper").is_dir(), "what a container holds is never touched");
    f.env.sh("rm user").success();
    f.check("", 0);
    fs::write(f.root("version"), "99\n").unwrap();
    let report = f.check("", 1);
    assert!(report["findings"][0]["problem"].as_str().unwrap().contains("version 99"), "{report:#}");
}

#[test]
fn leftovers_are_no_damage() {
    let f = furnished();
    fs::create_dir(f.root("tmp/layer-dead")).unwrap();
    fs::write(f.root(".index.json.4711"), "half").unwrap();
    fs::write(f.root("photo.jpg"), "mine").unwrap();
    std::os::unix::fs::symlink("0".repeat(64), f.root("names/ghost")).unwrap();
    fs::create_dir_all(f.root(&format!("layers/{}-01234567/diff", "a".repeat(64)))).unwrap();
    fs::create_dir_all(f.root(&format!("views/{}-01234567/as-x", "b".repeat(64)))).unwrap();
    fs::create_dir_all(f.env.runroot().join("c/0123456789ab")).unwrap();
    let report = f.check("", 0);
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.len() == 7 && findings.iter().all(|f| f["severity"] == "leftover"), "{report:#}");
    f.check("--repair", 0);
    let report = f.check("", 0);
    let left: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| f["object"].as_str().unwrap()).collect();
    assert!(left.len() == 1 && left[0].ends_with("photo.jpg"), "{report:#}");
    f.works();
    // Nothing to check is sound, too.
    let empty = TestEnv::new();
    assert!(empty.sh("system check").success().stdout.contains("The store is sound."));
    assert!(!empty.root().exists());
}
