//! The store as a whole: what it takes on disk, what pruning frees.

mod common;

use common::TestEnv;
use std::path::Path;

/// What `du` says, in bytes, looking as root of the user's id map.
fn du(path: &Path) -> u64 {
    let mut du = std::process::Command::new("unshare");
    du.args(["--user", "--map-root-user", "--map-auto", "--setuid", "0", "du", "-s", "-B1"]).arg(path);
    let out = du.output().expect("run unshare du");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().split('\t').next().unwrap().parse().unwrap()
}

fn raw(env: &TestEnv, kind: &str, field: &str) -> u64 {
    let rows = env.sh("system df --format json").success().json();
    let row = rows.as_array().unwrap().iter().find(|r| r["Type"] == kind).unwrap_or_else(|| panic!("{rows}"));
    row[field].as_u64().unwrap()
}

/// A container with subordinate owners, a volume with data, two images that share a layer.
fn furnished() -> TestEnv {
    let env = TestEnv::new().with_busybox();
    let write = "dd if=/dev/urandom of=/big bs=1k count=300 2>/dev/null; mkdir -m 700 /own; \
                 dd if=/dev/urandom of=/own/f bs=1k count=200 2>/dev/null; chown -R app /own; echo x > /v/f";
    env.run(["run", "--name", "a", "-v", "vol:/v", "busybox", "sh", "-c", write]).success();
    env.run(["run", "--rm", "-v", "named:/v", "busybox", "dd", "if=/dev/zero", "of=/v/z", "bs=1k", "count=100"])
        .success();
    env.sh("run -d --name live -v /anonymous busybox sleep 1000").success();
    env.sh("run --rm hello --json").success();
    // A build whose image is gone leaves its layers and a cache mount to the build cache.
    let text = "FROM busybox\nRUN --mount=type=cache,target=/c dd if=/dev/urandom of=/c/z bs=1k count=150 2>/dev/null\n\
                RUN dd if=/dev/urandom of=/made bs=1k count=250 2>/dev/null\n";
    env.file("context/Dockerfile", text);
    env.sh("build -q --network none -t built context").success();
    env.sh("rmi built").success();
    env
}

#[test]
fn df_agrees_with_du() {
    let env = furnished();
    let sum: u64 =
        ["Images", "Containers", "Local Volumes", "Build Cache"].iter().map(|kind| raw(&env, kind, "RawSize")).sum();
    let du = du(&env.root());
    assert!(sum.abs_diff(du) <= du / 100, "df says {sum}, du says {du}");
    let rows = env.sh("system df --format json").success().json();
    let get = |i: usize, field: &str| rows[i][field].as_str().unwrap().to_string();
    assert_eq!((get(0, "TotalCount"), get(0, "Active")), ("2".into(), "1".into()), "hello is unused");
    assert_eq!((get(1, "TotalCount"), get(1, "Active")), ("2".into(), "1".into()));
    assert_eq!((get(2, "TotalCount"), get(2, "Active")), ("3".into(), "2".into()));
    // The cache mount, and the layer that no image has any more.
    assert!(raw(&env, "Build Cache", "RawSize") > 400_000, "{rows}");
    let check = env.sh("system check").success().stdout;
    assert!(check.contains("The store is sound."), "the build cache is no leftover: {check}");
    let table = env.sh("system df").success().stdout;
    assert!(table.starts_with("TYPE ") && table.contains("Build Cache"), "{table}");
    let verbose = env.sh("system df -v").success().stdout;
    assert!(verbose.contains("localhost/busybox") && verbose.contains("named"), "{verbose}");
    // A second name costs nothing, a second image shares what it shares.
    env.sh("tag busybox again:1").success();
    assert_eq!(raw(&env, "Images", "Total"), 2);
}

#[test]
fn prune_frees_what_it_says() {
    let env = furnished();
    env.sh("rm -f -t 0 live").success();
    // Left by a process that died.
    std::fs::create_dir(env.root().join("tmp/layer-dead")).unwrap();
    std::fs::write(env.root().join("tmp/layer-dead/f"), vec![1; 100_000]).unwrap();
    // A download that broke off just now.
    std::fs::create_dir_all(env.root().join("partial")).unwrap();
    std::fs::write(env.root().join("partial").join("0".repeat(64)), vec![1; 100_000]).unwrap();
    let number = |text: &str| -> f64 {
        let word = text.lines().last().unwrap().rsplit(' ').next().unwrap().to_string();
        let digits = word.trim_end_matches(|c: char| c.is_alphabetic());
        let scale = match &word[digits.len()..] {
            "B" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            unit => panic!("{unit}"),
        };
        digits.parse::<f64>().unwrap() * scale
    };
    let before = du(&env.root());
    env.sh("system prune --dry-run").success();
    let dry = env.sh("system prune -a --volumes --dry-run").success().stdout;
    assert!(du(&env.root()).abs_diff(before) <= 4096, "a dry run changes nothing");
    let wet = env.sh("system prune -a --volumes -f").success().stdout;
    let freed = (before - du(&env.root())) as f64;
    for (what, said) in [("dry", number(&dry)), ("wet", number(&wet))] {
        assert!((said - freed).abs() <= freed / 100.0 + 8192.0, "{what} run says {said}, du {freed}\n{dry}\n{wet}");
    }
    assert!(dry.contains("Would delete Containers:") && wet.contains("Deleted Images:"), "{dry}{wet}");
    assert!(env.sh("images -q").success().stdout.is_empty() && env.containers().is_empty());
    // Named volumes and their data stay, unless asked for.
    assert_eq!(env.sh("volume ls -q").success().stdout, "named\nvol\n");
    assert_eq!(env.sh("volume prune -f").success().stdout, "");
    assert_eq!(env.sh("volume prune -a -f --filter label!=keep").success().stdout, "named\nvol\n");
    assert_eq!(raw(&env, "Images", "RawSize") + raw(&env, "Local Volumes", "RawSize"), 0);
    assert!(raw(&env, "Build Cache", "RawSize") < 50_000, "the cache goes with -a");
}

