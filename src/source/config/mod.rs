//! Settings as a source: a file or a folder of text files, searched for secrets before they are stored.
//!
//! Each file is read once, and what was searched is what is stored. A secret is either a reason to refuse the whole source or
//! is replaced by a mark; the findings name the place and never the value. Symbolic links are stored as links.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::fstat;
use rustix::fs::openat;

use self::walk::Counts;
use self::walk::Shown;
use self::walk::Walk;
use super::Error;
use super::Learnt;
use super::Source;
use super::exclude::BadPattern;
use super::exclude::Excludes;
use super::guard::Finding;
use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Collector;
use crate::bundle::kind::SourceKind;
use crate::bundle::name::Label;

mod read;
mod walk;

/// What to do about a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretRule {
    /// The source is refused, with a list of all findings.
    #[default]
    Refuse,
    /// The stored copy has a mark in the place of each secret; the findings are kept in the index.
    Redact,
}

/// How settings are searched.
#[derive(Clone, Debug, Default)]
pub struct ConfigOptions {
    /// What to do about a secret.
    pub secrets: SecretRule,
    /// Patterns of what is left out, as for a source of files.
    pub exclude: Vec<String>,
    /// Findings that are no secrets: `FILE:KEY` as the list of findings writes them, or `FILE:RULE` for a finding without a key.
    pub accept: Vec<String>,
}

/// A file or folder of settings.
#[derive(Debug)]
pub struct ConfigSource {
    label: Label,
    path: PathBuf,
    options: ConfigOptions,
    excludes: Excludes,
}

impl ConfigSource {
    /// A source of the file or folder at `path`. Nothing is read yet.
    ///
    /// # Errors
    /// When a pattern of `options.exclude` is not usable.
    pub fn new(label: Label, path: PathBuf, options: ConfigOptions) -> Result<Self, BadPattern> {
        Ok(Self {
            excludes: Excludes::new(&options.exclude)?,
            label,
            path,
            options,
        })
    }

    /// Whether the operator said that `finding` is no secret.
    fn accepts(&self, file: &Path, finding: &Finding) -> bool {
        let what = finding.key.as_deref().unwrap_or(finding.rule.name());
        let name = format!("{}:{what}", file.display());
        self.options.accept.contains(&name)
    }

    /// Opens the root; a link there is followed, for it was named by the operator.
    fn open(&self) -> Result<(std::os::fd::OwnedFd, FileType), Error> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = || {
            let root = openat(CWD, &self.path, flags, Mode::empty())?;
            let kind = FileType::from_raw_mode(fstat(&root)?.st_mode);
            Ok((root, kind))
        };
        let (root, kind) = open().map_err(|error: rustix::io::Errno| self.unreachable(&error.into()))?;
        if [FileType::RegularFile, FileType::Directory].contains(&kind) {
            return Ok((root, kind));
        }
        let reason = format!("{} is neither a file nor a folder", self.path.display());
        Err(self.unsupported(reason, "Name a file or a folder of settings."))
    }

    fn unreachable(&self, error: &io::Error) -> Error {
        if error.kind() == io::ErrorKind::PermissionDenied {
            let reason = format!("{} may not be read by this user", self.path.display());
            return self.unsupported(reason, "Run as a user who may read it, or give this one access.");
        }
        Error::Unreachable {
            label: self.label.clone(),
            what: self.path.display().to_string(),
            reason: error.to_string(),
            hint: "Correct the path; see that its disk is mounted.".into(),
        }
    }

    fn unsupported(&self, reason: String, hint: &str) -> Error {
        Error::Unsupported {
            label: self.label.clone(),
            reason,
            hint: Some(hint.to_owned()),
        }
    }

    fn collect_error(&self, source: CollectError) -> Error {
        let label = self.label.clone();
        Error::Collect { label, source }
    }

    /// The public facts say how many secrets were taken out, the private ones where.
    fn learnt(&self, counts: &Counts, secrets: &Shown) -> Learnt {
        let mut private = BTreeMap::from([("files".to_owned(), counts.files.to_string())]);
        let numbers = [
            ("folders", counts.folders),
            ("symlinks", counts.symlinks),
            ("bytes", counts.bytes),
            ("excluded", counts.excluded),
        ];
        for (name, count) in numbers.into_iter().filter(|(_, count)| *count > 0) {
            private.insert(name.to_owned(), count.to_string());
        }
        let texts = [
            ("redacted", secrets.text("\n")),
            ("accepted", self.options.accept.join("\n")),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            private.insert(name.to_owned(), text);
        }
        Learnt {
            data_time: None,
            public: BTreeMap::from([("redacted".to_owned(), secrets.count.to_string())]),
            private,
        }
    }

    /// What stands against storing the source.
    fn refusal(&self, secrets: &Shown, problems: &Shown) -> Option<Error> {
        let mut reasons = Vec::new();
        let mut hints = Vec::new();
        if self.options.secrets == SecretRule::Refuse && secrets.count > 0 {
            let places = if secrets.count == 1 {
                "1 secret".into()
            } else {
                format!("{} secrets", secrets.count)
            };
            reasons.push(format!("{places} in its files: {}", secrets.text("; ")));
            hints.push(
                "Store the files without their secrets with --redact-secrets, move the secrets to a secret manager, or exclude the files. \
                 What is no secret is kept with --accept-finding FILE:KEY, and FILE:RULE where the list shows no key.",
            );
        }
        if problems.count > 0 {
            reasons.push(format!(
                "not settings that can be searched for secrets: {}",
                problems.text("; ")
            ));
            hints.push("Exclude these files, or back them up with a source of the kind files.");
        }
        let reason = reasons.join("; and ");
        (!reasons.is_empty()).then(|| self.unsupported(reason, &hints.join(" ")))
    }
}

impl Source for ConfigSource {
    fn label(&self) -> &Label {
        &self.label
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Config
    }

    fn check(&mut self, _cancel: &Cancel) -> Result<(), Error> {
        self.open().map(drop)
    }

    fn collect(&mut self, collector: &mut dyn Collector, cancel: &Cancel) -> Result<Learnt, Error> {
        let (root, kind) = self.open()?;
        let (base, name) = match (kind, self.path.file_name()) {
            (FileType::RegularFile, Some(name)) => (self.path.parent().unwrap_or(Path::new("")), Some(name)),
            _ => (self.path.as_path(), None),
        };
        let listed_max = match self.options.secrets {
            SecretRule::Refuse => limits::CONFIG_FINDINGS_SHOWN,
            SecretRule::Redact => limits::CONFIG_FINDINGS_STORED,
        };
        let mut walk = Walk {
            source: self,
            base,
            collector,
            cancel,
            counts: Counts::default(),
            secrets: Shown::new(listed_max),
            problems: Shown::new(limits::CONFIG_FINDINGS_SHOWN),
        };
        match name {
            Some(name) => walk.file(root, Path::new(name))?,
            None => walk.folder(&root, Path::new(""))?,
        }
        let Walk {
            counts,
            secrets,
            problems,
            ..
        } = walk;
        match self.refusal(&secrets, &problems) {
            Some(refusal) => Err(refusal),
            None => Ok(self.learnt(&counts, &secrets)),
        }
    }
}
