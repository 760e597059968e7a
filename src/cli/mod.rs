//! The command line: one file per command, holding its flags, its help text and its `run`.
//!
//! Only this module prints, reads the environment or HOME, and decides exit codes.

mod archive_out;
mod attach;
mod build;
mod build_cache;
mod build_more_flags;
mod build_output;
mod build_platform;
mod build_progress;
mod build_run_flags;
mod builder_du;
mod builder_prune;
mod change;
mod commit;
mod complete;
mod completion;
mod connection_flags;
mod container_exists;
mod container_prune;
mod containers_conf;
mod cp;
mod create;
mod diff;
mod docker_config;
pub mod docs;
mod doctor;
mod epoch;
mod exec;
mod export;
mod generate_docs;
mod history;
pub mod human;
mod image_exists;
mod image_inspect;
mod image_prune;
mod image_tree;
mod images;
mod import;
mod info;
mod inherited;
mod inspect;
mod kill;
mod load;
mod logger;
mod login;
mod logout;
mod logs;
mod manifest_add;
mod manifest_annotate;
mod manifest_create;
mod manifest_exists;
mod manifest_flags;
mod manifest_inspect;
mod manifest_push;
mod manifest_remove;
mod manifest_rm;
mod mount;
mod network_connect;
mod network_create;
mod network_disconnect;
mod network_exists;
mod network_filter;
mod network_inspect;
mod network_ls;
mod network_prune;
mod network_reload;
mod network_rm;
pub mod output;
mod port;
pub mod progress;
mod progress_reading;
mod prompt;
mod prune;
mod ps;
mod ps_row;
mod pull;
mod push;
mod push_local;
pub mod registry_flags;
mod rename;
mod restart;
mod rm;
mod rmi;
mod root;
mod run;
mod run_flags;
mod run_request;
mod save;
mod search;
mod select;
mod start;
mod stats;
mod stop;
mod system_check;
mod system_df;
mod system_prune;
mod system_reset;
pub mod table;
mod tag;
pub mod template;
pub mod term;
mod top;
mod unmount;
mod unshare;
mod untag;
mod update;
mod usage;
mod version;
mod volume_create;
mod volume_exists;
mod volume_export;
mod volume_import;
mod volume_inspect;
mod volume_ls;
mod volume_mount;
mod volume_prune;
mod volume_rm;
mod volume_unmount;
mod wait;

use crate::engine;
use crate::error::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

pub use root::main;

/// Whose habits to follow where docker and podman differ; chosen by argv[0].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personality {
    Coracle,
    Docker,
    Podman,
}

/// What every command gets.
pub struct Cx {
    pub personality: Personality,
    pub engine: engine::Ctx,
}

/// Containers without a daemon and without root.
#[derive(Parser, Debug)]
#[command(
    name = "coracle",
    version,
    disable_version_flag = true,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    args_override_self = true,
    max_term_width = 100,
    override_usage = "coracle [OPTIONS] COMMAND",
    after_help = "See 'coracle COMMAND --help' for a command's options."
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// Options before the command.
#[derive(clap::Args, Debug)]
pub struct Globals {
    /// Data directory (default: $XDG_DATA_HOME/coracle)
    #[arg(long, global = false, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Directory of sockets (default: $XDG_RUNTIME_DIR/coracle)
    #[arg(long, global = false, value_name = "DIR")]
    pub runroot: Option<PathBuf>,
    /// What to log to stderr: error, warn, info, debug
    #[arg(short = 'l', long, value_name = "LEVEL", default_value = "warn")]
    pub log_level: String,
    /// Same as --log-level=debug
    #[arg(short = 'D', long)]
    pub debug: bool,
    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    pub version: Option<bool>,
    #[command(flatten)]
    pub ignored: Ignored,
}

