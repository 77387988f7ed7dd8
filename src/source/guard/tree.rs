//! Secrets in the tree of a structured text: the readers of JSON, TOML and YAML tell the walker what they meet, in order.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use super::REDACTED;
use super::hits::Hit;
use super::hits::Hits;
use super::hits::Put;
use super::keys;
use super::lines;
use super::rule::Rule;
use super::rules;
use super::values;
use super::values::Strength;
use crate::base::limits;
use crate::base::secret::SecretText;

/// How a scalar is written, which decides what can be put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// In quotes, which its range includes: parts of it can be replaced where they stand.
    Quoted,
    /// Without quotes: the mark would be read as a list, so the whole is replaced by a quoted string.
    Plain,
    /// A block of lines: parts of it can be replaced where they stand, and it is searched as lines.
    Block,
}

/// A value without parts.
#[derive(Clone, Debug)]
pub(super) struct Scalar<'t> {
    pub(super) value: Cow<'t, str>,
    pub(super) at: Range<usize>,
    pub(super) style: Style,
    /// Whether it is marked as naming something kept elsewhere.
    pub(super) is_reference: bool,
}

/// A list or a mapping whose end has not come yet.
#[derive(Default)]
struct Frame<'t> {
    is_list: bool,
    expects_key: bool,
    /// The present key of a mapping.
    key: String,
    /// The number of elements of a list before the present one.
    index: usize,
    /// The values of `name` and `value`: lists of pairs are mappings in another spelling.
    name: Option<String>,
    value: Option<Scalar<'t>>,
    /// Whether it is a Kubernetes object of the kind Secret, and what it or the mapping within it holds.
    is_secret_object: bool,
    held: Vec<(String, Scalar<'t>)>,
}

/// Follows the tree.
pub(super) struct Walker<'t> {
    text: &'t str,
    frames: Vec<Frame<'t>>,
    hits: Hits,
}

