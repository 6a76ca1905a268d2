//! What works on this machine, what does not, and what to do about it.
//!
//! What can be tried is tried, and not concluded from versions: distributions carry features back,
//! containers and security modules take them away.

mod kernel;
mod libpcap;
mod namespaces;
mod privileges;
mod probe;
mod sockets;

use std::fmt;

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What it means for watching, and what to do; `None` where all is well.
    pub advice: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Works,
    /// It works in part.
    Partly,
    /// It does not work.
    Missing,
    /// It cannot be told.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Works => "ok",
            Self::Partly => "partly",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        })
    }
}

impl Check {
    fn works(name: &str, found: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            verdict: Verdict::Works,
            found: found.into(),
            advice: None,
        }
    }

    fn not(
        verdict: Verdict,
        name: &str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

/// Everything that was found out.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// One after the other.
    pub checks: Vec<Check>,
    /// The probe can watch.
    pub probe: bool,
    /// libpcap can watch.
    pub pcap: bool,
}

impl Diagnosis {
    /// Looks at this machine, as this process may see it.
    #[must_use]
    pub fn new() -> Self {
        let mut checks = vec![kernel::version()];
        checks.extend(privileges::checks());
        checks.extend([kernel::lockdown(), kernel::btf(), kernel::bpf_memory()]);
        let probe = probe::checks();
        let libpcap = libpcap::check();
        let works = |check: &Check| check.verdict == Verdict::Works;
        let (has_probe, has_pcap) = (probe.first().is_some_and(works), works(&libpcap));
        checks.extend(probe);
        checks.push(libpcap);
        checks.push(namespaces::check());
        checks.extend(sockets::checks());
        Self {
            checks,
            probe: has_probe,
            pcap: has_pcap,
        }
    }
}

impl Default for Diagnosis {
    fn default() -> Self {
        Self::new()
    }
}
