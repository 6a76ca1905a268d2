//! The console blocks of the README show what the program really prints.

use std::path::Path;

use hopscope_tests::binary;

#[test]
fn readme_shows_real_output() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    let blocks: Vec<&str> = readme
        .split("```console\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(
        !blocks.is_empty(),
        "the README shows a command and its output"
    );
    for block in blocks {
        let mut folder = root.clone();
        let mut lines = block.lines().peekable();
        while let Some(place) = lines.peek().and_then(|line| line.strip_prefix("$ cd ")) {
            folder.push(place);
            lines.next();
        }
        let command = lines
            .next()
            .and_then(|line| line.strip_prefix("$ hopscope "));
        let command = command.expect("a block begins with '$ cd' or '$ hopscope'");
        let told: binary::Told = binary::hopscope(command.split_whitespace())
            .current_dir(&folder)
            .env("COLUMNS", "100")
            .output()
            .expect("hopscope runs")
            .into();
        let shown: Vec<&str> = lines.collect();
        let printed: Vec<&str> = told.out.lines().collect();
        assert!(
            is_shown(&printed, &shown),
            "renew this block of the README: hopscope {command}\n{}",
            told.out
        );
    }
}

/// Whether a block shows what is printed. A line of three dots stands for lines that are left out.
fn is_shown(printed: &[&str], shown: &[&str]) -> bool {
    let Some(dots) = shown.iter().position(|line| *line == "...") else {
        return printed == shown;
    };
    let (before, after) = (&shown[..dots], &shown[dots + 1..]);
    printed.starts_with(before)
        && (dots..=printed.len()).any(|next| is_shown(&printed[next..], after))
}

#[test]
fn dots_stand_for_lines_and_for_nothing_else() {
    let printed = ["a", "b", "c", "d"];
    for shown in [
        &["a", "b", "c", "d"][..],
        &["a", "...", "d"],
        &["a", "..."],
        &["..."],
    ] {
        assert!(is_shown(&printed, shown), "{shown:?}");
    }
    for shown in [
        &["a", "b", "c"][..],
        &["a", "...", "c"],
        &["b", "..."],
        &["a", "...", "x", "..."],
    ] {
        assert!(!is_shown(&printed, shown), "{shown:?}");
    }
}
