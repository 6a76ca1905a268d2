//! Whether a report is what the schema says.

use std::error::Error;

use hopscope_tests::binary::{Told, hopscope};
use serde_json::Value;

/// Where a report differs from the schema; a field that the schema does not name is a difference.
pub(crate) fn problems(report: &Value) -> Result<Vec<String>, Box<dyn Error>> {
    let told = Told::from(hopscope(["schema"]).output()?);
    let mut schema: Value = serde_json::from_str(&told.out)?;
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema)?;
    let problems = validator.iter_errors(report);
    Ok(problems
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect())
}

/// Forbids what the schema does not name: consumers may ignore it, this test may not.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}
