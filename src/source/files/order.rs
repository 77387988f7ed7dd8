//! What a walk is told, and the words for what goes wrong on it.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use super::super::Error;
use super::FilesOptions;
use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::bundle::entry::CollectError;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;
use crate::source::exclude::Excludes;

/// What a walk is told.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) label: &'a Label,
    pub(super) root: &'a Path,
    pub(super) options: &'a FilesOptions,
    pub(super) excludes: &'a Excludes,
    pub(super) cancel: &'a Cancel,
}

impl Order<'_> {
    /// The path of `name` in `folder`.
    pub(super) fn child(&self, folder: &EntryPath, name: &OsStr) -> Result<EntryPath, Error> {
        folder.join(Path::new(name)).map_err(|_| Error::Unsupported {
            label: self.label.clone(),
            reason: format!(
                "the path {}/{} is longer than {} bytes",
                self.real(folder).display(),
                name.display(),
                limits::PATH_BYTES_MAX
            ),
            hint: Some("Move it up, back up a folder nearer to it as a source of its own, or exclude it.".into()),
        })
    }

    pub(super) fn check_cancel(&self) -> Result<(), Error> {
        self.cancel.check().map_err(|told| self.stopped(told.into()))
    }

    /// Whatever the operator allows to change: without its root there is nothing to store.
    pub(super) fn root_vanished(&self) -> Error {
        Error::Unreachable {
            label: self.label.clone(),
            what: self.root.display().to_string(),
            reason: "it vanished or was replaced before it was read".into(),
            hint: "See who moves it, and run the backup again.".into(),
        }
    }

    pub(super) fn incomplete(&self, path: &EntryPath, what: &str, hint: Option<&str>) -> Error {
        Error::Incomplete {
            label: self.label.clone(),
            reason: format!("{} {what}", self.real(path).display()),
            hint: hint.map(str::to_owned),
        }
    }

    /// Where the entry is on this machine.
    pub(super) fn real(&self, path: &EntryPath) -> PathBuf {
        match path.as_path().strip_prefix(self.label.as_str()) {
            Ok(relative) if !relative.as_os_str().is_empty() && self.root.is_dir() => self.root.join(relative),
            _ => self.root.to_owned(),
        }
    }

    pub(super) fn read_error(&self, path: &EntryPath, source: impl Into<io::Error>) -> Error {
        Error::Read {
            label: self.label.clone(),
            path: self.real(path),
            source: source.into(),
        }
    }

    pub(super) fn stopped(&self, source: CollectError) -> Error {
        Error::Collect {
            label: self.label.clone(),
            source,
        }
    }
}
