//! A progress bar on standard error, on a terminal only.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Bytes read so far, of all captures.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// For these files; where the size of one is not known, only what was read is shown.
    pub(crate) fn new<'a>(paths: impl Iterator<Item = &'a Path>) -> Self {
        let size = |path: &Path| {
            let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
            Some(metadata.len())
        };
        let total: Option<u64> = paths.map(size).sum();
        // Reading less takes no time that anybody would notice.
        let bar = match total {
            Some(total) if total < 32 << 20 => ProgressBar::hidden(),
            Some(total) => ProgressBar::new(total).with_style(style(
                "reading {bar:40} {bytes} of {total_bytes}, {eta} left",
            )),
            None => ProgressBar::new_spinner().with_style(style("{spinner} reading: {bytes}")),
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Counts what is read from `stream`.
    pub(crate) fn count<R: Read>(&self, stream: R) -> impl Read + use<R> {
        self.0.wrap_read(stream)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
