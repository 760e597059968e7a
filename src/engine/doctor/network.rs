//! The helpers of the default network.

use super::{Environment, Finding, State, read};
use rustix::fs::{Mode, OFlags};

pub(super) fn network(env: &Environment) -> Vec<Finding> {
    let tun = tun();
    let slirp = helper(env, "slirp4netns", "slirp4netns");
    let pasta = helper(env, "pasta", "passt");
    let mut findings = vec![tun];
    match (slirp, pasta) {
        (Ok(slirp), Ok(pasta)) => findings.extend([slirp, pasta]),
        (Ok(slirp), Err(pasta)) => findings.extend([
            slirp,
            Finding { state: State::Ok, consequence: "only --network pasta needs it".into(), ..pasta },
        ]),
        (Err(slirp), Ok(pasta)) => {
            findings.extend([Finding { consequence: "pasta makes the default network instead".into(), ..slirp }, pasta])
        }
        (Err(slirp), Err(pasta)) => findings.extend([
            Finding { consequence: "containers have loopback only, unless they use --network host".into(), ..slirp },
            Finding { consequence: "see slirp4netns; one of the two is enough".into(), ..pasta },
        ]),
    }
    findings.push(low_ports());
    findings.push(settings(env));
    findings
}

fn tun() -> Finding {
    const CHECK: &str = "tun";
    let consequence = "containers have loopback only, unless they use --network host";
    match rustix::fs::open("/dev/net/tun", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(_) => Finding::ok(CHECK, "/dev/net/tun can be opened"),
        Err(rustix::io::Errno::NOENT) => {
            Finding::warn(CHECK, "/dev/net/tun does not exist", consequence, "sudo modprobe tun")
        }
        Err(e) => {
            let detail = format!("/dev/net/tun can't be opened: {}", std::io::Error::from(e));
            Finding::warn(CHECK, detail, consequence, "sudo chmod 666 /dev/net/tun")
        }
    }
}

fn helper(env: &Environment, program: &'static str, package: &str) -> Result<Finding, Finding> {
    match env.version(program, "--version") {
        Some((path, version)) => Ok(Finding::ok(program, format!("{}: {version}", path.display()))),
        None => Err(Finding::warn(program, "not installed", "", format!("sudo apt-get install {package}"))),
    }
}

/// containers.conf(5) may say more about networks than is followed here.
fn settings(env: &Environment) -> Finding {
    const CHECK: &str = "containers-conf";
    match &env.network_settings {
        Ok(ignored) if ignored.is_empty() => Finding::ok(CHECK, "no network setting of containers.conf is ignored"),
        Ok(ignored) => Finding::warn(
            CHECK,
            format!("[network] in containers.conf: {}", ignored.join(", ")),
            "no effect: the default network is each container's own",
            "coracle network create makes networks as you want them",
        ),
        Err(why) => Finding::fail(CHECK, why.clone(), "containers are not started", "mend the file"),
    }
}

fn low_ports() -> Finding {
    const CHECK: &str = "low-ports";
    let first = read("/proc/sys/net/ipv4/ip_unprivileged_port_start").and_then(|t| t.parse::<u32>().ok());
    match first {
        _ if rustix::process::geteuid().is_root() => Finding::ok(CHECK, "root may publish every port"),
        Some(first) if first > 80 => Finding {
            consequence: format!("ports below {first} can't be published"),
            fix: "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80 (where that is wanted)".into(),
            ..Finding::ok(CHECK, format!("users may publish ports from {first} on"))
        },
        Some(first) => Finding::ok(CHECK, format!("users may publish ports from {first} on")),
        None => Finding::ok(CHECK, "not known"),
    }
}
