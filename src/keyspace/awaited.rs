//! The keys that blocked clients wait for, and which of them have become ready since the last look.
//!
//! The keyspace knows neither clients nor what they wait for: whoever lets a client wait says so with [`Awaited::wait`], takes
//! the ready keys with [`Awaited::take_ready`], and takes the wish back with [`Awaited::stop`]. The callers are
//! [`super::Observers`]' own.
//!
//! As in Redis a key becomes ready when it is made, with a value of a type that somebody waits for, whatever becomes of it until the last
//! look; not when it is there and is given another value (SORT with STORE, ZUNIONSTORE), even if that is what somebody waits for. Who waits
//! for more elements than a list has wants to know of its changes too.

use hashbrown::HashTable;

use super::{Key, Kind};
use crate::base::growth::shed;

const KINDS: usize = Kind::Stream as usize + 1;

struct AwaitedKey {
    hash: u64,
    db: usize,
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
    keys: HashTable<AwaitedKey>,
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
        self.keys.is_empty()
    }

    /// One more waits for a value of this kind at this key; `on_change`: also for changes of it.
    pub fn wait(&mut self, db: usize, key: Key<'_>, kind: Kind, on_change: bool) {
        self.kinds[kind as usize] += 1;
        let same = |awaited: &AwaitedKey| awaited.db == db && *awaited.bytes == *key.bytes;
        let awaited = self.keys.entry(key.hash, same, |awaited| awaited.hash).or_insert_with(|| AwaitedKey {
            hash: key.hash,
            db,
            bytes: key.bytes.into(),
            waiting: 0,
            wanting_changes: 0,
            is_ready: false,
        });
        let awaited = awaited.into_mut();
        awaited.waiting += 1;
        awaited.wanting_changes += usize::from(on_change);
    }

    /// One fewer waits for it.
    pub fn stop(&mut self, db: usize, key: Key<'_>, kind: Kind, on_change: bool) {
        self.kinds[kind as usize] -= 1;
        let same = |awaited: &AwaitedKey| awaited.db == db && *awaited.bytes == *key.bytes;
        let Ok(mut found) = self.keys.find_entry(key.hash, same) else { return };
        found.get_mut().waiting -= 1;
        found.get_mut().wanting_changes -= usize::from(on_change);
        if found.get().waiting == 0 {
            found.remove();
            shed(&mut self.keys, |awaited| awaited.hash);
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
        let found = self.keys.find_mut(key.hash, |awaited| awaited.db == db && *awaited.bytes == *key.bytes);
        if let Some(awaited) = found
            && !awaited.is_ready
            && concerns(awaited)
        {
            awaited.is_ready = true;
            self.ready.push(ReadyKey { db, hash: key.hash, bytes: key.bytes.into() });
        }
    }

    /// Every key of this database is another now; `kind_of` says what it is. Whether somebody is to be served.
    pub(super) fn database_made(&mut self, db: usize, kind_of: impl Fn(Key<'_>) -> Option<Kind>) -> bool {
        for awaited in self.keys.iter_mut().filter(|awaited| awaited.db == db && !awaited.is_ready) {
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
        for ready in &self.ready {
            let same = |awaited: &AwaitedKey| awaited.db == ready.db && awaited.bytes == ready.bytes;
            if let Some(awaited) = self.keys.find_mut(ready.hash, same) {
                awaited.is_ready = false;
            }
        }
        std::mem::take(&mut self.ready)
    }
}
