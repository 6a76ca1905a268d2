//! Makes vantages and flows of what a source yields, a capture or a live one.

use std::collections::HashMap;

use arrayvec::ArrayVec;
use foldhash::fast::RandomState;

use super::concerned::keep_concerned;
use super::counted::{Counts, add_flows};
use super::left_out::Sums;
use super::{Gathered, Naming, Vantage};
use crate::decode::Skip;
use crate::flow::{Flow, FlowTable, Observer, Side, Trails};
use crate::kernel::Kernel;
use crate::live::Item;
use crate::segment::{Endpoint, Segment};
use crate::source::{BATCH, Capture, Damage, Extra, Filter, FilterError, Frame, Interface, Unread};
use crate::tally::{FlowTally, Tally};

/// Takes what a source yields, in its order.
pub struct Collector<O = ()> {
    table: FlowTable<(Trails, O)>,
    filter: Option<Filter>,
    interfaces: Vec<Interface>,
    vantages: Vec<Vantage>,
    /// What each of them counted of which no frame was shown.
    counts: Vec<Counts>,
    kernel: Kernel,
    left_out: Sums,
    /// Segments were counted without being shown.
    tallied: bool,
    /// What only the end of a capture tells.
    damage: Option<Damage>,
    unread: Unread,
    untimed: u64,
    whole: bool,
}

/// Reads a capture to its end: its vantages and flows, and the observer.
///
/// # Errors
///
/// Where the filter has no meaning for a link type of the capture.
pub fn read<O: Observer>(
    mut capture: Capture,
    naming: &Naming<'_>,
    filter: Option<Filter>,
    first_id: u64,
    observer: O,
) -> Result<(Gathered, O), FilterError> {
    let mut collector = Collector::new(first_id, observer, filter);
    collector.read(&mut capture)?;
    Ok(collector.finish(naming))
}

impl<O: Observer> Collector<O> {
    /// Numbers flows on from `first_id` and tells the observer what happens on them; the filter
    /// leaves out what it does not let pass.
    #[must_use]
    pub fn new(first_id: u64, observer: O, filter: Option<Filter>) -> Self {
        Self {
            table: FlowTable::new(first_id, (Trails::default(), observer)),
            filter,
            interfaces: Vec::new(),
            vantages: Vec::new(),
            counts: Vec::new(),
            kernel: Kernel::default(),
            left_out: Sums::default(),
            tallied: false,
            damage: None,
            unread: Unread::default(),
            untimed: 0,
            whole: true,
        }
    }

    /// Makes room for so many flows at once.
    #[must_use]
    pub fn with_room(mut self, flows: usize) -> Self {
        self.table.reserve(flows);
        self
    }

    /// Takes in what a live source yields.
    ///
    /// # Errors
    ///
    /// Where the filter has no meaning for a frame's link type.
    pub fn take(&mut self, item: &Item<'_>) -> Result<(), FilterError> {
        match item {
            Item::Interface(interface) => self.interfaces.push((*interface).clone()),
            Item::Frame {
                frame,
                tally,
                sender,
            } => self.frame(frame, *tally, *sender)?,
            Item::Rest(rest) => self.rest(rest),
            Item::Note(note) => self.kernel.take(note),
            Item::Counted {
                interface,
                dropped,
                other,
            } => self.counted(*interface, *dropped, *other),
        }
        Ok(())
    }

    /// Reads a capture to its end, which is as good as taking in what it yields.
    ///
    /// # Errors
    ///
    /// Where the filter has no meaning for a link type of the capture.
    pub fn read(&mut self, capture: &mut Capture) -> Result<(), FilterError> {
        while capture.advance() {
            if capture.marks().is_empty() {
                self.frames(capture.frames())?;
            } else {
                let marks = capture.marks().iter().copied().map(Some);
                let marks = marks.chain(std::iter::repeat(None));
                for (frame, mark) in capture.frames().zip(marks) {
                    let mark = mark.unwrap_or_default();
                    self.frame(&frame, mark.tally.as_ref(), mark.sender)?;
                }
            }
            match capture.extra() {
                None => {}
                Some(Extra::Rest(rest)) => self.rest(rest),
                Some(Extra::Note(note)) => self.kernel.take(note),
                Some(&Extra::Counted {
                    interface,
                    dropped,
                    other,
                }) => self.counted(interface, dropped, other),
            }
        }
        self.interfaces = capture.interfaces().to_vec();
        self.damage = capture.damage().cloned();
        self.unread = capture.unread();
        self.untimed = capture.untimed();
        self.whole = capture.is_whole();
        Ok(())
    }

