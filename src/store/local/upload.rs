//! An object on its way: a temporary file that gets its name at the end.

use std::fs::File;
use std::io;
use std::io::Write;
use std::path::PathBuf;

use super::LocalStore;
use super::kind_of;
use super::lease::NO_SET;
use super::names;
use crate::base::durable::NewFile;
use crate::store::Error;
use crate::store::ObjectName;
use crate::store::Upload;

/// Nobody writes to an object once it has its name.
const OBJECT_MODE: u32 = 0o440;

/// Bytes gathered before they go to the file system: tar headers are small.
const BUFFER_BYTES: usize = 256 << 10;

/// An object without its name yet.
pub(super) struct NewObject<'s> {
    store: &'s LocalStore,
    name: ObjectName,
    target: PathBuf,
    file: NewFile,
    written: u64,
    /// Held while an object of no set is written; see [`LocalStore::share_no_set`].
    _shared: Option<File>,
}

impl LocalStore {
    /// Begins an object. Its folder is made now: better refused before hours of work than after.
    pub(super) fn begin(&self, name: &ObjectName) -> Result<NewObject<'_>, Error> {
        let target = self.path(name);
        if kind_of(&target).is_ok() {
            return Err(self.exists(name));
        }
        let set = names::set_of(name);
        let begin = || {
            if let Some((folder, _)) = name.as_str().rsplit_once('/') {
                drop(self.folder(folder)?);
            }
            let shared = set.is_none().then(|| self.share_no_set()).transpose()?;
            let word = set.as_ref().map_or(NO_SET, |set| set.as_str());
            let temporary = self.folder(&format!(".tmp/{word}"))?;
            Ok((NewFile::create(&temporary, OBJECT_MODE)?, shared))
        };
        let (file, shared) = begin().map_err(|error| self.error(format!("create {name}"), error))?;
        Ok(NewObject {
            store: self,
            name: name.clone(),
            target,
            file,
            written: 0,
            _shared: shared,
        })
    }
}

impl NewObject<'_> {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn check_length(&mut self) -> io::Result<()> {
        let (written, length) = (self.written, self.file.file().metadata()?.len());
        if length == written {
            return Ok(());
        }
        let reason = format!("{written} bytes were written, and the file has {length}");
        Err(io::Error::other(reason))
    }

    pub(super) fn publish(mut self) -> Result<(), Error> {
        self.check_length()
            .map_err(|error| self.store.error(format!("publish {}", self.name), error))?;
        match self.file.publish(&self.target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(self.store.exists(&self.name)),
            Err(error) => Err(self.store.error(format!("publish {}", self.name), error)),
            Ok(()) => Ok(()),
        }
    }
}

/// Gathers small writes. An error appears at the write that failed, and from then on at every call.
pub(super) struct Buffered<'s> {
    object: NewObject<'s>,
    buffer: Vec<u8>,
    failed: bool,
}

impl<'s> Buffered<'s> {
    pub(super) fn new(object: NewObject<'s>) -> Self {
        Self {
            object,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            failed: false,
        }
    }

    /// Runs `write`, unless one failed before: the file then has a hole.
    fn guarded(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        let result = write(self);
        self.failed = result.is_err();
        result
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        self.object.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Write for Buffered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.guarded(|upload| {
            if upload.buffer.len() + bytes.len() > BUFFER_BYTES {
                upload.write_buffer()?;
            }
            if bytes.len() >= BUFFER_BYTES {
                return upload.object.write_all(bytes);
            }
            upload.buffer.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.guarded(Self::write_buffer)
    }
}

impl Upload for Buffered<'_> {
    fn publish(mut self: Box<Self>) -> Result<(), Error> {
        if let Err(error) = self.flush() {
            let act = format!("write {}", self.object.name);
            return Err(self.object.store.error(act, error));
        }
        self.object.publish()
    }
}
