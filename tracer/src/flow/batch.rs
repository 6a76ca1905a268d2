//! What came of many flows, written down one after the other and sorted out by flow later.

use super::FlowId;

/// What came and is not sorted out yet.
#[derive(Debug)]
pub(super) struct Batch<T> {
    of: Vec<(FlowId, T)>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { of: Vec::new() }
    }
}

impl<T: Copy> Batch<T> {
    #[inline]
    pub(super) fn add(&mut self, flow: FlowId, what: T) {
        self.of.push((flow, what));
    }

    pub(super) fn len(&self) -> usize {
        self.of.len()
    }

    /// Gives what came of each flow, in the order in which it came.
    pub(super) fn sort_out(&mut self, mut give: impl FnMut(FlowId, Items<'_, T>)) {
        let flows = self.of.iter().enumerate();
        let mut order: Vec<(FlowId, usize)> =
            flows.map(|(place, (flow, _))| (*flow, place)).collect();
        order.sort_unstable();
        for of_flow in order.chunk_by(|one, other| one.0 == other.0) {
            let items = Items {
                of: &self.of,
                order: of_flow.iter(),
            };
            give(of_flow[0].0, items);
        }
        self.of.clear();
    }
}

/// What came of one flow.
pub(super) struct Items<'a, T> {
    of: &'a [(FlowId, T)],
    order: std::slice::Iter<'a, (FlowId, usize)>,
}

impl<T: Copy> Iterator for Items<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (_, place) = self.order.next()?;
        Some(self.of[*place].1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.order.size_hint()
    }
}

impl<T: Copy> ExactSizeIterator for Items<'_, T> {}