#[test]
fn pruning_keeps_what_is_used_or_named() {
    let env = TestEnv::new().with_busybox();
    env.sh("create --name user busybox true").success();
    env.sh("run --rm hello --json").success();
    assert_eq!(env.sh("image prune -f").success().stdout, "", "both have names");
    let hello = env.sh("images -q --no-trunc localhost/hello").success().line();
    let hello = hello.trim_start_matches("sha256:");
    assert_eq!(env.sh("image prune -a -f").success().line(), hello);
    env.sh("start -a user").success();
    // By filter.
    env.sh("container prune -f --filter until=1h").success();
    assert_eq!(env.containers().len(), 1, "it is younger");
    env.sh("system prune -f --filter label=nobody").success();
    assert_eq!(env.containers().len(), 1);
    env.sh("system prune -f --filter name=x").fails(125, &["unknown key"]);
    // Nobody answers; a pipe does.
    env.sh("system prune").fails(125, &["--force"]);
    env.run_with_stdin(["system", "prune"], b"n\n").success();
    assert_eq!(env.containers().len(), 1);
    assert!(env.run_with_stdin(["system", "prune"], b"y\n").success().stdout.contains("Deleted Containers:"));
    assert!(env.containers().is_empty());
}

#[test]
fn layers_go_with_their_last_user() {
    let env = TestEnv::new().with_busybox();
    let count = |dir: &str| std::fs::read_dir(env.root().join(dir)).map_or(0, Iterator::count);
    env.sh("run --name user busybox true").success();
    env.sh("run --name other --userns keep-id busybox true").success();
    assert_eq!((count("layers"), count("views")), (1, 1));
    env.sh("rmi -f busybox").success();
    assert_eq!((count("blobs/sha256"), count("layers")), (0, 1), "containers keep their layers");
    env.sh("start -a user").success();
    env.sh("rm user").success();
    assert_eq!((count("layers"), count("views")), (1, 1));
    env.sh("rm other").success();
    assert_eq!((count("layers"), count("views"), count("trash")), (0, 0, 0));
}

#[test]
fn reset_deletes_what_is_its_own() {
    let env = furnished();
    let keep = [env.root().join("photo.jpg"), env.root().join("containers/notes.txt")];
    keep.iter().for_each(|path| std::fs::write(path, "mine").unwrap());
    // However corrupt.
    std::fs::write(env.root().join("index.json"), "{").unwrap();
    std::fs::remove_dir_all(env.root().join("names")).unwrap();
    env.sh("system reset").fails(125, &["--force"]);
    let out = env.sh("system reset -f").success();
    assert!(out.stderr.contains("photo.jpg was not made by coracle"), "{}", out.stderr);
    let left = std::fs::read_dir(env.root()).unwrap().flatten().map(|e| e.path()).collect::<Vec<_>>();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(keep.iter().all(|path| std::fs::read_to_string(path).unwrap() == "mine"));
    assert!(common::leaks::processes(&env.root()).is_empty());
    // It can be used again at once, and go completely.
    let _ = env.load(&common::fixtures::busybox());
    env.sh("run --rm busybox true").success();
    keep.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    env.sh("system reset -f").success();
    assert!(!env.root().exists());
    env.sh("system reset -f").success();
}

#[test]
fn reset_refuses_what_is_no_store() {
    let env = TestEnv::new();
    let home = env.path("home");
    for (name, is_dir) in [("tmp/precious", false), ("volumes/v/_data/f", false), ("version", false), ("c", true)] {
        let path = home.join(name);
        std::fs::create_dir_all(if is_dir { &path } else { path.parent().unwrap() }).unwrap();
        if !is_dir {
            std::fs::write(path, "1").unwrap();
        }
    }
    std::os::unix::fs::symlink(&home, env.path("link")).unwrap();
    std::fs::create_dir_all(env.path("documents/tmp/mine")).unwrap();
    std::fs::write(env.path("documents/letter.txt"), "x").unwrap();
    let reset = |root: &Path| {
        let mut command = env.program(common::binary());
        command.arg("--root").arg(root).arg("--runroot").arg(env.runroot()).args(["system", "reset", "-f"]);
        env.finish(&mut command, b"")
    };
    reset(&home).fails(125, &["home directory is in it"]);
    reset(&env.path("link")).fails(125, &["home directory is in it"]);
    reset(&env.dir).fails(125, &["home directory is in it"]);
    reset(Path::new("/")).fails(125, &["it is the root directory"]);
    reset(&env.path("documents")).fails(125, &["nothing says that it is a store"]);
    assert!(home.join("tmp/precious").exists() && env.path("documents/tmp/mine").exists());
}

/// The date of an image that was made here is that of its content, which may be long ago.
#[test]
fn what_was_just_made_is_not_pruned_as_old() {
    let env = TestEnv::new();
    env.sh("run --name c hello").success();
    env.sh("commit -q c made").success();
    env.sh("rm c").success();
    env.sh("image prune -a -f --filter until=1h").success().prints("");
    env.sh("image exists made").success();
    env.sh("image prune -a -f --filter until=0s").success();
    env.sh("image exists made").code(1);
}
