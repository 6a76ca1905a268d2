//! Every kind of frame there is here, and the seeds of the fuzz target that are made of them.

use std::fs;
use std::path::Path;

use tracer::decode::LinkType;

use super::frames::{
    authentication, ethernet, ethernet_with, extension, fragment6, geneve, gre, ipv4, ipv4_with,
    ipv6, ipv6_with, outer, sll, sll2, tcp, tcp_with, vxlan,
};
use super::{ETHERNET, RAW};

/// Every kind of frame there is here.
pub(super) fn gallery() -> Vec<(LinkType, Vec<u8>)> {
    let syn = tcp_with(&[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0], b"");
    vec![
        (ETHERNET, ethernet()),
        (ETHERNET, ethernet_with(&[], 0x86dd, &ipv6())),
        (ETHERNET, ethernet_with(&[0x88a8, 0x8100], 0x0800, &ipv4())),
        (RAW, ipv4_with(6, 0, &[1; 12], &tcp())),
        (RAW, ipv4_with(6, 0, &[], &syn)),
        (LinkType::LinuxSll, sll(0x0800, &ipv4())),
        (LinkType::LinuxSll2, sll2(0x86dd, &ipv6())),
        (LinkType::Null, [&[2, 0, 0, 0], &ipv4()[..]].concat()),
        (
            RAW,
            ipv6_with(
                0,
                &extension(43, 2, &extension(60, 1, &extension(6, 1, &tcp()))),
            ),
        ),
        (RAW, ipv6_with(44, &fragment6(6, 0, &tcp()))),
        (RAW, ipv6_with(51, &authentication(6, &tcp()))),
        (RAW, ipv4_with(51, 0, &[], &authentication(6, &tcp()))),
        (RAW, outer(17, &vxlan(4789, &ethernet()))),
        (RAW, outer(17, &geneve(0x6558, 2, &ethernet()))),
        (RAW, outer(47, &gre(0xb000, 0x0800, &ipv4()))),
        (RAW, outer(47, &gre(0x2000, 0x6558, &ethernet()))),
        (RAW, outer(4, &ipv4())),
        (RAW, ipv6_with(41, &ipv6())),
    ]
}

/// A capture of every frame here for each link type, as seeds of the fuzz target over captures.
/// `RENEW=1 cargo test -p hopscope-tracer --test decode seeds` writes them.
#[test]
fn seeds_of_the_fuzz_target_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/capture");
    let kinds = [
        (ETHERNET, 1_u32, "ethernet"),
        (RAW, 101, "raw"),
        (LinkType::LinuxSll, 113, "sll"),
        (LinkType::LinuxSll2, 276, "sll2"),
        (LinkType::Null, 0, "null"),
    ];
    for (link, number, name) in kinds {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 600, number] {
            file.extend(word.to_le_bytes());
        }
        let frames = gallery().into_iter().filter(|(of, _)| *of == link);
        for ((_, data), second) in frames.zip(1_790_000_000_u32..) {
            let length = u32::try_from(data.len()).expect("frames are short");
            for word in [second, 0, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(data);
        }
        let path = folder.join(format!("frames-{name}.pcap"));
        if std::env::var_os("RENEW").is_some() {
            fs::write(&path, &file).expect("the folder of seeds");
        }
        let committed = fs::read(&path).unwrap_or_default();
        assert!(
            committed == file,
            "{} is stale: RENEW=1 cargo test -p hopscope-tracer --test decode seeds",
            path.display()
        );
    }
}
