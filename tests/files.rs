//! cp, bind mounts, volumes, tmpfs.

mod common;

use common::fixtures;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn bind_mounts_read_and_write() {
    let env = busybox_env!();
    env.file("shared/f", "host\n");
    let dir = env.path("shared").display().to_string();
    env.run(["run", "--rm", "-v", &format!("{dir}:/s"), "busybox", "sh", "-c", "cat /s/f; echo in > /s/g"])
        .success()
        .prints("host\n");
    // Root inside is the user outside.
    assert_eq!(std::fs::metadata(env.path("shared/g")).unwrap().uid(), rustix::process::getuid().as_raw());
    let out = env.run(["run", "--rm", "-v", &format!("{dir}:/s:ro"), "busybox", "touch", "/s/x"]).code(1);
    assert!(out.stderr.to_lowercase().contains("read-only"), "{out}");
    env.run(["run", "--rm", "-v", &format!("{dir}/f:/etc/one:ro,z"), "busybox", "cat", "/etc/one"])
        .success()
        .prints("host\n");
    let mount = format!("type=bind,source={dir},target=/s,readonly");
    env.run(["run", "--rm", "--mount", &mount, "busybox", "touch", "/s/x"]).code(1);
}

#[test]
fn volumes_start_with_the_images_content() {
    let env = busybox_env!();
    env.sh("run --rm -v data:/var/lib/data busybox sh -c 'cat /var/lib/data/seed; echo more > /var/lib/data/more'")
        .success()
        .prints("seeded\n");
    env.sh("run --rm -v data:/elsewhere busybox ls /elsewhere").success().prints("more\nseed\n");
    env.sh("volume ls -q").success().prints("data\n");
    let v = env.sh("volume inspect data").success().json();
    assert!(std::path::Path::new(v[0]["Mountpoint"].as_str().unwrap()).is_dir());
    env.sh("run -d --name user -v data:/d busybox sleep 1000").success();
    let _ = env.sh("volume rm data").code(2);
    env.sh("rm -f -t 0 user").success();
    env.sh("volume rm data").success().prints("data\n");
    let _ = env.sh("volume rm data").code(1);
}

#[test]
fn tmpfs_mounts() {
    let env = busybox_env!();
    let script = "grep ' /t ' /proc/mounts; df -k /t | tail -1";
    let out = env.run(["run", "--rm", "--tmpfs", "/t:size=2m,mode=1770", "busybox", "sh", "-c", script]).success();
    assert!(out.stdout.contains("tmpfs") && out.stdout.contains("2048"), "{out}");
    let mount = "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700";
    env.run(["run", "--rm", "--mount", mount, "busybox", "stat", "-c", "%a", "/t"]).success().prints("700\n");
}

#[test]
fn cp_both_ways_running_and_stopped() {
    let env = busybox_env!();
    env.start("--name c busybox sleep 1000");
    env.file("in", "content\n");
    env.file("tree/a/b", "deep\n");
    std::fs::set_permissions(env.path("in"), std::fs::Permissions::from_mode(0o640)).unwrap();
    for state in ["running", "stopped"] {
        env.sh("cp in c:/tmp/there").success();
        env.sh("cp tree c:/tmp/").success();
        env.sh("cp c:/tmp/there back").success();
        assert_eq!(std::fs::read_to_string(env.path("back")).unwrap(), "content\n", "{state}");
        assert_eq!(std::fs::metadata(env.path("back")).unwrap().mode() & 0o777, 0o640);
        env.sh("cp c:/tmp/tree out").success();
        assert_eq!(std::fs::read_to_string(env.path("out/a/b")).unwrap(), "deep\n", "{state}");
        std::fs::remove_dir_all(env.path("out")).unwrap();
        let _ = env.sh("cp c:/no/such .").fails(125, &["/no/such"]);
        let _ = env.sh("cp nosuch c:/tmp").fails(125, &["nosuch"]);
        if state == "running" {
            env.sh("exec c stat -c '%u:%g %a' /tmp/there").success().has(" 640");
            env.sh("stop -t 0 c").success();
        }
    }
    let tar = env.sh("cp c:/tmp/tree -").success().stdout_bytes;
    std::fs::write(env.path("t.tar"), &tar).unwrap();
    fixtures::sh(&env.dir, "tar -tf t.tar | grep -q tree/a/b");
    env.run_with_stdin(["cp", "-", "c:/root"], &tar).success();
    // Compressed, too.
    let packed = env.finish(std::process::Command::new("gzip").arg("-c"), &tar).success().stdout_bytes;
    env.run_with_stdin(["cp", "-", "c:/tmp/tree"], &packed).success();
    env.sh("cp c:/tmp/tree/tree/a/b unpacked").success();
    assert_eq!(std::fs::read_to_string(env.path("unpacked")).unwrap(), "deep\n");
    env.sh("cp c:/root/tree/a/b final").success();
    assert_eq!(std::fs::read_to_string(env.path("final")).unwrap(), "deep\n");
}

