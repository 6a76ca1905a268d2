//! An answer whose end a RST of its own server may have destroyed: who closes with bytes that it has not read
//! resets the connection (RFC 1122 section 4.2.2.13; `__tcp_close`, net/ipv4/tcp.c), and what it sent
//! and nobody acknowledged may never come to be read.

use super::view::View;
use super::{Away, Mark};
use crate::flow::Side;
use crate::hop::Hop;

/// What of the server's bytes nothing acknowledged, where it reset the connection. What all came to the vantage
/// at the client did arrive: a stack gives to its reader what came before the RST.
pub(super) fn of(views: &[View<'_>], hop: &Hop, first: Option<&Mark>) -> Option<Away> {
    first.filter(|first| first.rst && first.by == Side::Server)?;
    let unacknowledged = |view: &View<'_>| view.flow().unacknowledged(view.side(Side::Server));
    let mut bytes = None;
    for view in views {
        let own = unacknowledged(view)?;
        bytes = Some(bytes.map_or(own, |known: u32| known.min(own)));
    }
    let bytes = bytes.filter(|bytes| *bytes > 0)?;
    let next = |view: &View<'_>| Some(view.flow().sequence(view.side(Side::Server))?[1]);
    let (near, far) = (views.first()?, views.last()?);
    let lost = matches!((next(near), next(far)), (Some(near), Some(far)) if far.is_after(near));
    let vantage = near.scene.flows[near.sight.flow].vantage;
    let arrived = !lost && hop.at.client == Some(vantage);
    (!arrived).then_some(Away { bytes, lost })
}
