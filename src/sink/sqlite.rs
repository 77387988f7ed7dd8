//! A SQLite database restored to one chosen path.

pub mod check;

use std::fs;
use std::fs::Permissions;
use std::io;
use std::io::BufRead;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::FallocateFlags;

use super::Error;
use super::Sink;
use super::notes;
use super::notes::Notes;
use super::times;
use crate::base::claim;
use crate::base::claim::Claim;
use crate::base::durable;
use crate::base::durable::NewFile;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Extent;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::path::EntryPath;

use check::Checker;
use check::Findings;

/// What every database file of more than 0 bytes begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Restores exactly one file entry to a database path of the operator's choice.
///
/// The file is staged beside the target, checked there, and gets the target's name when it is whole and on disk. Mode and time of
/// modification are those of the entry, and its owner too when this process may give files away (as root).
pub struct SqliteSink {
    target: PathBuf,
    checker: Checker,
    staged: Option<Staged>,
    /// What the check of what is staged has found.
    findings: Option<Findings>,
    swept: u64,
    same_owner: bool,
    notes: Notes,
}

struct Staged {
    // Dropped in this order: the file is removed before the claim to its name is.
    file: NewFile,
    claim: Claim,
    path: EntryPath,
    attributes: Attributes,
}

impl SqliteSink {
    /// Restores to `target`, which must be a free name in an existing folder, without the journals of another database beside it.
    ///
    /// # Errors
    /// `Target` when it is not: SQLite would apply a left `-wal` or `-journal` to the restored file and destroy it.
    pub fn new(target: PathBuf, checker: Checker) -> Result<Self, Error> {
        let remove_folder = |_: &Path| Err(io::ErrorKind::IsADirectory.into());
        let name = target.file_name().unwrap_or_default();
        let swept = claim::sweep(durable::parent(&target), name, remove_folder);
        let sink = Self {
            target,
            checker,
            staged: None,
            findings: None,
            swept,
            same_owner: rustix::process::geteuid().is_root(),
            notes: Notes::default(),
        };
        refuse_taken(&sink.target)?;
        Ok(sink)
    }

    /// Whether the database gets the owner of its entry; by default for root alone.
    #[must_use]
    pub fn same_owner(mut self, same_owner: bool) -> Self {
        self.same_owner = same_owner;
        self
    }

    /// Checks a target as [`new`](Self::new) does, and makes and removes nothing.
    ///
    /// # Errors
    /// `Target`.
    pub fn check(target: &Path) -> Result<(), Error> {
        refuse_taken(target)
    }

    fn write_error(&self, source: io::Error) -> Error {
        Error::Write {
            path: self.target.clone(),
            source,
        }
    }

    fn stage(
        &self,
        path: &EntryPath,
        size: u64,
        extents: &[Extent],
        content: &mut dyn BufRead,
    ) -> Result<(NewFile, Claim), Error> {
        let (mut file, claim) = self.create().map_err(|error| self.write_error(error))?;
        self.reserve(&mut file, size)?;
        for extent in extents {
            let mut offset = extent.offset;
            let end = extent.offset + extent.length;
            while offset < end {
                let ready = content.fill_buf().and_then(|ready| match ready {
                    [] => Err(io::ErrorKind::UnexpectedEof.into()),
                    ready => Ok(ready),
                });
                let ready = ready.map_err(|source| Error::Content {
                    path: path.clone(),
                    source,
                })?;
                let most = usize::try_from(end - offset).unwrap_or(usize::MAX);
                let step = ready.len().min(most);
                file.write_at(&ready[..step], offset)
                    .map_err(|error| self.write_error(error))?;
                content.consume(step);
                offset += step as u64;
            }
        }
        self.refuse_other_content(path, &mut file, size)?;
        Ok((file, claim))
    }

    fn create(&self) -> io::Result<(NewFile, Claim)> {
        let name = self.target.file_name().unwrap_or_default();
        let mut claim = Claim::new(durable::parent(&self.target), name)?;
        let mut file = NewFile::create_at(claim.temporary().to_owned(), 0o600)?;
        claim.note(&file.file().metadata()?)?;
        Ok((file, claim))
    }

    /// Takes the room at once: a full disk shows before the content is read, and the file lies in one piece.
    fn reserve(&self, file: &mut NewFile, size: u64) -> Result<(), Error> {
        if size == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(file.file(), FallocateFlags::empty(), 0, size) {
            // Not every file system can.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            Err(error) => return Err(self.write_error(error.into())),
        }
        file.file().set_len(size).map_err(|error| self.write_error(error))
    }

    fn refuse_other_content(&self, path: &EntryPath, file: &mut NewFile, size: u64) -> Result<(), Error> {
        let mut begin = [0; 16];
        if size == 0 {
            return Ok(());
        }
        let read = file.file().read_exact_at(&mut begin, 0);
        if read.is_ok() && begin == *MAGIC {
            return Ok(());
        }
        Err(Error::Refused {
            path: path.clone(),
            reason: format!(
                "it is not a SQLite database, and {} was asked for as one",
                self.target.display()
            ),
        })
    }

