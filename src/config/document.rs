//! A TOML text walked key by key, so that every problem is found in one pass and has a line and a column.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::config::error::Problem;
use crate::config::origin::Origin;
use crate::config::origin::Setting;
use crate::config::value;
use crate::config::value::BadValue;

/// The text of a settings file.
#[derive(Debug)]
pub struct Document<'t> {
    path: &'t Path,
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
}

/// One table of the file. What is not taken when it is finished is unknown.
#[derive(Debug)]
pub struct Section<'d> {
    document: &'d Document<'d>,
    name: String,
    table: DeTable<'d>,
    asked: BTreeSet<&'static str>,
}

impl<'t> Document<'t> {
    /// The text of the file at `path`.
    #[must_use]
    pub fn new(path: &'t Path, text: &'t str) -> Self {
        Self {
            path,
            text,
            problems: RefCell::default(),
        }
    }

    /// The whole file as a table; text that is no TOML is a problem for each error.
    pub fn root(&self) -> Section<'_> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            // The error's own text quotes the line, which may hold a secret; its message does not.
            self.problem(&span, "syntax", error.message().to_owned(), None);
        }
        Section {
            document: self,
            name: String::new(),
            table: table.into_inner(),
            asked: BTreeSet::new(),
        }
    }

    /// Everything that is wrong, from the top of the file to its end.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| match problem.origin {
            Origin::File { line, column, .. } => (line, column),
            Origin::Default | Origin::Environment(_) | Origin::Flag(_) => (0, 0),
        });
        problems
    }

    fn problem(&self, span: &Range<usize>, key: &str, message: String, hint: Option<String>) {
        self.problems.borrow_mut().push(Problem {
            origin: self.origin(span),
            key: key.to_owned(),
            message,
            hint,
        });
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_begin..].chars().count() + 1,
        }
    }
}

impl<'d> Section<'d> {
    fn key(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'d>>> {
        let _ = self.asked.insert(key);
        self.table.remove(key)
    }

    fn wrong(&self, key: &str, span: &Range<usize>, message: impl Into<String>) {
        self.document.problem(span, &self.key(key), message.into(), None);
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'d>>, wanted: &str) {
        let message = format!("is {}, and must be {wanted}", article(value.get_ref().type_str()));
        self.wrong(key, &value.span(), message);
    }

