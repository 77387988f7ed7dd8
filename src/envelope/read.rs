//! Reads the outer tar strictly: first its ends, then, once the manifest is trusted, every byte.

use crate::base::cancel::Cancel;
use crate::base::digest::Digest;
use crate::base::limits;
use crate::base::parallel;
use crate::base::progress::Progress;
use crate::base::read_at::ReadAt;
use crate::base::tar;
use crate::bundle::header::BadHeader;
use crate::bundle::header::FORMAT_VERSION;
use crate::bundle::header::Header;
use crate::bundle::manifest::Manifest;
use crate::bundle::manifest::Member;
use crate::bundle::manifest::SegmentChain;
use crate::bundle::outer;
use crate::bundle::outer::Container;
use crate::bundle::trailer::TRAILER_BYTES;
use crate::bundle::trailer::Trailer;

use super::Damage;
use super::Layout;
use super::check_names;
use super::pages::Pages;
use super::pages::PagesCheck;
use super::write::SumsCheck;

/// Offset of the trailer's content from the end of the file.
const TRAILER_FROM_END: u64 = TRAILER_BYTES as u64 + tar::END_BYTES;

/// What stands at the end of a bundle, read but not trusted.
#[derive(Clone, Debug)]
pub struct Ends {
    trailer: Trailer,
    /// The bytes of `manifest.json`.
    pub manifest: Vec<u8>,
    /// The bytes of `manifest.json.asc`.
    pub signatures: Vec<u8>,
}

/// What the pass over all bytes has found to be as signed.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The header of the bundle.
    pub header: Header,
    /// Names within `keyslots/` and contents.
    pub slots: Vec<(String, Vec<u8>)>,
    /// Where everything lies.
    pub layout: Layout,
    /// Where the digests of the segments of the payload are.
    pub data: Pages,
    /// Where the digests of the segments of the index are.
    pub index: Pages,
}

/// Reads trailer, manifest and signatures. Nothing read here is trusted yet.
///
/// # Errors
/// See [`Damage`].
pub fn ends(object: &dyn ReadAt) -> Result<Ends, Damage> {
    let trailer_offset = object
        .len()
        .checked_sub(TRAILER_FROM_END)
        .ok_or(crate::bundle::trailer::BadTrailer)?;
    let mut bytes = [0; TRAILER_BYTES];
    object.read_exact_at(&mut bytes, trailer_offset).map_err(Damage::Read)?;
    let trailer = Trailer::parse(&bytes)?;
    if trailer.version != FORMAT_VERSION {
        return Err(Damage::Header(BadHeader::Version(u64::from(trailer.version))));
    }
    let manifest = tail(
        object,
        trailer.manifest_offset,
        trailer.manifest_bytes,
        limits::MANIFEST_BYTES_MAX,
    )?;
    let signatures = tail(
        object,
        trailer.signatures_offset,
        trailer.signatures_bytes,
        limits::SIGNATURES_BYTES_MAX,
    )?;
    if signatures.is_empty() {
        return Err(Damage::NoSignature);
    }
    Ok(Ends {
        trailer,
        manifest,
        signatures,
    })
}

fn tail(object: &dyn ReadAt, offset: u64, length: u64, most: u64) -> Result<Vec<u8>, Damage> {
    let inside = offset.checked_add(length).is_some_and(|end| end <= object.len());
    if length > most || !inside {
        return Err(crate::bundle::trailer::BadTrailer.into());
    }
    read(object, offset, length)
}

fn read(object: &dyn ReadAt, offset: u64, length: u64) -> Result<Vec<u8>, Damage> {
    let length = usize::try_from(length).map_err(|_| Damage::Layout("a member is too large"))?;
    let mut bytes = vec![0; length];
    object.read_exact_at(&mut bytes, offset).map_err(Damage::Read)?;
    Ok(bytes)
}

