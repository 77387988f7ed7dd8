//! The digests of the segments of a checked bundle, without holding them.
//!
//! They stand in its `SHA256SUMS`, a line for each segment. Of every page of these lines one digest is kept, so what is read there again is
//! what was checked: some KiB are held for a bundle of any size.

use crate::base::digest::Digest;
use crate::base::digest::Hasher;
use crate::base::read_at::ReadAt;
use crate::bundle::outer;
use crate::bundle::outer::Container;

use super::Damage;

/// Lines in a page: 80 KiB, for 4 GiB of segments.
const PAGE_LINES: u64 = 1024;

/// Where the digests of one container stand, and the digests of their pages.
#[derive(Clone, Debug)]
pub struct Pages {
    container: Container,
    /// Offset of the first line in the bundle.
    begin: u64,
    /// Every line of a container has the same length.
    line_bytes: u64,
    lines: u64,
    digests: Vec<Digest>,
}

/// Takes the lines in their order.
pub(super) struct PagesCheck {
    pages: Pages,
    page: Hasher,
}

impl PagesCheck {
    /// For lines that begin at the offset `begin` of the bundle.
    pub(super) fn new(container: Container, begin: u64) -> Self {
        let pages = Pages {
            container,
            begin,
            line_bytes: 0,
            lines: 0,
            digests: Vec::new(),
        };
        let page = Hasher::default();
        Self { pages, page }
    }

    pub(super) fn lines(&self) -> u64 {
        self.pages.lines
    }

    pub(super) fn add(&mut self, line: &str) {
        self.page.update(line.as_bytes());
        self.pages.line_bytes = line.len() as u64;
        self.pages.lines += 1;
        if self.pages.lines.is_multiple_of(PAGE_LINES) {
            self.end_page();
        }
    }

    pub(super) fn finish(mut self) -> Pages {
        if !self.pages.lines.is_multiple_of(PAGE_LINES) {
            self.end_page();
        }
        self.pages
    }

    fn end_page(&mut self) {
        self.pages.digests.push(std::mem::take(&mut self.page).finish());
    }
}

/// The digests of one page.
#[derive(Debug)]
pub(super) struct Page {
    number: u64,
    digests: Vec<Digest>,
}

impl Pages {
    /// The digest of a segment, out of `page`, which is read anew where it is another one.
    pub(super) fn digest(&self, object: &dyn ReadAt, segment: u64, page: &mut Option<Page>) -> Result<Digest, Damage> {
        let number = segment / PAGE_LINES;
        let read = match page.take() {
            Some(page) if page.number == number => page,
            Some(_) | None => self.read(object, number)?,
        };
        let index = usize::try_from(segment % PAGE_LINES).expect("below the lines of a page");
        let digest = read.digests.get(index).copied();
        *page = Some(read);
        digest.ok_or(Damage::Layout("a segment is not among those that were checked"))
    }

    fn read(&self, object: &dyn ReadAt, number: u64) -> Result<Page, Damage> {
        let past = Damage::Layout("a segment is not among those that were checked");
        let known = usize::try_from(number).ok().and_then(|number| self.digests.get(number));
        let expected = *known.ok_or(past)?;
        let first = number * PAGE_LINES;
        let lines = (self.lines - first).min(PAGE_LINES);
        let bytes = usize::try_from(lines * self.line_bytes).expect("a page is small");
        let mut text = vec![0; bytes];
        object
            .read_exact_at(&mut text, self.begin + first * self.line_bytes)
            .map_err(Damage::Read)?;
        let actual = Digest::of(&text);
        if actual != expected {
            let member = format!("{}, for {}", outer::SUMS, self.container.segment_name(first));
            return Err(Damage::Digest {
                member,
                expected,
                actual,
            });
        }
        let line_bytes = usize::try_from(self.line_bytes).expect("a line is short");
        let digests = text.chunks(line_bytes).map(digest_of).collect::<Option<Vec<Digest>>>();
        let digests = digests.ok_or(Damage::Layout("a line of SHA256SUMS has no digest"))?;
        Ok(Page { number, digests })
    }
}

/// The digest at the begin of a line.
fn digest_of(line: &[u8]) -> Option<Digest> {
    let text = std::str::from_utf8(line).ok()?;
    text.split(' ').next()?.parse().ok()
}
