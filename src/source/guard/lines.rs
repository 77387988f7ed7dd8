//! Secrets in lines of `key = value`: environment files, INI, properties, templates, and texts of unknown form.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Captures;
use regex::Match;
use regex::Regex;

use super::extent::Line;
use super::extent::lines_of;
use super::extent::value_at;
use super::extent::without_quotes;
use super::hits::Hit;
use super::hits::Hits;
use super::hits::Put;
use super::keys;
use super::rule::Rule;
use super::values;
use super::values::Strength;
use crate::base::secret::SecretText;

fn compile(form: &str) -> Regex {
    Regex::new(form).expect("a constant that the tests compile")
}

/// A line without any of these holds no key that is named after a secret, and no part of a pair of `name` and `value`.
static HINT: LazyLock<Regex> =
    LazyLock::new(|| compile(r"(?i)pass|pw|psk|secret|token|cred|auth|key|bearer|name|value"));

/// `key = value` at the beginning of a line, perhaps as an element of a list, exported, or below a path.
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"^\s*(?:-\s+)?(?:(?:export|set|setenv|local|ENV|ARG|Environment=)\s*)?["']?(?:\S*[/:])?(?P<key>[A-Za-z_][\w.-]*)["']?\s*(?P<sign>=>|:=|\?=|\+=|==?|:)\s*(?P<rest>.*)$"#,
    )
});

/// A line of comment that is nothing but an assignment.
static COMMENTED: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"^\s*(?:#|;|//)+\s*(?:-\s+)?(?:export\s+)?(?:\S*[/:])?(?P<key>[A-Za-z_][\w.-]*)\s*[=:]\s*["']?(?P<value>[^\s"']+)["']?;?\s*$"#,
    )
});

/// `requirepass hunter2`, `password hunter2`.
static DIRECTIVE: LazyLock<Regex> =
    LazyLock::new(|| compile(r#"^\s*(?P<key>[A-Za-z_][\w.-]*)\s+["']?(?P<value>[^\s"'=:]+=*)["']?;?\s*$"#));

/// A line of a `.netrc`.
static NETRC: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^\s*(?:machine|default|login)\b.*\b(?P<key>password)\s+(?P<value>\S+)"));

/// `<password>…</password>`, `define('PASSWORD', …)` in PHP, and a pair of attributes in the way of .NET.
static ELEMENT: LazyLock<Regex> =
    LazyLock::new(|| compile(r"<(?P<key>[A-Za-z_][\w:.-]*)(?:\s[^<>]*)?>(?P<value>[^<>]+)</"));
static DEFINE: LazyLock<Regex> = LazyLock::new(|| {
    compile(r#"\bdefine\(\s*["'](?P<key>\w+)["']\s*,\s*(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"#)
});
static ATTRIBUTES: LazyLock<Regex> =
    LazyLock::new(|| compile(r#"\b(?:key|name)="(?P<key>[^"]+)"\s+value="(?P<value>[^"]*)""#));

/// Pairs within a line: `Server=x;Password=y`, `{"password": "y"}`, `{user: x, password: y}`, `--password y`.
static PAIRS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        compile(
            r#"(?:^|[\s,;{(&?|"'\[])-{0,2}(?P<key>[A-Za-z_][\w.-]*(?: [Kk]ey)?)=(?P<value>"(?:[^"\\]|\\.)*|\\"[^"\\]*|'[^']*|(?:\$\{[^}]*\}|\$\([^)]*\)|\{\{[^}]*\}\}|\[[^\s\]]*\]|[^\s,;&|"')}\]\\])+)"#,
        ),
        compile(
            r#"["'](?P<key>[A-Za-z_][\w. -]*)\\?["']\]?\s*(?::|=>?)\s*(?P<value>\\?"(?:[^"\\]|\\[^"])*|'[^']*|[A-Za-z_.]+\([^()]*\)|(?:\$\{[^}]*\}|\[[^\s\]]*\]|[^\s,}\]"'\\])+)"#,
        ),
        compile(
            r#"[{,]\s*(?P<key>[A-Za-z_][\w.-]*)\s*:\s+(?P<value>"(?:[^"\\]|\\.)*|'[^']*|(?:\$\{[^}]*\}|\{\{[^}]*\}\}|[^,}"'])+)"#,
        ),
        compile(
            r#"\B--(?P<key>[A-Za-z][\w-]*)\s+(?P<value>"[^"]*|'[^']*|(?:\$\{[^}]*\}|\$\([^)]*\)|[^\s"'=-])[^\s"'=]*=*)(?:\s|["']|$)"#,
        ),
    ]
});

/// An element that is one whole assignment: `DB_PASSWORD=…` in a list of variables, `--password=…` among arguments.
static WHOLE: LazyLock<Regex> = LazyLock::new(|| compile(r"^(?:[A-Z_][A-Z0-9_]*|--[a-z][a-z0-9-]*)="));

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['#', ';']) || line.starts_with("//")
}