impl<'t> Walker<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            frames: Vec::new(),
            hits: Hits::default(),
        }
    }

    pub(super) fn finish(self) -> Hits {
        self.hits
    }

    pub(super) fn begin_mapping(&mut self) {
        self.take_slot("{}");
        let frame = Frame {
            expects_key: true,
            ..Frame::default()
        };
        self.frames.push(frame);
    }

    pub(super) fn begin_list(&mut self) {
        self.take_slot("[]");
        let frame = Frame {
            is_list: true,
            ..Frame::default()
        };
        self.frames.push(frame);
    }

    /// A list or mapping ends.
    pub(super) fn end(&mut self) {
        self.judge_pair();
        self.judge_secret_object();
        let Some(frame) = self.frames.pop() else { return };
        if let Some(parent) = self.frames.last_mut()
            && ["data", "stringData"].contains(&parent.key.as_str())
        {
            parent.held.extend(frame.held);
        }
        if let Some(parent) = self.frames.last_mut().filter(|parent| parent.is_list) {
            parent.index += 1;
        }
    }

    /// Something without content, such as an alias.
    pub(super) fn skip(&mut self) {
        self.take_slot("*");
        if let Some(parent) = self.frames.last_mut().filter(|parent| parent.is_list) {
            parent.index += 1;
        }
    }

    /// A key or a value, whichever is due.
    pub(super) fn scalar(&mut self, scalar: Scalar<'t>) {
        if self.take_slot(&scalar.value) {
            return;
        }
        self.judge(&scalar);
        self.judge_argument(&scalar);
        self.remember(scalar);
        if let Some(list) = self.frames.last_mut().filter(|frame| frame.is_list) {
            list.index += 1;
        }
    }

    /// Whether what comes is a key, which is then kept as `name`.
    fn take_slot(&mut self, name: &str) -> bool {
        let Some(frame) = self.frames.last_mut().filter(|frame| !frame.is_list) else {
            return false;
        };
        let is_key = frame.expects_key;
        if is_key {
            name.clone_into(&mut frame.key);
        }
        frame.expects_key = !is_key;
        is_key
    }

    fn judge(&mut self, scalar: &Scalar<'t>) {
        if scalar.is_reference {
            return;
        }
        if self
            .strength()
            .is_some_and(|strength| values::is_secret(&scalar.value, strength))
        {
            let key = self.path();
            self.push_whole(scalar, Rule::KeyName, key);
        }
        self.judge_inside(scalar);
    }

    /// What the keys say of the present value. An element of a list is the value of the key of the list.
    fn strength(&self) -> Option<Strength> {
        let depth = self.frames.iter().rposition(|frame| !frame.is_list)?;
        let key = &self.frames[depth].key;
        let above = depth
            .checked_sub(1)
            .map(|depth| &self.frames[depth])
            .filter(|frame| !frame.is_list);
        keys::strength(key).or_else(|| keys::strength_below(&above?.key, key))
    }

    /// Secrets that are parts of the value.
    fn judge_inside(&mut self, scalar: &Scalar<'t>) {
        // The shortest thing to be found is longer.
        if scalar.value.len() < 5 {
            return;
        }
        if scalar.style == Style::Block {
            let raw = &self.text[scalar.at.clone()];
            let key = self.path();
            lines::find_in(raw, scalar.at.start, Some(&key), &mut self.hits);
            for (range, rule) in rules::places(raw) {
                self.hits.push(Hit {
                    secret: SecretText::new(raw[range.clone()].to_owned()),
                    at: scalar.at.start + range.start..scalar.at.start + range.end,
                    put: Put::Mark,
                    rule,
                    key: Some(key.clone()),
                });
            }
            return;
        }
        let value = scalar.value.as_ref();
        for (range, rule) in rules::places(value) {
            self.push_part(scalar, range, rule, None);
        }
        let mut found = Hits::default();
        if value.contains('\n') || value.starts_with(['{', '[']) {
            lines::find_in(value, 0, None, &mut found);
        } else {
            lines::find_pairs(value, &mut found);
        }
        for hit in found.list {
            self.push_part(scalar, hit.at, hit.rule, hit.key.as_deref());
        }
    }

    fn push_whole(&mut self, scalar: &Scalar<'t>, rule: Rule, key: String) {
        let mut at = scalar.at.clone();
        let put = match scalar.style {
            Style::Quoted | Style::Plain => Put::QuotedMark,
            Style::Block => {
                at.end = at.start + self.text[at.clone()].trim_end().len();
                Put::Mark
            }
        };
        self.hits.push(Hit {
            at,
            put,
            rule,
            key: Some(key),
            secret: SecretText::new(scalar.value.to_string()),
        });
    }

    /// Reports the stretch `part` of the value.
    fn push_part(&mut self, scalar: &Scalar<'t>, part: Range<usize>, rule: Rule, key: Option<&str>) {
        let mut path = self.path();
        if let Some(key) = key {
            push_key(&mut path, key);
        }
        let value = scalar.value.as_ref();
        // Without escapes, the value stands in the text as it is.
        let verbatim = self.text[scalar.at.clone()].find(value);
        let (at, put) = match verbatim {
            Some(offset) if scalar.style == Style::Quoted => {
                let begin = scalar.at.start + offset;
                (begin + part.start..begin + part.end, Put::Mark)
            }
            Some(_) | None => {
                let rest = [&value[..part.start], REDACTED, &value[part.end..]].concat();
                (scalar.at.clone(), Put::Value(SecretText::new(rest)))
            }
        };
        let secret = SecretText::new(value[part].to_owned());
        let key = Some(path);
        self.hits.push(Hit {
            at,
            put,
            rule,
            key,
            secret,
        });
    }

    /// Keeps what is judged once the mapping ends.
    fn remember(&mut self, scalar: Scalar<'t>) {
        let is_data = self.frames.len().checked_sub(2).is_some_and(|above| {
            let above = &self.frames[above];
            !above.is_list && ["data", "stringData"].contains(&above.key.as_str())
        });
        let Some(frame) = self.frames.last_mut().filter(|frame| !frame.is_list) else {
            return;
        };
        if is_data && frame.held.len() < limits::CONFIG_FINDINGS_MAX {
            frame.held.push((frame.key.clone(), scalar.clone()));
        }
        match frame.key.to_lowercase().as_str() {
            "kind" => frame.is_secret_object = scalar.value == "Secret",
            "name" | "key" | "variable" => frame.name = Some(scalar.value.into_owned()),
            "value" => frame.value = Some(scalar),
            _ => {}
        }
    }

    /// `["--password", "…"]`: in a list of arguments, an option is the key of what follows it.
    fn judge_argument(&mut self, scalar: &Scalar<'t>) {
        let Some(list) = self.frames.last_mut().filter(|frame| frame.is_list) else {
            return;
        };
        let option = list.name.take();
        list.name = scalar.value.strip_prefix("--").map(str::to_owned);
        let Some(option) = option.filter(|_| list.name.is_none()) else {
            return;
        };
        if !scalar.is_reference
            && keys::strength(&option).is_some_and(|strength| values::is_secret(&scalar.value, strength))
        {
            let mut key = self.path();
            push_key(&mut key, &option);
            self.push_whole(scalar, Rule::KeyName, key);
        }
    }

    /// `{name: DB_PASSWORD, value: …}` is `DB_PASSWORD: …`.
    fn judge_pair(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        let (Some(name), Some(scalar)) = (frame.name.take(), frame.value.take()) else {
            return;
        };
        let is_secret = |strength| values::is_secret(&scalar.value, strength);
        if !scalar.is_reference && keys::strength(&name).is_some_and(is_secret) {
            let above = self.frames.len() - 1;
            let mut key = path_of(&self.frames[..above]);
            push_key(&mut key, &name);
            self.push_whole(&scalar, Rule::KeyName, key);
        }
    }

    /// Everything in `data` and `stringData` of a Kubernetes Secret is a secret.
    fn judge_secret_object(&mut self) {
        let Some(frame) = self.frames.last_mut().filter(|frame| frame.is_secret_object) else {
            return;
        };
        for (key, scalar) in std::mem::take(&mut frame.held) {
            if !scalar.is_reference && values::is_secret(&scalar.value, Strength::Password) {
                let above = self.frames.len() - 1;
                let mut path = path_of(&self.frames[..above]);
                push_key(&mut path, "data");
                push_key(&mut path, &key);
                self.push_whole(&scalar, Rule::KubernetesSecret, path);
            }
        }
    }

    fn path(&self) -> String {
        path_of(&self.frames)
    }
}

