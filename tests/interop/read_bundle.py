#!/usr/bin/env python3
"""A second reader of bundles, written from docs/format.md alone: compares every octet with what the page says.

    read_bundle.py BUNDLE [AGE-IDENTITY]

Decrypts with gpg or age, decompresses with zstd. Signatures are checked in their armor only; gpg --verify does the rest.
Prints one line of JSON: how many records of each kind it has compared.
"""

import base64
import hashlib
import json
import struct
import subprocess
import sys
from collections import Counter
from datetime import datetime, timezone

ZERO = b"\0"


def padding(size):
    return ZERO * ((512 - size % 512) % 512)


def ustar(name, mode, size, mtime=0, kind=b"0", link=b"", uid=0, gid=0):
    """A tar header: section 1 of the page, and section 5 for the payload."""
    head = bytearray(512)
    head[: min(100, len(name))] = name[:100]
    head[157 : 157 + min(100, len(link))] = link[:100]
    for offset, form, value in [(100, b"%07o", mode), (108, b"%07o", uid), (116, b"%07o", gid), (124, b"%011o", size), (136, b"%011o", mtime)]:
        text = form % value + ZERO
        head[offset : offset + len(text)] = text
    head[156:157] = kind
    head[257:265] = b"ustar\x0000"
    head[148:156] = b" " * 8
    head[148:156] = b"%07o\0" % sum(head)
    return bytes(head)


def command(words, given):
    return subprocess.run(words, input=given, stdout=subprocess.PIPE, check=True).stdout


# --- sections 1, 2, 7, 8, 9: the outer tar ---


def check_armor(armored):
    first, empty, *lines, check, last, end = armored.decode("ascii").split("\n")
    assert (first, empty, last, end) == ("-----BEGIN PGP SIGNATURE-----", "", "-----END PGP SIGNATURE-----", "")
    assert all(len(line) == 64 for line in lines[:-1]) and 0 < len(lines[-1]) <= 64
    packets = base64.b64decode("".join(lines), validate=True)
    assert packets[0] == 0xC2
    crc = 0xB704CE
    for octet in packets:
        crc ^= octet << 16
        for _ in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    assert check == "=" + base64.b64encode(crc.to_bytes(3, "big")).decode()


class Outer:
    def __init__(self, bundle):
        self.bundle, self.at, self.sums, self.members = bundle, 0, b"", {}
        trailer = bundle[-1536:-1024]
        ends = json.loads(trailer)
        line = json.dumps(ends, separators=(",", ":")).encode()
        assert trailer == line.ljust(511) + b"\n" and ends["version"] == 1
        manifest = bundle[ends["manifest_offset"] :][: ends["manifest_bytes"]]
        signatures = bundle[ends["signatures_offset"] :][: ends["signatures_bytes"]]
        assert hashlib.sha256(signatures).hexdigest() == ends["signatures_sha256"]
        check_armor(signatures)
        self.manifest = json.loads(manifest)
        self.read(manifest, signatures, trailer)

    def read(self, manifest, signatures, trailer):
        facts = self.manifest["members"]
        for small in [facts["recover"], facts["header"], *facts["keyslots"]]:
            assert self.summed(small["name"], small["bytes"]).hexdigest() == small["sha256"]
        self.header = json.loads(self.members["header.json"])
        assert all(self.header[name] == self.manifest[name] for name in ["bundle", "set", "created", "suite"])
        self.containers = {name: self.container(name, facts[name]) for name in ["data", "index"]}
        sums = self.sums
        assert self.member("SHA256SUMS", len(sums)) == sums
        assert facts["sums"] == {"name": "SHA256SUMS", "bytes": len(sums), "sha256": hashlib.sha256(sums).hexdigest()}
        for name, content in [("manifest.json", manifest), ("manifest.json.asc", signatures), ("trailer", trailer)]:
            assert self.member(name, len(content)) == content
        assert self.bundle[self.at :] == ZERO * 1024

    def member(self, name, size):
        begin = self.at + 512
        assert self.bundle[self.at : begin] == ustar(name.encode(), 0o444, size), name
        content, filled = self.bundle[begin : begin + size], padding(size)
        self.at = begin + size + len(filled)
        assert self.bundle[begin + size : self.at] == filled, name
        self.members[name] = content
        return content

    def summed(self, name, size):
        digest = hashlib.sha256(self.member(name, size))
        self.sums += f"{digest.hexdigest()}  {name}\n".encode()
        return digest

    def container(self, name, facts):
        chain, left, segments = ZERO * 32, facts["bytes"], []
        for number in range(facts["segments"]):
            size = min(left, self.header["segment_bytes"])
            left -= size
            digest = self.summed(f"{name}/{number:08}", size)
            chain = hashlib.sha256(chain + digest.digest()).digest()
            segments.append(self.members[f"{name}/{number:08}"])
        assert left == 0 and chain.hex() == facts["chain"]
        return b"".join(segments)


