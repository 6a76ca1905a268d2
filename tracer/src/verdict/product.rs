//! Which program a proxy is, as far as it shows: what to set is called otherwise in each.

use super::case::Case;
use super::digest::Answer;
use crate::flow::Side;
use crate::http::Print;

/// A proxy whose settings are known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Product {
    Envoy,
    Haproxy,
    Nginx,
}

/// What to set in each.
pub(super) struct Settings {
    pub(super) envoy: String,
    pub(super) haproxy: String,
    pub(super) nginx: String,
}

/// Bodies of HAProxy's own error answers, which have no `server` header (`http_err_msgs`, src/http.c).
pub(crate) const HAPROXY_SAYS: [&str; 3] = [
    "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n",
    "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
    "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n</body></html>\n",
];

impl Product {
    /// Of the node at a side of a leg: by the process that owns its socket, or by what it says in its
    /// answers; `None` where neither tells.
    pub(super) fn of(case: &Case<'_>, leg: usize, side: Side) -> Option<Self> {
        let (asked, asks) = match side {
            Side::Server => (Some(leg), leg + 1),
            Side::Client => (leg.checked_sub(1), leg),
        };
        let asked = asked.filter(|asked| *asked < case.legs.len());
        let by_process = asked.and_then(|asked| process(case, asked, Side::Server));
        let by_process = by_process.or_else(|| process(case, asks, Side::Client));
        by_process
            .or_else(|| logged(case, leg, side))
            .or_else(|| {
                asked
                    .filter(|asked| adds(case, *asked))
                    .map(|_| Self::Envoy)
            })
            .or_else(|| said(case, asked?))
    }

    /// By the name of a process or of a server, whatever stands around it: `istio-envoy`, `nginx/1.27`.
    fn named(name: &str) -> Option<Self> {
        let known = [
            ("envoy", Self::Envoy),
            ("haproxy", Self::Haproxy),
            ("nginx", Self::Nginx),
        ];
        let found = known.iter().find(|(known, _)| name.contains(known));
        found.map(|(_, product)| *product)
    }
}

/// By the process that owns the socket at a side of a leg.
fn process(case: &Case<'_>, leg: usize, side: Side) -> Option<Product> {
    let sights = case.legs.get(leg)?.hop.sights.iter();
    let mut owners = sights.filter_map(|sight| {
        let sockets = &case.world.scene.flows[sight.flow].facts.sockets;
        let seen = sockets[sight.side(side)]?.seen.iter();
        seen.filter_map(|seen| seen.socket.owner.as_ref()).next()
    });
    owners.find_map(|owner| Product::named(&owner.comm))
}

/// By the access log that is called like the node: only Envoy tells details of the answer.
fn logged(case: &Case<'_>, leg: usize, side: Side) -> Option<Product> {
    let name = case.name(leg, side);
    let mut entries = case.entries.iter().filter(|(log, _)| log.name == name);
    entries.find_map(|(_, entry)| entry.details.as_ref().map(|_| Product::Envoy))
}

/// The server of a leg puts headers of Envoy's own (`x-envoy-expected-rq-timeout-ms`,
/// `x-envoy-attempt-count`) into the requests that it passes on, which came without.
fn adds(case: &Case<'_>, leg: usize) -> bool {
    let signed = |leg: usize| {
        let exchange = case.legs.get(leg)?.exchange?;
        let request = exchange.request.as_ref()?;
        Some(request.timeout_ms.is_some() || request.attempt.is_some())
    };
    signed(leg) == Some(false) && signed(leg + 1) == Some(true)
}

/// By what the server of a leg says. HAProxy passes on what the server behind it calls itself, so that
/// the same name there tells nothing; Envoy and nginx put their own in its place.
fn said(case: &Case<'_>, leg: usize) -> Option<Product> {
    let answers = &case.legs[leg].digest.answers;
    if answers.iter().any(is_haproxys) {
        return Some(Product::Haproxy);
    }
    let name = |answer: &Answer| answer.status.server.as_deref().and_then(Product::named);
    let own = answers.iter().rev().find_map(name)?;
    let behind = case.legs.get(leg + 1);
    let passed_on = behind.is_some_and(|behind| {
        behind
            .digest
            .answers
            .iter()
            .any(|answer| name(answer) == Some(own))
    });
    (!passed_on).then_some(own)
}

fn is_haproxys(answer: &Answer) -> bool {
    answer.status.server.is_none()
        && answer.body.is_some_and(|body| {
            HAPROXY_SAYS.iter().any(|words| {
                let mut print = Print::default();
                print.add(words.as_bytes());
                print == body
            })
        })
}

impl Settings {
    /// Lines for that product; where it is not known, for each of them.
    pub(super) fn lines(self, product: Option<Product>) -> Vec<String> {
        match product {
            Some(Product::Envoy) => vec![self.envoy],
            Some(Product::Haproxy) => vec![format!("HAProxy: {}", self.haproxy)],
            Some(Product::Nginx) => vec![format!("nginx: {}", self.nginx)],
            None => vec![
                format!("HAProxy: {}", self.haproxy),
                self.envoy,
                format!("nginx: {}", self.nginx),
            ],
        }
    }
}
