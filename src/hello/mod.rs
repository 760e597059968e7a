//! The program of the embedded image `hello`: it prints what isolation it sees from inside a container.
//!
//! Its source is the separate crate in `src/hello/program`, compiled by the build script (`src/hello/build.rs`).
//! `image` wraps it into a real OCI image, so `coracle run hello` needs no network. The tests use the same program as
//! their probe: see `src/hello/program/main.rs` for its subcommands.

/// The static executable, for the target that coracle itself was built for.
pub const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello"));

#[cfg(test)]
mod tests {
    use super::PROGRAM;

    #[test]
    fn is_a_static_elf_executable() {
        assert_eq!(&PROGRAM[..4], b"\x7fELF");
        // e_phoff and e_phnum of a 64-bit little-endian header; a PT_INTERP (3) entry would mean a dynamic loader.
        let at = |o: usize, n: usize| PROGRAM[o..o + n].iter().rev().fold(0usize, |v, b| v << 8 | *b as usize);
        let (offset, size, count) = (at(32, 8), at(54, 2), at(56, 2));
        assert!(count > 0);
        assert!((0..count).all(|i| at(offset + i * size, 4) != 3), "the hello program asks for a dynamic loader");
        assert!(PROGRAM.len() < 2 << 20, "the hello program has grown to {} bytes", PROGRAM.len());
    }
}
