//! What `build` gives to RUN besides the Dockerfile: files of the host, limits, names.

use crate::build::run::Given;
use crate::error::{Context, Error, Result};
use crate::spec::model::MountKind;
use crate::spec::volumes::parse_volume;

/// Options of `build` about RUN.
#[derive(clap::Args, Debug)]
pub struct RunFlags {
    /// Mount a directory or file of the host in RUN; what it holds is no part of the cache's keys
    #[arg(short, long, value_name = "HOST:PATH[:OPTIONS]")]
    volume: Vec<String>,
    /// Give RUN a device of the host
    #[arg(long, value_name = "DEVICE[:PATH[:rwm]]")]
    device: Vec<String>,
    /// Limit of memory of each RUN
    #[arg(short, long, value_name = "SIZE")]
    memory: Option<String>,
    /// Limit of memory and swap of each RUN; -1 for unlimited swap
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Weight of RUN where CPU time is short (2 to 262144)
    #[arg(short, long, value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// Microseconds that the CPU quota is for
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// Microseconds of CPU time in each period
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// CPUs that RUN may use (0-3,5)
    #[arg(long, value_name = "CPUS")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that RUN may use
    #[arg(long, value_name = "NODES")]
    cpuset_mems: Option<String>,
    /// Search domain of RUN
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// Option of RUN's resolver
    #[arg(long, value_name = "OPTION")]
    dns_option: Vec<String>,
    /// Not supported: the control group is that of the session
    #[arg(long, hide = true, value_name = "CGROUP")]
    cgroup_parent: Option<String>,
    /// Leave a variable out of the image
    #[arg(long, value_name = "NAME")]
    pub unsetenv: Vec<String>,
    /// Leave a label of the base image or the Dockerfile out of the image
    #[arg(long, value_name = "NAME")]
    pub unsetlabel: Vec<String>,
}

impl RunFlags {
    /// What RUN is given.
    ///
    /// # Errors
    /// A volume is no directory or file of the host.
    pub fn given(&self) -> Result<Given> {
        if let Some(parent) = &self.cgroup_parent {
            return Err(Error::unsupported(format!(
                "use --cgroup-parent {parent}: builds run in their caller's group"
            ))
            .hint("limit RUN with --memory, --cpu-quota and the like"));
        }
        let cwd = std::env::current_dir().context("find the current directory")?;
        let cwd = cwd.to_string_lossy();
        let mut volumes = Vec::new();
        for text in &self.volume {
            let asked = parse_volume(text, &cwd)?;
            let MountKind::Bind { source } = &asked.mount.kind else {
                return Err(Error::user(format!("read --volume '{text}': a build has no volumes"))
                    .hint("name a directory of the host: /DIRECTORY:/PATH, or ./DIRECTORY:/PATH"));
            };
            std::fs::metadata(source).with_context(|| format!("mount {source}"))?;
            volumes.push(asked.mount);
        }
        Ok(Given {
            volumes,
            devices: self.device.clone(),
            memory: self.memory.clone(),
            memory_swap: self.memory_swap.clone(),
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            dns_search: self.dns_search.clone(),
            dns_option: self.dns_option.clone(),
        })
    }
}
