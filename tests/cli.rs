//! info, version, doctor, inspect and --format: what scripts read.

mod common;

use common::TestEnv;
use common::pty::Pty;

#[test]
fn doctor_explains_this_machine() {
    let env = TestEnv::new();
    let text = env.sh("doctor").success().stdout;
    assert!(text.contains("user-namespaces"), "{text}");
    let json = env.sh("doctor --json").success().json();
    let checks = json.as_array().or_else(|| json["checks"].as_array()).expect("a list of checks");
    assert!(checks.len() >= 8, "{json}");
    for check in checks {
        assert!(check.is_object(), "{check}");
    }
    // It tries things in the store, and leaves nothing there.
    env.sh("create --name c hello").success();
    env.sh("doctor").success();
    env.sh("system check").success();
}

#[test]
fn info_and_version_are_data() {
    let env = TestEnv::new();
    let version = env.sh("version --format json").success().json();
    assert!(version.to_string().contains(env!("CARGO_PKG_VERSION")), "{version}");
    assert!(env.sh("info --format json").success().json().is_object());
    assert!(!env.sh("info").success().stdout.is_empty());
}

#[test]
fn formats_of_all_lists() {
    let env = TestEnv::new();
    env.start("--name c -l k=v hello sleep forever");
    env.sh("ps --format '{{.Names}}'").success().prints("c\n");
    env.sh("ps --format 'table {{.Names}}\\t{{.Image}}'").success().has("NAMES").has("hello");
    env.sh("ps --format '{{json .}}'").success().json();
    env.sh("ps --format '{{.Label \"k\"}}'").success().prints("v\n");
    assert_eq!(env.sh("ps --format json").success().json().as_array().map(Vec::len), Some(1));
    env.sh("ps --format ndjson").success().json();
    env.sh("images --format '{{.Repository}}'").success().has("hello");
    env.sh("inspect -f '{{.State.Status}} {{len .Mounts}} {{range .Config.Cmd}}[{{.}}]{{end}}' c")
        .success()
        .has("running 0 [sleep][forever]");
    env.sh("inspect -f '{{if .State.Running}}up{{else}}down{{end}}' c").success().prints("up\n");
    env.sh("inspect -f '{{index .Config.Labels \"k\" | upper}}' c").success().prints("V\n");
    let out = env.sh("ps --format '{{.Names'").code(125);
    assert_eq!(out.stdout, "");
}

#[test]
fn inspect_has_dockers_fields() {
    let env = TestEnv::new();
    env.start("--name c -e A=1 -p 127.0.0.1::80 --tmpfs /t hello sleep forever");
    let i = env.inspect("c");
    for path in [
        "/Id",
        "/Created",
        "/Path",
        "/Args",
        "/State/Status",
        "/State/Pid",
        "/State/StartedAt",
        "/Image",
        "/Name",
        "/RestartCount",
        "/HostConfig/NetworkMode",
        "/HostConfig/RestartPolicy/Name",
        "/HostConfig/PortBindings",
        "/Mounts",
        "/Config/Hostname",
        "/Config/Env",
        "/Config/Cmd",
        "/Config/Image",
        "/NetworkSettings/Ports",
        "/NetworkSettings/IPAddress",
    ] {
        assert!(i.pointer(path).is_some(), "no {path} in {i:#}");
    }
    assert!(i["Config"]["Env"].as_array().unwrap().iter().any(|e| e == "A=1"));
}

#[test]
fn inspect_tells_where_layers_and_volumes_come_from() {
    let env = busybox_env!();
    env.sh("create --name first -v v:/v busybox true").success();
    env.sh("create --name c -P --volumes-from first:ro busybox true").success();
    let i = env.inspect("c");
    assert_eq!(i["HostConfig"]["PublishAllPorts"], true);
    assert_eq!(i["HostConfig"]["VolumesFrom"][0], "first:ro");
    assert_eq!(env.inspect("first")["HostConfig"]["PublishAllPorts"], false);
    assert!(env.inspect("first")["HostConfig"]["VolumesFrom"].is_null());
    let layer = i["GraphDriver"]["Data"]["LowerDir"].as_str().unwrap();
    assert!(std::path::Path::new(layer).join("bin/busybox").exists(), "{layer}");
}

