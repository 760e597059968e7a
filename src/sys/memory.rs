//! How memory is given back.

/// From now on allocations of 256 KiB and more are returned to the system when they are freed. glibc's malloc raises that
/// limit (mallopt(3), M_MMAP_THRESHOLD) with the first large one that is freed, and keeps what several threads allocate
/// and free in as many arenas: ten times what is in use.
pub fn return_large_buffers() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no memory is passed; it may be called at any time, by any thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 256 << 10);
    }
}
