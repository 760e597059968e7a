//! Writing tar streams: deterministic, pax where ustar does not suffice.

use super::{Entry, Kind, Time};
use crate::error::{Context, Error, Result};
use std::io::Write;

const BLOCK: usize = 512;

/// Writes members in the order given. The same entries give the same bytes.
pub struct TarWriter<W> {
    out: W,
    /// Data bytes that the present member still owes, and its padding.
    left: u64,
    padding: usize,
}

impl<W: Write> TarWriter<W> {
    pub fn new(out: W) -> Self {
        TarWriter { out, left: 0, padding: 0 }
    }

    /// Starts a member. For regular files exactly `entry.size` bytes must follow through [`Write`], for sparse ones the
    /// bytes of their segments only (GNU tar manual, "PAX Format, Version 1.0").
    pub fn start(&mut self, entry: &Entry) -> Result<()> {
        if let Some(map) = &entry.sparse {
            return self.start_sparse(entry, map);
        }
        self.open(entry, &pax_records(entry))
    }

    fn start_sparse(&mut self, entry: &Entry, map: &[(u64, u64)]) -> Result<()> {
        let end = map.last().map_or(0, |(offset, length)| offset + length);
        // Without an empty segment at its end GNU tar would cut a file off where its last data ends.
        let tail = (end < entry.size).then_some((entry.size, 0));
        let mut text = format!("{}\n", map.len() + usize::from(tail.is_some()));
        for (offset, length) in map.iter().chain(&tail) {
            text += &format!("{offset}\n{length}\n");
        }
        let mut head = text.into_bytes();
        head.resize(head.len().next_multiple_of(BLOCK), 0);
        let stored = map.iter().map(|(_, n)| n).sum::<u64>() + head.len() as u64;
        let member = Entry { path: b"GNUSparseFile.0/x".to_vec(), size: stored, sparse: None, ..entry.clone() };
        let mut records = Vec::new();
        for (key, value) in [
            ("GNU.sparse.major", b"1".to_vec()),
            ("GNU.sparse.minor", b"0".to_vec()),
            ("GNU.sparse.name", entry.path.clone()),
            ("GNU.sparse.realsize", entry.size.to_string().into_bytes()),
        ] {
            record(&mut records, key.as_bytes(), &value);
        }
        records.extend(pax_records(&member));
        self.open(&member, &records)?;
        self.write_all(&head).context("write tar")
    }

    fn open(&mut self, entry: &Entry, records: &[u8]) -> Result<()> {
        self.close_member()?;
        if !records.is_empty() {
            let name = Entry { path: b"PaxHeaders/x".to_vec(), mode: 0o644, ..Entry::default() };
            self.put(&header(&name, b'x', records.len() as u64))?;
            self.put(records)?;
            self.put(&[0; BLOCK][..(BLOCK - records.len() % BLOCK) % BLOCK])?;
        }
        let flag = match entry.kind {
            Kind::Regular => b'0',
            Kind::Link => b'1',
            Kind::Symlink => b'2',
            Kind::Char => b'3',
            Kind::Block => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        };
        let size = if entry.kind == Kind::Regular { entry.size } else { 0 };
        self.put(&header(entry, flag, size))?;
        self.left = size;
        self.padding = (size.wrapping_neg() % BLOCK as u64) as usize;
        Ok(())
    }

    /// Takes the present member's data for written: whoever owns the file behind the output puts it there. Returns its
    /// length in bytes.
    pub fn skip_data(&mut self) -> u64 {
        std::mem::take(&mut self.left)
    }

    /// A whole regular file in memory.
    pub fn file(&mut self, entry: &Entry, data: &[u8]) -> Result<()> {
        self.start(&Entry { size: data.len() as u64, ..entry.clone() })?;
        self.write_all(data).context("write tar")
    }