/// `coracle` under the name `docker`.
fn called_docker(env: &TestEnv, args: &str) -> std::process::Command {
    let link = env.path("docker");
    let _ = std::os::unix::fs::symlink(common::binary(), &link);
    let mut command = env.program(link);
    command.args(env.bare().get_args()).args(shlex::split(args).unwrap());
    command
}

fn docker(env: &TestEnv, args: &str) -> common::Ran {
    env.finish(&mut called_docker(env, args), b"")
}

/// Scripts take podman's JSON apart: lists are lists, times are seconds, ids are whole.
#[test]
fn called_as_podman_lists_are_podmans() {
    if !common::fixtures::can_make() {
        skip!("the test image can't be made");
    }
    let env = TestEnv::new().with_busybox();
    let id = env.sh("create --name box -l a=b -v vol:/data -v /tmp:/host busybox echo one two").success().line();
    let link = env.path("podman");
    std::os::unix::fs::symlink(common::binary(), &link).unwrap();
    let podman = |args: &str| {
        let mut command = env.program(&link);
        command.args(env.bare().get_args()).args(shlex::split(args).unwrap());
        env.finish(&mut command, b"").success()
    };
    let rows = podman("ps -a --format json").json();
    let row = &rows[0];
    assert_eq!(row["Id"], id.as_str());
    assert_eq!(row["Names"], serde_json::json!(["box"]));
    assert_eq!(row["Command"], serde_json::json!(["echo", "one", "two"]));
    assert_eq!(row["Labels"]["a"], "b");
    assert_eq!(row["Mounts"], serde_json::json!(["/data", "/host"]));
    assert_eq!((row["State"].as_str(), row["Exited"].as_bool()), (Some("created"), Some(false)));
    assert!(row["Created"].as_i64().unwrap() > 1_600_000_000 && row["StartedAt"].as_i64().unwrap() < 0, "{row}");
    assert_eq!(row["Image"], "localhost/busybox:latest");
    assert_eq!(
        podman("ps -a --format '{{.Image}} {{.Exited}} {{.AutoRemove}}'").stdout,
        "localhost/busybox:latest false false\n"
    );
    let steps = podman("history --format json busybox").json();
    let image = podman("images --format json").json();
    assert_eq!(steps[0]["id"], image[0]["Id"]);
    assert!(steps[0]["size"].is_number() && steps[0]["created"].is_string(), "{steps}");
    assert_eq!(steps[0]["tags"], serde_json::json!(["localhost/busybox:latest"]));
    env.sh("rm box").success();
    // Docker knows no sharing of layers in this list, but the fields.
    let docker = docker(&env, "images --format '{{.SharedSize}} {{.UniqueSize}} {{eq .VirtualSize .Size}}'").success();
    assert_eq!(docker.stdout, "N/A N/A true\n");
}

