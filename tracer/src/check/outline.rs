//! A first `hopscope.toml`, written from what captures show.

/// x
pub struct Files;
/// x
#[must_use]
pub fn outline() -> String {
    String::new()
}
