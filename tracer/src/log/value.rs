//! Values as proxies write them.

use std::net::IpAddr;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::Offset;

use crate::segment::Endpoint;
use crate::time::Time;

/// Longer text is cut: what is kept is for showing and comparing.
const KEPT: usize = 512;

/// How a text begins, in no more than that many bytes.
pub(super) fn beginning(text: &str, bytes: usize) -> &str {
    let boundary = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=bytes.min(text.len())).rev().find(boundary);
    &text[..end.unwrap_or(0)]
}

/// A text that says something: proxies write `-` for nothing, HAProxy one for each letter of a state.
pub(super) fn text(text: &str) -> Option<String> {
    let nothing = text.bytes().all(|byte| byte == b'-');
    (!nothing).then(|| beginning(text, KEPT).to_owned())
}

/// `GET /report` of method and target, or of a whole request line.
pub(super) fn request(mut words: std::str::Split<'_, char>) -> Option<String> {
    let (method, target) = (words.next()?, words.next()?);
    text(method)?;
    text(&format!("{method} {target}"))
}

/// `10.0.0.1:80`, `[fd00::1]:80`; `fd00::1:80` as HAProxy writes it, without brackets.
pub(super) fn endpoint(text: &str) -> Option<Endpoint> {
    let endpoint = text.parse().ok().or_else(|| {
        let (address, port) = text.rsplit_once(':')?;
        let address: IpAddr = address.parse().ok()?;
        Some(Endpoint::new(address, port.parse().ok()?))
    })?;
    // Envoy writes port 0 for a client that a header names: no connection has it.
    (endpoint.port() != 0).then_some(endpoint)
}

/// A number; HAProxy writes `+` before one that goes on growing.
pub(super) fn number(text: &str) -> Option<u64> {
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

/// An HTTP status. Proxies write 0 or -1 where none was sent.
pub(super) fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|code| (100..1000).contains(code))
}

/// Milliseconds, in nanoseconds; other units where they are named.
pub(super) fn span(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix('s') {
        Some(rest) => match rest.strip_suffix('m') {
            Some(rest) => (rest, 1_000_000),
            None => (rest, 1_000_000_000),
        },
        None => (text, 1_000_000),
    };
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(parts(fraction)? * unit / 1_000_000_000)
}

/// Billionths, of the digits behind a decimal point. What is finer is cut.
fn parts(fraction: &str) -> Option<u64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(digits.fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

/// A point in time, and whether it was written without a zone and taken as UTC.
pub(super) fn time(text: &str) -> Option<(Time, bool)> {
    if let Some(time) = common_log_time(text).or_else(|| epoch(text).map(|time| (time, false))) {
        return Some(time);
    }
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some((at(timestamp)?, false));
    }
    let civil: DateTime = text.parse().ok()?;
    Some((at(Offset::UTC.to_timestamp(civil).ok()?)?, true))
}

/// `21/Nov/2026:07:25:27.510`, with or without a zone: `%t` and `%T` of HAProxy.
pub(super) fn common_log_time(text: &str) -> Option<(Time, bool)> {
    if text.as_bytes().get(2) != Some(&b'/') {
        return None;
    }
    let (day, zone) = text
        .split_once(' ')
        .map_or((text, None), |(day, zone)| (day, Some(zone)));
    let civil = strtime::parse("%d/%b/%Y:%H:%M:%S%.f", day)
        .and_then(|parsed| parsed.to_datetime())
        .ok()?;
    let offset = match zone {
        Some(zone) => strtime::parse("%z", zone).ok()?.offset()?,
        None => Offset::UTC,
    };
    Some((at(offset.to_timestamp(civil).ok()?)?, zone.is_none()))
}

/// Seconds since 1970 with a fraction, or a whole number of milliseconds, microseconds or
/// nanoseconds: what `%START_TIME(%s.%3f)%` and its like write.
fn epoch(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let unit: u64 = match (whole.len(), fraction) {
        (9 | 10, _) => 1_000_000_000,
        (13, "") => 1_000_000,
        (16, "") => 1000,
        (19, "") => 1,
        _ => return None,
    };
    let nanos = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let nanos = nanos.checked_add(parts(fraction)?)?;
    Some(Time::from_nanos(i64::try_from(nanos).ok()?))
}

fn at(timestamp: jiff::Timestamp) -> Option<Time> {
    i64::try_from(timestamp.as_nanosecond())
        .ok()
        .map(Time::from_nanos)
}
