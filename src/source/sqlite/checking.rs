//! The check of a database while it is streamed.

use std::thread;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use super::Error;
use super::place::Place;
use super::snapshot::Snapshot;
use super::subject::Subject;
use crate::base::cancel::Cancel;

/// How often the end of a check that outlasts the stream is looked for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Streams, and checks the database on a thread of its own meanwhile, so that its pages come from the medium once. The check looks at
/// a snapshot of the same moment, or of a commit that came in between. `place` is where the stream reads: it is not looked for again,
/// since that would open the file, and give up the locks of the stream.
///
/// # Errors
/// What the check finds, or why the stream ended early.
pub(super) fn beside(
    subject: &Subject,
    place: Place,
    busy_timeout: Duration,
    cancel: &Cancel,
    stream: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let stop = Cancel::new();
    thread::scope(|scope| {
        let checking = scope.spawn(|| check(subject, place, busy_timeout, &stop));
        let streamed = stream();
        if streamed.is_err() {
            stop.set();
        }
        let checked = wait(checking, &stop, cancel);
        // A check that was told to stop has found nothing.
        if stop.is_set() {
            streamed?;
            return cancel.check().map_err(|stopped| subject.collect(stopped.into()));
        }
        checked
    })
}

fn check(subject: &Subject, place: Place, busy_timeout: Duration, stop: &Cancel) -> Result<(), Error> {
    let snapshot = Snapshot::begin(subject, place, busy_timeout, stop)?;
    snapshot.quick_check(subject)?;
    snapshot.end(subject)
}

fn wait(checking: ScopedJoinHandle<'_, Result<(), Error>>, stop: &Cancel, cancel: &Cancel) -> Result<(), Error> {
    while !checking.is_finished() {
        if cancel.is_set() {
            stop.set();
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
