//! An arrow between two bars, with its label.

use super::rows::Cell;

/// `---- FIN --->`, as wide as asked for, eight columns at least. What was lost ends in an `x`, what something on the way made
/// begins with a `*`.
pub(super) fn drawn(cell: &Cell, width: usize) -> String {
    // A blank on either side of the label, a dash before and the head after.
    let label = format!(" {} ", fitted(&cell.labels, width.saturating_sub(5)));
    let dashes = width.saturating_sub(label.chars().count() + 1);
    let (left, right) = (dashes / 2, dashes - dashes / 2);
    // A part of the way is left blank where it began or ended on the way.
    let blank = (width / 5).min(left.saturating_sub(1));
    let line = |count: usize| "-".repeat(count);
    let before = if cell.made {
        " ".repeat(blank) + "*" + &line(left - blank - 1)
    } else {
        line(left)
    };
    let after = if cell.lost {
        line(right - blank) + "x" + &" ".repeat(blank)
    } else {
        line(right) + ">"
    };
    if cell.rightwards {
        format!("{before}{label}{after}")
    } else {
        mirrored(&before, &label, &after)
    }
}

fn mirrored(before: &str, label: &str, after: &str) -> String {
    let back = |text: &str| -> String {
        let turned = text.chars().rev();
        turned.map(|c| if c == '>' { '<' } else { c }).collect()
    };
    format!("{}{label}{}", back(after), back(before))
}

/// Below that the beginning of a label says less than a shorter one.
const WORTH_CUTTING: usize = 8;

/// The first label that fits, or the beginning of one that is too long.
fn fitted(labels: &[String], room: usize) -> String {
    let length = |label: &&String| label.chars().count();
    let fits = labels.iter().find(|label| length(label) <= room);
    let longer = labels.iter().rfind(|label| length(label) > room);
    match (fits, longer) {
        (Some(fits), Some(long)) if room >= WORTH_CUTTING && length(&fits) <= room / 2 => {
            cut(long, room)
        }
        (Some(fits), _) => fits.clone(),
        (None, long) => cut(long.map_or("", String::as_str), room),
    }
}

/// Its first characters.
fn cut(label: &str, room: usize) -> String {
    if room < WORTH_CUTTING {
        return label
            .chars()
            .take(room)
            .collect::<String>()
            .trim_end()
            .to_owned();
    }
    let begin: String = label.chars().take(room - 2).collect();
    format!("{}..", begin.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(label: &str, rightwards: bool, lost: bool, made: bool) -> Cell {
        Cell {
            place: 0,
            rightwards,
            labels: vec![label.to_owned()],
            lost,
            made,
            ends: false,
        }
    }

    #[test]
    fn arrows_point_to_whom_they_reach() {
        assert_eq!(
            drawn(&cell("FIN", true, false, false), 14),
            "---- FIN ---->"
        );
        assert_eq!(
            drawn(&cell("FIN", false, false, false), 14),
            "<---- FIN ----"
        );
        assert_eq!(drawn(&cell("FIN", true, true, false), 14), "---- FIN --x  ");
        assert_eq!(
            drawn(&cell("RST", false, false, true), 14),
            "<---- RST -*  "
        );
        assert_eq!(
            drawn(&cell("GET /report", true, false, false), 14),
            "- GET /re.. ->"
        );
    }

    #[test]
    fn arrows_are_as_wide_as_asked_for() {
        for width in 8..40 {
            for label in ["FIN", "KA x12", "GET /a/very/long/path", "x", ""] {
                for flags in 0..8 {
                    let cell = cell(label, flags & 1 > 0, flags & 2 > 0, flags & 4 > 0);
                    let arrow = drawn(&cell, width);
                    assert_eq!(arrow.chars().count(), width, "{arrow:?} {label}");
                }
            }
        }
    }
}
