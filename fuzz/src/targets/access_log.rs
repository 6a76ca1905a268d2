//! Any bytes, read as an access log.

use std::io::BufReader;

use tracer::log::AccessLog;

/// Every line that is not empty is an entry or counted, however the file is handed out.
pub fn access_log(data: &[u8]) {
    let whole = AccessLog::read("fuzz", "fuzz", data).expect("a slice can be read");
    let pieces = BufReader::with_capacity(1 + data.len() % 61, data);
    let pieces = AccessLog::read("fuzz", "fuzz", pieces).expect("a slice can be read");
    assert_eq!(whole.entries, pieces.entries);
    assert_eq!(whole.unread, pieces.unread);
    assert_eq!(whole.first_unread, pieces.first_unread);
    let lines = data.split(|byte| *byte == b'\n');
    let text = lines.filter(|line| !String::from_utf8_lossy(line).trim().is_empty());
    assert_eq!(
        whole.entries.len() as u64 + whole.unread,
        text.count() as u64
    );
    for entry in &whole.entries {
        let ends = [
            entry.downstream_remote,
            entry.downstream_direct,
            entry.downstream_local,
            entry.upstream_local,
            entry.upstream_remote,
        ];
        assert!(ends.iter().flatten().all(|end| end.port() != 0));
        assert!(entry.status.is_none_or(|code| (100..1000).contains(&code)));
        assert!(!entry.zoneless || entry.began.is_some());
    }
}
