//! Configuration files of the user and the system.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes; a file that has more is none of configuration.
const MAX: u64 = 16 << 20;

/// The file's text.
///
/// # Errors
/// As [`std::fs::read_to_string`], and EFBIG for what is too large to be meant (`/dev/zero` has no end).
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    bytes.as_slice().read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused() {
        let e = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(e.raw_os_error(), Some(libc::EFBIG));
        assert_eq!(read(Path::new("/dev/null")).unwrap(), "");
    }
}
