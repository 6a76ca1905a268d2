//! A PROXY protocol header comes before the client asks for anything, and makes the proxy behind log a
//! client that it has no connection with.

use std::error::Error;
use std::path::Path;

use hopscope_tests::binary::{Told, hopscope};
use serde_json::Value;

fn chains(logs: &[&str]) -> Result<Vec<Value>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps/proxy-protocol");
    let told = Told::from(
        hopscope(["read", "--format=json"])
            .args(logs.iter().map(|log| format!("--access-log={log}")))
            .args(["client.pcap", "lb.pcap", "gw.pcap", "pod.pcap"])
            .current_dir(folder)
            .output()?,
    );
    let report: Value = serde_json::from_str(&told.out)?;
    Ok(report["chains"].as_array().cloned().ok_or("no chains")?)
}

#[test]
fn no_hop_is_left_out() -> Result<(), Box<dyn Error>> {
    let gateway = ["gw.log"];
    let all = ["lb.log", "gw.log", "sidecar.log"];
    for (logs, by) in [
        (&[][..], ["proxy_protocol", "time_and_size"]),
        (&gateway, ["proxy_protocol", "access_log"]),
        (&all, ["access_log", "access_log"]),
    ] {
        let chains = chains(logs)?;
        assert_eq!(chains.len(), 3, "{logs:?}: {chains:#?}");
        for chain in chains {
            let nodes = ["client", "lb", "gw", "pod", "pod:8087"];
            assert_eq!(chain["nodes"], serde_json::json!(nodes), "{logs:?}");
            assert_eq!(chain["joined_by"][0], by[0], "{logs:?}");
            assert_eq!(chain["joined_by"][1], by[1], "{logs:?}");
        }
    }
    Ok(())
}
