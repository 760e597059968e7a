//! The smallest program there is: it executes another one.
//!
//! A process of ours that enters a container without an execve(2) of its own must not execute the container's program
//! itself: a program that says `#!/proc/self/exe` would get hold of our binary, and overwrite it (CVE-2019-5736). It
//! executes this one first, from a sealed memfd, and has lost our binary by then. A static program with a libc would do
//! as well, but costs half a millisecond where the CPU's identification is emulated.

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, memfd_create, open};
use rustix::io::{Errno, Result};
use std::os::fd::{AsRawFd, OwnedFd};

/// The descriptor that the launcher closes on execve(2), and where it reports a failure.
pub const REPORT_FD: i32 = 3;

/// First byte of that report; the errno follows, four bytes, little-endian.
pub const REFUSED: u8 = b'!';

/// What the process is called until it executes the program, as before the launcher.
pub const NAME: &std::ffi::CStr = c"coracle:start";

// argv is the path of the program, then the program's own argv; less is no call of ours (a script whose interpreter is
// /proc/self/exe would come back here for ever). The report's descriptor is not close-on-exec yet, or it
// would not be open here; a filter that forbids fcntl(2) costs the report of a failure.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .rodata.coracle_launcher, \"a\", @progbits",
    ".hidden coracle_launcher",
    ".hidden coracle_launcher_end",
    ".globl coracle_launcher",
    ".globl coracle_launcher_end",
    "coracle_launcher:",
    "mov edi, 15", // PR_SET_NAME
    "lea rsi, [rip + 4f]",
    "mov eax, 157",
    "syscall",
    "mov edi, 3",
    "mov esi, 2", // F_SETFD
    "mov edx, 1", // FD_CLOEXEC
    "mov eax, 72",
    "syscall",
    "test eax, eax",
    "jz 2f",
    "mov edi, 3",
    "mov eax, 3", // close
    "syscall",
    "2:",
    "mov rcx, [rsp]",
    "cmp rcx, 2",
    "jb 3f",
    "mov rdi, [rsp + 8]",
    "lea rsi, [rsp + 16]",
    "lea rdx, [rsp + rcx * 8 + 16]",
    "mov eax, 59", // execve
    "syscall",
    "neg eax",
    "shl rax, 8",
    "or rax, 0x21",
    "push rax",
    "mov edi, 3",
    "mov rsi, rsp",
    "mov edx, 5",
    "mov eax, 1", // write
    "syscall",
    "3:",
    "mov edi, 125",
    "mov eax, 231", // exit_group
    "syscall",
    "4:",
    ".asciz \"coracle:start\"",
    "coracle_launcher_end:",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .rodata.coracle_launcher, \"a\", @progbits",
    ".hidden coracle_launcher",
    ".hidden coracle_launcher_end",
    ".globl coracle_launcher",
    ".globl coracle_launcher_end",
    ".balign 4",
    "coracle_launcher:",
    "mov x0, #15", // PR_SET_NAME
    "adr x1, 4f",
    "mov x8, #167",
    "svc #0",
    "mov x0, #3",
    "mov x1, #2", // F_SETFD
    "mov x2, #1", // FD_CLOEXEC
    "mov x8, #25",
    "svc #0",
    "cbz x0, 2f",
    "mov x0, #3",
    "mov x8, #57", // close
    "svc #0",
    "2:",
    "ldr x9, [sp]",
    "cmp x9, #2",
    "b.lo 3f",
    "ldr x0, [sp, #8]",
    "add x1, sp, #16",
    "add x2, x1, x9, lsl #3",
    "mov x8, #221", // execve
    "svc #0",
    "neg w0, w0",
    "lsl x0, x0, #8",
    "mov x1, #0x21",
    "orr x0, x0, x1",
    "str x0, [sp, #-16]!",
    "mov x0, #3",
    "mov x1, sp",
    "mov x2, #5",
    "mov x8, #64", // write
    "svc #0",
    "3:",
    "mov x0, #125",
    "mov x8, #94", // exit_group
    "svc #0",
    "4:",
    ".asciz \"coracle:start\"",
    "coracle_launcher_end:",
    ".popsection",
);

unsafe extern "C" {
    static coracle_launcher: u8;
    static coracle_launcher_end: u8;
}

/// Sizes of the ELF header and of one program header (elf(5)).
const HEADERS: usize = 64 + 56;
const BASE: u64 = 0x40_0000;

