//! Captures compressed, in one part or several.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Compressed with gzip, in this many members one after the other.
///
/// # Errors
///
/// Where the compressor fails.
pub fn gzip(bytes: &[u8], members: usize) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    for part in parts(bytes, members) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(part)?;
        file.extend(encoder.finish()?);
    }
    Ok(file)
}

/// Compressed with zstd, in this many frames with a skippable frame after each but the last.
#[must_use]
pub fn zstd(bytes: &[u8], frames: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for part in parts(bytes, frames) {
        if !file.is_empty() {
            file.extend([0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]);
            file.extend(b"skip!");
        }
        file.extend(zstd::bulk::compress(part, 1).expect("memory to compress in"));
    }
    file
}

fn parts(bytes: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(bytes.len().div_ceil(count.max(1)).max(1))
}