# --- sections 3 and 4: containers and blocks ---


def packet_recipients(slot):
    """Whom the PKESK packets of a slot name: a fingerprint of version 4 or 6, or a key id."""
    at = 0
    while at < len(slot):
        assert slot[at] == 0xC1
        length, at = slot[at + 1], at + 2
        if 192 <= length < 224:
            length, at = (length - 192 << 8) + slot[at] + 192, at + 1
        elif length == 255:
            length, at = int.from_bytes(slot[at : at + 4], "big"), at + 4
        body, at = slot[at : at + length], at + length
        yield body[1:9] if body[0] == 3 else body[3 : 2 + body[1]]


def check_slots(manifest, members):
    """The packets are for the keys that the manifest names, and for no other."""
    named = [bytes.fromhex(key["fingerprint"]) for recipient in manifest["keys"]["recipients"] for key in recipient["keys"]]
    packets = list(packet_recipients(members.get("keyslots/openpgp.pgp", b"")))
    key_id = lambda fingerprint: fingerprint[-8:] if len(fingerprint) == 20 else fingerprint[:8]
    shown = [fingerprint if manifest["suite"] == "rfc9580" else key_id(fingerprint) for fingerprint in named]
    assert sorted(packets) == sorted(shown), (packets, shown)


def decrypt(outer, name, identity):
    cipher = outer.containers[name]
    if outer.manifest["suite"] == "age":
        slot = "age.txt" if name == "data" else "age-index.txt"
        return command(["age", "--decrypt", "-i", identity], outer.members[f"keyslots/{slot}"] + cipher)
    return command(["gpg", "--quiet", "--batch", "--decrypt"], outer.members["keyslots/openpgp.pgp"] + cipher)


def blocks(plain, block_bytes):
    """Offset and content of every block."""
    found, at = [], 0
    while at < len(plain):
        assert plain[at : at + 8] == bytes.fromhex("502a4d1804000000")
        (length,) = struct.unpack("<I", plain[at + 8 : at + 12])
        content = command(["zstd", "-dc"], plain[at + 12 : at + 12 + length])
        assert 0 < length and len(content) <= block_bytes
        found.append((at, content))
        at += 12 + length
    assert at == len(plain)
    return found


# --- sections 5 and 6: payload and index ---

ID_MAX, NUMBER_MAX = 0o7777777, 0o77777777777


def raw(text):
    octets, at, out = text.encode(), 0, b""
    while at < len(octets):
        if octets[at : at + 2] == b"\\x":
            out, at = out + bytes.fromhex(octets[at + 2 : at + 4].decode()), at + 4
        else:
            at += octets[at] == ord("\\")
            out, at = out + octets[at : at + 1], at + 1
    return out


