//! Ports, filters and VLAN tags.

use std::path::Path;

use etherparse::{PacketBuilder, VlanId};
use hopscope_tests::watching::Watching;
use pcap::Capture;
use serde_json::Value;
use tracer::netns::Namespace;

use super::{APP, BACKENDS, Outcome, Pair, flows, named};

#[test]
fn ports_and_filters_leave_out_the_rest() -> Outcome {
    for backend in BACKENDS {
        ports_and_filters_leave_out_the_rest_by(backend)?;
    }
    Ok(())
}

fn ports_and_filters_leave_out_the_rest_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-ports-{backend}"))? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let app = APP.to_string();
    let cases: [(&[&str], usize); 5] = [
        (&["--port", &app], 1),
        (&["--port", "1", "--port", &app], 1),
        (&["--port", "1"], 0),
        (&["-f", "dst port 8087"], 1),
        (&["-f", "ip6 or vlan 7"], 0),
    ];
    for (filter, expected) in cases {
        let arguments = ["--backend", backend, "--format=json", "--netns", ns];
        let watching = Watching::start(&[&arguments, filter].concat())?;
        pair.curl(&[&pair.url("/ok")?])?;
        let told = watching.interrupt()?;
        let report: Value = serde_json::from_str(&told.out)?;
        let flows = flows(&report, &named(ns, "eth0"));
        assert_eq!(flows.len(), expected, "{filter:?}: {flows:#?}");
        if let ["-f", "dst port 8087"] = filter {
            assert_eq!(flows[0]["segments"]["server"], 0, "one direction only");
        }
    }
    Ok(())
}

/// Frames behind one VLAN tag or two are seen, by their port, too. The kernel keeps a tag beside the
/// frame, where a filter that only looks at bytes does not see it.
#[test]
fn vlan_tags_are_seen_through() -> Outcome {
    for backend in BACKENDS {
        vlan_tags_are_seen_through_by(backend)?;
    }
    Ok(())
}

fn vlan_tags_are_seen_through_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-vlan-{backend}"))? else {
        return Ok(());
    };
    let (ns, pod) = (pair.ns("client")?, pair.ns("pod")?);
    for filter in [&[][..], &["--port=80"], &["-f", "ether src 2:0:0:0:0:1"]] {
        let arguments = ["--backend", backend, "--format=json", "--netns", pod];
        let watching = Watching::start(&[&arguments, filter].concat())?;
        let namespace = Namespace::open(&Path::new("/run/netns").join(ns), ns)?;
        namespace.within(send_tagged)??;
        let told = watching.interrupt()?;
        let report: Value = serde_json::from_str(&told.out)?;
        let flows = flows(&report, &named(pod, "eth0"));
        let clients: Vec<&Value> = flows.iter().map(|flow| &flow["client"]).collect();
        assert_eq!(
            clients,
            ["192.0.2.0:1000", "192.0.2.1:1000", "192.0.2.2:1000"],
            "{filter:?}"
        );
    }
    Ok(())
}

/// SYNs with no tag, one and two.
fn send_tagged() -> Result<(), String> {
    let mut eth0 = Capture::from_device("eth0")
        .and_then(Capture::open)
        .map_err(|error| error.to_string())?;
    let tag = |id: u16| VlanId::try_new(id).unwrap_or_default();
    for tags in 0..3 {
        let frame = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let frame = match tags {
            0 => frame.ipv4([192, 0, 2, 0], [192, 0, 2, 9], 64),
            1 => frame
                .single_vlan(tag(7))
                .ipv4([192, 0, 2, 1], [192, 0, 2, 9], 64),
            _ => frame
                .double_vlan(tag(7), tag(8))
                .ipv4([192, 0, 2, 2], [192, 0, 2, 9], 64),
        };
        let mut bytes = Vec::new();
        let syn = frame.tcp(1000, 80, 1, 1024).syn();
        syn.write(&mut bytes, &[])
            .map_err(|error| error.to_string())?;
        eth0.sendpacket(bytes).map_err(|error| error.to_string())?;
    }
    Ok(())
}
