//! Stands in for the collector that is being written.

use tracer::decode;
use tracer::flow::{Flow, FlowTable, Observer};
use tracer::live::Item;
use tracer::vantage::Vantage;

pub(super) struct Collector<O> {
    pub(super) table: FlowTable<O>,
    vantages: Vec<Vantage>,
}

impl<O: Observer> Collector<O> {
    pub(super) fn new(table: FlowTable<O>) -> Self {
        Self {
            table,
            vantages: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, item: &Item<'_>) {
        match item {
            Item::Interface(interface) => self.vantages.push(Vantage {
                name: tracer::live::vantage(
                    interface.namespace.as_deref().unwrap_or_default(),
                    interface.name.as_deref().unwrap_or_default(),
                ),
                interface: interface.name.clone(),
                ..Vantage::default()
            }),
            Item::Frame { frame, .. } => {
                let vantage = &mut self.vantages[frame.interface as usize];
                vantage.frames += 1;
                vantage.first = Some(vantage.first.unwrap_or(frame.at));
                vantage.last = Some(frame.at);
                match decode::segment(frame) {
                    Ok(segment) => {
                        vantage.segments += 1;
                        vantage.duplicates += u64::from(!self.table.handle(&segment));
                    }
                    Err(skip) => vantage.skipped.count(skip),
                }
            }
            Item::Counted {
                interface, dropped, ..
            } => {
                self.vantages[*interface as usize].dropped = Some(*dropped);
            }
            _ => {}
        }
    }

    pub(super) fn finish(self, source: &str) -> ((Vec<Vantage>, Vec<Flow>), O) {
        let (flows, observer) = self.table.finish();
        let mut vantages = self.vantages;
        vantages
            .iter_mut()
            .for_each(|vantage| vantage.source = source.to_owned());
        ((vantages, flows), observer)
    }
}
