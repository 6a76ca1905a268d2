//! What can be expected of a capture: that it is whole.

use std::sync::LazyLock;

use super::super::subject::{Key, Subject, View};
use super::super::test::{Value, Wants};
use super::{count, flag, text};
use crate::report::{FlowReport, Report, VantageReport};

impl Subject for VantageReport {
    fn keys() -> &'static [Key<Self>] {
        &KEYS
    }

    fn all(report: &Report) -> &[Self] {
        &report.vantages
    }

    fn told(&self) -> String {
        format!("vantage {} ({})", self.name, self.source)
    }

    fn flows<'a>(&self, _: &View<'a>) -> Vec<&'a FlowReport> {
        Vec::new()
    }

    const CONSISTS_OF_FLOWS: bool = false;
}

fn frames(_: &View<'_>, vantage: &VantageReport) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(first), Some(last)) = (vantage.first, vantage.last) {
        lines.push(format!("{} frames from {first} to {last}", vantage.frames));
    }
    lines.extend(vantage.damage.clone());
    lines.extend(vantage.remarks.iter().cloned());
    lines
}

static KEYS: LazyLock<Vec<Key<VantageReport>>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    let mut key = |name: &str, wants, find: fn(&VantageReport) -> Vec<Value>| {
        keys.push(Key::new(name, wants, frames, move |_, vantage| {
            find(vantage)
        }));
    };
    key("vantage", Wants::Vantage, |vantage| text(&vantage.name));
    key("frames", Wants::Count, |vantage| count(vantage.frames));
    key("segments", Wants::Count, |vantage| count(vantage.segments));
    key("malformed", Wants::Count, |vantage| {
        count(vantage.malformed)
    });
    key("dropped", Wants::Count, |vantage| {
        let dropped = vantage.dropped.map(Value::Count);
        vec![dropped.unwrap_or(Value::Unknown("the capturing program does not say"))]
    });
    key("damaged", Wants::Flag, |vantage| {
        flag(vantage.damage.is_some())
    });
    key("lower_bounds", Wants::Flag, |vantage| {
        flag(vantage.lower_bounds)
    });
    keys
});
