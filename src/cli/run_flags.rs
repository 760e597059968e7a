//! The flags that `run` and `create` share.

use super::registry_flags::RegistryFlags;

/// Flags that describe a container. Everything after the image belongs to its command.
#[derive(clap::Args, Debug)]
pub struct ContainerFlags {
    #[command(flatten)]
    pub basic: BasicFlags,
    #[command(flatten)]
    pub process: ProcessFlags,
    #[command(flatten)]
    pub storage: StorageFlags,
    #[command(flatten)]
    pub network: NetworkFlags,
    #[command(flatten)]
    pub isolation: IsolationFlags,
    #[command(flatten)]
    pub resources: ResourceFlags,
    #[command(flatten, next_help_heading = "Image options")]
    pub registry: RegistryFlags,
    /// Image (or directory, with --rootfs), then the command and its arguments
    #[arg(value_name = "IMAGE", required = true, trailing_var_arg = true, num_args = 1..)]
    pub words: Vec<String>,
}

#[derive(clap::Args, Debug, Default)]
pub struct BasicFlags {
    /// Name of the container
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub name: Option<String>,
    /// Remove a container that has the name already
    #[arg(long)]
    pub replace: bool,
    /// Remove the container and its anonymous volumes when it exits
    #[arg(long)]
    pub rm: bool,
    /// Keep stdin open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Streams to attach: stdin, stdout, stderr
    #[arg(short, long, value_name = "STREAM")]
    pub attach: Vec<String>,
    /// Label (KEY[=VALUE])
    #[arg(short, long, value_name = "LABEL", allow_hyphen_values = true)]
    pub label: Vec<String>,
    /// File with one label a line
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<String>,
    /// Annotation (KEY=VALUE)
    #[arg(long, value_name = "ANNOTATION", allow_hyphen_values = true)]
    pub annotation: Vec<String>,
    /// Restart policy: no, always, unless-stopped, on-failure[:N]
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Signal that stops the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds from the stop signal to SIGKILL
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<u32>,
    /// Write the container's id to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<String>,
    /// Write the pid of the container's first process to this file
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<String>,
    /// Keys that detach from the container
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Log driver: k8s-file, none, passthrough
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// Log option: max-size, max-file, path, tag
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub log_opt: Vec<String>,
    /// When to pull the image: always, missing, never, newer
    #[arg(long, value_name = "POLICY", default_value = "missing")]
    pub pull: String,
    /// Print no pull progress
    #[arg(short, long)]
    pub quiet: bool,
    /// The image is a directory, used in place
    #[arg(long)]
    pub rootfs: bool,
    /// Taken for compatibility, without effect
    #[arg(long, hide = true, num_args = 0..=1, value_name = "BOOL", require_equals = true)]
    pub disable_content_trust: Option<String>,
    /// Taken for compatibility, without effect
    #[arg(long, hide = true, num_args = 0..=1, value_name = "BOOL", require_equals = true)]
    pub no_healthcheck: Option<String>,
    /// Taken for compatibility, without effect
    #[arg(long, hide = true, value_name = "RUNTIME")]
    pub runtime: Option<String>,
}

#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Process options")]
pub struct ProcessFlags {
    /// Variable (KEY=VALUE, or KEY to take this environment's)
    #[arg(short, long, value_name = "VARIABLE", allow_hyphen_values = true)]
    pub env: Vec<String>,
    /// File with one variable a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<String>,
    /// Pass this whole environment on
    #[arg(long)]
    pub env_host: bool,
    /// Leave a variable of the image out
    #[arg(long, value_name = "KEY")]
    pub unsetenv: Vec<String>,
    /// Leave all variables of the image out
    #[arg(long)]
    pub unsetenv_all: bool,
    /// Pass proxy variables on
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL")]
    pub http_proxy: Option<bool>,
    /// Replace the image's entrypoint ("" for none)
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub entrypoint: Option<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR", allow_hyphen_values = true)]
    pub workdir: Option<String>,
    /// User and group: names or ids
    #[arg(short, long, value_name = "USER[:GROUP]", allow_hyphen_values = true)]
    pub user: Option<String>,
    /// Additional group, or keep-groups
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// umask, octal
    #[arg(long, value_name = "MASK")]
    pub umask: Option<String>,
    /// Run a small init that reaps zombies and forwards signals
    #[arg(long)]
    pub init: bool,
}

#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Storage options")]
pub struct StorageFlags {
    /// Mount a directory or volume: [SOURCE:]TARGET[:OPTIONS]
    #[arg(short, long, value_name = "VOLUME", allow_hyphen_values = true)]
    pub volume: Vec<String>,
    /// Mount: type=bind|volume|tmpfs,source=…,target=…
    #[arg(long, value_name = "MOUNT", allow_hyphen_values = true)]
    pub mount: Vec<String>,
    /// Mount a tmpfs: TARGET[:OPTIONS]
    #[arg(long, value_name = "TMPFS", allow_hyphen_values = true)]
    pub tmpfs: Vec<String>,
    /// Mount the volumes of another container
    #[arg(long, value_name = "CONTAINER")]
    pub volumes_from: Vec<String>,
    /// What to do with the image's volumes: anonymous, tmpfs, ignore
    #[arg(long, value_name = "MODE")]
    pub image_volume: Option<String>,
    /// Make the root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// With --read-only, put a tmpfs on /run, /tmp and /var/tmp
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL")]
    pub read_only_tmpfs: Option<bool>,
    /// Device of the host: HOST[:CONTAINER][:rwm]
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE")]
    pub shm_size: Option<String>,
}

