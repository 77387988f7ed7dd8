//! A store in memory, for tests and examples. Clones share their objects and leases.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use super::Error;
use super::Lease;
use super::Listed;
use super::ObjectName;
use super::Store;
use super::Upload;
use crate::base::read_at::ReadAt;
use crate::bundle::name::SetName;

const NAME: &str = "memory";

/// Objects that live as long as the last clone.
#[derive(Clone, Debug, Default)]
pub struct MemStore {
    objects: Arc<Mutex<BTreeMap<ObjectName, Vec<u8>>>>,
    leases: Arc<Mutex<BTreeSet<SetName>>>,
}

/// Every change is one insertion or removal, so a panic elsewhere leaves nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn exists(name: &ObjectName) -> Error {
    Error::Exists {
        store: NAME.into(),
        name: name.clone(),
    }
}

impl MemStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, name: &ObjectName) -> Result<Vec<u8>, Error> {
        locked(&self.objects).get(name).cloned().ok_or_else(|| Error::NotFound {
            store: NAME.into(),
            name: name.clone(),
        })
    }
}

impl Store for MemStore {
    fn describe(&self) -> String {
        NAME.into()
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Error> {
        let mut objects = locked(&self.objects);
        if objects.contains_key(name) {
            return Err(exists(name));
        }
        drop(objects.insert(name.clone(), bytes.to_vec()));
        Ok(())
    }

    fn upload(&self, name: &ObjectName) -> Result<Box<dyn Upload + '_>, Error> {
        if locked(&self.objects).contains_key(name) {
            return Err(exists(name));
        }
        Ok(Box::new(MemUpload {
            store: self,
            name: name.clone(),
            bytes: Vec::new(),
        }))
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn ReadAt>, Error> {
        Ok(Box::new(self.find(name)?))
    }

    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let bytes = self.find(name)?;
        if bytes.len() as u64 > bytes_max {
            return Err(Error::TooLarge {
                store: NAME.into(),
                name: name.clone(),
                bytes_max,
            });
        }
        Ok(bytes)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        let begins = |name: &ObjectName| match name.as_str().strip_prefix(prefix) {
            Some(rest) => prefix.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        let objects = locked(&self.objects);
        let found = objects.iter().filter(|(name, _)| begins(name));
        let listed = found.map(|(name, bytes)| Listed {
            name: name.clone(),
            bytes: bytes.len() as u64,
        });
        Ok(listed.collect())
    }

    fn lease(&self, set: &SetName) -> Result<Box<dyn Lease>, Error> {
        if !locked(&self.leases).insert(set.clone()) {
            return Err(Error::Locked {
                store: NAME.into(),
                set: set.clone(),
            });
        }
        Ok(Box::new(MemLease {
            set: set.clone(),
            leases: Arc::clone(&self.leases),
        }))
    }

    fn sweep(&self, _lease: &dyn Lease) -> Result<u64, Error> {
        // Memory dies with its writers, so none of them leaves anything.
        Ok(0)
    }
}

struct MemUpload<'s> {
    store: &'s MemStore,
    name: ObjectName,
    bytes: Vec<u8>,
}

impl Write for MemUpload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for MemUpload<'_> {
    fn publish(self: Box<Self>) -> Result<(), Error> {
        self.store.put_new(&self.name, &self.bytes)
    }
}

struct MemLease {
    set: SetName,
    leases: Arc<Mutex<BTreeSet<SetName>>>,
}

impl Lease for MemLease {
    fn set(&self) -> &SetName {
        &self.set
    }
}

impl Drop for MemLease {
    fn drop(&mut self) {
        locked(&self.leases).remove(&self.set);
    }
}
