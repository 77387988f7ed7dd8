//! A folder of this machine as the place of a restore.
//!
//! Everything is made in a private folder beside the target and on its file system, with a name that begins with
//! [`TEMP_PREFIX`](crate::base::durable::TEMP_PREFIX); at commit, everything in it is made to last and one rename makes it
//! the target. What a killed restore left there is removed by the next one to the same target: [`claim`](crate::base::claim).
//! The target must not exist, or be an empty folder, which is then replaced. Dropped without a commit, all is removed.
//!
//! Nothing is written through a link: every component on the way to an entry is opened as a folder, without following, in a
//! tree that only this restore writes; every entry must be new. So a bundle with a link `a` and a file `a/b` is refused.
//!
//! Modes are restored exactly, whatever the umask. As with `tar`, owners, setuid and setgid bits and capabilities are restored
//! with [`FilesSinkOptions::same_owner`]; without it everything belongs to whoever restores, and what would lend out the rights of
//! that user is left away and noted. Folders on the way to an entry that have no entry of their own are private, mode 0700; so is
//! a new target without an entry of its own, while a replaced empty folder hands on its owner and mode.
//!
//! Memory: the paths and attributes of the folders, which get their times last, and a few batches of small files.

mod behind;
mod fill;
mod folders;
mod last;
mod maker;
mod remove;
mod staging;
mod streams;
mod writers;

use std::io::BufRead;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::io::Errno;

use self::behind::WriteBehind;
use self::folders::Folders;
use self::folders::Missing;
use self::folders::split;
use self::maker::Maker;
use self::maker::refused;
use self::staging::Staging;
use self::streams::Streams;
use self::writers::Task;
use self::writers::Writers;
use super::Error;
use super::Sink;
use super::notes;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Extent;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;

/// How to restore files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesSinkOptions {
    /// Whether `LABEL/x` becomes `target/x`: for one source, restored to a folder of its own.
    pub strip_label: bool,
    /// Whether owners, setuid and setgid bits and capabilities are restored; by default for root alone.
    pub same_owner: bool,
    /// Whether extended attributes that the target does not take are noted and not an error.
    pub allow_missing_xattrs: bool,
    /// Threads that create small files: 1 to 32.
    pub jobs: usize,
}

impl Default for FilesSinkOptions {
    fn default() -> Self {
        Self {
            strip_label: false,
            same_owner: rustix::process::geteuid().is_root(),
            allow_missing_xattrs: false,
            jobs: 2,
        }
    }
}

/// Restores entries to a folder.
#[derive(Debug)]
pub struct FilesSink {
    // Dropped in this order: the writers end before the folder that they write to is removed.
    writers: Writers,
    behind: WriteBehind,
    folders: Folders,
    streams: Streams,
    maker: Arc<Maker>,
    staging: Staging,
    options: FilesSinkOptions,
    /// With stripped labels, the one label there is.
    label: Option<Label>,
    /// The attributes of the target itself, with stripped labels.
    root: Option<(EntryPath, Attributes)>,
    /// Set by the first error: nothing can be committed after it.
    failed: bool,
}

impl FilesSink {
    /// Checks the target and creates the folder beside it in which the restore is prepared.
    ///
    /// # Errors
    /// `Target` when the target exists and is not an empty folder, is a mount point, or stands in no existing folder; otherwise
    /// what the file system reports.
    pub fn new(target: impl AsRef<Path>, options: FilesSinkOptions) -> Result<Self, Error> {
        let staging = Staging::create(target.as_ref())?;
        let target = staging.target().to_owned();
        let maker = Arc::new(Maker::new(staging.root().as_fd(), target, options)?);
        let no_thread = |source| Error::Write {
            path: staging.target().to_owned(),
            source,
        };
        let writers = Writers::start(options.jobs, &maker).map_err(no_thread)?;
        let behind = WriteBehind::start(Arc::clone(staging.root())).map_err(no_thread)?;
        Ok(Self {
            writers,
            behind,
            folders: Folders::new(Arc::clone(staging.root())),
            streams: Streams::default(),
            maker,
            staging,
            options,
            label: None,
            root: None,
            failed: false,
        })
    }

    /// Checks a target as [`new`](Self::new) does, and makes nothing.
    ///
    /// # Errors
    /// `Target`.
    pub fn check(target: &Path) -> Result<(), Error> {
        Staging::check(target)
    }

    /// Where an entry is until the commit. It is written once [`settle`](Self::settle) has returned.
    #[must_use]
    pub fn staged(&self, path: &EntryPath) -> PathBuf {
        self.staging.path().join(maker::as_path(self.maker.relative(path)))
    }

