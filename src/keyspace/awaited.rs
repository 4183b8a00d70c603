//! The keys that blocked clients wait for, and which of them have been changed since the last look.
//!
//! The keyspace knows neither clients nor what they wait for: whoever lets a client wait says so with [`Awaited::wait`], takes
//! the changed keys with [`Awaited::take_ready`], and takes the wish back with [`Awaited::stop`]. The callers are
//! [`super::Observers`]' own.

use hashbrown::HashTable;

use super::Key;

struct AwaitedKey {
    hash: u64,
    db: usize,
    bytes: Box<[u8]>,
    waiting: usize,
    /// Is in the list of those that were changed.
    is_ready: bool,
}

/// Keys that somebody waits for.
#[derive(Default)]
pub struct Awaited {
    keys: HashTable<AwaitedKey>,
    ready: Vec<ReadyKey>,
}

/// A key that somebody waits for and that was changed.
pub struct ReadyKey {
    pub db: usize,
    pub hash: u64,
    pub bytes: Box<[u8]>,
}

impl Awaited {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// One more waits for this key.
    pub fn wait(&mut self, db: usize, key: Key<'_>) {
        let found = self.keys.find_mut(key.hash, |awaited| awaited.db == db && *awaited.bytes == *key.bytes);
        match found {
            Some(awaited) => awaited.waiting += 1,
            None => {
                let awaited = AwaitedKey { hash: key.hash, db, bytes: key.bytes.into(), waiting: 1, is_ready: false };
                self.keys.insert_unique(key.hash, awaited, |awaited| awaited.hash);
            }
        }
    }

    /// One fewer waits for it.
    pub fn stop(&mut self, db: usize, key: Key<'_>) {
        let same = |awaited: &AwaitedKey| awaited.db == db && *awaited.bytes == *key.bytes;
        let Ok(mut found) = self.keys.find_entry(key.hash, same) else { return };
        found.get_mut().waiting -= 1;
        if found.get().waiting == 0 {
            found.remove();
        }
    }

    /// A key was changed. Whether somebody waits for it.
    pub(super) fn changed(&mut self, db: usize, key: Key<'_>) -> bool {
        let found = self.keys.find_mut(key.hash, |awaited| awaited.db == db && *awaited.bytes == *key.bytes);
        if let Some(awaited) = found
            && !awaited.is_ready
        {
            awaited.is_ready = true;
            self.ready.push(ReadyKey { db, hash: key.hash, bytes: key.bytes.into() });
        }
        !self.ready.is_empty()
    }

    /// Every key of this database may be another now. Whether somebody waits for one of them.
    pub(super) fn database_changed(&mut self, db: usize) -> bool {
        for awaited in self.keys.iter_mut().filter(|awaited| awaited.db == db && !awaited.is_ready) {
            awaited.is_ready = true;
            self.ready.push(ReadyKey { db, hash: awaited.hash, bytes: awaited.bytes.clone() });
        }
        !self.ready.is_empty()
    }

    /// The keys changed since the last call, in the order of their changes.
    pub fn take_ready(&mut self) -> Vec<ReadyKey> {
        for ready in &self.ready {
            let same = |awaited: &AwaitedKey| awaited.db == ready.db && awaited.bytes == ready.bytes;
            if let Some(awaited) = self.keys.find_mut(ready.hash, same) {
                awaited.is_ready = false;
            }
        }
        std::mem::take(&mut self.ready)
    }
}
