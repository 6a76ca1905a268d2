//! Who is client of a connection that is older than the watch: the sockets that listened tell.

use std::sync::Arc;

use hopscope_tests::watched::{Segment, Thing, id, interface, ms, note, seen, watched};
use serde_json::{Value, json};
use tracer::note::{Moment, What};
use tracer::segment::{Endpoint, Flags};
use tracer::socket::{Socket, State};

use super::{Outcome, json as report, read, recorded};

const CALLER: Endpoint = Endpoint::v4([10, 0, 0, 1], 33_001);
const SERVICE: Endpoint = Endpoint::v4([10, 0, 0, 2], 45_000);

/// A socket that was there when watching began, and whether one listened on its own end.
fn found(namespace: &str, [local, peer]: [Endpoint; 2], accepted: bool) -> Thing {
    let what = seen(Moment::Found, id(7, local, peer), State::Established, 7);
    let What::Socket { moment, socket } = what else {
        unreachable!("it was looked at");
    };
    let accepted = Some(accepted);
    let socket = Arc::new(Socket {
        accepted,
        ..(*socket).clone()
    });
    note(ms(0), namespace, What::Socket { moment, socket })
}

/// The service sends and closes, and its port is the higher one.
fn pushed(before: Thing) -> Vec<Thing> {
    let segment = |at: i64, [from, to]: [Endpoint; 2], flags: Flags, numbers: [u32; 2], len| {
        let [seq, ack] = numbers;
        let segment = Segment {
            from,
            to,
            flags,
            seq,
            ack,
            len,
        };
        Thing::Frame(segment.frame(ms(at)))
    };
    let (forth, back) = ([CALLER, SERVICE], [SERVICE, CALLER]);
    let closing = Flags::FIN.with(Flags::ACK);
    vec![
        interface("ns", "eth0", false),
        before,
        segment(1, back, Flags::ACK, [100, 50], 20),
        segment(2, forth, Flags::ACK, [50, 120], 0),
        segment(900, back, closing, [120, 50], 0),
        segment(901, forth, closing, [50, 121], 0),
        segment(902, back, Flags::ACK, [121, 51], 0),
    ]
}

/// Client, server and who closed; and how sure the verdict is.
fn told(report: &Value) -> Value {
    let (flow, verdict) = (&report["flows"][0], &report["verdicts"][0]);
    json!([
        flow["client"],
        flow["server"],
        flow["ended_by"],
        verdict["against"].to_string().contains("port numbers")
    ])
}

#[test]
fn whoever_listens_is_the_server_also_in_the_recording() -> Outcome {
    let right = json!(["10.0.0.1:33001", "10.0.0.2:45000", "server", false]);
    for before in [
        found("ns", [SERVICE, CALLER], true),
        found("ns", [CALLER, SERVICE], false),
    ] {
        let things = pushed(before);
        assert_eq!(told(&report(watched(&things))?), right);
        assert_eq!(told(&report(read(&recorded(&things))?)?), right);
    }
    Ok(())
}

/// Sockets of another namespace say nothing of these, and without any only port numbers are left.
#[test]
fn port_numbers_alone_are_said_to_be_a_guess() -> Outcome {
    let things = pushed(found("other", [SERVICE, CALLER], true));
    let report = report(watched(&things))?;
    assert_eq!(
        told(&report),
        json!(["10.0.0.2:45000", "10.0.0.1:33001", "client", true])
    );
    assert_eq!(report["verdicts"][0]["confidence"], "possible");
    Ok(())
}
