//! Sockets for people: who holds them, and which options are in effect.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use tracer::socket::{Options, Origin, Reading, Socket, State, TimerKind};
use tracer::survey::Survey;

use super::grid::{self, Column, Kind};
use super::table::{HEADING, WARNING};
use super::units::{count, seconds};
use super::{columns, harmless};

/// Stands where nothing is to be told.
const NOTHING: &str = "-";
/// Stands for a value that was not read.
const NOT_READ: &str = "?";

/// After a value that the socket may not hold itself: where it comes from.
const MARKS: [(char, &str); 3] = [
    (
        '*',
        "the namespace's default: the socket holds no value of its own",
    ),
    (
        '~',
        "equals the namespace's default: whether the socket holds it itself is not told by getsockopt",
    ),
    (
        '^',
        "whether the socket holds it itself or has it from an earlier default is not told",
    ),
];

/// A heading and what stands under it.
struct Heading {
    name: &'static str,
    kind: Kind,
    cell: fn(&Socket) -> String,
}

const HEADINGS: [Heading; 15] = [
    heading("local", Kind::Fixed, |socket| socket.local.to_string()),
    heading("peer", Kind::Fixed, |socket| {
        socket
            .peer
            .map_or(NOTHING.to_owned(), |peer| peer.to_string())
    }),
    heading("state", Kind::Fixed, |socket| {
        state(socket.state).to_owned()
    }),
    heading("owner", Kind::Fixed, owner),
    heading("keepalive", Kind::Fixed, |socket| {
        cell(&socket.options.keepalive, |on| switch(*on))
    }),
    heading("idle", Kind::Spare, |socket| {
        probing(&socket.options, |options| marked(&options.keepidle, time))
    }),
    heading("interval", Kind::Spare, |socket| {
        probing(&socket.options, |options| marked(&options.keepintvl, time))
    }),
    heading("count", Kind::Spare, |socket| {
        probing(&socket.options, |options| {
            marked(&options.keepcnt, u32::to_string)
        })
    }),
    heading("user timeout", Kind::Spare, |socket| {
        cell(&socket.options.user_timeout, time_or_off)
    }),
    heading("timer", Kind::Spare, timer),
    heading("linger", Kind::Spare, |socket| {
        cell(&socket.options.linger, |linger| {
            linger.as_ref().map_or("off".to_owned(), time)
        })
    }),
    heading("nodelay", Kind::Spare, |socket| {
        cell(&socket.options.nodelay, |on| switch(*on))
    }),
    heading("defer accept", Kind::Spare, |socket| {
        cell(&socket.options.defer_accept, time_or_off)
    }),
    heading("congestion", Kind::Spare, |socket| {
        marked(&socket.options.congestion, |name| harmless(name))
    }),
    heading("queues in / out", Kind::Spare, |socket| {
        socket.queues.map_or(NOTHING.to_owned(), |queues| {
            format!("{} / {}", queues.receive, queues.send)
        })
    }),
];

const fn heading(name: &'static str, kind: Kind, cell: fn(&Socket) -> String) -> Heading {
    Heading { name, kind, cell }
}

/// A socket and the namespace that it is in.
type Row<'a> = (&'a Survey, &'a Socket);

/// One line a socket, then what the marks mean and what could not be read; with `all` those in
/// TIME-WAIT as well.
pub(crate) fn sockets(surveys: &[Survey], all: bool) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let every: Vec<Row<'_>> = surveys
        .iter()
        .flat_map(|survey| survey.sockets.iter().map(move |socket| (survey, socket)))
        .collect();
    let shown: Vec<Row<'_>> = every
        .iter()
        .filter(|(_, socket)| all || socket.state != State::TimeWait)
        .copied()
        .collect();
    writeln!(
        out,
        "{HEADING}SOCKETS{HEADING:#}  {}",
        heads(every.len(), shown.len())
    )?;
    if !shown.is_empty() {
        let drawn = grid::draw(table(&shown, surveys.len() > 1), columns());
        writeln!(out, "{}", drawn.text)?;
        for (mark, meaning) in MARKS {
            if drawn.text.contains(mark) {
                writeln!(out, "{mark} {meaning}")?;
            }
        }
        if !drawn.left_out.is_empty() {
            let left_out = format!("no room for: {}", drawn.left_out.join(", "));
            writeln!(out, "{}", textwrap::fill(&left_out, columns()))?;
        }
    }
    for line in not_read(&shown).chain(remarks(surveys)) {
        writeln!(out, "{WARNING}note{WARNING:#}  {line}")?;
    }
    Ok(())
}

