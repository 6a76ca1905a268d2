//! The eBPF probe: loaded and attached for a moment.

use super::{Check, Verdict};
use crate::live::{Interfaces, Link, Settings};
use crate::netns::Namespace;
use crate::probe::{Port, Probe};

const NAME: &str = "eBPF probe";

/// Loads every program and attaches to an interface, the loopback where there is one: what is
/// missing, a line each. The first check is of the probe as a whole.
pub(super) fn checks() -> Vec<Check> {
    match attached() {
        Ok((link, lacking)) => {
            let lacking = lacking
                .into_iter()
                .map(|what| Check::not(Verdict::Partly, NAME, "attached, but", what));
            let whole = Check::works(NAME, format!("loaded, and attached to {}", link.name));
            std::iter::once(whole).chain(lacking).collect()
        }
        Err(why) => vec![Check::not(Verdict::Missing, NAME, "not to be had", why)],
    }
}

fn attached() -> Result<(Link, Vec<String>), String> {
    let here = Namespace::current().map_err(|error| error.to_string())?;
    let interfaces = Interfaces::of(&here).map_err(|error| error.to_string())?;
    let namespaces = [here];
    let mut probe =
        Probe::load(&namespaces, &Settings::default()).map_err(|error| error.to_string())?;
    let known = interfaces
        .iter()
        .filter_map(|link| Some((link, link.link_type()?)));
    let (link, link_type) = known
        .min_by_key(|(link, _)| !link.loopback)
        .ok_or("there is no interface that it knows")?;
    let port = Port {
        index: link.index,
        name: &link.name,
        link: link_type,
        loopback: link.loopback,
        number: 0,
    };
    probe
        .attach(&namespaces[0], 0, &port)
        .map_err(|error| error.to_string())?;
    Ok((link.clone(), probe.remarks()))
}
