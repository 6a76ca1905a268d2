//! The catalogue: one rule per cause, each a pure function of a case.

mod client_gave_up;
mod closed_mid_exchange;
mod goaway_error;
mod half_close;
mod idle_timeout;
mod injected_reset;
mod keepalive_death;
mod max_connection_age;
mod normal_close;
mod open;
mod overload;
mod receiver_stalled;
mod refused;
mod request_timeout;
mod retransmission_death;
mod stale_reuse;
mod tls_handshake_failed;
mod unknown;
mod unreachable;
mod unseen;

use super::Cause;
use super::case::Case;
use super::finding::Found;

/// A rule.
pub(super) type Rule = fn(&Case<'_>) -> Found;

/// All rules, the most specific first: of several that hold equally well, the first counts. A cause may have
/// several.
pub(super) const ALL: [(Cause, Rule); 20] = [
    (Cause::InjectedReset, injected_reset::judge),
    (Cause::KeepaliveDeath, keepalive_death::judge),
    (Cause::RetransmissionDeath, retransmission_death::judge),
    (Cause::Refused, refused::judge),
    (Cause::Unreachable, unreachable::judge),
    (Cause::ReceiverStalled, receiver_stalled::judge),
    (Cause::TlsHandshakeFailed, tls_handshake_failed::judge),
    (Cause::ClosedMidExchange, goaway_error::by_server),
    (Cause::ClientGaveUp, goaway_error::by_client),
    (Cause::NormalClose, goaway_error::unasked),
    (Cause::StaleReuse, stale_reuse::judge),
    (Cause::MaxConnectionAge, max_connection_age::judge),
    (Cause::Overload, overload::judge),
    (Cause::RequestTimeout, request_timeout::judge),
    (Cause::HalfClose, half_close::judge),
    (Cause::IdleTimeout, idle_timeout::judge),
    (Cause::ClosedMidExchange, closed_mid_exchange::judge),
    (Cause::ClientGaveUp, client_gave_up::judge),
    (Cause::NormalClose, normal_close::judge),
    (Cause::Open, open::judge),
];

/// What is left where no rule holds.
pub(super) use self::unknown::judge as unknown;