/// Reports the secrets in `text`, which stands at `base` of the whole, below the key `above`.
pub(super) fn find_in(text: &str, base: usize, above: Option<&str>, hits: &mut Hits) {
    let mut finder = Finder {
        text,
        base,
        above,
        section: None,
        name: None,
        hits,
    };
    for line in lines_of(text) {
        if finder.hits.is_full {
            return;
        }
        finder.line(line);
    }
}

/// Reports the secrets among the `key=value` pairs of one line.
pub(super) fn find_pairs(line: &str, hits: &mut Hits) {
    if !HINT.is_match(line) {
        return;
    }
    let mut finder = Finder {
        text: line,
        base: 0,
        above: None,
        section: None,
        name: None,
        hits,
    };
    finder.whole(line);
    finder.pairs(Line { text: line, offset: 0 });
}

/// Reports the assignments that were made comments, in a text that is otherwise read by its structure.
pub(super) fn find_in_comments(text: &str, hits: &mut Hits) {
    let mut finder = Finder {
        text,
        base: 0,
        above: None,
        section: None,
        name: None,
        hits,
    };
    for line in lines_of(text).filter(|line| line.text.trim_start().starts_with('#')) {
        finder.comment(line);
    }
}

/// Reports every password of a PostgreSQL password file.
pub(super) fn find_in_pgpass(text: &str, hits: &mut Hits) {
    for line in lines_of(text).filter(|line| !is_comment(line.text)) {
        // A colon within a field is written `\:`; the password is the fifth field.
        let mut colons = line
            .text
            .match_indices(':')
            .filter(|(at, _)| !line.text[..*at].ends_with('\\'));
        if let Some((colon, _)) = colons.nth(3) {
            let value = &line.text[colon + 1..];
            if values::is_secret(value, Strength::Password) {
                let begin = line.offset + colon + 1;
                hits.push(hit(begin..begin + value.len(), Some("password".into()), value));
            }
        }
    }
}

struct Finder<'t, 'h> {
    text: &'t str,
    base: usize,
    above: Option<&'t str>,
    section: Option<&'t str>,
    /// The value of the last `name:`, for the `value:` on the next lines, and where it stood.
    name: Option<(&'t str, usize)>,
    hits: &'h mut Hits,
}

impl<'t> Finder<'t, '_> {
    fn line(&mut self, line: Line<'t>) {
        let trimmed = line.text.trim();
        if let Some(section) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
            && !section.contains(['"', ',', '{', '='])
        {
            self.section = Some(section.trim());
        }
        if !HINT.is_match(trimmed) {
            return;
        }
        // In a .npmrc, `//host/:_authToken=` is no comment; it looks like one, and is searched as one.
        if is_comment(trimmed) {
            return self.comment(line);
        }
        if let Some(found) = ASSIGNMENT.captures(line.text) {
            self.assignment(line, &found);
        }
        self.pairs(line);
        if let Some(found) = DIRECTIVE.captures(line.text) {
            self.pair(line, &found, |strength, value| {
                strength == Strength::Password || values::is_no_word(value)
            });
        }
        for form in [&*NETRC, &*ELEMENT, &*DEFINE, &*ATTRIBUTES] {
            for found in form.captures_iter(line.text) {
                self.pair(line, &found, |_, _| true);
            }
        }
    }

