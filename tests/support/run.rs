//! One run of a writer as the stores see it, with a stand-in for a bundle: everything but the cryptography.

use std::collections::BTreeMap;
use std::error::Error;

use hub_backup::audit;
use hub_backup::audit::Act;
use hub_backup::audit::Actor;
use hub_backup::audit::Draft;
use hub_backup::audit::Outcome;
use hub_backup::base::digest::Digest;
use hub_backup::bundle::header::FORMAT_VERSION;
use hub_backup::bundle::index::Totals;
use hub_backup::bundle::kind::KeyKind;
use hub_backup::bundle::kind::SourceKind;
use hub_backup::bundle::manifest;
use hub_backup::bundle::manifest::ContainerFacts;
use hub_backup::bundle::manifest::KeyFacts;
use hub_backup::bundle::manifest::Keys;
use hub_backup::bundle::manifest::Manifest;
use hub_backup::bundle::manifest::Member;
use hub_backup::bundle::manifest::Members;
use hub_backup::bundle::manifest::PolicyFacts;
use hub_backup::bundle::manifest::Role;
use hub_backup::bundle::manifest::SourceFacts;
use hub_backup::bundle::manifest::WorkingKey;
use hub_backup::bundle::name::BundleId;
use hub_backup::bundle::name::SetName;
use hub_backup::bundle::suite::Suite;
use hub_backup::catalog::chain;
use hub_backup::catalog::chain::Link;
use hub_backup::store::Lease;
use hub_backup::store::ObjectName;
use hub_backup::store::Store;
use hub_backup::store::names;

/// Bytes of a stand-in: several buffers of the store, and no multiple of one.
const BUNDLE_BYTES: usize = 700_001;

/// Every object of a store.
pub(crate) type Snapshot = BTreeMap<ObjectName, Vec<u8>>;

pub(crate) fn set() -> SetName {
    "hub".parse().expect("plain")
}

/// The id of the `number`th bundle, one a minute.
pub(crate) fn bundle_id(number: u64) -> BundleId {
    let text = format!("20260131T23{number:02}00Z-{number:016x}");
    text.parse().expect("a bundle id")
}

fn key(role: Role) -> KeyFacts {
    KeyFacts {
        kind: KeyKind::OpenPgp,
        id: "ABCD".into(),
        keys: vec![WorkingKey {
            fingerprint: "ABCD".into(),
            algorithm: "Ed25519".into(),
        }],
        algorithm: "Ed25519".into(),
        created: None,
        expires: None,
        role,
        generation: 1,
    }
}

fn member(name: &str) -> Member {
    Member {
        name: name.into(),
        bytes: 1,
        sha256: Digest::of(name.as_bytes()),
    }
}

fn members() -> Members {
    let container = ContainerFacts {
        segments: 1,
        bytes: 1,
        chain: Digest::of(b"segment"),
    };
    Members {
        recover: member("RECOVER.txt"),
        header: member("header.json"),
        keyslots: vec![member("keyslots/openpgp.pgp")],
        data: container.clone(),
        index: container,
        sums: member("SHA256SUMS"),
    }
}

/// The manifest that follows `head`.
pub(crate) fn manifest_after(head: Option<&Link>, set: SetName, bundle: BundleId) -> Manifest {
    Manifest {
        format: manifest::MAGIC.into(),
        version: FORMAT_VERSION,
        bundle,
        set,
        sequence: head.map_or(0, |link| link.sequence) + 1,
        previous: head.map(|link| link.digest),
        created: "2026-01-31T23:59:59Z".parse().expect("a time"),
        tool: "test".into(),
        suite: Suite::Rfc9580,
        sources: vec![SourceFacts {
            label: "hub".parse().expect("a label"),
            kind: SourceKind::Files,
            data_time: None,
            facts: BTreeMap::new(),
            exceptions: 0,
        }],
        members: members(),
        totals: Totals {
            entries: 0,
            exceptions: 0,
            content_bytes: 0,
            tar_bytes: 0,
            blocks: 0,
        },
        key_commitment: Digest::of(b"commitment"),
        keys: Keys {
            signers: vec![key(Role::Signer)],
            recipients: vec![key(Role::Recipient)],
        },
        policy: PolicyFacts::default(),
    }
}

/// What stands for detached signatures: whoever has the bytes can check them.
pub(crate) fn signatures_over(bytes: &[u8]) -> Vec<u8> {
    format!("signed {}", Digest::of(bytes)).into_bytes()
}

pub(crate) fn draft() -> Draft {
    Draft {
        at: "2026-01-31T23:59:59Z".parse().expect("a time"),
        actor: Actor {
            user: "backup".into(),
            host: "db1".into(),
            tool: "test".into(),
        },
        act: Act::Backup,
        outcome: Outcome::ok(),
        set: Some(set()),
        bundle: None,
        details: BTreeMap::new(),
    }
}

/// A stand-in for a bundle: its manifest, filled up, and a digest over all that at the end.
fn bundle_around(manifest: &[u8]) -> Vec<u8> {
    let mut bytes = manifest.to_vec();
    bytes.push(0);
    bytes.resize(BUNDLE_BYTES, b'x');
    let digest = Digest::of(&bytes);
    bytes.extend(digest.octets());
    bytes
}

/// The manifest in a stand-in, if the stand-in is whole.
pub(crate) fn manifest_inside(bundle: &[u8]) -> Option<&[u8]> {
    let (content, digest) = bundle.split_last_chunk::<32>()?;
    let is_whole = content.len() == BUNDLE_BYTES && Digest::of(content).octets() == digest;
    content.split(|byte| *byte == 0).next().filter(|_| is_whole)
}

/// A whole run: lease, sweep, roll forward, bundle, link, audit record.
pub(crate) fn back_up(store: &dyn Store, bundle: &BundleId) -> Result<(), Box<dyn Error>> {
    let lease = store.lease(&set())?;
    store.sweep(&*lease)?;
    roll_forward(store, &*lease)?;
    let head = chain::head(store, &set())?;
    let manifest = manifest_after(head.as_ref(), set(), bundle.clone()).to_bytes();
    let mut upload = store.upload(&names::bundle(&set(), bundle))?;
    for piece in bundle_around(&manifest).chunks(100_000) {
        upload.write_all(piece)?;
    }
    upload.publish()?;
    chain::append(store, &*lease, &manifest, &signatures_over(&manifest))?;
    audit::chain::append(store, &draft(), Some(&|bytes| Ok(signatures_over(bytes))))?;
    Ok(())
}

/// Links the bundle that a run left which died.
fn roll_forward(store: &dyn Store, lease: &dyn Lease) -> Result<(), Box<dyn Error>> {
    for bundle in chain::fresh_bundles(store, &set())? {
        let bytes = store.get(&names::bundle(&set(), &bundle), u64::MAX)?;
        let manifest = manifest_inside(&bytes).ok_or("a bundle that is not whole is visible")?;
        chain::append(store, lease, manifest, &signatures_over(manifest))?;
    }
    Ok(())
}

pub(crate) fn snapshot(store: &dyn Store) -> Snapshot {
    let listed = store.list("").expect("listed");
    let read = |name: &ObjectName| store.get(name, u64::MAX).expect("what is listed can be read");
    listed
        .into_iter()
        .map(|listed| (listed.name.clone(), read(&listed.name)))
        .collect()
}
