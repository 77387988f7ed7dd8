//! The bytes before the content of each tar member: a pure function of its record.
//!
//! POSIX.1-2001 ustar, with pax extended headers only where ustar has no room (for fractions of a second it has none, and they are in the index alone); extended attributes as `SCHILY.xattr.*`, sparse
//! files in GNU's pax format 1.0. GNU tar, bsdtar and Python's tarfile read all of it.

use std::fmt::Write as _;

use ::tar::EntryType;
use ::tar::Header;

use crate::base::tar;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Extent;
use crate::bundle::entry::Mtime;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;

/// Longest name or link target in a ustar header; longer ones go to a pax record.
const USTAR_NAME_MAX: usize = 100;
/// Largest owner or group in a ustar header: seven octal digits.
const USTAR_ID_MAX: u32 = 0o777_7777;
/// Largest size and time in a ustar header: eleven octal digits.
const USTAR_NUMBER_MAX: u64 = 0o777_7777_7777;

/// Everything before the content of `entry`.
#[must_use]
pub fn of_entry(entry: &Entry) -> Vec<u8> {
    let (kind, extents, link) = match &entry.node {
        Node::File { size, extents, .. } => (EntryType::Regular, extents.as_deref().map(|list| (*size, list)), None),
        Node::Directory => (EntryType::Directory, None, None),
        Node::Symlink { target } => (EntryType::Symlink, None, Some(target.0.as_slice())),
        Node::Hardlink { target } => (EntryType::Link, None, Some(target.as_bytes())),
    };
    let mut name = entry.path.as_bytes().to_vec();
    if kind == EntryType::Directory {
        name.push(b'/');
    }
    member(&Fields {
        kind,
        name: &name,
        link,
        size: entry.stored_bytes(),
        extents,
        attributes: &entry.attributes,
    })
}

/// Everything before the content of a part of a stream: `PATH.part-00000000`, mode 0600, owner 0, the given time.
#[must_use]
pub fn of_part(part: &Part, seconds: i64) -> Vec<u8> {
    let name = [part.path.as_bytes(), format!(".part-{:08}", part.number).as_bytes()].concat();
    let attributes = Attributes {
        mode: 0o600,
        mtime: Mtime { seconds, nanos: 0 },
        ..Attributes::default()
    };
    let kind = EntryType::Regular;
    member(&Fields {
        kind,
        name: &name,
        link: None,
        size: part.size,
        extents: None,
        attributes: &attributes,
    })
}

struct Fields<'a> {
    kind: EntryType,
    name: &'a [u8],
    link: Option<&'a [u8]>,
    /// Content bytes without the sparse map.
    size: u64,
    /// The size with holes, and the extents, of a sparse file.
    extents: Option<(u64, &'a [Extent])>,
    attributes: &'a Attributes,
}

fn member(fields: &Fields<'_>) -> Vec<u8> {
    let map = fields
        .extents
        .map(|(size, extents)| sparse_map(size, extents))
        .unwrap_or_default();
    let size = fields.size + map.len() as u64;
    let records = pax_records(fields, size);
    let mut out = Vec::with_capacity(tar::BLOCK + map.len());
    if !records.is_empty() {
        append_pax(&records, fields.name, &mut out);
    }
    let mut header = Header::new_ustar();
    header.set_entry_type(fields.kind);
    let sparse_name = fields.extents.map(|_| sparse_ustar_name(fields.name));
    put(
        &mut header.as_ustar_mut().expect("made as ustar").name,
        sparse_name.as_deref().unwrap_or(fields.name),
    );
    put(
        &mut header.as_ustar_mut().expect("made as ustar").linkname,
        fields.link.unwrap_or_default(),
    );
    header.set_mode(fields.attributes.mode);
    header.set_uid(u64::from(if fields.attributes.uid > USTAR_ID_MAX {
        0
    } else {
        fields.attributes.uid
    }));
    header.set_gid(u64::from(if fields.attributes.gid > USTAR_ID_MAX {
        0
    } else {
        fields.attributes.gid
    }));
    header.set_size(if size > USTAR_NUMBER_MAX { 0 } else { size });
    header.set_mtime(ustar_seconds(fields.attributes.mtime));
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(&map);
    out
}

/// Fills a fixed field, cutting what does not fit: the pax record has it whole.
fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

fn ustar_seconds(mtime: Mtime) -> u64 {
    u64::try_from(mtime.seconds).map_or(0, |seconds| if seconds > USTAR_NUMBER_MAX { 0 } else { seconds })
}