#[test]
fn dockers_own_configuration_counts_for_docker_only() {
    let env = TestEnv::new();
    let config = r#"{"psFormat":"{{.Names}}!","imagesFormat":"{{.Repository}}?","volumesFormat":"<{{.Name}}>",
        "detachKeys":"ctrl-x,d","auths":{}}"#;
    env.file("home/.docker/config.json", config);
    env.start("--name c -v v:/v hello sleep forever");
    docker(&env, "ps").success().prints("c!\n");
    docker(&env, "ps --format {{.Image}}").success().prints("hello\n");
    assert_eq!(docker(&env, "ps -q").success().line().len(), 12);
    docker(&env, "images").success().has("hello?\n");
    docker(&env, "volume ls").success().prints("<v>\n");
    env.sh("ps").success().has("CONTAINER ID");
    env.sh("rm -f -t 0 c").success();
    // Proxies of docker's file are variables of containers, in both spellings; the command line's own win.
    let config =
        r#"{"proxies":{"default":{"httpProxy":"http://p:1","noProxy":"x.io"},"tcp://other":{"httpProxy":"no"}}}"#;
    env.file("home/.docker/config.json", config);
    let run = |args: &str| {
        docker(&env, &format!("create --name made {args} hello")).success();
        let variables = env.inspect("made")["Config"]["Env"].clone();
        env.sh("rm made").success();
        let all = variables.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string());
        let mut found: Vec<String> = all.filter(|v| v.to_lowercase().contains("_proxy")).collect();
        found.sort();
        found.join(" ")
    };
    assert_eq!(run(""), "HTTP_PROXY=http://p:1 NO_PROXY=x.io http_proxy=http://p:1 no_proxy=x.io");
    assert!(run("-e HTTP_PROXY=mine").starts_with("HTTP_PROXY=mine "));
    env.sh("create --name made hello").success();
    assert!(!env.inspect("made").to_string().contains("http://p:1"));
    env.sh("rm made").success();
    env.file("home/.docker/config.json", "{");
    docker(&env, "ps").success().err_has("config.json is not used").has("CONTAINER ID");
    env.sh("ps").success();
}

#[test]
fn dockers_detach_keys() {
    let env = busybox_env!();
    env.file("etc/config.json", r#"{"detachKeys":"ctrl-x,d"}"#);
    let mut command = called_docker(&env, "run -it --name c -e 'PS1=> ' busybox sh");
    command.env("DOCKER_CONFIG", env.path("etc"));
    let mut pty = Pty::spawn(command);
    pty.expect("> ");
    pty.send("\x18d");
    assert_eq!(pty.end().0, 0);
    assert_eq!(env.inspect("c")["State"]["Running"], true);
}

#[test]
fn completions_are_printed() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        env.run(["completion", shell]).success().has("coracle");
    }
}

#[test]
fn top_and_port_of_a_running_container() {
    let env = TestEnv::new();
    env.start("--name c -p 127.0.0.1::80 hello sleep forever");
    env.sh("top c").success().has("PID").has("sleep forever");
    env.sh("port c").success().has("80/tcp -> 127.0.0.1:");
}

#[test]
fn trace_time_prints_phases() {
    let env = TestEnv::new();
    let out = env.sh("run --rm --trace-time hello /hello exit 0").success();
    assert!(out.stderr.contains("ms"), "{out}");
}

#[test]
fn a_reader_that_leaves_is_no_error_and_hurts_no_container() {
    let env = TestEnv::new();
    env.start("--name c hello sleep forever");
    // Its stdout is a pipe that nobody reads: the child ends by SIGPIPE, or at least without a word.
    let mut child = env.spawn(["ps"]);
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).is_empty(), "{out:?}");
    env.sh("inspect -f '{{.State.Running}}' c").success().prints("true\n");
}

#[test]
fn inspect_says_what_is_missing_and_shows_the_rest() {
    let env = TestEnv::new();
    env.start("--name c hello sleep forever");
    let out = env.sh("inspect c nosuch").code(125);
    assert_eq!(out.json().as_array().map(Vec::len), Some(1));
    assert!(out.stderr.contains("nosuch"), "{}", out.stderr);
    env.sh("inspect --type image hello -f '{{.Os}}'").success().prints("linux\n");
    env.sh("inspect --type image c").code(125);
    let out = env.sh("inspect c -f '{{.Nmae}}'").code(125);
    assert_eq!(out.stdout, "");
    env.sh("info -f '{{.Host.Security.Rootless}} {{.ServerVersion}}'").success().has(env!("CARGO_PKG_VERSION"));
}
