//! Every way to alter a bundle or a store that we can think of is refused, with the right exit code, before anything is decrypted.
//!
//! All of it goes through [`verify`](hub_backup::flow::verify::verify), which takes no identity and no passphrase: what it refuses was
//! not decrypted, because it had no key to do so. Only [`open`] has keys, for what can go wrong after a bundle has verified.
//! The number of cases is printed and every one has to be refused: `cargo test --test tamper -- --nocapture`.

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod members;
mod open;
mod seals;
mod stores;

use std::sync::Arc;

use hub_backup::base::fault::Kind;
use hub_backup::flow::verify::Measure;
use hub_backup::policy::crypto::KeyPolicy;

/// A bundle that must not pass, and the kinds of failure that are right for it.
struct Case {
    what: String,
    bytes: Vec<u8>,
    kinds: &'static [Kind],
}

impl Case {
    fn new(what: impl Into<String>, bytes: Vec<u8>, kinds: &'static [Kind]) -> Self {
        let what = what.into();
        Self { what, bytes, kinds }
    }
}

/// What is wrong with the outcome of a case, if anything is.
fn slip(what: &str, outcome: Option<(Kind, String)>, kinds: &[Kind]) -> Option<String> {
    match outcome {
        None => Some(format!("{what}: accepted")),
        Some((kind, message)) if !kinds.contains(&kind) => {
            Some(format!("{what}: {kind:?} instead of {kinds:?}: {message}"))
        }
        Some(_) => None,
    }
}

/// Verifies every case as a lone file; none may pass.
fn refuse_all(label: &str, cases: &[Case]) {
    refuse_all_by(label, cases, &support::measure(&KeyPolicy::default()));
}

fn refuse_all_by(label: &str, cases: &[Case], measure: &Measure<'_>) {
    let judge = |case: &Case| support::judge_by(Arc::new(case.bytes.clone()), measure).err();
    let slips: Vec<String> = cases
        .iter()
        .filter_map(|case| slip(&case.what, judge(case), case.kinds))
        .collect();
    report(label, cases.len(), &slips);
}

/// Prints the count, and fails when anything slipped through.
#[expect(
    clippy::print_stdout,
    reason = "the counts are what the reader of a test run wants to see"
)]
fn report(label: &str, tried: usize, slips: &[String]) {
    println!("tamper {label}: {tried} tried, {} refused", tried - slips.len());
    assert!(tried > 0, "{label}: nothing was tried");
    assert!(
        slips.is_empty(),
        "{label}: {} slipped through:\n{}",
        slips.len(),
        slips[..slips.len().min(20)].join("\n")
    );
}
