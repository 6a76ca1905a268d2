#!/bin/sh
# Runs every fuzz target from its seeds for FUZZ_SECONDS (20) seconds; fails on a crash, a hang, or
# memory that grows without bounds. What it finds stays in fuzz/corpus, what fails in fuzz/artifacts.
set -eu
cd "$(dirname "$0")"

seconds=${FUZZ_SECONDS:-20}
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked

# cargo-fuzz wants nightly flags; on stable Rust this allows them. Coverage without sanitizers: the
# library has no unsafe code for them to look at.
export RUSTC_BOOTSTRAP=1
target=${CARGO_TARGET_DIR:-target}
for name in ${FUZZ_TARGETS:-capture segments payload access_log}; do
    mkdir -p "corpus/$name"
    case $name in
        capture) more=../pcaps ;;
        *) more= ;;
    esac
    log="$target/fuzz-$name.log"
    mkdir -p "$target"
    echo "fuzz: $name for $seconds s"
    # shellcheck disable=SC2086 # $more is one folder or nothing
    if ! cargo fuzz run --fuzz-dir . -s none --release --debug-assertions "$name" \
        "corpus/$name" "seeds/$name" $more -- \
        -max_total_time="$seconds" -max_len=32768 -timeout=10 \
        -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 >"$log" 2>&1; then
        grep -a -A 3 -E 'panicked at|ERROR: libFuzzer|^error' "$log" | cut -c 1-400 >&2
        echo "fuzz: $name failed; its input is in fuzz/artifacts/$name, all it said in $log" >&2
        exit 1
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
    echo "fuzz: $name did not fail in $executions executions; $peak MB at most"
done
