//! Which flows tell most: those where something went wrong, or nearly.

use std::time::Duration;

use super::{End, Flow, RunEnd, Side, interval};

impl Flow {
    /// How much it tells; reasons of a higher kind outweigh all of the lower ones.
    #[must_use]
    pub fn weight(&self) -> u32 {
        const BOTH: [Side; 2] = [Side::Client, Side::Server];
        let end = self.end();
        let pending = self.answer_pending();
        let unanswered = |side| {
            self.run_end(side) == Some(RunEnd::ResetByProber)
                || interval(self.probes(side)).is_some()
        };
        let reasons = [
            end == End::Unanswered || BOTH.into_iter().any(unanswered),
            matches!(end, End::Refused | End::Rst),
            pending && self.ended_by() == Some(Side::Server),
            pending && self.ended_by() == Some(Side::Client),
            pending,
            BOTH.into_iter().any(|side| !self.probes(side).is_empty()),
            BOTH.into_iter().any(|side| self.zero_windows(side) > 0),
            self.longest_payload_gap() >= Duration::from_secs(1),
            BOTH.into_iter().any(|side| self.retransmissions(side) > 0),
        ];
        reasons
            .iter()
            .fold(0, |weight, &reason| weight * 2 + u32::from(reason))
    }
}
