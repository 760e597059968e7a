//! `coracle network create`.

use super::{Cx, Personality, containers_conf, output};
use crate::engine::network::{NewNetwork, create, hidden};
use crate::error::{Kind, Result};
use crate::net::networks;
use crate::spec::policy::key_values;

/// Create a network whose containers reach each other by name.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Subnet (up to one of each family; default: a free one)
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<String>,
    /// Address of the network's own end (default: the subnet's first)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// Addresses for containers: a subnet, or FIRST-LAST
    #[arg(long, value_name = "RANGE")]
    ip_range: Vec<String>,
    /// No way out of the network
    #[arg(long)]
    internal: bool,
    /// IPv6 addresses too
    #[arg(long)]
    ipv6: bool,
    /// IPv4 addresses
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide_possible_values = true, value_name = "BOOL")]
    ipv4: bool,
    /// Label (KEY[=VALUE])
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Driver: only bridge is there
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge")]
    driver: String,
    /// No name service
    #[arg(long)]
    disable_dns: bool,
    /// Server to ask for names outside (default: the host's)
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    dns: Vec<String>,
    /// Option: mtu=BYTES, isolate=true, way_out=slirp4netns|pasta
    #[arg(short, long, value_name = "OPTION")]
    opt: Vec<String>,
    /// A network that exists already is no error
    #[arg(long)]
    ignore: bool,
    /// Docker's: any container may join any network here
    #[arg(long, hide = true)]
    attachable: bool,
    /// Docker's and podman's: addresses are given by the engine itself
    #[arg(long, hide = true, value_name = "DRIVER")]
    ipam_driver: Option<String>,
    /// Name of the network (default: the first free of coracle1, coracle2, …)
    name: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    if let Some(driver) = args.ipam_driver.filter(|d| !matches!(d.as_str(), "default" | "host-local")) {
        return Err(crate::error::Error::unsupported(format!("use --ipam-driver {driver}: only host-local is there")));
    }
    let new = NewNetwork {
        name: args.name.clone().unwrap_or_default(),
        driver: args.driver,
        subnets: args.subnet,
        gateways: args.gateway,
        ranges: args.ip_range,
        internal: args.internal,
        ipv4: args.ipv4,
        ipv6: args.ipv6,
        labels: key_values(&args.label, "label")?,
        options: key_values(&split_options(&args.opt), "option")?,
        dns: !args.disable_dns,
        dns_servers: args.dns,
        pools: networks::pools(&containers_conf::files())?,
    };
    let network = match create(&cx.engine, &new) {
        Err(e) if e.kind == Kind::Conflict && args.ignore && !new.name.is_empty() => {
            networks::get(&cx.engine.paths, &new.name).map_err(|_| e)?
        }
        other => {
            let network = other?;
            hidden(&network).iter().for_each(|note| output::warn(note));
            network
        }
    };
    output::line(if cx.personality == Personality::Docker { &network.id } else { &network.name })?;
    Ok(0)
}

/// Podman takes several with commas.
fn split_options(given: &[String]) -> Vec<String> {
    given.iter().flat_map(|o| o.split(',')).map(str::to_string).collect()
}
