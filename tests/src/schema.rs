//! Whether a report is what the schema says.

use std::error::Error;

use serde_json::Value;

use crate::binary::{Told, hopscope};

/// Where a report differs from the schema; a field that the schema does not name is a difference.
///
/// # Errors
///
/// Where there is no schema.
pub fn problems(report: &Value) -> Result<Vec<String>, Box<dyn Error>> {
    let told = Told::from(hopscope(["schema"]).output()?);
    let mut schema: Value = serde_json::from_str(&told.out)?;
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema)?;
    let problems = validator.iter_errors(report);
    Ok(problems
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect())
}

/// Lines of ndjson that are not as their schema says.
///
/// # Errors
///
/// Where there is no schema.
pub fn problems_of_lines(lines: &[Value]) -> Result<Vec<String>, Box<dyn Error>> {
    let told = Told::from(hopscope(["schema", "--lines"]).output()?);
    let validator = jsonschema::validator_for(&serde_json::from_str(&told.out)?)?;
    let wrong = lines.iter().filter(|line| !validator.is_valid(line));
    Ok(wrong.map(Value::to_string).collect())
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
