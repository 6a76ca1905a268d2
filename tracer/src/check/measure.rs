//! Numbers and times as a person writes what is expected of them: `3`, `">= 3"`, `"2..4"`,
//! `"7s ± 10%"`.

use std::str::FromStr;

use jiff::SignedDuration;

/// A range of numbers, and how it was written.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Range {
    low: f64,
    high: f64,
    /// The ends themselves belong to it.
    closed: (bool, bool),
}

/// A sign, and the range that it makes of a number.
type Comparison = (&'static str, fn(f64) -> Range);

/// What numbers mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// Whole numbers.
    Count,
    /// Times that were measured: exactly seven seconds never are.
    Measured,
    /// Times that somebody set, which are exact.
    Set,
}

/// Rounding of what is computed in floating point: far less than anybody can measure.
const NEARLY: f64 = 1e-9;

impl Range {
    pub(super) fn contains(&self, number: f64) -> bool {
        let above = number > self.low + NEARLY || (self.closed.0 && number >= self.low - NEARLY);
        let below = number < self.high - NEARLY || (self.closed.1 && number <= self.high + NEARLY);
        above && below
    }

    /// Whether one of its ends, where it has any, lies beyond.
    pub(super) fn reaches_beyond(&self, most: f64) -> bool {
        [self.low, self.high]
            .iter()
            .any(|end| end.is_finite() && *end > most)
    }

    pub(super) const fn exactly(number: f64) -> Self {
        Self {
            low: number,
            high: number,
            closed: (true, true),
        }
    }

    const fn above(low: f64, closed: bool) -> Self {
        Self {
            low,
            high: f64::INFINITY,
            closed: (closed, true),
        }
    }

    const fn below(high: f64, closed: bool) -> Self {
        Self {
            low: f64::NEG_INFINITY,
            high,
            closed: (true, closed),
        }
    }

    /// Reads a range.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and how to write what was probably meant.
    pub(super) fn parse(text: &str, unit: Unit) -> Result<Self, String> {
        let text = text.trim();
        let comparisons: [Comparison; 6] = [
            (">=", |low| Self::above(low, true)),
            ("≥", |low| Self::above(low, true)),
            ("<=", |high| Self::below(high, true)),
            ("≤", |high| Self::below(high, true)),
            (">", |low| Self::above(low, false)),
            ("<", |high| Self::below(high, false)),
        ];
        for (sign, range) in comparisons {
            if let Some(rest) = text.strip_prefix(sign) {
                return amount(rest, unit).map(range);
            }
        }
        if let Some((low, high)) = text.split_once("..") {
            return Self::between(low, high, unit);
        }
        for sign in ["±", "+-", "+/-"] {
            if let Some((middle, tolerance)) = text.split_once(sign) {
                return Self::around(middle, tolerance, unit);
            }
        }
        let number = amount(text.strip_prefix('=').unwrap_or(text), unit)?;
        if unit == Unit::Measured && number > 0.0 {
            return Err(format!(
                "a measured time is never exactly '{text}': write '{text} ± 10%' or a range such as \
                 '< {text}'"
            ));
        }
        Ok(Self::exactly(number))
    }

    /// `2..4`, both ends included. The first may leave its unit to the second: `2..4s`.
    fn between(low: &str, high: &str, unit: Unit) -> Result<Self, String> {
        let high_end = amount(high, unit)?;
        let bare = unit != Unit::Count && low.trim().parse::<f64>().is_ok();
        let low_end = if bare {
            let its_unit =
                high.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ' ');
            amount(&format!("{}{its_unit}", low.trim()), unit)?
        } else {
            amount(low, unit)?
        };
        if low_end > high_end {
            return Err(format!(
                "nothing is in a range from '{}' to '{}': the smaller one comes first",
                low.trim(),
                high.trim()
            ));
        }
        Ok(Self {
            low: low_end,
            high: high_end,
            closed: (true, true),
        })
    }

    /// `7s ± 10%`, `7s ± 0.5s`, `10 ± 2`.
    fn around(middle: &str, tolerance: &str, unit: Unit) -> Result<Self, String> {
        let middle = amount(middle, unit)?;
        let tolerance = tolerance.trim();
        let off = match tolerance.strip_suffix('%') {
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => middle * percent / 100.0,
                _ => {
                    return Err(format!(
                        "'{tolerance}' is no tolerance: write a percentage from 0 to 100, such as '10%'"
                    ));
                }
            },
            None => amount(tolerance, unit)?,
        };
        Ok(Self {
            low: middle - off,
            high: middle + off,
            closed: (true, true),
        })
    }
}

