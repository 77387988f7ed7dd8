//! What the texts by which an operator names a source and a restore target have in common: a label before `=`, and a path, taken literally.

use std::path::PathBuf;

use super::name::BadName;
use super::name::Label;

/// Splits off `LABEL=`: an `=` before the first `:` and the first `/`, for neither stands in a label.
///
/// # Errors
/// When what stands there is no label.
pub fn split_label(text: &str) -> Result<(Option<Label>, &str), BadName> {
    match text.split_once('=') {
        Some((before, rest)) if !before.contains([':', '/']) => Ok((Some(before.parse()?), rest)),
        Some(_) | None => Ok((None, text)),
    }
}

/// What stands before a source or a target that has this label.
#[must_use]
pub fn label_prefix(label: Option<&Label>) -> String {
    label.map(|label| format!("{label}=")).unwrap_or_default()
}

/// A path as it is written; nothing is decoded. `None` for a text that cannot be one.
#[must_use]
pub fn plain_path(text: &str) -> Option<PathBuf> {
    let fits = !text.is_empty() && !text.contains('\0');
    fits.then(|| PathBuf::from(text))
}

/// The words for a `source` or `target` whose kind stands before nothing; without a kind, for one that is empty.
#[must_use]
pub fn no_path(scheme: &str, what: &str) -> String {
    match scheme {
        "" => format!("the {what} is empty: no path is written"),
        _ => format!("\"{scheme}:\" is not followed by a path"),
    }
}
