//! The security profile that every OpenPGP object is judged by.

use std::time::SystemTime;

use sequoia_openpgp::policy::StandardPolicy;

use crate::base::clock::Timestamp;

/// 2026-01-01T00:00:00Z. The profile is never laxer than that of this day: whoever signs chooses the time in the signature,
/// and must not choose the algorithms of that time with it. Fixed, so that a bundle that verifies today verifies in twenty years.
const PROFILE_FLOOR_UNIX: i64 = 1_767_225_600;

/// The profile for judging at `at`.
#[must_use]
pub fn profile_at(at: Timestamp) -> StandardPolicy<'static> {
    let floor = Timestamp::from_unix(PROFILE_FLOOR_UNIX).expect("a time in 2026");
    StandardPolicy::at(at.max(floor).system_time())
}

/// The laxest profile there is: only to tell "weak by today's profile" from "never valid" in a message.
pub(super) fn laxest() -> StandardPolicy<'static> {
    StandardPolicy::at(SystemTime::UNIX_EPOCH)
}
