//! The machine interfaces a filter has to tell apart, and their system call numbers.

use super::bpf::{Action, ENOSYS};

/// One system call interface as seccomp(2) reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    X86_64,
    X86,
    Aarch64,
    Arm,
}

/// x32 calls come as x86_64 ones with this bit set (asm/unistd.h). Distributions keep that interface switched off; it
/// gets "no such call" whatever the profile says, as a second numbering would bypass a list of denied calls.
const X32_BIT: u32 = 0x4000_0000;

impl Arch {
    /// `AUDIT_ARCH_*` (linux/audit.h).
    pub fn audit(self) -> u32 {
        match self {
            Arch::X86_64 => 0xc000_003e,
            Arch::X86 => 0x4000_0003,
            Arch::Aarch64 => 0xc000_00b7,
            Arch::Arm => 0x4000_0028,
        }
    }

    /// What this program was built for.
    pub fn native() -> Option<Arch> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Arch::X86_64),
            "x86" => Some(Arch::X86),
            "aarch64" => Some(Arch::Aarch64),
            "arm" => Some(Arch::Arm),
            _ => None,
        }
    }

    /// The interface itself and those that the same kernel serves beside it.
    pub fn family(self) -> &'static [Arch] {
        match self {
            Arch::X86_64 => &[Arch::X86_64, Arch::X86],
            Arch::X86 => &[Arch::X86],
            Arch::Aarch64 => &[Arch::Aarch64, Arch::Arm],
            Arch::Arm => &[Arch::Arm],
        }
    }

    /// `includes.arches` of profiles use Go's names.
    pub fn go_name(self) -> &'static str {
        match self {
            Arch::X86_64 => "amd64",
            Arch::X86 => "x86",
            Arch::Aarch64 => "arm64",
            Arch::Arm => "arm",
        }
    }

    /// `SCMP_ARCH_…`; `None` for those that this kernel family never runs.
    pub fn from_scmp(name: &str) -> Option<Arch> {
        match name {
            "SCMP_ARCH_X86_64" => Some(Arch::X86_64),
            "SCMP_ARCH_X86" => Some(Arch::X86),
            "SCMP_ARCH_AARCH64" => Some(Arch::Aarch64),
            "SCMP_ARCH_ARM" => Some(Arch::Arm),
            _ => None,
        }
    }

    /// Numbers at and above this one belong to another interface and get the action.
    pub fn foreign(self) -> Option<(u32, Action)> {
        (self == Arch::X86_64).then_some((X32_BIT, Action::Errno(ENOSYS)))
    }

    /// All calls, lowest number first, by the names that profiles use.
    pub fn calls(self) -> Box<dyn Iterator<Item = (u32, &'static str)>> {
        match self {
            Arch::X86_64 => Box::new(syscalls::x86_64::Sysno::iter().map(|s| (s.id() as u32, s.name()))),
            Arch::X86 => Box::new(syscalls::x86::Sysno::iter().map(|s| (s.id() as u32, s.name()))),
            Arch::Aarch64 => Box::new(syscalls::aarch64::Sysno::iter().map(|s| {
                // Profiles know the call by its x86_64 name, the table by the generic one.
                let name = if s.name() == "fstatat" { "newfstatat" } else { s.name() };
                (s.id() as u32, name)
            })),
            Arch::Arm => Box::new(
                syscalls::arm::Sysno::iter()
                    .map(|s| match s.name() {
                        // One call, two names; the table knows none of the private ones.
                        "arm_sync_file_range" => (s.id() as u32, "sync_file_range2"),
                        name => (s.id() as u32, name),
                    })
                    .chain([(0x0f_0001, "breakpoint"), (0x0f_0002, "cacheflush"), (0x0f_0005, "set_tls")]),
            ),
        }
    }
}