/// Global options of docker and podman that mean nothing to an engine without daemon and storage drivers.
#[derive(clap::Args, Debug)]
pub struct Ignored {
    #[arg(long, hide = true, value_name = "X")]
    cgroup_manager: Option<String>,
    #[arg(long, hide = true, value_name = "X")]
    events_backend: Option<String>,
    #[arg(long, hide = true, value_name = "X")]
    storage_driver: Option<String>,
    #[arg(long, hide = true, value_name = "X")]
    storage_opt: Vec<String>,
    #[arg(long, hide = true, value_name = "X")]
    tmpdir: Option<String>,
    #[arg(long, hide = true, value_name = "X")]
    network_cmd_path: Option<String>,
    #[arg(long, hide = true)]
    syslog: bool,
    #[arg(short = 'r', long, hide = true)]
    remote: bool,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Attach(attach::Args),
    Build(Box<build::Args>),
    Commit(commit::Args),
    Completion(completion::Args),
    Cp(cp::Args),
    Create(create::Args),
    Diff(diff::Args),
    Doctor(doctor::Args),
    Exec(exec::Args),
    Export(export::Args),
    History(history::Args),
    Images(images::Args),
    Import(import::Args),
    Info(info::Args),
    Inspect(inspect::Args),
    Kill(kill::Args),
    Load(load::Args),
    Login(login::Args),
    Logout(logout::Args),
    Logs(logs::Args),
    Mount(mount::Args),
    Port(port::Args),
    Ps(ps::Args),
    Pull(pull::Args),
    Push(push::Args),
    Rename(rename::Args),
    Restart(restart::Args),
    Rm(rm::Args),
    Rmi(rmi::Args),
    Run(run::Args),
    Save(save::Args),
    Search(search::Args),
    Start(start::Args),
    Stats(stats::Args),
    Stop(stop::Args),
    Tag(tag::Args),
    Top(top::Args),
    #[command(visible_alias = "umount")]
    Unmount(unmount::Args),
    Unshare(unshare::Args),
    Untag(untag::Args),
    Update(Box<update::Args>),
    Version(version::Args),
    Wait(wait::Args),
    /// Build images, manage the build cache
    #[command(subcommand, arg_required_else_help = true, alias = "buildx")]
    Builder(BuilderCommand),
    /// Manage containers
    #[command(subcommand, arg_required_else_help = true)]
    Container(ContainerCommand),
    /// Manage images
    #[command(subcommand, arg_required_else_help = true)]
    Image(ImageCommand),
    /// Manage manifest lists (images for several platforms)
    #[command(subcommand, arg_required_else_help = true)]
    Manifest(ManifestCommand),
    /// Manage networks
    #[command(subcommand, arg_required_else_help = true)]
    Network(NetworkCommand),
    /// Show the state of the engine
    #[command(subcommand, arg_required_else_help = true)]
    System(SystemCommand),
    /// Manage volumes
    #[command(subcommand, arg_required_else_help = true)]
    Volume(VolumeCommand),
    #[command(name = "__complete", hide = true)]
    Complete(complete::Args),
    #[command(name = "generate-docs", hide = true)]
    GenerateDocs(generate_docs::Args),
}

#[derive(Subcommand, Debug)]
pub enum SystemCommand {
    Check(system_check::Args),
    Df(system_df::Args),
    Doctor(doctor::Args),
    Info(info::Args),
    Prune(system_prune::Args),
    Reset(system_reset::Args),
}

#[derive(Subcommand, Debug)]
pub enum BuilderCommand {
    Build(Box<build::Args>),
    Du(builder_du::Args),
    Prune(builder_prune::Args),
}

#[derive(Subcommand, Debug)]
pub enum ContainerCommand {
    Attach(attach::Args),
    Commit(commit::Args),
    Cp(cp::Args),
    Create(create::Args),
    Diff(diff::Args),
    Exec(exec::Args),
    Export(export::Args),
    Inspect(inspect::Args),
    Kill(kill::Args),
    Logs(logs::Args),
    Mount(mount::Args),
    #[command(visible_alias = "umount")]
    Unmount(unmount::Args),
    Port(port::Args),
    Rename(rename::Args),
    Restart(restart::Args),
    #[command(alias = "remove")]
    Rm(rm::Args),
    Run(run::Args),
    Start(start::Args),
    Stats(stats::Args),
    Stop(stop::Args),
    Top(top::Args),
    Update(Box<update::Args>),
    Wait(wait::Args),
    #[command(visible_alias = "list", alias = "ps")]
    Ls(ps::Args),
    Exists(container_exists::Args),
    Prune(container_prune::Args),
}

