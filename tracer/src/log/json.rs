//! JSON lines: Envoy's and Istio's encoders, and log formats that people write for Envoy and HAProxy.
//! Keys are theirs, so that several names are understood for each thing.

use serde_json::{Map, Value};

use super::{Entry, line, value};
use crate::segment::Endpoint;

/// The object that a line holds, if it is an entry.
pub(super) fn parse(line: &str, may_wrap: bool) -> Option<Entry> {
    let object: Map<String, Value> = serde_json::from_str(line).ok()?;
    let fields = Fields::new(&object);
    let entry = fields.entry();
    if is_entry(&entry) {
        return Some(entry);
    }
    // Docker's json-file driver, and collectors.
    let inner = fields.text(&["log", "message", "textpayload"]);
    inner
        .filter(|_| may_wrap)
        .and_then(|inner| line::wrapped(inner.trim()))
}

/// Programs write other things as JSON, too.
fn is_entry(entry: &Entry) -> bool {
    let endpoints = [
        entry.downstream_remote,
        entry.downstream_direct,
        entry.downstream_local,
        entry.upstream_local,
        entry.upstream_remote,
    ];
    endpoints.iter().any(Option::is_some)
        || (entry.request_id.is_some() && (entry.began.is_some() || entry.status.is_some()))
}

/// Values by their keys in small letters without anything between them: `x-request-id`,
/// `X_REQUEST_ID` and `xRequestId` are one.
struct Fields<'a>(Vec<(String, &'a Value)>);

impl<'a> Fields<'a> {
    fn new(object: &'a Map<String, Value>) -> Self {
        let plain = |key: &str| -> String {
            let letters = key.chars().filter(char::is_ascii_alphanumeric);
            letters.map(|letter| letter.to_ascii_lowercase()).collect()
        };
        let fields = object.iter().filter(|(_, value)| says_something(value));
        Self(fields.map(|(key, value)| (plain(key), value)).collect())
    }

    /// The value of the first of these keys that is there.
    fn get(&self, keys: &[&str]) -> Option<&'a Value> {
        keys.iter().find_map(|key| {
            let field = self.0.iter().find(|(name, _)| name == key);
            field.map(|(_, value)| *value)
        })
    }

    fn text(&self, keys: &[&str]) -> Option<&'a str> {
        self.get(keys)?.as_str()
    }

    fn kept(&self, keys: &[&str]) -> Option<String> {
        self.text(keys).and_then(value::text)
    }

    /// A string or a number, as it is written.
    fn written(&self, keys: &[&str]) -> Option<String> {
        match self.get(keys)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn number(&self, keys: &[&str]) -> Option<u64> {
        value::number(&self.written(keys)?)
    }

    /// An endpoint under one of these keys; or an address and a port apart.
    fn endpoint(&self, keys: &[&str], apart: &[(&str, &str)]) -> Option<Endpoint> {
        self.text(keys).and_then(value::endpoint).or_else(|| {
            apart.iter().find_map(|(address, port)| {
                let port: u16 = self.written(&[*port])?.parse().ok()?;
                let address = self.text(&[*address])?.parse().ok()?;
                (port != 0).then(|| Endpoint::new(address, port))
            })
        })
    }

    fn entry(&self) -> Entry {
        let mut entry = Entry {
            downstream_remote: self.endpoint(
                &["downstreamremoteaddress", "client"],
                &[("clientip", "clientport"), ("ci", "cp")],
            ),
            downstream_direct: self.endpoint(&["downstreamdirectremoteaddress"], &[]),
            downstream_local: self.endpoint(
                &["downstreamlocaladdress", "frontend"],
                &[("frontendip", "frontendport"), ("fi", "fp")],
            ),
            upstream: self.kept(&["upstreamcluster", "upstreamclusterraw"]),
            request_id: self.kept(&["requestid", "xrequestid"]),
            flags: self.kept(&["responseflags", "state", "terminationstate"]),
            details: self.kept(&["responsecodedetails"]),
            termination: self.kept(&["connectionterminationdetails"]),
            failure: self.kept(&["upstreamtransportfailurereason"]),
            attempts: self.number(&["attempts", "upstreamrequestattemptcount", "attemptcount"]),
            bytes: (
                self.number(&["bytesreceived", "bytesup"]),
                self.number(&["bytessent", "bytesdown"]),
            ),
            ..Entry::default()
        };
        self.upstream(&mut entry);
        self.course(&mut entry);
        entry
    }

    fn upstream(&self, entry: &mut Entry) {
        entry.upstream_local = self.endpoint(&["upstreamlocaladdress"], &[("bi", "bp")]);
        let hosts = ["upstreamremoteaddress", "upstreamhost", "server"];
        entry.upstream_remote = self.endpoint(&hosts, &[("serverip", "serverport"), ("si", "sp")]);
        // HAProxy's `%bi:%bp` is its own end; other people call the server so.
        if let Some(backend) = self.endpoint(&["backend"], &[]) {
            if entry.upstream_remote.is_some() {
                entry.upstream_local.get_or_insert(backend);
            } else {
                entry.upstream_remote = Some(backend);
            }
        }
    }

    fn course(&self, entry: &mut Entry) {
        let times = [
            "starttime",
            "accepted",
            "acceptdate",
            "timestamp",
            "time",
            "t",
            "tr",
        ];
        if let Some((began, zoneless)) = self.written(&times).and_then(|at| value::time(&at)) {
            entry.began = Some(began);
            entry.zoneless = zoneless;
        }
        let spans = [
            "duration",
            "durationms",
            "totalms",
            "totaltimems",
            "tt",
            "ta",
        ];
        entry.took = self.written(&spans).and_then(|span| value::span(&span));
        let codes = ["responsecode", "status", "statuscode"];
        entry.status = self.written(&codes).and_then(|code| value::status(&code));
        let paths = ["xenvoyoriginalpath", "xenvoyoriginpath", "path", "uri"];
        entry.request = match (self.text(&["method"]), self.text(&paths)) {
            (Some(method), Some(path)) => value::text(&format!("{method} {path}")),
            _ => self
                .text(&["request"])
                .and_then(|line| value::request(line.split(' '))),
        };
    }
}

/// Envoy writes null or `-` for what there is not.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => text != "-" && !text.is_empty(),
        _ => true,
    }
}
