//! The options of all sockets of a namespace, as the kernel goes through them (BPF iterators, Linux
//! 5.9).

use std::collections::HashMap;
use std::io::Read;

use aya::programs::Iter;
use aya::{Btf, Ebpf};
use hopscope_ebpf::{SocketRecord, moment};

use super::btf::Types;
use super::object::{self, Room, chain};
use super::{ProbeError, fields, record};
use crate::netns::Namespace;
use crate::socket::{Defaults, Options, Reader};

const PROGRAM: &str = "sockets";

/// What the iterator is called in the kernel (net/ipv4/tcp_ipv4.c).
const ITERATOR: &str = "tcp";

const WHAT: &str = "iterator of sockets (iter/tcp)";
const REMEDY: &str =
    "needs Linux 5.9 with BTF, CAP_BPF and CAP_PERFMON: run as root ('hopscope doctor' tells more)";

/// The loaded iterator.
pub(crate) struct SocketIterator {
    ebpf: Ebpf,
    reader: Reader,
}

impl SocketIterator {
    /// Loads it.
    ///
    /// # Errors
    ///
    /// Where the kernel has none, does not describe its types, or does not let it be loaded.
    pub(crate) fn load() -> Result<Self, ProbeError> {
        let types = Types::of_kernel().map_err(|error| refused(error.to_string()))?;
        let reader = fields::reader(&types);
        if !fields::names_sockets(&reader.fields) {
            return Err(refused(
                "the kernel's BTF does not describe its sockets".to_owned(),
            ));
        }
        // Only its program is loaded; the maps of the others come along as small as they can be.
        let room = Room {
            flows: 1,
            ring: 4096,
        };
        let settings = hopscope_ebpf::Settings::default();
        let mut ebpf =
            object::load(&room, &settings, &reader.fields).map_err(|error| match error {
                ProbeError::Load { what, why, .. } => refused(format!("{what}: {why}")),
                error => error,
            })?;
        let btf = Btf::from_sys_fs().map_err(|error| refused(chain(&error)))?;
        program(&mut ebpf)?
            .load(ITERATOR, &btf)
            .map_err(|error| refused(chain(&error)))?;
        Ok(Self { ebpf, reader })
    }

    /// The options of the sockets of a namespace, by cookie. Those in TIME-WAIT and requests have
    /// none and are not among them.
    ///
    /// # Errors
    ///
    /// Where the namespace cannot be entered or the kernel refuses.
    pub(crate) fn options(
        &mut self,
        namespace: &Namespace,
        defaults: Result<&Defaults, &str>,
    ) -> Result<HashMap<u64, Options>, ProbeError> {
        let program = program(&mut self.ebpf)?;
        let id = program.attach().map_err(|error| refused(chain(&error)))?;
        let link = program
            .take_link(id)
            .map_err(|error| refused(chain(&error)))?;
        // The sockets are those of the namespace in which the file is made (bpf_iter_init_seq_net,
        // net/ipv4/tcp_ipv4.c).
        let mut file = namespace
            .within(|| link.into_file())?
            .map_err(|error| refused(chain(&error)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| refused(error.to_string()))?;
        let records = bytes
            .chunks(size_of::<SocketRecord>())
            .filter_map(record::read_socket)
            .filter(|record| record.moment == moment::FOUND);
        let options = records.map(|record| {
            let options = self.reader.options(&record.options, defaults);
            (record.cookie, options)
        });
        Ok(options.collect())
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Iter, ProbeError> {
    ebpf.program_mut(PROGRAM)
        .ok_or_else(|| refused("the object has no such program".to_owned()))?
        .try_into()
        .map_err(|error: aya::programs::ProgramError| refused(chain(&error)))
}

fn refused(why: String) -> ProbeError {
    ProbeError::Load {
        what: WHAT,
        why,
        remedy: REMEDY,
    }
}