/// Reads every byte of the bundle and compares it with what the manifest says or the format has there.
///
/// `manifest` must be the parsed form of `ends.manifest`. Call it with a manifest whose signatures have been checked: what it
/// gives is as trustworthy as the manifest.
///
/// # Errors
/// See [`Damage`].
pub fn check(
    object: &dyn ReadAt,
    ends: &Ends,
    manifest: &Manifest,
    jobs: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Checked, Damage> {
    let mut sums = SumsCheck::default();
    let Small { header, slots } = check_small(object, manifest, &mut sums)?;
    let header = Header::parse(&header).map_err(Damage::Header)?;
    check_header(&header, manifest)?;
    let layout = Layout::new(manifest, &header)?;
    check_ends(object, ends, &layout)?;
    let pass = Pass {
        object,
        layout: &layout,
        jobs,
        progress,
        cancel,
    };
    let data = pass.container(Container::Payload, &manifest.members.data.chain, &mut sums)?;
    let index = pass.container(Container::Index, &manifest.members.index.chain, &mut sums)?;
    check_sums(object, &manifest.members.sums, layout.sums, sums)?;
    Ok(Checked {
        header,
        slots,
        layout,
        data,
        index,
    })
}

/// The contents of the members before the containers, but for `RECOVER.txt`, which is for people.
struct Small {
    header: Vec<u8>,
    /// Names within `keyslots/` and contents.
    slots: Vec<(String, Vec<u8>)>,
}

fn check_small(object: &dyn ReadAt, manifest: &Manifest, sums: &mut SumsCheck) -> Result<Small, Damage> {
    check_names(manifest)?;
    let members = &manifest.members;
    let mut offset = 0;
    let mut check = |member: &Member| {
        let content = check_member(object, member, offset)?;
        offset += tar::member_bytes(member.bytes);
        sums.add(&outer::sums_line(&member.name, &member.sha256));
        Ok::<_, Damage>(content)
    };
    let _for_people = check(&members.recover)?;
    let header = check(&members.header)?;
    let mut slots = Vec::new();
    for slot in &members.keyslots {
        let name = slot.name.trim_start_matches("keyslots/").to_owned();
        slots.push((name, check(slot)?));
    }
    Ok(Small { header, slots })
}

fn check_member(object: &dyn ReadAt, member: &Member, offset: u64) -> Result<Vec<u8>, Damage> {
    check_frame(object, &member.name, offset, member.bytes)?;
    let content = read(object, offset + tar::BLOCK_BYTES, member.bytes)?;
    same(&member.name, member.sha256, Digest::of(&content))?;
    Ok(content)
}

/// The tar header before and the zeros after a content.
fn check_frame(object: &dyn ReadAt, name: &str, offset: u64, bytes: u64) -> Result<(), Damage> {
    let header = read(object, offset, tar::BLOCK_BYTES)?;
    let padding = read(object, offset + tar::BLOCK_BYTES + bytes, tar::padding(bytes))?;
    let whole = header == outer::tar_header(name, bytes) && padding.iter().all(|byte| *byte == 0);
    if whole {
        Ok(())
    } else {
        Err(Damage::Frame(name.to_owned()))
    }
}

fn same(member: &str, expected: Digest, actual: Digest) -> Result<(), Damage> {
    if expected == actual {
        Ok(())
    } else {
        Err(Damage::Digest {
            member: member.to_owned(),
            expected,
            actual,
        })
    }
}

fn check_header(header: &Header, manifest: &Manifest) -> Result<(), Damage> {
    let differs = if header.bundle != manifest.bundle {
        "the bundle id"
    } else if header.set != manifest.set {
        "the set"
    } else if header.created != manifest.created {
        "the time"
    } else if header.suite != manifest.suite {
        "the suite"
    } else {
        return Ok(());
    };
    Err(Damage::HeaderDiffers(differs))
}

/// The end of the file: lengths, frames, trailer and final zeros.
fn check_ends(object: &dyn ReadAt, ends: &Ends, layout: &Layout) -> Result<(), Damage> {
    let (manifest_bytes, signatures_bytes) = (ends.manifest.len() as u64, ends.signatures.len() as u64);
    let expected = layout.total_bytes(manifest_bytes, signatures_bytes);
    if object.len() != expected {
        return Err(Damage::Length {
            expected,
            actual: object.len(),
        });
    }
    let signatures = layout.manifest + tar::member_bytes(manifest_bytes);
    let trailer = signatures + tar::member_bytes(signatures_bytes);
    if ends.trailer.manifest_offset != layout.manifest + tar::BLOCK_BYTES
        || ends.trailer.signatures_offset != signatures + tar::BLOCK_BYTES
    {
        return Err(crate::bundle::trailer::BadTrailer.into());
    }
    check_frame(object, outer::MANIFEST, layout.manifest, manifest_bytes)?;
    check_frame(object, outer::SIGNATURES, signatures, signatures_bytes)?;
    check_frame(object, outer::TRAILER, trailer, TRAILER_BYTES as u64)?;
    same(
        outer::SIGNATURES,
        ends.trailer.signatures_sha256,
        Digest::of(&ends.signatures),
    )?;
    let zeros = read(object, object.len() - tar::END_BYTES, tar::END_BYTES)?;
    if zeros.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(Damage::Frame("the end".into()))
    }
}

