//! Loading a seccomp filter (seccomp(2)).

use rustix::io::{Errno, Result};

/// Installs the program for this thread. Each word is one `struct sock_filter`, bit for bit. Needs no_new_privs or
/// CAP_SYS_ADMIN in the user namespace.
pub fn install(program: &[u64]) -> Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let prog = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `prog` describes `program`, whose words have the size and alignment of sock_filter; the kernel copies and
    // checks it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const prog) };
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}
