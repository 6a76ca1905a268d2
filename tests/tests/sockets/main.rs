//! `hopscope sockets` on live sockets in namespaces of their own: what it says must be what the
//! process that holds a socket is told by getsockopt, in whichever way it was read.

mod kinds;
mod output;
mod proxies;
mod refusals;
mod stage;
mod targets;
mod threads;