    fn comment(&mut self, line: Line<'t>) {
        if let Some(found) = COMMENTED.captures(line.text) {
            self.pair(line, &found, |strength, value| {
                values::is_secret_in_comment(value, strength)
            });
        }
    }

    /// An element that is one assignment: its value may hold anything.
    fn whole(&mut self, text: &'t str) {
        let Some(sign) = WHOLE.find(text) else { return };
        let rest = &text[sign.end()..];
        let at = match rest.chars().next() {
            Some('"' | '\'') => value_at(self.text, Line { text, offset: 0 }, sign.end()),
            // `TOKEN=$OTHER command` is no element, but a command.
            Some('$') => sign.end()..sign.end() + rest.split(' ').next().unwrap_or(rest).len(),
            Some(_) | None => sign.end()..text.len(),
        };
        self.judge(sign.as_str().trim_matches(['-', '=']), at);
    }

    fn pairs(&mut self, line: Line<'t>) {
        for form in PAIRS.iter() {
            for found in form.captures_iter(line.text) {
                self.pair(line, &found, |_, _| true);
            }
        }
    }

    /// Judges the groups `key` and `value` of a form.
    fn pair(&mut self, line: Line<'t>, found: &Captures<'t>, also: impl Fn(Strength, &str) -> bool) {
        let (Some(key), Some(value)) = (found.name("key"), found.name("value")) else {
            return;
        };
        let at = without_quotes(line.offset + value.start(), value.as_str());
        let fits = |strength| also(strength, &self.text[at.clone()]);
        if keys::strength(key.as_str()).is_some_and(fits) {
            self.judge(key.as_str(), at);
        }
    }

    fn assignment(&mut self, line: Line<'t>, found: &Captures<'t>) {
        let group = |name| found.name(name).expect("every assignment has it");
        let (key, sign, rest): (Match<'t>, Match<'t>, Match<'t>) = (group("key"), group("sign"), group("rest"));
        let word = key.as_str().to_lowercase();
        if !["name", "key", "value"].contains(&word.as_str()) && keys::strength(key.as_str()).is_none() {
            return;
        }
        let at = value_at(self.text, line, line.offset + rest.start());
        let value = &self.text[at.clone()];
        match word.as_str() {
            "name" | "key" if !value.contains([' ', '{']) => self.name = Some((value, line.offset)),
            "value" => self.value_of_name(at.clone()),
            _ => {}
        }
        // `password: ask the owner` explains; `password = my long phrase` sets.
        let is_quoted = rest.as_str().starts_with(['"', '\'', '|', '>']);
        if sign.as_str() == ":" && !is_quoted && values::is_prose(value) {
            return;
        }
        self.judge(key.as_str(), at);
    }

    /// `name: DB_PASSWORD`, and on one of the next lines `value: …`.
    fn value_of_name(&mut self, at: Range<usize>) {
        if let Some((name, offset)) = self.name.take()
            && self.text[offset..at.start].matches('\n').count() <= 3
        {
            self.judge(name, at);
        }
    }

    fn judge(&mut self, key: &str, at: Range<usize>) {
        let value = &self.text[at.clone()];
        if keys::strength(key).is_some_and(|strength| values::is_secret(value, strength)) {
            let path = [self.above, self.section, Some(key)];
            let path: Vec<&str> = path.into_iter().flatten().collect();
            let at = self.base + at.start..self.base + at.end;
            self.hits.push(hit(at, Some(path.join(".")), value));
        }
    }
}

fn hit(at: Range<usize>, key: Option<String>, value: &str) -> Hit {
    Hit {
        at,
        put: Put::Mark,
        rule: Rule::KeyName,
        key,
        secret: SecretText::new(value.to_owned()),
    }
}