    /// Ends the archive with its two zero blocks.
    pub fn finish(mut self) -> Result<W> {
        self.close_member()?;
        self.put(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn close_member(&mut self) -> Result<()> {
        if self.left != 0 {
            return Err(Error::bug(format!("write tar: a member is {} bytes short", self.left)));
        }
        let padding = std::mem::take(&mut self.padding);
        self.put(&[0; BLOCK][..padding])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).context("write tar")
    }
}

impl<W: Write> Write for TarWriter<W> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if buf.len() as u64 > self.left {
            return Err(Error::bug("write tar: more data than the member's size").into());
        }
        let n = self.out.write(buf)?;
        self.left -= n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// What does not fit the plain header, sorted so that equal entries give equal bytes.
fn pax_records(entry: &Entry) -> Vec<u8> {
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |key: &str, value: Vec<u8>| records.push((key.as_bytes().to_vec(), value));
    if entry.path.len() > 100 || !entry.path.is_ascii() {
        add("path", entry.path.clone());
    }
    if entry.link.len() > 100 || !entry.link.is_ascii() {
        add("linkpath", entry.link.clone());
    }
    if entry.size > 0o77777777777 {
        add("size", entry.size.to_string().into());
    }
    if entry.uid > 0o7777777 {
        add("uid", entry.uid.to_string().into());
    }
    if entry.gid > 0o7777777 {
        add("gid", entry.gid.to_string().into());
    }
    if entry.mtime.nanos != 0 || !(0..=0o77777777777).contains(&entry.mtime.secs) {
        add("mtime", decimal_time(entry.mtime).into());
    }
    for (name, value) in &entry.xattrs {
        records.push(([b"SCHILY.xattr.", name.as_slice()].concat(), value.clone()));
    }
    records.sort();
    let mut out = Vec::new();
    for (key, value) in records {
        record(&mut out, &key, &value);
    }
    out
}

fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let body = 1 + key.len() + 1 + value.len() + 1;
    // The length counts its own digits.
    let mut length = body;
    while length != body + length.to_string().len() {
        length = body + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn decimal_time(time: Time) -> String {
    let (sign, secs, nanos) = match (time.secs < 0, time.nanos) {
        (true, 0) => ("-", time.secs.unsigned_abs(), 0),
        (true, n) => ("-", (time.secs + 1).unsigned_abs(), 1_000_000_000 - n),
        (false, n) => ("", time.secs.unsigned_abs(), n),
    };
    let text = format!("{sign}{secs}.{nanos:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn header(entry: &Entry, flag: u8, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut text = |at: usize, room: usize, value: &[u8]| {
        let n = value.len().min(room);
        block[at..at + n].copy_from_slice(&value[..n]);
    };
    text(0, 100, &entry.path);
    text(100, 8, format!("{:07o}", entry.mode & 0o7777).as_bytes());
    text(108, 8, format!("{:07o}", entry.uid & 0o7777777).as_bytes());
    text(116, 8, format!("{:07o}", entry.gid & 0o7777777).as_bytes());
    text(124, 12, format!("{:011o}", size & 0o77777777777).as_bytes());
    let secs = entry.mtime.secs.clamp(0, 0o77777777777);
    text(136, 12, format!("{secs:011o}").as_bytes());
    text(148, 8, b"        ");
    text(156, 1, &[flag]);
    text(157, 100, &entry.link);
    text(257, 8, b"ustar\x0000");
    text(329, 8, format!("{:07o}", entry.major & 0o7777777).as_bytes());
    text(337, 8, format!("{:07o}", entry.minor & 0o7777777).as_bytes());
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::super::TarReader;
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = Kind> {
        proptest::sample::select(vec![
            Kind::Regular,
            Kind::Link,
            Kind::Symlink,
            Kind::Char,
            Kind::Directory,
            Kind::Fifo,
        ])
    }

    prop_compose! {
        fn entries()(
            path in proptest::collection::vec(1u8..=255, 1..200), link in proptest::collection::vec(1u8..=255, 1..150),
            kind in kinds(), mode in 0u32..0o10000, uid: u32, gid: u32, secs in -5_000_000_000i64..90_000_000_000,
            nanos in 0u32..1_000_000_000, data in proptest::collection::vec(any::<u8>(), 0..1500), major in 0u32..4096,
            xattrs in proptest::collection::btree_map(proptest::collection::vec(b'a'..=b'z', 1..9),
                proptest::collection::vec(any::<u8>(), 0..300), 0..3),
        ) -> (Entry, Vec<u8>) {
            let has_link = matches!(kind, Kind::Link | Kind::Symlink);
            let data = if kind == Kind::Regular { data } else { Vec::new() };
            // A regular file's name can't end in a slash: v7 archives mark directories so.
            let path = if kind == Kind::Regular { [path, b"x".to_vec()].concat() } else { path };
            let entry = Entry {
                path, link: if has_link { link } else { Vec::new() }, kind, mode, uid, gid, mtime: Time { secs, nanos },
                size: data.len() as u64, major: if kind == Kind::Char { major } else { 0 }, minor: 0,
                xattrs: xattrs.into_iter().collect(), sparse: None,
            };
            (entry, data)
        }
    }

    #[test]
    fn sparse_files_come_back() {
        let map = vec![(4096, 3), (1 << 20, 4096)];
        let data = [vec![b'a'; 3], vec![b'b'; 4096]].concat();
        let entry = Entry { path: vec![b'p'; 120], size: 3 << 20, sparse: Some(map), ..Entry::default() };
        let mut writer = TarWriter::new(Vec::new());
        writer.start(&entry).unwrap();
        writer.write_all(&data).unwrap();
        let bytes = writer.finish().unwrap();
        let mut reader = TarReader::new(&bytes[..]);
        assert_eq!(reader.next_entry().unwrap().unwrap(), &entry);
        let mut read = Vec::new();
        while reader
            .data(|chunk| {
                read.extend_from_slice(chunk);
                Ok(())
            })
            .unwrap()
        {}
        assert_eq!(read, data);
    }

    #[test]
    fn gnu_tar_knows_holes_at_the_end() {
        let mut writer = TarWriter::new(Vec::new());
        let maps =
            [("all", vec![], &b""[..]), ("tail", vec![(4096, 3)], b"abc"), ("none", vec![((1 << 20) - 3, 3)], b"abc")];
        for (name, map, data) in &maps {
            let entry = Entry { path: name.as_bytes().to_vec(), size: 1 << 20, mode: 0o644, ..Entry::default() };
            writer.start(&Entry { sparse: Some(map.clone()), ..entry }).unwrap();
            writer.write_all(data).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.tar"), bytes).unwrap();
        let mut tar = std::process::Command::new("tar");
        if !tar.args(["-xf", "x.tar"]).current_dir(dir.path()).status().is_ok_and(|s| s.success()) {
            return;
        }
        for (name, map, data) in &maps {
            let mut want = vec![0; 1 << 20];
            if let Some((offset, _)) = map.first() {
                want[*offset as usize..][..data.len()].copy_from_slice(data);
            }
            assert!(std::fs::read(dir.path().join(name)).unwrap() == want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(all in proptest::collection::vec(entries(), 0..6)) {
            let mut writer = TarWriter::new(Vec::new());
            for (entry, data) in &all {
                writer.start(entry).unwrap();
                writer.write_all(data).unwrap();
            }
            let bytes = writer.finish().unwrap();
            // Chunks of any size must do: here 700 bytes.
            let mut reader = TarReader::new(std::io::BufReader::with_capacity(700, &bytes[..]));
            for (entry, data) in &all {
                let got = reader.next_entry().unwrap().unwrap().clone();
                prop_assert_eq!(&got, entry);
                let mut read = Vec::new();
                while reader.data(|chunk| { read.extend_from_slice(chunk); Ok(()) }).unwrap() {}
                prop_assert_eq!(&read, data);
            }
            prop_assert!(reader.next_entry().unwrap().is_none());
        }

        #[test]
        fn damaged_archives_give_errors_not_panics(
            all in proptest::collection::vec(entries(), 1..3), flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..20), cut: u16,
        ) {
            let mut writer = TarWriter::new(Vec::new());
            for (entry, data) in &all {
                writer.file(entry, data).unwrap_or(());
                writer.left = 0;
            }
            let mut bytes = writer.finish().unwrap();
            for (at, to) in flips {
                let at = usize::from(at) % bytes.len();
                bytes[at] = to;
            }
            bytes.truncate(bytes.len() - usize::from(cut) % bytes.len());
            let mut reader = TarReader::new(&bytes[..]);
            while let Ok(Some(_)) = reader.next_entry() {
                while let Ok(true) = reader.data(|_| Ok(())) {}
            }
        }
    }
}
