//! What the fuzz targets do, as functions.

mod access_log;
mod capture;
mod check;
mod payload;
mod segments;

pub use self::access_log::access_log;
pub use self::capture::capture;
pub use self::payload::payload;
pub use self::segments::{Step, segments};
