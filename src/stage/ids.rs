//! Becoming root of the user namespace that a stage finds itself in.

use crate::error::{Context, Result};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    Gid, Uid, clear_ambient_capability_set, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// Takes uid and gid 0 of the (mapped) user namespace, with all its capabilities and no supplementary groups
/// (`groups`: whether setgroups(2) is allowed here). The process must be single-threaded.
///
/// The map may lack 0 (keep-id at the one-id level): the ids stay then, the capabilities too.
pub(crate) fn become_root(groups: bool) -> Result<()> {
    if groups {
        match set_thread_groups(&[]) {
            // setgroups(2) is off in a joined one-id namespace.
            Ok(()) | Err(Errno::PERM) => {}
            Err(e) => return Err(e).context("drop the supplementary groups"),
        }
    }
    match set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT) {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(e) => return Err(e).context("become group 0 of the user namespace"),
    }
    match set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT) {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(e) => return Err(e).context("become user 0 of the user namespace"),
    }
    // The id change may have reduced the effective set; ambient ones were for the way here only.
    let sets = rustix::thread::capabilities(None).context("read the capabilities")?;
    let all = rustix::thread::CapabilitySets {
        effective: sets.permitted,
        inheritable: rustix::thread::CapabilitySet::empty(),
        ..sets
    };
    clear_ambient_capability_set().context("clear the ambient capabilities")?;
    rustix::thread::set_capabilities(None, all).context("set the capabilities")
}

/// Nobody but the host's root may look into this process: a container it enters can't read its memory or write its
/// program through /proc (its memory still belongs to the user namespace it was executed in).
pub(crate) fn undumpable() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("protect the process from its container")
}

/// The opposite, after a change of ids that has made the process undumpable.
pub(crate) fn dumpable() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::Dumpable).context("open the process to its owner")
}
