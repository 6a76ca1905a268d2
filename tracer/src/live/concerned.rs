//! Which notes are about connections that a filter lets pass: of its frames only these are shown, so
//! only of these connections the kernel's notes are told.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::note::{Note, What};
use crate::segment::Endpoint;

/// Names that are kept of each kind: at least the latest so many, at most twice as many. Of a
/// connection with more others before its first segment that passes, earlier notes are lost.
const KEPT: usize = 1 << 16;

/// Notes that wait of one socket; more are lost. It is told of a few times in its life, but of each
/// segment that it sends again, too.
const WAITING: usize = 64;

/// Sockets that wait of one connection, the latest ones: a client that binds its port uses the same
/// ends again and again.
const SOCKETS: usize = 32;

/// Holds back notes until a segment of their connection has passed.
#[derive(Default)]
pub(super) struct Concerned {
    /// Sockets and connections of which a segment has passed.
    known: Lately<()>,
    /// What was told of sockets of which none has.
    waiting: Lately<Vec<Note>>,
    /// Sockets that wait, by their connection.
    sockets: Lately<Vec<Name>>,
    /// Names of namespaces, by their place.
    namespaces: Vec<String>,
}

/// A socket, or a connection, in a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Name {
    /// By its cookie.
    Socket(usize, u64),
    /// By its ends, the lower first.
    Ends(usize, [Endpoint; 2]),
}

impl Concerned {
    /// A segment between these ends has passed in that namespace, sent by the socket with that cookie, where it is known.
    /// The notes that waited for it, by time.
    pub(super) fn passed(
        &mut self,
        namespace: &str,
        ends: [Endpoint; 2],
        sender: Option<u64>,
    ) -> Vec<Note> {
        let place = self.place(namespace);
        let mut notes = Vec::new();
        self.know(Name::Ends(place, sorted(ends)), &mut notes);
        if let Some(cookie) = sender {
            self.know(Name::Socket(place, cookie), &mut notes);
        }
        notes.sort_by_key(|note| note.at);
        notes
    }

    /// What is to be told before this note, which is to be told now; `None` where it waits.
    pub(super) fn told(&mut self, note: &Note) -> Option<Vec<Note>> {
        let place = self.place(&note.namespace);
        let (cookie, ends) = about(&note.what);
        let socket = cookie.map(|cookie| Name::Socket(place, cookie));
        let ends = ends.map(|ends| Name::Ends(place, sorted(ends)));
        let mut names = [socket, ends].into_iter().flatten();
        if names.any(|name| self.known.contains(&name)) {
            // What comes later may name it by nothing else: a socket that is closed has no port.
            let mut earlier = Vec::new();
            if let Some(socket) = socket {
                self.know(socket, &mut earlier);
            }
            return Some(earlier);
        }
        if let Some(name) = socket.or(ends) {
            let waiting = self.waiting.entry(name);
            if waiting.len() < WAITING {
                waiting.push(note.clone());
            }
        }
        if let (Some(socket), Some(ends)) = (socket, ends) {
            let sockets = self.sockets.entry(ends);
            if !sockets.contains(&socket) {
                if sockets.len() == SOCKETS {
                    sockets.remove(0);
                }
                sockets.push(socket);
            }
        }
        None
    }

    fn know(&mut self, name: Name, notes: &mut Vec<Note>) {
        let is_known = self.known.contains(&name);
        // Also to be kept as one of the latest.
        self.known.entry(name);
        if is_known {
            return;
        }
        notes.extend(self.waiting.remove(&name).into_iter().flatten());
        for socket in self.sockets.remove(&name).into_iter().flatten() {
            self.know(socket, notes);
        }
    }

    fn place(&mut self, namespace: &str) -> usize {
        let known = self.namespaces.iter().position(|known| known == namespace);
        known.unwrap_or_else(|| {
            self.namespaces.push(namespace.to_owned());
            self.namespaces.len() - 1
        })
    }
}

/// The cookie of the socket that a note is about, and both ends where it has them.
fn about(what: &What) -> (Option<u64>, Option<[Endpoint; 2]>) {
    match what {
        What::Socket { socket, .. } => {
            (socket.cookie, socket.peer.map(|peer| [socket.local, peer]))
        }
        What::Closed { socket, .. }
        | What::ResetSent { socket, .. }
        | What::ResetReceived { socket }
        | What::Retransmitted { socket }
        | What::Error { socket, .. } => (socket.cookie, Some([socket.local, socket.peer])),
    }
}

