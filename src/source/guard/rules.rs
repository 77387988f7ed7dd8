//! Secrets that are known by their form, wherever they stand: private keys, tokens of known services, passwords in URLs.

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;
use regex::Regex;

use super::hits::Hit;
use super::hits::Hits;
use super::hits::Put;
use super::rule::Rule;
use super::values;
use super::values::Strength;
use crate::base::secret::SecretText;

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Forms that say enough. The secret is the first group where there is one, otherwise the whole match.
const FORMS: [(Rule, &str); 19] = [
    (Rule::AgeSecretKey, r"\bAGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{50,}"),
    (Rule::AwsAccessKeyId, r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (Rule::GithubToken, r"\bgh[pousr]_[0-9A-Za-z]{36,}"),
    (Rule::GithubToken, r"\bgithub_pat_[0-9A-Za-z_]{22,}"),
    (
        Rule::GitlabToken,
        r"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-[0-9A-Za-z_-]{20,}",
    ),
    (Rule::SlackToken, r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    (Rule::SlackToken, r"\bxapp-[0-9A-Za-z-]{20,}"),
    (
        Rule::SlackToken,
        r"\bhooks\.slack\.com/(?:services|workflows|triggers)/([0-9A-Za-z/_-]{20,})",
    ),
    (Rule::StripeKey, r"\b(?:[sr]k_(?:live|test)|whsec)_[0-9A-Za-z]{16,}"),
    (Rule::GoogleApiKey, r"\bAIza[0-9A-Za-z_-]{35}"),
    (Rule::GoogleApiKey, r"\bGOCSPX-[0-9A-Za-z_-]{28}"),
    (
        Rule::Jwt,
        r"\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{16,}",
    ),
    (Rule::PackageToken, r"\bnpm_[0-9A-Za-z]{36}"),
    (Rule::PackageToken, r"\bpypi-AgE[0-9A-Za-z_-]{50,}"),
    (
        Rule::AzureKey,
        r"(?i)\b(?:AccountKey|SharedAccessKey)=([0-9A-Za-z+/%]{32,}={0,2})",
    ),
    (Rule::AzureKey, r"(?i)[?&;]sig=([0-9A-Za-z+/%]{32,}={0,2})"),
    (Rule::ServiceToken, r"\bSG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}"),
    (
        Rule::ServiceToken,
        r"\b(?:sk-[0-9A-Za-z_-]{40,}|hf_[0-9A-Za-z]{34}|dckr_pat_[0-9A-Za-z_-]{27})",
    ),
    (
        Rule::ServiceToken,
        r"\b(?:hv[sb]\.[0-9A-Za-z_-]{24,}|do[opr]_v1_[0-9a-f]{64}|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{32})",
    ),
];

static COMPILED: LazyLock<Vec<(Rule, Regex)>> =
    LazyLock::new(|| FORMS.iter().map(|(rule, form)| (*rule, compile(form))).collect());

/// A password may hold `@`; it ends at the last one before the path.
static URL: LazyLock<Regex> =
    LazyLock::new(|| compile(r#"[A-Za-z][0-9A-Za-z+.-]*:(?:\\?/){2}[^\s:/?#@"'<>\\]*:([^\s/"'<>]+)@"#));

static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    compile(r#"(?i)\bauthorization["']?\s*[:=]?\s*["']?(?:basic|bearer|token)\s+([0-9A-Za-z+/=._~-]{8,}|\$\{[^}]*\})"#)
});

/// `CREATE USER hub WITH PASSWORD '…'`, `IDENTIFIED BY '…'`.
static SQL: LazyLock<Regex> =
    LazyLock::new(|| compile(r"(?i)\b(?:password|identified\s+by(?:\s+password)?)\s+'([^'\\\n]+)'"));

static CURL_USER: LazyLock<Regex> =
    LazyLock::new(|| compile(r#"\bcurl\b[^\n]*?\s(?:-u|--user)[ =]["']?[^\s:"']+:([^\s"'\\]+)"#));

static KEY_BEGIN: LazyLock<Regex> =
    LazyLock::new(|| compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[23]: "));

static KEY_END: LazyLock<Regex> =
    LazyLock::new(|| compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|Private-MAC: \w+"));

/// Where a key without an end stops: at the first character that cannot be part of it, in any quoting.
static KEY_BODY: LazyLock<Regex> = LazyLock::new(|| compile(r#"\A[0-9A-Za-z+/=\s\\:",'-]*"#));

static KEY_RUN: LazyLock<Regex> = LazyLock::new(|| compile(r"[0-9A-Za-z+/]{32}"));

/// `-----BEGIN ` in base64.
static BASE64_KEY: LazyLock<Regex> = LazyLock::new(|| compile(r"\bLS0tLS1CRUdJTi[0-9A-Za-z+/]{40,}={0,2}"));

fn compile(form: &str) -> Regex {
    Regex::new(form).expect("a constant that the tests compile")
}

/// Reports every secret that is known by its form.
pub(super) fn find_in(text: &str, hits: &mut Hits) {
    for (at, rule) in places(text) {
        hits.push(Hit {
            secret: SecretText::new(text[at.clone()].to_owned()),
            at,
            put: Put::Mark,
            rule,
            key: None,
        });
    }
}

/// Where the secrets are that are known by their form.
pub(super) fn places(text: &str) -> Vec<(Range<usize>, Rule)> {
    let mut places = Vec::new();
    for (rule, form) in COMPILED.iter() {
        for found in form.captures_iter(text) {
            let range = found.get(1).or(found.get(0)).expect("a match has its whole").range();
            places.push((range, *rule));
        }
    }
    guarded(&URL, text, Rule::UrlPassword, Strength::Password, &mut places);
    guarded(&HEADER, text, Rule::AuthorizationHeader, Strength::Secret, &mut places);
    guarded(&SQL, text, Rule::KeyName, Strength::Password, &mut places);
    guarded(
        &CURL_USER,
        text,
        Rule::AuthorizationHeader,
        Strength::Secret,
        &mut places,
    );
    for found in BASE64_KEY.find_iter(text) {
        if is_private_key(found.as_str()) {
            places.push((found.range(), Rule::PrivateKey));
        }
    }
    find_private_keys(text, &mut places);
    places
}

/// Forms whose first group is a secret only if it is no reference to one.
fn guarded(form: &Regex, text: &str, rule: Rule, strength: Strength, places: &mut Vec<(Range<usize>, Rule)>) {
    for found in form.captures_iter(text) {
        let secret = found.get(1).expect("the form has a group");
        let is_example =
            rule == Rule::UrlPassword && is_comment(text, secret.start()) && is_placeholder(secret.as_str());
        if !is_example && values::is_secret(secret.as_str(), strength) {
            places.push((secret.range(), rule));
        }
    }
}

/// Whether the line of `offset` is a comment.
fn is_comment(text: &str, offset: usize) -> bool {
    let line = text[..offset].rsplit('\n').next().unwrap_or_default().trim_start();
    line.starts_with(['#', ';']) || line.starts_with("//")
}

/// Comments show how a URL is written: with one of these.
fn is_placeholder(password: &str) -> bool {
    matches!(
        password.to_lowercase().as_str(),
        "password" | "passwd" | "pass" | "pwd" | "secret" | "pw" | "yourpassword" | "your-password" | "your_password"
    )
}

fn find_private_keys(text: &str, places: &mut Vec<(Range<usize>, Rule)>) {
    let mut offset = 0;
    while let Some(begin) = KEY_BEGIN.find_at(text, offset) {
        let rest = &text[begin.end()..];
        let body = match (KEY_END.find(rest), KEY_BEGIN.find(rest)) {
            (Some(end), next) if next.is_none_or(|next| end.start() < next.start()) => end.end(),
            _ => KEY_BODY.find(rest).map_or(0, |body| body.end()),
        };
        // A header alone, or with dots below it, is documentation.
        if KEY_RUN.is_match(&rest[..body]) {
            places.push((begin.start()..begin.end() + body, Rule::PrivateKey));
        }
        offset = begin.end() + body;
    }
}

/// Whether the base64 of a PEM file is that of a private key: certificates look the same at first.
fn is_private_key(text: &str) -> bool {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    // The first 64 digits hold the whole header line.
    let head = &text[..text.len().min(64)];
    GeneralPurpose::new(&alphabet::STANDARD, lenient)
        .decode(head.trim_end_matches('='))
        .is_ok_and(|bytes| KEY_BEGIN.is_match(&String::from_utf8_lossy(&bytes)))
}
