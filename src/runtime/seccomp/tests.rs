//! The compiled program against the rules themselves, by an interpreter of classic BPF.

use super::arch::Arch;
use super::bpf::{Action, Compare, Cond, Insn, OFF_ARCH, OFF_NR, op};
use super::profile::{Facts, Filter, Profile, Rule};
use super::{compile, default, json};
use crate::spec::model::Seccomp;
use proptest::prelude::*;

/// Runs a program as the kernel would. Panics where the kernel's checker would refuse it. Also the number of steps.
fn run(code: &[Insn], audit: u32, number: u32, args: &[u64; 6]) -> (u32, usize) {
    let (mut at, mut acc, mut steps) = (0usize, 0u32, 0usize);
    loop {
        let insn = code[at];
        steps += 1;
        at += 1;
        let branch = |yes: bool| usize::from(if yes { insn.jt } else { insn.jf });
        match insn.code {
            op::LD_ABS => {
                acc = match insn.k {
                    OFF_NR => number,
                    OFF_ARCH => audit,
                    k if (16..64).contains(&k) && k % 4 == 0 => {
                        let arg = args[(k as usize - 16) / 8];
                        if k % 8 == 0 { arg as u32 } else { (arg >> 32) as u32 }
                    }
                    k => panic!("load at {k}"),
                }
            }
            op::AND => acc &= insn.k,
            op::JA => at += insn.k as usize,
            op::JEQ => at += branch(acc == insn.k),
            op::JGT => at += branch(acc > insn.k),
            op::JGE => at += branch(acc >= insn.k),
            op::RET => return (insn.k, steps),
            code => panic!("instruction {code:#x}"),
        }
    }
}

fn facts(caps: &[&str]) -> Facts {
    Facts { native: Arch::X86_64, caps: caps.iter().map(|c| c.to_string()).collect(), kernel: (6, 1) }
}

const DEFAULT_CAPS: [&str; 2] = ["CHOWN", "SYS_CHROOT"];

fn number(arch: Arch, name: &str) -> u32 {
    arch.calls().find(|(_, n)| *n == name).unwrap_or_else(|| panic!("no {name}")).0
}

/// Every number of every interface, with arguments that matter somewhere.
#[test]
fn the_default_profile_means_what_its_rules_say() {
    let args: [[u64; 6]; 7] = [
        [0; 6],
        [0x20000, 1, 2, 3, 4, 5],
        [40, 0, 0, 0, 0, 0],
        [38, 0, 0, 0, 0, 0],
        [0x1_0000_0000, 0, 0, 0, 0, 0],
        [u64::MAX; 6],
        [0x1000_0000, 0x20008, 0, 0, 0, 0],
    ];
    for native in [Arch::X86_64, Arch::Aarch64] {
        for caps in [&DEFAULT_CAPS[..], &["SYS_ADMIN", "BPF", "SYS_TIME"], &[]] {
            let facts = Facts { native, ..facts(caps) };
            let profile = default::profile(native);
            let code = profile.program(&facts).unwrap();
            assert!(code.len() < 900, "{} instructions", code.len());
            let mut worst = 0;
            for audit in [Arch::X86_64, Arch::X86, Arch::Aarch64, Arch::Arm].map(Arch::audit) {
                let oracle = profile.oracle(&facts);
                let numbers = (0..520u32).chain([
                    0xf0001,
                    0xf0004,
                    0xf0005,
                    0xf0006,
                    0x4000_0000,
                    0x4000_003b,
                    0x4000_0200,
                    u32::MAX,
                ]);
                for (number, args) in numbers.flat_map(|n| args.iter().map(move |a| (n, a))) {
                    let want = oracle(audit, number, args);
                    let (got, steps) = run(&code, audit, number, args);
                    assert_eq!(got, want.ret(), "{audit:#x} {number} {args:x?}");
                    worst = worst.max(steps);
                }
            }
            assert!(worst < 40, "{worst} steps");
        }
    }
}

