//! The table of known timeouts: data, so that users can add their own.

use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;

/// What everybody has.
const EMBEDDED: &str = include_str!("timeouts.toml");

static KNOWN: LazyLock<Vec<Timeout>> = LazyLock::new(|| {
    // A test reads the table, so that it cannot fail here.
    parse(EMBEDDED).unwrap_or_default()
});

/// Timers fire late, never early: 2 % is what proxies' have, a little more on a busy machine.
const LATE: f64 = 0.03;

/// ... and never less than this, in seconds: measured at a vantage away from who fired.
const LEAST: f64 = 0.2;

/// A clock elsewhere may see it end so much earlier, in seconds.
const EARLY: f64 = 0.02;

/// Whose timer it is, and so how it shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Ends TCP itself and closes both its sides; probes do not reset its timer.
    Proxy,
    /// Passes segments on and forgets the connection: it shows when traffic comes again.
    L4,
    /// Closes connections that wait for a next request.
    Server,
}

/// A known timeout.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// Whose it is.
    pub name: String,
    /// How long, in seconds.
    pub seconds: f64,
    /// How many seconds later it may fire.
    pub tolerance_s: Option<f64>,
    /// How it shows.
    pub kind: Kind,
    /// How to change it.
    pub change: String,
    /// Where it is documented.
    pub source: String,
}

/// Timeouts that are known: those of users first.
#[derive(Clone, Debug, Default)]
pub struct Timeouts {
    own: Vec<Timeout>,
}

/// A table that could not be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}; a table has [[timeout]] with name, seconds, kind (\"proxy\", \"l4\" or \"server\"), change and source, all but tolerance_s needed"
)]
pub struct TimeoutsError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    timeout: Vec<Timeout>,
}

fn parse(text: &str) -> Result<Vec<Timeout>, TimeoutsError> {
    let table: Table = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let place = before.map_or_else(String::new, |before| {
            let line = before.matches('\n').count() + 1;
            let start = before.rfind('\n').map_or(0, |end| end + 1);
            let column = before[start..].chars().count() + 1;
            format!("line {line}, column {column}: ")
        });
        TimeoutsError(format!("{place}{}", error.message()))
    })?;
    for timeout in &table.timeout {
        let tolerance = timeout.tolerance_s.unwrap_or_default();
        if !(timeout.seconds > 0.0 && timeout.seconds < 1e9 && (0.0..1e9).contains(&tolerance)) {
            return Err(TimeoutsError(format!(
                "'{}' has to have seconds above 0 and a tolerance_s of 0 or more",
                timeout.name
            )));
        }
    }
    Ok(table.timeout)
}

impl Timeouts {
    /// Adds those of a table in TOML, before all others.
    ///
    /// # Errors
    ///
    /// Where the text is no such table; says where and why.
    pub fn add(&mut self, text: &str) -> Result<(), TimeoutsError> {
        self.own.splice(0..0, parse(text)?);
        Ok(())
    }

    /// Those of that kind that a silence of this length matches, nearest first.
    pub(super) fn matching(&self, silence: Duration, kinds: &[Kind]) -> Vec<&Timeout> {
        let mut found: Vec<&Timeout> = self
            .own
            .iter()
            .chain(&*KNOWN)
            .filter(|timeout| kinds.contains(&timeout.kind) && timeout.matches(silence))
            .collect();
        let off = |timeout: &Timeout| (silence.as_secs_f64() - timeout.seconds).abs();
        found.sort_by(|one, other| off(one).total_cmp(&off(other)));
        found
    }
}

impl Timeout {
    fn matches(&self, silence: Duration) -> bool {
        let late = silence.as_secs_f64() - self.seconds;
        let tolerance = self
            .tolerance_s
            .unwrap_or_else(|| (self.seconds * LATE).max(LEAST));
        late >= -EARLY && late <= tolerance
    }
}

/// The whole number of seconds that a silence is, as configured timeouts are: at most 2 % and 60 ms
/// more, for timers fire late and not early.
pub(super) fn whole_seconds(silence: Duration) -> Option<u64> {
    whole(silence, (0.02, 0.06))
}

/// The same of a timer on a busy machine, at most 5 % and 200 ms late: one silence in five is as long
/// by chance, so that something else has to speak for a timer as well.
pub(super) fn nearly_whole_seconds(silence: Duration) -> Option<u64> {
    whole(silence, (0.05, 0.2))
}

/// The whole number of seconds that a silence is longer than by that part of it and so many seconds at
/// most.
fn whole(silence: Duration, (part, most): (f64, f64)) -> Option<u64> {
    let seconds = silence.as_secs_f64() + EARLY;
    let whole = seconds.floor();
    let over = silence.as_secs_f64() - whole;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds of silence fit"
    )]
    (whole >= 1.0 && over <= (whole * part).min(most)).then_some(whole as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_table_is_read_and_matches_what_it_says() {
        let known = parse(EMBEDDED).expect("the embedded table");
        assert_eq!(known.len(), EMBEDDED.matches("\n[[timeout]]").count());
        assert_eq!(KNOWN.len(), known.len());
        let named = |seconds: f64, kind| -> Vec<String> {
            let timeouts = Timeouts::default();
            let found = timeouts.matching(Duration::from_secs_f64(seconds), &[kind]);
            found.iter().map(|timeout| timeout.name.clone()).collect()
        };
        assert!(named(350.2, Kind::L4)[0].contains("Network Load Balancer"));
        assert!(named(60.01, Kind::Proxy).len() >= 3);
        assert!(named(59.0, Kind::Proxy).is_empty(), "no timer fires early");
        assert!(named(62.0, Kind::Proxy).is_empty());
        assert!(named(6.0, Kind::Server)[0].contains("Node"));
    }

    #[test]
    fn a_users_table_comes_first_and_a_wrong_one_says_where() {
        let mut timeouts = Timeouts::default();
        let text =
            "[[timeout]]\nname = 'ours'\nseconds = 60\nkind = 'proxy'\nchange = ''\nsource = ''\n";
        timeouts.add(text).expect("a table");
        let found = timeouts.matching(Duration::from_secs(60), &[Kind::Proxy]);
        assert_eq!(found[0].name, "ours");
        let wrong = timeouts.add(&text.replace("seconds", "second"));
        let told = wrong.expect_err("an unknown key").to_string();
        assert!(told.contains("line 3") && told.contains("second"), "{told}");
        let never = timeouts.add(&text.replace("60", "-1"));
        assert!(never.expect_err("no time").to_string().contains("ours"));
    }

    #[test]
    fn whole_seconds_are_what_is_configured() {
        let whole = |millis| whole_seconds(Duration::from_millis(millis));
        assert_eq!(whole(4_001), Some(4));
        assert_eq!(whole(3_990), Some(4), "measured elsewhere");
        assert_eq!(whole(60_055), Some(60));
        assert_eq!(whole(4_300), None);
        assert_eq!(whole(600), None);
        assert_eq!(whole(1_015), Some(1));
        assert_eq!(whole(1_050), None);
    }

    #[test]
    fn on_a_busy_machine_timers_fire_later() {
        let nearly = |millis| nearly_whole_seconds(Duration::from_millis(millis));
        assert_eq!(whole_seconds(Duration::from_millis(6_130)), None);
        assert_eq!(nearly(6_130), Some(6));
        assert_eq!(nearly(60_190), Some(60));
        assert_eq!(nearly(60_210), None);
        assert_eq!(nearly(1_100), None);
        assert_eq!(nearly(990), Some(1), "measured elsewhere");
    }
}
