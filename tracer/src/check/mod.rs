//! Expectations of what captures show: cases, and whether they are met.
//!
//! A case is a `hopscope.toml` beside captures. It names them, and says what must hold of the report
//! on them. What it says is read strictly: a key that nobody knows, a time without a unit or a
//! selection of nothing is a failure, never a silent pass.
//!
//! Nothing here reads files: texts and reports come in, outcomes go out.

mod case;
mod expectation;
mod fault;
mod judge;
mod keys;
mod measure;
mod outline;
mod subject;
mod table;
mod test;

pub use self::case::{Case, Named};
pub use self::expectation::Expectation;
pub use self::fault::{Fault, Place};
pub use self::judge::{Failure, Outcome, judge};
pub(crate) use self::measure::told;
pub(crate) use self::outline::quoted;
pub use self::outline::{Files, outline};
pub use self::subject::{KINDS, Kind};

/// Names of everything that can be expected of a kind of thing.
#[must_use]
pub fn known_keys(kind: Kind) -> Vec<&'static str> {
    keys::of(kind).into_iter().map(|(name, ..)| name).collect()
}
