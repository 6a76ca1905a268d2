//! Which sockets a filter lets be told of: it looks at frames, and sockets have none.

use std::collections::HashSet;

use crate::flow::{Flow, Side};
use crate::kernel::Kernel;
use crate::source::Interface;

/// Leaves out the sockets of connections of which no frame has passed.
pub(super) fn keep_concerned(kernel: &mut Kernel, flows: &[Flow], interfaces: &[Interface]) {
    let mut ends = HashSet::new();
    let mut sockets = HashSet::new();
    for flow in flows {
        let interface = interfaces.get(flow.vantage() as usize);
        let Some(namespace) = interface.and_then(|known| known.namespace.as_deref()) else {
            continue;
        };
        let between = [flow.endpoint(Side::Client), flow.endpoint(Side::Server)];
        let during = [flow.first_at(), flow.last_at()];
        for way in [between, [between[1], between[0]]] {
            ends.insert((namespace, way));
            let senders = kernel.senders(flow.vantage(), way, during);
            sockets.extend(senders.map(|cookie| (namespace, cookie)));
        }
    }
    kernel.retain(|account| {
        let namespace = &*account.namespace;
        let sent = account
            .cookie
            .is_some_and(|cookie| sockets.contains(&(namespace, cookie)));
        let between = account.peer.map(|peer| [account.local, peer]);
        sent || between.is_some_and(|between| ends.contains(&(namespace, between)))
    });
}
