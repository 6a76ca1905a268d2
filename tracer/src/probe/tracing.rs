//! What becomes of sockets, from the kernel's tracepoints.

use std::collections::HashMap;
use std::sync::Arc;

use aya::maps::{HashMap as BpfMap, MapData, PerCpuArray, RingBuf};
use aya::programs::BtfTracePoint;
use aya::{Btf, Ebpf};
use foldhash::fast::RandomState;
use hopscope_ebpf::{Counts, NAMESPACES, OptionFields, SocketRecord, moment};
use rustix::fs::{major, minor};
use zerocopy::{FromBytes, IntoBytes};

use super::btf::Types;
use super::clock::Clock;
use super::held::Held;
use super::object::{self, Gate, Room, chain};
use super::record;
use super::{Owners, Trial, fields};
use crate::live::{Item, Settings};
use crate::netns::Namespace;
use crate::note::{Moment, Note, SocketId, What};
use crate::socket::{Defaults, Options, Process, Reader, Socket, State};

const RING: u32 = 8 << 20;

/// Different options remembered of a namespace.
const KNOWN: usize = 1024;

/// Owners remembered of sockets that are being connected.
const OWNERS: usize = 65_536;

/// A program, the tracepoint that it looks at, and what is missing without it.
const PROGRAMS: [(&str, &str, &str); 4] = [
    (
        "state_changed",
        "inet_sock_set_state",
        "options of sockets when opened and closed, and who closed them",
    ),
    ("reset_received", "tcp_receive_reset", "resets received"),
    ("retransmitted", "tcp_retransmit_skb", "retransmissions"),
    ("error", "inet_sk_error_report", "errors of sockets"),
];

/// A program that does the same where the verifier refuses the fast one.
const SLOWER: [(&str, &str); 1] = [("state_changed", "state_changed_copying")];

/// What the kernel's `TRACE_EVENT(tcp_send_reset)` calls the type of its third argument, from 6.10.
const REASONS: &str = "sk_rst_reason";

/// The inode of the machine's first pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const FIRST_PIDS: u32 = 0xefff_fffc;

/// Said where there are processes that /proc does not show.
const ELSEWHERE: &str = "this pid namespace is not the machine's: processes outside of it are told by \
                         the machine's numbers";

/// The tracing programs, for the sockets of all namespaces watched.
pub(super) struct Tracing {
    /// Keeps the programs loaded.
    _ebpf: Ebpf,
    gate: Gate,
    ring: RingBuf<MapData>,
    held: Held,
    counts: PerCpuArray<MapData, [u8; size_of::<Counts>()]>,
    /// By inode.
    namespaces: HashMap<u32, Watched, RandomState>,
    reasons: HashMap<i64, String>,
    reader: Reader,
    connecting: Owners,
    trials: Vec<Trial>,
}

/// A namespace, as notes name it.
struct Watched {
    name: Arc<str>,
    defaults: Result<Defaults, String>,
    /// Options by what the kernel holds: of most sockets they are the same.
    known: HashMap<Vec<u8>, Arc<Options>, RandomState>,
}