/// The pax records, in the order of the specification in `docs/format.md`.
fn pax_records(fields: &Fields<'_>, size: u64) -> Vec<u8> {
    let attributes = fields.attributes;
    let mut out = Vec::new();
    if fields.extents.is_none() && fields.name.len() > USTAR_NAME_MAX {
        record("path", fields.name, &mut out);
    }
    if let Some(link) = fields.link.filter(|link| link.len() > USTAR_NAME_MAX) {
        record("linkpath", link, &mut out);
    }
    if size > USTAR_NUMBER_MAX {
        record("size", size.to_string().as_bytes(), &mut out);
    }
    for (key, id) in [("uid", attributes.uid), ("gid", attributes.gid)] {
        if id > USTAR_ID_MAX {
            record(key, id.to_string().as_bytes(), &mut out);
        }
    }
    let mtime = attributes.mtime;
    // Nanoseconds alone are no reason for a record: a kilobyte for each file, to keep in two places what the index has.
    if !u64::try_from(mtime.seconds).is_ok_and(|seconds| seconds <= USTAR_NUMBER_MAX) {
        record("mtime", pax_time(mtime).as_bytes(), &mut out);
    }
    for xattr in &attributes.xattrs {
        let key = [b"SCHILY.xattr.", xattr.name.0.as_slice()].concat();
        record_bytes(&key, &xattr.value.0, &mut out);
    }
    if let Some((real_size, _)) = fields.extents {
        record("GNU.sparse.major", b"1", &mut out);
        record("GNU.sparse.minor", b"0", &mut out);
        record("GNU.sparse.name", fields.name, &mut out);
        record("GNU.sparse.realsize", real_size.to_string().as_bytes(), &mut out);
    }
    out
}

/// Seconds as a decimal with nine digits after the point.
fn pax_time(mtime: Mtime) -> String {
    let total = i128::from(mtime.seconds) * 1_000_000_000 + i128::from(mtime.nanos);
    let sign = if total < 0 { "-" } else { "" };
    let magnitude = total.unsigned_abs();
    format!("{sign}{}.{:09}", magnitude / 1_000_000_000, magnitude % 1_000_000_000)
}

fn record(key: &str, value: &[u8], out: &mut Vec<u8>) {
    record_bytes(key.as_bytes(), value, out);
}

/// One pax record, `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record_bytes(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    // One more digit can be needed for the sum than for the rest.
    length = rest + length.to_string().len();
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// The extended header: a member of type `x` with the records as content, filled up.
fn append_pax(records: &[u8], name: &[u8], out: &mut Vec<u8>) {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    let base = name.strip_suffix(b"/").unwrap_or(name);
    let base = base.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    put(
        &mut header.as_ustar_mut().expect("made as ustar").name,
        &[b"PaxHeaders/", base].concat(),
    );
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(records.len() as u64);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(records);
    out.extend_from_slice(tar::fill(records.len() as u64));
}

/// `DIR/GNUSparseFile.0/BASE`, as GNU tar names the ustar side of a sparse member.
fn sparse_ustar_name(name: &[u8]) -> Vec<u8> {
    let cut = name.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    [&name[..cut], b"GNUSparseFile.0/", &name[cut..]].concat()
}

/// The map of GNU's pax format 1.0: the number of extents and each one's offset and length, a line each, filled up.
/// A file that ends in a hole has an empty extent at its end, by which GNU tar sets its size.
fn sparse_map(size: u64, extents: &[Extent]) -> Vec<u8> {
    let reached = extents.last().map_or(0, |last| last.offset + last.length);
    let tail = (reached < size).then_some(Extent {
        offset: size,
        length: 0,
    });
    let all = extents.iter().copied().chain(tail);
    let mut text = format!("{}\n", extents.len() + usize::from(tail.is_some()));
    for extent in all {
        write!(text, "{}\n{}\n", extent.offset, extent.length).expect("a String takes every text");
    }
    let mut map = text.into_bytes();
    map.extend_from_slice(tar::fill(map.len() as u64));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_digits() {
        for length in 0..2000 {
            let mut out = Vec::new();
            record("k", &vec![b'v'; length], &mut out);
            let text = std::str::from_utf8(&out).expect("ascii");
            let said: usize = text.split(' ').next().expect("a length").parse().expect("digits");
            assert_eq!(said, out.len());
        }
    }

    #[test]
    fn times_before_1970_have_a_sign() {
        assert_eq!(
            pax_time(Mtime {
                seconds: -2,
                nanos: 500_000_000
            }),
            "-1.500000000"
        );
        assert_eq!(pax_time(Mtime { seconds: 0, nanos: 1 }), "0.000000001");
        assert_eq!(
            pax_time(Mtime {
                seconds: -1,
                nanos: 500_000_000
            }),
            "-0.500000000"
        );
    }
}
