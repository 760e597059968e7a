//! `--mount` in all its forms, and the options of `-v` and `--tmpfs` beyond read-only.

mod common;

use common::TestEnv;
use std::os::unix::fs::PermissionsExt;

fn open_dir(env: &TestEnv, name: &str) -> String {
    let path = env.path(name);
    std::fs::create_dir_all(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    path.display().to_string()
}

#[test]
fn images_as_mounts() {
    let env = busybox_env!();
    let image = "--mount type=image,src=busybox,dst=/i";
    let out = env.sh(&format!("run --rm {image} busybox sh -c 'cat /i/var/lib/data/seed; touch /i/x'")).code(1);
    assert!(out.stdout == "seeded\n" && out.stderr.contains("Read-only"), "{out}");
    let script = "echo new > /i/etc/new && rm /i/etc/passwd && cat /i/etc/new && ls /i/etc/passwd 2>&1 | wc -l; test -s /etc/passwd";
    let run = format!("run --name rw {image},rw=true busybox sh -c '{script}'");
    env.sh(&run).success().prints("new\n1\n");
    // What was written is gone with the next start, and never was in the image.
    env.sh("start -a rw").success().prints("new\n1\n");
    env.sh(&format!("run --rm {image},subpath=/var/lib busybox cat /i/data/seed")).success().prints("seeded\n");
    env.sh(&format!("run --rm {image},subpath=etc/passwd busybox head -c 4 /i")).success().prints("root");
    env.sh(&format!("run --rm {image},subpath=/none busybox true")).fails(125, &["none"]);
    env.sh("run --rm --mount type=image,src=localhost/nosuch,dst=/i --pull never busybox true").fails(125, &["nosuch"]);
    let mounts = env.inspect("rw")["Mounts"].clone();
    assert_eq!((&mounts[0]["Type"], &mounts[0]["Source"]), (&"image".into(), &"busybox".into()));
    // As root of another map the owners are right as well.
    if !common::is_root() {
        let script = "stat -c %u /i/home /i/bin";
        env.run([
            "run",
            "--rm",
            "--userns",
            "keep-id",
            "--mount",
            "type=image,src=busybox,dst=/i",
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .success()
        .prints("0\n0\n");
    }
}

#[test]
fn an_image_that_is_mounted_is_in_use() {
    let env = busybox_env!();
    std::fs::write(env.path("f"), "file\n").unwrap();
    std::fs::write(env.path("Containerfile"), "FROM scratch\nCOPY f /f\n").unwrap();
    env.sh("build -t other .").success();
    env.sh("create --name user --mount type=image,src=other,dst=/i busybox cat /i/f").success();
    let out = env.sh("rmi other");
    assert!(out.code != 0 && out.stderr.contains("user"), "{out}");
    env.sh("rmi -f other").success();
    env.sh("system prune -f").success();
    // Its layers stay as long as the container.
    env.sh("create --name again --mount type=image,src=other,dst=/i --pull never busybox true").fails(125, &["other"]);
}

#[test]
fn overlays_over_directories_and_volumes() {
    let env = busybox_env!();
    let dir = open_dir(&env, "src");
    env.file("src/f", "host\n");
    env.file("src/sub/g", "below\n");
    let script = "cat /s/f; echo mine > /s/f; rm -r /s/sub; touch /s/new; ls /s | wc -l";
    env.run(["run", "--name", "over", "-v", &format!("{dir}:/s:O"), "busybox", "sh", "-c", script])
        .success()
        .prints("host\n2\n");
    assert_eq!(std::fs::read_to_string(env.path("src/f")).unwrap(), "host\n");
    assert!(env.path("src/sub/g").exists() && !env.path("src/new").exists());
    // Gone with the next start.
    env.sh("start -a over").success().prints("host\n2\n");

    env.sh("run --rm -v data:/d busybox sh -c 'echo volume > /d/f; chown app /d/f'").success();
    env.sh("run --rm -v data:/d:O busybox sh -c 'cat /d/f; echo over > /d/f; stat -c %U /d/f'")
        .success()
        .prints("volume\napp\n");
    env.sh("run --rm -v data:/d busybox cat /d/f").success().prints("volume\n");
    // U is for the overlay then.
    env.sh("run --rm --user app -v data:/d:O,U busybox sh -c 'stat -c %U /d; echo x > /d/n'").success().prints("app\n");
    env.sh("run --rm -v data:/d busybox stat -c %U /d").success().prints("root\n");

    // Directories of one's own are kept.
    let (upper, work) = (open_dir(&env, "upper"), open_dir(&env, "work"));
    let keep = format!("{dir}:/s:O,upperdir={upper},workdir={work}");
    env.run(["run", "--rm", "-v", &keep, "busybox", "sh", "-c", "echo kept > /s/f"]).success();
    env.run(["run", "--rm", "-v", &keep, "busybox", "cat", "/s/f"]).success().prints("kept\n");
    assert_eq!(std::fs::read_to_string(env.path("upper/f")).unwrap(), "kept\n");
    assert_eq!(std::fs::read_to_string(env.path("src/f")).unwrap(), "host\n");
    env.sh(&format!("run --rm -v {dir}:/s:O,ro busybox touch /s/x")).code(1);
    env.sh(&format!("run --rm -v {dir}/f:/s:O busybox true")).fails(125, &["overlay", "directories"]);
    env.sh(&format!("run --rm -v {dir}:/s:O,upperdir=/nosuch/u,workdir=/nosuch/w busybox true"))
        .fails(125, &["/nosuch/u"]);
}

#[test]
fn globs() {
    let env = busybox_env!();
    for name in ["one.conf", "two.conf", "three.txt"] {
        env.file(&format!("etc/{name}"), format!("{name}\n"));
    }
    env.sh("run --rm --mount type=glob,src=./etc/*.conf,dst=/conf,ro busybox sh -c 'cd /conf; cat *; touch one.conf'")
        .code(1)
        .prints("one.conf\ntwo.conf\n");
    let place = env.path("etc/three.txt").display().to_string();
    env.run([
        "run",
        "--rm",
        "--mount",
        &format!("type=glob,src={}/etc/t*.txt", env.path("").display()),
        "busybox",
        "cat",
        &place,
    ])
    .success()
    .prints("three.txt\n");
    env.sh("run --rm --mount type=glob,src=./etc/*.none,dst=/conf busybox true").fails(125, &["*.none"]);
}

#[test]
fn bind_options() {
    let env = busybox_env!();
    let dir = open_dir(&env, "src");
    env.sh("run --rm --mount type=bind,src=./made/here,dst=/s,bind-create busybox ls /s").success().prints("");
    assert!(env.path("made/here").is_dir());
    let flags = "nosuid,nodev,noexec";
    // The host's mount may have the access times locked.
    let out = env.sh(&format!("run --rm -v {dir}:/s:noatime busybox grep ' /s ' /proc/mounts"));
    assert!(out.stdout.contains("noatime") || out.stderr.contains("access times"), "{out}");
    let out = env.sh(&format!("run --rm -v {dir}:/s:{flags} busybox grep ' /s ' /proc/mounts")).success();
    assert!(["nosuid", "nodev", "noexec"].iter().all(|f| out.stdout.contains(f)), "{out}");
    env.sh(&format!(
        "run --rm --mount type=bind,src={dir},dst=/s,relabel=shared,bind-nonrecursive=false busybox ls /s"
    ))
    .success();
    env.sh(&format!("run --rm -v {dir}:/s:idmap busybox true")).fails(125, &["idmap", "U"]);
    for (mount, word) in [
        ("type=bind,src=/,dst=/s,nope=1", "nope"),
        ("type=bind,src=/,dst=/s,volume-nocopy", "volume-nocopy"),
        ("type=npipe,src=/,dst=/s", "npipe"),
        ("type=volume,dst=/s,volume-driver=nfs", "driver"),
    ] {
        env.run(["run", "--rm", "--mount", mount, "busybox", "true"]).fails(125, &[word]);
    }
}

#[test]
fn given_files_belong_to_the_containers_user() {
    let env = busybox_env!();
    env.sh("run --rm -v data:/d busybox touch /d/f").success();
    env.sh("run --rm --user app -v data:/d:U busybox stat -c %U /d /d/f").success().prints("app\napp\n");
    env.sh("run --rm --user app --mount type=tmpfs,dst=/t,chown=true busybox stat -c %U /t").success().prints("app\n");
    env.sh("run --rm --user app --mount type=volume,src=data,dst=/d,U=true busybox touch /d/mine").success();
}

#[test]
fn file_systems_of_the_containers_own() {
    let env = busybox_env!();
    // Podman's start with what the image has there, docker's are empty.
    env.sh("run --rm --tmpfs /etc busybox test -s /etc/passwd").success();
    env.sh("run --rm --tmpfs /etc:notmpcopyup busybox test -s /etc/passwd").code(1);
    env.sh("run --rm --mount type=tmpfs,dst=/etc,notmpcopyup busybox test -s /etc/passwd").code(1);
    env.sh("run --rm --tmpfs /home/app:mode=751 busybox stat -c '%a %U' /home/app").success().prints("751 root\n");
    env.sh("run --rm --tmpfs /new busybox stat -c %a /new").success().prints("1777\n");
    env.sh(
        "run --rm --mount type=ramfs,dst=/r,mode=700 busybox sh -c 'stat -f -c %T /r; stat -c %a /r; echo x > /r/f'",
    )
    .success()
    .prints("ramfs\n700\n");
    env.sh("run --rm --mount type=ramfs,dst=/r,tmpfs-size=1m busybox true").fails(125, &["size"]);
    let out =
        env.sh("run --rm --mount type=devpts,dst=/dev/pts,mode=620,max=7 busybox grep /dev/pts /proc/mounts").success();
    assert!(out.stdout.contains("mode=620") && out.stdout.contains("max=7"), "{out}");
}

#[test]
fn volumes_made_by_a_mount() {
    let env = busybox_env!();
    let mount = "--mount type=volume,src=data,dst=/etc,volume-label=who=me,volume-nocopy";
    env.sh(&format!("run --rm {mount} busybox ls /etc/passwd")).code(1);
    assert_eq!(env.inspect_volume("data")["Labels"]["who"], "me");
    env.sh("run --rm -v data:/d busybox sh -c 'mkdir -p /d/a/b; echo deep > /d/a/b/f'").success();
    env.sh("run --rm --mount type=volume,src=data,dst=/x,subpath=a/b busybox cat /x/f").success().prints("deep\n");
    env.sh("run --rm --mount type=volume,src=data,dst=/x,volume-subpath=none busybox true").fails(125, &["none"]);
    env.sh("create --name anon --mount type=volume,dst=/x,volume-label=a=b busybox true").success();
    let name = env.inspect("anon")["Mounts"][0]["Name"].as_str().unwrap().to_string();
    assert_eq!(env.inspect_volume(&name)["Labels"]["a"], "b");
    env.sh("rm -v anon").success();
    env.sh(&format!("volume exists {name}")).code(1);
}

#[test]
fn volumes_of_several_containers() {
    let env = busybox_env!();
    env.sh("create --name first -v one:/one -v both:/both busybox true").success();
    env.sh("create --name second -v two:/two -v other:/both busybox true").success();
    let script = "touch /one/f 2>/dev/null && exit 1; touch /two/f && touch /both/f 2>/dev/null && exit 2; exit 0";
    env.run(["run", "--rm", "--volumes-from", "first:ro,z", "--volumes-from", "second", "busybox", "sh", "-c", script])
        .success();
    env.sh("run --rm -v other:/o busybox ls /o").success().prints("");
    env.sh("run --rm --volumes-from first:nope busybox true").fails(125, &["nope"]);
}