#[test]
fn the_default_profile_on_well_known_calls() {
    let native = Arch::X86_64;
    let verdict = |caps: &[&str], arch: Arch, name: &str, args: [u64; 6]| {
        let code = default::profile(native).program(&facts(caps)).unwrap();
        run(&code, arch.audit(), number(arch, name), &args).0
    };
    let (allow, eperm, enosys) = (Action::Allow.ret(), Action::Errno(1).ret(), Action::Errno(38).ret());
    let none = [0; 6];
    for arch in [Arch::X86_64, Arch::X86] {
        assert_eq!(verdict(&[], arch, "read", none), allow);
        assert_eq!(verdict(&[], arch, "mount", none), eperm);
        assert_eq!(verdict(&["SYS_ADMIN"], arch, "mount", none), allow);
        assert_eq!(verdict(&[], arch, "clone3", none), enosys);
        assert_eq!(verdict(&["SYS_ADMIN"], arch, "clone3", none), allow);
        assert_eq!(verdict(&[], arch, "clone", [0x11, 0, 0, 0, 0, 0]), allow);
        assert_eq!(verdict(&[], arch, "clone", [0x1000_0011, 0, 0, 0, 0, 0]), eperm);
        assert_eq!(verdict(&[], arch, "unshare", none), eperm);
        assert_eq!(verdict(&[], arch, "socket", [2, 1, 0, 0, 0, 0]), allow);
        assert_eq!(verdict(&[], arch, "socket", [40, 1, 0, 0, 0, 0]), eperm);
        assert_eq!(verdict(&[], arch, "personality", [0xffff_ffff, 0, 0, 0, 0, 0]), allow);
        assert_eq!(verdict(&[], arch, "personality", [0x40000, 0, 0, 0, 0, 0]), eperm);
        assert_eq!(verdict(&[], arch, "keyctl", none), eperm);
        assert_eq!(verdict(&[], arch, "io_uring_setup", none), eperm);
        assert_eq!(verdict(&[], arch, "file_getattr", none), enosys, "newer than the profile");
    }
    assert_eq!(verdict(&[], Arch::X86_64, "arch_prctl", none), allow);
    let code = default::profile(native).program(&facts(&[])).unwrap();
    assert_eq!(run(&code, Arch::X86_64.audit(), 0x4000_0000, &none).0, enosys, "x32");
    assert_eq!(run(&code, Arch::Aarch64.audit(), 0, &none).0, Action::KillProcess.ret());
}

/// A name that stands in no table is a misspelling, or a call that our tables lack.
#[test]
fn every_name_of_the_default_profile_is_known() {
    let arches = [Arch::X86_64, Arch::X86, Arch::Aarch64, Arch::Arm];
    let known: std::collections::HashSet<&str> = arches.iter().flat_map(|a| a.calls().map(|(_, n)| n)).collect();
    let profile = default::profile(Arch::X86_64);
    let named = profile.rules.iter().flat_map(|r| &r.names);
    let unknown: Vec<&str> = named.map(|n| n.as_ref()).filter(|n| !known.contains(n)).collect();
    assert_eq!(unknown, [""; 0], "unknown names");
}

/// What a shell in a container does all day.
#[test]
fn common_calls_pass_on_every_interface() {
    let everyday = "read write openat close newfstatat execve mmap mprotect munmap brk ioctl getdents64 wait4 exit_group \
        rt_sigaction clock_nanosleep futex getrandom statx prlimit64 set_tid_address rseq pipe2 dup3 epoll_pwait";
    for native in [Arch::X86_64, Arch::Aarch64] {
        let facts = Facts { native, ..facts(&[]) };
        let code = default::profile(native).program(&facts).unwrap();
        for name in everyday.split_whitespace() {
            let verdict = run(&code, native.audit(), number(native, name), &[0; 6]).0;
            assert_eq!(verdict, Action::Allow.ret(), "{native:?} {name}");
        }
    }
}

