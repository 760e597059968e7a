//! Entry point: a stage of an engine process, or the command line.
//!
//! Namespace crossings are forks, or where that can't be an exec of this same binary ("stage"), so the stage test comes
//! first: monitors and PID 1s must not pay for the command line parser.

use coracle::build;
use coracle::engine::{cp, doctor, exec, size, unshare, volume};
use coracle::image::diff;
use coracle::runtime::{self, fuse, init, jobs, owned, owned_check};
use coracle::{cli, monitor, net, stage};
use std::process::ExitCode;

/// Which function serves which stage. It stands here so that `stage` itself knows no higher layer.
const STAGES: &[(&str, stage::Entry)] = &[
    ("init", init::main),
    ("exec", runtime::exec_stage),
    (fuse::STAGE, fuse::main),
    (exec::HOLD_STAGE, exec::hold_main),
    (unshare::STAGE, unshare::main),
    (monitor::STAGE, monitor::main),
    (net::forward::STAGE, net::forward::main),
    (net::GUARD_STAGE, net::guard),
    (net::holder::STAGE, net::holder::main),
    (net::holder::KEEPER_STAGE, net::holder::keeper_main),
];

/// Which function does which job of the `work` stage (mapped ids, own mount namespace).
const JOBS: &[(&str, stage::Job)] = &[
    ("remove-tree", jobs::remove_tree),
    ("chown-tree", jobs::chown_tree),
    (owned::JOB, owned::job),
    (owned_check::JOB, owned_check::job),
    ("unpack", coracle::image::unpack_job),
    (coracle::image::CHECK_JOB, coracle::image::check_job),
    ("storage-layer", coracle::image::storage_layer_job),
    (diff::JOB, diff::job),
    (build::copy::JOB, build::copy::job),
    (build::copy::EXTRACT_JOB, build::copy::extract_job),
    ("tree-size", size::tree_size),
    (volume::EXPORT_JOB, volume::export_job),
    (volume::IMPORT_JOB, volume::import_job),
    ("copy-out", cp::copy_out),
    ("copy-in", cp::copy_in),
    ("probe-namespaces", doctor::probe_namespaces),
    ("probe-storage", doctor::probe_storage),
];

fn main() -> ExitCode {
    if let Some(code) = stage::dispatch(STAGES, JOBS) {
        return code;
    }
    cli::main()
}
