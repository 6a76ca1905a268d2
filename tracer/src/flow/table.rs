//! Sorts segments into flows.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};

use arrayvec::ArrayVec;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::retire::Numbers;
use super::{Flow, Observer, Teller, roles};
use crate::segment::{Endpoint, Segment};
use crate::tally::{FlowTally, Tally};

/// The number of a flow, in the order of first segments, across all tables of a report.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, schemars::JsonSchema,
)]
pub struct FlowId(pub u64);

/// Segments looked up before the first of them is handled.
const LOOKAHEAD: usize = 64;

/// All flows of the vantages of one source.
///
/// Segments go in with [`FlowTable::handle`], flows come out of [`FlowTable::finish`], and what
/// happens in between goes to the observer. The table grows with the number of flows, not with
/// that of segments.
pub struct FlowTable<O = ()> {
    pub(super) observer: O,
    pub(super) numbers: Numbers,
    pub(super) flows: Vec<Flow>,
    /// The latest flow of each pair of endpoints.
    pub(super) index: HashTable<Entry>,
    hasher: RandomState,
    pub(super) listeners: HashSet<Endpoint, RandomState>,
    /// With so many flows it is worth while to look for some to let go.
    pub(super) look_at: usize,
}

/// A flow by its place in `flows`, and a part of its hash: enough to tell which flow a segment most
/// likely belongs to without looking at any.
pub(super) struct Entry {
    tag: u32,
    pub(super) place: u32,
}

/// The part of a hash that the index itself does not use.
#[expect(clippy::cast_possible_truncation, reason = "a part of it")]
const fn tag(hash: u64) -> u32 {
    (hash >> 24) as u32
}

impl<O: Observer> FlowTable<O> {
    /// An empty table that gives its first flow the number `first_id`.
    #[must_use]
    pub fn new(first_id: u64, observer: O) -> Self {
        Self {
            observer,
            numbers: Numbers::from(first_id),
            flows: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            listeners: HashSet::default(),
            look_at: 0,
        }
    }

    /// Makes room for so many flows at once, where the machine has it: otherwise all that there are are
    /// copied whenever there is no room for more, and a live source has to wait. Memory that no flow
    /// needs stays untouched.
    pub fn reserve(&mut self, flows: usize) {
        // It is only sooner than it would be needed.
        let _ = self.flows.try_reserve(flows);
    }

    /// Takes in a segment. Segments come in the order of the capture, which is roughly that of
    /// time. Returns false for a frame that was captured before.
    pub fn handle(&mut self, segment: &Segment<'_>) -> bool {
        let hash = self.hash(segment);
        let place = self.find(hash, segment);
        self.handle_at(hash, place, segment)
    }

    /// Takes in a segment of a thinned source, after what was counted of its flow before it.
    pub fn handle_thinned(&mut self, segment: &Segment<'_>, tally: &Tally) -> bool {
        let hash = self.hash(segment);
        let before = self.find(hash, segment);
        if let Some(place) = before {
            self.catch_up(place, tally);
        }
        let place = match before {
            Some(place) if self.takes(place, segment) => place,
            _ => {
                let place = self.open(hash, segment);
                match before {
                    // What was counted so far belongs to the connection before this one.
                    Some(_) => self.flows[place as usize].begin_counting(tally),
                    None => self.catch_up(place, tally),
                }
                place
            }
        };
        self.give(place, segment)
    }

    /// Takes in the last tally of a flow of which nothing more was told. False where nothing was
    /// ever told of it.
    pub fn rest(&mut self, rest: &FlowTally) -> bool {
        let [lower, higher] = rest.endpoints;
        let hash = self.hasher.hash_pair(rest.interface, lower, higher);
        let holds = |entry: &Entry| {
            entry.tag == tag(hash)
                && self.flows[entry.place as usize].is_between(rest.interface, lower, higher)
        };
        let found = self.index.find(hash, holds).map(|entry| entry.place);
        if let Some(place) = found {
            self.catch_up(place, &rest.tally);
        }
        found.is_some()
    }

    fn catch_up(&mut self, place: u32, tally: &Tally) {
        let mut teller = Teller {
            observer: &mut self.observer,
            flow: self.numbers.of(place),
        };
        self.flows[place as usize].catch_up(tally, &mut teller);
    }

