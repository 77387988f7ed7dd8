#!/bin/sh
# Fuzzes under libFuzzer, guided by coverage, with stable Rust: sh tests/fuzz/run.sh SECONDS [TARGET...]
#
# Every target, or those named, for so many seconds each, one after another. With 0 seconds it only builds them.
# Ends at the first input that fails, which it leaves in tests/fuzz/artifacts/TARGET/. Needs a C++ compiler.
set -eu
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { echo "usage: run.sh SECONDS [TARGET...]" >&2; exit 2; }
seconds=$1
shift
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_targets | sed 's/\.rs$//')

# Seeds: good inputs of every target.
cargo test --locked --quiet --test fuzz_short -- --ignored write_seeds >&2

# What `cargo fuzz` sets with nightly Rust, all of it known to stable Rust too. With a target named, it is for the program
# alone, not for build scripts. There is no `--cfg fuzzing`: libraries run as they do elsewhere.
host=$(rustc -vV | sed -n 's/^host: //p')
flags="-Cpasses=sancov-module -Cdebug-assertions"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
# The same versions of libraries as in the program.
cp Cargo.lock tests/fuzz/Cargo.lock
(cd tests/fuzz && RUSTFLAGS="$flags -Cllvm-args=-simplifycfg-branch-fold-threshold=0" \
    cargo build --release --bins --target "$host" --target-dir target >&2)
[ "$seconds" -gt 0 ] || exit 0

for target in "$@"; do
    mkdir -p "tests/fuzz/artifacts/$target" "tests/fuzz/corpus/$target"
    # No input may take 10 seconds or 512 MiB: see tests/fuzz_short.rs.
    "tests/fuzz/target/$host/release/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=512 \
        -print_final_stats=1 -artifact_prefix="tests/fuzz/artifacts/$target/" "tests/fuzz/corpus/$target"
done
