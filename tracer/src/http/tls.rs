//! TLS records (RFC 8446 section 5.1).

use super::Heading;
use super::stream::Unit;

/// What the first bytes of a stream are, taken as a TLS record.
pub(super) fn read(bytes: &[u8]) -> Unit {
    // Content types from change_cipher_spec to application_data; versions from SSL 3.0 to TLS 1.3,
    // which calls itself 1.2; no record is longer than 2^14 + 2048 bytes.
    let expected: [&dyn Fn(u8) -> bool; 4] = [
        &|kind| (20..=23).contains(&kind),
        &|major| major == 3,
        &|minor| minor <= 4,
        &|length| length <= 0x48,
    ];
    let fits = expected.iter().zip(bytes).all(|(fits, byte)| fits(*byte));
    match bytes.len() {
        _ if !fits => Unit::Foreign,
        0..4 => Unit::Partial,
        _ => Unit::Opaque(Heading::Tls),
    }
}
