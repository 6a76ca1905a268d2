//! Segments that were only counted, and what else a vantage counts beside frames.

use super::{LeftOut, Vantage};
use crate::decode::Skip;
use crate::flow::{Flow, Side};
use crate::time::Time;

/// What a vantage counted beside frames and flows.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// Frames without TCP, so far.
    pub(super) other: u64,
    /// Segments of connections of which none was shown.
    pub(super) unshown: u64,
    /// The same, where a filter may have left them out.
    pub(super) filtered_out: u64,
}

/// Adds the segments that were only counted: those of flows beyond what was shown.
pub(super) fn add_flows(vantages: &mut [Vantage], flows: &[Flow], left_out: &[LeftOut]) {
    let mut all = vec![0_u64; vantages.len()];
    let mut add = |place: u32, counts: [u64; 3], first: Time, last: Time| {
        let place = place as usize;
        for count in counts {
            all[place] = all[place].saturating_add(count);
        }
        let vantage = &mut vantages[place];
        vantage.first = Some(vantage.first.map_or(first, |known| known.min(first)));
        vantage.last = vantage.last.max(Some(last));
    };
    for flow in flows {
        let [client, server] = [Side::Client, Side::Server].map(|side| flow.segments(side));
        let counts = [client, server, flow.duplicates()];
        add(flow.vantage(), counts, flow.first_at(), flow.last_at());
    }
    for gone in left_out {
        let counts = [gone.segments.client, gone.segments.server, gone.duplicates];
        add(gone.vantage, counts, gone.first, gone.last);
    }
    for (vantage, all) in vantages.iter_mut().zip(all) {
        vantage.count(all.saturating_sub(vantage.segments));
    }
}

impl Vantage {
    /// Adds segments that were only counted.
    fn count(&mut self, segments: u64) {
        for count in [&mut self.counted, &mut self.segments, &mut self.frames] {
            *count = count.saturating_add(segments);
        }
    }

    /// Adds what was counted beside frames and flows.
    pub(super) fn add(&mut self, counts: &Counts) {
        self.count(counts.unshown);
        self.unshown = counts.unshown;
        self.filtered_out = self.filtered_out.saturating_add(counts.filtered_out);
        self.skipped.add(Skip::NotShown, counts.other);
        for count in [counts.filtered_out, counts.other] {
            self.frames = self.frames.saturating_add(count);
        }
    }
}
