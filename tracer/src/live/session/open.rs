//! Beginning to watch: through which backend, and what it cannot watch.

use std::io;
use std::time::Instant;

use super::super::backend::Backend;
use super::super::pcap::Captures;
use super::super::place::Place;
use super::super::probed::Probed;
use super::super::sieve::Sieve;
use super::super::standing::Standing;
use super::super::{Remark, Settings, vantage};
use super::{Session, SessionError, Wanted, Why};
use crate::netns::Namespace;
use crate::source::Filter;

impl Session {
    /// Watches from now on: when this returns, no segment is missed.
    ///
    /// # Errors
    ///
    /// Where nothing can be watched at all; what is missing besides is a remark.
    pub fn open(
        namespaces: Vec<Namespace>,
        wanted: Wanted,
        settings: &Settings,
    ) -> Result<Self, SessionError> {
        let filter = settings.filter.as_deref().map(Filter::new).transpose()?;
        let probed = match wanted {
            Wanted::Pcap => None,
            Wanted::Ebpf | Wanted::Auto => Some(load_probe(&namespaces, settings)),
        };
        let places: Vec<Place> = namespaces
            .into_iter()
            .map(Place::new)
            .collect::<Result<_, _>>()?;
        let mut remarks = Vec::new();
        let probed = probed.map(|probed| attach(probed?, &places, &mut remarks));
        let (backend, why) = match probed {
            Some(Ok(backend)) if wanted == Wanted::Auto => (backend, Why::Best),
            Some(Ok(backend)) => (backend, Why::Asked),
            Some(Err(error)) if wanted == Wanted::Ebpf => return Err(error),
            failed => {
                remarks.clear();
                let captures = Backend::Pcap(Box::new(Captures::new(settings)));
                let attached = attach(captures, &places, &mut remarks);
                match failed.and_then(Result::err) {
                    None => (attached?, Why::Asked),
                    Some(probe) => {
                        let why = Why::Instead(probe.to_string());
                        let neither = |pcap| SessionError::Neither {
                            probe: Box::new(probe),
                            pcap: Box::new(pcap),
                        };
                        (attached.map_err(neither)?, why)
                    }
                }
            }
        };
        let standing = match backend {
            Backend::Probe(_) => look(&places, settings, &mut remarks),
            Backend::Pcap(_) => None,
        };
        // libpcap applies it in the kernel. The probe cannot, and shows every segment where there is one.
        let filter = filter.filter(|_| matches!(backend, Backend::Probe(_)));
        let now = Instant::now();
        Ok(Self {
            places,
            backend,
            sieve: Sieve::new(settings, filter),
            why,
            remarks,
            standing,
            broken: Vec::new(),
            more: false,
            read_at: now,
            looked_at: now,
        })
    }
}

fn load_probe(namespaces: &[Namespace], settings: &Settings) -> Result<Backend, SessionError> {
    let probed = Probed::load(namespaces, settings)?;
    Ok(Backend::Probe(Box::new(probed)))
}

/// Watches every interface that can be. Where none can, there is no point in going on.
fn attach(
    mut backend: Backend,
    places: &[Place],
    remarks: &mut Vec<Remark>,
) -> Result<Backend, SessionError> {
    let mut refused = Vec::new();
    for place in places {
        let links = place.links();
        let name = &place.namespace.name;
        for (link, error) in backend.add(&place.namespace, &links) {
            refused.push((vantage(name, &link.name), error));
        }
        if links.iter().all(|link| !link.up) {
            remarks.push(Remark::NothingUp {
                namespace: name.clone(),
            });
        }
    }
    if backend.len() == 0 && !refused.is_empty() {
        let (vantage, error) = refused.swap_remove(0);
        return Err(SessionError::Refused { vantage, error });
    }
    remarks.extend(
        refused
            .into_iter()
            .map(|(vantage, error)| Remark::NotWatched {
                vantage,
                why: error.to_string(),
            }),
    );
    backend.begin();
    Ok(backend)
}

/// Looks at the sockets that are there, from now on that nothing is missed.
fn look(places: &[Place], settings: &Settings, remarks: &mut Vec<Remark>) -> Option<Standing> {
    let namespaces = places.iter().map(|place| place.namespace.try_clone());
    let standing = namespaces
        .collect::<io::Result<Vec<_>>>()
        .and_then(|namespaces| Standing::look(namespaces, settings));
    standing
        .map_err(|error| {
            let why = format!("not told: sockets that were there when watching began: {error}");
            remarks.push(Remark::Lacking(why));
        })
        .ok()
}
