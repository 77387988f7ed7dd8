//! Signals: the first asks the work to stop and clean up, another one after it ends the program at once.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;

use crate::base::cancel::Cancel;

/// How long after the first signal another one counts as the same: `timeout` and a terminal that closes send two at once.
const SAME: Duration = Duration::from_millis(500);

/// How often the flag is looked at, to know when the first signal came.
const TICK: Duration = Duration::from_millis(100);

/// The flag that SIGINT, SIGTERM and SIGHUP set from now on. A later one exits with 128 and the number of the signal.
/// A signal that the program was started to ignore, as `nohup` does, stays ignored. A file that gets larger than the
/// limit of the process is an error of the write from now on, and ends nothing by itself.
///
/// # Errors
/// When the system refuses a handler or a thread.
pub fn cancel() -> io::Result<Cancel> {
    let cancel = Cancel::new();
    let over = Arc::new(AtomicBool::new(false));
    let ignored = ignored();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored & (1 << (signal - 1)) != 0 {
            continue;
        }
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&over))?;
        let _ = flag::register(signal, cancel.flag())?;
    }
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    arm(cancel.clone(), over)?;
    Ok(cancel)
}

/// Lets the next signal end the program, some time after the first one came.
fn arm(cancel: Cancel, over: Arc<AtomicBool>) -> io::Result<()> {
    let watch = move || {
        while !cancel.is_set() {
            thread::sleep(TICK);
        }
        thread::sleep(SAME);
        over.store(true, Ordering::SeqCst);
    };
    thread::Builder::new().name("signals".into()).spawn(watch).map(drop)
}

/// The signals that this process ignores, as bits; none where the system does not say.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