def pax_record(key, value):
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def pax_records(name, link, size, attributes, sparse_bytes):
    if len(name) > 100 and sparse_bytes is None:
        yield b"path", name
    if len(link) > 100:
        yield b"linkpath", link
    if size > NUMBER_MAX:
        yield b"size", b"%d" % size
    for key in ["uid", "gid"]:
        if attributes[key] > ID_MAX:
            yield key.encode(), b"%d" % attributes[key]
    seconds, nanos = attributes["mtime"]["seconds"], attributes["mtime"]["nanos"]
    if not 0 <= seconds <= NUMBER_MAX:
        total = seconds * 10**9 + nanos
        sign, (whole, fraction) = b"-" if total < 0 else b"", divmod(abs(total), 10**9)
        yield b"mtime", sign + b"%d.%09d" % (whole, fraction)
    for xattr in attributes.get("xattrs", []):
        yield b"SCHILY.xattr." + raw(xattr["name"]), raw(xattr["value"])
    if sparse_bytes is not None:
        yield from [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")]
        yield from [(b"GNU.sparse.name", name), (b"GNU.sparse.realsize", b"%d" % sparse_bytes)]


def sparse_map(extents, size):
    pairs = [(extent["offset"], extent["length"]) for extent in extents]
    if size > (sum(pairs[-1]) if pairs else 0):
        pairs.append((size, 0))
    text = b"%d\n" % len(pairs) + b"".join(b"%d\n%d\n" % pair for pair in pairs)
    return text + padding(len(text))


def header(name, attributes, stored, kind, link=b"", sparse=None):
    """Everything before the content of a member; `sparse` is extents and size."""
    table = sparse_map(*sparse) if sparse else b""
    size, out, ustar_name = stored + len(table), b"", name
    pairs = pax_records(name, link, size, attributes, sparse[1] if sparse else None)
    records = b"".join(pax_record(key, value) for key, value in pairs)
    if records:
        base = name.rstrip(b"/").split(b"/")[-1]
        out = ustar(b"PaxHeaders/" + base, 0o644, len(records), kind=b"x") + records + padding(len(records))
    if sparse:
        folder, slash, base = name.rpartition(b"/")
        ustar_name = folder + slash + b"GNUSparseFile.0/" + base
    seconds = attributes["mtime"]["seconds"]
    uid, gid = (attributes[key] if attributes[key] <= ID_MAX else 0 for key in ["uid", "gid"])
    mtime = seconds if 0 <= seconds <= NUMBER_MAX else 0
    return out + ustar(ustar_name, attributes["mode"], min(size, NUMBER_MAX), mtime, kind, link, uid, gid) + table


def entry(record):
    """Header and stored size of an entry, and the file in it."""
    name, node, attributes = raw(record["path"]), record["node"], record["attributes"]
    if node == "directory":
        return header(name + b"/", attributes, 0, b"5"), 0, None
    ((kind, facts),) = node.items()
    if kind == "file":
        extents, size = facts.get("extents"), facts["size"]
        stored = size if extents is None else sum(extent["length"] for extent in extents)
        sparse = None if extents is None else (extents, size)
        return header(name, attributes, stored, b"0", sparse=sparse), stored, facts
    kind = {"symlink": b"2", "hardlink": b"1"}[kind]
    return header(name, attributes, 0, kind, link=raw(facts["target"])), 0, None


def with_holes(content, facts):
    if facts.get("extents") is None:
        return content
    whole, at = bytearray(facts["size"]), 0
    for extent in facts["extents"]:
        whole[extent["offset"] : extent["offset"] + extent["length"]] = content[at : at + extent["length"]]
        at += extent["length"]
    return bytes(whole)


class Payload:
    def __init__(self, found, created):
        self.tar, self.starts, self.at, self.stored = b"".join(content for _, content in found), {}, 0, 0
        moment = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        self.part_attributes = {"mode": 0o600, "uid": 0, "gid": 0, "mtime": {"seconds": int(moment.timestamp()), "nanos": 0}}
        begin = 0
        for offset, content in found:
            self.starts[offset] = begin
            begin += len(content)

    def member(self, place, head, stored):
        assert self.starts[place["block"]] + place["skip"] == self.at, place
        begin = self.at + len(head)
        assert self.tar[self.at : begin] == head, place
        content, filled = self.tar[begin : begin + stored], padding(stored)
        self.at = begin + stored + len(filled)
        assert self.tar[begin + stored : self.at] == filled, place
        self.stored += stored
        return content


def check_payload(outer, identity):
    block_bytes = outer.header["block_bytes"]
    found = blocks(decrypt(outer, "data", identity), block_bytes)
    index = b"".join(content for _, content in blocks(decrypt(outer, "index", identity), block_bytes))
    records = [json.loads(line) for line in index.splitlines()]
    assert index.endswith(b"\n") and records[0] == {"begin": {"version": 1, "bundle": outer.manifest["bundle"]}}
    payload, counts, streams, sources = Payload(found, outer.manifest["created"]), Counter(), {}, []
    for record in records:
        ((kind, facts),) = record.items()
        counts[kind] += 1
        if kind == "source":
            sources.append((facts["label"], facts["kind"]))
        elif kind == "entry":
            head, stored, file = entry(facts)
            content = payload.member(facts["at"], head, stored)
            assert file is None or hashlib.sha256(with_holes(content, file)).hexdigest() == file["sha256"]
        elif kind == "part":
            name = raw(facts["path"]) + b".part-%08d" % facts["number"]
            content = payload.member(facts["at"], header(name, payload.part_attributes, facts["size"], b"0"), facts["size"])
            streams.setdefault(facts["path"], hashlib.sha256()).update(content)
        elif kind == "stream":
            assert streams.pop(facts["path"]).hexdigest() == facts["sha256"]
    assert payload.tar[payload.at :] == ZERO * 1024 and not streams
    totals = {"entries": counts["entry"] + counts["stream"], "exceptions": counts["exception"], "content_bytes": payload.stored}
    totals |= {"tar_bytes": len(payload.tar), "blocks": len(found)}
    assert records[-1] == {"end": totals} and totals == outer.manifest["totals"]
    assert sources == [(source["label"], source["kind"]) for source in outer.manifest["sources"]]
    return counts


def main():
    with open(sys.argv[1], "rb") as file:
        outer = Outer(file.read())
    check_slots(outer.manifest, outer.members)
    print(json.dumps(check_payload(outer, sys.argv[2] if len(sys.argv) > 2 else None)))


if __name__ == "__main__":
    main()
