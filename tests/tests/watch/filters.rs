//! Ports, filters and VLAN tags.

use std::path::Path;
use std::time::Duration;

use etherparse::{IpNumber, PacketBuilder, VlanId};
use hopscope_tests::binary::hopscope;
use hopscope_tests::lab::process::Process;
use hopscope_tests::lab::{self, wait};
use hopscope_tests::watching::{Watching, objects};
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

/// What a tunnel carries is seen behind its headers, and ports are those of the inside: the outside
/// has none, or others.
#[test]
fn tunnels_are_seen_through() -> Outcome {
    for backend in BACKENDS {
        tunnels_are_seen_through_by(backend)?;
    }
    Ok(())
}

fn tunnels_are_seen_through_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-tunnel-{backend}"))? else {
        return Ok(());
    };
    let (ns, pod) = (pair.ns("client")?, pair.ns("pod")?);
    // Each sends to port 80 but the last, which is to port 4789 of TCP.
    let inside = [
        "ipip", "6in4", "gre", "vxlan", "flannel", "geneve", "6to6", "hop",
    ];
    let cases = [
        (&[][..], inside.len() + 1),
        (&["--port=80"], inside.len()),
        (&["--port=4789"], 1),
        (&["--port=81"], 0),
        (&["-f", "udp"], 3),
        (&["--port=80", "-f", "ip proto 47"], 1),
    ];
    for (filter, expected) in cases {
        let arguments = ["--backend", backend, "--format=json", "--netns", pod];
        let watching = Watching::start(&[&arguments, filter].concat())?;
        let namespace = Namespace::open(&Path::new("/run/netns").join(ns), ns)?;
        namespace.within(send_tunnelled)??;
        let told = watching.interrupt()?;
        let report: Value = serde_json::from_str(&told.out)?;
        let flows = flows(&report, &named(pod, "eth0"));
        let clients: Vec<&Value> = flows.iter().map(|flow| &flow["client"]).collect();
        assert_eq!(clients.len(), expected, "{backend} {filter:?}: {clients:?}");
    }
    Ok(())
}

