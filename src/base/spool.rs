//! Bytes that wait until it is their turn: in memory, and past a bound in an unlinked file of the system's folder for such.

use std::error::Error;
use std::fmt;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::PathBuf;

use tempfile::SpooledTempFile;

/// The temporary file failed: within an [`io::Error`], so that it is told from whatever the bytes go on to.
#[derive(Debug)]
pub struct SpoolError {
    /// The folder that it lies in.
    pub folder: PathBuf,
    source: io::Error,
}

impl fmt::Display for SpoolError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the temporary file in {} failed", self.folder.display())
    }
}

impl Error for SpoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// What to do when `error`, or what caused it, is a temporary file that failed.
#[must_use]
pub fn hint(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<SpoolError>()?;
    let folder = inner.folder.display();
    Some(format!(
        "Make room in {folder}, or let TMPDIR name another folder; nothing was published."
    ))
}

/// Such bytes.
#[derive(Debug)]
pub struct Spool(SpooledTempFile);

impl Spool {
    /// An empty one that keeps so many bytes in memory.
    #[must_use]
    pub fn new(in_memory_bytes: usize) -> Self {
        Self(SpooledTempFile::new(in_memory_bytes))
    }
}

fn failed(source: io::Error) -> io::Error {
    let kind = source.kind();
    if kind == io::ErrorKind::Interrupted {
        return source;
    }
    let folder = std::env::temp_dir();
    io::Error::new(kind, SpoolError { folder, source })
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(failed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(failed)
    }
}

impl Read for Spool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(failed)
    }
}

impl Seek for Spool {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_names_its_folder() {
        let error = failed(io::ErrorKind::StorageFull.into());
        let folder = std::env::temp_dir();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
        assert!(hint(&error).expect("a hint").contains("TMPDIR"));
        assert_eq!(hint(&io::ErrorKind::StorageFull.into()), None);
    }
}
