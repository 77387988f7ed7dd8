#!/bin/sh
# Builds hub-backup and shows its main job on a real SQLite database: back up, verify, refuse what was tampered with, restore.
# Installs what the build lacks (Debian 12). Everything else happens in a new temporary folder, which stays for a look.
set -eu
cd "$(dirname "$0")/.."
sh tests/install.sh build
cargo build --locked
hub_backup=$PWD/${CARGO_TARGET_DIR:-target}/debug/hub-backup
[ -x "$hub_backup" ] || hub_backup=$CARGO_TARGET_DIR/debug/hub-backup
dump=$PWD/testdata/hub/hub.sql

tour=$(mktemp -d "${TMPDIR:-/tmp}/hub-backup-tour.XXXXXX")
cd "$tour"
say() { printf '\n== %s\n' "$1"; }
run() { printf '$ hub-backup %s\n' "$*"; "$hub_backup" "$@"; }

say "A database to lose: the hub's, with users, modules, workflows and events"
sqlite3 hub.db < "$dump"
printf 'REGION=eu-1\nHUB_URL=https://hub.example.invalid\nBETA_SEARCH=true\n' > settings.env
ls -l hub.db settings.env

say "A store, a root that vouches for the signer, and two recipients who can open bundles"
run init backup --no-passphrase

say "Back up: this needs the signing key and public certificates; this host cannot read the result"
run --config backup/hub-backup.toml backup --set hub --source sqlite:hub.db --source config:settings.env

say "Verify, without any secret: signature, trust, chain, keys, every byte"
run --config backup/hub-backup.toml verify latest

say "Change one byte of a copy: refused, before anything is decrypted"
bundle=$(find backup/store/bundles -name '*.hub.tar')
cp "$bundle" forged.hub.tar
chmod u+w forged.hub.tar
printf 'X' | dd of=forged.hub.tar bs=1 seek=20000 conv=notrunc status=none
if run --config backup/hub-backup.toml verify forged.hub.tar; then
    echo "the forged bundle was accepted" >&2
    exit 1
else
    echo "(exit code $?)"
fi

say "Restore with the key of the operations recipient, into a new folder"
run --config backup/hub-backup.toml restore latest --verify-sig --to restored --identity backup/move-offline/recipient-operations.key

say "The same database, byte for byte, and sound"
cmp hub.db restored/hub/hub.db
sqlite3 restored/hub/hub.db 'PRAGMA integrity_check; SELECT count(*) || " users" FROM users;'
cmp settings.env restored/settings/settings.env
echo "everything is in $tour"
