//! What a reader would refuse is refused before it is written.

use std::collections::BTreeMap;

use super::*;
use crate::base::progress::Silent;
use crate::bundle::header;
use crate::bundle::kind::SourceKind;
use crate::bundle::name::Label;
use crate::bundle::suite::Suite;
use crate::source::Learnt;

/// A source without data, that tells much about itself.
struct Talkative {
    label: Label,
    bytes: usize,
}

impl Source for Talkative {
    fn label(&self) -> &Label {
        &self.label
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Sqlite
    }

    fn check(&mut self, _: &Cancel) -> Result<(), source::Error> {
        Ok(())
    }

    fn collect(&mut self, _: &mut dyn crate::bundle::entry::Collector, _: &Cancel) -> Result<Learnt, source::Error> {
        Ok(Learnt {
            data_time: None,
            public: BTreeMap::from([("words".to_owned(), "w".repeat(self.bytes))]),
            private: BTreeMap::new(),
        })
    }
}

fn back_up(signers: &[&dyn Signer], bytes: usize) -> (Vec<u8>, Error) {
    let recipient = age::x25519::Identity::generate().to_public().to_string();
    let created: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
    let plan = Plan {
        header: Header {
            format: header::MAGIC.to_owned(),
            version: header::FORMAT_VERSION,
            bundle: "20260131T120000Z-0123456789abcdef".parse().expect("an id"),
            set: "hub".parse().expect("a name"),
            created,
            suite: Suite::Age,
            segment_bytes: limits::BLOCK_BYTES_MIN,
            block_bytes: limits::BLOCK_BYTES_MIN,
            tool: "test".to_owned(),
        },
        sequence: 1,
        previous: None,
        recipients: &[Recipient::Age(recipient)],
        signers,
        policy: PolicyFacts::default(),
        level: limits::LEVEL,
        jobs: 1,
        dialog: Dialog::default(),
    };
    let label = "hub".parse().expect("plain");
    let mut sources: [Box<dyn Source>; 1] = [Box::new(Talkative { label, bytes })];
    let mut out = Vec::new();
    let error = backup(&plan, &mut sources, &mut out, &Silent, &Cancel::new()).expect_err("nobody signs");
    (out, error)
}

#[test]
fn no_manifest_is_larger_than_a_reader_takes() {
    let most = usize::try_from(limits::MANIFEST_BYTES_MAX).expect("small");
    let (_, unsigned) = back_up(&[], most - 4096);
    assert!(matches!(unsigned, Error::Seal(seal::Error::Missing)), "{unsigned}");
    let (_, error) = back_up(&[], most);
    assert!(
        matches!(
            error,
            Error::ManifestTooLong {
                sources: 1,
                recipients: 1,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.hint().expect("a next step").contains("several sets"));
}

#[test]
fn a_bundle_that_is_too_large_is_no_store_that_is_full() {
    let error = Error::unwritten(io::Error::other(TooManySegments));
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.hint().expect("a next step").contains("several sets"));
    let error = Error::unwritten(io::ErrorKind::StorageFull.into());
    assert_eq!(error.kind(), Kind::StoreUnavailable);
}
