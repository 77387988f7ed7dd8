//! One walk over a tree: depth first, the names of each folder in the order of their bytes.
//!
//! Every name is opened relative to its open folder and never through a link, so that nobody who renames things
//! meanwhile can lead the walk out of the tree.

use std::ffi::CStr;
use std::ffi::OsStr;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::vec;

use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::Stat;
use rustix::fs::fstat;
use rustix::fs::openat;
use rustix::fs::readlinkat;
use rustix::fs::statat;
use rustix::io::Errno;

use super::super::Error;
use super::attributes::XattrReader;
use super::attributes::XattrTrouble;
use super::attributes::attributes;
use super::change;
use super::change::Change;
use super::content;
use super::content::Content;
use super::links::FirstNames;
use super::open;
use super::open::Identity;
use super::open::Listed;
use super::open::Lister;
use super::order::Order;
use crate::base::limits;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Collector;
use crate::bundle::entry::NodeWithoutContent;
use crate::bundle::entry::Xattr;
use crate::bundle::path::EntryPath;
use crate::bundle::path::RawBytes;

/// How many folders, from the current one upward, stay open. Those further up are opened again by way of `..`,
/// so that no depth of tree uses up the descriptors of the process.
const OPEN_FOLDERS: usize = 64;

/// What a walk met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) symlinks: u64,
    pub(super) hard_links: u64,
    pub(super) bytes: u64,
    pub(super) excluded: u64,
    pub(super) mount_points: u64,
    pub(super) special: u64,
    pub(super) changed: u64,
}

/// A folder whose names are being visited.
struct Folder {
    /// `None` for one that is closed for now, see [`OPEN_FOLDERS`].
    fd: Option<OwnedFd>,
    identity: Identity,
    path: EntryPath,
    names: vec::IntoIter<Listed>,
}

pub(super) struct Walk<'a> {
    order: Order<'a>,
    collector: &'a mut dyn Collector,
    stack: Vec<Folder>,
    device: u64,
    first_names: FirstNames,
    lister: Lister,
    xattrs: XattrReader,
    counts: Counts,
}

impl<'a> Walk<'a> {
    pub(super) fn new(order: Order<'a>, collector: &'a mut dyn Collector) -> Self {
        Self {
            order,
            collector,
            stack: Vec::new(),
            device: 0,
            first_names: FirstNames::default(),
            lister: Lister::new(),
            xattrs: XattrReader::new(),
            counts: Counts::default(),
        }
    }

    /// Gives the open root folder and everything below it.
    pub(super) fn folder_root(mut self, root: OwnedFd) -> Result<Counts, Error> {
        let path = EntryPath::of_label(self.order.label);
        let stat = fstat(&root).map_err(|errno| self.order.read_error(&path, errno))?;
        self.device = stat.st_dev;
        self.enter(root, &stat, path)?;
        if self.stack.is_empty() {
            return Err(self.order.root_vanished());
        }
        while let Some(folder) = self.stack.last_mut() {
            self.order.check_cancel()?;
            match folder.names.next() {
                Some((name, kind)) => self.visit(&name, kind)?,
                None => self.leave()?,
            }
        }
        Ok(self.counts)
    }

    /// Gives the open root file as `LABEL/name`.
    pub(super) fn file_root(mut self, root: &OwnedFd, name: &OsStr) -> Result<Counts, Error> {
        let path = self.order.child(&EntryPath::of_label(self.order.label), name)?;
        self.opened_file(root.as_fd(), path)?;
        if self.counts.files == 0 {
            return Err(self.order.root_vanished());
        }
        Ok(self.counts)
    }

    fn current(&self) -> &Folder {
        self.stack.last().expect("called while a folder is visited")
    }

