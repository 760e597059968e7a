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

/// A stream decompressed. Several members (pigz, estargz) and frames are read as one.
pub enum Decoder<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<R>>>),
}

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes of `source` and decompresses accordingly.
    pub fn new(source: R) -> Result<Decoder<R>> {
        let mut source = BufReader::with_capacity(INPUT, source);
        let compression = Compression::of(source.fill_buf().context("read the compressed data")?);
        match compression {
            Compression::None => Ok(Decoder::Plain(source)),
            Compression::Gzip => Ok(Decoder::Gzip(Box::new(MultiGzDecoder::new(source)))),
            // Windows of up to 128 MiB (`zstd --ultra -22`) are zstd's own default limit.
            Compression::Zstd => {
                let decoder = zstd::Decoder::with_buffer(source).context("start the zstd decoder")?;
                Ok(Decoder::Zstd(Box::new(decoder)))
            }
            Compression::Xz | Compression::Bzip2 => {
                Err(Error::unsupported(format!("decompress the data: it is {compression:?}").to_lowercase())
                    .hint("gzip, zstd and no compression are supported; recompress it"))
            }
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Decoder::Plain(r) => r.read(buf),
            Decoder::Gzip(r) => r.read(buf),
            Decoder::Zstd(r) => r.read(buf),
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
        for (name, bytes) in [("plain", data.clone()), ("gzip", members), ("zstd", frames), ("skippable", skippable)] {
            let mut out = Vec::new();
            Decoder::new(&bytes[..]).unwrap().read_to_end(&mut out).unwrap();
            assert!(out == data, "{name}");
            if name != "plain" {
                let cut = &bytes[..bytes.len() - 3];
                assert!(Decoder::new(cut).unwrap().read_to_end(&mut Vec::new()).is_err(), "{name} cut short");
            }
        }
        assert!(Decoder::new(&b"BZh91AY&SY"[..]).is_err());
        assert!(Decoder::new(&b"\xfd7zXZ\0"[..]).is_err());
        let mut out = Vec::new();
        Decoder::new(&b""[..]).unwrap().read_to_end(&mut out).unwrap();
        assert!(out.is_empty());
    }
}