    /// Waits until everything that was taken is written, so that it can be looked at before the commit. The attributes of folders
    /// are set at the commit alone.
    ///
    /// # Errors
    /// That of any write since the last call.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.guard(|sink| sink.writers.settle())
    }

    /// After an error nothing works any more: what is staged is not whole.
    fn guard<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.failed {
            return Err(Error::Target {
                target: self.staging.target().to_owned(),
                reason: "an earlier step of this restore failed".into(),
                hint: "Run the restore again.",
            });
        }
        let result = act(self);
        self.failed = result.is_err();
        result
    }

    /// Refuses a path of a second source where both would land in one folder.
    fn admit(&mut self, path: &EntryPath) -> Result<(), Error> {
        if !self.options.strip_label {
            return Ok(());
        }
        let label = path.label();
        match &self.label {
            Some(first) if *first == label => Ok(()),
            Some(_) => Err(refused(
                path,
                "it is of another source, and this restore is of one source",
            )),
            None => {
                self.label = Some(label);
                Ok(())
            }
        }
    }

    /// Opens the folder that `path` stands in; gives it with the name.
    fn place<'p>(&mut self, path: &'p EntryPath) -> Result<(Arc<OwnedFd>, &'p [u8]), Error> {
        self.admit(path)?;
        let (parent, name) = split(self.maker.relative(path));
        if name.is_empty() {
            return Err(refused(
                path,
                "without its label it has no name, and it is not a folder",
            ));
        }
        let folder = self.folders.open(parent, path, Missing::Make, &self.maker)?;
        Ok((folder, name))
    }

    fn folder(&mut self, entry: &Entry) -> Result<(), Error> {
        let (path, attributes) = (&entry.path, &entry.attributes);
        self.admit(path)?;
        if !self.maker.relative(path).is_empty() {
            return self.folders.make(path, attributes, &self.maker);
        }
        match self.root.replace((path.clone(), attributes.clone())) {
            None => Ok(()),
            Some(_) => Err(refused(path, "the bundle holds this path twice")),
        }
    }

    fn file(
        &mut self,
        entry: &Entry,
        size: u64,
        extents: Option<&[Extent]>,
        content: &mut dyn BufRead,
    ) -> Result<(), Error> {
        let path = &entry.path;
        fill::check_extents(path, size, extents)?;
        let (folder, name) = self.place(path)?;
        let stored = entry.stored_bytes();
        self.behind.wrote(stored);
        if stored <= writers::SMALL_BYTES {
            let task = Task {
                folder,
                path: path.clone(),
                attributes: entry.attributes.clone(),
                size,
                extents: extents.map(<[Extent]>::to_vec),
            };
            let read = |buffer: &mut Vec<u8>| fill::into_memory(path, stored, content, buffer);
            return self.writers.add(task, read);
        }
        let (file, mode) = self.maker.create(folder.as_fd(), name, path, &entry.attributes)?;
        if extents.is_some() {
            file.set_len(size)
                .map_err(|source| self.maker.write_error(path, source))?;
        }
        let layout = fill::layout(size, extents);
        fill::from_reader(&file, path, &layout, content, &self.maker)?;
        self.maker.finish(file.as_fd(), path, &entry.attributes, Some(mode))
    }

    fn symlink(&mut self, entry: &Entry, points_to: &[u8]) -> Result<(), Error> {
        let path = &entry.path;
        let (folder, name) = self.place(path)?;
        rustix::fs::symlinkat(points_to, &folder, name).map_err(|errno| self.maker.creation_error(path, errno))?;
        self.maker.finish_link(folder.as_fd(), name, path, &entry.attributes)
    }

    fn hard_link(&mut self, path: &EntryPath, first: &EntryPath) -> Result<(), Error> {
        self.admit(first)?;
        let (folder, name) = self.place(path)?;
        // The first name may still be with a writer.
        self.writers.settle()?;
        let (parent, first_name) = split(self.maker.relative(first));
        let first_folder = self.folders.open(parent, path, Missing::Refuse, &self.maker)?;
        match rustix::fs::statat(&first_folder, first_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => (),
            Err(errno) if errno != Errno::NOENT => return Err(self.maker.write_error(path, errno)),
            Ok(_) | Err(_) => {
                return Err(refused(
                    path,
                    &format!(
                        "it links to {first}, which is not restored before it: where only some entries are wanted, name that one too"
                    ),
                ));
            }
        }
        rustix::fs::linkat(&first_folder, first_name, &folder, name, AtFlags::empty())
            .map_err(|errno| self.maker.creation_error(path, errno))
    }

    fn land(&mut self) -> Result<(), Error> {
        self.writers.settle()?;
        self.streams.check_none()?;
        self.folders.finish(&self.maker)?;
        self.behind.finish().map_err(|errno| Error::Write {
            path: self.staging.target().to_owned(),
            source: errno.into(),
        })?;
        self.staging.settle()?;
        // Last of all, for the folder may become somebody else's: until then only this user has a way into it.
        let root = self.staging.root().as_fd();
        if let Some((path, attributes)) = &self.root {
            self.maker.finish(root, path, attributes, None)?;
        } else {
            self.staging.inherit()?;
        }
        self.staging.publish()
    }
}

impl Sink for FilesSink {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        self.guard(|sink| match &entry.node {
            Node::File { size, extents, .. } => sink.file(entry, *size, extents.as_deref(), content),
            Node::Directory => sink.folder(entry),
            Node::Symlink { target } => sink.symlink(entry, &target.0),
            Node::Hardlink { target } => sink.hard_link(&entry.path, target),
        })
    }

    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error> {
        self.guard(|sink| {
            let (folder, name) = sink.place(&part.path)?;
            sink.behind.wrote(part.size);
            sink.streams.append(part, folder.as_fd(), name, content, &sink.maker)
        })
    }

    fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        self.guard(|sink| {
            let (folder, name) = sink.place(&stream.path)?;
            sink.streams.end(stream, folder.as_fd(), name, &sink.maker)
        })
    }

    fn prepare(&mut self) -> Result<(), Error> {
        self.settle()?;
        self.guard(|sink| sink.streams.check_none())
    }

    fn commit(mut self: Box<Self>) -> Result<Vec<String>, Error> {
        self.guard(Self::land)?;
        let swept = notes::swept(self.staging.swept(), self.staging.target());
        let left = notes::left_for_others(self.staging.target());
        Ok(swept.into_iter().chain(left).chain(self.maker.notes().list()).collect())
    }
}
