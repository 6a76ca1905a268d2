//! The end of a run: captures stopped, tracer and counters read, the truth written down.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    sync::atomic::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::{
    capture::{Capture, Vantage},
    chains,
    counters::{self, Counters},
    envoy,
    joiner::{Joiner, Translation},
    live::{Live, Watched, every_interface},
    path::{HEALED, SEVERED},
    process::run,
    rig::Lab,
    scenarios::Scenario,
    sockets::Sockets,
    trace::{Event, What},
    truth::{Connection, Truth, VantageTruth},
    wait,
};

const CUT: &str = "hopscope: captures end";

/// What came of a run.
#[derive(Debug)]
pub struct Finished {
    /// The truth at the vantages of the captures.
    pub truth: Truth,
    /// The truth at every interface, to judge what was watched.
    pub everywhere: Truth,
    /// What watched beside the captures.
    pub watched: Vec<Watched>,
}

/// How long is waited for a moment without probes.
const PROBES: Duration = Duration::from_secs(3);

/// Whether a keepalive timer of a socket in `/proc/net/tcp` goes off within 1.2 s.
fn probes_soon(table: &str) -> bool {
    table.lines().skip(1).any(|line| {
        // Kind and time of the timer: 2 is that of keepalive probes; in hundredths of a second.
        let timer = line.split_whitespace().nth(5);
        let due = timer.and_then(|timer| timer.strip_prefix("02:"));
        due.and_then(|due| u64::from_str_radix(due, 16).ok())
            .is_some_and(|due| due < 120)
    })
}

impl Lab {
    /// Stops the captures, and what watches beside them, and writes down the truth.
    ///
    /// # Errors
    /// When tracer and captures do not cover the same: then the recording is worth nothing.
    pub fn finish(&mut self, scenario: &Scenario) -> Result<Finished> {
        self.settle()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        self.trace.mark(CUT)?;
        let ended = jiff::Timestamp::now();
        self.live.iter().for_each(Live::interrupt);
        self.captures.iter().for_each(Capture::interrupt);
        let after = self.counters()?;
        let mut vantages = BTreeMap::new();
        for capture in self.captures.drain(..) {
            let vantage = capture.vantage;
            let dropped = capture.stop()?;
            vantages.insert(vantage.name.to_owned(), VantageTruth::new(vantage, dropped));
        }
        let results = self.results();
        let live = self.live.drain(..);
        let watched = live
            .map(|live| live.end(&self.net, &results))
            .collect::<Result<_>>()?;
        let events = self.trace.stop()?;
        let events = self.until_cut(&events, now.as_secs_f64())?;
        for (_, mut server) in self.servers.drain(..) {
            server.stop(Signal::TERM)?;
        }
        self.copy_logs()?;
        let namespaces = self.counted(&after);
        let everywhere = every_interface(scenario.nodes);
        let [connections, at_interfaces] =
            self.connections(&events, &namespaces, [scenario.vantages, everywhere])?;
        let truth = Truth {
            scenario: scenario.name.to_owned(),
            description: scenario.description.to_owned(),
            cause: scenario.cause.to_owned(),
            ended_by_node: scenario.ended_by.map(str::to_owned),
            alarm: scenario.alarm,
            accepted: accepted(scenario),
            software: software(),
            started: self.started.to_string(),
            ended: ended.to_string(),
            nodes: scenario.nodes.iter().map(|&node| node.to_owned()).collect(),
            chains: chains::derive(&results, &connections, self.started)?,
            vantages,
            connections,
            namespaces,
        };
        truth.write(&results)?;
        let interfaces = everywhere.iter();
        Ok(Finished {
            everywhere: Truth {
                vantages: interfaces
                    .map(|vantage| (vantage.name.to_owned(), VantageTruth::new(*vantage, 0)))
                    .collect(),
                connections: at_interfaces,
                ..truth.clone()
            },
            truth,
            watched,
        })
    }