impl Tracing {
    /// Loads and attaches; what this kernel lacks becomes a remark.
    pub(super) fn load(
        namespaces: &[Namespace],
        settings: &Settings,
        remarks: &mut Vec<String>,
    ) -> Result<Self, String> {
        let types = Types::of_kernel().map_err(|error| error.to_string())?;
        let reader = fields::reader(&types);
        let fields = &reader.fields;
        if !fields::names_sockets(fields) {
            return Err("the kernel's BTF does not describe its sockets".to_owned());
        }
        let room = Room {
            flows: 1,
            ring: RING,
        };
        let inode = |of: &Namespace| u32::try_from(of.inode()).unwrap_or(0);
        let mut settings = hopscope_ebpf::Settings {
            many_namespaces: u32::from(namespaces.len() > NAMESPACES),
            ..object::settings(settings)
        };
        for (slot, namespace) in settings.namespaces.iter_mut().zip(namespaces) {
            *slot = inode(namespace);
        }
        if let Some((device, inode)) = own_pids() {
            (settings.pid_device, settings.pid_namespace) = (device, inode);
            remarks.push(ELSEWHERE.to_owned());
        }
        let mut ebpf = object::load(&room, &settings, fields).map_err(|error| error.to_string())?;
        let gate = Gate::of(&mut ebpf).map_err(|error| error.to_string())?;
        let mut map = |name: &str| ebpf.take_map(name).ok_or(format!("no map {name}"));
        let ring = RingBuf::try_from(map("RECORDS")?).map_err(|error| chain(&error))?;
        let counts = PerCpuArray::try_from(map("COUNTS")?).map_err(|error| chain(&error))?;
        let mut watched: BpfMap<MapData, u32, u32> = map("NAMESPACES")?
            .try_into()
            .map_err(|error: aya::maps::MapError| chain(&error))?;
        let mut known = HashMap::default();
        for namespace in namespaces {
            watched
                .insert(inode(namespace), 1, 0)
                .map_err(|error| chain(&error))?;
            known.insert(inode(namespace), Watched::new(namespace));
        }
        let btf = Btf::from_sys_fs().map_err(|error| chain(&error))?;
        let reasons = types.values(REASONS);
        let reset = if reasons.is_empty() {
            "reset_sent"
        } else {
            "reset_sent_with_reason"
        };
        let all = PROGRAMS
            .into_iter()
            .chain([(reset, "tcp_send_reset", "resets sent")]);
        let trials: Vec<Trial> = all
            .map(|(program, tracepoint, purpose)| {
                let first = attach(&mut ebpf, program, tracepoint, &btf);
                let slower = SLOWER.iter().find(|(fast, _)| *fast == program);
                let outcome = match (first, slower) {
                    (Err(_), Some((_, slower))) => {
                        attach(&mut ebpf, slower, tracepoint, &btf).map(|()| "attached, copying")
                    }
                    (first, _) => first.map(|()| "attached"),
                };
                Trial {
                    part: format!("tp_btf {tracepoint}"),
                    purpose,
                    outcome,
                }
            })
            .collect();
        let refused = trials.iter().filter_map(|trial| {
            let why = trial.outcome.as_ref().err()?;
            Some(format!(
                "not told: {} ({}: {why})",
                trial.purpose, trial.part
            ))
        });
        if trials.iter().all(|trial| trial.outcome.is_err()) {
            return Err(refused.collect::<Vec<_>>().join("; "));
        }
        remarks.extend(refused);
        Ok(Self {
            ring,
            held: Held::default(),
            counts,
            namespaces: known,
            reasons,
            reader,
            connecting: Owners::default(),
            trials,
            _ebpf: ebpf,
            gate,
        })
    }

