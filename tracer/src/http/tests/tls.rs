//! Alerts of TLS, however segments cut them.

use super::*;

/// A hello of so many bytes in its record.
fn hello(len: u16) -> Vec<u8> {
    let mut bytes = vec![22, 3, 1];
    bytes.extend(len.to_be_bytes());
    bytes.resize(bytes.len() + usize::from(len), 1);
    bytes
}

fn failure(talk: &mut Talk) -> Option<(Side, Failing)> {
    let (_, failure) = talk.conversation.handshakes(&[]);
    failure.map(|failure| (failure.by, failure.shown))
}

fn alert(level: u8, description: u8) -> Alert {
    Alert { level, description }
}

const UNKNOWN_CA: [u8; 7] = [21, 3, 3, 0, 2, 2, 48];

#[test]
fn an_alert_is_read_however_it_is_cut() {
    for cuts in [&[][..], &[4], &[5], &[6], &[1, 1, 1, 1, 1, 1]] {
        let mut talk = Talk::default();
        talk.turn(Client, &hello(512), &[]);
        talk.turn(Server, &hello(122), &[100]);
        talk.turn(Client, &UNKNOWN_CA, cuts);
        let expected = (Client, Failing::Alert(alert(2, 48)));
        assert_eq!(failure(&mut talk), Some(expected), "{cuts:?}");
    }
}

#[test]
fn an_alert_is_read_behind_what_a_short_snapshot_length_left_out() {
    let mut talk = Talk::default();
    talk.piece(Client, &hello(512)[..42], 517, true);
    // The header of the second record of the server is among what was left out.
    talk.piece(Server, &hello(122)[..42], 1323, true);
    talk.piece(Client, &UNKNOWN_CA, 7, true);
    let expected = (Client, Failing::Alert(alert(2, 48)));
    assert_eq!(failure(&mut talk), Some(expected));
    // Of an alert whose description was left out nobody knows what it says.
    let mut talk = Talk::default();
    talk.piece(Client, &hello(512), 517, true);
    talk.piece(Server, &UNKNOWN_CA[..6], 7, true);
    assert_eq!(failure(&mut talk), None);
}

#[test]
fn goodbyes_warnings_and_what_is_encrypted_fail_no_handshake() {
    let quiet: [&[u8]; 4] = [
        &[21, 3, 3, 0, 2, 1, 0],
        &[21, 3, 3, 0, 2, 2, 90],
        &[21, 3, 3, 0, 2, 1, 112],
        // It changed to encrypted records before: these are no level and no description.
        &[20, 3, 3, 0, 1, 1, 21, 3, 3, 0, 2, 2, 48],
    ];
    for bytes in quiet {
        let mut talk = Talk::default();
        talk.turn(Client, &hello(512), &[]);
        talk.turn(Server, bytes, &[]);
        assert_eq!(failure(&mut talk), None, "{bytes:?}");
    }
}

#[test]
fn an_alert_has_its_name_of_the_registry() {
    assert_eq!(alert(2, 48).to_string(), "unknown_ca (48)");
    assert_eq!(alert(2, 116).name(), Some("certificate_required"));
    assert_eq!(alert(2, 7).to_string(), "7");
    assert!(!alert(2, 7).is_failure());
}

#[test]
fn who_is_who_may_be_known_late() {
    let mut talk = Talk::default();
    talk.turn(Client, &hello(512), &[]);
    talk.turn(Server, &UNKNOWN_CA, &[]);
    talk.conversation.swap_sides();
    let expected = (Client, Failing::Alert(alert(2, 48)));
    assert_eq!(failure(&mut talk), Some(expected));
}
