//! Alerts of TLS (RFC 8446 section 6, RFC 5246 section 7.2), and how a handshake fails by one or without.

use std::fmt;

use crate::flow::Side;
use crate::time::Time;

/// The level of an alert that ends the connection. Warnings do not: `unrecognized_name` may be one,
/// after which the handshake goes on (RFC 6066 section 3).
const FATAL: u8 = 2;

/// Alerts of closing in good order: not of a handshake that failed (RFC 8446 section 6.1).
const CLOSING: [u8; 2] = [0, 90];

/// Descriptions of alerts (the IANA registry "TLS Alerts").
const NAMES: [(u8, &str); 34] = [
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (21, "decryption_failed"),
    (22, "record_overflow"),
    (30, "decompression_failure"),
    (40, "handshake_failure"),
    (41, "no_certificate"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (60, "export_restriction"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (111, "certificate_unobtainable"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (114, "bad_certificate_hash_value"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (120, "no_application_protocol"),
];

/// An alert that was sent in plain: both its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alert {
    /// 1 for a warning, 2 for one that ends the connection.
    pub level: u8,
    /// What is wrong: its number in the IANA registry.
    pub description: u8,
}

impl Alert {
    /// Its name in the IANA registry; `None` for one that is not there.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let mut names = NAMES.iter();
        let (_, name) = names.find(|(number, _)| *number == self.description)?;
        Some(name)
    }

    /// It says that the handshake failed, and what is wrong.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self.level == FATAL && self.name().is_some() && !CLOSING.contains(&self.description)
    }
}

/// `unknown_ca (48)`.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.description),
            None => write!(f, "{}", self.description),
        }
    }
}

/// A handshake of TLS that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandshakeFailure {
    /// Who gave it up.
    pub by: Side,
    /// The frame that shows it: the alert, or the last that the other side sent.
    pub frame: u64,
    /// When that was seen.
    pub at: Time,
    /// What shows it.
    pub shown: Failing,
}

/// What shows that a handshake failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failing {
    /// A fatal alert in plain.
    Alert(Alert),
    /// An alert as short as its record tells, which nobody else can read, where its sender should have
    /// gone on with the handshake. It may say that its user canceled (RFC 8446 section 6.1).
    Encrypted,
    /// The client said nothing to all that the server had sent for the handshake.
    LeftOff,
}
