//! Outcomes of checks as CI systems read them: JUnit XML, as both common schemas of it have it, Apache
//! Ant's (windyroad/JUnit-Schema) and Jenkins's (junit-10.xsd).
//!
//! Ant's wants a time and a host for every suite. The time is that of the recording and no duration is
//! told, so that the same input gives the same bytes.

use jiff::Timestamp;
use jiff::tz::Offset;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use tracer::time::Time;

use super::check::details;
use super::harmless;
use crate::commands::check::Checked;

type Xml = Writer<Vec<u8>>;

/// The whole document.
pub(crate) fn document(checked: &[Checked]) -> anyhow::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .write_inner_content(|xml| {
            for (id, case) in checked.iter().enumerate() {
                suite(xml, id, case)?;
            }
            Ok(())
        })?;
    let mut document = xml.into_inner();
    document.push(b'\n');
    Ok(document)
}

/// One line of text, as attributes hold it.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    printable(&words.join(" "))
}

/// Several lines of text. XML has no way to write control characters or U+FFFE and U+FFFF.
fn printable(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(harmless).collect();
    lines
        .join("\n")
        .replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// A case.
fn suite(xml: &mut Xml, id: usize, case: &Checked) -> std::io::Result<()> {
    let failures = case
        .outcomes
        .iter()
        .filter(|outcome| outcome.failure.is_some());
    let (failures, errors) = (failures.count(), usize::from(!case.problems.is_empty()));
    let name = match line(&case.case) {
        name if name.is_empty() => ".".to_owned(),
        name => name,
    };
    let (number, timestamp) = (id.to_string(), timestamp(case.recorded));
    xml.create_element("testsuite")
        .with_attributes([
            ("name", name.as_str()),
            ("package", "hopscope"),
            ("id", &number),
            ("hostname", "localhost"),
            ("timestamp", &timestamp),
            ("time", "0"),
            ("tests", &(case.outcomes.len() + errors).to_string()),
            ("failures", &failures.to_string()),
            ("errors", &errors.to_string()),
        ])
        .write_inner_content(|xml| {
            // Some readers' schemas ask for one at least.
            xml.create_element("properties")
                .write_inner_content(|xml| {
                    let version = [("name", "hopscope"), ("value", env!("CARGO_PKG_VERSION"))];
                    let property = xml.create_element("property");
                    property.with_attributes(version).write_empty()?;
                    Ok(())
                })?;
            if errors > 0 {
                broken(xml, &name, case)?;
            }
            for outcome in &case.outcomes {
                let failure = outcome.failure.as_ref();
                let wrong = failure
                    .map(|failure| ("failure", failure.expected.as_str(), details(case, failure)));
                test(xml, &name, &outcome.name, wrong)?;
            }
            xml.create_element("system-out").write_empty()?;
            xml.create_element("system-err").write_empty()?;
            Ok(())
        })?;
    Ok(())
}

/// A case that could not be checked.
fn broken(xml: &mut Xml, suite: &str, case: &Checked) -> std::io::Result<()> {
    let what = |problem: &crate::commands::check::Problem| match problem.place {
        Some(place) => format!("{}:{place}: {}", case.file, problem.what),
        None => format!("{}: {}", case.file, problem.what),
    };
    let problems: Vec<String> = case.problems.iter().map(what).collect();
    let first = case.problems.first().map_or("", |problem| &problem.what);
    test(
        xml,
        suite,
        "the case can be checked",
        Some(("error", first, problems.join("\n"))),
    )
}

/// An expectation.
fn test(
    xml: &mut Xml,
    suite: &str,
    name: &str,
    wrong: Option<(&str, &str, String)>,
) -> std::io::Result<()> {
    let name = line(name);
    let element = xml.create_element("testcase").with_attributes([
        ("name", name.as_str()),
        ("classname", suite),
        ("time", "0"),
    ]);
    let Some((kind, message, text)) = wrong else {
        element.write_empty()?;
        return Ok(());
    };
    let message = line(message);
    element.write_inner_content(|xml| {
        xml.create_element(kind)
            .with_attributes([("message", message.as_str()), ("type", "expectation")])
            .write_text_content(BytesText::new(&printable(&text)))?;
        Ok(())
    })?;
    Ok(())
}

/// `2026-11-21T15:07:02`, UTC; the epoch where nothing was recorded.
fn timestamp(at: Option<Time>) -> String {
    let at = at.unwrap_or_default();
    let timestamp =
        Timestamp::from_nanosecond(at.as_nanos().into()).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::UTC
        .to_datetime(timestamp)
        .strftime("%Y-%m-%dT%H:%M:%S")
        .to_string()
}
