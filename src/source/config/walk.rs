//! One run over the files: each is read once, searched, and what was searched is what is stored.

use std::ffi::CStr;
use std::ffi::CString;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::AtFlags;
use rustix::fs::Dir;
use rustix::fs::FileType;
use rustix::fs::OFlags;
use rustix::fs::Stat;
use rustix::fs::fstat;
use rustix::fs::readlinkat;
use rustix::fs::statat;

use super::ConfigSource;
use super::SecretRule;
use super::read;
use super::read::Content;
use super::read::Trouble;
use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Collector;
use crate::bundle::entry::NodeWithoutContent;
use crate::bundle::path::EntryPath;
use crate::bundle::path::RawBytes;
use crate::source::Error;
use crate::source::guard;
use crate::source::guard::Finding;
use crate::source::guard::Format;
use crate::source::stat;

/// Counts over all files.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) symlinks: u64,
    pub(super) bytes: u64,
    pub(super) excluded: u64,
}

/// The run, and what it met.
pub(super) struct Walk<'a> {
    pub(super) source: &'a ConfigSource,
    /// What the relative paths are relative to.
    pub(super) base: &'a Path,
    pub(super) collector: &'a mut dyn Collector,
    pub(super) cancel: &'a Cancel,
    pub(super) counts: Counts,
    /// Secrets: `FILE:LINE: KEY (RULE)`, as many as are shown, and how many there are.
    pub(super) secrets: Shown,
    /// Files that this source cannot take.
    pub(super) problems: Shown,
}

/// The first lines of a list that may be long.
pub(super) struct Shown {
    pub(super) count: usize,
    lines: Vec<String>,
    lines_max: usize,
}

impl Shown {
    pub(super) fn new(lines_max: usize) -> Self {
        Self {
            count: 0,
            lines: Vec::new(),
            lines_max,
        }
    }

    pub(super) fn push(&mut self, line: String) {
        self.count += 1;
        if self.lines.len() < self.lines_max {
            self.lines.push(line);
        }
    }

    /// The lines, and how many more there are.
    pub(super) fn text(&self, separator: &str) -> String {
        let more = self.count - self.lines.len();
        let more = (more > 0).then(|| format!("and {more} more"));
        let lines: Vec<String> = self.lines.iter().cloned().chain(more).collect();
        lines.join(separator)
    }
}