#[test]
fn json_profiles() {
    let text = r#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13,
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
        "syscalls": [
            {"names": ["read", "write", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
            {"name": "socket", "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]},
             "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "args": null, "comment": "x"}
        ]}"#;
    let profile = json::parse(text, Arch::X86_64).unwrap().unwrap();
    assert_eq!(profile.arches, [Arch::X86_64, Arch::X86]);
    let code = profile.program(&facts(&[])).unwrap();
    let verdict = |name: &str, args: [u64; 6]| run(&code, Arch::X86_64.audit(), number(Arch::X86_64, name), &args).0;
    assert_eq!(verdict("read", [0; 6]), Action::Allow.ret());
    assert_eq!(verdict("open", [0; 6]), Action::Errno(13).ret());
    assert_eq!(verdict("socket", [2, 0, 0, 0, 0, 0]), Action::Allow.ret());
    assert_eq!(verdict("socket", [3, 0, 0, 0, 0, 0]), Action::Errno(13).ret());
    assert_eq!(verdict("clone", [0x1000_0000, 0, 0, 0, 0, 0]), Action::Errno(13).ret());
    assert_eq!(verdict("ptrace", [0; 6]), Action::Allow.ret());
    assert_eq!(verdict("kill", [0; 6]), Action::Errno(22).ret());
    let old = Facts { kernel: (4, 4), ..facts(&[]) };
    assert!(!profile.rules[3].applies(&old));
    assert!(json::parse("{}", Arch::X86_64).unwrap().is_none());
}

#[test]
fn bad_json_profiles_are_refused_with_one_line() {
    for (text, word) in [
        ("", "profile"),
        ("{\"defaultAction\": \"SCMP_ACT_NOPE\"}", "SCMP_ACT_NOPE"),
        ("{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}", "NOTIFY"),
        ("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"a\"], \"archMap\": [{}]}", "archMap"),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"name\": \"kill\", \"action\": \"SCMP_ACT_LOG\", \"args\": [{\"index\": 6, \"op\": \"SCMP_CMP_EQ\"}]}]}",
            "six",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"name\": \"a\", \"names\": [\"b\"], \"action\": \"SCMP_ACT_LOG\"}]}",
            "both",
        ),
    ] {
        let error = json::parse(text, Arch::X86_64).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn compiled_words_are_filters_of_this_machine() {
    let program = compile(&Seccomp::Default, &[]).unwrap().unwrap();
    assert_eq!(program[0] & 0xffff, u64::from(op::LD_ABS));
    assert_eq!(program[0] >> 32, u64::from(OFF_ARCH));
    assert!(compile(&Seccomp::Unconfined, &[]).unwrap().is_none());
}

#[test]
fn a_profile_that_is_too_long_is_refused() {
    let names: Vec<String> = Arch::X86_64.calls().map(|(_, n)| n.to_string()).collect();
    let cond = |value| vec![Cond { index: 0, compare: Compare::Eq, value }];
    let rules = names
        .into_iter()
        .enumerate()
        .map(|(i, name)| Rule {
            names: vec![name.into()],
            action: Action::Allow,
            any: (0..20).map(|n| cond(n + 100 * i as u64)).collect(),
            includes: Filter::default(),
            excludes: Filter::default(),
        })
        .collect();
    let profile = Profile { default: Action::Errno(1), arches: vec![Arch::X86_64], rules };
    assert!(profile.program(&facts(&[])).unwrap_err().to_string().contains("4096"));
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Action::Allow),
        2 => (0u16..4096).prop_map(Action::Errno),
        1 => Just(Action::KillThread),
        1 => Just(Action::Trap),
        1 => Just(Action::Log),
        1 => any::<u16>().prop_map(Action::Trace),
    ]
}

/// Values near each other, around the border between the two words, so that comparisons are decided by both.
fn any_value() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..4, 0xffff_fffe..0x1_0000_0003u64, Just(u64::MAX), Just(0x1_0000_0000_u64 << 3), any::<u64>(),]
}

fn any_cond() -> impl Strategy<Value = Cond> {
    let compare = prop_oneof![
        Just(Compare::Ne),
        Just(Compare::Lt),
        Just(Compare::Le),
        Just(Compare::Eq),
        Just(Compare::Ge),
        Just(Compare::Gt),
        any_value().prop_map(Compare::MaskedEq),
    ];
    (0u8..6, compare, any_value()).prop_map(|(index, compare, value)| {
        // A value outside the mask never matches: make most of them possible.
        let value = match compare {
            Compare::MaskedEq(mask) => value & mask,
            _ => value,
        };
        Cond { index, compare, value }
    })
}

const NAMES: [&str; 12] = [
    "read",
    "write",
    "open",
    "close",
    "clone",
    "clone3",
    "socket",
    "mount",
    "personality",
    "removexattrat",
    "execve",
    "no_such_call",
];

fn any_rule() -> impl Strategy<Value = Rule> {
    let names = proptest::collection::vec(proptest::sample::select(NAMES.to_vec()), 1..4);
    let any = proptest::collection::vec(proptest::collection::vec(any_cond(), 1..4), 0..3);
    let caps = || {
        proptest::collection::vec(proptest::sample::select(vec!["KILL", "BPF"]), 0..2)
            .prop_map(|caps| Filter { caps: caps.into_iter().map(str::to_string).collect(), ..Filter::default() })
    };
    (names, any_action(), any, caps(), caps()).prop_map(|(names, action, any, includes, excludes)| Rule {
        names: names.into_iter().map(Into::into).collect(),
        action,
        any,
        includes,
        excludes,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn programs_agree_with_their_rules(
        default in any_action(),
        rules in proptest::collection::vec(any_rule(), 0..8),
        cap in proptest::sample::select(vec!["KILL", "NONE"]),
        args in proptest::collection::vec([any_value(), any_value(), any_value(), any_value(), any_value(), any_value()], 4),
    ) {
        let profile = Profile { default, arches: vec![Arch::X86_64, Arch::X86], rules };
        let facts = facts(&[cap]);
        let code = profile.program(&facts).unwrap();
        let oracle = profile.oracle(&facts);
        for arch in [Arch::X86_64, Arch::X86] {
            let named = NAMES.iter().filter_map(|n| arch.calls().find(|(_, name)| name == n)).map(|(n, _)| n);
            let numbers: Vec<u32> = named.flat_map(|n| [n.saturating_sub(1), n, n + 1]).chain([0, 600, 0x4000_0001]).collect();
            for args in &args {
                for number in &numbers {
                    let want = oracle(arch.audit(), *number, args).ret();
                    prop_assert_eq!(run(&code, arch.audit(), *number, args).0, want, "{:?} {} {:x?}", arch, number, args);
                }
            }
        }
    }
}
