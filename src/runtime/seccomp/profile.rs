//! A seccomp profile, and the program that it becomes on one kernel for one set of capabilities.

use super::arch::Arch;
use super::bpf::{Action, Cond, ENOSYS, Insn, Leaf, OFF_ARCH, OFF_NR, op, tree};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::collections::HashMap;

/// Most instructions the kernel takes (`BPF_MAXINSNS`).
const MAX_INSNS: usize = 4096;
/// ARM's private calls (asm/unistd.h) start here: no part of the common numbering, so not "the newest".
const PRIVATE: u32 = 0x0f_0000;

/// When a rule counts: each list that is not empty has to agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Without `CAP_`. Includes: all of them are there. Excludes: any of them is.
    pub caps: Vec<String>,
    /// Go's names of the native architecture.
    pub arches: Vec<String>,
    /// Kernel (major, minor) or newer.
    pub min_kernel: Option<(u32, u32)>,
}

/// Calls and what happens to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub names: Vec<Cow<'static, str>>,
    pub action: Action,
    /// Alternatives, each a list of comparisons that all have to hold. Empty: whatever the arguments.
    pub any: Vec<Vec<Cond>>,
    pub includes: Filter,
    pub excludes: Filter,
}

/// A whole profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub default: Action,
    /// Interfaces with a section of their own; a call through any other kills the process.
    pub arches: Vec<Arch>,
    pub rules: Vec<Rule>,
}

/// What rules may ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub native: Arch,
    pub caps: Vec<String>,
    pub kernel: (u32, u32),
}

impl Rule {
    /// Whether the rule counts here.
    pub fn applies(&self, facts: &Facts) -> bool {
        let has = |cap: &String| facts.caps.contains(cap);
        let here = |arches: &[String]| arches.iter().any(|a| a == facts.native.go_name());
        let (with, without) = (&self.includes, &self.excludes);
        with.caps.iter().all(has)
            && (with.arches.is_empty() || here(&with.arches))
            && with.min_kernel.is_none_or(|k| facts.kernel >= k)
            && !without.caps.iter().any(has)
            && !here(&without.arches)
            && without.min_kernel.is_none_or(|k| facts.kernel < k)
    }
}

