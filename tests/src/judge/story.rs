//! Hops, chains and verdicts of a report, beside what really happened.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::lab::truth::{Chain, Truth};

/// What is asked of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All that can be told of everything that was recorded.
    Everything,
    /// The same, where requests that look alike may have come together by chance: what these went on as
    /// may be ambiguous, if that is said.
    EverythingByChance,
    /// The same of captures that hold no payload: what HTTP says need not be told, and nothing may be
    /// told wrongly.
    WithoutPayload,
    /// The same, with access logs beside them, which name connections and what went wrong.
    WithoutPayloadWithLogs,
    /// Of captures that lack a part of the time: what is said as sure is true.
    PartOfTime,
    /// Of captures that lack frames here and there: who is surely accused is guilty.
    FramesMissing,
    /// That nothing is called wrong where nothing went wrong: of one capture among several.
    NoFalseAlarm,
}

/// What disagrees between a report on the captures `given` and the truth, a line each.
#[must_use]
pub fn disagreements(report: &Value, truth: &Truth, given: &[String], asked: Asked) -> Vec<String> {
    let story = Story::new(report, truth, given);
    match asked {
        Asked::Everything => [story.hops(), story.chains(), story.verdicts()].concat(),
        Asked::EverythingByChance => [story.hops(), story.sure_chains(), story.verdicts()].concat(),
        Asked::WithoutPayload => {
            [story.hops(), story.no_false_chain(), story.nothing_wrong()].concat()
        }
        Asked::WithoutPayloadWithLogs => {
            let verdicts = match truth.alarm {
                Some(true) => story.verdicts(),
                _ => story.nothing_wrong(),
            };
            [story.hops(), story.chains(), verdicts].concat()
        }
        Asked::FramesMissing => story.surely_wrong(),
        Asked::PartOfTime => [story.no_false_chain(), story.surely_wrong()].concat(),
        Asked::NoFalseAlarm => story.no_false_alarm(),
    }
}

/// Causes of which a part may show no more than that a server closed while it owed an answer.
const SHOWN_AS_CLOSED: [&str; 3] = ["max_connection_age", "stale_reuse", "injected_reset"];

/// A flow: its vantage and its two endpoints.
type Key = (String, String, String);
/// The flows that are one connection.
type Sights = BTreeSet<Key>;
/// How many chains go over each row of hops.
type Counts = BTreeMap<Vec<usize>, u64>;

struct Story<'a> {
    report: &'a Value,
    truth: &'a Truth,
    /// What each hop of the truth is seen as.
    seen: BTreeMap<usize, Sights>,
    /// What each hop of the report is seen as.
    told: BTreeMap<u64, Sights>,
}

impl<'a> Story<'a> {
    fn new(report: &'a Value, truth: &'a Truth, given: &[String]) -> Self {
        let mut seen: BTreeMap<usize, Sights> = BTreeMap::new();
        for connection in &truth.connections {
            let here = connection
                .vantages
                .iter()
                .filter(|name| given.contains(name));
            let keys = here.map(|name| {
                let (client, server) = (&connection.client, &connection.server);
                (name.clone(), client.clone(), server.clone())
            });
            seen.entry(connection.hop).or_default().extend(keys);
        }
        seen.retain(|_, sights| !sights.is_empty());
        Self {
            report,
            truth,
            seen,
            told: told(report),
        }
    }

    /// Each connection is one hop, and no hop is two of them.
    fn hops(&self) -> Vec<String> {
        let seen: BTreeSet<&Sights> = self.seen.values().collect();
        let told: BTreeSet<&Sights> = self.told.values().collect();
        let missing = seen
            .difference(&told)
            .map(|hop| format!("no hop is {hop:?}"));
        let more = told
            .difference(&seen)
            .map(|hop| format!("a hop is {hop:?}"));
        missing.chain(more).collect()
    }

    /// Each request went over the hops that it went over. Connections that never came to be may be a
    /// chain's last hop, or have been tried, as whoever tells it likes.
    fn chains(&self) -> Vec<String> {
        let (expected, told) = (self.expected(), self.told_chains(|_| true));
        let all: BTreeSet<&Vec<usize>> = expected.keys().chain(told.keys()).collect();
        let differ = all
            .into_iter()
            .filter(|hops| expected.get(*hops) != told.get(*hops));
        differ.map(|hops| count(hops, &told, &expected)).collect()
    }

    /// The same of those that are told as sure; there are as many ambiguous ones as are lacking.
    fn sure_chains(&self) -> Vec<String> {
        let expected = self.expected();
        let (sure, all) = (self.told_chains(is_unambiguous), self.told_chains(|_| true));
        let too_many = sure
            .iter()
            .filter(|(hops, times)| expected.get(*hops).is_none_or(|real| real < times));
        let mut found: Vec<String> = too_many
            .map(|(hops, _)| count(hops, &sure, &expected))
            .collect();
        let [real, told] = [&expected, &all].map(|counts| counts.values().sum::<u64>());
        if real != told {
            found.extend(self.chains());
        }
        found
    }

