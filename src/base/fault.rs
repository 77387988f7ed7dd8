//! What can go wrong, in kinds: each kind is one exit code, and the codes are a contract with scripts.
//!
//! A library error implements [`Fault`], which classifies it and says what to do next. The table in
//! `docs/exit-codes.md` is printed from [`Kind::ALL`] and compared by a test.

use std::error::Error;
use std::io;
use std::iter;

/// The class of a failure. One kind, one exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Something failed that no other kind names.
    Failed,
    /// The command line, the environment or the settings file is wrong.
    Usage,
    /// A source could not be read whole, or the run was interrupted: nothing was published.
    Incomplete,
    /// The named bundle, set or member does not exist.
    NotFound,
    /// Another writer holds the set.
    Locked,
    /// None of the given keys opens the bundle.
    NoUsableKey,
    /// There is no signature to check.
    SignatureMissing,
    /// A signature does not fit the manifest.
    SignatureInvalid,
    /// The signer is not trusted, was revoked, or was not valid when it signed.
    SignerUntrusted,
    /// The bundle is not where the chain says, or the store was rolled back.
    ChainBroken,
    /// Stored bytes differ from what was signed, or are damaged.
    DigestMismatch,
    /// The keys of the bundle do not satisfy the policy.
    KeyPolicy,
    /// A source does not answer.
    SourceUnreachable,
    /// A source is of a form that cannot be backed up, or access to it is not permitted.
    SourceUnsupported,
    /// The restore target is not empty, is the source, or is protected.
    TargetRefused,
    /// The restore did not complete; the target was left as it was.
    RestoreFailed,
    /// What was restored failed a check, and was taken away again.
    AssertionFailed,
    /// The store does not answer or has no room.
    StoreUnavailable,
    /// The store refuses access.
    StoreDenied,
    /// The store does not enforce the lock that was asked for.
    LockNotEnforced,
    /// The newest bundle is older than allowed.
    TooOld,
    /// A defect of this program.
    Internal,
}

impl Kind {
    /// Every kind, in the order of the exit codes.
    pub const ALL: [Self; 22] = [
        Self::Failed,
        Self::Usage,
        Self::Incomplete,
        Self::NotFound,
        Self::Locked,
        Self::NoUsableKey,
        Self::SignatureMissing,
        Self::SignatureInvalid,
        Self::SignerUntrusted,
        Self::ChainBroken,
        Self::DigestMismatch,
        Self::KeyPolicy,
        Self::SourceUnreachable,
        Self::SourceUnsupported,
        Self::TargetRefused,
        Self::RestoreFailed,
        Self::AssertionFailed,
        Self::StoreUnavailable,
        Self::StoreDenied,
        Self::LockNotEnforced,
        Self::TooOld,
        Self::Internal,
    ];

    #[expect(clippy::too_many_lines, reason = "a table, one row a kind")]
    /// The exit code of the process, its name in `--json`, and its meaning.
    fn row(self) -> (u8, &'static str, &'static str) {
        match self {
            Self::Failed => (1, "failed", "failed; the message says why"),
            Self::Usage => (
                2,
                "usage",
                "the command line, the environment or the settings are wrong",
            ),
            Self::Incomplete => (
                3,
                "incomplete",
                "a source could not be read whole, or the run was interrupted; nothing was published",
            ),
            Self::NotFound => (10, "not-found", "no such bundle, set or member"),
            Self::Locked => (11, "locked", "another writer holds the set"),
            Self::NoUsableKey => (12, "no-usable-key", "none of the given keys opens the bundle"),
            Self::SignatureMissing => (20, "signature-missing", "the manifest carries no signature"),
            Self::SignatureInvalid => (21, "signature-invalid", "a signature does not fit the manifest"),
            Self::SignerUntrusted => (
                22,
                "signer-untrusted",
                "the signer is unknown, untrusted, revoked, or was not valid when it signed",
            ),
            Self::ChainBroken => (
                23,
                "chain-broken",
                "the bundle is not where the chain says, or the store was rolled back",
            ),
            Self::DigestMismatch => (
                24,
                "digest-mismatch",
                "stored bytes are damaged or differ from what was signed",
            ),
            Self::KeyPolicy => (25, "key-policy", "the keys of the bundle do not satisfy the policy"),
            Self::SourceUnreachable => (30, "source-unreachable", "a source does not answer"),
            Self::SourceUnsupported => (
                31,
                "source-unsupported",
                "a source cannot be backed up in this form, or access is not permitted",
            ),
            Self::TargetRefused => (
                40,
                "target-refused",
                "the restore target is not empty, its folder is missing, a right is missing there, it is the source, or it is protected",
            ),
            Self::RestoreFailed => (
                41,
                "restore-failed",
                "the restore did not complete; the target is as it was, but for `--in-place`",
            ),
            Self::AssertionFailed => (
                42,
                "assertion-failed",
                "what was restored failed a check, and nothing of it is left at the target, but for `--in-place`",
            ),
            Self::StoreUnavailable => (50, "store-unavailable", "the store does not answer or has no room"),
            Self::StoreDenied => (51, "store-denied", "the store refuses access"),
            Self::LockNotEnforced => (
                52,
                "lock-not-enforced",
                "reserved: the store does not enforce the lock that was asked for; no command asks for one yet",
            ),
            Self::TooOld => (
                60,
                "too-old",
                "the newest bundle is older than `verify --max-age` allows",
            ),
            Self::Internal => (70, "internal", "a defect of this program"),
        }
    }

