//! The keys that blocked clients wait for, and which of them have become ready since the last look.
//!
//! The keyspace knows neither clients nor what they wait for: whoever lets a client wait says so with [`Awaited::wait`], takes
//! the ready keys with [`Awaited::take_ready`], and takes the wish back with [`Awaited::stop`]. The callers are
//! [`super::Observers`]' own.
//!
//! As in Redis a key becomes ready when it is made, with a value of a type that somebody waits for, whatever becomes of it until the last
//! look; not when it is there and is given another value (SORT with STORE, ZUNIONSTORE), even if that is what somebody waits for. Who waits
//! for more elements than a list has wants to know of its changes too.

use super::{Key, Kind};
use crate::collections::segmented_table::SegmentedTable;

const KINDS: usize = Kind::Stream as usize + 1;

struct AwaitedKey {
    hash: u64,
    bytes: Box<[u8]>,
    waiting: usize,
    /// How many of those want to know of every change.
    wanting_changes: usize,
    /// Is in the list of those that are ready.
    is_ready: bool,
}

/// Keys that somebody waits for.
#[derive(Default)]
pub struct Awaited {
    /// By database, as far as somebody waits.
    dbs: Vec<SegmentedTable<AwaitedKey>>,
    /// Of each kind: how many wait for a value of it, at whatever key.
    kinds: [usize; KINDS],
    ready: Vec<ReadyKey>,
}

/// A key that somebody waits for and that was made, or changed as somebody wants to know.
pub struct ReadyKey {
    pub db: usize,
    pub hash: u64,
    pub bytes: Box<[u8]>,
}

impl Awaited {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.dbs.iter().all(SegmentedTable::is_empty)
    }

    fn find(&mut self, db: usize, hash: u64, bytes: &[u8]) -> Option<&mut AwaitedKey> {
        self.dbs.get_mut(db)?.find_mut(hash, |awaited| *awaited.bytes == *bytes)
    }

    /// One more waits for a value of this kind at this key; `on_change`: also for changes of it.
    pub fn wait(&mut self, db: usize, key: Key<'_>, kind: Kind, on_change: bool) {
        self.kinds[kind as usize] += 1;
        if let Some(awaited) = self.find(db, key.hash, key.bytes) {
            awaited.waiting += 1;
            awaited.wanting_changes += usize::from(on_change);
            return;
        }
        if self.dbs.len() <= db {
            self.dbs.resize_with(db + 1, SegmentedTable::new);
        }
        let wanting_changes = usize::from(on_change);
        let awaited =
            AwaitedKey { hash: key.hash, bytes: key.bytes.into(), waiting: 1, wanting_changes, is_ready: false };
        self.dbs[db].insert_unique(key.hash, awaited, |awaited: &AwaitedKey| awaited.hash);
    }

    /// One fewer waits for it.
    pub fn stop(&mut self, db: usize, key: Key<'_>, kind: Kind, on_change: bool) {
        self.kinds[kind as usize] -= 1;
        let Some(awaited) = self.find(db, key.hash, key.bytes) else { return };
        awaited.waiting -= 1;
        awaited.wanting_changes -= usize::from(on_change);
        if awaited.waiting == 0 {
            let is_it = |awaited: &AwaitedKey| *awaited.bytes == *key.bytes;
            self.dbs[db].remove(key.hash, is_it, |awaited: &AwaitedKey| awaited.hash);
        }
    }

    /// A key was made, with a value of this kind. Whether somebody is to be served.
    pub(super) fn made(&mut self, db: usize, key: Key<'_>, kind: Kind) -> bool {
        if self.kinds[kind as usize] > 0 {
            self.note_ready(db, key, |_| true);
        }
        !self.ready.is_empty()
    }

    /// A key was changed. Whether somebody is to be served.
    pub(super) fn changed(&mut self, db: usize, key: Key<'_>) -> bool {
        self.note_ready(db, key, |awaited| awaited.wanting_changes > 0);
        !self.ready.is_empty()
    }

    fn note_ready(&mut self, db: usize, key: Key<'_>, concerns: impl Fn(&AwaitedKey) -> bool) {
        if let Some(awaited) = self.find(db, key.hash, key.bytes)
            && !awaited.is_ready
            && concerns(awaited)
        {
            awaited.is_ready = true;
            self.ready.push(ReadyKey { db, hash: key.hash, bytes: key.bytes.into() });
        }
    }

    /// Every key of this database is another now; `kind_of` says what it is. Whether somebody is to be served.
    pub(super) fn database_made(&mut self, db: usize, kind_of: impl Fn(Key<'_>) -> Option<Kind>) -> bool {
        let keys = self.dbs.get_mut(db).into_iter().flat_map(SegmentedTable::iter_mut);
        for awaited in keys.filter(|awaited| !awaited.is_ready) {
            let kind = kind_of(Key::with_hash(&awaited.bytes, awaited.hash));
            if kind.is_some_and(|kind| self.kinds[kind as usize] > 0) {
                awaited.is_ready = true;
                self.ready.push(ReadyKey { db, hash: awaited.hash, bytes: awaited.bytes.clone() });
            }
        }
        !self.ready.is_empty()
    }

    /// The keys that became ready since the last call, in that order.
    pub fn take_ready(&mut self) -> Vec<ReadyKey> {
        let taken = std::mem::take(&mut self.ready);
        for ready in &taken {
            if let Some(awaited) = self.find(ready.db, ready.hash, &ready.bytes) {
                awaited.is_ready = false;
            }
        }
        taken
    }
}
