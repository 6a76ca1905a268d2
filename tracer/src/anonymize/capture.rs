//! A capture, frame by frame, into another of the same kind.

use std::io::{self, Write};

use super::{Mapping, Settings, frame};
use crate::decode::{self, Skipped};
use crate::recording::block::{self, option};
use crate::source::{Capture, Extra, Frame, Interface, Mark, Unread, own};
use crate::time::Time;
use crate::vantage::own_name;

/// Written at once, more or less.
const FULL: usize = 256 * 1024;

/// The kinds of captures that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic one: one interface, times in nanoseconds.
    Pcap,
    /// The one with interfaces, and with what hopscope records beside frames.
    Pcapng,
}

/// What was made of a capture.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Frames that were written.
    pub frames: u64,
    /// Those of them that hold no TCP segment, by the reason: only headers of them were written.
    pub skipped: Skipped,
    /// Bytes that were captured and not written, payload or not.
    pub bytes_removed: u64,
    /// PROXY protocol headers in which other addresses had no room, so that they name nobody now.
    pub proxied_crowded: u64,
    /// Frames without a time, which are left out.
    pub untimed: u64,
    /// Records of hopscope that could not be read and are left out.
    pub unread: Unread,
}

/// Reads a capture to its end and writes it anew. What ended the reading early is
/// [`Capture::damage`], and everything before it is written.
///
/// # Errors
///
/// Where it cannot be written.
pub fn rewrite(
    capture: &mut Capture,
    mapping: &mut Mapping,
    settings: Settings,
    to: &mut impl Write,
) -> io::Result<Done> {
    let mut writer = Writer {
        mapping,
        settings,
        format: capture.format(),
        waiting: Vec::new(),
        data: Vec::new(),
        interfaces: 0,
        watched: false,
        last: Time::default(),
        done: Done::default(),
    };
    writer.begin(capture.interfaces());
    while capture.advance() {
        writer.interfaces(capture.interfaces())?;
        let marks = capture.marks().iter().copied();
        let marks = marks.chain(std::iter::repeat(Mark::default()));
        for (frame, mark) in capture.frames().zip(marks) {
            writer.frame(&frame, mark);
        }
        if let Some(extra) = capture.extra() {
            writer.extra(extra)?;
        }
        if writer.waiting.len() >= FULL {
            to.write_all(&writer.waiting)?;
            writer.waiting.clear();
        }
    }
    writer.interfaces(capture.interfaces())?;
    writer.end(capture);
    to.write_all(&writer.waiting)?;
    to.flush()?;
    Ok(Done {
        untimed: capture.untimed(),
        unread: capture.unread(),
        ..writer.done
    })
}

/// What is being written.
struct Writer<'a> {
    mapping: &'a mut Mapping,
    settings: Settings,
    format: Format,
    /// Whole records or blocks.
    waiting: Vec<u8>,
    /// The frame at hand.
    data: Vec<u8>,
    /// Interfaces announced so far.
    interfaces: usize,
    /// Some of them were watched by hopscope.
    watched: bool,
    last: Time,
    done: Done,
}

