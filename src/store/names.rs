//! Where each kind of object lives in a store: names made and read back, nothing else.
//!
//! ```text
//! repository.json(.asc)
//! bundles/SET/YYYY/MM/ID.hub.tar
//! manifests/SET/SEQUENCE.json(.asc)
//! audit/SEQUENCE.json(.asc)
//! ```

use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::bundle::outer;

use super::ObjectName;

/// What the store is.
pub const REPOSITORY: &str = "repository.json";
/// The prefix of all bundles.
pub const BUNDLES: &str = "bundles";
/// The prefix of all manifests.
pub const MANIFESTS: &str = "manifests";
/// The prefix of the audit log.
pub const AUDIT: &str = "audit";

const JSON: &str = ".json";
const SIGNATURES: &str = ".json.asc";

fn object(text: &str) -> ObjectName {
    text.parse().expect("put together from plain components")
}

/// The record of what the store is.
#[must_use]
pub fn repository() -> ObjectName {
    object(REPOSITORY)
}

/// The signatures over the record of what the store is.
#[must_use]
pub fn repository_signatures() -> ObjectName {
    object(&format!("{REPOSITORY}.asc"))
}

/// A bundle, under the year and month in which it was begun.
#[must_use]
pub fn bundle(set: &SetName, id: &BundleId) -> ObjectName {
    let (year, month) = (&id.as_str()[..4], &id.as_str()[4..6]);
    let file = outer::file_name(id);
    object(&format!("{BUNDLES}/{set}/{year}/{month}/{file}"))
}

/// The prefix of the bundles of a set.
#[must_use]
pub fn bundles(set: &SetName) -> String {
    format!("{BUNDLES}/{set}")
}

/// The prefix of the manifests of a set.
#[must_use]
pub fn manifests(set: &SetName) -> String {
    format!("{MANIFESTS}/{set}")
}

/// The manifest at one place of a set's chain.
#[must_use]
pub fn manifest(set: &SetName, sequence: u64) -> ObjectName {
    object(&format!("{MANIFESTS}/{set}/{sequence:010}{JSON}"))
}

/// The signatures over the manifest at one place of a set's chain.
#[must_use]
pub fn manifest_signatures(set: &SetName, sequence: u64) -> ObjectName {
    object(&format!("{MANIFESTS}/{set}/{sequence:010}{SIGNATURES}"))
}

/// A record of the audit log.
#[must_use]
pub fn audit(sequence: u64) -> ObjectName {
    object(&format!("{AUDIT}/{sequence:010}{JSON}"))
}

/// The signatures over a record of the audit log.
#[must_use]
pub fn audit_signatures(sequence: u64) -> ObjectName {
    object(&format!("{AUDIT}/{sequence:010}{SIGNATURES}"))
}

/// The set and id of a bundle, if this is the name of one.
#[must_use]
pub fn parse_bundle(name: &ObjectName) -> Option<(SetName, BundleId)> {
    let (set, rest) = parse_set(name, BUNDLES)?;
    let file = rest.rsplit('/').next()?;
    let id = file.strip_suffix(".hub.tar")?.parse().ok()?;
    (bundle(&set, &id) == *name).then_some((set, id))
}

/// The set and place of a manifest, if this is the name of one.
#[must_use]
pub fn parse_manifest(name: &ObjectName) -> Option<(SetName, u64)> {
    let (set, file) = parse_set(name, MANIFESTS)?;
    Some((set, parse_number(file, JSON)?))
}

/// The set and place of a manifest, if this is the name of its signatures.
#[must_use]
pub fn parse_manifest_signatures(name: &ObjectName) -> Option<(SetName, u64)> {
    let (set, file) = parse_set(name, MANIFESTS)?;
    Some((set, parse_number(file, SIGNATURES)?))
}

/// The number of a record of the audit log, if this is the name of one.
#[must_use]
pub fn parse_audit(name: &ObjectName) -> Option<u64> {
    parse_number(name.as_str().strip_prefix(AUDIT)?.strip_prefix('/')?, JSON)
}

/// The number of a record of the audit log, if this is the name of its signatures.
#[must_use]
pub fn parse_audit_signatures(name: &ObjectName) -> Option<u64> {
    parse_number(name.as_str().strip_prefix(AUDIT)?.strip_prefix('/')?, SIGNATURES)
}

/// The set whose lease an object is written under; none for an object that anyone may write.
#[must_use]
pub fn set_of(name: &ObjectName) -> Option<SetName> {
    let (set, _) = parse_set(name, BUNDLES).or_else(|| parse_set(name, MANIFESTS))?;
    Some(set)
}

fn parse_set<'n>(name: &'n ObjectName, prefix: &str) -> Option<(SetName, &'n str)> {
    let (set, rest) = name.as_str().strip_prefix(prefix)?.strip_prefix('/')?.split_once('/')?;
    Some((set.parse().ok()?, rest))
}

/// One number has one spelling: ten digits, more only when it needs them.
fn parse_number(file: &str, suffix: &str) -> Option<u64> {
    let digits = file.strip_suffix(suffix)?;
    let number: u64 = digits.parse().ok()?;
    (format!("{number:010}") == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ObjectName {
        text.parse().expect(text)
    }

    #[test]
    fn names_read_back() {
        let set: SetName = "hub".parse().expect("plain");
        let id: BundleId = "20260131T235959Z-0123456789abcdef".parse().expect("an id");
        let stored = bundle(&set, &id);
        assert_eq!(
            stored.as_str(),
            "bundles/hub/2026/01/20260131T235959Z-0123456789abcdef.hub.tar"
        );
        assert_eq!(parse_bundle(&stored), Some((set.clone(), id)));
        assert_eq!(set_of(&stored), Some(set.clone()));
        assert_eq!(manifest(&set, 7).as_str(), "manifests/hub/0000000007.json");
        assert_eq!(parse_manifest(&manifest(&set, 7)), Some((set.clone(), 7)));
        let signatures = manifest_signatures(&set, 10_000_000_000);
        assert_eq!(signatures.as_str(), "manifests/hub/10000000000.json.asc");
        assert_eq!(
            parse_manifest_signatures(&signatures),
            Some((set.clone(), 10_000_000_000))
        );
        assert_eq!(set_of(&signatures), Some(set));
        assert_eq!(parse_audit(&audit(u64::MAX)), Some(u64::MAX));
        assert_eq!(parse_audit_signatures(&audit_signatures(1)), Some(1));
        assert_eq!(set_of(&audit(1)), None);
    }

    #[test]
    fn one_object_has_one_name() {
        for wrong in [
            "bundles/hub/2026/02/20260131T235959Z-0123456789abcdef.hub.tar",
            "bundles/hub/20260131T235959Z-0123456789abcdef.hub.tar",
            "bundles/hub/2026/01/20260131T235959Z-0123456789abcdef.tar",
            "bundles/_/2026/01/20260131T235959Z-0123456789abcdef.hub.tar",
        ] {
            assert_eq!(parse_bundle(&name(wrong)), None, "{wrong}");
        }
        for wrong in [
            "manifests/hub/7.json",
            "manifests/hub/00000000007.json",
            "manifests/hub/0000000007.json.asc",
            "manifests/hub/x/0000000007.json",
            "manifests/hub/99999999999999999999.json",
        ] {
            assert_eq!(parse_manifest(&name(wrong)), None, "{wrong}");
        }
        assert_eq!(parse_audit(&name("auditor/0000000001.json")), None);
        assert_eq!(parse_audit(&name("audit/0000000001.json.asc")), None);
        assert_eq!(parse_audit_signatures(&name("audit/0000000001.json")), None);
    }
}
