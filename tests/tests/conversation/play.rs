//! What both stacks send for each step.

use hopscope_tests::script::{Number, Sent};
use tracer::flow::{Side, Sides};
use tracer::segment::Flags;

use super::{Close, Facts, MS, SECOND, Step};

/// Two stacks at play.
pub(super) struct Play {
    pub(super) delay: i64,
    pub(super) now: i64,
    /// When each side's keepalive timer began to run.
    pub(super) heard: Sides<i64>,
    pub(super) sent: Vec<Sent>,
    pub(super) facts: Facts,
}

impl Play {
    fn send(&mut self, by: Side, flags: Flags, change: impl FnOnce(&mut Sent)) {
        let mut sent = Sent::new(self.now, by, flags);
        change(&mut sent);
        self.sent.push(sent);
    }

    fn ack(&mut self, by: Side) {
        self.now += self.delay;
        self.send(by, Flags::ACK, |_| {});
        self.heard[by.other()] = self.now;
    }

    fn data(&mut self, by: Side, bytes: u32) {
        self.facts.bytes[by] += u64::from(bytes);
        self.send(by, Flags::ACK, |sent| {
            sent.len = bytes;
            sent.payload = vec![b'.'; bytes.min(100) as usize];
        });
        self.heard[by.other()] = self.now;
    }

    pub(super) fn open(&mut self) {
        self.send(Side::Client, Flags::SYN, |_| {});
        self.now += self.delay;
        self.send(Side::Server, Flags::SYN.with(Flags::ACK), |_| {});
        self.ack(Side::Client);
        self.heard = Sides {
            client: self.now,
            server: self.now,
        };
    }

    pub(super) fn step(&mut self, step: Step) {
        self.now += 130 * MS;
        match step {
            Step::Data {
                by,
                bytes,
                segments,
            } => {
                for _ in 0..segments {
                    self.data(by, bytes);
                    self.now += 10_000;
                }
                self.ack(by.other());
            }
            Step::Retransmitted { by, bytes, times } => self.retransmitted(by, bytes, times),
            Step::Probed {
                by,
                idle,
                interval,
                answered,
                unanswered,
                garbage,
            } => {
                let len = u32::from(garbage);
                let mut next = self.heard[by] + idle;
                for number in 0..answered + unanswered {
                    self.now = self.now.max(next);
                    self.probe(by, len);
                    next = self.now + interval;
                    if number < answered {
                        self.ack(by.other());
                        next = self.now + idle.max(interval);
                    }
                }
                self.now += SECOND / 2;
            }
            Step::BothProbed { idle, probes } => self.both_probed(idle, probes),
            Step::Stalled { .. } => self.stalled(step),
        }
    }

    /// A probe goes out.
    fn probe(&mut self, by: Side, len: u32) {
        self.facts.probes.push((by, self.now));
        self.send(by, Flags::ACK, |sent| {
            sent.seq = Number::Shifted(-1);
            sent.len = len;
        });
    }

    fn retransmitted(&mut self, by: Side, bytes: u32, times: u32) {
        self.data(by, bytes);
        if let Some(sent) = self.sent.last_mut() {
            sent.lost = true;
        }
        self.facts.retransmissions[by] += u64::from(times);
        for time in 0..times {
            self.now += (210 * MS) << time;
            let back = i32::try_from(bytes).unwrap_or(0);
            self.send(by, Flags::ACK, |sent| {
                sent.seq = Number::Shifted(-back);
                sent.len = bytes;
                sent.lost = time + 1 < times;
            });
        }
        self.ack(by.other());
    }

    fn both_probed(&mut self, idle: Sides<i64>, probes: u32) {
        // Each side's timer runs since its peer was heard.
        let mut next = Sides {
            client: self.heard.client + idle.client,
            server: self.heard.server + idle.server,
        };
        for _ in 0..probes {
            let by = if next.client <= next.server {
                Side::Client
            } else {
                Side::Server
            };
            self.now = next[by].max(self.now + self.delay);
            self.probe(by, 0);
            self.ack(by.other());
            next[by] = self.now + idle[by];
        }
        self.now += SECOND / 2;
    }

    fn stalled(&mut self, step: Step) {
        let Step::Stalled {
            by,
            keepalives,
            window_probes,
            writes_after,
            timeout,
            answered,
        } = step
        else {
            return;
        };
        let peer = by.other();
        self.data(by, 1000);
        self.now += self.delay;
        self.send(peer, Flags::ACK, |sent| sent.window = Some(0));
        for _ in 0..keepalives {
            self.now += 2 * SECOND + 20 * MS;
            self.probe(by, 0);
            self.ack(peer);
        }
        self.now += writes_after;
        let mut wait = timeout;
        for _ in 0..window_probes {
            self.now += wait;
            wait *= 2;
            self.facts.window_probes[by] += 1;
            self.send(by, Flags::ACK, |sent| sent.seq = Number::Shifted(-1));
            if answered {
                self.ack(peer);
            }
        }
        self.now += 70 * MS;
        self.send(peer, Flags::ACK, |sent| sent.window = Some(500));
        self.now += self.delay;
        self.data(by, 700);
        self.ack(peer);
    }

    pub(super) fn close(&mut self, close: Close) {
        self.now += 150 * MS;
        match close {
            Close::Never => {}
            Close::Fin { by, data_after } => {
                self.fin(by);
                self.ack(by.other());
                if data_after {
                    self.now += 30 * MS;
                    self.data(by.other(), 400);
                    self.ack(by);
                }
                self.now += self.delay;
                self.fin(by.other());
                self.ack(by);
            }
            Close::Crossing => {
                self.fin(Side::Client);
                self.now += 2 * MS;
                self.fin(Side::Server);
                if let Some(sent) = self.sent.last_mut() {
                    sent.ack = Number::Shifted(-1);
                }
                self.now += 20 * MS;
                self.ack(Side::Client);
                self.ack(Side::Server);
            }
            Close::Rst { by } => self.rst(by),
            Close::FinThenRst { by, rst_by } => {
                self.fin(by);
                self.now += self.delay;
                self.rst(rst_by);
            }
        }
    }

    fn fin(&mut self, by: Side) {
        self.facts.fins.push(by);
        self.send(by, Flags::FIN.with(Flags::ACK), |_| {});
        self.heard[by.other()] = self.now;
    }

    fn rst(&mut self, by: Side) {
        self.facts.rsts.push(by);
        self.send(by, Flags::RST.with(Flags::ACK), |_| {});
    }
}
