//! What the kernel tells of sockets that end otherwise than by a FIN, with the probe.

use std::error::Error;
use std::time::Duration;

use hopscope_tests::lab::wait;
use hopscope_tests::watching::Watching;
use serde_json::{Value, json};

use super::{APP, Outcome, Pair, flows, named};

/// A port of the server that does not answer.
const SILENT: u16 = 9;

/// What is told of both ends while the client does this; `None` where the probe cannot be had.
fn watched(
    pair: &Pair,
    port: u16,
    deed: impl FnOnce() -> Outcome,
) -> Result<Option<Value>, Box<dyn Error>> {
    let (client, pod) = (pair.ns("client")?, pair.ns("pod")?);
    let port = port.to_string();
    let arguments = [
        "--backend=ebpf",
        "--format=json",
        "--port",
        &port,
        "--netns",
        client,
        "--netns",
        pod,
    ];
    let watching = match Watching::start(&arguments) {
        Ok(watching) => watching,
        Err(why) => {
            println!("skipped: the probe needs what this machine lacks: {why}");
            return Ok(None);
        }
    };
    deed()?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    Ok(Some(serde_json::from_str(&told.out)?))
}

/// Who, what, and with which error; without what segments tell as well.
fn facts(flow: &Value) -> Vec<Value> {
    let facts = flow["kernel"].as_array().into_iter().flatten();
    let facts = facts.filter(|fact| fact["what"] != "retransmitted");
    facts
        .map(|fact| json!([fact["by"], fact["what"], fact["comm"], fact["errno"]]))
        .collect()
}

/// The kernel gives a socket's port back before it tells of the reset that it sends (`tcp_disconnect`):
/// the port is told all the same, `--port` lets it pass, and the side that aborted got no error.
#[test]
fn an_abort_is_told_of_both_sides() -> Outcome {
    let Some(pair) = Pair::new("watch-abort")? else {
        return Ok(());
    };
    let url = pair.url("/reset/100")?;
    let Some(report) = watched(&pair, APP, || {
        // It fails, as it should.
        let failed = pair.curl(&[&url]);
        assert!(failed.is_err());
        Ok(())
    })?
    else {
        return Ok(());
    };
    let (client, pod) = (pair.ns("client")?, pair.ns("pod")?);
    let at_pod = flows(&report, &named(pod, "eth0"));
    assert_eq!(at_pod.len(), 1, "{report}");
    assert_eq!(
        facts(at_pod[0]),
        [
            json!(["server", "closed_by_process", "lab_peer", null]),
            json!(["server", "reset_sent", null, null]),
        ],
        "{report}"
    );
    let at_client = flows(&report, &named(client, "eth0"));
    assert_eq!(at_client.len(), 1);
    let told = facts(at_client[0]);
    assert!(
        told.contains(&json!(["client", "reset_received", null, null])),
        "{told:?}"
    );
    assert!(
        told.contains(&json!(["client", "error", null, 104])),
        "{told:?}"
    );
    assert_eq!(report["unjoined"], json!([]));
    Ok(())
}

/// Nothing on the wire says why the SYNs end.
#[test]
fn who_gave_up_connecting_is_told() -> Outcome {
    let Some(pair) = Pair::new("watch-given-up")? else {
        return Ok(());
    };
    let rules = format!(
        "add table ip quiet; add chain ip quiet in {{ type filter hook input priority 0; }}; \
         add rule ip quiet in tcp dport {SILENT} drop"
    );
    pair.net.exec("pod", &["nft", &rules])?;
    let url = format!("http://{}/", pair.net.at("pod", SILENT)?);
    let Some(report) = watched(&pair, SILENT, || {
        assert!(pair.curl(&["--connect-timeout", "0.5", &url]).is_err());
        Ok(())
    })?
    else {
        return Ok(());
    };
    let client = flows(&report, &named(pair.ns("client")?, "eth0")).len();
    assert_eq!(client, 1, "{report}");
    let flow = flows(&report, &named(pair.ns("client")?, "eth0"))[0];
    assert_eq!(flow["end"], "unanswered");
    assert_eq!(
        facts(flow),
        [json!(["client", "closed_by_process", "curl", null])],
        "{report}"
    );
    Ok(())
}

/// Refused: nobody closed, and the error is told.
#[test]
fn a_refusal_is_an_error_and_nobody_s_close() -> Outcome {
    let Some(pair) = Pair::new("watch-refusal")? else {
        return Ok(());
    };
    let url = format!("http://{}/", pair.net.at("pod", SILENT)?);
    let Some(report) = watched(&pair, SILENT, || {
        assert!(pair.curl(&[&url]).is_err());
        Ok(())
    })?
    else {
        return Ok(());
    };
    let at_client = flows(&report, &named(pair.ns("client")?, "eth0"));
    assert_eq!(at_client.len(), 1, "{report}");
    let told = facts(at_client[0]);
    assert!(
        told.contains(&json!(["client", "error", null, 111])),
        "{told:?}"
    );
    assert!(
        !told.iter().any(|fact| fact[1] == "closed_by_process"),
        "{told:?}"
    );
    Ok(())
}