#[derive(Subcommand, Debug)]
pub enum ImageCommand {
    Build(Box<build::Args>),
    Diff(diff::Args),
    History(history::Args),
    Import(import::Args),
    Load(load::Args),
    Mount(mount::ImageArgs),
    Pull(pull::Args),
    Push(push::Args),
    Save(save::Args),
    Tag(tag::Args),
    Tree(image_tree::Args),
    #[command(visible_alias = "umount")]
    Unmount(unmount::Args),
    Untag(untag::Args),
    #[command(visible_alias = "list")]
    Ls(images::Args),
    #[command(visible_alias = "remove")]
    Rm(rmi::Args),
    Exists(image_exists::Args),
    Inspect(image_inspect::Args),
    Prune(image_prune::Args),
}

#[derive(Subcommand, Debug)]
pub enum ManifestCommand {
    Add(manifest_add::Args),
    Annotate(manifest_annotate::Args),
    Create(manifest_create::Args),
    Exists(manifest_exists::Args),
    Inspect(manifest_inspect::Args),
    Push(manifest_push::Args),
    Remove(manifest_remove::Args),
    Rm(manifest_rm::Args),
}

#[derive(Subcommand, Debug)]
pub enum NetworkCommand {
    Connect(network_connect::Args),
    Create(network_create::Args),
    Disconnect(network_disconnect::Args),
    Exists(network_exists::Args),
    Inspect(network_inspect::Args),
    #[command(visible_alias = "list")]
    Ls(network_ls::Args),
    Prune(network_prune::Args),
    Reload(network_reload::Args),
    #[command(visible_alias = "remove")]
    Rm(network_rm::Args),
}

#[derive(Subcommand, Debug)]
pub enum VolumeCommand {
    Create(volume_create::Args),
    Exists(volume_exists::Args),
    Export(volume_export::Args),
    Import(volume_import::Args),
    Inspect(volume_inspect::Args),
    #[command(visible_alias = "list")]
    Ls(volume_ls::Args),
    Mount(volume_mount::Args),
    Prune(volume_prune::Args),
    #[command(visible_alias = "remove")]
    Rm(volume_rm::Args),
    #[command(visible_alias = "umount")]
    Unmount(volume_unmount::Args),
}