fn code() -> &'static [u8] {
    let (begin, end) = (&raw const coracle_launcher, &raw const coracle_launcher_end);
    // SAFETY: two labels around the read-only bytes above.
    unsafe { std::slice::from_raw_parts(begin, end as usize - begin as usize) }
}

/// The program as an ELF executable with one segment.
fn image() -> Vec<u8> {
    let code = code();
    let size = (HEADERS + code.len()) as u64;
    let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let mut elf = Vec::with_capacity(size as usize);
    elf.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    elf.extend_from_slice(&2u16.to_le_bytes()); // ET_EXEC
    elf.extend_from_slice(&machine.to_le_bytes());
    elf.extend_from_slice(&1u32.to_le_bytes());
    elf.extend_from_slice(&(BASE + HEADERS as u64).to_le_bytes()); // entry
    elf.extend_from_slice(&64u64.to_le_bytes()); // program headers
    elf.extend_from_slice(&0u64.to_le_bytes()); // no sections
    elf.extend_from_slice(&0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        elf.extend_from_slice(&half.to_le_bytes());
    }
    elf.extend_from_slice(&1u32.to_le_bytes()); // PT_LOAD
    elf.extend_from_slice(&5u32.to_le_bytes()); // read, execute
    for word in [0, BASE, BASE, size, size, 0x1_0000] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    elf.extend_from_slice(code);
    elf
}

/// The launcher in a file that exists nowhere and that nobody can change; close-on-exec.
///
/// # Errors
/// EACCES where the system forbids programs in memory (sysctl vm.memfd_noexec = 2).
pub fn launcher() -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Linux before 6.3 does not know MFD_EXEC and makes all of them executable.
    let memfd = match memfd_create(c"coracle-launcher", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(c"coracle-launcher", flags)?,
        other => other?,
    };
    let image = image();
    if rustix::io::pwrite(&memfd, &image, 0)? != image.len() {
        return Err(Errno::IO);
    }
    rustix::fs::fcntl_add_seals(&memfd, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    // A writable descriptor of a file can't be executed (ETXTBSY).
    open(format!("/proc/self/fd/{}", memfd.as_raw_fd()), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clone::{Exec, Program, spawn};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::ffi::CString;
    use std::os::fd::AsFd;

    /// Launches argv[0] with argv[1..]; what came up the report's socket, and the exit code.
    fn launch(argv: &[CString]) -> (Vec<u8>, i32) {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let program = launcher().unwrap();
        let spawned = spawn(&Exec {
            program: Program::Fd(program.as_fd()),
            argv,
            env: &[c"A=b".into()],
            stdio: [None; 3],
            fds: &[theirs.as_fd()],
            namespaces: 0,
            joins: &[],
            cgroup_procs: None,
            session: false,
            death_signal: 0,
            ambient: false,
        })
        .unwrap();
        drop(theirs);
        let mut buffer = [0; 64];
        let (length, _) = rustix::net::recv(&ours, &mut buffer, rustix::net::RecvFlags::empty()).unwrap();
        (buffer[..length].to_vec(), crate::sys::process::wait(spawned.pid).unwrap())
    }

    #[test]
    fn launches_with_arguments_environment_and_a_closed_report() {
        let script = c"test \"$A$0$1\" = bxy && ! test -e /proc/self/fd/3 && exit 7";
        let argv = ["/bin/sh".into(), "sh".into(), "-c".into(), script.to_owned().into_string().unwrap()];
        let argv: Vec<CString> =
            argv.into_iter().chain(["x".into(), "y".into()]).map(|a| CString::new(a).unwrap()).collect();
        assert_eq!(launch(&argv), (Vec::new(), 7));
    }

    #[test]
    fn reports_why_it_could_not() {
        let (report, code) = launch(&[c"/nonexistent".into(), c"x".into()]);
        assert_eq!((report, code), (vec![REFUSED, libc::ENOENT as u8, 0, 0, 0], 125));
    }

    #[test]
    fn carries_its_name() {
        assert!(image().windows(NAME.count_bytes() + 1).any(|w| w == NAME.to_bytes_with_nul()));
    }

    #[test]
    fn ends_where_nothing_is_to_be_executed() {
        assert_eq!(launch(&[c"/bin/true".into()]), (Vec::new(), 125));
    }

    #[test]
    fn can_not_be_changed() {
        let file = launcher().unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let writable = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        assert!(writable.is_err() || rustix::io::write(writable.unwrap(), b"x").is_err());
    }
}
