#!/bin/sh
# Installs what the tests need, and runs them all.
set -eu
cd "$(dirname "$0")/.."
sh tests/install.sh test
# Tests send signals. Where this script was started in the background, they would be ignored.
exec env --default-signal=HUP,INT,QUIT,TERM cargo test --locked "$@"
