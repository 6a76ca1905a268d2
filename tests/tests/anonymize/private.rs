//! Nothing private is left.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hopscope_tests::craft::Scratch;
use tracer::decode::segment;
use tracer::source::{Capture, open_file};

use super::{Outcome, anonymize, scenarios};

/// How every PROXY protocol header of version 2 begins, which says nothing of anybody.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0";

/// What is private in a capture: addresses that do not stay, and payload.
struct Private {
    addresses: HashSet<Vec<u8>>,
    texts: HashSet<String>,
    payload: Vec<Vec<u8>>,
}

impl Private {
    fn of(captures: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let mut private = Self {
            addresses: HashSet::new(),
            texts: HashSet::new(),
            payload: Vec::new(),
        };
        for path in captures {
            let mut capture = Capture::new(open_file(path)?)?;
            while capture.advance() {
                for segment in capture.frames().filter_map(|frame| segment(&frame).ok()) {
                    for endpoint in [segment.source, segment.destination] {
                        private.address(endpoint.address());
                    }
                    let payload = segment.payload;
                    let payload = payload.strip_prefix(SIGNATURE).unwrap_or(payload);
                    private.payload.push(payload.to_vec());
                }
            }
        }
        Ok(private)
    }

    fn address(&mut self, address: IpAddr) {
        // Loopback, and Istio's of IPv6, say nothing of anybody.
        if address.is_loopback() || address.to_string() == "::6" {
            return;
        }
        self.texts.insert(address.to_string());
        self.addresses.insert(match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        });
    }
}

/// Eight bytes at each place, but for those of few different ones: lengths, flags and padding of
/// HTTP/2 look like those of any header.
fn windows(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let many = |part: &&[u8]| part.iter().collect::<HashSet<_>>().len() > 4;
    bytes.windows(8).filter(many)
}

/// Bytes of every file in a folder.
pub(super) fn contents(folder: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        files.push((path.clone(), fs::read(path)?));
    }
    Ok(files)
}

#[test]
fn nothing_of_any_recording_is_left() -> Outcome {
    let scratch = Scratch::new("anonymize-left")?;
    let mut looked_at = 0;
    for (folder, captures) in scenarios() {
        let out = scratch.path().join("out");
        anonymize(&scratch, &folder, &out, &[])?;
        let private = Private::of(&captures)?;
        for (path, bytes) in contents(&out)? {
            let held: HashSet<&[u8]> = windows(&bytes).collect();
            let payload = private.payload.iter().flat_map(|payload| windows(payload));
            let found: Vec<_> = payload.filter(|part| held.contains(part)).collect();
            // Logs say `upstream`, and so do headers.
            let is_capture = path.extension().is_some_and(|ending| ending == "pcap");
            let found: Vec<_> = found
                .iter()
                .map(|part| part.escape_ascii().to_string())
                .collect();
            assert!(
                found.is_empty() || !is_capture,
                "{found:?} of {} is left",
                folder.display()
            );
            for address in &private.addresses {
                let found = bytes.windows(address.len()).any(|part| part == address);
                assert!(!found, "{address:?} is left in {}", path.display());
            }
            let text = String::from_utf8_lossy(&bytes);
            for told in private
                .texts
                .iter()
                .map(String::as_str)
                .chain(["/sleep/", "/ok", "/big"])
            {
                assert!(!text.contains(told), "{told} is left in {}", path.display());
            }
            looked_at += held.len();
        }
        fs::remove_dir_all(&out)?;
    }
    assert!(looked_at > 100_000, "{looked_at}");
    Ok(())
}

/// With `--keep-headers`: paths, hosts and bodies are hidden, and requests are still requests.
#[test]
fn kept_headers_hide_what_is_private() -> Outcome {
    let scratch = Scratch::new("anonymize-headers")?;
    let (mut requests, mut answers) = (0, 0);
    for (folder, _) in scenarios() {
        let out = scratch.path().join("out");
        anonymize(&scratch, &folder, &out, &["--keep-headers"])?;
        for (path, bytes) in contents(&out)? {
            let text = String::from_utf8_lossy(&bytes);
            for private in ["/sleep/", "/big", "curl/", "10.0.0.2", "date:"] {
                assert!(
                    !text.contains(private),
                    "{private} is left in {}",
                    path.display()
                );
            }
            requests += text.matches("GET /").count();
            answers += text.matches("HTTP/1.1 200 xx\r\n").count();
        }
        fs::remove_dir_all(&out)?;
    }
    assert!(requests > 50 && answers > 50, "{requests} {answers}");
    Ok(())
}
