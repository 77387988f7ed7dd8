//! What holds for a store at every moment, and after every run that succeeded.

use hub_backup::audit;
use hub_backup::bundle::manifest::Manifest;
use hub_backup::bundle::name::BundleId;
use hub_backup::catalog::chain;
use hub_backup::catalog::walk;
use hub_backup::store::Store;
use hub_backup::store::names;

use crate::run::Snapshot;
use crate::run::manifest_inside;
use crate::run::set;
use crate::run::signatures_over;
use crate::run::snapshot;

/// What must hold at every moment: what was there is there unchanged, and what is visible is whole.
pub(crate) fn assert_whole(store: &dyn Store, before: &Snapshot, context: &str) {
    let now = snapshot(store);
    for (name, bytes) in before {
        assert_eq!(now.get(name), Some(bytes), "{context}: {name} changed");
    }
    for (name, bytes) in &now {
        let is_whole = if names::parse_bundle(name).is_some() {
            manifest_inside(bytes).is_some()
        } else if names::parse_manifest(name).is_some() {
            Manifest::parse(bytes).is_ok()
        } else if names::parse_audit(name).is_some() {
            audit::AuditRecord::parse(bytes).is_ok()
        } else {
            bytes.starts_with(b"signed ") && bytes.len() == 71
        };
        assert!(is_whole, "{context}: {name} is visible and not whole");
    }
}

/// What must hold after a run that succeeded.
pub(crate) fn assert_sound(store: &dyn Store, bundles: &[BundleId], context: &str) {
    assert_eq!(walk::walk(store, &set()).expect("walked").problems, [], "{context}");
    let check = |bytes: &[u8], signatures: &[u8]| {
        let is_good = signatures_over(bytes) == signatures;
        let bad = || audit::check::BadSignatures::invalid("wrong".to_owned());
        is_good.then_some(()).ok_or_else(bad)
    };
    let report = audit::check::check(store, Some(&check)).expect("checked");
    assert_eq!(report.problems, [], "{context}");
    let linked: Vec<_> = chain::links(store, &set()).expect("listed").collect();
    let linked: Vec<_> = linked
        .into_iter()
        .map(|link| link.expect("readable").manifest.bundle)
        .collect();
    for bundle in bundles {
        assert!(linked.contains(bundle), "{context}: {bundle} is not in the chain");
    }
}
