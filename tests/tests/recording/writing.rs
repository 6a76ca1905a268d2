//! Writing that is cut off: by SIGKILL, by a full disk, by a limit. What is in the file is readable.
//!
//! Some of it needs a process of its own: this test program, started again with the name of one
//! test and what it shall do in its environment.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hopscope_tests::binary::Told;
use hopscope_tests::craft::Scratch;
use hopscope_tests::watched::yield_all;
use tracer::recording::{Recorder, RecordingError};
use tracer::source::Damage;

use super::story::story;
use super::{Outcome, Shared, read, recorded};

/// Names the file that a process of its own records to.
const FILE: &str = "HOPSCOPE_TEST_RECORDS_TO";

/// Far longer than anything here takes.
const FOREVER: Duration = Duration::from_secs(60);

/// Has room for so many bytes.
struct Full {
    left: usize,
    file: Shared,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = bytes.len().min(self.left);
        if room == 0 && !bytes.is_empty() {
            return Err(io::Error::from_raw_os_error(28));
        }
        self.left -= room;
        self.file.write(&bytes[..room])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Records the story again and again until it fails, or so many times.
fn record(mut recorder: Recorder, times: usize) -> (Vec<RecordingError>, Recorder) {
    let mut errors = Vec::new();
    for _ in 0..times {
        yield_all(&story(), |item| {
            errors.extend(recorder.take(item).err());
            errors.extend(recorder.flush().err());
        });
        if !errors.is_empty() {
            break;
        }
    }
    (errors, recorder)
}

/// Wherever the room ends: one error that says what and where, and what was written is the beginning
/// of the recording.
#[test]
fn a_full_disk_is_one_error_wherever_it_happens() {
    let whole = recorded(&story());
    let section = 8 + u32::from_le_bytes([whole[4], whole[5], whole[6], whole[7]]) as usize;
    for left in (0..whole.len()).step_by(7) {
        let file = Shared::default();
        let full = Full {
            left,
            file: file.clone(),
        };
        let mut errors = Vec::new();
        match Recorder::new(full, "/mnt/full/watch.pcapng") {
            Err(error) => errors.push(error),
            Ok(recorder) => {
                let (during, recorder) = record(recorder, 1);
                errors.extend(during);
                errors.extend(recorder.finish().err());
            }
        }
        assert_eq!(errors.len(), 1, "room for {left}: {errors:?}");
        let told = errors[0].to_string();
        for says in ["/mnt/full/watch.pcapng", "No space left", "make room"] {
            assert!(told.contains(says), "{told}");
        }
        assert!(file.bytes() == whole[..left], "room for {left}");
        if left >= section {
            assert!(read(&file.bytes()).is_ok());
        }
    }
}

/// Nothing waits in memory after a flush, so that nothing of that is lost with the process.
#[test]
fn what_was_flushed_is_written() -> Outcome {
    let file = Shared::default();
    let recorder = Recorder::new(file.clone(), "memory")?;
    let (errors, recorder) = record(recorder, 1);
    assert!(errors.is_empty());
    let before_end = file.bytes();
    recorder.finish()?;
    assert!(before_end.len() > 2000);
    assert!(file.bytes().starts_with(&before_end));
    Ok(())
}

#[test]
fn where_nothing_can_be_written_is_named() -> Outcome {
    let scratch = Scratch::new("recording-nowhere")?;
    for (path, says) in [
        (
            scratch.path().join("no/such/folder/x.pcapng"),
            "No such file",
        ),
        (scratch.path().to_owned(), "directory"),
    ] {
        let error = Recorder::create(&path)
            .err()
            .ok_or("it was made")?
            .to_string();
        for says in [path.to_str().unwrap_or_default(), says, "check the folder"] {
            assert!(error.contains(says), "{error}");
        }
    }
    let error = Recorder::create(Path::new("/dev/full")).err();
    let error = error.ok_or("there was room in /dev/full")?.to_string();
    assert!(
        error.contains("/dev/full") && error.contains("No space left"),
        "{error}"
    );
    Ok(())
}

/// What a process of its own does: it records until it cannot, and looks at what is in the file.
#[test]
fn child_records_until_it_is_full() -> Outcome {
    let Some(path) = std::env::var_os(FILE) else {
        return Ok(());
    };
    let path = PathBuf::from(path);
    let (errors, mut recorder) = record(Recorder::create(&path)?, 10_000);
    assert_eq!(errors.len(), 1, "{errors:?}");
    println!("{}", errors[0]);
    // Watching goes on, and says no more about it.
    yield_all(&story(), |item| assert!(recorder.take(item).is_ok()));
    assert!(recorder.flush().is_ok() && recorder.finish().is_ok());
    let bytes = fs::read(&path)?;
    let gathered = read(&bytes)?;
    let position = bytes.len() as u64;
    assert_eq!(
        gathered.vantages[0].damage,
        Some(Damage::NoEnd { position }),
        "cut back to its last whole block"
    );
    assert!(gathered.vantages[0].lower_bounds);
    assert!(gathered.vantages[0].segments > 20);
    println!("looked at");
    Ok(())
}

/// What a process of its own does: it records until it is killed.
#[test]
fn child_records_for_ever() -> Outcome {
    let Some(path) = std::env::var_os(FILE) else {
        return Ok(());
    };
    record(Recorder::create(Path::new(&path))?, usize::MAX);
    Ok(())
}

/// This test program, to run one test and print what it prints.
fn again(test: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?.display().to_string();
    let test = format!("writing::{test}");
    Ok(vec![program, test, "--exact".into(), "--nocapture".into()])
}

#[test]
fn a_file_that_may_not_grow_is_cut_back_to_whole_blocks() -> Outcome {
    let scratch = Scratch::new("recording-limit")?;
    let path = scratch.path().join("watch.pcapng");
    let told: Told = Command::new("sh")
        // A limit of 151 units of 512 bytes, which is no multiple of anything.
        .args(["-c", "trap '' XFSZ; ulimit -f 151; exec \"$@\"", "sh"])
        .args(again("child_records_until_it_is_full")?)
        .env(FILE, &path)
        .output()?
        .into();
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    for says in ["watch.pcapng", "File too large", "ulimit -f", "looked at"] {
        assert!(told.out.contains(says), "{}", told.out);
    }
    Ok(())
}

#[test]
fn a_full_disk_leaves_whole_blocks() -> Outcome {
    let scratch = Scratch::new("recording-disk")?;
    let mounted = Command::new("unshare")
        .args(["--mount", "mount", "-t", "tmpfs", "none"])
        .arg(scratch.path())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: this user may not mount a small disk");
        return Ok(());
    }
    let told: Told = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=32k none \"$1\"; shift; exec \"$@\"")
        .arg("sh")
        .arg(scratch.path())
        .args(again("child_records_until_it_is_full")?)
        .env(FILE, scratch.path().join("watch.pcapng"))
        .output()?
        .into();
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    for says in ["watch.pcapng", "No space left", "make room", "looked at"] {
        assert!(told.out.contains(says), "{}", told.out);
    }
    Ok(())
}

#[test]
fn killed_it_leaves_a_readable_file() -> Outcome {
    let scratch = Scratch::new("recording-killed")?;
    let path = scratch.path().join("watch.pcapng");
    let arguments = again("child_records_for_ever")?;
    let mut child = Command::new(&arguments[0])
        .args(&arguments[1..])
        .env(FILE, &path)
        .stdout(Stdio::null())
        .spawn()?;
    let start = Instant::now();
    let size = || fs::metadata(&path).map_or(0, |metadata| metadata.len());
    while size() < 100_000 && start.elapsed() < FOREVER {
        thread::yield_now();
    }
    child.kill()?;
    child.wait()?;
    let bytes = fs::read(&path)?;
    assert!(bytes.len() >= 100_000, "{} bytes were written", bytes.len());
    let gathered = read(&bytes)?;
    let vantage = &gathered.vantages[0];
    assert!(
        matches!(vantage.damage, Some(Damage::NoEnd { .. })),
        "{:?}",
        vantage.damage
    );
    assert!(vantage.lower_bounds);
    assert!(vantage.segments > 100, "{}", vantage.segments);
    Ok(())
}