impl Command {
    fn run(self, cx: &Cx) -> Result<u8> {
        match self {
            Command::Attach(a) => attach::run(a, cx),
            Command::Build(a) => build::run(*a, cx),
            Command::Builder(BuilderCommand::Build(a)) => build::run(*a, cx),
            Command::Builder(BuilderCommand::Du(a)) => builder_du::run(a, cx),
            Command::Builder(BuilderCommand::Prune(a)) => builder_prune::run(a, cx),
            Command::Commit(a) => commit::run(a, cx),
            Command::Completion(a) => completion::run(a, cx),
            Command::Cp(a) => cp::run(a, cx),
            Command::Create(a) => create::run(a, cx),
            Command::Diff(a) => diff::run(a, cx),
            Command::Doctor(a) => doctor::run(a, cx),
            Command::Exec(a) => exec::run(a, cx),
            Command::Export(a) => export::run(a, cx),
            Command::History(a) => history::run(a, cx),
            Command::Images(a) => images::run(a, cx),
            Command::Import(a) => import::run(a, cx),
            Command::Info(a) => info::run(a, cx),
            Command::Inspect(a) => inspect::run(a, cx),
            Command::Kill(a) => kill::run(a, cx),
            Command::Load(a) => load::run(a, cx),
            Command::Login(a) => login::run(a, cx),
            Command::Logout(a) => logout::run(a, cx),
            Command::Logs(a) => logs::run(a, cx),
            Command::Mount(a) => mount::run(a, cx),
            Command::Port(a) => port::run(a, cx),
            Command::Ps(a) => ps::run(a, cx),
            Command::Pull(a) => pull::run(a, cx),
            Command::Push(a) => push::run(a, cx),
            Command::Rename(a) => rename::run(a, cx),
            Command::Restart(a) => restart::run(a, cx),
            Command::Rm(a) => rm::run(a, cx),
            Command::Rmi(a) => rmi::run(a, cx),
            Command::Run(a) => run::run(a, cx),
            Command::Save(a) => save::run(a, cx),
            Command::Search(a) => search::run(a, cx),
            Command::Start(a) => start::run(a, cx),
            Command::Stats(a) => stats::run(a, cx),
            Command::Stop(a) => stop::run(a, cx),
            Command::Tag(a) => tag::run(a, cx),
            Command::Top(a) => top::run(a, cx),
            Command::Unmount(a) => unmount::run(a, cx),
            Command::Unshare(a) => unshare::run(a, cx),
            Command::Untag(a) => untag::run(a, cx),
            Command::Update(a) => update::run(*a, cx),
            Command::Version(a) => version::run(a, cx),
            Command::Wait(a) => wait::run(a, cx),
            Command::Container(c) => c.run(cx),
            Command::Image(c) => c.run(cx),
            Command::Manifest(c) => c.run(cx),
            Command::System(c) => c.run(cx),
            Command::Network(c) => c.run(cx),
            Command::Volume(c) => c.run(cx),
            Command::Complete(a) => complete::run(a, cx),
            Command::GenerateDocs(a) => generate_docs::run(a, cx),
        }
    }
}

impl SystemCommand {
    fn run(self, cx: &Cx) -> Result<u8> {
        match self {
            SystemCommand::Check(a) => system_check::run(a, cx),
            SystemCommand::Df(a) => system_df::run(a, cx),
            SystemCommand::Doctor(a) => doctor::run(a, cx),
            SystemCommand::Info(a) => info::run(a, cx),
            SystemCommand::Prune(a) => system_prune::run(a, cx),
            SystemCommand::Reset(a) => system_reset::run(a, cx),
        }
    }
}

impl ContainerCommand {
    fn run(self, cx: &Cx) -> Result<u8> {
        match self {
            ContainerCommand::Attach(a) => attach::run(a, cx),
            ContainerCommand::Commit(a) => commit::run(a, cx),
            ContainerCommand::Cp(a) => cp::run(a, cx),
            ContainerCommand::Create(a) => create::run(a, cx),
            ContainerCommand::Diff(a) => diff::run_among(engine::diff::Among::Containers, a, cx),
            ContainerCommand::Exec(a) => exec::run(a, cx),
            ContainerCommand::Export(a) => export::run(a, cx),
            ContainerCommand::Inspect(a) => inspect::run_as(engine::inspect::Type::Container, a, cx),
            ContainerCommand::Kill(a) => kill::run(a, cx),
            ContainerCommand::Logs(a) => logs::run(a, cx),
            ContainerCommand::Mount(a) => mount::run(a, cx),
            ContainerCommand::Unmount(a) => unmount::run(a, cx),
            ContainerCommand::Port(a) => port::run(a, cx),
            ContainerCommand::Rename(a) => rename::run(a, cx),
            ContainerCommand::Restart(a) => restart::run(a, cx),
            ContainerCommand::Rm(a) => rm::run(a, cx),
            ContainerCommand::Run(a) => run::run(a, cx),
            ContainerCommand::Start(a) => start::run(a, cx),
            ContainerCommand::Stats(a) => stats::run(a, cx),
            ContainerCommand::Stop(a) => stop::run(a, cx),
            ContainerCommand::Top(a) => top::run(a, cx),
            ContainerCommand::Update(a) => update::run(*a, cx),
            ContainerCommand::Wait(a) => wait::run(a, cx),
            ContainerCommand::Ls(a) => ps::run(a, cx),
            ContainerCommand::Exists(a) => container_exists::run(a, cx),
            ContainerCommand::Prune(a) => container_prune::run(a, cx),
        }
    }
}

