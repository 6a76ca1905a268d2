//! Fingerprints of bytes, by which the same bytes are known again on another connection.

/// So many bytes count.
const COUNTED: u16 = 256;

/// A fingerprint of how bytes begin: of the first 256, or as many as were captured without a gap.
///
/// Two prints are of the same bytes if they are equal. Those of different lengths cannot be
/// compared. FNV-1a, as its value must depend neither on the machine nor on how bytes were cut into
/// segments; people who want two requests to look alike can send the same one twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Print {
    /// How many bytes it is of, at most 256.
    pub len: u16,
    /// Their hash.
    pub hash: u64,
}

/// Of nothing.
impl Default for Print {
    fn default() -> Self {
        Self {
            len: 0,
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }
}

impl Print {
    /// Takes in the bytes that follow.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().take(usize::from(COUNTED - self.len)) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            self.len += 1;
        }
    }
}
