#!/bin/sh
# Installs what the tests need, and runs them all.
set -eu
cd "$(dirname "$0")/.."
sh tests/install.sh test
exec cargo test --locked "$@"
