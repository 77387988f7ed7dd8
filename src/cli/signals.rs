//! Signals: the first asks the work to stop and clean up, the second ends the program at once.

use std::fs;
use std::io;

use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::flag;

use crate::base::cancel::Cancel;

/// The flag that SIGINT, SIGTERM and SIGHUP set from now on. A second one exits with 128 and the number of the signal.
/// A signal that the program was started to ignore, as `nohup` does, stays ignored.
///
/// # Errors
/// When the system refuses a handler.
pub fn cancel() -> io::Result<Cancel> {
    let cancel = Cancel::new();
    let ignored = ignored();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored & (1 << (signal - 1)) != 0 {
            continue;
        }
        // In this order, the first signal finds the flag unset and sets it.
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, cancel.flag())?;
        let _ = flag::register(signal, cancel.flag())?;
    }
    Ok(cancel)
}

/// The signals that this process ignores, as bits; none where the system does not say.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
