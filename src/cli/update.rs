//! `coracle update`.

use super::{Cx, output, select};
use crate::engine::update::{Update, update};
use crate::error::{Error, Result};
use crate::spec::policy::parse_restart;
use crate::spec::ports::{collect, parse_unpublish};
use crate::spec::request::RunRequest;

/// Change ports, limits and restart policy of containers, also while they run.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Publish a further port: [[IP:]HOSTPORT:]PORT[/udp]
    #[arg(long, value_name = "PORT")]
    publish_add: Vec<String>,
    /// Publish a port no more: PORT[/udp] or [IP:]HOSTPORT:PORT[/udp]
    #[arg(long, value_name = "PORT")]
    publish_rm: Vec<String>,
    /// When to start it again: no, always, unless-stopped, on-failure[:RETRIES]
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Most memory
    #[arg(short, long, value_name = "SIZE")]
    memory: Option<String>,
    /// Most memory and swap together, -1 for no limit
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Memory that is kept when the host runs short
    #[arg(long, value_name = "SIZE")]
    memory_reservation: Option<String>,
    /// Number of CPUs
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    cpus: Option<String>,
    /// Relative share of CPU time (2 to 262144)
    #[arg(short, long, value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// CPU time per period in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// CPUs to run on, like 0-3,7
    #[arg(long, value_name = "CPUS")]
    cpuset_cpus: Option<String>,
    /// Memory nodes to use
    #[arg(long, value_name = "NODES")]
    cpuset_mems: Option<String>,
    /// Most processes and threads, -1 for no limit
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let mut unpublish = Vec::new();
    for text in &args.publish_rm {
        unpublish.extend(parse_unpublish(text)?);
    }
    let limits = RunRequest {
        memory: args.memory,
        memory_swap: args.memory_swap,
        memory_reservation: args.memory_reservation,
        cpus: args.cpus,
        cpu_shares: args.cpu_shares,
        cpu_quota: args.cpu_quota,
        cpu_period: args.cpu_period,
        cpuset_cpus: args.cpuset_cpus,
        cpuset_mems: args.cpuset_mems,
        pids_limit: args.pids_limit,
        ..RunRequest::default()
    };
    let asked = Update {
        publish: collect(&args.publish_add, false, &[])?,
        unpublish,
        restart: args.restart.as_deref().map(parse_restart).transpose()?,
        limits,
    };
    let nothing = asked.publish.is_empty() && asked.unpublish.is_empty() && asked.restart.is_none();
    if nothing && asked.limits == RunRequest::default() {
        return Err(Error::user("update containers: nothing is to change").hint("see 'coracle update --help'"));
    }
    output::each(&args.containers, select::code(cx), |word| {
        for warning in update(&cx.engine, &select::id(cx, word)?, &asked)? {
            output::warn(&warning);
        }
        Ok(())
    })
}