    /// Passes on what has come; at the end also what might still have changed its meaning.
    pub(super) fn drain(&mut self, clock: &Clock, at_end: bool, sink: &mut dyn FnMut(Item<'_>)) {
        while let Some(bytes) = self.ring.next() {
            if let Some(record) = record::read_socket(&bytes) {
                self.held.push(record);
            }
        }
        let now = if at_end { u64::MAX } else { Clock::now() };
        while let Some(record) = self.held.pop(now) {
            self.pass_on(&record, clock, sink);
        }
    }

    fn pass_on(&mut self, record: &SocketRecord, clock: &Clock, sink: &mut dyn FnMut(Item<'_>)) {
        let Some(watched) = self.namespaces.get_mut(&record.namespace) else {
            return;
        };
        let at = clock.at(record.at);
        let namespace = Arc::clone(&watched.name);
        let mut tell = |what| {
            sink(Item::Note(&Note {
                at,
                namespace: Arc::clone(&namespace),
                what,
            }));
        };
        let id = || id(record);
        match record.moment {
            moment::CONNECTING => {
                if self.connecting.len() >= OWNERS {
                    self.connecting.clear();
                }
                // What the kernel connects by itself has no owner.
                if record.pid != 0 {
                    self.connecting.insert(record.cookie, process(record));
                }
            }
            moment::ESTABLISHED => {
                let owner = self.connecting.remove(&record.cookie);
                let socket = socket(&self.reader, watched, record, owner);
                tell(What::Socket {
                    moment: Moment::Established,
                    socket: Arc::new(socket),
                });
            }
            moment::CLOSING => {
                let closer = closed_by(record);
                let socket = socket(&self.reader, watched, record, closer.clone());
                tell(What::Socket {
                    moment: Moment::Closing,
                    socket: Arc::new(socket),
                });
                if let Some(by) = closer {
                    tell(What::Closed { socket: id(), by });
                }
            }
            moment::RESET_SENT => tell(What::ResetSent {
                socket: id(),
                reason: reason(&self.reasons, record.code),
            }),
            moment::RESET_RECEIVED => tell(What::ResetReceived { socket: id() }),
            moment::RETRANSMITTED => tell(What::Retransmitted { socket: id() }),
            moment::ERROR if record.code != 0 => tell(What::Error {
                socket: id(),
                errno: record.code.cast_signed(),
            }),
            _ => {}
        }
    }

    /// Tells what happens, or does not.
    pub(super) fn watch(&mut self, watching: bool) {
        self.gate.set(watching);
    }

    /// What was tried.
    pub(super) fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// Records that found no room.
    pub(super) fn lost(&self) -> u64 {
        let each = self.counts.get(&0, 0).ok();
        let each = each.iter().flat_map(|values| values.iter());
        each.filter_map(|counts| Counts::read_from_bytes(counts).ok())
            .map(|counts| counts.lost)
            .sum()
    }
}

/// The pid namespace that this process is in, by device and inode, where it is not the machine's first
/// one: /proc shows the processes in it, by numbers of its own.
fn own_pids() -> Option<(u32, u32)> {
    let namespace = rustix::fs::stat("/proc/self/ns/pid").ok()?;
    let inode = u32::try_from(namespace.st_ino).ok()?;
    let (major, minor) = (major(namespace.st_dev), minor(namespace.st_dev));
    // MKDEV, include/linux/kdev_t.h.
    (inode != FIRST_PIDS).then_some((major << 20 | minor, inode))
}

/// The kernel's own word for the reason of a reset, without its prefix.
fn reason(reasons: &HashMap<i64, String>, code: u32) -> Option<String> {
    let name = reasons.get(&i64::from(code))?;
    let short = name.strip_prefix("SK_RST_REASON_").unwrap_or(name);
    Some(short.to_owned())
}

impl Watched {
    fn new(namespace: &Namespace) -> Self {
        let defaults = match Defaults::of(namespace) {
            Ok(Ok(defaults)) => Ok(defaults),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        Self {
            name: namespace.name.as_str().into(),
            defaults,
            known: HashMap::default(),
        }
    }

    fn options(&mut self, reader: &Reader, raw: &OptionFields) -> Arc<Options> {
        if let Some(known) = self.known.get(raw.as_bytes()) {
            return Arc::clone(known);
        }
        let defaults = self.defaults.as_ref().map_err(String::as_str);
        let options = Arc::new(reader.options(raw, defaults));
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known
            .insert(raw.as_bytes().to_vec(), Arc::clone(&options));
        options
    }
}

fn attach(ebpf: &mut Ebpf, program: &str, tracepoint: &str, btf: &Btf) -> Result<(), String> {
    let program: &mut BtfTracePoint = ebpf
        .program_mut(program)
        .ok_or("the object has no such program")?
        .try_into()
        .map_err(|error| chain(&error))?;
    program
        .load(tracepoint, btf)
        .map_err(|error| chain(&error))?;
    program.attach().map_err(|error| chain(&error))?;
    Ok(())
}

fn process(record: &SocketRecord) -> Process {
    let end = record.comm.iter().position(|byte| *byte == 0);
    let comm = &record.comm[..end.unwrap_or(record.comm.len())];
    Process {
        pid: record.pid,
        comm: String::from_utf8_lossy(comm).into_owned(),
    }
}

/// The process that closed. Only its own system call moves a socket to FIN-WAIT-1 or LAST-ACK
/// (`tcp_close_state`, net/ipv4/tcp.c); to CLOSE it moves there too with unread data or a linger
/// time of zero, but otherwise for an error, which is set before (`tcp_done_with_error`).
fn closed_by(record: &SocketRecord) -> Option<Process> {
    let state = State::from_number(record.new_state);
    let own = match state {
        Some(State::FinWait1 | State::LastAck) => true,
        Some(State::Closed) => record.code == 0,
        _ => false,
    };
    (own && record.pid != 0).then(|| process(record))
}

fn id(record: &SocketRecord) -> SocketId {
    let (local, peer) = record::ends(&record.endpoints);
    SocketId {
        cookie: (record.cookie != 0).then_some(record.cookie),
        local,
        peer,
    }
}

fn socket(
    reader: &Reader,
    watched: &mut Watched,
    record: &SocketRecord,
    owner: Option<Process>,
) -> Socket {
    let SocketId {
        cookie,
        local,
        peer,
    } = id(record);
    Socket {
        local,
        peer: Some(peer),
        state: State::from_number(record.new_state).unwrap_or(State::Closed),
        cookie,
        inode: None,
        owner,
        accepted: None,
        also_held_by: Vec::new(),
        queues: None,
        timer: None,
        options: watched.options(reader, &record.options),
    }
}
