//! What the fuzz targets do, as functions.

mod capture;
mod check;
mod segments;

pub use self::capture::capture;
pub use self::segments::{Step, segments};