    fn apply(&self, staged: &mut Staged) -> Result<(), Error> {
        let Attributes {
            mode,
            uid,
            gid,
            mtime,
            ref xattrs,
        } = staged.attributes;
        let file = staged.file.file();
        let metadata = file.metadata().map_err(|error| self.write_error(error))?;
        if (metadata.uid(), metadata.gid()) != (uid, gid) {
            if self.same_owner {
                std::os::unix::fs::fchown(&*file, Some(uid), Some(gid)).map_err(|error| self.write_error(error))?;
            } else {
                self.notes.owner_left(&staged.path);
            }
        }
        if !xattrs.is_empty() {
            self.notes.xattr_missing(&staged.path);
        }
        // No database needs the bits above these, and set-user-id on one would only be a trap.
        if mode & 0o7000 != 0 {
            self.notes.privilege_dropped(&staged.path);
        }
        file.set_permissions(Permissions::from_mode(mode & 0o777))
            .map_err(|error| self.write_error(error))?;
        rustix::fs::futimens(&*file, &times::modified(mtime)).map_err(|error| self.write_error(error.into()))
    }
}

fn refuse_taken(target: &Path) -> Result<(), Error> {
    let refuse = |reason: String| Error::Target {
        target: target.to_owned(),
        reason,
        hint: super::ELSEWHERE,
    };
    if target.file_name().is_none() {
        return Err(refuse("it names no file".to_owned()));
    }
    if !durable::parent(target).is_dir() {
        return Err(Error::Target {
            target: target.to_owned(),
            reason: "its folder does not exist".to_owned(),
            hint: "Make the folder with mkdir, and restore again.",
        });
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = target.to_owned().into_os_string();
        name.push(suffix);
        if fs::symlink_metadata(&name).is_ok() {
            return Err(refuse(if suffix.is_empty() {
                "it exists already".to_owned()
            } else {
                let name = Path::new(&name).display();
                format!("{name} exists already, and SQLite would take it for part of the restored database")
            }));
        }
    }
    Ok(())
}

impl Sink for SqliteSink {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        let refuse = |reason: &str| Error::Refused {
            path: entry.path.clone(),
            reason: reason.to_owned(),
        };
        let Node::File { size, extents, .. } = &entry.node else {
            return Err(refuse("a database is restored from a file entry"));
        };
        if self.staged.is_some() {
            return Err(refuse(
                "one database is restored to one path, and this is a second entry",
            ));
        }
        refuse_taken(&self.target)?;
        let whole = [Extent {
            offset: 0,
            length: *size,
        }];
        let (file, claim) = self.stage(&entry.path, *size, extents.as_deref().unwrap_or(&whole), content)?;
        self.staged = Some(Staged {
            file,
            claim,
            path: entry.path.clone(),
            attributes: entry.attributes.clone(),
        });
        Ok(())
    }

    fn part(&mut self, part: &Part, _content: &mut dyn BufRead) -> Result<(), Error> {
        Err(Error::Refused {
            path: part.path.clone(),
            reason: "a database is restored from a file entry, and this is a stream".to_owned(),
        })
    }

    fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        Err(Error::Refused {
            path: stream.path.clone(),
            reason: "a database is restored from a file entry, and this is a stream".to_owned(),
        })
    }

    fn prepare(&mut self) -> Result<(), Error> {
        let Some(staged) = &self.staged else {
            return Err(self.missing());
        };
        if self.findings.is_none() {
            let findings = self.checker.check(staged.file.temporary());
            self.findings = Some(findings.map_err(|error| self.named(error))?);
        }
        refuse_taken(&self.target)
    }

    fn commit(mut self: Box<Self>) -> Result<Vec<String>, Error> {
        self.prepare()?;
        let Some(mut staged) = self.staged.take() else {
            return Err(self.missing());
        };
        self.apply(&mut staged)?;
        let Staged { file, claim, .. } = staged;
        let published = file.publish_or_withdraw(&self.target);
        drop(claim);
        published.map_err(|error| self.write_error(error))?;
        let found = self.findings.as_ref().and_then(|findings| findings.note(&self.target));
        let swept = notes::swept(self.swept, &self.target);
        let left = notes::left_for_others(&self.target);
        let notes = found.into_iter().chain(swept).chain(left);
        Ok(notes.chain(self.notes.list()).collect())
    }
}

impl SqliteSink {
    fn missing(&self) -> Error {
        let reason = "the bundle gave no entry for it".to_owned();
        Error::Target {
            target: self.target.clone(),
            reason,
            hint: "Look with `hub-backup ls` what the bundle holds.",
        }
    }

    /// A failed check speaks of the target: the temporary name is gone when the message is read.
    fn named(&self, error: Error) -> Error {
        match error {
            Error::Check { reason, hint, .. } => Error::Check {
                path: self.target.clone(),
                reason,
                hint,
            },
            other @ (Error::Target { .. }
            | Error::Refused { .. }
            | Error::Xattr { .. }
            | Error::Write { .. }
            | Error::Output(_)
            | Error::Database { .. }
            | Error::Content { .. }) => other,
        }
    }
}

#[cfg(test)]
mod tests;
