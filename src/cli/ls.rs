//! `ls`: the names in a bundle.

use std::io;
use std::io::Write;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::bundle::entry::Node;
use crate::bundle::name::SetName;
use crate::cli::args::IdentityArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::output::visible;
use crate::cli::remarks::RemarksReport;
use crate::cli::work::Proven;
use crate::config::layer::Layer;
use crate::flow::contents::Opened;
use crate::job;
use crate::job::bundles::BundleRef;
use crate::job::contents;
use crate::job::contents::Wanted;
use crate::policy::selection::Selection;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Everything in the newest bundle of the set `hub`",
        line: "hub-backup ls latest --set hub --identity operations.key",
    },
    Example {
        says: "What matches a pattern, in a file",
        line: "hub-backup ls hub.hub.tar 'uploads/**/*.pdf' --identity operations.key",
    },
];

/// List the content of a bundle; the bundle is verified first
///
/// What the bundle says is not in it, or was taken out of it, is told on stderr.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// A file, `latest`, or a bundle of the store by its id or 8 characters and more of its beginning
    #[arg(value_name = "BUNDLE")]
    pub bundle: BundleRef,
    /// Only what matches
    #[arg(value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Look in this set; not needed when the store has only one
    #[arg(long, value_name = "NAME")]
    pub set: Option<SetName>,
    /// Which keys open it.
    #[command(flatten)]
    pub identities: IdentityArgs,
}

/// Runs the command.
///
/// # Errors
/// When the bundle does not verify or cannot be opened.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let mut layer = Layer::default();
    args.identities.add_to(&mut layer);
    let settings = context.settings(layer)?;
    let proven = Proven::find(&args.bundle, args.set.as_ref(), &settings, context)?;
    let pattern: Vec<String> = args.pattern.iter().cloned().collect();
    let mut selection = Selection::new(&pattern).map_err(job::error::Error::Selection)?;
    let opened = Opened::open(&proven.verified, &proven.identities).map_err(job::error::Error::Contents)?;
    let listing = contents::list(&opened, &mut selection)?;
    let report = Report {
        bundle: proven.verified.manifest().bundle.to_string(),
        entries: listing.wanted.into_iter().map(Row::new).collect(),
        remarks: RemarksReport::new(&listing.remarks),
    };
    report.remarks.warn(&context.printer);
    context.printer.show("ls", &report, |out| {
        report.entries.iter().try_for_each(|row| row.write(out))
    })
}

/// The names in a bundle.
#[derive(Serialize)]
struct Report {
    bundle: String,
    entries: Vec<Row>,
    remarks: RemarksReport,
}

/// One entry or stream, as JSON.
#[derive(Serialize)]
pub(super) struct Row {
    path: String,
    kind: &'static str,
    mode: u32,
    size: u64,
    modified: Option<String>,
    target: Option<String>,
    sha256: Option<String>,
}

impl Row {
    /// A row for an entry or stream.
    pub(super) fn new(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Stream(stream) => Self {
                path: stream.path.to_string(),
                kind: "file",
                mode: stream.mode,
                size: stream.size,
                modified: None,
                target: None,
                sha256: Some(stream.sha256.to_string()),
            },
            Wanted::Entry(entry) => {
                let (kind, size, target, sha256) = match entry.node {
                    Node::File { size, sha256, .. } => ("file", size, None, Some(sha256.to_string())),
                    Node::Directory => ("directory", 0, None, None),
                    Node::Symlink { target } => ("symlink", 0, Some(target.to_string()), None),
                    Node::Hardlink { target } => ("hardlink", 0, Some(target.to_string()), None),
                };
                let modified = Timestamp::from_unix(entry.attributes.mtime.seconds)
                    .ok()
                    .map(|time| time.to_string());
                Self {
                    path: entry.path.to_string(),
                    kind,
                    mode: entry.attributes.mode,
                    size,
                    modified,
                    target,
                    sha256,
                }
            }
        }
    }

    /// The row for people.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let letter = match self.kind {
            "directory" => 'd',
            "symlink" => 'l',
            "hardlink" => 'h',
            _ => '-',
        };
        let arrow = self
            .target
            .as_deref()
            .map(|target| format!(" -> {}", visible(target)))
            .unwrap_or_default();
        let modified = self.modified.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{letter} {:04o} {:>12} {modified:<20} {}{arrow}",
            self.mode,
            self.size,
            visible(&self.path)
        )
    }
}