    fn current_fd(&self) -> BorrowedFd<'_> {
        self.current().fd.as_ref().expect("the current folder is open").as_fd()
    }

    fn visit(&mut self, name: &CStr, kind: FileType) -> Result<(), Error> {
        let path = self
            .order
            .child(&self.current().path, OsStr::from_bytes(name.to_bytes()))?;
        let kind = match self.known(name, kind) {
            Ok(kind) => kind,
            Err(errno) => return self.not_opened(path, errno),
        };
        let relative = &path.as_bytes()[self.order.label.as_str().len() + 1..];
        let is_folder = kind == FileType::Directory;
        if self.order.excludes.matches(name.to_bytes(), relative, is_folder) {
            self.counts.excluded += 1;
            return Ok(());
        }
        match kind {
            FileType::RegularFile => self.file(name, path),
            FileType::Directory => self.folder(name, path),
            FileType::Symlink => self.symlink(name, path),
            FileType::Socket => self.special(path, "a socket, not stored"),
            FileType::Fifo => self.special(path, "a FIFO, not stored"),
            FileType::CharacterDevice | FileType::BlockDevice => self.special(path, "a device, not stored"),
            FileType::Unknown => self.special(path, "of a type that this program does not know, not stored"),
        }
    }

    /// The type of `name`; asked for where the listing did not tell.
    fn known(&self, name: &CStr, listed: FileType) -> Result<FileType, Errno> {
        if listed != FileType::Unknown {
            return Ok(listed);
        }
        let stat = statat(self.current_fd(), name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    fn special(&mut self, path: EntryPath, what: &str) -> Result<(), Error> {
        self.counts.special += 1;
        self.exception(path, what.to_owned())
    }

    fn folder(&mut self, name: &CStr, path: EntryPath) -> Result<(), Error> {
        let opened = open::open_folder(self.current_fd(), name).and_then(|fd| Ok((fstat(&fd)?, fd)));
        match opened {
            Ok((stat, fd)) => self.enter(fd, &stat, path),
            Err(errno) => self.not_opened(path, errno),
        }
    }

    /// Gives the folder itself, and makes it the current one unless it is where another file system begins.
    fn enter(&mut self, fd: OwnedFd, stat: &Stat, path: EntryPath) -> Result<(), Error> {
        let is_elsewhere = self.order.options.one_file_system && stat.st_dev != self.device;
        let names = if is_elsewhere {
            self.counts.mount_points += 1;
            Vec::new()
        } else {
            match self.lister.list(fd.as_fd()) {
                Ok(names) => names,
                Err(errno) => return self.not_opened(path, errno),
            }
        };
        let xattrs = self.read_xattrs(fd.as_fd(), stat, &path)?;
        self.counts.folders += 1;
        self.node(path.clone(), stat, xattrs, NodeWithoutContent::Directory)?;
        if let Some(far) = self.stack.len().checked_sub(OPEN_FOLDERS) {
            self.stack[far].fd = None;
        }
        self.stack.push(Folder {
            fd: Some(fd),
            identity: Identity::of(stat),
            path,
            names: names.into_iter(),
        });
        Ok(())
    }

    /// Goes back to the folder above.
    fn leave(&mut self) -> Result<(), Error> {
        let left = self.stack.pop().expect("called while a folder is visited");
        let Some(above) = self.stack.last_mut().filter(|above| above.fd.is_none()) else {
            return Ok(());
        };
        let fd = left.fd.expect("the current folder is open");
        let opened = open::open_folder(fd.as_fd(), c"..").and_then(|fd| Ok((fstat(&fd)?, fd)));
        match opened {
            Ok((stat, fd)) if Identity::of(&stat) == above.identity => {
                above.fd = Some(fd);
                Ok(())
            }
            Err(errno) if !open::is_vanished(errno) => Err(self.order.read_error(&left.path, errno)),
            // There is no way back to what is still to be read, so this is an error whatever the operator allows.
            Ok(_) | Err(_) => Err(self
                .order
                .incomplete(&left.path, "was moved away while it was read", None)),
        }
    }

    fn symlink(&mut self, name: &CStr, path: EntryPath) -> Result<(), Error> {
        // One descriptor for both calls, so that target and attributes belong to the same link.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let read = openat(self.current_fd(), name, flags, Mode::empty()).and_then(|fd| {
            let stat = fstat(&fd)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                return Err(Errno::LOOP);
            }
            Ok((stat, readlinkat(&fd, c"", Vec::new())?))
        });
        let (stat, target) = match read {
            Ok(read) => read,
            Err(errno) => return self.not_opened(path, errno),
        };
        self.counts.symlinks += 1;
        let target = RawBytes(target.into_bytes());
        self.node(path, &stat, Vec::new(), NodeWithoutContent::Symlink { target })
    }

    fn file(&mut self, name: &CStr, path: EntryPath) -> Result<(), Error> {
        match open::open_file(self.current_fd(), name) {
            Ok(file) => self.opened_file(file.as_fd(), path),
            Err(errno) => self.not_opened(path, errno),
        }
    }

    fn opened_file(&mut self, file: BorrowedFd<'_>, path: EntryPath) -> Result<(), Error> {
        let stat = fstat(file).map_err(|errno| self.order.read_error(&path, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return self.not_opened(path, Errno::LOOP);
        }
        if stat.st_nlink > 1
            && let Some(target) = self.first_names.known(&stat, &path)
        {
            self.counts.hard_links += 1;
            return self.node(path, &stat, Vec::new(), NodeWithoutContent::Hardlink { target });
        }
        self.give(file, &stat, path)
    }

    /// Gives the content of a file, and looks whether the file stayed the same meanwhile.
    fn give(&mut self, file: BorrowedFd<'_>, stat: &Stat, path: EntryPath) -> Result<(), Error> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let may_have_holes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512) < size;
        let extents = if may_have_holes {
            content::extents(file, size).map_err(|errno| self.order.read_error(&path, errno))?
        } else {
            None
        };
        let xattrs = self.read_xattrs(file, stat, &path)?;
        let allowed = self.order.options.allow_changed;
        let mut content = Content::new(file, size, extents.as_deref(), allowed, self.order.cancel);
        let given = self
            .collector
            .file(path.clone(), attributes(stat, xattrs), size, extents, &mut content);
        let ended_early = content.ended_early;
        match given {
            Ok(_) => (),
            // Told of below, as the change that it is.
            Err(CollectError::Short { .. }) if ended_early && !allowed => (),
            Err(CollectError::Content(source)) if !self.order.cancel.is_set() => {
                return Err(self.order.read_error(&path, source));
            }
            Err(CollectError::Content(_)) => {
                self.order.check_cancel()?;
            }
            Err(source) => return Err(self.order.stopped(source)),
        }
        let changed = change::since(file, stat, ended_early).map_err(|errno| self.order.read_error(&path, errno))?;
        self.counts.files += 1;
        self.counts.bytes += size;
        match changed {
            None => Ok(()),
            Some(change) => self.changed(path, &change),
        }
    }

    fn read_xattrs(&mut self, file: BorrowedFd<'_>, stat: &Stat, path: &EntryPath) -> Result<Vec<Xattr>, Error> {
        self.xattrs.read(file, stat).map_err(|trouble| match trouble {
            XattrTrouble::Errno(errno) => self.order.read_error(path, errno),
            XattrTrouble::Name(name) => {
                let what = format!("has the extended attribute {name}, a name that a bundle cannot hold");
                let hint = "Give the attribute a name without '=', or exclude the file.";
                self.order.incomplete(path, &what, Some(hint))
            }
            XattrTrouble::TooLarge => {
                let what = format!("has more than {} bytes of extended attributes", limits::XATTR_BYTES_MAX);
                self.order
                    .incomplete(path, &what, Some("Remove some of them, or exclude the file."))
            }
        })
    }

    fn node(
        &mut self,
        path: EntryPath,
        stat: &Stat,
        xattrs: Vec<Xattr>,
        node: NodeWithoutContent,
    ) -> Result<(), Error> {
        let given = self.collector.node(path, attributes(stat, xattrs), node);
        given.map_err(|source| self.order.stopped(source))
    }

    /// A name of the listing could not be opened.
    fn not_opened(&mut self, path: EntryPath, errno: Errno) -> Result<(), Error> {
        let what = if open::is_vanished(errno) {
            "vanished before it was read"
        } else if open::is_replaced(errno) {
            "was replaced by something else before it was read"
        } else {
            return Err(self.order.read_error(&path, errno));
        };
        let change = Change {
            what: what.to_owned(),
            consequence: "it is not stored",
        };
        self.changed(path, &change)
    }

    /// Something did not hold still: an error, unless the operator allows it.
    fn changed(&mut self, path: EntryPath, change: &Change) -> Result<(), Error> {
        if !self.order.options.allow_changed {
            let hint = "Stop what writes there, back up a snapshot of it, or accept a copy that may not be consistent \
                        with `--allow-changed`.";
            return Err(self.order.incomplete(&path, &change.what, Some(hint)));
        }
        self.counts.changed += 1;
        self.exception(path, format!("{}: {}", change.what, change.consequence))
    }

    fn exception(&mut self, path: EntryPath, reason: String) -> Result<(), Error> {
        let given = self.collector.exception(path, reason);
        given.map_err(|source| self.order.stopped(source))
    }
}
