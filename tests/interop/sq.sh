#!/bin/sh
# Puts the program sq, version 1.3 or later, into FOLDER/bin: sh tests/interop/sq.sh FOLDER
#
# Older ones, as that of Debian 12, do not know RFC 9580. One that is installed and new enough is linked. If there is none, that of
# Debian 13 is unpacked with its libraries and started by its own loader: nothing is installed, and no right of root is needed.
# Takes some seconds and 45 MB. Debian 13 comes from DEBIAN_MIRROR, or else from where this
# machine's Debian comes from; apt checks its signatures.
set -eu
[ $# = 1 ] || { echo "usage: sq.sh FOLDER" >&2; exit 2; }
! [ -x "$1/bin/sq" ] || exit 0

# Made under another name, so that it is there whole or not at all.
mkdir -p "$(dirname "$1")"
new=$(mktemp -d "$(realpath -m "$1").XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
mkdir "$new/bin"
finish() {
    "$new/bin/sq" version >&2
    # Another run of this may have been faster.
    mv -T "$new" "$1" 2>/dev/null || [ -x "$1/bin/sq" ]
    exit 0
}

found=$(command -v sq || true)
if [ -n "$found" ] && "$found" version 2>&1 | grep -Eq '^sq (1\.([3-9]|[1-9][0-9])|[2-9])'; then
    ln -s "$found" "$new/bin/sq"
    finish "$1"
fi

echo "fetching sq of Debian 13" >&2
own_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1
}
mirror=${DEBIAN_MIRROR:-$(own_mirror)}
apt=$new/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
: > "$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > "$apt/sources.list"
# An apt of its own: what this machine has installed does not matter to it, and it changes nothing here.
cat > "$apt/apt.conf" <<END
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architectures { "$(dpkg --print-architecture)"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
END
APT_CONFIG=$apt/apt.conf
export APT_CONFIG
apt-get update -qq >&2
apt-get install -y -qq --download-only sq >&2
for package in "$apt"/archives/*.deb; do
    dpkg-deb --extract "$package" "$new/debian13"
done
rm -rf "$apt" "$new/debian13/usr/share"

cat > "$new/bin/sq" <<'END'
#!/bin/sh
# sq of Debian 13, by its own loader and with its own libraries.
usr=$(dirname "$(readlink -f "$0")")/../debian13/usr
exec "$usr"/lib/*-linux-gnu*/ld-linux*.so.* --argv0 sq --library-path "$(echo "$usr"/lib/*-linux-gnu*)" "$usr/bin/sq" "$@"
END
chmod +x "$new/bin/sq"
finish "$1"
