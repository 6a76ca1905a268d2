//! The sockets that are there when watching begins and when it ends: tracing tells what becomes of
//! sockets, and nothing becomes of those that stay as they are.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::{io, thread};

use rustix::time::{ClockId, clock_gettime};

use super::{Item, Settings, Sink};
use crate::netns::Namespace;
use crate::note::{Moment, Note, What};
use crate::segment::Endpoint;
use crate::socket::{Socket, State};
use crate::survey::{Method, Survey, SurveyError, survey};
use crate::time::Time;

/// What was there at some time, or why that is not known.
type Looked = Result<(Time, Vec<Survey>), SurveyError>;

/// Looks at sockets while watching goes on: going through all processes for their owners takes long on
/// large machines.
pub(super) struct Standing {
    first: Option<JoinHandle<Looked>>,
    ports: Vec<u16>,
}

impl Standing {
    /// Begins to look.
    pub(super) fn look(namespaces: Vec<Namespace>, settings: &Settings) -> io::Result<Self> {
        let look = move || look(&namespaces);
        let thread = thread::Builder::new().name("sockets".to_owned());
        Ok(Self {
            first: Some(thread.spawn(look)?),
            ports: settings.ports.clone(),
        })
    }

    /// Yields those that were there when watching began, once that is known, or now that it ends. Why
    /// it is not known.
    pub(super) fn found(&mut self, at_end: bool, sink: Sink<'_>) -> Option<String> {
        let first = self.first.take_if(|first| at_end || first.is_finished())?;
        // It has panicked otherwise, which has been said.
        let looked = first.join().ok()?;
        self.tell(looked, Moment::Found, sink)
    }

    /// Yields those that are there now. Why they are not known.
    pub(super) fn left(&self, namespaces: &[Namespace], sink: Sink<'_>) -> Option<String> {
        self.tell(look(namespaces), Moment::Left, sink)
    }

    fn tell(&self, looked: Looked, moment: Moment, sink: Sink<'_>) -> Option<String> {
        let (at, surveys) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                let when = match moment {
                    Moment::Left => "when watching ended",
                    _ => "when watching began",
                };
                return Some(format!("not told: sockets that were there {when}: {error}"));
            }
        };
        for survey in surveys {
            let namespace: Arc<str> = survey.namespace.into();
            let listeners = listeners(&survey.sockets);
            for socket in survey.sockets {
                if self.is_wanted(&socket) {
                    // A parent's ten thousand connections in each of its children say nothing more.
                    let also_held_by = Vec::new();
                    let accepted = Some(listeners.iter().any(|end| is_at(*end, socket.local)));
                    let socket = Arc::new(Socket {
                        also_held_by,
                        accepted,
                        ..socket
                    });
                    sink(Item::Note(&Note {
                        at,
                        namespace: Arc::clone(&namespace),
                        what: What::Socket { moment, socket },
                    }));
                }
            }
        }
        None
    }

    /// Connections, as tracing tells them: listeners have none, and what is in TIME-WAIT has no socket.
    fn is_wanted(&self, socket: &Socket) -> bool {
        let Some(peer) = socket.peer else {
            return false;
        };
        let passed = |state| matches!(state, State::TimeWait | State::SynReceived | State::Listen);
        let ports = [socket.local.port(), peer.port()];
        !passed(socket.state)
            && (self.ports.is_empty() || ports.iter().any(|port| self.ports.contains(port)))
    }
}

/// Where sockets listen.
fn listeners(sockets: &[Socket]) -> Vec<Endpoint> {
    let listening = sockets
        .iter()
        .filter(|socket| socket.state == State::Listen);
    let mut ends: Vec<Endpoint> = listening.map(|socket| socket.local).collect();
    // Several may share a port (SO_REUSEPORT).
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Whether what listens there accepts connections to that end.
fn is_at(listener: Endpoint, local: Endpoint) -> bool {
    let address = listener.address();
    listener.port() == local.port() && (address.is_unspecified() || address == local.address())
}

/// All sockets, and the time before which they were there.
fn look(namespaces: &[Namespace]) -> Looked {
    let now = clock_gettime(ClockId::Realtime);
    let at = Time::from_nanos(now.tv_sec * 1_000_000_000 + now.tv_nsec);
    Ok((at, survey(namespaces, Method::Auto)?))
}