    /// Every connection, with the vantages at which it is to be seen out of each of these lists.
    fn connections(
        &self,
        events: &[Event],
        counters: &BTreeMap<String, Counters>,
        lists: [&'static [Vantage]; 2],
    ) -> Result<[Vec<Connection>; 2]> {
        let mut sockets = Sockets::read(events, self.served.iter().copied().collect());
        sockets.retain(|socket| self.ours(socket.local, socket.remote));
        let marked = |mark: &str| {
            let is = |event: &&Event| matches!(&event.what, What::Mark(m) if m.contains(mark));
            events.iter().find(is).map(|event| event.at)
        };
        let until = marked(HEALED).unwrap_or(f64::INFINITY);
        let severed = marked(SEVERED).map(|since| since..until);
        let nat = self.translations()?;
        Ok(lists.map(|vantages| {
            let joiner = Joiner {
                severed: self.severed.zip(severed.clone()),
                net: &self.net,
                vantages,
                nat: &nat,
                redirect: self.redirect,
                counters,
                epoch: self.epoch,
            };
            joiner.connections(&sockets)
        }))
    }

    /// What each namespace's kernel counted since the captures began.
    fn counted(&self, after: &BTreeMap<String, Counters>) -> BTreeMap<String, Counters> {
        let since = |(node, after): (&String, &Counters)| {
            let before = &self.before[node];
            (node.clone(), counters::difference(before, after))
        };
        after.iter().map(since).collect()
    }

    /// Gives segments on their way a moment to arrive; what a dead path holds up never does. For
    /// those that watch beside the captures and are to see the same.
    ///
    /// # Errors
    /// When the lab is interrupted.
    pub fn settle(&self) -> Result<()> {
        let moving = |table: &str| {
            table.lines().skip(1).any(|line| {
                let state = line.split_whitespace().nth(3);
                // SYN_SENT, SYN_RECV, FIN_WAIT1, LAST_ACK, CLOSING.
                state.is_some_and(|state| ["02", "03", "04", "09", "0B"].contains(&state))
            })
        };
        let quiet = wait::until("connections to settle", Duration::from_secs(1), || {
            for node in &self.net.nodes {
                if moving(&node.proc_net("tcp")?) || moving(&node.proc_net("tcp6")?) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        });
        if quiet.is_err() && wait::interrupted().load(Ordering::Relaxed) {
            return quiet;
        }
        // Until all have stopped no probe may come, where that can be had.
        let _busy = wait::until("keepalive timers to be far", PROBES, || {
            for node in &self.net.nodes {
                if probes_soon(&node.proc_net("tcp")?) || probes_soon(&node.proc_net("tcp6")?) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        });
        // tcpdump reads each packet as it comes; a delayed ACK comes within 40 ms.
        wait::pause(Duration::from_millis(200))
    }

    /// The events before the captures were stopped; afterwards nothing may have been closed.
    fn until_cut(&mut self, events: &[Event], now: f64) -> Result<Vec<Event>> {
        let is_cut = |event: &Event| matches!(&event.what, What::Mark(text) if text.contains(CUT));
        let cut = events
            .iter()
            .position(is_cut)
            .context("the tracer lost the lab's mark: run again")?;
        self.epoch = now - events[cut].at;
        for event in &events[cut..] {
            if let What::State { local, remote, .. } = event.what
                && self.ours(local, remote)
            {
                bail!("{local} -> {remote} changed state while captures were ending: run again");
            }
        }
        Ok(events[..cut].to_vec())
    }

    /// Whether both ends belong to this lab (another may run beside it in other addresses).
    fn ours(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        let owned = |at: SocketAddr| self.net.owner(at.ip()).is_some();
        let loopback = |at: SocketAddr| self.net.is_loopback(at.ip());
        owned(local) && owned(remote) && !(loopback(local) && loopback(remote))
    }

    /// What a router named `nat` translated, as its conntrack table has it.
    fn translations(&self) -> Result<Vec<Translation>> {
        let Ok(node) = self.net.node("nat") else {
            return Ok(Vec::new());
        };
        let table = node.proc_net("nf_conntrack")?;
        Ok(table.lines().filter_map(translation).collect())
    }

    fn copy_logs(&self) -> Result<()> {
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        for (file, name) in &self.kept {
            let text = fs::read_to_string(file)
                .with_context(|| format!("reading the log {}", file.display()))?;
            texts.entry(name).or_default().push_str(&text);
        }
        for (name, text) in texts {
            fs::write(self.results().join(format!("{name}.log")), text)
                .with_context(|| format!("writing {name}.log"))?;
        }
        Ok(())
    }
}

pub(super) fn accepted(scenario: &Scenario) -> Vec<String> {
    scenario
        .accepted
        .iter()
        .map(|&cause| cause.to_owned())
        .collect()
}

/// A line of /proc/net/nf_conntrack: the tuple of the request, then the tuple of the answer.
fn translation(line: &str) -> Option<Translation> {
    let values = |key: &str| -> Vec<&str> {
        let words = line.split_whitespace();
        words.filter_map(|word| word.strip_prefix(key)).collect()
    };
    let (src, dst) = (values("src="), values("dst="));
    let (sport, dport) = (values("sport="), values("dport="));
    let at = |addr: &[&str], port: &[&str], index: usize| -> Option<SocketAddr> {
        let addr = addr.get(index)?.parse().ok()?;
        Some(SocketAddr::new(addr, port.get(index)?.parse().ok()?))
    };
    Some(Translation {
        before: (at(&src, &sport, 0)?, at(&dst, &dport, 0)?),
        after: (at(&dst, &dport, 1)?, at(&src, &sport, 1)?),
    })
}

fn software() -> BTreeMap<String, String> {
    let first = |program: &str, args: &[&str]| {
        let said = run(program, args).unwrap_or_default();
        said.lines()
            .find(|line| !line.is_empty())
            .unwrap_or("unknown")
            .trim()
            .to_owned()
    };
    let envoy = envoy::binary().unwrap_or_default();
    BTreeMap::from([
        ("curl".to_owned(), first("curl", &["--version"])),
        (
            "envoy".to_owned(),
            first(&envoy.to_string_lossy(), &["--version"]),
        ),
        ("haproxy".to_owned(), first("haproxy", &["-v"])),
        ("kernel".to_owned(), first("uname", &["-sr"])),
        ("tcpdump".to_owned(), first("tcpdump", &["--version"])),
    ])
}