    /// A value of any type, read by `read`, which says what it must be or what is wrong with it.
    fn read<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&DeValue<'d>) -> Option<Result<T, BadValue>>,
    ) -> Option<Setting<T>> {
        let value = self.take(key)?;
        match read(value.get_ref()) {
            None => self.wrong_type(key, &value, wanted),
            Some(Err(error)) => self.wrong(key, &value.span(), error.to_string()),
            Some(Ok(read)) => return Some(Setting::new(read, self.document.origin(&value.span()))),
        }
        None
    }

    /// A text that `parse` accepts.
    pub fn text<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, BadValue>,
    ) -> Option<Setting<T>> {
        self.read(key, "a text in quotes", |value| {
            value.as_str().map(|text| parse(plain(text)?))
        })
    }

    /// A list of texts that `parse` accepts.
    pub fn texts<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, BadValue>,
    ) -> Option<Setting<Vec<T>>> {
        let value = self.take(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, &value, "a list of texts: [\"…\", \"…\"]");
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str().map(|text| parse(plain(text)?)) {
                Some(Ok(text)) => texts.push(text),
                Some(Err(error)) => self.wrong(key, &item.span(), error.to_string()),
                None => self.wrong_type(key, item, "a text in quotes"),
            }
        }
        Some(Setting::new(texts, self.document.origin(&value.span())))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<Setting<bool>> {
        self.read(key, "true or false", |value| value.as_bool().map(Ok))
    }

    /// A whole number that `check` accepts.
    pub fn number<T>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(i64) -> Result<T, BadValue>,
    ) -> Option<Setting<T>> {
        self.read(key, "a whole number", |value| {
            integer(value).map(|number| check(number?))
        })
    }

    /// A size: a number of bytes, or a text such as `1MiB`.
    pub fn size<T>(&mut self, key: &'static str, check: impl FnOnce(i64) -> Result<T, BadValue>) -> Option<Setting<T>> {
        self.read(key, "a number of bytes or a text such as \"1MiB\"", |value| {
            let size = value.as_str().map(value::size).or_else(|| integer(value));
            size.map(|size| check(size?))
        })
    }

    /// A path; a relative one begins at the folder of the file.
    pub fn path(&mut self, key: &'static str) -> Option<Setting<PathBuf>> {
        let path = self.text(key, value::path)?;
        let resolved = path.origin.resolve(&path.value);
        Some(path.map(|_| resolved))
    }

    /// A list of paths.
    pub fn paths(&mut self, key: &'static str) -> Option<Setting<Vec<PathBuf>>> {
        let paths = self.texts(key, value::path)?;
        let resolved = paths.value.iter().map(|path| paths.origin.resolve(path)).collect();
        Some(Setting::new(resolved, paths.origin))
    }

    /// A command: a text, or a list of the program and its arguments.
    pub fn command(&mut self, key: &'static str) -> Option<Setting<Vec<String>>> {
        let is_list = self.table.get(key).is_some_and(|value| value.get_ref().is_array());
        if is_list {
            let words = self.texts(key, |text| Ok(text.to_owned()))?;
            return Some(words).filter(|words| !words.value.is_empty());
        }
        self.text(key, value::command)
    }

    /// A table within this one.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'d>> {
        let value = self.take(key)?;
        self.subsection(key, value)
    }

    /// Every table within this one, by its name.
    pub fn sections(&mut self) -> Vec<(String, Origin, Section<'d>)> {
        let mut sections = Vec::new();
        for (key, value) in std::mem::take(&mut self.table) {
            let name = key.get_ref().to_string();
            let origin = self.document.origin(&key.span());
            if let Some(section) = self.subsection(&name, value) {
                sections.push((name, origin, section));
            }
        }
        sections
    }

    fn subsection(&self, key: &str, value: Spanned<DeValue<'d>>) -> Option<Section<'d>> {
        if !value.get_ref().is_table() {
            self.wrong_type(key, &value, "a table");
        }
        let DeValue::Table(table) = value.into_inner() else {
            return None;
        };
        Some(Section {
            document: self.document,
            name: self.key(key),
            table,
            asked: BTreeSet::new(),
        })
    }

    /// Refuses a secret that stands in the file itself: files are copied, shown and kept in version control.
    pub fn refuse_secret(&mut self, key: &'static str) {
        let Some((found, _)) = self.table.remove_entry(key) else {
            return;
        };
        let message = "a secret does not belong into the settings file".to_owned();
        let hint = format!("Put it into a file of mode 600 and name that: {key}_file = \"…\"; or set {key}_command.");
        self.document
            .problem(&found.span(), &self.key(key), message, Some(hint));
    }

    /// Reports a problem with a key of this table.
    pub fn report(&self, origin: &Origin, key: &str, message: String, hint: Option<String>) {
        self.document.problems.borrow_mut().push(Problem {
            origin: origin.clone(),
            key: self.key(key),
            message,
            hint,
        });
    }

    /// Refuses what nobody asked for.
    pub fn finish(self) {
        for key in self.table.keys() {
            let name = key.get_ref();
            let hint = match nearest(name, self.asked.iter().copied()) {
                Some(known) => format!("Is {known} meant?"),
                None if self.asked.is_empty() => "Nothing can be set here.".to_owned(),
                None => {
                    let known: Vec<&str> = self.asked.iter().copied().collect();
                    format!("What can be set here: {}.", known.join(", "))
                }
            };
            let message = "is not a setting".to_owned();
            self.document.problem(&key.span(), &self.key(name), message, Some(hint));
        }
    }
}

fn integer(value: &DeValue<'_>) -> Option<Result<i64, BadValue>> {
    let number = value.as_integer()?;
    let parsed = i64::from_str_radix(&number.as_str().replace('_', ""), number.radix());
    Some(parsed.map_err(|_| BadValue(format!("{number} is too large"))))
}

/// A text that is no key material.
fn plain(text: &str) -> Result<&str, BadValue> {
    if value::is_secret(text) && !text.starts_with("age1") {
        return Err(BadValue(
            "a secret key does not belong into the settings file: name a file that holds it".into(),
        ));
    }
    Ok(text)
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// The known word that a mistyped one is close to: at most two letters added, left out, replaced or swapped.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && *distance < candidate.len() / 2)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                let swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
                let swap = if swapped { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(swap)
            };
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns_of_characters() {
        let document = Document::new(Path::new("f"), "a = 1\n\"ü\" = 2\n");
        let mut root = document.root();
        let a = root.number("a", Ok).expect("there");
        assert_eq!(a.origin.to_string(), "f:1:5");
        root.finish();
        let problems = document.into_problems();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].to_string(), "f:2:1: ü: is not a setting");
    }

    #[test]
    fn every_syntax_error_is_listed() {
        let document = Document::new(Path::new("f"), "a = \nb = [1\nc = 'needle\n");
        document.root().finish();
        let problems = document.into_problems();
        assert!(
            problems.iter().filter(|problem| problem.key == "syntax").count() >= 2,
            "{problems:?}"
        );
        assert!(!format!("{problems:?}").contains("needle"));
    }

    #[test]
    fn near_words_are_found() {
        let known = ["store", "keys", "signer", "signers"];
        assert_eq!(nearest("stroe", known.into_iter()), Some("store"));
        assert_eq!(nearest("signerss", known.into_iter()), Some("signers"));
        assert_eq!(nearest("retention", known.into_iter()), None);
        assert_eq!(nearest("xy", known.into_iter()), None);
    }
}
