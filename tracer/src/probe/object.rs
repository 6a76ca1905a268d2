//! The compiled probe, and loading it.

use std::borrow::Cow;
use std::{env, error, fs, io};

use aya::maps::{Array, MapData};
use aya::{Ebpf, EbpfLoader};
use hopscope_ebpf::{Fields, OBJECT, PORTS};
use zerocopy::IntoBytes;

use super::ProbeError;
use crate::live::Settings;

/// Names another object than the one inside this program: for those who work on the probe.
pub(super) const VARIABLE: &str = "HOPSCOPE_PROBE";

/// What to do where the kernel refuses to load.
pub(super) const REMEDY: &str = "needs Linux 5.8, CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: run as root ('hopscope doctor' tells \
     more), or use --backend pcap";

/// The object to load.
fn object() -> Result<Cow<'static, [u8]>, ProbeError> {
    match env::var_os(VARIABLE) {
        None => Ok(OBJECT.into()),
        Some(path) => fs::read(&path)
            .map(Cow::from)
            .map_err(|error| ProbeError::Load {
                what: "object",
                why: format!("{}: {error}", path.to_string_lossy()),
                remedy: "HOPSCOPE_PROBE names it",
            }),
    }
}

/// What is asked for, as the probe reads it. Ports beyond [`PORTS`] were refused before.
pub(super) fn settings(settings: &Settings) -> hopscope_ebpf::Settings {
    let mut ports = [0; PORTS];
    for (slot, port) in ports.iter_mut().zip(&settings.ports) {
        *slot = *port;
    }
    hopscope_ebpf::Settings {
        ports,
        port_count: u32::try_from(settings.ports.len()).unwrap_or(0),
        // A filter in pcap syntax looks at each frame, here in user space.
        all_segments: u32::from(settings.all_segments || settings.filter.is_some()),
        ..hopscope_ebpf::Settings::default()
    }
}

/// Whether the programs look at what passes.
pub(super) struct Gate(Array<MapData, u32>);

impl Gate {
    /// Closed, as it is loaded.
    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let failed = |why| ProbeError::Load {
            what: "gate",
            why,
            remedy: "build the probe anew: make probe",
        };
        let map = ebpf
            .take_map("WATCHING")
            .ok_or_else(|| failed("the object has no such map".to_owned()))?;
        let array = Array::try_from(map).map_err(|error| failed(chain(&error)))?;
        Ok(Self(array))
    }

    /// Opens or closes it. An element of an array that exists can always be set.
    pub(super) fn set(&mut self, open: bool) {
        let _ = self.0.set(0, u32::from(open), 0);
    }
}

/// How much room the probe may take.
pub(super) struct Room {
    pub(super) flows: u32,
    /// Bytes of the ring: a power of two.
    pub(super) ring: u32,
}

/// Loads maps and settings; programs are loaded one by one afterwards.
pub(super) fn load(
    room: &Room,
    settings: &hopscope_ebpf::Settings,
    fields: &Fields,
) -> Result<Ebpf, ProbeError> {
    let object = object()?;
    EbpfLoader::new()
        .map_max_entries("FLOW_COUNTERS", room.flows)
        .map_max_entries("RECORDS", room.ring)
        .override_global("SETTINGS", settings.as_bytes(), true)
        .override_global("FIELDS", fields.as_bytes(), true)
        .load(&object)
        .map_err(|error| {
            let why = chain(&error);
            let remedy = if lacks_memory(&error) {
                "raise the limit of the memory cgroup ('hopscope doctor' tells it), or use --backend pcap"
            } else {
                REMEDY
            };
            ProbeError::Load {
                what: "maps",
                why,
                remedy,
            }
        })
}

/// A memory cgroup allows for less, as the kernel said.
fn lacks_memory(error: &(dyn error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut kernels = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    kernels.any(|error| error.kind() == io::ErrorKind::OutOfMemory)
}

/// An error with what caused it, on one line: the verifier's log is left out.
pub(super) fn chain(error: &dyn error::Error) -> String {
    let mut told = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().to_owned();
        // Errors that quote their cause say it once.
        if !told.iter().any(|known: &String| known.contains(&line)) {
            told.push(line);
        }
        next = error.source();
    }
    told.join(": ")
}