#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Network options")]
pub struct NetworkFlags {
    /// Network: none, host, slirp4netns, pasta, container:NAME
    #[arg(long, visible_alias = "net", value_name = "MODE")]
    pub network: Vec<String>,
    /// Further name of the container in the network
    #[arg(long, value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Publish a port: [[IP:]HOST:]CONTAINER[/PROTOCOL]
    #[arg(short, long, value_name = "PORT", allow_hyphen_values = true)]
    pub publish: Vec<String>,
    /// Publish all exposed ports to random ones
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Expose a port
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
    /// Host name of the container
    #[arg(short = 'h', long, value_name = "NAME", allow_hyphen_values = true)]
    pub hostname: Option<String>,
    /// NIS domain name of the container
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// Line for /etc/hosts: NAME:ADDRESS
    #[arg(long, value_name = "HOST")]
    pub add_host: Vec<String>,
    /// Leave the image's /etc/hosts alone
    #[arg(long)]
    pub no_hosts: bool,
    /// Name server
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// Option for resolv.conf
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Search domain
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// MAC address
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// IPv4 address in a network of your own
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// IPv6 address in a network of your own
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<String>,
}

#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Isolation options")]
pub struct IsolationFlags {
    /// Give the container all capabilities and no seccomp filter (never more than you have)
    #[arg(long)]
    pub privileged: bool,
    /// Add a capability
    #[arg(long, value_name = "CAP")]
    pub cap_add: Vec<String>,
    /// Drop a capability
    #[arg(long, value_name = "CAP")]
    pub cap_drop: Vec<String>,
    /// Security option: seccomp=, no-new-privileges, mask=, unmask=
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Namespaced kernel setting: KEY=VALUE
    #[arg(long, value_name = "SYSCTL")]
    pub sysctl: Vec<String>,
    /// User namespace: private, host, keep-id, container:NAME
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Process namespace: private, host, container:NAME
    #[arg(long, value_name = "MODE")]
    pub pid: Option<String>,
    /// IPC namespace: private, host, container:NAME
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// Host name namespace: private, host, container:NAME
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// Cgroup namespace: private, host, container:NAME
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
}

#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Resource options")]
pub struct ResourceFlags {
    /// Resource limit of processes: NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT")]
    pub ulimit: Vec<String>,
    /// Most memory
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Most memory and swap together, -1 for no limit
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// Memory that is kept when the host runs short
    #[arg(long, value_name = "SIZE")]
    pub memory_reservation: Option<String>,
    /// Number of CPUs
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub cpus: Option<String>,
    /// Relative share of CPU time (2 to 262144)
    #[arg(short, long, value_name = "SHARES")]
    pub cpu_shares: Option<u64>,
    /// CPU time per period in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,
    /// CPUs to run on, like 0-3,7
    #[arg(long, value_name = "CPUS")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes to use
    #[arg(long, value_name = "NODES")]
    pub cpuset_mems: Option<String>,
    /// Most processes and threads, -1 for no limit
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// Adjust the kernel's choice of what to kill when memory runs out (-1000 to 1000)
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub oom_score_adj: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    #[command(disable_help_flag = true)]
    struct Shell {
        #[command(flatten)]
        flags: ContainerFlags,
    }

    fn parse(line: &str) -> Result<ContainerFlags, clap::Error> {
        Shell::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).map(|s| s.flags)
    }

    #[test]
    fn grammar() {
        let flags = parse("-it --init -eA=1 -e B -p 80:80 -hbox --pids-limit -1 img -c --rm x").unwrap();
        assert!(flags.basic.interactive && flags.basic.tty && !flags.basic.rm && flags.process.init);
        assert_eq!(flags.process.env, ["A=1", "B"]);
        assert_eq!(flags.network.hostname.as_deref(), Some("box"));
        assert_eq!(flags.resources.pids_limit, Some(-1));
        assert_eq!(flags.words, ["img", "-c", "--rm", "x"]);
        assert_eq!(parse("-t -i -- img ls").unwrap().words, ["img", "ls"]);
        assert_eq!(parse("--net host img -- x").unwrap().words, ["img", "--", "x"]);
        assert_eq!(parse("--entrypoint= img").unwrap().process.entrypoint.as_deref(), Some(""));
        assert_eq!(parse("--entrypoint -x img").unwrap().process.entrypoint.as_deref(), Some("-x"));
        assert_eq!(parse("--pull always img").unwrap().basic.pull, "always");
        assert_eq!(parse("--pull=never img").unwrap().basic.pull, "never");
        assert_eq!(parse("-v ./a:/b -m 64m -c 512 img").unwrap().resources.cpu_shares, Some(512));
    }

    #[test]
    fn refusals() {
        for line in ["", "--nope img", "--rm=maybe img", "-c x img", "--cpu-period x img"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_whole_command_line_is_sound() {
        use clap::CommandFactory;
        crate::cli::Cli::command().debug_assert();
    }
}
