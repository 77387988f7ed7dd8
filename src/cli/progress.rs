//! A bar on a terminal: the phase, how far, how fast, how long still.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

use crate::base::progress::Progress;

const KNOWN: &str = "{msg:>12} [{bar:28}] {bytes}/{total_bytes} {binary_bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "{msg:>12} {spinner} {bytes} {binary_bytes_per_sec}, {elapsed}";

/// Shows the phase at work on stderr, and nothing once it is over.
#[derive(Debug, Default)]
pub struct Bar(Mutex<Option<ProgressBar>>);

impl Bar {
    /// A bar that shows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        // A bar that a panicking thread held is a bar still.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bar {
    fn begin(&self, phase: &str, total_bytes: Option<u64>) {
        let template = if total_bytes.is_some() { KNOWN } else { UNKNOWN };
        let style = ProgressStyle::with_template(template).expect("the templates are well formed");
        let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::stderr_with_hz(8));
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(phase.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        if let Some(last) = self.lock().replace(bar) {
            last.finish_and_clear();
        }
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.lock() {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.lock().take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}