impl Profile {
    /// Name → the rules that count here; a name whose rules all don't is known nevertheless.
    fn by_name<'a>(&'a self, facts: &Facts) -> HashMap<&'a str, Vec<&'a Rule>> {
        let mut by_name: HashMap<&str, Vec<&Rule>> = HashMap::with_capacity(512);
        for rule in &self.rules {
            let applies = rule.applies(facts);
            for name in &rule.names {
                let list = by_name.entry(name).or_default();
                if applies {
                    list.push(rule);
                }
            }
        }
        by_name
    }

    /// What the profile says of each call of `arch`: number → leaf for those it names, and the highest number that it
    /// knows of at all. Rules about the same call add up: conditional ones are tried in order, then the first without
    /// conditions counts, then the default.
    fn section(&self, arch: Arch, by_name: &HashMap<&str, Vec<&Rule>>) -> (Vec<(u32, Leaf)>, Option<u32>) {
        let mut newest = None;
        let mut leaves = Vec::with_capacity(512);
        for (number, name) in arch.calls() {
            let Some(rules) = by_name.get(name) else { continue };
            if number < PRIVATE {
                newest = newest.max(Some(number));
            }
            leaves.push((number, self.leaf(rules)));
        }
        (leaves, newest)
    }

    fn leaf(&self, rules: &[&Rule]) -> Leaf {
        let mut checks: Vec<(Vec<Cond>, Action)> = Vec::new();
        let mut otherwise = None;
        for rule in rules {
            if rule.any.is_empty() {
                otherwise.get_or_insert(rule.action);
            }
            checks.extend(rule.any.iter().map(|conds| (conds.clone(), rule.action)));
        }
        let otherwise = otherwise.unwrap_or(self.default);
        // Checks that end like their fall-back change nothing.
        while checks.last().is_some_and(|(_, action)| *action == otherwise) {
            checks.pop();
        }
        if checks.is_empty() { Leaf::Return(otherwise) } else { Leaf::Check(checks, otherwise) }
    }

    /// What becomes of calls with a number above all that the profile knows: programs probe for new calls and fall
    /// back on ENOSYS, but not on EPERM (runc does the same).
    fn unknown(&self) -> Action {
        match self.default {
            Action::Errno(_) | Action::KillThread | Action::KillProcess | Action::Trap => Action::Errno(ENOSYS),
            other => other,
        }
    }

    /// The ranges of numbers of `arch` with the same leaf, ascending, from 0 to the end.
    fn segments(&self, arch: Arch, by_name: &HashMap<&str, Vec<&Rule>>) -> Vec<(u32, Leaf)> {
        let (leaves, newest) = self.section(arch, by_name);
        let mut out: Vec<(u32, Leaf)> = vec![(0, Leaf::Return(self.default))];
        let mut push = |start: u32, leaf: Leaf| match out.last_mut() {
            Some(last) if last.0 == start => last.1 = leaf,
            Some(last) if last.1 == leaf => {}
            _ => out.push((start, leaf)),
        };
        let unnamed = |number: u32| match newest {
            Some(newest) if number > newest => Leaf::Return(self.unknown()),
            _ => Leaf::Return(self.default),
        };
        for (number, leaf) in leaves {
            push(number, leaf);
            push(number + 1, unnamed(number + 1));
        }
        if let Some((start, action)) = arch.foreign() {
            push(start, Leaf::Return(action));
        }
        merge(out)
    }

    /// The program.
    ///
    /// # Errors
    /// `User` when it would be longer than the kernel allows.
    pub fn program(&self, facts: &Facts) -> Result<Vec<Insn>> {
        let mut code = vec![Insn::new(op::LD_ABS, 0, 0, OFF_ARCH)];
        let by_name = self.by_name(facts);
        for arch in &self.arches {
            let section = tree(&self.segments(*arch, &by_name));
            // Behind this section the next interface is tried: the distance may be beyond a conditional jump's reach.
            code.push(Insn::new(op::JEQ, 1, 0, arch.audit()));
            code.push(Insn::new(op::JA, 0, 0, section.len() as u32 + 1));
            code.push(Insn::new(op::LD_ABS, 0, 0, OFF_NR));
            code.extend(section);
        }
        code.push(Insn::ret(Action::KillProcess));
        if code.len() > MAX_INSNS {
            return Err(Error::user(format!(
                "compile the seccomp profile: {} instructions, the kernel takes {MAX_INSNS}",
                code.len()
            )));
        }
        Ok(code)
    }

    /// What the program has to agree with, straight from the rules.
    #[cfg(test)]
    pub fn oracle<'a>(&'a self, facts: &'a Facts) -> impl Fn(u32, u32, &[u64; 6]) -> Action + 'a {
        let known: std::collections::HashSet<&str> =
            self.rules.iter().flat_map(|r| &r.names).map(|n| n.as_ref()).collect();
        let tables: HashMap<u32, (HashMap<u32, &str>, Option<u32>)> = self
            .arches
            .iter()
            .map(|arch| {
                let newest =
                    arch.calls().filter(|(n, name)| *n < PRIVATE && known.contains(name)).map(|(n, _)| n).max();
                (arch.audit(), (arch.calls().collect(), newest))
            })
            .collect();
        move |audit, number, args| {
            let Some(arch) = self.arches.iter().find(|a| a.audit() == audit) else { return Action::KillProcess };
            let (table, newest) = &tables[&audit];
            match arch.foreign() {
                Some((start, action)) if number >= start => return action,
                _ => {}
            }
            let fallback = if newest.is_some_and(|n| number > n) { self.unknown() } else { self.default };
            let Some(name) = table.get(&number).filter(|n| known.contains(*n)) else { return fallback };
            let rules = self.rules.iter().filter(|r| r.applies(facts) && r.names.iter().any(|n| n == name));
            let mut plain = None;
            for rule in rules {
                if rule.any.iter().any(|conds| conds.iter().all(|c| c.holds(args))) {
                    return rule.action;
                }
                if rule.any.is_empty() {
                    plain.get_or_insert(rule.action);
                }
            }
            plain.unwrap_or(self.default)
        }
    }
}

/// Joins neighbours with the same leaf.
fn merge(segments: Vec<(u32, Leaf)>) -> Vec<(u32, Leaf)> {
    let mut out: Vec<(u32, Leaf)> = Vec::with_capacity(segments.len());
    for (start, leaf) in segments {
        if out.last().is_none_or(|last| last.1 != leaf) {
            out.push((start, leaf));
        }
    }
    out
}
