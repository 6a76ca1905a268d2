//! Envoy's default text format, and Istio's, which names the addresses behind it
//! (<https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage>,
//! Istio's `EnvoyTextLogFormat` in pilot/pkg/model/telemetry_logging.go):
//!
//! ```text
//! [%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE%
//!     %RESPONSE_FLAGS% (Istio: %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%
//!     "%UPSTREAM_TRANSPORT_FAILURE_REASON%") %BYTES_RECEIVED% %BYTES_SENT% %DURATION%
//!     %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%"
//!     "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" (Istio: %UPSTREAM_CLUSTER%
//!     %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%
//!     %REQUESTED_SERVER_NAME% %ROUTE_NAME%)
//! ```

use super::{Entry, value};

/// What follows `[time] `.
pub(super) fn parse(time: &str, rest: &str) -> Option<Entry> {
    let (began, zoneless) = value::time(time)?;
    let (request, rest) = rest.strip_prefix('"')?.split_once("\" ")?;
    // Agents and paths may hold quotes, and Envoy escapes none: what matters is read from the end.
    let (numbers, quoted, tail) = quoted(rest)?;
    let (front, failure, back) = transport_failure(numbers)?;
    let fields = front.split_whitespace().chain(back.split_whitespace());
    let fields: Vec<&str> = fields.collect();
    let [code, flags, explained @ .., received, sent, took, _] = &fields[..] else {
        return None;
    };
    code.parse::<u16>().ok()?;
    let explained = |number: usize| explained.get(number).and_then(|text| value::text(text));
    let [host, _, id, ..] = quoted;
    // Versions of Istio before 1.9 do not have these two.
    let (details, termination) = (explained(0), explained(1));
    let mut entry = Entry {
        began: Some(began),
        zoneless,
        took: Some(value::span(took)?),
        request: value::request(request.split(' ')),
        request_id: value::text(id),
        status: value::status(code),
        flags: value::text(flags),
        upstream_remote: value::endpoint(host),
        details,
        termination,
        failure: failure.and_then(value::text),
        bytes: (value::number(received), value::number(sent)),
        ..Entry::default()
    };
    addresses(&mut entry, tail);
    Some(entry)
}

/// What stands before the five quoted fields, the last three of these from the end, and what
/// stands behind them.
fn quoted(rest: &str) -> Option<(&str, [&str; 3], &str)> {
    let (quoted, tail) = rest.rsplit_once('"')?;
    let mut fields = quoted.rsplitn(4, "\" \"");
    let three = [fields.next()?, fields.next()?, fields.next()?];
    let before = fields.next()?;
    // What is left are the numbers, `x-forwarded-for`, and how the agent begins. Istio quotes a field
    // among the numbers, too: the agent's neighbour is the first quote behind the service time.
    let mut places = before.match_indices(" \"").map(|(place, _)| place);
    let end = places.find(|place| ends_with_numbers(&before[..*place]))?;
    Some((&before[..end], three, tail))
}

/// Bytes received, bytes sent, duration, and the upstream's service time, which may be `-`.
fn ends_with_numbers(fields: &str) -> bool {
    let mut last = fields.rsplit(' ');
    let number = |text: Option<&str>| text.is_some_and(|text| text.parse::<u64>().is_ok());
    let served = last.next();
    (served == Some("-") || number(served)) && (0..3).all(|_| number(last.next()))
}

/// What stands before the quoted failure of the transport, that itself, and what stands behind it:
/// Istio writes it, and a long time ago one more field, among the numbers.
fn transport_failure(numbers: &str) -> Option<(&str, Option<&str>, &str)> {
    let Some((front, quoted)) = numbers.split_once('"') else {
        return Some((numbers, None, ""));
    };
    let (quoted, back) = quoted.rsplit_once('"')?;
    Some((front, quoted.rsplit("\" \"").next(), back))
}

/// What Istio adds. An address that nothing follows may have been cut.
fn addresses(entry: &mut Entry, tail: &str) {
    let whole = tail.rsplit_once(' ').map_or("", |(whole, _)| whole);
    let mut fields = whole.split_whitespace();
    entry.upstream = fields.next().and_then(value::text);
    entry.upstream_local = fields.next().and_then(value::endpoint);
    entry.downstream_local = fields.next().and_then(value::endpoint);
    entry.downstream_remote = fields.next().and_then(value::endpoint);
}