fn heads(every: usize, shown: usize) -> String {
    match (every, every - shown) {
        (0, _) => "none".to_owned(),
        (_, 0) => shown.to_string(),
        (every, hidden) => format!("{shown} of {every}; {hidden} in TIME-WAIT: --all shows them"),
    }
}

fn table(rows: &[Row<'_>], several: bool) -> Vec<Column> {
    let vantage = several.then(|| {
        let names = rows.iter().map(|(survey, _)| harmless(&survey.namespace));
        column("vantage", Kind::Fixed, names)
    });
    let others = HEADINGS.iter().map(|heading| {
        let cells = rows.iter().map(|(_, socket)| (heading.cell)(socket));
        column(heading.name, heading.kind, cells)
    });
    vantage.into_iter().chain(others).collect()
}

fn column(name: &str, kind: Kind, cells: impl Iterator<Item = String>) -> Column {
    let cells = std::iter::once(name.to_owned()).chain(cells).collect();
    Column { cells, kind }
}

/// As `ss` and `netstat` abbreviate them.
const fn state(state: State) -> &'static str {
    match state {
        State::Established => "ESTAB",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECV",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::TimeWait => "TIME-WAIT",
        State::Closed => "CLOSED",
        State::CloseWait => "CLOSE-WAIT",
        State::LastAck => "LAST-ACK",
        State::Listen => "LISTEN",
        State::Closing => "CLOSING",
    }
}

fn owner(socket: &Socket) -> String {
    match &socket.owner {
        Some(owner) => {
            let more = match socket.also_held_by.len() {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            format!("{}/{}{more}", harmless(&owner.comm), owner.pid)
        }
        // One that nobody holds has no inode any more.
        None if socket.inode.is_some() => NOT_READ.to_owned(),
        None => NOTHING.to_owned(),
    }
}

fn cell<T>(reading: &Reading<T>, text: impl FnOnce(&T) -> String) -> String {
    match reading {
        Reading::Read { value, .. } => text(value),
        Reading::NotRead { .. } => NOT_READ.to_owned(),
    }
}

/// A cell of an option for which the namespace has a default: with the mark of where it comes from.
fn marked<T>(reading: &Reading<T>, text: impl FnOnce(&T) -> String) -> String {
    let [(default, _), (equals, _), (unknown, _)] = MARKS;
    let mark = match reading {
        Reading::Read { origin, .. } => match origin {
            Origin::Socket => None,
            Origin::Default => Some(default),
            Origin::EqualsDefault => Some(equals),
            Origin::Unknown => Some(unknown),
        },
        Reading::NotRead { .. } => None,
    };
    cell(reading, text) + &mark.map(String::from).unwrap_or_default()
}

/// How probes are sent: of no interest where none are.
fn probing(options: &Options, cell: impl FnOnce(&Options) -> String) -> String {
    match options.keepalive {
        Reading::Read { value: false, .. } => NOTHING.to_owned(),
        _ => cell(options),
    }
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

/// `7 s`, `3.5 s`: to the millisecond, as they are set.
fn time(time: &Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

fn time_or_off(value: &Duration) -> String {
    if value.is_zero() {
        switch(false)
    } else {
        time(value)
    }
}

/// `keepalive 1.50 s`, `retransmit 200 ms, 2 out`.
fn timer(socket: &Socket) -> String {
    let Some(timer) = socket.timer else {
        return NOTHING.to_owned();
    };
    let kind = match timer.kind {
        TimerKind::Retransmit => "retransmit",
        TimerKind::Keepalive => "keepalive",
        TimerKind::TimeWait => "ends in",
        TimerKind::ZeroWindowProbe => "zero-window probe",
    };
    let left = seconds(timer.left.as_secs_f64());
    match timer.out {
        0 => format!("{kind} {left}"),
        out => format!("{kind} {left}, {out} out"),
    }
}

/// How many sockets have options that could not be read, and why.
fn not_read(rows: &[Row<'_>]) -> impl Iterator<Item = String> {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, socket) in rows {
        let own: BTreeSet<&str> = socket.options.reasons().flatten().collect();
        for reason in own {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let lines = reasons.into_iter().map(|(reason, sockets)| {
        let sockets = count(sockets, "socket");
        format!(
            "{NOT_READ} {sockets} with options that were not read: {}",
            harmless(reason)
        )
    });
    lines.collect::<Vec<_>>().into_iter()
}

fn remarks(surveys: &[Survey]) -> impl Iterator<Item = String> {
    surveys.iter().flat_map(|survey| {
        let of = match survey.namespace.as_str() {
            "" => String::new(),
            name => format!("{}: ", harmless(name)),
        };
        let notes = survey.notes().into_iter();
        notes.map(move |note| format!("{of}{}", harmless(&note)))
    })
}