impl Writer<'_> {
    fn begin(&mut self, interfaces: &[Interface]) {
        match (self.format, interfaces) {
            (Format::Pcap, [interface, ..]) => {
                // Version 2.4, in nanoseconds.
                for number in [0xa1b2_3c4d, 0x0004_0002, 0, 0] {
                    self.number(number);
                }
                self.number(interface.snaplen);
                self.number(interface.link.number());
            }
            _ => {
                let program = format!("hopscope {} anonymize", env!("CARGO_PKG_VERSION"));
                block::section(&mut self.waiting, &program);
            }
        }
    }

    /// Announces interfaces that are new.
    fn interfaces(&mut self, all: &[Interface]) -> io::Result<()> {
        let new = all.get(self.interfaces..).unwrap_or_default();
        self.interfaces = all.len();
        if self.format == Format::Pcapng {
            new.iter()
                .try_for_each(|interface| self.interface(interface))?;
        }
        Ok(())
    }

    fn interface(&mut self, interface: &Interface) -> io::Result<()> {
        let map = |name: &Option<String>| {
            let name = name.as_deref();
            name.map(|name| self.mapping.kept_or_mapped(name, self.settings))
        };
        let mapped = Interface {
            name: map(&interface.name),
            namespace: map(&interface.namespace),
            ..interface.clone()
        };
        let watched = mapped.namespace.is_some();
        self.watched |= watched;
        let mut own_option = Vec::new();
        if watched {
            own::write_watched(&mut own_option, &mapped)?;
        }
        let name = if watched {
            Some(own_name(&mapped))
        } else {
            mapped.name
        };
        let described = match (interface.thinned, watched) {
            (true, _) => Some(own::WATCHED_THINNED),
            (false, true) => Some(own::WATCHED),
            (false, false) => None,
        };
        // Link types are sixteen bits in pcapng.
        let link = u16::try_from(interface.link.number()).unwrap_or(u16::MAX);
        block::interface(&mut self.waiting, link, interface.snaplen, |body| {
            for (code, text) in [
                (block::IF_NAME, name.as_deref()),
                (block::IF_DESCRIPTION, described),
            ] {
                if let Some(text) = text {
                    option(body, code, |value| value.extend(text.as_bytes()));
                }
            }
            option(body, block::IF_TSRESOL, |value| {
                value.push(block::NANOSECONDS);
            });
            if watched {
                option(body, own::OPTION, |value| value.extend(&own_option));
            }
        });
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>, mark: Mark) {
        self.done.frames += 1;
        self.last = self.last.max(frame.at);
        let segment = decode::segment(frame);
        if let Err(why) = &segment {
            self.done.skipped.count(*why);
        }
        let tally = match (&mark.tally, &segment) {
            (Some(tally), Ok(segment)) => {
                let between = [segment.source, segment.destination];
                Some(self.mapping.tally(tally, between))
            }
            _ => None,
        };
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        data.extend(frame.data);
        let (link, wire_len) = (frame.link, frame.wire_len);
        let removed = frame::rewrite(self.mapping, self.settings, link, wire_len, &mut data);
        self.done.bytes_removed += removed.bytes;
        self.done.proxied_crowded += u64::from(removed.crowded);
        let frame = Frame {
            data: &data,
            ..*frame
        };
        match self.format {
            Format::Pcap => self.record(&frame),
            Format::Pcapng => block::packet(&mut self.waiting, &frame, |body| {
                if tally.is_some() || mark.sender.is_some() {
                    option(body, own::OPTION, |value| {
                        own::write_mark(value, tally.as_ref(), mark.sender, frame.at);
                    });
                }
            }),
        }
        self.data = data;
    }

    /// A record of a pcap file. Such a file holds no other times than these.
    fn record(&mut self, frame: &Frame<'_>) {
        let nanos = frame.at.as_nanos();
        let part = |number: i64| u32::try_from(number).unwrap_or_default();
        self.number(part(nanos.div_euclid(1_000_000_000)));
        self.number(part(nanos.rem_euclid(1_000_000_000)));
        self.number(u32::try_from(frame.data.len()).unwrap_or_default());
        self.number(frame.wire_len);
        self.waiting.extend(frame.data);
    }

    fn extra(&mut self, extra: &Extra) -> io::Result<()> {
        let mut body = Vec::new();
        match extra {
            Extra::Rest(rest) => own::write_rest(&mut body, &self.mapping.rest(rest)),
            Extra::Note(note) => {
                own::write_note(&mut body, &self.mapping.note(note, self.settings))?;
            }
            &Extra::Counted {
                interface,
                dropped,
                other,
            } => own::write_counted(&mut body, interface, dropped, other),
        }
        block::block(&mut self.waiting, own::BLOCK, |to| to.extend(body));
        Ok(())
    }

    /// What interfaces lost, and that a recording of hopscope is whole where it was.
    fn end(&mut self, capture: &Capture) {
        if self.format == Format::Pcap {
            return;
        }
        for (place, interface) in (0..).zip(capture.interfaces()) {
            if interface.dropped.is_some() {
                let lost = interface.dropped;
                block::statistics(&mut self.waiting, place, self.last, None, lost);
            }
        }
        if self.watched && capture.is_whole() && capture.damage().is_none() {
            let frames = self.done.frames;
            block::block(&mut self.waiting, own::BLOCK, |body| {
                own::write_end(body, frames);
            });
        }
    }

    fn number(&mut self, number: u32) {
        self.waiting.extend(number.to_le_bytes());
    }
}

impl Capture {
    /// Its kind.
    fn format(&self) -> Format {
        if self.is_pcapng() {
            Format::Pcapng
        } else {
            Format::Pcap
        }
    }
}
