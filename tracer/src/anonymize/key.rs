//! The secret that decides what everything is mapped to.

use std::io;

/// Keyed hashing is BLAKE3's: one primitive for keys, addresses and words.
const CONTEXT: &str = "hopscope anonymize 1: mapping of addresses and words";

/// Decides a mapping: the same key maps alike, and who has it can undo what it mapped.
pub struct Key([u8; 32]);

impl Key {
    /// One that nobody knows.
    ///
    /// # Errors
    ///
    /// Where the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        Self::secret().map(|secret| Self::of(&secret))
    }

    /// What a random key can be made of again with [`Key::of`].
    ///
    /// # Errors
    ///
    /// Where the system has no random numbers.
    pub fn secret() -> io::Result<[u8; 32]> {
        let mut secret = [0; 32];
        let mut filled = 0;
        while filled < secret.len() {
            let flags = rustix::rand::GetRandomFlags::empty();
            filled += rustix::rand::getrandom(&mut secret[filled..], flags)?;
        }
        Ok(secret)
    }

    /// The key that a secret stands for. Addresses are few: a secret that can be guessed hides
    /// nothing.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(blake3::derive_key(CONTEXT, secret))
    }

    /// A number that only the key's owner can tell from a random one. `domain` keeps uses apart.
    pub(super) fn number(&self, domain: u8, input: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[domain]);
        hasher.update(input);
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Tells nothing of the key.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}
