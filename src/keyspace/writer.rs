//! Changing: the only way to change a key. Every change ends in [`Writer::changed`], so whoever needs to know of changes (dirty counts now;
//! transactions, notifications, the append-only file and replicas as they come) is told in one place.
//!
//! Looking a key up here removes it if its deadline has passed, so commands see living keys only.

use std::sync::Arc;

use super::entry::{Entry, NewValue, Value, ValueRef};
use super::view::{StringBytes, string_bytes};
use super::{Db, Key, Keyspace, Kind, View};

/// What becomes of a key's deadline when its value is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ttl {
    Clear,
    Keep,
    /// Unix milliseconds; in the past: the key goes at once.
    At(i64),
}

/// The holder may change one database (and, by naming them, others).
pub struct Writer<'a> {
    keyspace: &'a mut Keyspace,
    db: usize,
}

impl<'a> Writer<'a> {
    #[inline]
    pub(super) fn new(keyspace: &'a mut Keyspace, db: usize) -> Writer<'a> {
        Writer { keyspace, db }
    }

    pub fn view(&self) -> View<'_> {
        self.keyspace.view(self.db)
    }

    pub fn db_index(&self) -> usize {
        self.db
    }

    /// A writer of another database.
    pub fn of_db(&mut self, db: usize) -> Writer<'_> {
        self.keyspace.writer(db)
    }

    pub fn databases(&self) -> usize {
        self.keyspace.databases()
    }

    pub fn now_ms(&self) -> i64 {
        self.keyspace.now_ms
    }

    /// `proto-max-bulk-len`: no string may grow beyond it, bytes.
    pub fn bulk_max(&self) -> usize {
        self.keyspace.settings.bulk_max
    }

    /// A key with its hash.
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.keyspace.hash(bytes) }
    }

    /// The gate: a key has been changed.
    #[inline]
    pub fn changed(&mut self, key: Key<'_>) {
        let _ = key;
        self.keyspace.dirty += 1;
    }

    /// Removes the key if its deadline has passed. Whether it is there and alive.
    #[inline]
    fn living(&mut self, key: Key<'_>) -> bool {
        match self.keyspace.dbs[self.db].find(key).map(Entry::deadline_ms) {
            None => false,
            Some(None) => true,
            Some(Some(deadline_ms)) => {
                if deadline_ms < self.keyspace.now_ms {
                    self.keyspace.remove_expired(self.db, key);
                    return false;
                }
                true
            }
        }
    }

    /// The entry for a command that is going to change it: no hit, no miss, but a use.
    #[inline]
    pub fn find(&mut self, key: Key<'_>) -> Option<&Entry> {
        if !self.living(key) {
            return None;
        }
        let entry = self.keyspace.dbs[self.db].find(key)?;
        self.keyspace.touch(entry);
        Some(entry)
    }

    /// The value of a string key. Err: another type.
    pub fn string(&mut self, key: Key<'_>) -> Result<Option<StringBytes<'_>>, Kind> {
        match self.find(key) {
            None => Ok(None),
            Some(entry) => string_bytes(entry).map(Some).ok_or_else(|| entry.kind()),
        }
    }

    pub fn exists(&mut self, key: Key<'_>) -> bool {
        self.living(key)
    }

    /// Gives the key this value, whatever it had before.
    #[inline]
    pub fn set(&mut self, key: Key<'_>, value: NewValue<'_>, ttl: Ttl) {
        let now_ms = self.keyspace.now_ms;
        let lru = self.keyspace.new_lru();
        let policy_lfu = self.keyspace.settings.policy.is_lfu();
        let Keyspace { dbs, hasher, reclaimer, .. } = &mut *self.keyspace;
        let db = &mut dbs[self.db];
        match db.find_mut(key) {
            Some(entry) => {
                // A key whose deadline has passed is not there: its count and its deadline don't pass to the new one.
                let expired = entry.deadline_ms().is_some_and(|deadline_ms| deadline_ms < now_ms);
                let displaced = entry.set_value(value);
                if !policy_lfu || expired {
                    entry.set_lru(lru);
                }
                let volatile = entry.deadline_ms().is_some();
                reclaimer.displaced(displaced);
                match ttl {
                    Ttl::At(deadline_ms) => db.set_deadline(key, Some(deadline_ms)),
                    Ttl::Clear if volatile => db.set_deadline(key, None),
                    Ttl::Keep if expired => db.set_deadline(key, None),
                    Ttl::Clear | Ttl::Keep => {}
                }
            }
            None => {
                let deadline_ms = match ttl {
                    Ttl::At(deadline_ms) => Some(deadline_ms),
                    Ttl::Clear | Ttl::Keep => None,
                };
                db.insert(key, value, deadline_ms, lru, hasher);
            }
        }
        self.changed(key);
    }

    /// Changes the bytes of a string in place, which makes it a raw one; a missing key becomes an empty string first. What
    /// `change` answers. Err: another type.
    pub fn change_string<R>(&mut self, key: Key<'_>, change: impl FnOnce(&mut Vec<u8>) -> R) -> Result<R, Kind> {
        if !self.living(key) {
            let lru = self.keyspace.new_lru();
            let Keyspace { dbs, hasher, .. } = &mut *self.keyspace;
            dbs[self.db].insert(key, NewValue::Raw(Arc::default()), None, lru, hasher);
        }
        let entry = self.keyspace.dbs[self.db].find_mut(key).expect("it is there or was just made");
        if let ValueRef::Object(object) = entry.value() {
            return Err(object.kind());
        }
        if entry.raw_mut().is_none() {
            let bytes = string_bytes(entry).map_or(Vec::new(), |mut bytes| bytes.as_bytes().to_vec());
            // Small, and freed here.
            drop(entry.set_value(NewValue::Raw(Arc::new(bytes))));
        }
        let answer = change(entry.raw_mut().expect("it was made raw"));
        if let Some(entry) = self.keyspace.dbs[self.db].find(key) {
            self.keyspace.touch(entry);
        }
        self.changed(key);
        Ok(answer)
    }

    /// Sets the deadline (None: takes it away) of a key that is there. Whether anything changed.
    pub fn set_deadline(&mut self, key: Key<'_>, deadline_ms: Option<i64>) -> bool {
        if !self.living(key) {
            return false;
        }
        let db = &mut self.keyspace.dbs[self.db];
        if db.find(key).is_none_or(|entry| entry.deadline_ms() == deadline_ms) {
            return false;
        }
        db.set_deadline(key, deadline_ms);
        self.changed(key);
        true
    }

    /// Whether it was there.
    pub fn delete(&mut self, key: Key<'_>) -> bool {
        if !self.living(key) {
            return false;
        }
        let Keyspace { dbs, hasher, reclaimer, .. } = &mut *self.keyspace;
        if let Some(entry) = dbs[self.db].remove(key, hasher) {
            reclaimer.entry(entry);
        }
        self.changed(key);
        true
    }

    /// Takes a key out: its value and its deadline.
    pub fn take(&mut self, key: Key<'_>) -> Option<(Value, Option<i64>)> {
        if !self.living(key) {
            return None;
        }
        let Keyspace { dbs, hasher, .. } = &mut *self.keyspace;
        let mut entry = dbs[self.db].remove(key, hasher)?;
        let taken = (entry.take_value(), entry.deadline_ms());
        self.changed(key);
        Some(taken)
    }

    /// Removes every key of one database, in constant time. How many there were.
    pub fn flush(&mut self, db: usize) -> usize {
        let now_ms = self.keyspace.now_ms;
        let old = std::mem::replace(&mut self.keyspace.dbs[db], Db::new(now_ms));
        let len = old.len();
        // The wheel's records go with it: a list of chunks per slot.
        self.keyspace.reclaimer.table(old.table);
        self.keyspace.dirty += len as u64;
        len
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.keyspace.dbs.swap(a, b);
        self.keyspace.dbs_used = self.keyspace.dbs_used.max(a.max(b) + 1);
        self.keyspace.dirty += 1;
    }
}
