//! Names, paths and identifiers, mapped letter by letter, so that their length and what they have in
//! common stays: a path in a payload keeps its place among sequence numbers, a log's request id
//! still equals the one on the wire, and a pattern (`/api/*`) can be mapped like what it matches.
//!
//! Each letter or digit becomes one of its kind, as a keyed hash of what stands before it says: no
//! two words become one. Punctuation stays; what is not ASCII becomes `x`.

use super::key::Key;

/// What kind of word it is: the same word of another kind is mapped otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The target of a request.
    Path = 16,
    /// `x-request-id`.
    RequestId = 17,
    /// Of a host, interface, namespace or process.
    Name = 18,
}

/// Parts of names that say what something is and not whose: they stay.
const GENERIC: [&str; 64] = [
    "any",
    "api",
    "app",
    "backend",
    "br",
    "client",
    "cloud",
    "cni",
    "curl",
    "db",
    "default",
    "docker",
    "down",
    "downstream",
    "edge",
    "egress",
    "en",
    "envoy",
    "eno",
    "ens",
    "enp",
    "eth",
    "flannel",
    "frontend",
    "gateway",
    "grpc",
    "gw",
    "haproxy",
    "host",
    "http",
    "https",
    "ingress",
    "istio",
    "java",
    "kube",
    "lb",
    "lo",
    "local",
    "localhost",
    "main",
    "nat",
    "net",
    "netns",
    "nginx",
    "node",
    "out",
    "pilot",
    "agent",
    "pod",
    "proxy",
    "python",
    "router",
    "server",
    "service",
    "sidecar",
    "svc",
    "tcp",
    "tun",
    "up",
    "upstream",
    "veth",
    "vxlan",
    "web",
    "wlan",
];

/// A word of the same length.
pub(super) fn map(key: &Key, kind: Kind, word: &[u8]) -> Vec<u8> {
    let mut mapped = Vec::with_capacity(word.len());
    for (place, byte) in word.iter().enumerate() {
        let turned = |first: u8, count: u8| {
            let by = key.number(kind as u8, &word[..place]) % u64::from(count);
            let by = u8::try_from(by).unwrap_or_default();
            first + (byte - first + by) % count
        };
        mapped.push(match byte {
            b'a'..=b'z' => turned(b'a', 26),
            b'A'..=b'Z' => turned(b'A', 26),
            b'0'..=b'9' => turned(b'0', 10),
            _ if byte.is_ascii_punctuation() => *byte,
            _ => b'x',
        });
    }
    mapped
}

/// The same for text.
pub(super) fn text(key: &Key, kind: Kind, word: &str) -> String {
    String::from_utf8_lossy(&map(key, kind, word.as_bytes())).into_owned()
}

/// A name: generic parts (`gw`, `eth0`) stay, the others are mapped.
pub(super) fn name(key: &Key, name: &str) -> String {
    let mut mapped = String::with_capacity(name.len());
    for part in name.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let rest = &part[word.len()..];
        if is_generic(word) {
            mapped.push_str(word);
        } else {
            mapped.push_str(&text(key, Kind::Name, word));
        }
        // Whatever separates parts tells nothing, unless it is a letter of another script.
        mapped.extend(
            rest.chars()
                .map(|letter| if letter.is_ascii() { letter } else { 'x' }),
        );
    }
    mapped
}

/// `gw`, `eth0`, `python3`, `15001`... a number of up to two digits; those of containers are longer.
fn is_generic(part: &str) -> bool {
    let letters = part.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let digits = part.len() - letters.len();
    digits <= 2 && (letters.is_empty() || GENERIC.contains(&letters.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_words_become_one_and_what_is_common_stays() {
        let key = Key::of(b"k");
        let mut seen = HashSet::new();
        for number in 0..10_000 {
            let path = format!("/orders/{number}?user=Ann");
            let mapped = text(&key, Kind::Path, &path);
            assert_eq!(mapped.len(), path.len());
            assert!(seen.insert(mapped.clone()), "{mapped} twice");
            let base = text(&key, Kind::Path, "/orders/");
            assert!(mapped.starts_with(&base), "{mapped}");
        }
        assert!(
            !seen
                .iter()
                .any(|path| path.contains("orders") || path.contains("Ann"))
        );
    }

    #[test]
    fn another_key_or_kind_maps_otherwise() {
        let word = "10d5354a-1c72-4758-8c24-94ff3d1f9a25";
        let mapped = |key: &[u8], kind| text(&Key::of(key), kind, word);
        let all = [
            word.to_owned(),
            mapped(b"1", Kind::Path),
            mapped(b"2", Kind::Path),
            mapped(b"1", Kind::RequestId),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(mapped(b"1", Kind::Path), all[1], "and the same key alike");
    }

    #[test]
    fn generic_names_stay_and_others_do_not() {
        let key = Key::of(b"k");
        for generic in [
            "gw",
            "gw-down",
            "pod-eth0",
            "lo",
            "python3",
            "net:12",
            "a".repeat(0).as_str(),
        ] {
            assert_eq!(name(&key, generic), generic);
        }
        for private in ["payments", "cni-5f3e9a77-0001", "acme.example", "Zürich"] {
            let mapped = name(&key, private);
            assert_ne!(mapped, private);
            assert!(mapped.is_ascii());
        }
        let mapped = name(&key, "payments-gw-7");
        assert!(
            mapped.ends_with("-gw-7") && mapped.len() == "payments-gw-7".len(),
            "{mapped}"
        );
    }

    #[test]
    fn anything_that_is_no_letter_of_a_path_is_hidden() {
        let key = Key::of(b"k");
        assert_eq!(map(&key, Kind::Path, b"/\xff\0 \r\n%~"), *b"/xxxxx%~");
    }
}