    /// Frames of which nothing else is known, all at once: the fast path.
    fn frames<'a>(&mut self, frames: impl Iterator<Item = Frame<'a>>) -> Result<(), FilterError> {
        let mut segments = ArrayVec::<Segment<'_>, BATCH>::new();
        for frame in frames {
            let interface = frame.interface as usize;
            if interface >= self.vantages.len() {
                self.vantages.resize_with(interface + 1, Vantage::default);
            }
            segments.extend(self.vantages[interface].take(&frame, self.filter.as_mut())?);
        }
        let vantages = &mut self.vantages;
        self.table.handle_all(&segments, |segment| {
            vantages[segment.vantage as usize].duplicates += 1;
        });
        Ok(())
    }

    fn frame(
        &mut self,
        frame: &Frame<'_>,
        tally: Option<&Tally>,
        sender: Option<u64>,
    ) -> Result<(), FilterError> {
        let place = frame.interface;
        self.vantage(place);
        let vantage = &mut self.vantages[place as usize];
        let Some(segment) = vantage.take(frame, self.filter.as_mut())? else {
            return Ok(());
        };
        let is_new = match tally {
            Some(tally) => {
                self.tallied = true;
                self.table.handle_thinned(&segment, tally)
            }
            None => self.table.handle(&segment),
        };
        vantage.duplicates += u64::from(!is_new);
        if let Some(cookie) = sender {
            self.kernel.sent(&segment, cookie);
        }
        Ok(())
    }

    fn rest(&mut self, rest: &FlowTally) {
        self.tallied = true;
        if self.table.rest(rest) {
            return;
        }
        let [one, other] = &rest.tally.sent;
        let segments = one.segments.saturating_add(other.segments);
        let filtered = self.filter.is_some();
        let counts = self.counts(rest.interface);
        // A filter looks at frames, and none of this flow has passed.
        let count = if filtered {
            &mut counts.filtered_out
        } else {
            &mut counts.unshown
        };
        *count = count.saturating_add(segments);
    }

    fn counted(&mut self, interface: u32, dropped: u64, other: u64) {
        self.vantage(interface).dropped = Some(dropped);
        self.counts(interface).other = other;
    }

    fn counts(&mut self, place: u32) -> &mut Counts {
        let place = place as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, Counts::default());
        }
        &mut self.counts[place]
    }

    fn vantage(&mut self, place: u32) -> &mut Vantage {
        let place = place as usize;
        if place >= self.vantages.len() {
            self.vantages.resize_with(place + 1, Vantage::default);
        }
        &mut self.vantages[place]
    }

    /// The flows as far as they are known.
    pub const fn table_mut(&mut self) -> &mut FlowTable<(Trails, O)> {
        &mut self.table
    }

    /// Lets go of flows that are over, where there are more than `keep` of them, and of what the
    /// kernel told of their sockets: the least telling first. They are only counted from then on.
    pub fn retire(&mut self, keep: usize) {
        let Some(now) = self
            .vantages
            .iter()
            .filter_map(|vantage| vantage.last)
            .max()
        else {
            return;
        };
        let Self {
            table,
            kernel,
            left_out,
            interfaces,
            ..
        } = self;
        table.retire(keep, now, |flow| {
            left_out.add(flow);
            let interface = interfaces.get(flow.vantage() as usize);
            if let Some(namespace) = interface.and_then(|known| known.namespace.as_deref()) {
                kernel.let_go(namespace, flow);
            }
        });
    }

    /// What the vantages known so far are called; later ones leave these names alone where all
    /// interfaces were watched.
    #[must_use]
    pub fn names(&self, naming: &Naming<'_>) -> Vec<String> {
        naming.names(&self.interfaces)
    }

    /// Nothing more comes: what came of it, and the observer.
    #[must_use]
    pub fn finish(mut self, naming: &Naming<'_>) -> (Gathered, O) {
        let numbers = self.table.numbers();
        let ids = self.table.ids();
        let (flows, (mut trails, observer)) = listening(self.table, &self.kernel, &self.interfaces);
        let trails = ids.into_iter().map(|id| trails.take(id)).collect();
        let left_out = self.left_out.into_list();
        if self.filter.is_some() {
            keep_concerned(&mut self.kernel, &flows, &self.interfaces);
        }
        let names = naming.names(&self.interfaces);
        let count = names.len().max(self.vantages.len()).max(self.counts.len());
        self.vantages.resize_with(count, Vantage::default);
        if self.tallied {
            add_flows(&mut self.vantages, &flows, &left_out);
        }
        for (vantage, counts) in self.vantages.iter_mut().zip(&self.counts) {
            vantage.add(counts);
        }
        for (place, (vantage, name)) in self.vantages.iter_mut().zip(names).enumerate() {
            vantage.name = name;
            naming.source.clone_into(&mut vantage.source);
            vantage.damage.clone_from(&self.damage);
            vantage.unread = self.unread;
            if let Some(interface) = self.interfaces.get(place) {
                vantage.interface.clone_from(&interface.name);
                vantage.namespace.clone_from(&interface.namespace);
                vantage.dropped = vantage.dropped.or(interface.dropped);
                vantage.lower_bounds = interface.thinned && !self.whole;
            }
        }
        if let Some(first) = self.vantages.first_mut() {
            first.skipped.add(Skip::NoTime, self.untimed);
            first.frames += self.untimed;
        }
        let gathered = Gathered {
            vantages: self.vantages,
            flows,
            trails,
            numbers,
            left_out,
            kernel: self.kernel,
            prefix: naming.prefix().map(str::to_owned),
        };
        (gathered, observer)
    }
}

/// What came of the flows. Who is client, where no handshake was seen, goes by the sockets that were there, and
/// else by all that was seen.
fn listening<O: Observer>(
    table: FlowTable<O>,
    kernel: &Kernel,
    interfaces: &[Interface],
) -> (Vec<Flow>, O) {
    let mut told: HashMap<(&str, [Endpoint; 2]), Endpoint, RandomState> = HashMap::default();
    for account in kernel.accounts() {
        let (Some(accepted), Some(peer)) = (account.accepted(), account.peer) else {
            continue;
        };
        let ends = [account.local.min(peer), account.local.max(peer)];
        let known = told.entry((&account.namespace, ends));
        match accepted {
            true => *known.or_insert(account.local) = account.local,
            // Some listen for one connection only.
            false if account.local.is_ephemeral() => _ = known.or_insert(peer),
            false => {}
        }
    }
    table.finish_told(|flow| {
        let interface = interfaces.get(flow.vantage() as usize)?;
        let [one, other] = [Side::Client, Side::Server].map(|side| flow.endpoint(side));
        let ends = [one.min(other), one.max(other)];
        told.get(&(interface.namespace.as_deref()?, ends)).copied()
    })
}
