//! Pax extended header records: `LENGTH KEY=VALUE\n`.

use super::{MAX_PATH, Time};
use crate::error::{Error, Result};

/// What the records of one extended header say; `None` = not mentioned.
#[derive(Clone, Debug, Default)]
pub struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<Time>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// `GNU.sparse.*`: version, name, real size and the map of versions 0.0 and 0.1.
    pub sparse: Sparse,
}

#[derive(Clone, Debug, Default)]
pub struct Sparse {
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub name: Option<Vec<u8>>,
    pub size: Option<u64>,
    /// Offsets and lengths in turn, as they came.
    pub map: Vec<u64>,
}

/// Most extended attributes of one entry.
const MAX_XATTRS: usize = 1024;

impl Pax {
    /// Adds the records in `data`; later ones win.
    pub fn parse(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            // Some writers pad the header with NULs.
            if data.iter().all(|b| *b == 0) {
                break;
            }
            let (key, value, rest) = record(data).ok_or_else(|| Error::user("read tar: malformed pax header"))?;
            self.set(key, value)?;
            data = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let bad = || Error::user(format!("read tar: malformed pax record {}", String::from_utf8_lossy(key)));
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            if name.is_empty() || name.len() > 255 || name.contains(&0) || self.xattrs.len() >= MAX_XATTRS {
                return Err(bad());
            }
            self.xattrs.retain(|(n, _)| n != name);
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        // An empty value takes back a global record; we keep no state that it could take back.
        if value.is_empty() {
            return Ok(());
        }
        let path = |v: &[u8]| (v.len() <= MAX_PATH && !v.contains(&0)).then(|| v.to_vec());
        match key {
            b"path" => self.path = Some(path(value).ok_or_else(bad)?),
            b"linkpath" => self.link = Some(path(value).ok_or_else(bad)?),
            b"size" => self.size = Some(decimal(value).ok_or_else(bad)?),
            b"uid" => self.uid = Some(decimal(value).and_then(|n| n.try_into().ok()).ok_or_else(bad)?),
            b"gid" => self.gid = Some(decimal(value).and_then(|n| n.try_into().ok()).ok_or_else(bad)?),
            b"mtime" => self.mtime = Some(time(value).ok_or_else(bad)?),
            b"GNU.sparse.major" => self.sparse.major = Some(decimal(value).ok_or_else(bad)? as u32),
            b"GNU.sparse.minor" => self.sparse.minor = Some(decimal(value).ok_or_else(bad)? as u32),
            b"GNU.sparse.name" => self.sparse.name = Some(path(value).ok_or_else(bad)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.size = Some(decimal(value).ok_or_else(bad)?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse.map.push(decimal(value).ok_or_else(bad)?),
            b"GNU.sparse.map" => {
                let numbers: Option<Vec<u64>> = value.split(|b| *b == b',').map(decimal).collect();
                self.sparse.map = numbers.ok_or_else(bad)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The first record and what follows it.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(12).position(|b| *b == b' ')?;
    let length = usize::try_from(decimal(&data[..space])?).ok()?;
    if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
        return None;
    }
    let body = &data[space + 1..length - 1];
    let equals = body.iter().position(|b| *b == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &data[length..]))
}

pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |v, b| match b {
        b'0'..=b'9' => v.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

/// Decimal seconds with an optional fraction and sign; digits past the nanosecond are dropped.
fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|b| *b == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[..0]),
    };
    let secs = i64::try_from(decimal(whole)?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = (0..9).fold(0u32, |n, i| n * 10 + fraction.get(i).map_or(0, |b| u32::from(b - b'0')));
    Some(match (negative, nanos) {
        (false, nanos) => Time { secs, nanos },
        (true, 0) => Time { secs: -secs, nanos: 0 },
        (true, nanos) => Time { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records() {
        let mut pax = Pax::default();
        pax.parse(b"12 path=a\nb\n30 mtime=1350244992.023960108\n26 SCHILY.xattr.user.a==\n\n").unwrap();
        assert_eq!(pax.path.unwrap(), b"a\nb");
        assert_eq!(pax.mtime.unwrap(), Time { secs: 1350244992, nanos: 23960108 });
        assert_eq!(pax.xattrs, [(b"user.a".to_vec(), b"=\n".to_vec())]);
        for bad in [&b"3 a\n"[..], b"99 path=a\n", b"x path=a\n", b"0 =\n", b"9 uid=-1\n\0", b"9 path=a"] {
            assert!(Pax::default().parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reads_times_before_1970() {
        for (text, secs, nanos) in
            [("0", 0, 0), ("-1", -1, 0), ("-1.25", -2, 750_000_000), ("1.0000000019", 1, 1), ("5.", 5, 0)]
        {
            assert_eq!(time(text.as_bytes()).unwrap(), Time { secs, nanos }, "{text}");
        }
        assert!(time(b"1.x").is_none());
    }
}
