//! `-v`, `--mount`, `--tmpfs`, `--volumes-from`, volumes of images, and the volume commands.

mod common;

use common::TestEnv;
use std::os::unix::fs::PermissionsExt;

/// A directory that the container's users may write to as well.
fn open_dir(env: &TestEnv, name: &str) -> String {
    let path = env.path(name);
    std::fs::create_dir_all(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    path.display().to_string()
}

fn volumes(env: &TestEnv) -> Vec<String> {
    env.sh("volume ls -q").success().stdout.lines().map(String::from).collect()
}

#[test]
fn directories_and_files_of_the_host() {
    let env = busybox_env!();
    let dir = open_dir(&env, "src");
    env.file("src/f", "host\n");
    env.sh(&format!("run --rm -v {dir}:/s busybox cat /s/f")).success().prints("host\n");
    env.sh("run --rm -v ./src:/s busybox cat /s/f").success().prints("host\n");
    env.sh("run --rm -v ./src/f:/etc/one:ro busybox cat /etc/one").success().prints("host\n");
    env.sh("run --rm -v ./src:/s busybox sh -c 'echo inside > /s/g'").success();
    assert_eq!(std::fs::read_to_string(env.path("src/g")).unwrap(), "inside\n");
    for read_only in ["-v ./src:/s:ro", "--mount type=bind,src=./src,dst=/s,ro", "-v ./src:/s:ro,Z"] {
        let out = env.sh(&format!("run --rm {read_only} busybox touch /s/x")).code(1);
        assert!(out.stderr.contains("Read-only"), "{out}");
    }
    env.sh("run --rm -v ./nothere:/s busybox true").fails(125, &["nothere", "mkdir"]);
    env.sh("run --rm -v ./src:/s -v ./src:/s/ busybox true").fails(125, &["/s"]);
}

#[test]
fn a_read_only_bind_is_so_all_the_way_down() {
    let env = busybox_env!();
    open_dir(&env, "src/sub");
    // The mount below comes from another mount of the same container.
    let script = "touch /a/x 2>/dev/null && exit 1; touch /a/sub/x 2>/dev/null && exit 2; exit 0";
    env.run(["run", "--rm", "-v", "./src:/a:ro", "busybox", "sh", "-c", script]).success();
}

#[test]
fn called_as_docker_a_missing_source_is_made() {
    let env = busybox_env!();
    let docker = env.path("docker");
    std::os::unix::fs::symlink(common::binary(), &docker).unwrap();
    let mut c = env.program(&docker);
    c.arg("--root").arg(env.root()).arg("--runroot").arg(env.runroot());
    c.args(["run", "--rm", "-v", "./new/deep:/s", "busybox", "ls", "/s"]);
    env.finish(&mut c, b"").success();
    assert!(env.path("new/deep").is_dir());
    // --mount never makes one.
    let mut c = env.program(&docker);
    c.arg("--root").arg(env.root()).arg("--runroot").arg(env.runroot());
    c.args(["run", "--rm", "--mount", "type=bind,src=./other,dst=/s", "busybox", "true"]);
    let _ = env.finish(&mut c, b"").fails(125, &["other"]);
}

#[test]
fn named_volumes_keep_what_is_written_and_start_with_the_images_files() {
    let env = busybox_env!();
    env.sh("run --rm -v data:/etc busybox sh -c 'test -s /etc/passwd && echo more > /etc/more'").success();
    env.sh("run --rm -v data:/x busybox cat /x/more").success().prints("more\n");
    // The second time nothing is copied.
    env.sh("run --rm -v data:/x busybox rm /x/passwd").success();
    env.sh("run --rm -v data:/etc busybox ls /etc/passwd").code(1);
    env.sh("run --rm -v plain:/etc:nocopy busybox ls /etc/passwd").code(1);
    // Owner and mode of the image's directory come along.
    env.sh("run --rm -v home:/home/app busybox stat -c '%u:%g' /home/app").success();
    env.sh("run --rm --mount source=data,target=/y,volume-nocopy busybox cat /y/more").success().prints("more\n");
    assert_eq!(volumes(&env), ["data", "home", "plain"]);
    env.sh("volume rm data home plain").success().prints("data\nhome\nplain\n");
}

#[test]
fn anonymous_volumes_go_with_their_container() {
    let env = busybox_env!();
    env.sh("run --rm -v /anon busybox touch /anon/x").success();
    assert_eq!(volumes(&env), [""; 0]);
    env.sh("create --name c -v /anon busybox true").success();
    let made = volumes(&env);
    assert_eq!(made.len(), 1);
    env.sh(&format!("volume rm {}", made[0])).fails(2, &[&made[0][..12]]);
    env.sh("rm c").success();
    assert_eq!(volumes(&env), made, "rm without -v keeps it");
    env.sh(&format!("volume rm {}", made[0])).success();
    env.sh("create --name c -v /anon busybox true").success();
    env.sh("rm -v c").success();
    assert_eq!(volumes(&env), [""; 0]);
}

#[test]
fn volumes_of_another_container() {
    let env = busybox_env!();
    let dir = open_dir(&env, "src");
    env.sh(&format!("create --name one -v data:/data -v {dir}:/host --tmpfs /t busybox true")).success();
    let script = "echo x > /data/f && echo y > /host/g && test ! -e /t";
    env.run(["run", "--rm", "--volumes-from", "one", "busybox", "sh", "-c", script]).success();
    env.sh("run --rm --volumes-from one:ro busybox sh -c 'cat /data/f; touch /data/n'").code(1).prints("x\n");
    env.sh("run --rm --volumes-from nosuch busybox true").fails(125, &["nosuch"]);
    env.sh("volume rm data").fails(2, &["data"]);
    env.sh("rm one").success();
    env.sh("volume rm data").success();
}

#[test]
fn tmpfs_mounts() {
    let env = busybox_env!();
    let out =
        env.sh("run --rm --tmpfs /t:size=1m,mode=700 busybox sh -c 'df -k /t | tail -1; stat -c %a /t'").success();
    assert!(out.stdout.contains(" 1024 ") && out.stdout.ends_with("700\n"), "{out}");
    env.sh("run --rm --tmpfs /t busybox sh -c 'cp /bin/busybox /t/b && /t/b true'").code(126);
    env.sh("run --rm --tmpfs /t:exec busybox sh -c 'cp /bin/busybox /t/true && /t/true'").success();
    env.sh("run --rm --mount type=tmpfs,dst=/t,ro busybox touch /t/x").code(1);
    env.sh("run --rm --tmpfs /etc:tmpcopyup busybox test -s /etc/passwd").success();
    env.sh("run --rm --tmpfs /t:size=lots busybox true").fails(125, &["lots"]);
}

#[test]
fn a_hostile_destination_stays_inside() {
    let env = busybox_env!();
    let dir = open_dir(&env, "src");
    let escape = env.path("escape").display().to_string();
    // The image's symlink points out of the root: the mount lands below the root all the same.
    env.sh(&format!("run --name l busybox ln -s {escape} /link")).success();
    env.sh("start l").success();
    env.sh(&format!("run --rm -v {dir}:/../../../../s busybox ls /s")).success();
    assert!(!env.path("escape").exists());
}

#[test]
fn volume_commands() {
    let env = TestEnv::new();
    env.sh("volume create one --label a=b").success().prints("one\n");
    env.sh("volume create one").fails(125, &["one"]);
    env.sh("volume create --ignore one").success().prints("one\n");
    let random = env.sh("volume create").success().line();
    assert_eq!(random.len(), 64);
    let info = env.sh("volume inspect one").success().json();
    assert_eq!((&info[0]["Name"], &info[0]["Labels"]["a"]), (&"one".into(), &"b".into()));
    assert!(std::path::Path::new(info[0]["Mountpoint"].as_str().unwrap()).is_dir());
    env.sh("volume ls --filter label=a --format '{{.Name}} {{.Driver}}'").success().prints("one local\n");
    env.sh("volume rm nosuch").fails(1, &["nosuch"]);
    env.sh("volume rm -f nosuch").success();
    env.sh("volume create ../x").fails(125, &["../x"]);
    env.sh(&format!("volume rm one {random}")).success();
    assert_eq!(volumes(&env), [""; 0]);
}

#[test]
fn devices() {
    let env = busybox_env!();
    env.sh("run --rm --device /dev/zero:/dev/mine busybox sh -c 'head -c 3 /dev/mine | wc -c'").success().prints("3\n");
    env.sh("run --rm --device /etc/passwd busybox true").fails(125, &["/etc/passwd", "not a device"]);
    env.sh("run --rm --device vendor.example/gpu=all busybox true").fails(125, &["CDI"]);
}

#[test]
fn ps_counts_files_of_all_ids() {
    let env = busybox_env!();
    let script = "mkdir -m 700 /own; head -c 1000 /dev/zero > /own/f; chown -R app /own";
    env.run(["run", "--name", "c", "busybox", "sh", "-c", script]).success();
    env.sh("create --name none busybox").success();
    let rows = env.run(["ps", "-as", "--sort", "size", "--format", "{{.Names}} {{.Size}}"]).success();
    let _ = rows.prints("none 0B\nc 1kB\n");
    // A template that shows sizes asks for them.
    env.run(["ps", "-a", "--filter", "name=^c$", "--format", "{{.Size}}"]).success().prints("1kB\n");
    assert_eq!(env.run(["inspect", "-s", "--format", "{{.SizeRw}}", "c"]).success().line(), "1000");
}
