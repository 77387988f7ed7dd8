//! How far the work is, for whoever shows it. The library never writes to a terminal.

/// Told about the course of one piece of work, from any thread.
pub trait Progress: Send + Sync {
    /// A phase begins: a word such as `verifying`, and its bytes where they are known.
    fn begin(&self, phase: &str, total_bytes: Option<u64>);

    /// So many more bytes of the phase are done.
    fn advance(&self, bytes: u64);

    /// The phase is over.
    fn end(&self);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _phase: &str, _total_bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}