    /// Takes in several, and tells of those that were captured before. The same as
    /// [`FlowTable::handle`] for each, but faster where there are many flows: the processor waits
    /// for the memory of all of them at once, instead of for one after the other.
    pub fn handle_all(
        &mut self,
        segments: &[Segment<'_>],
        mut duplicate: impl FnMut(&Segment<'_>),
    ) {
        for segments in segments.chunks(LOOKAHEAD) {
            // Two short loops without anything to decide: loads of later segments begin while
            // those of earlier ones are under way.
            let guesses: ArrayVec<(u64, Option<u32>), LOOKAHEAD> = segments
                .iter()
                .map(|segment| {
                    let hash = self.hash(segment);
                    let entry = self.index.find(hash, |entry| entry.tag == tag(hash));
                    (hash, entry.map(|entry| entry.place))
                })
                .collect();
            let touched = guesses.iter().filter_map(|(_, place)| *place);
            std::hint::black_box(touched.fold(0, |sum: u32, place| {
                sum.wrapping_add(self.flows[place as usize].touch())
            }));
            let with_payload = segments.iter().zip(&guesses);
            let with_payload = with_payload.filter(|(segment, _)| segment.len > 0);
            let expected = with_payload.filter_map(|(_, (_, place))| *place);
            std::hint::black_box(expected.fold(0, |sum, place| {
                sum ^ self.observer.expect(self.numbers.of(place))
            }));
            let flows = self.flows.len();
            for (segment, (hash, guess)) in segments.iter().zip(guesses) {
                // A flow that began in between may be this segment's; a tag may lie.
                let right = self.flows.len() == flows
                    && guess.is_some_and(|place| self.flows[place as usize].holds(segment));
                let place = if right {
                    guess
                } else {
                    self.find(hash, segment)
                };
                if !self.handle_at(hash, place, segment) {
                    duplicate(segment);
                }
            }
        }
    }

    #[inline]
    fn hash(&self, segment: &Segment<'_>) -> u64 {
        self.hasher
            .hash_pair(segment.vantage, segment.source, segment.destination)
    }

    /// The latest flow between the endpoints of a segment.
    #[inline]
    fn find(&self, hash: u64, segment: &Segment<'_>) -> Option<u32> {
        let holds = |entry: &Entry| {
            entry.tag == tag(hash) && self.flows[entry.place as usize].holds(segment)
        };
        self.index.find(hash, holds).map(|entry| entry.place)
    }

    #[inline]
    fn handle_at(&mut self, hash: u64, known: Option<u32>, segment: &Segment<'_>) -> bool {
        let place = match known {
            Some(place) if self.takes(place, segment) => place,
            _ => self.open(hash, segment),
        };
        self.give(place, segment)
    }

    #[inline]
    fn give(&mut self, place: u32, segment: &Segment<'_>) -> bool {
        let flow = &mut self.flows[place as usize];
        let by = flow.side_of(segment.source);
        let id = self.numbers.of(place);
        flow.handle(
            segment,
            by,
            &mut Teller {
                observer: &mut self.observer,
                flow: id,
            },
        )
    }

    /// Whether a segment between the endpoints of that flow belongs to it, not to a later one.
    #[inline]
    fn takes(&mut self, place: u32, segment: &Segment<'_>) -> bool {
        let flow = &mut self.flows[place as usize];
        if !segment.flags.syn() {
            return !flow.is_complete() || !flow.is_elsewhere(segment);
        }
        let client = flow.endpoints.client;
        let belongs = flow.takes_syn(segment);
        if flow.endpoints.client != client {
            self.observer.sides_swapped(self.numbers.of(place));
        }
        belongs
    }

    /// Begins a flow, which takes the place of an older one between the same endpoints.
    #[cold]
    fn open(&mut self, hash: u64, segment: &Segment<'_>) -> u32 {
        let listens = |endpoint| self.listeners.contains(&endpoint);
        let (by, roles) = roles::sender(segment, listens);
        let flow = Flow::new(segment, by, roles);
        if segment.flags.syn() {
            self.listeners.insert(flow.endpoints.server);
        }
        // More than four thousand million flows do not fit in memory either.
        let place = u32::try_from(self.flows.len()).unwrap_or(u32::MAX);
        let entry = Entry {
            tag: tag(hash),
            place,
        };
        let flows = &mut self.flows;
        let holds = |known: &Entry| flows[known.place as usize].holds(segment);
        match self.index.find_mut(hash, holds) {
            Some(old) => *old = entry,
            None => {
                let rehash = |known: &Entry| self.hasher.hash_flow(&flows[known.place as usize]);
                self.index.insert_unique(hash, entry, rehash);
            }
        }
        flows.push(flow);
        place
    }

    /// The flow of that number, as far as it is known; `None` where it was let go.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(self.numbers.place(id)?)
    }

    /// How many flows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there is none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Who is told what happens.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// The numbers of the flows in their order, where some were let go; otherwise they are counted
    /// on from the first.
    #[must_use]
    pub fn numbers(&self) -> Option<Vec<FlowId>> {
        self.numbers.have_gaps().then(|| self.ids())
    }

    /// The numbers of the flows in their order.
    pub(crate) fn ids(&self) -> Vec<FlowId> {
        let all = u32::try_from(self.flows.len()).unwrap_or(u32::MAX);
        (0..all).map(|place| self.numbers.of(place)).collect()
    }

    /// All flows in the order of their first segments, and the observer.
    #[must_use]
    pub fn finish(self) -> (Vec<Flow>, O) {
        self.finish_told(|_| None)
    }

    /// The same, where a kernel tells at which end of a flow a socket listened.
    pub(crate) fn finish_told(
        mut self,
        told: impl Fn(&Flow) -> Option<Endpoint>,
    ) -> (Vec<Flow>, O) {
        self.settle_roles(told);
        for (place, flow) in (0..).zip(&mut self.flows) {
            flow.finish(&mut Teller {
                observer: &mut self.observer,
                flow: self.numbers.of(place),
            });
        }
        (self.flows, self.observer)
    }
}

/// Hashes that are the same for both directions.
trait HashFlow {
    fn hash_pair(&self, vantage: u32, one: Endpoint, other: Endpoint) -> u64;
    fn hash_endpoint(&self, vantage: u32, endpoint: Endpoint) -> u64;
    fn hash_flow(&self, flow: &Flow) -> u64 {
        self.hash_pair(flow.vantage, flow.endpoints.client, flow.endpoints.server)
    }
}

impl HashFlow for RandomState {
    #[inline]
    fn hash_pair(&self, vantage: u32, one: Endpoint, other: Endpoint) -> u64 {
        self.hash_endpoint(vantage, one)
            .wrapping_add(self.hash_endpoint(vantage, other))
    }

    #[inline]
    fn hash_endpoint(&self, vantage: u32, endpoint: Endpoint) -> u64 {
        let (high, low, port) = endpoint.words();
        let mut hasher = self.build_hasher();
        hasher.write_u64(high);
        hasher.write_u64(low);
        hasher.write_u64(u64::from(vantage) << 16 | u64::from(port));
        hasher.finish()
    }
}