    fn expected(&self) -> Counts {
        let chains = self.truth.chains.iter();
        self.counts(chains.map(|chain| chain.hops.clone()))
    }

    fn told_chains(&self, which: impl Fn(&Value) -> bool) -> Counts {
        let chains = self.report["chains"].as_array().into_iter().flatten();
        self.counts(chains.filter(|chain| which(chain)).map(|chain| {
            let hops = chain["hops"].as_array().into_iter().flatten();
            hops.filter_map(|hop| self.number(hop.as_u64()?)).collect()
        }))
    }

    fn counts(&self, chains: impl Iterator<Item = Vec<usize>>) -> Counts {
        let mut counts = Counts::new();
        for mut hops in chains {
            hops.retain(|hop| self.seen.contains_key(hop) && self.came_to_be(*hop));
            if hops.len() > 1 {
                *counts.entry(hops).or_default() += 1;
            }
        }
        counts
    }

    /// A chain may be missing or ambiguous; one that is told as sure is true.
    fn no_false_chain(&self) -> Vec<String> {
        let chains = self.report["chains"].as_array().into_iter().flatten();
        let joined = chains
            .filter(|chain| is_unambiguous(chain))
            .flat_map(|chain| {
                let hops = chain["hops"].as_array().into_iter().flatten();
                let hops: Vec<usize> = hops.filter_map(|hop| self.number(hop.as_u64()?)).collect();
                hops.windows(2).map(<[usize]>::to_vec).collect::<Vec<_>>()
            });
        let joined: BTreeSet<Vec<usize>> = joined.collect();
        let both = |pair: &[usize]| pair.iter().all(|hop| self.came_to_be(*hop));
        let never = joined.into_iter().filter(|pair| {
            let mut chains = self.truth.chains.iter();
            let joins = |chain: &Chain| {
                let tried = chain.hops.contains(&pair[0]) && chain.tried.contains(&pair[1]);
                tried || chain.hops.windows(2).any(|real| real == pair)
            };
            both(pair) && !chains.any(joins)
        });
        never
            .map(|pair| format!("hops {pair:?} of the truth were never joined"))
            .collect()
    }

    /// The first verdict is what happened, and no alarm is about something else.
    fn verdicts(&self) -> Vec<String> {
        let verdicts = self.all();
        let Some(first) = verdicts.first() else {
            return vec!["there is no verdict".to_owned()];
        };
        let mut found = self.false_alarms();
        let expected_first = self.truth.alarm == Some(true) || is_alarm(first);
        let wrong = if expected_first {
            if self.truth.alarm == Some(true) && !is_alarm(first) {
                found.push(format!(
                    "the first verdict is no alarm: {}",
                    self.line(first)
                ));
            }
            self.wrong(first)
        } else if verdicts.iter().any(|verdict| self.wrong(verdict).is_none()) {
            None
        } else {
            self.wrong(first)
        };
        found.extend(wrong);
        found
    }

    /// What is likely or certain is true; what is wrong is at most possible.
    fn nothing_wrong(&self) -> Vec<String> {
        let mut found = self.false_alarms();
        let verdicts = self.all();
        let sure = verdicts.iter().filter(|verdict| is_alarm(verdict));
        let wrong = sure.filter(|verdict| verdict["confidence"] == "certain");
        found.extend(wrong.filter_map(|verdict| self.wrong(verdict)));
        found
    }

    /// Alarms where nothing is wrong, and those that are not possible only and name somebody else.
    fn no_false_alarm(&self) -> Vec<String> {
        if self.truth.alarm == Some(false) {
            return self.false_alarms();
        }
        let verdicts = self.all();
        let sure = verdicts
            .iter()
            .filter(|verdict| is_alarm(verdict) && is_sure(verdict));
        let real = self.truth.ended_by_node.as_ref();
        let wrong =
            sure.filter(|verdict| self.node(verdict).is_some_and(|node| Some(node) != real));
        wrong
            .map(|verdict| format!("the wrong one: {}", self.line(verdict)))
            .collect()
    }

    /// Alarms that are not possible only, of another cause or another place than the real ones. That a
    /// server closed while it owed an answer is true of several causes, of which it is all that shows.
    fn surely_wrong(&self) -> Vec<String> {
        let verdicts = self.all();
        let sure = verdicts
            .iter()
            .filter(|verdict| is_alarm(verdict) && is_sure(verdict));
        let real = self.truth.ended_by_node.as_ref();
        let wrong = sure.filter(|verdict| {
            let named = self.node(verdict);
            let shows = verdict["cause"] == "closed_mid_exchange";
            let shows = shows && SHOWN_AS_CLOSED.contains(&self.truth.cause.as_str());
            self.truth.alarm == Some(false)
                || !(self.is_cause(verdict) || shows)
                || named.is_some_and(|node| Some(node) != real)
        });
        wrong
            .map(|verdict| format!("surely wrong: {}", self.line(verdict)))
            .collect()
    }

