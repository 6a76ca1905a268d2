//! `hopscope check` and `hopscope diff`.

mod absence;
mod bad_input;
mod changed;
mod diff;
mod flows;
mod judged;
mod junit;
mod matching;
mod output;
mod pcaps;
mod sockets;
mod vantages;

type Outcome = Result<(), Box<dyn std::error::Error>>;
