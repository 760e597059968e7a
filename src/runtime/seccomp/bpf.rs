//! Classic BPF as seccomp runs it: instructions, and the two shapes our programs are made of: a decision tree over
//! system call numbers and chains of argument comparisons.

/// Operation codes (linux/bpf_common.h).
pub mod op {
    pub const LD_ABS: u16 = 0x20;
    pub const AND: u16 = 0x54;
    pub const JA: u16 = 0x05;
    pub const JEQ: u16 = 0x15;
    pub const JGT: u16 = 0x25;
    pub const JGE: u16 = 0x35;
    pub const RET: u16 = 0x06;
}

/// Offsets in `struct seccomp_data` (linux/seccomp.h); arguments are 64 bits wide, little end first on our machines.
pub const OFF_NR: u32 = 0;
pub const OFF_ARCH: u32 = 4;
const OFF_ARGS: u32 = 16;

pub const ENOSYS: u16 = 38;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    KillProcess,
    KillThread,
    Trap,
    Errno(u16),
    Trace(u16),
    Log,
    Allow,
}

impl Action {
    /// `SECCOMP_RET_*` (seccomp(2)).
    pub fn ret(self) -> u32 {
        match self {
            Action::KillProcess => 0x8000_0000,
            Action::KillThread => 0,
            Action::Trap => 0x0003_0000,
            Action::Errno(code) => 0x0005_0000 | u32::from(code),
            Action::Trace(data) => 0x7ff0_0000 | u32::from(data),
            Action::Log => 0x7ffc_0000,
            Action::Allow => 0x7fff_0000,
        }
    }
}

/// How an argument is compared, all 64 bits of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    Ne,
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    /// `(argument & mask) == value`.
    MaskedEq(u64),
}

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cond {
    /// 0 to 5.
    pub index: u8,
    pub compare: Compare,
    pub value: u64,
}

impl Cond {
    /// What the compiled comparison has to agree with.
    #[cfg(test)]
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let arg = args[usize::from(self.index)];
        match self.compare {
            Compare::Ne => arg != self.value,
            Compare::Lt => arg < self.value,
            Compare::Le => arg <= self.value,
            Compare::Eq => arg == self.value,
            Compare::Ge => arg >= self.value,
            Compare::Gt => arg > self.value,
            Compare::MaskedEq(mask) => arg & mask == self.value,
        }
    }
}

/// What a system call number leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    Return(Action),
    /// The first alternative whose comparisons all hold decides; else the last action.
    Check(Vec<(Vec<Cond>, Action)>, Action),
}

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

impl Insn {
    pub fn new(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
        Insn { code, jt, jf, k }
    }
    pub fn ret(action: Action) -> Insn {
        Insn::new(op::RET, 0, 0, action.ret())
    }
    /// The bytes of the C struct as one word.
    pub fn word(self) -> u64 {
        let [c0, c1] = self.code.to_ne_bytes();
        let [k0, k1, k2, k3] = self.k.to_ne_bytes();
        u64::from_ne_bytes([c0, c1, self.jt, self.jf, k0, k1, k2, k3])
    }
}

/// The code of a decision tree over `segments` (start number, leaf), ascending, the first at 0; the accumulator holds
/// the number. Every path ends in a return.
pub fn tree(segments: &[(u32, Leaf)]) -> Vec<Insn> {
    match segments {
        [] => vec![Insn::ret(Action::KillProcess)],
        [(_, leaf)] => leaf_code(leaf),
        _ => {
            let middle = segments.len() / 2;
            let (low, high) = (tree(&segments[..middle]), tree(&segments[middle..]));
            let mut code = Vec::with_capacity(low.len() + high.len() + 2);
            match u8::try_from(low.len()) {
                Ok(distance) => code.push(Insn::new(op::JGE, distance, 0, segments[middle].0)),
                // Conditional jumps reach 255 instructions; only the unconditional one goes further.
                Err(_) => {
                    code.push(Insn::new(op::JGE, 0, 1, segments[middle].0));
                    code.push(Insn::new(op::JA, 0, 0, low.len() as u32));
                }
            }
            code.extend(low);
            code.extend(high);
            code
        }
    }
}

