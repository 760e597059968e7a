//! From [`Resources`] to files of a cgroup: the plan is plain data, [`apply`] writes it.

use crate::error::{Context, Result};
use crate::spec::model::Resources;
use std::fs;
use std::path::Path;

/// One file of the cgroup to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// Controller that must be enabled for it.
    pub controller: &'static str,
    pub file: &'static str,
    pub value: String,
    /// What the user calls it, for messages.
    pub option: &'static str,
    /// A kernel without it (no swap accounting), or its being a default of ours, is no reason to fail or to warn.
    pub optional: bool,
}

/// The files to write, in an order the kernel accepts.
pub(super) fn plan(r: &Resources) -> Vec<Limit> {
    let mut out = Vec::new();
    let mut add = |controller, file, value: String, option, optional| {
        out.push(Limit { controller, file, value, option, optional });
    };
    if let Some(bytes) = r.memory {
        add("memory", "memory.max", bytes.to_string(), "--memory", false);
    }
    if let Some(swap) = swap_max(r) {
        add("memory", "memory.swap.max", swap, "--memory-swap", r.memory_swap.is_none());
    }
    if let Some(bytes) = r.memory_reservation {
        add("memory", "memory.low", bytes.to_string(), "--memory-reservation", false);
    }
    if r.cpu_quota.is_some() || r.cpu_period.is_some() {
        let quota = r.cpu_quota.filter(|q| *q > 0).map_or("max".to_string(), |q| q.to_string());
        add("cpu", "cpu.max", format!("{quota} {}", r.cpu_period.unwrap_or(100_000)), "--cpus", false);
    }
    if let Some(shares) = r.cpu_shares {
        add("cpu", "cpu.weight", weight(shares).to_string(), "--cpu-shares", false);
    }
    if let Some(cpus) = &r.cpuset_cpus {
        add("cpuset", "cpuset.cpus", cpus.clone(), "--cpuset-cpus", false);
    }
    if let Some(mems) = &r.cpuset_mems {
        add("cpuset", "cpuset.mems", mems.clone(), "--cpuset-mems", false);
    }
    if let Some(pids) = r.pids {
        let value = if pids > 0 { pids.to_string() } else { "max".to_string() };
        add("pids", "pids.max", value, "--pids-limit", r.pids_default);
    }
    out
}

/// The files to write where other limits apply already, in an order the kernel accepts.
pub(super) fn changes(before: &Resources, now: &Resources) -> Vec<Limit> {
    let (old, new) = (plan(before), plan(now));
    let gone =
        old.iter().filter(|o| new.iter().all(|n| n.file != o.file)).map(|o| Limit { value: none(o.file), ..o.clone() });
    let mut out: Vec<Limit> = gone.collect();
    out.extend(new.iter().filter(|n| !old.contains(n)).cloned());
    out
}

/// The kernel's value of a file that limits nothing.
fn none(file: &str) -> String {
    match file {
        "memory.low" => "0",
        "cpu.max" => "max 100000",
        "cpu.weight" => "100",
        "cpuset.cpus" | "cpuset.mems" => "\n",
        _ => "max",
    }
    .to_string()
}

/// Docker counts memory and swap together and allows as much swap as memory by default; v2 counts swap alone.
fn swap_max(r: &Resources) -> Option<String> {
    match (r.memory, r.memory_swap) {
        (_, Some(-1)) => Some("max".to_string()),
        (Some(memory), Some(total)) => Some(u64::try_from(total).unwrap_or(0).saturating_sub(memory).to_string()),
        (Some(memory), None) => Some(memory.to_string()),
        _ => None,
    }
}

/// Docker's shares (2..262144, default 1024) to v2 weights (1..10000), linear as runc and crun do it.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// One line for each limit that the user asked for and that can't be applied; defaults of ours are dropped silently.
pub(super) fn warnings(plan: &[Limit], controllers: &[String], explicit: bool, reason: &str) -> Vec<String> {
    if !explicit {
        return Vec::new();
    }
    let mut missing: Vec<(&str, Vec<&str>)> = Vec::new();
    for limit in plan.iter().filter(|l| !l.optional && !controllers.iter().any(|c| c == l.controller)) {
        match missing.iter_mut().find(|(controller, _)| *controller == limit.controller) {
            Some((_, options)) => options.push(limit.option),
            None => missing.push((limit.controller, vec![limit.option])),
        }
    }
    missing
        .iter()
        .map(|(controller, options)| {
            format!("{} not applied: cgroup controller '{controller}' is missing ({reason})", options.join(", "))
        })
        .collect()
}

/// Writes the limits whose controllers are there.
///
/// # Errors
/// The value that the kernel refused, with its errno.
pub(super) fn apply(dir: &Path, plan: &[Limit], controllers: &[String]) -> Result<()> {
    for limit in plan.iter().filter(|l| controllers.iter().any(|c| c == l.controller)) {
        let result = fs::write(dir.join(limit.file), &limit.value);
        if limit.optional && result.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            continue;
        }
        result.with_context(|| format!("apply {}: write '{}' to {}", limit.option, limit.value, limit.file))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(r: &Resources) -> Vec<(&'static str, String)> {
        plan(r).into_iter().map(|l| (l.file, l.value)).collect()
    }

    #[test]
    fn converts_docker_units() {
        let r = Resources {
            memory: Some(64 << 20),
            cpu_quota: Some(50_000),
            cpu_shares: Some(1024),
            pids: Some(-1),
            ..Resources::default()
        };
        assert_eq!(
            files(&r),
            [
                ("memory.max", "67108864".to_string()),
                ("memory.swap.max", "67108864".to_string()),
                ("cpu.max", "50000 100000".to_string()),
                ("cpu.weight", "39".to_string()),
                ("pids.max", "max".to_string()),
            ]
        );
        assert_eq!((weight(2), weight(262_144), weight(0)), (1, 10_000, 1));
    }

    #[test]
    fn changes_write_what_differs() {
        let before = Resources { memory: Some(100), cpu_shares: Some(2), pids: Some(5), ..Resources::default() };
        let now = Resources { memory: Some(300), pids: Some(5), ..Resources::default() };
        let files: Vec<_> = changes(&before, &now).into_iter().map(|l| (l.file, l.value)).collect();
        let of = |file, value: &str| (file, value.to_string());
        assert_eq!(files, [of("cpu.weight", "100"), of("memory.max", "300"), of("memory.swap.max", "300")]);
        assert!(changes(&now, &now).is_empty());
    }

    #[test]
    fn counts_swap_alone() {
        let swap = |memory, memory_swap| {
            swap_max(&Resources { memory, memory_swap, ..Resources::default() }).unwrap_or_default()
        };
        assert_eq!(swap(Some(100), Some(300)), "200");
        assert_eq!(swap(Some(100), Some(-1)), "max");
        assert_eq!(swap(Some(100), Some(100)), "0");
        assert_eq!(swap(None, None), "");
    }

    #[test]
    fn warns_once_a_controller_and_only_for_wishes() {
        let r = Resources { memory: Some(1), memory_reservation: Some(1), pids: Some(5), ..Resources::default() };
        let all = warnings(&plan(&r), &["pids".to_string()], true, "nothing is delegated");
        assert_eq!(all.len(), 1);
        assert!(
            all[0].starts_with("--memory, --memory-reservation not applied: cgroup controller 'memory'"),
            "{all:?}"
        );
        assert!(warnings(&plan(&r), &[], false, "").is_empty());
    }
}
