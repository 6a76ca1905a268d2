//! Half a close right after the request (`shutdown(SHUT_WR)`), which the server honoured by waiting on.

use std::time::Duration;

use super::{Mark, Parting, Turn};
use crate::flow::Side;
use crate::verdict::origin::PASSED_ON_WITHIN;

/// A FIN so soon after a request is no lost patience.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The client's FIN, where it came right after its request, nothing but another close followed, and that
/// not because of it; or nothing by the end of the capture.
pub(super) fn of(turns: &[Turn], marks: &[Mark], parting: Option<&Parting>) -> Option<Mark> {
    let fin = marks
        .first()
        .filter(|mark| mark.by == Side::Client && !mark.rst)?;
    let asked = turns.last().filter(|turn| turn.by == Side::Client)?;
    let soon = asked.until <= fin.at && fin.at.since(asked.until) < AT_ONCE;
    if !soon || parting.is_some() {
        return None;
    }
    let own = end(marks, fin).is_none_or(|end| end.at.since(fin.at) > PASSED_ON_WITHIN);
    own.then_some(*fin)
}

/// What ended it after that: the server's close, or a RST of whoever had lost patience then.
pub(super) fn end(marks: &[Mark], fin: &Mark) -> Option<Mark> {
    let mut later = marks.iter().filter(|mark| mark.at >= fin.at);
    later
        .find(|mark| mark.by == Side::Server || mark.rst)
        .copied()
}