impl ImageCommand {
    fn run(self, cx: &Cx) -> Result<u8> {
        match self {
            ImageCommand::Build(a) => build::run(*a, cx),
            ImageCommand::Diff(a) => diff::run_among(engine::diff::Among::Images, a, cx),
            ImageCommand::History(a) => history::run(a, cx),
            ImageCommand::Import(a) => import::run(a, cx),
            ImageCommand::Load(a) => load::run(a, cx),
            ImageCommand::Mount(a) => mount::run_image(a, cx),
            ImageCommand::Unmount(a) => unmount::run_image(a, cx),
            ImageCommand::Pull(a) => pull::run(a, cx),
            ImageCommand::Push(a) => push::run(a, cx),
            ImageCommand::Save(a) => save::run(a, cx),
            ImageCommand::Tag(a) => tag::run(a, cx),
            ImageCommand::Tree(a) => image_tree::run(a, cx),
            ImageCommand::Untag(a) => untag::run(a, cx),
            ImageCommand::Ls(a) => images::run(a, cx),
            ImageCommand::Rm(a) => rmi::run(a, cx),
            ImageCommand::Exists(a) => image_exists::run(a, cx),
            ImageCommand::Inspect(a) => image_inspect::run(a, cx),
            ImageCommand::Prune(a) => image_prune::run(a, cx),
        }
    }
}

impl ManifestCommand {
    fn run(self, cx: &Cx) -> Result<u8> {
        match self {
            ManifestCommand::Add(a) => manifest_add::run(a, cx),
            ManifestCommand::Annotate(a) => manifest_annotate::run(a, cx),
            ManifestCommand::Create(a) => manifest_create::run(a, cx),
            ManifestCommand::Exists(a) => manifest_exists::run(a, cx),
            ManifestCommand::Inspect(a) => manifest_inspect::run(a, cx),
            ManifestCommand::Push(a) => manifest_push::run(a, cx),
            ManifestCommand::Remove(a) => manifest_remove::run(a, cx),
            ManifestCommand::Rm(a) => manifest_rm::run(a, cx),
        }
    }
}

impl NetworkCommand {
    fn run(self, cx: &Cx) -> Result<u8> {
        match self {
            NetworkCommand::Connect(a) => network_connect::run(a, cx),
            NetworkCommand::Disconnect(a) => network_disconnect::run(a, cx),
            NetworkCommand::Reload(a) => network_reload::run(a, cx),
            NetworkCommand::Create(a) => network_create::run(a, cx),
            NetworkCommand::Exists(a) => network_exists::run(a, cx),
            NetworkCommand::Inspect(a) => network_inspect::run(a, cx),
            NetworkCommand::Ls(a) => network_ls::run(a, cx),
            NetworkCommand::Prune(a) => network_prune::run(a, cx),
            NetworkCommand::Rm(a) => network_rm::run(a, cx),
        }
    }
}

impl VolumeCommand {
    fn run(self, cx: &Cx) -> Result<u8> {
        match self {
            VolumeCommand::Create(a) => volume_create::run(a, cx),
            VolumeCommand::Exists(a) => volume_exists::run(a, cx),
            VolumeCommand::Export(a) => volume_export::run(a, cx),
            VolumeCommand::Import(a) => volume_import::run(a, cx),
            VolumeCommand::Inspect(a) => volume_inspect::run(a, cx),
            VolumeCommand::Ls(a) => volume_ls::run(a, cx),
            VolumeCommand::Mount(a) => volume_mount::run(a, cx),
            VolumeCommand::Prune(a) => volume_prune::run(a, cx),
            VolumeCommand::Rm(a) => volume_rm::run(a, cx),
            VolumeCommand::Unmount(a) => volume_unmount::run(a, cx),
        }
    }
}

/// The caller's variables. What is not UTF-8 in it can't be asked for by name and is not passed on.
fn host_environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}
