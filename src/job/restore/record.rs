//! What the audit log says of a restore.

use std::collections::BTreeMap;
use std::path;
use std::path::PathBuf;

use crate::audit::Act;
use crate::base::limits;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::policy::selection::Selection;
use crate::sink::uri::Place;
use crate::sink::uri::TargetUri;

use super::Restore;
use crate::job::Deed;
use crate::job::Desk;
use crate::job::error::Error;

/// What the audit log says of a restore before it begins: where things go, and how much is wanted. Targets show no passwords. The log can
/// be read by whoever reads the store, so it does not repeat patterns, which name what is in the bundle.
pub(super) fn details(job: &Restore<'_>, selection: &Selection) -> BTreeMap<String, String> {
    let targets = job.targets.iter().map(placed);
    let mut details = BTreeMap::from([("targets".to_owned(), some_lines(targets))]);
    match selection.texts().count() {
        0 => {}
        1 => drop(details.insert("only".to_owned(), "1 pattern".to_owned())),
        count => drop(details.insert("only".to_owned(), format!("{count} patterns"))),
    }
    if job.unsafe_skip_verification {
        let skipped = "skipped by --unsafe-skip-verification".to_owned();
        details.insert("verification".to_owned(), skipped);
    }
    details
}

/// A target, whatever folder it was written in.
fn placed(target: &TargetUri) -> String {
    let whole = |path: &PathBuf| path::absolute(path).unwrap_or_else(|_| path.clone());
    let place = match &target.place {
        Place::Folder(path) => Place::Folder(whole(path)),
        Place::Files(path) => Place::Files(whole(path)),
        Place::Sqlite(path) => Place::Sqlite(whole(path)),
        server @ (Place::Postgres(_) | Place::Mysql(_)) => server.clone(),
    };
    let label = target.label.clone();
    TargetUri { label, place }.to_string()
}

/// Adds the labels that the patterns begin with: the manifest names them too.
pub(super) fn add_labels(details: &mut BTreeMap<String, String>, selection: &Selection, manifest: &Manifest) {
    let mut labels: Vec<&str> = manifest.sources.iter().map(|source| source.label.as_str()).collect();
    let first = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
    let firsts: Vec<String> = selection.texts().map(first).collect();
    labels.retain(|label| firsts.iter().any(|first| first == label));
    labels.sort_unstable();
    if let Some(only) = details.get_mut("only").filter(|_| !labels.is_empty()) {
        only.push_str(", of ");
        only.push_str(&labels.join(", "));
    }
}

/// As many lines as a record takes, and how many more there are.
fn some_lines(lines: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<String> = lines.collect();
    let bytes = lines.iter().scan(0, |bytes, line| {
        *bytes += line.len() + 1;
        Some(*bytes)
    });
    let fit = bytes.take_while(|bytes| *bytes <= limits::DETAIL_BYTES_MAX).count();
    let more = lines.len() - fit;
    lines.truncate(fit);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// A restore of what nobody has proven is on record before it begins: whoever does it cannot keep it off the log by ending it half-way.
pub(super) fn announce(
    job: &Restore<'_>,
    desk: &Desk<'_>,
    name: Option<(SetName, BundleId)>,
    mut details: BTreeMap<String, String>,
) -> Result<(), Error> {
    let Some(store) = job.store else { return Ok(()) };
    details.insert("phase".to_owned(), "begin".to_owned());
    let (set, bundle) = name.unzip();
    let deed = Deed {
        act: Act::Restore,
        failure: None,
        set,
        bundle,
        details,
    };
    desk.record(store, deed)
        .map_err(|source| Error::DangerUnrecorded { source })
}