fn sorted([one, other]: [Endpoint; 2]) -> [Endpoint; 2] {
    [one.min(other), one.max(other)]
}

/// What was named lately: what was not for long is forgotten, so that memory has a bound.
struct Lately<V> {
    recent: HashMap<Name, V, RandomState>,
    older: HashMap<Name, V, RandomState>,
}

impl<V> Default for Lately<V> {
    fn default() -> Self {
        Self {
            recent: HashMap::default(),
            older: HashMap::default(),
        }
    }
}

impl<V: Default> Lately<V> {
    fn contains(&self, name: &Name) -> bool {
        self.recent.contains_key(name) || self.older.contains_key(name)
    }

    fn entry(&mut self, name: Name) -> &mut V {
        if self.recent.len() >= KEPT && !self.recent.contains_key(&name) {
            self.older = std::mem::take(&mut self.recent);
        }
        let older = &mut self.older;
        self.recent
            .entry(name)
            .or_insert_with(|| older.remove(&name).unwrap_or_default())
    }

    fn remove(&mut self, name: &Name) -> Option<V> {
        let older = self.older.remove(name);
        self.recent.remove(name).or(older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SocketId;
    use crate::time::Time;

    fn end(number: u8, port: u16) -> Endpoint {
        Endpoint::v4([10, 0, 0, number], port)
    }

    fn note(at: i64, cookie: u64, ports: [u16; 2]) -> Note {
        let socket = SocketId {
            cookie: Some(cookie),
            local: end(1, ports[0]),
            peer: end(2, ports[1]),
        };
        Note {
            at: Time::from_nanos(at),
            namespace: "a".into(),
            what: What::ResetReceived { socket },
        }
    }

    /// Of the other side, which makes no difference.
    fn segment(ports: [u16; 2]) -> [Endpoint; 2] {
        [end(2, ports[1]), end(1, ports[0])]
    }

    #[test]
    fn notes_wait_for_a_segment_of_their_connection() {
        let mut concerned = Concerned::default();
        let [first, second] = [note(1, 7, [1000, 80]), note(2, 7, [1000, 80])];
        assert_eq!(concerned.told(&second), None);
        assert_eq!(concerned.told(&first), None);
        assert_eq!(concerned.told(&note(3, 8, [1001, 80])), None);
        assert_eq!(concerned.passed("b", segment([1000, 80]), None), []);
        let told = concerned.passed("a", segment([1000, 80]), None);
        assert_eq!(told, [first, second], "by time");
        assert_eq!(concerned.passed("a", segment([1000, 80]), None), []);
        // A socket that is closed has no port any more.
        assert_eq!(concerned.told(&note(4, 7, [0, 0])), Some(Vec::new()));
        assert_eq!(concerned.told(&note(5, 8, [1001, 80])), None);
    }

    /// Address translation changes the ends of segments, but not whose socket sent them.
    #[test]
    fn notes_are_known_by_the_socket_that_sent() {
        let mut concerned = Concerned::default();
        let waiting = note(1, 7, [1000, 7003]);
        assert_eq!(concerned.told(&waiting), None);
        let told = concerned.passed("a", segment([1000, 81]), Some(7));
        assert_eq!(told, [waiting]);
        assert_eq!(concerned.told(&note(2, 7, [1000, 7003])), Some(Vec::new()));
    }

    #[test]
    fn what_waits_has_a_bound() {
        let mut concerned = Concerned::default();
        for cookie in 0..3 * KEPT as u64 {
            assert_eq!(concerned.told(&note(1, cookie, [1000, 80])), None);
        }
        for at in 0..1000 {
            assert_eq!(concerned.told(&note(at, 5, [1001, 80])), None);
        }
        let waiting = &concerned.waiting;
        assert!(waiting.recent.len() + waiting.older.len() <= 2 * KEPT);
        let mut sockets = concerned.sockets.recent.values();
        assert!(sockets.all(|sockets| sockets.len() <= SOCKETS));
        let told = concerned.passed("a", segment([1001, 80]), None);
        assert_eq!(told.len(), WAITING);
    }
}
