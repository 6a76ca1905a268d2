//! What a script expects.

use anyhow::{Context, Result};
use serde_json::Value;

use super::analysis::{Analysis, seconds};

/// Seconds are computed from nanoseconds.
const ROUNDING: f64 = 1e-6;

/// One line of what is expected.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    line: usize,
    path: String,
    value: Value,
    tolerance: f64,
}

impl Expectation {
    pub(super) fn parse(line: usize, text: &str) -> Result<Self> {
        let (path, value) = text.split_once(" = ").context("it is no path = value")?;
        let (value, tolerance) = match value.rsplit_once(" ~") {
            Some((value, tolerance)) => (value, tolerance.trim().parse()?),
            None => (value, ROUNDING),
        };
        Ok(Self {
            line,
            path: path.trim().to_owned(),
            value: serde_json::from_str(value.trim())?,
            tolerance,
        })
    }

    /// What was found instead, where it is something else.
    pub(super) fn mismatch(&self, analysis: &Analysis) -> Option<String> {
        let found = self.find(analysis);
        let matches = found
            .as_ref()
            .is_some_and(|found| matches(found, &self.value, self.tolerance));
        (!matches).then(|| {
            let found = found.map_or("nothing".to_owned(), |found| readable(&found).to_string());
            let Self {
                line, path, value, ..
            } = self;
            format!("line {line}: {path}: expected {value}, found {found}")
        })
    }

    fn find(&self, analysis: &Analysis) -> Option<Value> {
        if self.path == "flows" {
            return Some(analysis.flows.len().into());
        }
        let (number, path) = match self.path.split_once('.') {
            Some((number, path)) if number.parse::<usize>().is_ok() => (number.parse().ok()?, path),
            _ => (0, self.path.as_str()),
        };
        let path: Vec<&str> = path.split('.').collect();
        follow(analysis.flows.get(number)?, &path)
    }
}

fn follow(value: &Value, path: &[&str]) -> Option<Value> {
    let [first, rest @ ..] = path else {
        return Some(value.clone());
    };
    if *first == "*" {
        let values = value.as_array()?;
        return values.iter().map(|value| follow(value, rest)).collect();
    }
    let next = match value {
        Value::Array(values) => values.get(first.parse::<usize>().ok()?),
        _ => value.get(first),
    };
    follow(next?, rest)
}

fn matches(found: &Value, expected: &Value, tolerance: f64) -> bool {
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found
                    .iter()
                    .zip(expected)
                    .all(|(found, expected)| matches(found, expected, tolerance))
        }
        (Value::Array(found), Value::Number(length)) => length.as_u64() == Some(found.len() as u64),
        (Value::String(time), Value::Number(expected)) => {
            close(seconds(time), expected.as_f64(), tolerance)
        }
        (Value::Number(found), Value::Number(expected)) => {
            close(found.as_f64(), expected.as_f64(), tolerance)
        }
        _ => found == expected,
    }
}

fn close(found: Option<f64>, expected: Option<f64>, tolerance: f64) -> bool {
    found
        .zip(expected)
        .is_some_and(|(found, expected)| (found - expected).abs() <= tolerance)
}

/// With times as seconds.
fn readable(value: &Value) -> Value {
    match value {
        Value::String(text) => seconds(text).map_or_else(|| value.clone(), Value::from),
        Value::Array(values) => values.iter().map(readable).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), readable(value)))
            .collect(),
        _ => value.clone(),
    }
}
