//! Numbers with their units.

/// A duration to three digits or so: `0.1 ms`, `86 ms`, `7.01 s`, `5 min 2 s`, `2 h 5 min`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_01 => "0.0 ms".to_owned(),
        s if s < 0.001 => format!("{:.2} ms", s * 1e3),
        s if s < 0.0995 => format!("{:.1} ms", s * 1e3),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 99.995 => format!("{s:.2} s"),
        s if s < 599.5 => format!("{s:.1} s"),
        s if s < 7199.5 => {
            let s = s.round();
            format!("{} min {} s", (s / 60.0).floor(), s % 60.0)
        }
        s => {
            let minutes = (s / 60.0).round();
            format!("{} h {} min", (minutes / 60.0).floor(), minutes % 60.0)
        }
    }
}

/// `154 B`, `12.3 kB`, `4.0 GB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn bytes(bytes: u64) -> String {
    let scaled = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..1_000_000 => format!("{:.1} kB", scaled(1e3)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", scaled(1e6)),
        _ => format!("{:.1} GB", scaled(1e9)),
    }
}

/// `1 flow`, `2 flows`.
pub(super) fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// `1,234`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits() {
        let cases = [
            (0.0, "0.0 ms"),
            (0.000_123, "0.12 ms"),
            (0.0123, "12.3 ms"),
            (0.25, "250 ms"),
            (0.9996, "1.00 s"),
            (7.0104, "7.01 s"),
            (340.04, "340.0 s"),
            (602.0, "10 min 2 s"),
            (7500.0, "2 h 5 min"),
        ];
        for (value, text) in cases {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn bytes_scale() {
        assert_eq!(bytes(154), "154 B");
        assert_eq!(bytes(12_345), "12.3 kB");
        assert_eq!(bytes(4_000_000_000), "4.0 GB");
    }

    #[test]
    fn large_numbers_are_grouped() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1234, "1,234"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }
}
