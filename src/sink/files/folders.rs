//! The folders of a restore: made one by one, opened component by component and never through a link.

use std::collections::HashSet;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::super::Error;
use super::maker::Maker;
use super::maker::refused;
use crate::bundle::entry::Attributes;
use crate::bundle::path::EntryPath;

/// How many folders below the root stay open; those further down are opened again for each new parent.
const OPEN_FOLDERS: usize = 64;

/// Whether a missing parent is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Refuse,
}

/// The folders made so far. Those of which only the content came stay private, with mode 0700.
#[derive(Debug)]
pub(super) struct Folders {
    root: Arc<OwnedFd>,
    /// The way to the last parent, as far as it is kept open.
    way: Vec<(Box<[u8]>, Arc<OwnedFd>)>,
    last: (Vec<u8>, Arc<OwnedFd>),
    implied: HashSet<Box<[u8]>>,
    made: Vec<(EntryPath, Attributes)>,
}

/// The last component of a path, and what is before it.
pub(super) fn split(relative: &[u8]) -> (&[u8], &[u8]) {
    match relative.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&relative[..slash], &relative[slash + 1..]),
        None => (b"", relative),
    }
}

impl Folders {
    pub(super) fn new(root: Arc<OwnedFd>) -> Self {
        Self {
            last: (Vec::new(), Arc::clone(&root)),
            root,
            way: Vec::new(),
            implied: HashSet::new(),
            made: Vec::new(),
        }
    }

    /// The open folder `parent`, relative to the root. `path` is what is to be put there.
    pub(super) fn open(
        &mut self,
        parent: &[u8],
        path: &EntryPath,
        missing: Missing,
        maker: &Maker,
    ) -> Result<Arc<OwnedFd>, Error> {
        if self.last.0 == parent {
            return Ok(Arc::clone(&self.last.1));
        }
        let components = || {
            parent
                .split(|byte| *byte == b'/')
                .filter(|component| !component.is_empty())
        };
        let known = components()
            .zip(&self.way)
            .take_while(|(wanted, kept)| **wanted == *kept.0)
            .count();
        self.way.truncate(known);
        let mut folder = Arc::clone(self.way.last().map_or(&self.root, |(_, fd)| fd));
        let mut end = self.way.iter().map(|(name, _)| name.len() + 1).sum::<usize>();
        for component in components().skip(known) {
            end += component.len() + 1;
            let opened = self.step(&folder, component, &parent[..end - 1], missing);
            folder = Arc::new(opened.map_err(|errno| step_error(path, errno, maker))?);
            if self.way.len() < OPEN_FOLDERS {
                self.way.push((component.into(), Arc::clone(&folder)));
            }
        }
        self.last = (parent.to_vec(), Arc::clone(&folder));
        Ok(folder)
    }

    fn step(&mut self, folder: &OwnedFd, name: &[u8], whole: &[u8], missing: Missing) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(folder, name, flags, Mode::empty());
        match open() {
            Err(Errno::NOENT) if missing == Missing::Make => {
                rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o700))?;
                let _: bool = self.implied.insert(whole.into());
                open()
            }
            other => other,
        }
    }

    /// Makes the folder that `path` is; its attributes are set at the end.
    pub(super) fn make(&mut self, path: &EntryPath, attributes: &Attributes, maker: &Maker) -> Result<(), Error> {
        let relative = maker.relative(path);
        let (parent, name) = split(relative);
        let parent = self.open(parent, path, Missing::Make, maker)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) if self.implied.remove(relative) => (),
            made => made.map_err(|errno| maker.creation_error(path, errno))?,
        }
        self.made.push((path.clone(), attributes.clone()));
        Ok(())
    }

    /// Gives every folder its attributes, the deepest first: what a folder then forbids is not needed any more.
    pub(super) fn finish(&mut self, maker: &Maker) -> Result<(), Error> {
        let mut made = std::mem::take(&mut self.made);
        made.sort_unstable_by(|one, other| other.0.cmp(&one.0));
        for (path, attributes) in &made {
            let (parent, name) = split(maker.relative(path));
            let parent = self.open(parent, path, Missing::Refuse, maker)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = rustix::fs::openat(&parent, name, flags, Mode::empty())
                .map_err(|errno| maker.write_error(path, errno))?;
            maker.finish(folder.as_fd(), path, attributes, None)?;
        }
        Ok(())
    }
}

/// What it means that a component on the way to `path` could not be opened as a folder.
fn step_error(path: &EntryPath, errno: Errno, maker: &Maker) -> Error {
    if [Errno::NOTDIR, Errno::LOOP, Errno::EXIST].contains(&errno) {
        refused(path, "a file or a link stands where a folder should be")
    } else if errno == Errno::NOENT {
        refused(path, "a folder on the way to it was not restored")
    } else {
        maker.write_error(path, errno)
    }
}