impl Walk<'_> {
    /// A folder with all that is in it; `relative` is its path below the root, empty for the root.
    pub(super) fn folder(&mut self, folder: &OwnedFd, relative: &Path) -> Result<(), Error> {
        let stat = fstat(folder).map_err(|error| self.unreadable(relative, error.into()))?;
        self.counts.folders += 1;
        self.node(relative, &stat, NodeWithoutContent::Directory)?;
        for name in self.list(folder, relative)? {
            self.cancel
                .check()
                .map_err(|interrupted| self.source.collect_error(CollectError::Interrupted(interrupted)))?;
            self.child(
                folder.as_fd(),
                &name,
                &relative.join(OsStr::from_bytes(name.to_bytes())),
            )?;
        }
        Ok(())
    }

    /// The names in a folder, in the order of their bytes.
    fn list(&self, folder: &OwnedFd, relative: &Path) -> Result<Vec<CString>, Error> {
        let read = || -> rustix::io::Result<Vec<CString>> {
            let names = Dir::read_from(folder)?.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
            let mut names = names.collect::<rustix::io::Result<Vec<_>>>()?;
            names.retain(|name| name.as_c_str() != c"." && name.as_c_str() != c"..");
            names.sort_unstable();
            Ok(names)
        };
        read().map_err(|error| self.unreadable(relative, error.into()))
    }

    fn child(&mut self, folder: BorrowedFd<'_>, name: &CStr, relative: &Path) -> Result<(), Error> {
        let fail = |walk: &Self, error: rustix::io::Errno| walk.unreadable(relative, error.into());
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| fail(self, error))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let path = relative.as_os_str().as_bytes();
        if self
            .source
            .excludes
            .matches(name.to_bytes(), path, kind == FileType::Directory)
        {
            self.counts.excluded += 1;
            return Ok(());
        }
        match kind {
            FileType::Directory => {
                let inner = read::open(folder, name, OFlags::NOFOLLOW | OFlags::DIRECTORY);
                self.folder(&inner.map_err(|error| fail(self, error))?, relative)
            }
            FileType::RegularFile => {
                let file = read::open(folder, name, OFlags::NOFOLLOW);
                self.file(file.map_err(|error| fail(self, error))?, relative)
            }
            FileType::Symlink => {
                let target = readlinkat(folder, name, Vec::new()).map_err(|error| fail(self, error))?;
                let target = RawBytes(target.into_bytes());
                self.counts.symlinks += 1;
                self.node(relative, &stat, NodeWithoutContent::Symlink { target })
            }
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                let what = what_it_is(kind);
                self.problems.push(format!("{}: {what}", relative.display()));
                Ok(())
            }
        }
    }

    /// One file; `relative` is its path below the root, or the name of a root that is a file.
    pub(super) fn file(&mut self, file: OwnedFd, relative: &Path) -> Result<(), Error> {
        self.counts.files += 1;
        let content = match read::read(file) {
            Ok(content) => content,
            Err(Trouble::System(error)) => return Err(self.unreadable(relative, error)),
            Err(Trouble::Replaced | Trouble::Changed) => return Err(self.changed(relative)),
            Err(Trouble::TooLong) => {
                let most = limits::CONFIG_FILE_BYTES_MAX >> 20;
                self.problems
                    .push(format!("{}: longer than {most} MiB", relative.display()));
                return Ok(());
            }
        };
        let Some(text) = text_of(&content.bytes) else {
            self.problems.push(format!("{}: not UTF-8 text", relative.display()));
            return Ok(());
        };
        match self.source.options.secrets {
            SecretRule::Refuse => {
                self.refuse(relative, text);
                self.store(relative, &content, &content.bytes)
            }
            SecretRule::Redact => match self.redact(relative, text) {
                Some(redacted) => self.store(relative, &content, redacted.as_bytes()),
                None => Ok(()),
            },
        }
    }

    /// Notes the secrets of a file that is stored as it is, if there are none.
    fn refuse(&mut self, relative: &Path, text: &str) {
        let scan = guard::scan(text, Format::of(relative));
        for finding in scan
            .findings
            .iter()
            .filter(|finding| !self.source.accepts(relative, finding))
        {
            self.secrets.push(shown(relative, finding));
        }
        if scan.is_cut {
            self.secrets.push(format!("{}: more", relative.display()));
        }
    }

    /// The file without its secrets, which are noted; or a note why that cannot be.
    fn redact(&mut self, relative: &Path, text: &str) -> Option<String> {
        let source = self.source;
        match guard::redact(text, Format::of(relative), &|finding| source.accepts(relative, finding)) {
            Ok((redacted, scan)) => {
                scan.findings
                    .iter()
                    .for_each(|finding| self.secrets.push(shown(relative, finding)));
                Some(redacted)
            }
            Err(error) => {
                self.problems.push(format!("{}: {error}", relative.display()));
                None
            }
        }
    }

    /// Whether the run can still succeed. When not, it goes on to find the rest, and stores nothing more.
    fn can_succeed(&self) -> bool {
        let secrets_are_fine = self.source.options.secrets == SecretRule::Redact || self.secrets.count == 0;
        secrets_are_fine && self.problems.count == 0
    }

    fn store(&mut self, relative: &Path, content: &Content, bytes: &[u8]) -> Result<(), Error> {
        if !self.can_succeed() {
            return Ok(());
        }
        self.counts.bytes += bytes.len() as u64;
        let path = self.entry_path(relative)?;
        let size = bytes.len() as u64;
        let stored = self
            .collector
            .file(path, content.attributes.clone(), size, None, &mut &bytes[..]);
        stored.map(drop).map_err(|error| self.source.collect_error(error))
    }

    fn node(&mut self, relative: &Path, stat: &Stat, node: NodeWithoutContent) -> Result<(), Error> {
        if !self.can_succeed() {
            return Ok(());
        }
        let path = self.entry_path(relative)?;
        let stored = self.collector.node(path, stat::attributes(stat), node);
        stored.map_err(|error| self.source.collect_error(error))
    }

    fn entry_path(&self, relative: &Path) -> Result<EntryPath, Error> {
        let root = EntryPath::of_label(&self.source.label);
        if relative.as_os_str().is_empty() {
            return Ok(root);
        }
        root.join(relative).map_err(|error| Error::Unsupported {
            label: self.source.label.clone(),
            reason: error.to_string(),
            hint: Some("Give the file a shorter path, or exclude it.".into()),
        })
    }

    fn unreadable(&self, relative: &Path, source: io::Error) -> Error {
        Error::Read {
            label: self.source.label.clone(),
            path: self.full(relative),
            source,
        }
    }

    fn changed(&self, relative: &Path) -> Error {
        Error::Incomplete {
            label: self.source.label.clone(),
            reason: format!("{} changed while it was read", self.full(relative).display()),
            hint: Some("Back up again when nothing writes to it.".into()),
        }
    }

    fn full(&self, relative: &Path) -> PathBuf {
        self.base.join(relative)
    }
}

/// Text as the finder reads it: a NUL stands in no settings file, but in most others.
fn text_of(bytes: &[u8]) -> Option<&str> {
    if bytes.contains(&0) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

fn shown(relative: &Path, finding: &Finding) -> String {
    let Finding { line, key, rule } = finding;
    let key = key.as_deref().map(|key| format!(" {key}")).unwrap_or_default();
    format!("{}:{line}:{key} ({rule})", relative.display())
}

fn what_it_is(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::Unknown => "of unknown kind",
    }
}
