//! Profiles in Docker's JSON format (also that of podman's seccomp.json and of the OCI runtime spec).

use super::arch::Arch;
use super::bpf::{Action, Compare, Cond};
use super::profile::{Filter, Profile, Rule};
use crate::error::{Error, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Document {
    default_action: String,
    default_errno_ret: Option<u32>,
    architectures: Vec<String>,
    arch_map: Vec<ArchEntry>,
    syscalls: Option<Vec<Call>>,
    listener_path: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ArchEntry {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Call {
    name: String,
    names: Option<Vec<String>>,
    action: String,
    args: Option<Vec<Arg>>,
    errno_ret: Option<u32>,
    includes: Option<Conditions>,
    excludes: Option<Conditions>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Arg {
    index: u64,
    value: u64,
    value_two: u64,
    op: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Conditions {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::user(format!("read the seccomp profile: {why}"))
}

/// Reads a profile. `Ok(None)`: it says nothing at all, so there is no filter (as with docker).
pub fn parse(text: &str, native: Arch) -> Result<Option<Profile>> {
    let document: Document = serde_json::from_str(text).map_err(bad)?;
    let calls = document.syscalls.unwrap_or_default();
    if document.default_action.is_empty() && calls.is_empty() {
        return Ok(None);
    }
    if !document.architectures.is_empty() && !document.arch_map.is_empty() {
        return Err(bad("it has both 'architectures' and 'archMap'"));
    }
    if !document.listener_path.is_empty() {
        return Err(bad("listeners (listenerPath) are not supported"));
    }
    let default = action(&document.default_action, document.default_errno_ret)?;
    let mut names = document.architectures;
    for entry in document.arch_map {
        if Arch::from_scmp(&entry.architecture) == Some(native) {
            names.push(entry.architecture);
            names.extend(entry.sub_architectures.unwrap_or_default());
        }
    }
    let mut arches = vec![native];
    for arch in names.iter().filter_map(|n| Arch::from_scmp(n)) {
        // What this kernel can't run needs no section.
        if native.family().contains(&arch) && !arches.contains(&arch) {
            arches.push(arch);
        }
    }
    let rules = calls.into_iter().map(rule).collect::<Result<_>>()?;
    Ok(Some(Profile { default, arches, rules }))
}

fn action(name: &str, errno: Option<u32>) -> Result<Action> {
    const EPERM: u32 = 1;
    let code = |default: u32| match u16::try_from(errno.unwrap_or(default)) {
        // MAX_ERRNO: the kernel cuts larger ones.
        Ok(code) if code <= 4095 => Ok(code),
        _ => Err(bad(format!("errno {} is too large", errno.unwrap_or_default()))),
    };
    match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Ok(Action::KillThread),
        "SCMP_ACT_KILL_PROCESS" => Ok(Action::KillProcess),
        "SCMP_ACT_TRAP" => Ok(Action::Trap),
        "SCMP_ACT_ERRNO" => Ok(Action::Errno(code(EPERM)?)),
        "SCMP_ACT_TRACE" => Ok(Action::Trace(code(EPERM)?)),
        "SCMP_ACT_ALLOW" => Ok(Action::Allow),
        "SCMP_ACT_LOG" => Ok(Action::Log),
        "SCMP_ACT_NOTIFY" => Err(bad("the action SCMP_ACT_NOTIFY is not supported")),
        other => Err(bad(format!("unknown action '{other}'"))),
    }
}

fn rule(call: Call) -> Result<Rule> {
    let mut names = call.names.unwrap_or_default();
    if !call.name.is_empty() {
        if !names.is_empty() {
            return Err(bad(format!("the entry of {} has both 'name' and 'names'", call.name)));
        }
        names.push(call.name);
    }
    let args = call.args.unwrap_or_default();
    let conds: Vec<Cond> = args.iter().map(cond).collect::<Result<_>>()?;
    // Several comparisons of one argument are alternatives, of different arguments they belong together: libseccomp
    // can't express the former in one rule, and all engines agreed on this reading.
    let repeated = conds.iter().enumerate().any(|(i, c)| conds[..i].iter().any(|d| d.index == c.index));
    let any = match (conds.is_empty(), repeated) {
        (true, _) => Vec::new(),
        (false, true) => conds.into_iter().map(|c| vec![c]).collect(),
        (false, false) => vec![conds],
    };
    Ok(Rule {
        action: action(&call.action, call.errno_ret).map_err(|e| match names.first() {
            Some(name) => e.context(format!("entry of {name}")),
            None => e,
        })?,
        names: names.into_iter().map(Into::into).collect(),
        any,
        includes: filter(call.includes)?,
        excludes: filter(call.excludes)?,
    })
}

fn cond(arg: &Arg) -> Result<Cond> {
    let index = match u8::try_from(arg.index) {
        Ok(index) if index < 6 => index,
        _ => return Err(bad(format!("argument {} of a call: there are six, from 0", arg.index))),
    };
    let (compare, value) = match arg.op.as_str() {
        "SCMP_CMP_NE" => (Compare::Ne, arg.value),
        "SCMP_CMP_LT" => (Compare::Lt, arg.value),
        "SCMP_CMP_LE" => (Compare::Le, arg.value),
        "SCMP_CMP_EQ" => (Compare::Eq, arg.value),
        "SCMP_CMP_GE" => (Compare::Ge, arg.value),
        "SCMP_CMP_GT" => (Compare::Gt, arg.value),
        // The mask comes first.
        "SCMP_CMP_MASKED_EQ" => (Compare::MaskedEq(arg.value), arg.value_two),
        other => return Err(bad(format!("unknown comparison '{other}'"))),
    };
    Ok(Cond { index, compare, value })
}

fn filter(conditions: Option<Conditions>) -> Result<Filter> {
    let Some(conditions) = conditions else { return Ok(Filter::default()) };
    let min_kernel = match conditions.min_kernel.as_deref() {
        None | Some("") => None,
        Some(text) => match text.split_once('.').map(|(a, b)| (a.parse(), b.parse())) {
            Some((Ok(major), Ok(minor))) => Some((major, minor)),
            _ => return Err(bad(format!("minKernel '{text}' is no version like 4.8"))),
        },
    };
    let caps = conditions.caps.unwrap_or_default();
    let caps = caps.iter().map(|c| c.strip_prefix("CAP_").unwrap_or(c).to_string()).collect();
    Ok(Filter { caps, arches: conditions.arches.unwrap_or_default(), min_kernel })
}
