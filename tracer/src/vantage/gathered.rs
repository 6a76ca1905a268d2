//! What came of a source.

use super::{LeftOut, Vantage};
use crate::flow::{Flow, FlowId, Trail};
use crate::kernel::Kernel;

/// What came of a source.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The places where segments were seen.
    pub vantages: Vec<Vantage>,
    /// Flows in the order of their first segments; they name vantages by their place.
    pub flows: Vec<Flow>,
    /// What happened on each of `flows`, in the same order.
    pub trails: Vec<Trail>,
    /// The numbers of `flows` in this source, where some were let go; otherwise their places are.
    pub numbers: Option<Vec<FlowId>>,
    /// Flows that were let go, summed up.
    pub left_out: Vec<LeftOut>,
    /// What the kernel told of sockets.
    pub kernel: Kernel,
    /// What stands before the names of namespaces, as before those of vantages.
    pub prefix: Option<String>,
}

impl Gathered {
    /// What reports call a namespace.
    #[must_use]
    pub fn namespace(&self, name: &str) -> String {
        match (self.prefix.as_deref(), name) {
            (None, name) => name.to_owned(),
            (Some(prefix), "") => prefix.to_owned(),
            (Some(prefix), name) => format!("{prefix}:{name}"),
        }
    }
}
