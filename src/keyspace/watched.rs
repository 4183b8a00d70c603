//! The keys that clients WATCH, and whose transactions their changes have broken.
//!
//! ```text
//!   dbs[0]: "a" -> watchers 3, 7    -- changed("a") -->  "a" -> none       broken: 3, 7
//!           "b" -> watchers 7                            "b" -> 7
//! ```
//!
//! The keyspace knows no clients: whoever begins to watch is given a number. The change of a key breaks what its watchers are about to do
//! and forgets them there, since once is enough: so a change costs as much as there are watchers who have not been told, whether it is
//! broken costs one look, and while nobody watches anything both cost nothing.
//!
//! Invariants: the watchers of a key are in order; a key without any stays until one of those that it had says that it does not watch it
//! any more. Cost: a key in a table of its database for each key that is watched, and 8 bytes for each watcher of it.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use super::Key;
use crate::collections::segmented_table::SegmentedTable;

struct WatchedKey {
    hash: u64,
    bytes: Box<[u8]>,
    /// In order, those who have not been told of a change.
    watchers: SmallVec<[u64; 2]>,
}

/// Keys that somebody watches.
#[derive(Default)]
pub(super) struct Watched {
    /// By database, as far as somebody watches.
    dbs: Vec<SegmentedTable<WatchedKey>>,
    /// Watchers of whose keys one has been changed.
    broken: BTreeSet<u64>,
    /// Numbers given out.
    watchers: u64,
}

impl Watched {
    pub fn is_empty(&self) -> bool {
        self.dbs.iter().all(SegmentedTable::is_empty)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(SegmentedTable::len).sum()
    }

    /// Names of the keys of these databases.
    pub fn keys_of(&self, dbs: &[usize]) -> Vec<Box<[u8]>> {
        let of = dbs.iter().filter_map(|&db| self.dbs.get(db));
        of.flat_map(|keys| keys.iter().map(|watched| watched.bytes.clone())).collect()
    }

    /// A number for somebody who is going to watch keys.
    pub fn begin(&mut self) -> u64 {
        self.watchers += 1;
        self.watchers
    }

    /// Whether one of the watcher's keys was changed while it watched it.
    pub fn is_broken(&self, watcher: u64) -> bool {
        !self.broken.is_empty() && self.broken.contains(&watcher)
    }

    /// The watcher watches nothing any more, and will not again.
    pub fn end(&mut self, watcher: u64) {
        self.broken.remove(&watcher);
    }

    /// It watches this key, which it did not before.
    pub fn watch(&mut self, watcher: u64, db: usize, key: Key<'_>) {
        if self.dbs.len() <= db {
            self.dbs.resize_with(db + 1, SegmentedTable::new);
        }
        let keys = &mut self.dbs[db];
        let is_it = |watched: &WatchedKey| *watched.bytes == *key.bytes;
        if let Some(watched) = keys.find_mut(key.hash, is_it) {
            let place = watched.watchers.partition_point(|&other| other < watcher);
            watched.watchers.insert(place, watcher);
        } else {
            let watched =
                WatchedKey { hash: key.hash, bytes: key.bytes.into(), watchers: SmallVec::from_slice(&[watcher]) };
            keys.insert_unique(key.hash, watched, |watched: &WatchedKey| watched.hash);
        }
    }

    /// It does not watch this key any more.
    pub fn unwatch(&mut self, watcher: u64, db: usize, key: Key<'_>) {
        let Some(keys) = self.dbs.get_mut(db) else { return };
        let is_it = |watched: &WatchedKey| *watched.bytes == *key.bytes;
        let Some(watched) = keys.find_mut(key.hash, is_it) else { return };
        if let Ok(place) = watched.watchers.binary_search(&watcher) {
            watched.watchers.remove(place);
        }
        if watched.watchers.is_empty() {
            keys.remove(key.hash, is_it, |watched: &WatchedKey| watched.hash);
        }
    }

    /// A key was changed.
    pub fn changed(&mut self, db: usize, key: Key<'_>) {
        let Some(keys) = self.dbs.get_mut(db) else { return };
        if let Some(watched) = keys.find_mut(key.hash, |watched| *watched.bytes == *key.bytes) {
            self.broken.extend(std::mem::take(&mut watched.watchers));
        }
    }

    /// Every key of these databases that `is_there` says was changed.
    pub fn databases_changed(&mut self, dbs: &[usize], is_there: impl Fn(Key<'_>) -> bool) {
        for &db in dbs {
            let Some(keys) = self.dbs.get_mut(db) else { continue };
            for watched in keys.iter_mut() {
                if is_there(Key::with_hash(&watched.bytes, watched.hash)) {
                    self.broken.extend(std::mem::take(&mut watched.watchers));
                }
            }
        }
    }
}