#[test]
fn cp_does_not_follow_links_out_of_the_container() {
    let env = busybox_env!();
    let outside = env.path("outside");
    std::fs::create_dir(&outside).unwrap();
    env.file("outside/secret", "secret\n");
    env.file("evil", "evil\n");
    let out = outside.display();
    let script = format!(
        "ln -s {out} /abs; ln -s ../../../../../../../../../..{out} /rel; ln -s {out}/secret /file; sleep 1000"
    );
    env.run(["run", "-d", "--name", "c", "busybox", "sh", "-c", &script]).success();
    common::eventually("the links", 20, || env.sh("exec c readlink /file").code == 0);
    for target in ["abs/x", "rel/x", "abs/", "rel"] {
        let _ = env.run(["cp", "evil", &format!("c:/{target}")]);
        let names: Vec<_> = std::fs::read_dir(&outside).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["secret"], "cp to /{target} wrote outside");
    }
    for from in ["abs/secret", "rel/secret", "file"] {
        let _ = env.run(["cp", "-L", &format!("c:/{from}"), "stolen"]);
        assert!(!env.path("stolen").exists(), "cp -L from /{from} read outside");
        let _ = env.run(["cp", &format!("c:/{from}"), "stolen"]);
        // A link may be copied as the link it is; it is what we read through it that would be the host's.
        let link = std::fs::symlink_metadata(env.path("stolen")).is_ok_and(|m| m.is_symlink());
        let text = if link { String::new() } else { std::fs::read_to_string(env.path("stolen")).unwrap_or_default() };
        assert!(!text.contains("secret"), "cp from /{from} read outside");
        let _ = std::fs::remove_file(env.path("stolen"));
    }
}

#[test]
fn cp_resolves_a_volumes_subpath_inside_the_volume() {
    let env = busybox_env!();
    env.file("outside/secret", "secret\n");
    env.file("evil", "evil\n");
    let out = env.path("outside").display().to_string();
    env.run(["run", "--rm", "-v", "v:/v", "busybox", "sh", "-c", "mkdir /v/sub /v/real; echo in > /v/real/f"])
        .success();
    env.sh("create --name c --mount type=volume,source=v,destination=/m,volume-subpath=sub busybox true").success();
    // What a container that shares the volume can do to it at any time.
    let relative = format!("../../../../../../../../../../../..{out}");
    for target in [out.as_str(), relative.as_str()] {
        let swap = format!("rm -rf /v/sub; ln -s {target} /v/sub");
        env.run(["run", "--rm", "-v", "v:/v", "busybox", "sh", "-c", &swap]).success();
        let _ = env.sh("cp c:/m/secret stolen").code(125);
        assert!(!env.path("stolen").exists(), "cp read outside through {target}");
        let _ = env.sh("cp evil c:/m/evil").code(125);
        assert!(!env.path("outside/evil").exists(), "cp wrote outside through {target}");
    }
    env.run(["run", "--rm", "-v", "v:/v", "busybox", "sh", "-c", "rm /v/sub; ln -s /real /v/sub"]).success();
    env.sh("cp c:/m/f found").success();
    assert_eq!(std::fs::read_to_string(env.path("found")).unwrap(), "in\n");
}

#[test]
fn chown_flag_gives_a_mount_to_the_user_inside() {
    let env = busybox_env!();
    env.file("mine/f", "x\n");
    let mount = format!("{}:/m:U", env.path("mine").display());
    env.run(["run", "--rm", "-u", "1000", "-v", &mount, "busybox", "sh", "-c", "echo y > /m/f && stat -c %u /m /m/f"])
        .success()
        .prints("1000\n1000\n");
}

#[test]
fn devices_that_the_user_may_open() {
    let env = busybox_env!();
    if std::fs::File::open("/dev/fuse").is_err() {
        skip!("/dev/fuse can't be opened");
    }
    env.sh("run --rm --device /dev/fuse busybox test -c /dev/fuse").success();
    env.sh("run --rm --device /dev/fuse:/dev/other busybox test -c /dev/other").success();
}