    /// Alarms where nothing is wrong, or for something else than what is wrong.
    fn false_alarms(&self) -> Vec<String> {
        let verdicts = self.all();
        let alarms = verdicts.iter().filter(|verdict| is_alarm(verdict));
        let wrong =
            alarms.filter(|verdict| self.truth.alarm == Some(false) || !self.is_cause(verdict));
        wrong
            .map(|verdict| format!("a false alarm: {}", self.line(verdict)))
            .collect()
    }

    /// How a verdict is wrong.
    fn wrong(&self, verdict: &Value) -> Option<String> {
        let unknown = self.truth.cause == "unknown";
        let node = self.node(verdict);
        let expected = self.truth.ended_by_node.as_ref();
        let vantages = self.seen.values().flatten().map(|(vantage, _, _)| vantage);
        let nodes: BTreeSet<&String> = vantages
            .map(|vantage| &self.truth.vantages[vantage].node)
            .collect();
        // Where nobody looked, nobody can be named.
        let expected = expected.filter(|node| nodes.contains(node));
        let sure = is_sure(verdict);
        // Who made it stands somewhere between those who were asked: it may be one of them.
        let nobody = node.is_none() && self.truth.cause == "injected_reset";
        let named = node == expected || nobody;
        let right = self.is_cause(verdict) && named && (sure || unknown);
        (!right).then(|| {
            format!(
                "{}; truth: {} by {expected:?}, alarm {:?}",
                self.line(verdict),
                self.truth.cause,
                self.truth.alarm
            )
        })
    }

    fn is_cause(&self, verdict: &Value) -> bool {
        let told = verdict["cause"].as_str().unwrap_or_default();
        told == self.truth.cause || self.truth.accepted.iter().any(|cause| cause == told)
    }

    /// The namespace that a verdict names.
    fn node(&self, verdict: &Value) -> Option<&'a String> {
        let name = verdict["ended_by_vantage"].as_str()?;
        self.truth.vantages.get(name).map(|vantage| &vantage.node)
    }

    fn line(&self, verdict: &Value) -> String {
        let text = |field: &str| verdict[field].as_str().unwrap_or("null").to_owned();
        format!(
            "{} by {:?}, {}, alarm {}: {}",
            text("cause"),
            self.node(verdict),
            text("confidence"),
            verdict["alarm"],
            text("summary")
        )
    }

    fn all(&self) -> Vec<&'a Value> {
        let verdicts = self.report["verdicts"].as_array();
        verdicts.into_iter().flatten().collect()
    }

    /// The hop of the truth that a hop of the report is; one that is none of them is said elsewhere.
    fn number(&self, told: u64) -> Option<usize> {
        let sights = self.told.get(&told)?;
        let found = self.seen.iter().find(|(_, seen)| !seen.is_disjoint(sights));
        found.map(|(number, _)| *number)
    }

    fn came_to_be(&self, hop: usize) -> bool {
        let mut entries = self.truth.connections.iter();
        let end = entries
            .find(|entry| entry.hop == hop)
            .and_then(|entry| entry.view.end.as_deref());
        !matches!(end, Some("refused" | "unanswered"))
    }
}

/// How many chains a row of hops has, beside how many it should have.
fn count(hops: &Vec<usize>, told: &Counts, expected: &Counts) -> String {
    let times = |counts: &Counts| counts.get(hops).copied().unwrap_or_default();
    let (told, expected) = (times(told), times(expected));
    format!("{told} chains over hops {hops:?} of the truth, which has {expected}")
}

/// Nothing else is said to be as likely.
fn is_unambiguous(chain: &Value) -> bool {
    let others = chain["others"].as_array().into_iter().flatten();
    others.flat_map(Value::as_array).all(Vec::is_empty)
}

fn is_alarm(verdict: &Value) -> bool {
    verdict["alarm"] == true
}

fn is_sure(verdict: &Value) -> bool {
    verdict["confidence"] == "certain" || verdict["confidence"] == "likely"
}

/// The flows of each hop of a report.
fn told(report: &Value) -> BTreeMap<u64, Sights> {
    let flows = report["flows"].as_array().into_iter().flatten();
    let keys: BTreeMap<u64, Key> = flows
        .filter_map(|flow| {
            let name = |field: &str| flow[field].as_str().map(str::to_owned);
            Some((
                flow["id"].as_u64()?,
                (name("vantage")?, name("client")?, name("server")?),
            ))
        })
        .collect();
    let hops = report["hops"].as_array().into_iter().flatten();
    hops.filter_map(|hop| {
        let flows = hop["flows"].as_array()?.iter();
        let sights = flows.filter_map(|flow| keys.get(&flow.as_u64()?).cloned());
        Some((hop["id"].as_u64()?, sights.collect()))
    })
    .collect()
}
