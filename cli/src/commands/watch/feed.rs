//! What happens on flows between two looks at it.

use tracer::flow::{Event, FlowId, Observer, What};

/// What was told of a flow.
#[derive(Clone, Copy)]
pub(super) enum Told {
    /// Something happened.
    Event(FlowId, Event),
    /// Client and server are the other way round than was told before.
    Swapped(FlowId),
}

/// Collects what is told until it is taken.
pub(super) struct Feed {
    told: Vec<Told>,
    wants: Wants,
}

/// Which events are wanted.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wants {
    /// None.
    Nothing,
    /// All but data, of which there is most and which a thinned source does not show.
    Telling,
    /// All.
    Everything,
}

impl Feed {
    pub(super) const fn new(wants: Wants) -> Self {
        Self {
            told: Vec::new(),
            wants,
        }
    }

    /// What was told since the last time.
    pub(super) fn take(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }
}

impl Observer for Feed {
    #[inline]
    fn event(&mut self, flow: FlowId, event: Event) {
        let wanted = match self.wants {
            Wants::Nothing => false,
            Wants::Telling => !matches!(event.what, What::Data { .. }),
            Wants::Everything => true,
        };
        if wanted {
            self.told.push(Told::Event(flow, event));
        }
    }

    fn as_it_happens(&mut self, flow: FlowId, event: Event) {
        self.event(flow, event);
    }

    /// What was told as it happened is not told again, and nothing is told so late that what came later
    /// stands before it: the report says what it was.
    fn in_hindsight(&mut self, _: FlowId, _: Event) {}

    fn sides_swapped(&mut self, flow: FlowId) {
        if self.wants == Wants::Nothing {
            return;
        }
        // Printed with the sides as they are known by then: only who did it is to be put right.
        for told in &mut self.told {
            if let Told::Event(of, event) = told
                && *of == flow
            {
                event.by = event.by.other();
            }
        }
        self.told.push(Told::Swapped(flow));
    }
}
