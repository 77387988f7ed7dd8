//! A store whose n-th call fails: before it acted, or after, when only the answer is lost.

use std::io;
use std::io::Write;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use hub_backup::base::read_at::ReadAt;
use hub_backup::bundle::name::SetName;
use hub_backup::store::Error;
use hub_backup::store::Lease;
use hub_backup::store::Listed;
use hub_backup::store::ObjectName;
use hub_backup::store::Store;
use hub_backup::store::Upload;

/// When the call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing happened.
    Before,
    /// It happened, and the caller is not told.
    After,
}

pub(crate) struct Faulty<'s> {
    inner: &'s dyn Store,
    when: When,
    left: AtomicU64,
}

impl<'s> Faulty<'s> {
    /// The `n`th call fails, counted from 1; writes to an upload count.
    pub(crate) fn new(inner: &'s dyn Store, when: When, n: u64) -> Self {
        let left = AtomicU64::new(n);
        Self { inner, when, left }
    }

    fn error() -> Error {
        Error::Unavailable {
            store: "faulty".into(),
            act: "do what was asked".into(),
            source: io::ErrorKind::ConnectionReset.into(),
        }
    }

    fn call<T, E: From<Fault>>(&self, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let is_now = self.left.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_now && self.when == When::Before {
            return Err(Fault.into());
        }
        let done = act();
        if is_now { Err(Fault.into()) } else { done }
    }
}

struct Fault;

impl From<Fault> for Error {
    fn from(Fault: Fault) -> Self {
        Faulty::error()
    }
}

impl From<Fault> for io::Error {
    fn from(Fault: Fault) -> Self {
        io::ErrorKind::ConnectionReset.into()
    }
}

impl Store for Faulty<'_> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Error> {
        self.call(|| self.inner.put_new(name, bytes))
    }

    fn upload(&self, name: &ObjectName) -> Result<Box<dyn Upload + '_>, Error> {
        let inner = self.call(|| self.inner.upload(name))?;
        Ok(Box::new(FaultyUpload { store: self, inner }))
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn ReadAt>, Error> {
        self.call(|| self.inner.open(name))
    }

    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Vec<u8>, Error> {
        self.call(|| self.inner.get(name, bytes_max))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        self.call(|| self.inner.list(prefix))
    }

    fn lease(&self, set: &SetName) -> Result<Box<dyn Lease>, Error> {
        self.call(|| self.inner.lease(set))
    }

    fn sweep(&self, lease: &dyn Lease) -> Result<u64, Error> {
        self.call(|| self.inner.sweep(lease))
    }
}

struct FaultyUpload<'s> {
    store: &'s Faulty<'s>,
    inner: Box<dyn Upload + 's>,
}

impl Write for FaultyUpload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.store.call(|| self.inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.store.call(|| self.inner.flush())
    }
}

impl Upload for FaultyUpload<'_> {
    fn publish(self: Box<Self>) -> Result<(), Error> {
        self.store.call(|| self.inner.publish())
    }
}
