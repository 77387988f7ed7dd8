//! A store in memory that answers some calls in another way than it should.

use hub_backup::base::read_at::ReadAt;
use hub_backup::bundle::name::SetName;
use hub_backup::store;
use hub_backup::store::Lease;
use hub_backup::store::Listed;
use hub_backup::store::ObjectName;
use hub_backup::store::Store;
use hub_backup::store::Upload;
use hub_backup::store::mem::MemStore;

type OnOpen = dyn Fn(&ObjectName, Box<dyn ReadAt>) -> Box<dyn ReadAt> + Send + Sync;
type OnList = dyn Fn(Vec<Listed>) -> Vec<Listed> + Send + Sync;

/// What is behind it, and what is done to its answers.
pub(crate) struct Hooked {
    inner: MemStore,
    on_open: Box<OnOpen>,
    on_list: Box<OnList>,
}

impl Hooked {
    /// Changes what listings say.
    pub(crate) fn lists(inner: &MemStore, change: impl Fn(Vec<Listed>) -> Vec<Listed> + Send + Sync + 'static) -> Self {
        Self {
            inner: inner.clone(),
            on_open: Box::new(|_, object| object),
            on_list: Box::new(change),
        }
    }

    /// Changes the objects that are opened.
    pub(crate) fn opens(
        inner: &MemStore,
        change: impl Fn(&ObjectName, Box<dyn ReadAt>) -> Box<dyn ReadAt> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner: inner.clone(),
            on_open: Box::new(change),
            on_list: Box::new(|listed| listed),
        }
    }
}

impl Store for Hooked {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), store::Error> {
        self.inner.put_new(name, bytes)
    }

    fn upload(&self, name: &ObjectName) -> Result<Box<dyn Upload + '_>, store::Error> {
        self.inner.upload(name)
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn ReadAt>, store::Error> {
        self.inner.open(name).map(|object| (self.on_open)(name, object))
    }

    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Vec<u8>, store::Error> {
        self.inner.get(name, bytes_max)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, store::Error> {
        self.inner.list(prefix).map(&self.on_list)
    }

    fn lease(&self, set: &SetName) -> Result<Box<dyn Lease>, store::Error> {
        self.inner.lease(set)
    }

    fn sweep(&self, lease: &dyn Lease) -> Result<u64, store::Error> {
        self.inner.sweep(lease)
    }
}
