//! Reads a request's body: decompressed, bounded in bytes and in time.

use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, HeaderMap};

use super::answer::IngestError;

/// Reads a whole body of at most `bytes_max` bytes after decompression, within `timeout_ms`.
pub async fn read(
    headers: &HeaderMap,
    body: Incoming,
    bytes_max: usize,
    timeout_ms: u64,
) -> Result<Bytes, IngestError> {
    let encoding = encoding(headers)?;
    tokio::time::timeout(Duration::from_millis(timeout_ms), read_all(encoding, body, bytes_max))
        .await
        .map_err(|_| IngestError::BodyTimeout(timeout_ms))?
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, IngestError> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
    let name = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
    match name.as_str() {
        "" | "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "deflate" => Ok(Encoding::Deflate),
        _ => Err(IngestError::UnknownEncoding(name)),
    }
}

async fn read_all(encoding: Encoding, mut body: Incoming, bytes_max: usize) -> Result<Bytes, IngestError> {
    let expected = body.size_hint().lower().min(bytes_max as u64) as usize;
    let mut inflate = Inflate::new(encoding, bytes_max, expected);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| IngestError::BodyBroken(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            if encoding == Encoding::Identity && body.is_end_stream() && inflate.is_empty() {
                // The usual case: one piece, nothing to copy.
                return if data.len() > bytes_max { Err(IngestError::BodyTooLarge(bytes_max)) } else { Ok(data) };
            }
            inflate.write(&data)?;
        }
    }
    inflate.finish()
}

/// Decompresses as bytes come in, and stops at the bound: a gzip bomb costs no more than that.
struct Inflate {
    decoder: Decoder,
    bytes_max: usize,
    /// About how many bytes come in.
    expected: usize,
    started: bool,
}

enum Decoder {
    Identity(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
    /// The form is known from the first byte: most senders mean zlib, some send raw deflate.
    DeflateUnknown(Bounded),
    Zlib(Box<ZlibDecoder<Bounded>>),
    Deflate(Box<DeflateDecoder<Bounded>>),
}

impl Inflate {
    fn new(encoding: Encoding, bytes_max: usize, expected: usize) -> Inflate {
        let out = Bounded { bytes: BytesMut::new(), bytes_max, exceeded: false };
        let decoder = match encoding {
            Encoding::Identity => Decoder::Identity(out),
            Encoding::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(out))),
            Encoding::Deflate => Decoder::DeflateUnknown(out),
        };
        Inflate { decoder, bytes_max, expected, started: false }
    }

    fn is_empty(&self) -> bool {
        !self.started
    }

    fn write(&mut self, data: &[u8]) -> Result<(), IngestError> {
        let Some(first) = data.first() else { return Ok(()) };
        if !self.started {
            // Only now: a body of one piece needs no room.
            let expected = self.expected;
            self.out_mut().bytes.reserve(expected);
            self.started = true;
        }
        if let Decoder::DeflateUnknown(out) = &mut self.decoder {
            let out = std::mem::take(out);
            // A zlib stream begins with compression method 8 in the low half of its first byte.
            self.decoder = if first & 0x0f == 8 {
                Decoder::Zlib(Box::new(ZlibDecoder::new(out)))
            } else {
                Decoder::Deflate(Box::new(DeflateDecoder::new(out)))
            };
        }
        let written = match &mut self.decoder {
            Decoder::Identity(out) | Decoder::DeflateUnknown(out) => out.write_all(data),
            Decoder::Gzip(decoder) => decoder.write_all(data),
            Decoder::Zlib(decoder) => decoder.write_all(data),
            Decoder::Deflate(decoder) => decoder.write_all(data),
        };
        written.map_err(|error| self.error(&error))
    }

    fn finish(mut self) -> Result<Bytes, IngestError> {
        let ended = match &mut self.decoder {
            Decoder::Identity(_) | Decoder::DeflateUnknown(_) => Ok(()),
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Zlib(decoder) => decoder.try_finish(),
            Decoder::Deflate(decoder) => decoder.try_finish(),
        };
        ended.map_err(|error| self.error(&error))?;
        Ok(std::mem::take(&mut self.out_mut().bytes).freeze())
    }

    fn out_mut(&mut self) -> &mut Bounded {
        match &mut self.decoder {
            Decoder::Identity(out) | Decoder::DeflateUnknown(out) => out,
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Zlib(decoder) => decoder.get_mut(),
            Decoder::Deflate(decoder) => decoder.get_mut(),
        }
    }

    fn error(&mut self, error: &std::io::Error) -> IngestError {
        match self.out_mut().exceeded {
            true => IngestError::BodyTooLarge(self.bytes_max),
            false => IngestError::BrokenEncoding(error.to_string()),
        }
    }
}

/// Takes bytes up to a bound.
#[derive(Default)]
struct Bounded {
    bytes: BytesMut,
    bytes_max: usize,
    exceeded: bool,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + data.len() > self.bytes_max {
            self.exceeded = true;
            return Err(std::io::Error::other("larger than the bound"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(encoding: Encoding, data: &[u8], bytes_max: usize) -> Result<Bytes, IngestError> {
        let mut inflate = Inflate::new(encoding, bytes_max, 0);
        for piece in data.chunks(7) {
            inflate.write(piece)?;
        }
        inflate.finish()
    }

    #[test]
    fn bodies_just_within_and_just_beyond_the_bound() {
        let data = vec![b'x'; 1_000];
        let zlib = {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&data).unwrap();
            encoder.finish().unwrap()
        };
        let deflate = {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&data).unwrap();
            encoder.finish().unwrap()
        };
        for (encoding, sent) in [
            (Encoding::Identity, data.clone()),
            (Encoding::Gzip, gzip(&data)),
            (Encoding::Deflate, zlib),
            (Encoding::Deflate, deflate),
        ] {
            assert_eq!(inflate(encoding, &sent, 1_000).unwrap(), data, "{encoding:?}");
            assert!(matches!(inflate(encoding, &sent, 999), Err(IngestError::BodyTooLarge(999))), "{encoding:?}");
        }
    }

    #[test]
    fn broken_gzip_is_named_as_such() {
        let mut sent = gzip(b"hello");
        sent.truncate(sent.len() - 3);
        assert!(matches!(inflate(Encoding::Gzip, &sent, 1_000), Err(IngestError::BrokenEncoding(_))));
        assert!(matches!(inflate(Encoding::Gzip, b"not gzip at all", 1_000), Err(IngestError::BrokenEncoding(_))));
    }
}
