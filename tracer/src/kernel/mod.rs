//! What the kernel told of sockets, socket by socket.
//!
//! Notes come one by one, in the order of what happened; here they are put together. Memory grows
//! with sockets, not with notes: of a socket what it was like at telling moments is kept, and what
//! befell it.

mod account;
mod senders;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;

pub(crate) use self::account::TIMED_OUT;
use self::account::Told;
pub use self::account::{Account, Fact, FactKind, Seen};
use self::senders::Senders;
use crate::flow::{Flow, Side};
use crate::note::{Note, What};
use crate::segment::{Endpoint, Segment};
use crate::time::Time;

/// Sockets that are closing or gone and are kept: the latest ones. With their options they take
/// about 2 KiB each.
pub const GONE: usize = 50_000;

/// What the kernel told of sockets.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    accounts: HashMap<Key, Account, RandomState>,
    /// Those that are closing or gone, in that order; some of them may have been let go.
    gone: VecDeque<Key>,
    /// How many of these are still kept.
    gone_count: usize,
    forgotten: u64,
    /// How many there were, which numbers them.
    count: u64,
    namespaces: Vec<Arc<str>>,
    senders: Senders,
}

/// Names a socket for good.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Key {
    /// Unique until reboot; before Linux 5.10 only within the namespace.
    Cookie(Arc<str>, u64),
    /// Of what has no socket, or none that is told. What befalls no socket stands for itself.
    Ends(Arc<str>, Endpoint, Option<Endpoint>, Option<Time>),
}

impl Kernel {
    /// Takes in a note.
    pub fn take(&mut self, note: &Note) {
        let namespace = self.namespace(&note.namespace);
        let told = Told::of(&note.what);
        let key = match told.cookie {
            Some(cookie) => Key::Cookie(Arc::clone(&namespace), cookie),
            None => {
                let at = (!matches!(note.what, What::Socket { .. })).then_some(note.at);
                Key::Ends(Arc::clone(&namespace), told.local, told.peer, at)
            }
        };
        let count = &mut self.count;
        let account = self.accounts.entry(key.clone()).or_insert_with(|| {
            *count += 1;
            Account::new(*count, namespace, told)
        });
        account.take(note, told);
        // Without a cookie it cannot be told whether more will come.
        let is_gone = account.is_closing() || told.cookie.is_none();
        if is_gone && !std::mem::replace(&mut account.gone, true) {
            self.gone.push_back(key);
            self.gone_count += 1;
        }
        while self.gone_count > GONE
            && let Some(oldest) = self.gone.pop_front()
        {
            self.forget(&oldest);
        }
    }

    /// A flow is no longer kept: neither are the sockets that sent its segments, where they are gone.
    pub(crate) fn let_go(&mut self, namespace: &str, flow: &Flow) {
        let namespace = self.namespace(namespace);
        let during = [flow.first_at(), flow.last_at()];
        for side in [Side::Client, Side::Server] {
            let way = [flow.endpoint(side), flow.endpoint(side.other())];
            let cookies: Vec<u64> = self.senders(flow.vantage(), way, during).collect();
            for cookie in cookies {
                let key = Key::Cookie(Arc::clone(&namespace), cookie);
                // A SYN-ACK may come from the listener, which stays.
                if self.accounts.get(&key).is_some_and(|account| account.gone) {
                    self.forget(&key);
                }
            }
        }
        if self.gone.len() > 2 * GONE {
            let accounts = &self.accounts;
            self.gone.retain(|key| accounts.contains_key(key));
        }
    }

    fn forget(&mut self, gone: &Key) {
        if self.accounts.remove(gone).is_some() {
            self.gone_count -= 1;
            self.forgotten += 1;
        }
    }

    /// A segment came from the socket with that cookie.
    pub fn sent(&mut self, segment: &Segment<'_>, cookie: u64) {
        self.senders.sent(segment, cookie);
    }

    /// What was told of each socket, in the order in which they were first told of.
    #[must_use]
    pub fn accounts(&self) -> Vec<&Account> {
        let mut accounts: Vec<&Account> = self.accounts.values().collect();
        accounts.sort_unstable_by_key(|account| account.number);
        accounts
    }

    /// The sockets that sent segments on that way between these times, the first first.
    pub(crate) fn senders(
        &self,
        vantage: u32,
        way: [Endpoint; 2],
        between: [Time; 2],
    ) -> impl Iterator<Item = u64> {
        self.senders.between(vantage, way, between)
    }

    /// Leaves out the sockets that are not wanted, as if nothing had been told of them.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Account) -> bool) {
        self.accounts.retain(|_, account| wanted(account));
    }

    /// Sockets that are gone and not in [`Kernel::accounts`]: there were more than [`GONE`], or their
    /// flows were let go.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Few namespaces, many notes: each name is kept once.
    fn namespace(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.namespaces.iter().find(|known| &***known == name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.namespaces.push(Arc::clone(&name));
        name
    }
}
