//! Compressed captures: gzip and zstd, recognised by their first bytes.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::error::SourceError;
use super::window::Window;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The window itself, or one on what it decompresses to.
pub(super) fn open(mut window: Window) -> Result<Window, SourceError> {
    window.fill(4).map_err(SourceError::Read)?;
    if window.data().starts_with(&GZIP) {
        Ok(Window::new(Box::new(GzipMembers::new(
            window.into_reader(),
        ))))
    } else if window.data().starts_with(&ZSTD) {
        let frames = zstd::Decoder::new(window.into_reader()).map_err(SourceError::Read)?;
        Ok(Window::new(Box::new(frames)))
    } else {
        Ok(window)
    }
}

/// All members of a gzip stream one after the other, as `gzip` and `pigz` write them. Zeros behind
/// the last one are padding, as for `gzip`.
struct GzipMembers<R: Read> {
    /// `None` only while it is replaced.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> GzipMembers<R> {
    fn new(stream: R) -> Self {
        let member = GzDecoder::new(BufReader::with_capacity(128 * 1024, stream));
        Self {
            member: Some(member),
        }
    }

    /// Begins the next member; false at the end of the stream.
    fn enter_member(&mut self) -> io::Result<bool> {
        let Some(member) = self.member.take() else {
            return Ok(false);
        };
        let mut stream = member.into_inner();
        loop {
            let bytes = stream.fill_buf()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let only_zeros = zeros == bytes.len();
            if bytes.is_empty() {
                return Ok(false);
            }
            stream.consume(zeros);
            if !only_zeros {
                self.member = Some(GzDecoder::new(stream));
                return Ok(true);
            }
        }
    }
}

impl<R: Read> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || !self.enter_member()? {
                return Ok(read);
            }
        }
        Ok(0)
    }
}
