//! The keys that clients WATCH, and when each was last changed.
//!
//! The keyspace knows no clients: whoever watches a key is handed the number of the last change of all, keeps it, and asks later
//! whether the key has been changed since. So a change costs the same however many clients watch the key, and while
//! nobody watches anything it costs nothing.

use hashbrown::HashTable;

use super::Key;
use crate::base::growth::shed;

struct WatchedKey {
    hash: u64,
    db: usize,
    bytes: Box<[u8]>,
    /// How often it is watched.
    watching: usize,
    /// Number of its last change; 0: none since it is watched.
    changed: u64,
}

/// Keys that somebody watches.
#[derive(Default)]
pub(super) struct Watched {
    keys: HashTable<WatchedKey>,
    /// Changes of watched keys so far.
    changes: u64,
}

impl Watched {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Names of the keys of these databases.
    pub fn keys_of(&self, dbs: &[usize]) -> Vec<Box<[u8]>> {
        self.keys.iter().filter(|watched| dbs.contains(&watched.db)).map(|watched| watched.bytes.clone()).collect()
    }

    /// One more watches this key. The number to ask with, later.
    pub fn watch(&mut self, db: usize, key: Key<'_>) -> u64 {
        let found = self.keys.find_mut(key.hash, |watched| watched.db == db && *watched.bytes == *key.bytes);
        match found {
            Some(watched) => watched.watching += 1,
            None => {
                let watched = WatchedKey { hash: key.hash, db, bytes: key.bytes.into(), watching: 1, changed: 0 };
                self.keys.insert_unique(key.hash, watched, |watched| watched.hash);
            }
        }
        self.changes
    }

    /// One fewer watches it.
    pub fn unwatch(&mut self, db: usize, key: Key<'_>) {
        let same = |watched: &WatchedKey| watched.db == db && *watched.bytes == *key.bytes;
        let Ok(mut found) = self.keys.find_entry(key.hash, same) else { return };
        found.get_mut().watching -= 1;
        if found.get().watching == 0 {
            found.remove();
            shed(&mut self.keys, |watched| watched.hash);
        }
    }

    /// Whether a key that is watched was changed after [`Watched::watch`] answered `since`.
    pub fn is_changed(&self, db: usize, key: Key<'_>, since: u64) -> bool {
        self.keys
            .find(key.hash, |watched| watched.db == db && *watched.bytes == *key.bytes)
            .is_some_and(|watched| watched.changed > since)
    }

    /// A key was changed.
    pub fn changed(&mut self, db: usize, key: Key<'_>) {
        let found = self.keys.find_mut(key.hash, |watched| watched.db == db && *watched.bytes == *key.bytes);
        if let Some(watched) = found {
            self.changes += 1;
            watched.changed = self.changes;
        }
    }

    /// Every key of these databases that `is_there` says was changed.
    pub fn databases_changed(&mut self, dbs: &[usize], is_there: impl Fn(Key<'_>) -> bool) {
        for watched in self.keys.iter_mut().filter(|watched| dbs.contains(&watched.db)) {
            if is_there(Key::with_hash(&watched.bytes, watched.hash)) {
                self.changes += 1;
                watched.changed = self.changes;
            }
        }
    }
}
