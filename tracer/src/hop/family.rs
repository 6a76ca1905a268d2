//! Families: flows that are one connection, seen at several vantages or on both sides of an address
//! translation.

use super::Likeness;
use crate::flow::Side;
use crate::scene::Scene;

/// A flow of a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kin {
    /// Its place in the scene.
    pub(super) flow: usize,
    /// By what it is known to be one; `None` for the first.
    pub(super) by: Option<Likeness>,
    /// Its client is the server of the others.
    pub(super) swapped: bool,
}

impl Kin {
    /// What the flow calls a side of the hop.
    pub(super) const fn side(&self, side: Side) -> Side {
        if self.swapped { side.other() } else { side }
    }
}

/// All flows, in families.
pub(super) struct Families<'s> {
    pub(super) scene: &'s Scene<'s>,
    /// The family of each flow.
    of: Vec<u32>,
    members: Vec<Vec<Kin>>,
}

impl<'s> Families<'s> {
    /// Each flow alone.
    pub(super) fn alone(scene: &'s Scene<'s>) -> Self {
        let alone = |flow| Kin {
            flow,
            by: None,
            swapped: false,
        };
        Self {
            scene,
            of: (0..).take(scene.flows.len()).collect(),
            members: scene.places().map(|flow| vec![alone(flow)]).collect(),
        }
    }

    /// Whether two flows are of one family.
    pub(super) fn are_kin(&self, one: usize, other: usize) -> bool {
        self.of[one] == self.of[other]
    }

    /// The flows of a flow's family.
    pub(super) fn of(&self, flow: usize) -> &[Kin] {
        &self.members[self.of[flow] as usize]
    }

    /// Two flows are one connection, and with them their families; the client of one may be the server
    /// of the other. False where that cannot be: one vantage has two flows between the same endpoints.
    pub(super) fn join(&mut self, one: usize, other: usize, by: Likeness, swapped: bool) -> bool {
        if self.are_kin(one, other) {
            return true;
        }
        let apart = |one: &Kin| {
            self.of(other)
                .iter()
                .all(|other| !self.excluded(one.flow, other.flow))
        };
        if !self.of(one).iter().all(apart) {
            return false;
        }
        let (into, from) = if self.of(one).len() >= self.of(other).len() {
            (one, other)
        } else {
            (other, one)
        };
        let side_of = |flow: usize| self.of(flow).iter().find(|kin| kin.flow == flow);
        let turned = |flow| side_of(flow).is_some_and(|kin| kin.swapped);
        let turn = turned(into) ^ turned(from) ^ swapped;
        let target = self.of[into];
        let moved = std::mem::take(&mut self.members[self.of[from] as usize]);
        for mut kin in moved {
            kin.swapped ^= turn;
            kin.by = kin.by.or(Some(by));
            self.of[kin.flow] = target;
            self.members[target as usize].push(kin);
        }
        true
    }

    /// A vantage sees a connection once between two endpoints.
    fn excluded(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.scene.flows[one], &self.scene.flows[other]);
        one.vantage == other.vantage && ends(one.flow) == ends(other.flow)
    }

    /// The families, each with its roles as the handshake tells them where any of its flows has it, and
    /// its flows in the order of the scene.
    pub(super) fn finish(self) -> Vec<Vec<Kin>> {
        let scene = self.scene;
        let mut families = self.members;
        families.retain(|family| !family.is_empty());
        for family in &mut families {
            let sure = |kin: &&Kin| scene.flows[kin.flow].flow.roles();
            // Of several the first.
            let surest = family.iter().rev().max_by_key(sure);
            let turn = surest.is_some_and(|kin| kin.swapped);
            family.iter_mut().for_each(|kin| kin.swapped ^= turn);
            family.sort_by_key(|kin| kin.flow);
            // Whoever was found first does not depend on the order of files.
            let by = family.iter().filter_map(|kin| kin.by).max();
            family[0].by = None;
            family[1..]
                .iter_mut()
                .for_each(|kin| kin.by = kin.by.or(by));
        }
        families
    }
}

/// The endpoints of a flow, whichever is the client.
pub(super) fn ends(flow: &crate::flow::Flow) -> [crate::segment::Endpoint; 2] {
    let (client, server) = (flow.endpoint(Side::Client), flow.endpoint(Side::Server));
    [client.min(server), client.max(server)]
}