/// What is left of a socket in TIME-WAIT answers with a RST: it is told of the connection that it was.
#[test]
fn a_reset_from_time_wait_is_told() -> Outcome {
    let Some(pair) = Pair::new("watch-time-wait")? else {
        return Ok(());
    };
    let url = pair.url("/sleep/1000")?;
    let Some(report) = watched(&pair, APP, || {
        assert!(pair.curl(&["--max-time", "0.3", &url]).is_err());
        // The answer comes when nobody waits any more.
        let answered = || Ok(pair.app_says("answered")?.then_some(()));
        wait::until("the app to answer", Duration::from_secs(60), answered)?;
        Ok(())
    })?
    else {
        return Ok(());
    };
    let at_client = flows(&report, &named(pair.ns("client")?, "eth0"));
    assert_eq!(at_client.len(), 1, "{report}");
    let told = facts(at_client[0]);
    for expected in [
        json!(["client", "closed_by_process", "curl", null]),
        json!(["client", "reset_sent", null, null]),
    ] {
        assert!(
            told.contains(&expected),
            "{expected} is not in {told:?}: {report}"
        );
    }
    assert_eq!(report["unjoined"], json!([]));
    Ok(())
}

/// A firewall in the server's namespace resets what its own socket never did: the same TTL, the same
/// interface, and a process that knows nothing of it.
#[test]
fn a_reset_of_a_firewall_is_not_the_servers() -> Outcome {
    let Some(pair) = Pair::new("watch-rejected")? else {
        return Ok(());
    };
    // The handshake's segments are shorter than a request.
    let rules = format!(
        "add table ip loud; add chain ip loud in {{ type filter hook input priority 0; }}; \
         add rule ip loud in tcp dport {APP} ip length > 80 reject with tcp reset"
    );
    pair.net.exec("pod", &["nft", &rules])?;
    let url = pair.url("/")?;
    let Some(report) = watched(&pair, APP, || {
        assert!(pair.curl(&[&url]).is_err());
        // The socket must be seen to live on for longer than clocks are wrong.
        wait::pause(Duration::from_millis(300))?;
        Ok(())
    })?
    else {
        return Ok(());
    };
    let verdict = &report["verdicts"][0];
    assert_eq!(verdict["cause"], "injected_reset", "{report}");
    assert_eq!(verdict["confidence"], "certain", "{report}");
    Ok(())
}

/// One process at both ends, on loopback: asks, answers and closes; with this protocol's number.
const TALK: &str = "
import socket, sys
def new(): return socket.socket(socket.AF_INET, socket.SOCK_STREAM, int(sys.argv[1]))
at = new(); at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); at.bind(('127.0.0.1', int(sys.argv[2]))); at.listen(1)
client = new(); client.connect(at.getsockname()); server, _ = at.accept()
client.sendall(b'x'); server.recv(1); server.sendall(b'y'); client.recv(1)
server.close(); client.recv(1); client.close()
";

/// MPTCP's worker closes the subflows of a process.
#[test]
fn a_kernel_thread_is_not_who_closed() -> Outcome {
    let Some(pair) = Pair::new("watch-worker")? else {
        return Ok(());
    };
    let closers = |protocol: &str| -> Result<Option<Vec<Value>>, Box<dyn Error>> {
        let port = SILENT.to_string();
        let mut talked = Ok(String::new());
        let Some(report) = watched(&pair, SILENT, || {
            talked = pair
                .net
                .exec("client", &["python3", "-c", TALK, protocol, &port]);
            // The worker closes when the process is gone.
            let open = ["ss", "-Htan", "exclude", "time-wait"];
            let over = || Ok(pair.net.exec("client", &open)?.is_empty().then_some(()));
            wait::until("the last socket to close", Duration::from_secs(60), over)?;
            Ok(())
        })?
        else {
            return Ok(None);
        };
        if let Err(why) = talked {
            let without = ["not supported", "not available"];
            let why = why.to_string();
            assert!(without.iter().any(|words| why.contains(words)), "{why}");
            println!("skipped: this kernel does without MPTCP: {why}");
            return Ok(None);
        }
        let lo = named(pair.ns("client")?, "lo");
        let all = flows(&report, &lo);
        assert_eq!(all.len(), 1, "{report}");
        let told = facts(all[0]).into_iter();
        Ok(Some(
            told.filter(|fact| fact[1] == "closed_by_process")
                .map(|mut fact| fact[2].take())
                .collect(),
        ))
    };
    if let Some(tcp) = closers("6")? {
        assert_eq!(tcp, ["python3", "python3"]);
    }
    if let Some(mptcp) = closers("262")? {
        assert!(
            mptcp.iter().all(|comm| comm == "python3"),
            "kernel threads closed: {mptcp:?}"
        );
    }
    Ok(())
}