/// One number, or one time in seconds.
fn amount(text: &str, unit: Unit) -> Result<f64, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a number is missing".to_owned());
    }
    match unit {
        Unit::Count => match text.parse::<u32>() {
            Ok(count) => Ok(count.into()),
            Err(_) => Err(format!(
                "'{text}' is no count: write a whole number, '>= 3', '2..4' or '10 ± 2'"
            )),
        },
        Unit::Measured | Unit::Set => time(text),
    }
}

fn time(text: &str) -> Result<f64, String> {
    if text == "0" {
        return Ok(0.0);
    }
    if text.parse::<f64>().is_ok() {
        return Err(format!(
            "the time '{text}' has no unit: write '{text}s', '{text}ms' or '{text}min'"
        ));
    }
    match SignedDuration::from_str(text) {
        Ok(time) if !time.is_negative() => Ok(time.as_secs_f64()),
        Ok(_) => Err(format!("the time '{text}' is negative")),
        Err(_) => Err(format!(
            "'{text}' is no time: write it with ms, s, min or h, such as '7s', '500ms' or '1min 30s'"
        )),
    }
}

/// A time for people: `12.3 ms`, `7.01 s`, `350 s`.
pub(crate) fn told(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        s if s < 0.001 => format!("{:.3} ms", s * 1e3),
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.2} s"),
        s => format!("{s:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, unit: Unit, inside: &[f64], outside: &[f64]) {
        let range = Range::parse(text, unit).expect(text);
        for number in inside {
            assert!(range.contains(*number), "{text}: {number}");
        }
        for number in outside {
            assert!(!range.contains(*number), "{text}: {number}");
        }
    }

    #[test]
    fn counts() {
        holds("3", Unit::Count, &[3.0], &[2.0, 4.0]);
        holds("= 3", Unit::Count, &[3.0], &[2.0]);
        holds(">= 3", Unit::Count, &[3.0, 9.0], &[2.0]);
        holds("≥3", Unit::Count, &[3.0], &[2.0]);
        holds("> 3", Unit::Count, &[4.0], &[3.0]);
        holds("<= 3", Unit::Count, &[0.0, 3.0], &[4.0]);
        holds("< 3", Unit::Count, &[2.0], &[3.0]);
        holds("2..4", Unit::Count, &[2.0, 4.0], &[1.0, 5.0]);
        holds("10 ± 2", Unit::Count, &[8.0, 12.0], &[7.0, 13.0]);
        holds("10 +/- 20%", Unit::Count, &[8.0, 12.0], &[7.0, 13.0]);
    }

    #[test]
    fn times() {
        holds("7s ± 10%", Unit::Measured, &[6.3, 7.7], &[6.29, 7.71]);
        holds("7s +- 0.5s", Unit::Measured, &[6.5, 7.5], &[6.4, 7.6]);
        holds("500ms..2s", Unit::Measured, &[0.5, 2.0], &[0.4, 2.1]);
        holds("2..4s", Unit::Measured, &[2.0, 4.0], &[1.9, 4.1]);
        holds("1min 30s ± 1s", Unit::Measured, &[90.0], &[92.0]);
        holds("< 1h", Unit::Measured, &[3599.0], &[3600.0]);
        holds("75s", Unit::Set, &[75.0], &[75.1]);
        holds("0s", Unit::Measured, &[0.0], &[0.1]);
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            ("7", Unit::Measured, "has no unit: write '7s'"),
            ("7s", Unit::Measured, "write '7s ± 10%'"),
            ("7 sek", Unit::Measured, "'7 sek' is no time"),
            ("-7s", Unit::Set, "negative"),
            ("7s ± 10", Unit::Measured, "has no unit"),
            ("7s ± 110%", Unit::Measured, "from 0 to 100"),
            ("4s..2s", Unit::Measured, "the smaller one comes first"),
            (">=", Unit::Count, "a number is missing"),
            ("3s", Unit::Count, "'3s' is no count"),
            ("3.5", Unit::Count, "no count"),
            ("-1", Unit::Count, "no count"),
            ("", Unit::Count, "a number is missing"),
        ];
        for (text, unit, why) in cases {
            let error = Range::parse(text, unit).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