/// `SHA256SUMS` is what the digests read make it.
fn check_sums(object: &dyn ReadAt, member: &Member, offset: u64, sums: SumsCheck) -> Result<(), Damage> {
    let (rebuilt, bytes) = sums.finish();
    if bytes != member.bytes {
        return Err(Damage::Length {
            expected: member.bytes,
            actual: bytes,
        });
    }
    same(&member.name, member.sha256, rebuilt)?;
    check_frame(object, &member.name, offset, member.bytes)?;
    let mut hasher = crate::base::digest::Hasher::new();
    let (mut at, mut left) = (offset + tar::BLOCK_BYTES, member.bytes);
    while left > 0 {
        let piece = read(object, at, left.min(1 << 20))?;
        hasher.update(&piece);
        at += piece.len() as u64;
        left -= piece.len() as u64;
    }
    same(&member.name, member.sha256, hasher.finish())
}

/// The pass over the segments, spread over threads.
struct Pass<'a> {
    object: &'a dyn ReadAt,
    layout: &'a Layout,
    jobs: usize,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Pass<'_> {
    /// Checks all segments of a container; gives where their digests are.
    fn container(&self, container: Container, chain: &Digest, sums: &mut SumsCheck) -> Result<Pages, Damage> {
        let mut pages = PagesCheck::new(container, self.layout.sums + tar::BLOCK_BYTES + sums.bytes());
        let mut running = SegmentChain::default();
        parallel::ordered(
            self.jobs,
            // The consumer's error, if any, is what counts.
            |feed| (0..self.layout.segments(container)).all(|number| feed.send(number).is_ok()),
            || {
                let mut buffer = Vec::new();
                move |number| self.segment(container, number, &mut buffer)
            },
            |result: Result<(Digest, u64), Damage>| {
                self.cancel.check()?;
                let (digest, bytes) = result?;
                let line = outer::sums_line(&container.segment_name(pages.lines()), &digest);
                sums.add(&line);
                pages.add(&line);
                running.add(&digest);
                self.progress.advance(bytes);
                Ok::<(), Damage>(())
            },
        )?;
        same(
            if container == Container::Payload {
                "data"
            } else {
                "index"
            },
            *chain,
            running.value(),
        )?;
        Ok(pages.finish())
    }

    /// Reads one segment with its frame; gives its digest and length.
    fn segment(&self, container: Container, number: u64, buffer: &mut Vec<u8>) -> Result<(Digest, u64), Damage> {
        let (offset, bytes) = self.layout.segment(container, number);
        let whole = usize::try_from(tar::member_bytes(bytes)).map_err(|_| Damage::Layout("a segment is too large"))?;
        buffer.resize(whole, 0);
        self.object.read_exact_at(buffer, offset).map_err(Damage::Read)?;
        let name = container.segment_name(number);
        let (header, rest) = buffer.split_at(tar::BLOCK);
        let (content, padding) = rest.split_at(usize::try_from(bytes).expect("shorter than the whole"));
        if header != outer::tar_header(&name, bytes) || padding.iter().any(|byte| *byte != 0) {
            return Err(Damage::Frame(name));
        }
        Ok((Digest::of(content), bytes))
    }
}
