//! `coracle network connect`.

use super::Cx;
use crate::engine::connect::connect;
use crate::error::{Error, Result};
use crate::spec::model::Endpoint;
use crate::spec::namespaces::mac;

/// Connect a container to a network, also while it runs.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    /// Hardware address
    #[arg(long, value_name = "ADDRESS")]
    mac_address: Option<String>,
    /// Further name of the container in the network
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Name or id of the network
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Name or id of the container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let parse = |text: &String| text.parse().map_err(|_| Error::user(format!("read address '{text}'")));
    let endpoint = Endpoint {
        network: args.network,
        ips: args.ip.iter().chain(&args.ip6).map(parse).collect::<Result<_>>()?,
        mac: args.mac_address.as_deref().map(mac).transpose()?,
        aliases: args.alias,
        interface: None,
    };
    connect(&cx.engine, &args.container, &endpoint)?;
    Ok(0)
}