/// A SYN in each kind of tunnel, behind an IPv6 extension header, and in no tunnel; and datagrams that
/// look like a tunnel and hold no TCP.
fn send_tunnelled() -> Result<(), String> {
    let syn = |number: u8, port: u16| -> Result<Vec<u8>, String> {
        let inner = PacketBuilder::ipv4([192, 0, 2, number], [192, 0, 2, 99], 64);
        written(|to| inner.tcp(1000, port, 1, 1024).syn().write(to, &[]))
    };
    let framed = |number| -> Result<Vec<u8>, String> {
        let inner = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4]);
        let inner = inner.ipv4([192, 0, 2, number], [192, 0, 2, 99], 64);
        written(|to| inner.tcp(1000, 80, 1, 1024).syn().write(to, &[]))
    };
    let syn6 = |number: u8| -> Result<Vec<u8>, String> {
        let inner = PacketBuilder::ipv6(v6(number), v6(99), 64);
        written(|to| inner.tcp(1000, 80, 1, 1024).syn().write(to, &[]))
    };
    let vxlan = [0x08, 0, 0, 0, 0, 0, 7, 0];
    let geneve = [0, 0, 0x08, 0x00, 0, 0, 7, 0];
    let frames = [
        over_ipv4(4, &syn(1, 80)?)?,
        over_ipv4(41, &syn6(2)?)?,
        over_ipv4(47, &[&[0, 0, 0x08, 0x00], &syn(3, 80)?[..]].concat())?,
        over_udp(4789, &[&vxlan, &framed(4)?[..]].concat())?,
        over_udp(8472, &[&vxlan, &framed(5)?[..]].concat())?,
        over_udp(6081, &[&geneve, &syn(6, 80)?[..]].concat())?,
        over_ipv6(41, &syn6(7)?)?,
        // Hop-by-hop options: six bytes of padding before TCP.
        over_ipv6(0, &[&[6, 0, 1, 4, 0, 0, 0, 0], &syn6(8)?[40..]].concat())?,
        over_udp(4789, b"not VXLAN")?,
        over_udp(6081, &[0xff; 40])?,
        over_udp(80, &syn(9, 80)?)?,
        [&ETHERNET[..], &[0x08, 0x00], &syn(10, 4789)?[..]].concat(),
    ];
    let mut eth0 = Capture::from_device("eth0")
        .and_then(Capture::open)
        .map_err(|error| error.to_string())?;
    for frame in frames {
        eth0.sendpacket(frame).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Both addresses.
const ETHERNET: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

fn v6(number: u8) -> [u8; 16] {
    let mut address = [0; 16];
    (address[0], address[1], address[15]) = (0xfd, 0x01, number);
    address
}

fn over_udp(port: u16, inside: &[u8]) -> Result<Vec<u8>, String> {
    let outer = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let outer = outer.ipv4([10, 1, 1, 1], [10, 1, 1, 2], 64);
    written(|to| outer.udp(50_000, port).write(to, inside))
}

fn over_ipv4(protocol: u8, inside: &[u8]) -> Result<Vec<u8>, String> {
    let outer = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let outer = outer.ipv4([10, 1, 1, 1], [10, 1, 1, 2], 64);
    written(|to| outer.write(to, IpNumber(protocol), inside))
}

fn over_ipv6(next: u8, inside: &[u8]) -> Result<Vec<u8>, String> {
    let length = u16::try_from(inside.len()).map_err(|error| error.to_string())?;
    let [high, low] = length.to_be_bytes();
    let head = [0x60, 0, 0, 0, high, low, next, 64];
    Ok([&ETHERNET[..], &[0x86, 0xdd], &head, &v6(8), &v6(98), inside].concat())
}

fn written<E: ToString>(
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The kernel tells of all sockets: of those whose connection the filter leaves out nothing is told,
/// neither live nor in the report, nor in a recording.
#[test]
fn notes_are_about_connections_that_pass_the_filter() -> Outcome {
    let Some(pair) = Pair::new("watch-notes-filtered")? else {
        return Ok(());
    };
    let (client, pod) = (pair.ns("client")?, pair.ns("pod")?);
    let peer = lab::rig::peer()?.to_string_lossy().into_owned();
    let other = pair.net.at("pod", APP + 1)?.to_string();
    let _other = Process::spawn(pod, "other", &[&*peer, "app", &other], pair.logs.path())?;
    let port = format!(":{:04X} ", APP + 1);
    wait::until("the other to listen", Duration::from_secs(60), || {
        let table = pair.net.node("pod")?.proc_net("tcp")?;
        Ok(table.contains(&port).then_some(()))
    })?;
    let closed = format!("http://{}/", pair.net.at("pod", 9)?);
    let other = format!("http://{other}/ok");
    let app = format!("tcp port {APP}");
    // What a filter lets pass of one direction only is a connection of it all the same.
    let cases = [
        (None, true),
        (Some(app), false),
        (Some(format!("dst port {APP}")), false),
    ];
    for (filter, all) in cases {
        let recording = pair.logs.path().join("recorded.pcapng");
        let recording = recording.to_string_lossy();
        let filter = filter
            .as_ref()
            .map_or(vec!["-w", &recording], |filter| vec!["-f", filter]);
        let arguments = ["--backend=ebpf", "--format=ndjson", "--netns", client];
        let arguments = [&arguments[..], &["--netns", pod], &filter].concat();
        let mut watching = match Watching::start(&arguments) {
            Ok(watching) => watching,
            Err(why) => {
                println!("skipped: the probe needs what this machine lacks: {why}");
                return Ok(());
            }
        };
        assert!(pair.curl(&[&closed]).is_err(), "nobody listens there");
        pair.curl(&[&other])?;
        pair.curl(&[&pair.url("/ok")?])?;
        watching.until("it is told who closed", |out, _| {
            out.contains("\"what\":\"closed\"")
        })?;
        let told = watching.interrupt()?;
        let lines = objects(&told.out)?;
        let of = |kind: &str| -> Vec<&Value> {
            lines.iter().filter(|line| line["type"] == kind).collect()
        };
        let strange = |lines: Vec<&Value>| {
            let ends = |line: &Value| {
                let socket = line.get("socket").unwrap_or(line);
                [&socket["local"], &socket["peer"]].map(ToString::to_string)
            };
            let app = format!(":{APP}\"");
            let mut lines = lines.into_iter();
            lines.any(|line| !ends(line).iter().any(|end| end.ends_with(&app)))
        };
        if all {
            let kept = recorded(&recording, APP)?;
            assert_eq!(kept, [true, true], "read with a filter");
        }
        assert_eq!(strange(of("note")), all, "{filter:?}: {:#?}", of("note"));
        assert_eq!(strange(of("socket")), all, "{filter:?}");
        assert!(!of("socket").is_empty(), "{filter:?}");
        if !all {
            assert!(of("unjoined").is_empty(), "{filter:?}");
        }
        let closers = of("flow")
            .into_iter()
            .flat_map(|flow| flow["kernel"].as_array().into_iter().flatten())
            .filter(|fact| fact["comm"] == "curl")
            .count();
        assert!(closers >= 1, "{filter:?}: {:#?}", of("flow"));
    }
    Ok(())
}

/// Whether, of a recording of everything that is read with a filter, there are sockets and all are of
/// that port, and nothing is unjoined.
fn recorded(recording: &str, port: u16) -> Result<[bool; 2], Box<dyn std::error::Error>> {
    let filter = format!("tcp port {port}");
    let read = hopscope(["read", "--format=json", "-f", &filter, recording]).output()?;
    let report: Value = serde_json::from_slice(&read.stdout)?;
    let sockets = report["sockets"].as_array().ok_or("no sockets")?;
    let port = format!(":{port}\"");
    let mut ends = sockets
        .iter()
        .map(|socket| [&socket["local"], &socket["peer"]].map(ToString::to_string));
    let all = ends.all(|ends| ends.iter().any(|end| end.ends_with(&port)));
    let unjoined = report["unjoined"].as_array().ok_or("no unjoined")?;
    Ok([!sockets.is_empty() && all, unjoined.is_empty()])
}

/// Where a connection is sent to another port, frames have one and the socket the other: whose they are
/// says the cookie that frames carry.
#[test]
fn a_filter_on_translated_ports_tells_of_the_socket() -> Outcome {
    let Some(pair) = Pair::new("watch-notes-redirected")? else {
        return Ok(());
    };
    let pod = pair.ns("pod")?;
    let rules = format!(
        "add table ip t; add chain ip t in {{ type nat hook prerouting priority -100; }}; \
         add rule ip t in tcp dport 81 redirect to :{APP}"
    );
    if let Err(why) = pair.net.exec("pod", &["nft", &rules]) {
        println!("skipped: needs address translation by nft: {why}");
        return Ok(());
    }
    let arguments = ["--backend=ebpf", "--format=json", "-f", "tcp port 81"];
    let watching = match Watching::start(&[&arguments[..], &["--netns", pod]].concat()) {
        Ok(watching) => watching,
        Err(why) => {
            println!("skipped: the probe needs what this machine lacks: {why}");
            return Ok(());
        }
    };
    pair.curl(&[&format!("http://{}/ok", pair.net.at("pod", 81)?)])?;
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.interrupt()?;
    let report: Value = serde_json::from_str(&told.out)?;
    let flows = flows(&report, &named(pod, "eth0"));
    assert_eq!(flows.len(), 1, "{flows:#?}");
    let facts = flows[0]["kernel"].as_array().into_iter().flatten();
    let closed = facts.filter(|fact| fact["what"] == "closed_by_process");
    assert_eq!(closed.count(), 1, "{:#}", flows[0]);
    assert_eq!(report["unjoined"].as_array().map(Vec::len), Some(0));
    assert_eq!(report["sockets"].as_array().map(Vec::len), Some(1));
    Ok(())
}
