//! What a report becomes when everything in it gets other addresses.

use std::net::IpAddr;

use serde_json::Value;
use tracer::anonymize::Mapping;
use tracer::segment::Endpoint;

/// The report with every address in it mapped, wherever it stands in a text, and comparable.
#[must_use]
pub fn mapped(report: &Value, mapping: &mut Mapping) -> Value {
    comparable(value(report, mapping))
}

/// The report without what has to differ: where captures were read from, and how much payload they
/// hold.
#[must_use]
pub fn comparable(mut report: Value) -> Value {
    for vantage in report["vantages"].as_array_mut().into_iter().flatten() {
        vantage["source"] = Value::Null;
        vantage["cut"] = Value::Null;
    }
    report
}

fn value(report: &Value, mapping: &mut Mapping) -> Value {
    match report {
        Value::String(told) => Value::String(text(told, mapping)),
        Value::Array(list) => list.iter().map(|item| value(item, mapping)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| match name.as_str() {
                // Names may look like addresses: `a::a`.
                "name" | "vantage" | "namespace" | "interface" | "comm" => {
                    (name.clone(), field.clone())
                }
                _ => (name.clone(), value(field, mapping)),
            })
            .collect(),
        other => other.clone(),
    }
}

/// A text with every address in it mapped.
#[must_use]
pub fn text(told: &str, mapping: &mut Mapping) -> String {
    let belongs =
        |letter: char| letter.is_ascii_hexdigit() || matches!(letter, ':' | '.' | '[' | ']');
    let mut mapped = String::new();
    let mut rest = told;
    while let Some(start) = rest.find(belongs) {
        let end = rest[start..]
            .find(|letter| !belongs(letter))
            .map_or(rest.len(), |length| start + length);
        mapped.push_str(&rest[..start]);
        let word = &rest[start..end];
        let core = word.trim_end_matches(['.', ':']);
        // Two of them with others between: `10.0.0.1...10.0.0.2`.
        let parts: Vec<String> = core
            .split("...")
            .map(|part| address(part, mapping))
            .collect();
        mapped.push_str(&parts.join("..."));
        mapped.push_str(&word[core.len()..]);
        rest = &rest[end..];
    }
    mapped + rest
}

fn address(word: &str, mapping: &mut Mapping) -> String {
    if let Ok(endpoint) = word.parse::<Endpoint>() {
        return mapping.endpoint(endpoint).to_string();
    }
    match word.parse::<IpAddr>() {
        Ok(address) => mapping.address(address).to_string(),
        Err(_) => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer::anonymize::Key;

    #[test]
    fn finds_addresses_in_texts() {
        let mut mapping = Mapping::new(Key::of(b"k"));
        let one = mapping.address([10, 0, 0, 1].into()).to_string();
        let six = mapping
            .address(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]))
            .to_string();
        let told = "10.0.0.1:80 at 2026-11-21T07:25:18.6Z, dead [fd00::1]:80; 10.0.0.1.";
        let expected = format!("{one}:80 at 2026-11-21T07:25:18.6Z, dead [{six}]:80; {one}.");
        assert_eq!(text(told, &mut mapping), expected);
    }
}
