//! Vantages: places where segments are seen, and what each of them missed.

use std::collections::HashMap;

use arrayvec::ArrayVec;

use crate::decode::{self, Skip, Skipped};
use crate::flow::{Flow, FlowTable, Observer};
use crate::segment::Segment;
use crate::source::{BATCH, Capture, Damage, Filter, FilterError, Frame};
use crate::time::Time;

/// One interface of one capture: what was seen there.
#[derive(Clone, Debug, Default)]
pub struct Vantage {
    /// What people call it.
    pub name: String,
    /// Where it was read from.
    pub source: String,
    /// The interface's own name, where the capture gives it.
    pub interface: Option<String>,
    /// Frames read.
    pub frames: u64,
    /// TCP segments among them, duplicates included.
    pub segments: u64,
    /// Segments that were seen before.
    pub duplicates: u64,
    /// Frames that held no segment.
    pub skipped: Skipped,
    /// Frames that the filter left out.
    pub filtered_out: u64,
    /// Frames lost by the capturing program, where it says so.
    pub dropped: Option<u64>,
    /// Segments whose payload is not there whole.
    pub cut: u64,
    /// First frame.
    pub first: Option<Time>,
    /// Last frame.
    pub last: Option<Time>,
    /// What ended the reading early.
    pub damage: Option<Damage>,
}

/// What to read, and what to call it.
pub struct Reading<'a> {
    /// Name of the vantage; with several interfaces, each adds its own.
    pub name: &'a str,
    /// Where it comes from, as reports say it.
    pub source: &'a str,
    /// Leaves out what it does not let pass.
    pub filter: Option<Filter>,
}

/// Reads a capture to its end: its vantages, its flows in the order of their first segments, and
/// the observer.
///
/// # Errors
///
/// Where the filter has no meaning for a link type of the capture.
pub fn read<O: Observer>(
    mut capture: Capture,
    mut reading: Reading<'_>,
    mut table: FlowTable<O>,
) -> Result<(Vec<Vantage>, Vec<Flow>, O), FilterError> {
    let mut vantages: Vec<Vantage> = Vec::new();
    while capture.advance() {
        let mut segments = ArrayVec::<Segment<'_>, BATCH>::new();
        for frame in capture.frames() {
            let interface = frame.interface as usize;
            if interface >= vantages.len() {
                vantages.resize_with(interface + 1, Vantage::default);
            }
            segments.extend(vantages[interface].take(&frame, reading.filter.as_mut())?);
        }
        table.handle_all(&segments, |segment| {
            vantages[segment.vantage as usize].duplicates += 1;
        });
    }
    let (flows, observer) = table.finish();
    // A capture that is damaged before its first interface is a vantage that saw nothing.
    vantages.resize_with(capture.interfaces().len().max(1), Vantage::default);
    // Names repeat where captures were merged.
    let mut names: HashMap<Option<&str>, usize> = HashMap::new();
    for interface in capture.interfaces() {
        *names.entry(interface.name.as_deref()).or_default() += 1;
    }
    for (index, vantage) in vantages.iter_mut().enumerate() {
        let interface = capture.interfaces().get(index);
        let unique = interface.is_some_and(|interface| names[&interface.name.as_deref()] == 1);
        vantage.describe(&reading, &capture, index, unique);
    }
    Ok((vantages, flows, observer))
}

impl Vantage {
    #[inline]
    fn take<'a>(
        &mut self,
        frame: &Frame<'a>,
        filter: Option<&mut Filter>,
    ) -> Result<Option<Segment<'a>>, FilterError> {
        self.frames += 1;
        self.first = Some(self.first.map_or(frame.at, |first| first.min(frame.at)));
        self.last = self.last.max(Some(frame.at));
        if let Some(filter) = filter
            && !filter.passes(frame.link, frame.data)?
        {
            self.filtered_out += 1;
            return Ok(None);
        }
        match decode::segment(frame) {
            Ok(segment) => {
                self.segments += 1;
                self.cut += u64::from(segment.payload.len() < segment.len as usize);
                Ok(Some(segment))
            }
            Err(reason) => {
                self.skipped.count(reason);
                Ok(None)
            }
        }
    }

    /// Adds what the whole capture tells of it: its interface, whose name is `unique` among all.
    fn describe(&mut self, reading: &Reading<'_>, capture: &Capture, index: usize, unique: bool) {
        let interface = capture.interfaces().get(index);
        let interface_name = interface.and_then(|interface| interface.name.as_ref());
        reading.source.clone_into(&mut self.source);
        self.name = match interface_name {
            _ if capture.interfaces().len() <= 1 => reading.name.to_owned(),
            Some(name) if unique => format!("{}:{name}", reading.name),
            Some(name) => format!("{}:{index}:{name}", reading.name),
            None => format!("{}:{index}", reading.name),
        };
        self.interface = interface_name.cloned();
        self.dropped = interface.and_then(|interface| interface.dropped);
        self.damage = capture.damage().cloned();
        if index == 0 {
            self.skipped.add(Skip::NoTime, capture.untimed());
            self.frames += capture.untimed();
        }
    }
}
