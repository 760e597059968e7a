//! Finding out how a stream is compressed, and undoing it.

use crate::error::{Context, Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::io::{BufRead, BufReader, Read};

/// Bytes read at once from a compressed stream.
const INPUT: usize = 128 << 10;

/// How a stream is compressed, by its first bytes: media types and file names are often wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    pub fn of(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // A skippable frame (zstd:chunked and pzstd may begin with one).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
            _ => Compression::None,
        }
    }
}

/// The largest window that a zstd frame may have, as a power of two: 128 MiB, what `zstd --ultra -22` and `--long` make and
/// zstd itself accepts unasked. Decompression needs that much memory.
const MAX_WINDOW_LOG: u32 = 27;
/// Windows up to this are what every decoder has to support (RFC 8878 §3.1.1.1.2) and levels up to 19 use.
const USUAL_WINDOW: u64 = 8 << 20;

/// The window, in bytes, of the zstd frame that begins with `start` (RFC 8878 §3.1.1.1); `None` for anything else.
fn window(start: &[u8]) -> Option<u64> {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, rest @ ..] = start else { return None };
    if descriptor & 0x20 == 0 {
        let byte = *rest.first()?;
        let base = 1u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * u64::from(byte & 7));
    }
    // A single segment: all of it has to be in memory. Its size follows the dictionary's id.
    let rest = rest.get([0, 1, 2, 4][usize::from(descriptor & 3)]..)?;
    let size = |n: usize| Some(rest.get(..n)?.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    match descriptor >> 6 {
        0 => size(1),
        1 => Some(size(2)? + 256),
        2 => size(4),
        _ => size(8),
    }
}

fn too_wide(text: String) -> Error {
    Error::unsupported(text).hint("compress it without zstd's --long, or with --long=27 at most")
}

/// A stream decompressed. Several members (pigz, estargz) and frames are read as one.
pub enum Decoder<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    /// The flag: it needs uncommonly much memory.
    Zstd(Box<zstd::Decoder<'static, BufReader<R>>>, bool),
    Xz(Box<liblzma::bufread::XzDecoder<BufReader<R>>>),
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<BufReader<R>>>),
}

/// Most memory that an xz stream may ask for, in bytes: `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes of `source` and decompresses accordingly.
    pub fn new(source: R) -> Result<Decoder<R>> {
        let mut source = BufReader::with_capacity(INPUT, source);
        let start = source.fill_buf().context("read the compressed data")?;
        let compression = Compression::of(start);
        match compression {
            Compression::None => Ok(Decoder::Plain(source)),
            Compression::Gzip => Ok(Decoder::Gzip(Box::new(MultiGzDecoder::new(source)))),
            Compression::Zstd => {
                let window = window(start).unwrap_or(0);
                if window > 1 << MAX_WINDOW_LOG {
                    let (need, most) = (window >> 20, (1u64 << MAX_WINDOW_LOG) >> 20);
                    return Err(too_wide(format!(
                        "decompress the data: its zstd window is {need} MiB, at most {most} MiB are accepted"
                    )));
                }
                let mut decoder = zstd::Decoder::with_buffer(source).context("start the zstd decoder")?;
                decoder.window_log_max(MAX_WINDOW_LOG).context("start the zstd decoder")?;
                Ok(Decoder::Zstd(Box::new(decoder), window > USUAL_WINDOW))
            }
            Compression::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)
                    .map_err(|e| Error::bug(format!("start the xz decoder: {e}")))?;
                Ok(Decoder::Xz(Box::new(liblzma::bufread::XzDecoder::new_stream(source, stream))))
            }
            Compression::Bzip2 => Ok(Decoder::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(source)))),
        }
    }
}

impl<R: Read> Decoder<R> {
    /// Whether it takes far more memory than usual, up to 128 MiB: such streams should take turns.
    pub fn is_wide(&self) -> bool {
        matches!(self, Decoder::Zstd(_, true))
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Decoder::Plain(r) => r.read(buf),
            Decoder::Gzip(r) => r.read(buf),
            // A later frame may have a wider window than the first.
            Decoder::Zstd(r, _) => r.read(buf).map_err(|e| match e.to_string().contains("too much memory") {
                true => too_wide("decompress the data: the window of a zstd frame is too large".into()).into(),
                false => e,
            }),
            Decoder::Xz(r) => r.read(buf),
            Decoder::Bzip2(r) => r.read(buf),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reads_all_forms() {
        let data = b"some bytes, again some bytes".repeat(100);
        let members = [gzip(&data[..1000]), gzip(&data[1000..])].concat();
        let frames = [zstd::encode_all(&data[..700], 3).unwrap(), zstd::encode_all(&data[700..], 3).unwrap()].concat();
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &frames].concat();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&data).unwrap();
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bz.write_all(&data).unwrap();
        for (name, bytes) in [
            ("plain", data.clone()),
            ("gzip", members),
            ("zstd", frames),
            ("skippable", skippable),
            ("xz", xz.finish().unwrap()),
            ("bzip2", bz.finish().unwrap()),
        ] {
            let mut out = Vec::new();
            Decoder::new(&bytes[..]).unwrap().read_to_end(&mut out).unwrap();
            assert!(out == data, "{name}");
            if name != "plain" {
                let cut = &bytes[..bytes.len() - 3];
                assert!(Decoder::new(cut).unwrap().read_to_end(&mut Vec::new()).is_err(), "{name} cut short");
            }
        }
        let mut out = Vec::new();
        Decoder::new(&b""[..]).unwrap().read_to_end(&mut out).unwrap();
        assert!(out.is_empty());
    }

    fn zstd(data: &[u8], window_log: u32) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.long_distance_matching(window_log > 27).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn wide_windows_are_noticed_and_too_wide_ones_refused() {
        for (log, wide) in [(20, false), (23, false), (24, true), (27, true)] {
            let bytes = zstd(b"data", log);
            assert_eq!(window(&bytes), Some(1 << log));
            let mut decoder = Decoder::new(&bytes[..]).unwrap();
            assert_eq!(decoder.is_wide(), wide, "{log}");
            let mut out = Vec::new();
            decoder.read_to_end(&mut out).unwrap();
            assert_eq!(out, b"data");
        }
        // A single segment, whose content is the window.
        assert_eq!(window(&zstd::bulk::compress(&[0; 1000], 1).unwrap()), Some(1000));
        assert_eq!(window(&gzip(b"x")), None);
        let text = Decoder::new(&zstd(b"data", 28)[..]).err().unwrap().to_string();
        assert!(text.contains("256 MiB, at most 128 MiB") && text.contains("--long"), "{text}");
        let second = [zstd(b"data", 20), zstd(b"data", 28)].concat();
        let e = Decoder::new(&second[..]).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert!(e.to_string().contains("too large"), "{e}");
    }
}
