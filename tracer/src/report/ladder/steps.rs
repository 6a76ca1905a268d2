//! What happened on one hop, put together from all vantages that saw it.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use super::glance::Glance;
use super::{Part, StepName, StepReport};
use crate::flow::{Event, Side, What};
use crate::hop::{Hop, Hops, Sight};
use crate::http::Heading;
use crate::scene::{Scene, Seen};
use crate::seq::Seq;
use crate::time::Time;

/// By what a segment is known again at another vantage: address translation leaves it alone.
type Likeness = (Discriminant<What>, Seq);

/// A hop's steps are looked for.
struct Looking<'a> {
    scene: &'a Scene<'a>,
    hops: &'a Hops,
    hop: &'a Hop,
    part: &'a Part,
}

/// Adds what happened on a hop, as far as it belongs to the exchange.
pub(super) fn of(scene: &Scene<'_>, hops: &Hops, part: &Part, steps: &mut Vec<StepReport>) {
    let Some(hop) = hops.hops.get(part.hop) else {
        return;
    };
    let looking = Looking {
        scene,
        hops,
        hop,
        part,
    };
    for by in [Side::Client, Side::Server] {
        looking.told_by(by, steps);
    }
}

impl Looking<'_> {
    /// What one side did: as the vantage nearest to it saw it, and what only others saw.
    fn told_by(&self, by: Side, steps: &mut Vec<StepReport>) {
        let mut sights: Vec<&Sight> = self.hop.sights.iter().collect();
        if by == Side::Server {
            sights.reverse();
        }
        let mut known: HashMap<Likeness, usize> = HashMap::new();
        for (place, sight) in sights.iter().enumerate() {
            let glance = Glance::of(self.scene, sight, by);
            let seen = glance.seen;
            let nearest = place == 0;
            let farthest = place + 1 == sights.len();
            if nearest {
                steps.extend(self.announced(&glance, by));
            }
            for event in &seen.trail.events {
                if event.by != glance.by {
                    continue;
                }
                let likeness = likeness(event);
                if let Some(step) = likeness.and_then(|likeness| known.get(&likeness)) {
                    if !nearest && farthest {
                        let at = self.hops.clocks.common(seen.vantage, event.at);
                        steps[*step].arrived = Some(true);
                        steps[*step].arrived_at = Some(at);
                    }
                } else if (nearest || self.only_here(sights[0], event, seen))
                    && let Some(step) = self.step(&glance, by, event)
                {
                    if let Some(likeness) = likeness {
                        known.insert(likeness, steps.len());
                    }
                    steps.push(step);
                }
            }
        }
        if let [_, .., last] = sights.as_slice()
            && self.lost_some(by)
        {
            known.values().for_each(|step| {
                let step = &mut steps[*step];
                if step.arrived.is_none() && self.would_show(last, step.at) {
                    step.arrived = Some(false);
                }
            });
        }
    }

    /// GOAWAY frames amid turns: those that begin one are told with it.
    fn announced(&self, glance: &Glance<'_>, by: Side) -> impl Iterator<Item = StepReport> {
        let headings = glance.seen.trail.headings.iter();
        let amid = headings.filter(|turn| {
            let goaway = matches!(turn.heading, Heading::GoAway(_));
            goaway && turn.by == glance.by && turn.seen != turn.frame
        });
        amid.filter_map(move |turn| {
            let event = Event {
                at: turn.at,
                frame: turn.seen,
                by: turn.by,
                what: What::Data {
                    bytes: 0,
                    until: turn.at,
                    before_fin: None,
                    ends: None,
                },
                head: None,
            };
            let step = self.step(glance, by, &event)?;
            Some(StepReport {
                what: StepName::Goaway,
                until: None,
                ..step
            })
        })
    }

    /// Whether what a farther vantage saw can be news: the nearest one was not there yet, or it is a
    /// FIN or RST that never passed it.
    fn only_here(&self, nearest: &Sight, event: &Event, seen: &Seen<'_>) -> bool {
        let near = &self.scene.flows[nearest.flow];
        let at = self.hops.clocks.common(seen.vantage, event.at);
        match event.what {
            What::Fin | What::Rst => true,
            _ => at < self.hops.clocks.common(near.vantage, near.flow.first_at()),
        }
    }

    /// Whether segments of a side are known not to have come through: turns alone do not tell, as what
    /// both sides send at once makes other turns at the other end.
    fn lost_some(&self, by: Side) -> bool {
        let mut lost = self.hop.ways.iter().filter_map(|way| way.lost[by]);
        lost.any(|lost| lost > 0)
    }

    /// Whether a vantage was watching at a time and shows single segments.
    fn would_show(&self, sight: &Sight, at: Time) -> bool {
        let seen = &self.scene.flows[sight.flow];
        let vantage = self.scene.vantages[seen.vantage].vantage;
        let common = |at| self.hops.clocks.common(seen.vantage, at);
        seen.trail.omitted == 0
            && vantage.dropped.unwrap_or(0) == 0
            && vantage.counted == 0
            && vantage.first.is_some_and(|first| common(first) <= at)
            && vantage.last.is_some_and(|last| at < common(last))
    }

    fn step(&self, glance: &Glance<'_>, by: Side, event: &Event) -> Option<StepReport> {
        let seen = glance.seen;
        let common = |at| self.hops.clocks.common(seen.vantage, at);
        let at = common(event.at);
        let early = self.part.from.is_some_and(|from| at < from);
        let late = self.part.before.is_some_and(|before| at >= before);
        if early || late {
            return None;
        }
        let what = name(event.what)?;
        let (bytes, until) = match event.what {
            // What only answers a close makes no turn longer.
            What::Data {
                bytes,
                until,
                before_fin,
                ..
            } => (
                bytes,
                Some(common(before_fin.map_or(until, |before| before.until))),
            ),
            What::Retransmission { bytes, .. } => (bytes.into(), None),
            _ => (0, None),
        };
        let between = self.hop.ways.iter().flat_map(|way| &way.made);
        let only = self.hop.unlike.iter().filter(|made| made.outlived);
        let mut made = between.chain(only).chain(&self.hop.outlived);
        let ends = matches!(event.what, What::Fin | What::Rst);
        let made = made.any(|made| {
            ends && made.proved && made.flow == glance.flow && made.frame == event.frame
        });
        Some(StepReport {
            at,
            until,
            place: self.part.place as u64,
            hop: self.part.hop as u64,
            by,
            what,
            text: glance.text(event),
            bytes,
            answered: glance.answered(event),
            arrived: None,
            arrived_at: None,
            made,
            flow: seen.id,
            frame: event.frame,
        })
    }
}

const fn name(what: What) -> Option<StepName> {
    Some(match what {
        What::Syn { attempt: 1 } => StepName::Syn,
        What::Syn { .. } => StepName::SynAgain,
        What::Data { .. } => StepName::Data,
        What::KeepaliveProbe { .. } => StepName::KeepaliveProbe,
        What::ZeroWindow => StepName::ZeroWindow,
        What::ZeroWindowProbe => StepName::ZeroWindowProbe,
        What::WindowOpened { .. } => StepName::WindowOpened,
        What::Retransmission { .. } => StepName::Retransmission,
        What::Fin => StepName::Fin,
        What::Rst => StepName::Rst,
        What::SynAck | What::KeepaliveAnswer { .. } | What::Probe => return None,
    })
}

/// What repeats itself with one sequence number is not known again by it.
fn likeness(event: &Event) -> Option<Likeness> {
    match event.what {
        What::Syn { attempt: 1 } | What::Data { .. } | What::Fin | What::Rst => {
            Some((discriminant(&event.what), event.head?.seq))
        }
        _ => None,
    }
}
