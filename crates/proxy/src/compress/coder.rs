//! The three encoders under one shape: bytes go in, and what is ready comes out.

use std::io::{self, Write};

use bytes::Bytes;

use super::negotiate::Encoding;

/// Two to this power bytes are looked back at: enough for pages, and it bounds the memory of an
/// encoder to about a mebibyte.
const BR_WINDOW: u32 = 18;
const ZSTD_WINDOW: u32 = 19;
const BR_BUFFER: usize = 4096;

/// How hard is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Levels {
    /// 1 to 9.
    pub gzip: u32,
    /// 0 to 9.
    pub br: u32,
    /// 1 to 9.
    pub zstd: i32,
}

/// An encoder.
pub(super) enum Coder {
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Br(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Coder {
    pub(super) fn new(encoding: Encoding, levels: Levels) -> io::Result<Self> {
        let out = Vec::new();
        Ok(match encoding {
            Encoding::Gzip => {
                let level = flate2::Compression::new(levels.gzip);
                Self::Gzip(flate2::write::GzEncoder::new(out, level))
            }
            Encoding::Br => Self::Br(Box::new(brotli::CompressorWriter::new(
                out, BR_BUFFER, levels.br, BR_WINDOW,
            ))),
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, levels.zstd)?;
                encoder.window_log(ZSTD_WINDOW)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Takes `bytes` in; what is ready comes out, perhaps nothing.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes)?,
            Self::Br(encoder) => encoder.write_all(bytes)?,
            Self::Zstd(encoder) => encoder.write_all(bytes)?,
        }
        Ok(self.ready())
    }

    /// Everything that was taken in comes out, readable without what follows.
    pub(super) fn flush(&mut self) -> io::Result<Bytes> {
        match self {
            Self::Gzip(encoder) => encoder.flush()?,
            Self::Br(encoder) => encoder.flush()?,
            Self::Zstd(encoder) => encoder.flush()?,
        }
        Ok(self.ready())
    }

    /// The end.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        Ok(Bytes::from(match self {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Br(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
        }))
    }

    fn ready(&mut self) -> Bytes {
        let out = match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Br(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        };
        Bytes::from(std::mem::take(out))
    }
}

/// All of `bytes` at once.
pub(super) fn whole(encoding: Encoding, levels: Levels, bytes: &[u8]) -> io::Result<Bytes> {
    let mut coder = Coder::new(encoding, levels)?;
    let begin = coder.write(bytes)?;
    let end = coder.finish()?;
    if begin.is_empty() {
        return Ok(end);
    }
    Ok(Bytes::from([begin, end].concat()))
}
