//! A connection as a script, and what is changed of it: one fact each.

/// A request, whose answer takes 21 s, while the server probes; then the client closes.
pub(crate) const CALM: &str = "\
# A request that is answered late, while the server probes.
timestamps
0.000    C SYN
+0.001   S SYN+ACK
+0.001   C ACK
+0.001   C ACK 11
+0.001   S ACK
7.070    S ACK seq-1
+0.0002  C ACK
14.1402  S ACK seq-1
+0.0002  C ACK
21.2     S ACK 200
+0.001   C ACK
30.000   C FIN+ACK
+0.001   S FIN+ACK
+0.001   C ACK
";

/// The end of it.
pub(super) const CLOSE: &str = "30.000   C FIN+ACK\n+0.001   S FIN+ACK\n+0.001   C ACK\n";
/// Its first probe.
pub(super) const FIRST: &str = "7.070    S ACK seq-1\n+0.0002  C ACK\n";
/// Its second probe.
pub(super) const SECOND: &str = "14.1402  S ACK seq-1\n+0.0002  C ACK\n";
/// Its answer.
pub(super) const ANSWER: &str = "21.2     S ACK 200\n+0.001   C ACK\n";

/// Parts of a script, and what stands there instead.
pub(super) type Edits = &'static [(&'static str, &'static str)];

pub(super) fn edited(edits: Edits) -> String {
    edits.iter().fold(CALM.to_owned(), |script, (from, to)| {
        assert!(script.contains(from), "{from:?} is not in\n{script}");
        script.replacen(from, to, 1)
    })
}

/// The same with the client in the server's place, from the handshake on.
pub(super) fn mirrored(script: &str) -> String {
    let swap = |line: &str| {
        let probing = line.contains("seq-1") || line.starts_with("+0.0002");
        match probing {
            true if line.contains(" S ") => line.replace(" S ", " C "),
            true => line.replace(" C ", " S "),
            false => line.to_owned(),
        }
    };
    let lines: Vec<String> = script.lines().map(swap).collect();
    lines.join("\n") + "\n"
}

pub(super) const FROM_ANOTHER: Edits = &[(
    "timestamps\n",
    "timestamps\nconnection 1 10.9.0.1:41234 10.9.0.2:81 isn 1000 50000\n",
)];
pub(super) const LATER_CLOSE: Edits = &[("30.000 ", "40.000 ")];
pub(super) const CLIENT_RESETS: Edits = &[(CLOSE, "30.000 C RST\n")];
pub(super) const SERVER_RESETS: Edits = &[(CLOSE, "30.000 S RST\n")];
pub(super) const STALLED: Edits = &[
    (FIRST, ""),
    (SECOND, ""),
    (
        "+0.001   S ACK\n",
        "+0.001   S ACK\n0.0200   S ACK 1000\n+0.0002 C ACK win=0\n0.5202  S ACK seq-1\n\
     +0.0002 C ACK\n1.5204  S ACK seq-1\n+0.0002 C ACK\n+0.0100 C ACK win=500\n",
    ),
];
pub(super) const STALLED_SERVER: Edits = &[
    (FIRST, ""),
    (SECOND, ""),
    (
        "+0.001   S ACK\n",
        "+0.001   S ACK\n0.0200   C ACK 1000\n+0.0002 S ACK win=0\n0.5202  C ACK seq-1\n\
     +0.0002 S ACK\n1.5204  C ACK seq-1\n+0.0002 S ACK\n+0.0100 S ACK win=500\n",
    ),
];
pub(super) const CLIENT_REPEATS: Edits = &[(
    "+0.001   C ACK 11\n",
    "+0.001   C ACK 11 lost\n0.300   C ACK 11 seq-11\n",
)];
pub(super) const SERVER_REPEATS: Edits = &[(
    "21.2     S ACK 200\n",
    "21.2 S ACK 200 lost\n21.5 S ACK 200 seq-200\n",
)];
pub(super) const MORE_ASKED: Edits = &[("C ACK 11", "C ACK 12")];
pub(super) const MORE_ANSWERED: Edits = &[("S ACK 200", "S ACK 300")];
pub(super) const CLIENT_SAYS_MORE: Edits =
    &[("21.2     S", "15.0 C ACK 1\n+0.001 S ACK\n21.2     S")];
pub(super) const ASKED_UNSEEN: Edits = &[("C ACK 11", "C ACK 11 unseen")];
pub(super) const ANSWERED_UNSEEN: Edits = &[("S ACK 200", "S ACK 200 unseen")];
