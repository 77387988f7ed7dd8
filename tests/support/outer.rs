//! A bundle taken apart into its members and put together again, as somebody with a hex editor and all of `docs/format.md` would.

use hub_backup::base::digest::Digest;
use hub_backup::bundle::header::FORMAT_VERSION;
use hub_backup::bundle::outer;
use hub_backup::bundle::trailer::Trailer;

/// One member of the outer tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

impl Member {
    pub(crate) fn new(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            content: content.to_vec(),
        }
    }
}

/// Where a member lies in the file: its tar header, its content, and the zeros after it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) begin: usize,
    pub(crate) content: usize,
    pub(crate) end: usize,
    pub(crate) next: usize,
}

/// Walks the tar headers.
pub(crate) fn places(bytes: &[u8]) -> Vec<Place> {
    let mut places = Vec::new();
    let mut begin = 0;
    while bytes[begin] != 0 {
        let field = |from: usize, length: usize| {
            let text = &bytes[begin + from..begin + from + length];
            let text = text.split(|byte| *byte == 0).next().expect("split gives one");
            String::from_utf8(text.to_vec()).expect("ASCII")
        };
        let size = usize::from_str_radix(field(124, 12).trim(), 8).expect("octal digits");
        let (content, end) = (begin + 512, begin + 512 + size);
        let next = end.next_multiple_of(512);
        places.push(Place {
            name: field(0, 100),
            begin,
            content,
            end,
            next,
        });
        begin = next;
    }
    places
}

/// The members of a bundle.
pub(crate) fn take_apart(bytes: &[u8]) -> Vec<Member> {
    let member = |place: Place| Member::new(&place.name, &bytes[place.content..place.end]);
    places(bytes).into_iter().map(member).collect()
}

/// As the format has it, but with any name: the library that makes headers corrects names such as `./x` and refuses `../x`.
fn tar_header(name: &str, size: u64) -> [u8; 512] {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(&outer::tar_header("x", size));
    let field = &mut header.as_ustar_mut().expect("made as ustar").name;
    field.fill(0);
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    *header.as_bytes()
}

/// A tar file of the members as they are.
pub(crate) fn put_together(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        bytes.extend(tar_header(&member.name, member.content.len() as u64));
        bytes.extend(&member.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// As [`put_together`], with a trailer that points to the manifest and the signatures, wherever they now are.
pub(crate) fn put_together_with_trailer(members: &[Member]) -> Vec<u8> {
    let mut members = members.to_vec();
    let places = places(&put_together(&members));
    let find = |name: &str| places.iter().rfind(|place| place.name == name);
    let span = |name: &str| {
        find(name).map_or((0, 0), |place| {
            (place.content as u64, (place.end - place.content) as u64)
        })
    };
    let signatures = members.iter().rfind(|member| member.name == outer::SIGNATURES);
    let (manifest, seal) = (span(outer::MANIFEST), span(outer::SIGNATURES));
    let trailer = Trailer {
        version: FORMAT_VERSION,
        manifest_offset: manifest.0,
        manifest_bytes: manifest.1,
        signatures_offset: seal.0,
        signatures_bytes: seal.1,
        signatures_sha256: Digest::of(signatures.map_or(&[], |member| &member.content)),
    };
    if let Some(member) = members.iter_mut().rfind(|member| member.name == outer::TRAILER) {
        member.content = trailer.to_bytes().to_vec();
    }
    put_together(&members)
}

/// `SHA256SUMS` over the members before it, as they are now.
pub(crate) fn rewrite_sums(members: &mut [Member]) {
    let Some(at) = members.iter().position(|member| member.name == outer::SUMS) else {
        return;
    };
    let lines = members[..at]
        .iter()
        .map(|member| outer::sums_line(&member.name, &Digest::of(&member.content)));
    members[at].content = lines.collect::<String>().into_bytes();
}

/// The member of a name.
pub(crate) fn named<'m>(members: &'m mut [Member], name: &str) -> &'m mut Member {
    members
        .iter_mut()
        .find(|member| member.name == name)
        .expect("a member of this name")
}