/// The keys down to the present value: `servers[0].token`.
fn path_of(frames: &[Frame<'_>]) -> String {
    let mut path = String::new();
    for frame in frames {
        if frame.is_list {
            write!(path, "[{}]", frame.index).expect("a String takes every text");
        } else {
            push_key(&mut path, &frame.key);
        }
    }
    path
}

/// Adds a key, in quotes when it holds what could be misread.
fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    let is_plain = !key.is_empty()
        && key
            .chars()
            .all(|letter| letter.is_alphanumeric() || "_-@/".contains(letter));
    let shown: String = key.chars().take(80).collect();
    if is_plain {
        path.push_str(&shown);
    } else {
        path.push_str(&serde_json::to_string(&shown).expect("text is JSON"));
    }
}

/// The hits in TOML; `None` when it does not parse.
pub(super) fn walk_toml(text: &str) -> Option<Hits> {
    let table = DeTable::parse(text).ok()?;
    let mut walker = Walker::new(text);
    walk_table(table.get_ref(), &mut walker);
    Some(walker.finish())
}

fn walk_table<'t>(table: &DeTable<'t>, walker: &mut Walker<'t>) {
    walker.begin_mapping();
    for (key, value) in table {
        walker.take_slot(key.get_ref());
        walk_value(value, walker);
    }
    walker.end();
}

/// The parser bounds the depth.
fn walk_value<'t>(value: &Spanned<DeValue<'t>>, walker: &mut Walker<'t>) {
    let at = value.span();
    let (value, style) = match value.get_ref() {
        DeValue::Table(table) => return walk_table(table, walker),
        DeValue::Array(array) => {
            walker.begin_list();
            array.iter().for_each(|element| walk_value(element, walker));
            return walker.end();
        }
        DeValue::String(value) => (Cow::Owned(value.to_string()), Style::Quoted),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            (Cow::Borrowed(&walker.text[at.clone()]), Style::Plain)
        }
    };
    let is_reference = false;
    walker.scalar(Scalar {
        value,
        at,
        style,
        is_reference,
    });
}