    /// What counts as graver than all else, the gravest first: what somebody may have altered or removed, before what broke, before
    /// what is against the rules. `docs/operating.md` says so.
    const GRAVEST: [Self; 6] = [
        Self::ChainBroken,
        Self::SignerUntrusted,
        Self::SignatureInvalid,
        Self::SignatureMissing,
        Self::DigestMismatch,
        Self::KeyPolicy,
    ];

    /// How grave it is, where several things failed and a process has one exit code: the larger, the graver.
    #[must_use]
    pub fn gravity(self) -> usize {
        let place = Self::GRAVEST.iter().position(|kind| *kind == self);
        place.map_or(0, |place| Self::GRAVEST.len() - place)
    }

    /// The exit code of a process that ends for this reason.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.row().0
    }

    /// The word for this kind in `--json` output and in the audit log.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// One line for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().2
    }
}

/// An error that knows its class and the next thing to do.
pub trait Fault: Error {
    /// The class, which decides the exit code.
    fn kind(&self) -> Kind;

    /// The next thing to do or to ask, as a full sentence; `None` when the message says it all.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The set and the bundle that it is about, where they are known.
    fn subject(&self) -> Option<(String, String)> {
        None
    }
}

/// The gravest of several failures, and the first of those that are equally grave; without a kind one counts least.
pub fn gravest<T>(failures: impl IntoIterator<Item = T>, kind: impl Fn(&T) -> Option<Kind>) -> Option<T> {
    let gravity = |failure: &T| kind(failure).map_or(0, Kind::gravity);
    let graver = |one: T, other: T| if gravity(&other) > gravity(&one) { other } else { one };
    failures.into_iter().reduce(graver)
}

/// What an error came from, what that came from, and so on to the first cause.
pub fn causes<'e>(error: &'e (dyn Error + 'e)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(error.source(), |&cause| cause.source())
}

/// An error and its causes on one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    causes(error).fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// The class of a failure to read what is stored: `StoreUnavailable` when the system reports it (a bad sector, a mount that went away),
/// `DigestMismatch` when what was read is to blame (it ends too early, it does not decrypt).
#[must_use]
pub fn kind_of_read(error: &io::Error) -> Kind {
    if is_of_system(error) {
        Kind::StoreUnavailable
    } else {
        Kind::DigestMismatch
    }
}

/// What to do about a bundle whose bytes are not what they were.
pub const ANOTHER_COPY: &str =
    "Fetch the bundle again or take another copy; `hub-backup verify --all` tells which bundles are whole.";

/// What to do about a failure to read what is stored.
#[must_use]
pub fn hint_of_read(error: &io::Error) -> String {
    if is_of_system(error) {
        "See to the disk, the mount or the network that holds the bundle, and run this again; or take another copy."
            .into()
    } else {
        ANOTHER_COPY.into()
    }
}

/// Whether the system has reported this, or what it was made of.
fn is_of_system(error: &io::Error) -> bool {
    let below = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    iter::once(error).chain(below).any(is_no_verdict)
}

/// Whether this is of another kind than those by which a reader speaks of what it has read.
fn is_no_verdict(error: &io::Error) -> bool {
    let verdicts = [
        io::ErrorKind::InvalidData,
        io::ErrorKind::InvalidInput,
        io::ErrorKind::Other,
        io::ErrorKind::UnexpectedEof,
    ];
    error.raw_os_error().is_some() || !verdicts.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Kind;
    use super::causes;
    use super::chain;
    use super::kind_of_read;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read")]
    struct Read(#[source] io::Error);

    #[test]
    fn a_disk_that_fails_is_no_damaged_bundle() {
        let disk = || io::Error::from_raw_os_error(5);
        assert_eq!(kind_of_read(&disk()), Kind::StoreUnavailable);
        assert_eq!(kind_of_read(&io::ErrorKind::UnexpectedEof.into()), Kind::DigestMismatch);
        assert_eq!(kind_of_read(&io::Error::other("no frame")), Kind::DigestMismatch);
        assert_eq!(
            kind_of_read(&io::ErrorKind::ConnectionReset.into()),
            Kind::StoreUnavailable
        );
        assert_eq!(kind_of_read(&io::Error::other(Read(disk()))), Kind::StoreUnavailable);
    }

    #[test]
    fn a_chain_ends_with_the_first_cause() {
        let error = Read(io::Error::other("the disk is full"));
        assert_eq!(chain(&error), "cannot read: the disk is full");
        assert_eq!(causes(&error).count(), 1);
    }

    #[test]
    fn codes_rise_and_never_repeat() {
        let codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
    }
}
