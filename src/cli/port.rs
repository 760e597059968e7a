//! `coracle port`.

use super::{Cx, human, output};
use crate::engine::ps;
use crate::error::{Error, Result};
use crate::state::container::PortMapping;
use crate::state::containers::Container;

/// Show the published ports of a container.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "CONTAINER", required_unless_present = "all")]
    container: Option<String>,
    /// Only this port of the container, tcp unless said otherwise
    #[arg(value_name = "PORT[/PROTOCOL]", conflicts_with = "all")]
    port: Option<String>,
    /// All containers
    #[arg(short, long, conflicts_with = "container")]
    all: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let mut out = String::new();
    if args.all {
        for container in ps::list(&cx.engine)? {
            for line in lines(published(&container)) {
                out += &format!("{}\t{line}\n", human::short_id(&container.id));
            }
        }
    } else if let Some(name) = &args.container {
        let container = ps::find(&cx.engine, name)?;
        container.sound()?;
        match &args.port {
            None => lines(published(&container)).iter().for_each(|line| out += &format!("{line}\n")),
            Some(port) => {
                let (number, protocol) = parse(port)?;
                let found: Vec<String> = published(&container)
                    .iter()
                    .filter(|p| p.container_port == number && p.protocol == protocol)
                    .flat_map(addresses)
                    .collect();
                if found.is_empty() {
                    return Err(Error::not_found(format!("find a published port for {number}/{protocol} of {name}"))
                        .hint("publish it with -p when the container is made"));
                }
                out = found.join("\n") + "\n";
            }
        }
    }
    output::raw(out.as_bytes())?;
    Ok(0)
}

/// Ports are open only while the container runs.
fn published(container: &Container) -> &[PortMapping] {
    if container.active() { &container.state.network.ports } else { &[] }
}

fn parse(text: &str) -> Result<(u16, &str)> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match number.parse() {
        Ok(number) if matches!(protocol, "tcp" | "udp") => Ok((number, protocol)),
        _ => Err(Error::user(format!("parse port '{text}'")).hint("write it as 80 or 53/udp")),
    }
}

fn lines(ports: &[PortMapping]) -> Vec<String> {
    let all = ports
        .iter()
        .flat_map(|p| addresses(p).into_iter().map(move |a| format!("{}/{} -> {a}", p.container_port, p.protocol)));
    all.collect()
}

/// A port on all addresses is one of each family, as docker shows it.
fn addresses(port: &PortMapping) -> Vec<String> {
    match port.host_ip.as_str() {
        "" => vec![format!("0.0.0.0:{}", port.host_port), format!("[::]:{}", port.host_port)],
        ip if ip.contains(':') => vec![format!("[{ip}]:{}", port.host_port)],
        ip => vec![format!("{ip}:{}", port.host_port)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_forms() {
        let port = |ip: &str, protocol: &str| PortMapping {
            host_ip: ip.into(),
            host_port: 8080,
            container_port: 80,
            protocol: protocol.into(),
        };
        assert_eq!(
            lines(&[port("", "tcp"), port("127.0.0.1", "udp"), port("::1", "tcp")]),
            ["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080", "80/udp -> 127.0.0.1:8080", "80/tcp -> [::1]:8080"]
        );
        assert_eq!(parse("53/udp").unwrap(), (53, "udp"));
        assert_eq!(parse("80").unwrap(), (80, "tcp"));
        for wrong in ["", "x", "80/sctp", "70000"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