fn leaf_code(leaf: &Leaf) -> Vec<Insn> {
    match leaf {
        Leaf::Return(action) => vec![Insn::ret(*action)],
        Leaf::Check(alternatives, otherwise) => {
            let mut code = Vec::new();
            for (conds, action) in alternatives {
                let mut block = Vec::new();
                for cond in conds {
                    cond_code(cond, &mut block);
                }
                // Comparisons that fail go on behind this alternative's return. A block is far shorter than 255:
                // six arguments, a few comparisons each (the reader refuses more).
                let end = block.len() + 1;
                for (at, step) in block.into_iter().enumerate() {
                    let jump = |target: Target| match target {
                        Target::Next => 0,
                        Target::Skip(n) => n,
                        Target::Fail => (end - at - 1) as u8,
                    };
                    code.push(Insn::new(step.code, jump(step.jt), jump(step.jf), step.k));
                }
                code.push(Insn::ret(*action));
            }
            code.push(Insn::ret(*otherwise));
            code
        }
    }
}

#[derive(Clone, Copy)]
enum Target {
    Next,
    /// So many instructions further on: the comparison holds.
    Skip(u8),
    Fail,
}

struct Step {
    code: u16,
    jt: Target,
    jf: Target,
    k: u32,
}

/// Appends a 64-bit comparison made of two 32-bit ones: falls through when it holds.
fn cond_code(cond: &Cond, out: &mut Vec<Step>) {
    use Target::{Fail, Next, Skip};
    let (high, low) = ((cond.value >> 32) as u32, cond.value as u32);
    let offset = OFF_ARGS + 8 * u32::from(cond.index);
    let mut plain = |code: u16, k: u32| out.push(Step { code, jt: Next, jf: Next, k });
    let jump = |code: u16, k: u32, jt: Target, jf: Target| Step { code, jt, jf, k };
    match cond.compare {
        Compare::MaskedEq(mask) => {
            let (mask_high, mask_low) = ((mask >> 32) as u32, mask as u32);
            plain(op::LD_ABS, offset + 4);
            plain(op::AND, mask_high);
            out.push(jump(op::JEQ, high, Next, Fail));
            out.push(jump(op::LD_ABS, offset, Next, Next));
            out.push(jump(op::AND, mask_low, Next, Next));
            out.push(jump(op::JEQ, low, Next, Fail));
        }
        Compare::Eq => {
            plain(op::LD_ABS, offset + 4);
            out.push(jump(op::JEQ, high, Next, Fail));
            out.push(jump(op::LD_ABS, offset, Next, Next));
            out.push(jump(op::JEQ, low, Next, Fail));
        }
        Compare::Ne => {
            plain(op::LD_ABS, offset + 4);
            out.push(jump(op::JEQ, high, Next, Skip(2)));
            out.push(jump(op::LD_ABS, offset, Next, Next));
            out.push(jump(op::JEQ, low, Fail, Next));
        }
        Compare::Gt | Compare::Ge => {
            let last = if cond.compare == Compare::Gt { op::JGT } else { op::JGE };
            plain(op::LD_ABS, offset + 4);
            out.push(jump(op::JGT, high, Skip(3), Next));
            out.push(jump(op::JEQ, high, Next, Fail));
            out.push(jump(op::LD_ABS, offset, Next, Next));
            out.push(jump(last, low, Next, Fail));
        }
        Compare::Lt | Compare::Le => {
            let last = if cond.compare == Compare::Lt { op::JGE } else { op::JGT };
            plain(op::LD_ABS, offset + 4);
            out.push(jump(op::JGT, high, Fail, Next));
            out.push(jump(op::JEQ, high, Next, Skip(2)));
            out.push(jump(op::LD_ABS, offset, Next, Next));
            out.push(jump(last, low, Fail, Next));
        }
    }
}
