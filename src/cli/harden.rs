//! The first thing that the program does: no core dump of it shall ever hold a secret.

use rustix::process::DumpableBehavior;
use rustix::process::Resource;
use rustix::process::Rlimit;

/// Forbids core dumps, and reading the memory of this process by others of the same user.
pub fn process() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // A sandbox may refuse either call; the other still holds, and there is nothing better to do.
    let _ = rustix::process::setrlimit(Resource::Core, none);
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
