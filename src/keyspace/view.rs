//! Reading: a shared look at one database. An expired key is not there, though its removal waits for the end of the turn.

use std::sync::Arc;

use super::entry::{Entry, ValueRef};
use super::{Context, Db, Event, EventClass, Key, Keyspace, Kind, Typed, WrongType};

/// A look at one database, with the keyspace's time.
#[derive(Clone, Copy)]
pub struct View<'a> {
    keyspace: &'a Keyspace,
    db: usize,
    /// Whether reading a key counts as a use of it (CLIENT NO-TOUCH).
    touch: bool,
}

/// The bytes of a string value, whatever its encoding.
pub enum StringBytes<'a> {
    Int(itoa::Buffer, i64),
    Bytes(&'a [u8]),
    Shared(&'a Arc<Vec<u8>>),
}

impl StringBytes<'_> {
    /// The bytes; an integer's digits are written into the value's own buffer.
    pub fn as_bytes(&mut self) -> &[u8] {
        match self {
            StringBytes::Int(digits, int) => digits.format(*int).as_bytes(),
            StringBytes::Bytes(bytes) => bytes,
            StringBytes::Shared(bytes) => bytes,
        }
    }
}

/// None: not a string.
#[inline]
pub(super) fn string_bytes(entry: &Entry) -> Option<StringBytes<'_>> {
    match entry.value() {
        ValueRef::Int(int) => Some(StringBytes::Int(itoa::Buffer::new(), int)),
        ValueRef::Embedded(bytes) => Some(StringBytes::Bytes(bytes)),
        ValueRef::Raw(bytes) => Some(StringBytes::Shared(bytes)),
        ValueRef::Object(_) => None,
    }
}

impl<'a> View<'a> {
    #[inline]
    pub(super) fn new(keyspace: &'a Keyspace, db: usize) -> View<'a> {
        View { keyspace, db, touch: true }
    }

    /// Reading through it is no use of a key.
    pub fn without_touch(mut self, untouched: bool) -> View<'a> {
        self.touch = !untouched;
        self
    }

    pub fn keyspace(&self) -> &'a Keyspace {
        self.keyspace
    }

    pub fn db(&self) -> &'a Db {
        &self.keyspace.dbs[self.db]
    }

    /// Number of the database.
    pub fn db_index(&self) -> usize {
        self.db
    }

    /// The same look at another database.
    pub fn of_db(mut self, db: usize) -> View<'a> {
        self.db = db;
        self
    }

    pub fn now_ms(&self) -> i64 {
        self.keyspace.now_ms
    }

    /// `proto-max-bulk-len`: no string grows beyond it, bytes.
    pub fn bulk_max(&self) -> usize {
        self.keyspace.settings.bulk_max
    }

    /// A key with its hash.
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.keyspace.hash(bytes) }
    }

    /// The entry, as a use of the key that counts in INFO's hits and misses.
    #[inline(always)]
    pub fn find(&self, key: Key<'_>) -> Option<&'a Entry> {
        match self.peek(key) {
            Some(entry) => {
                let hits = &self.keyspace.stats.hits;
                hits.set(hits.get() + 1);
                if self.touch {
                    self.keyspace.touch(entry);
                }
                Some(entry)
            }
            None => {
                let misses = &self.keyspace.stats.misses;
                misses.set(misses.get() + 1);
                self.missed(key);
                None
            }
        }
    }

    /// The entry, counted in hits and misses but no use of the key: EXISTS, TTL, TYPE.
    pub fn probe(&self, key: Key<'_>) -> Option<&'a Entry> {
        let entry = self.inspect(key);
        if entry.is_none() {
            self.missed(key);
        }
        entry
    }

    /// The same, of which nobody is told either: OBJECT.
    pub fn inspect(&self, key: Key<'_>) -> Option<&'a Entry> {
        let entry = self.peek(key);
        let counter = if entry.is_some() { &self.keyspace.stats.hits } else { &self.keyspace.stats.misses };
        counter.set(counter.get() + 1);
        entry
    }

    /// The entry, without a trace.
    #[inline(always)]
    pub fn peek(&self, key: Key<'_>) -> Option<&'a Entry> {
        let entry = self.db().find(key)?;
        if let Some(deadline_ms) = entry.deadline_ms()
            && deadline_ms < self.keyspace.now_ms
        {
            self.see_expired(key);
            return None;
        }
        Some(entry)
    }

    /// Tells subscribers, if they want to know, of a key that is not there.
    #[inline]
    fn missed(&self, key: Key<'_>) {
        if self.keyspace.settings.notify.contains(EventClass::KEY_MISS) {
            self.keyspace.observers.notify(Event::KEY_MISS, self.db, key.bytes);
        }
    }

    /// A key past its deadline: it is removed as soon as somebody may, but subscribers are told now, once.
    #[cold]
    fn see_expired(&self, key: Key<'_>) {
        let Keyspace { expired_seen, expired_told, observers, settings, .. } = self.keyspace;
        expired_seen.borrow_mut().push((self.db, key.hash));
        if settings.notify.contains(EventClass::EXPIRED) && expired_told.borrow_mut().insert((self.db, key.hash)) {
            observers.notify(Event::EXPIRED, self.db, key.bytes);
        }
    }

    /// Whether the entry has outlived its deadline.
    pub fn is_expired(&self, entry: &Entry) -> bool {
        entry.is_expired(self.keyspace.now_ms)
    }

    /// Brings what a lookup of the key will touch into the cache.
    #[inline]
    pub fn prefetch(&self, key: Key<'_>) {
        self.keyspace.prefetch(self.db, key.hash);
    }

    /// The value of a string key. Err: another type.
    #[inline]
    pub fn string(&self, key: Key<'_>) -> Result<Option<StringBytes<'a>>, Kind> {
        match self.find(key) {
            None => Ok(None),
            Some(entry) => string_bytes(entry).map(Some).ok_or_else(|| entry.kind()),
        }
    }

    /// The value of a key that is no string, as a use of the key.
    #[inline]
    pub fn object<T: Typed>(&self, key: Key<'_>) -> Result<Option<&'a T>, WrongType> {
        match self.find(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::Object(object)) => T::of(object).map(Some).ok_or(WrongType),
            Some(_) => Err(WrongType),
        }
    }

    /// The value if it is there and of this type; no use of the key.
    pub fn peek_object<T: Typed>(&self, key: Key<'_>) -> Option<&'a T> {
        match self.peek(key).map(Entry::value) {
            Some(ValueRef::Object(object)) => T::of(object),
            _ => None,
        }
    }

    /// What looking into a value may need.
    pub fn context(&self) -> Context<'a> {
        let Keyspace { hasher, settings, random, discarded, now_ms, .. } = self.keyspace;
        Context { settings, hasher, now_ms: *now_ms, random, discarded, undo: None }
    }

    /// Visits about `count` living keys from `cursor` on; the cursor to go on from, 0 at the end. See
    /// [`crate::collections::segmented_table::SegmentedTable::scan`] for what is guaranteed.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&'a Entry)) -> u64 {
        self.db().table.scan(cursor, count, |entry| {
            if self.is_expired(entry) {
                let hash = self.keyspace.hash(entry.key());
                self.see_expired(Key::with_hash(entry.key(), hash));
            } else {
                visit(entry);
            }
        })
    }

    /// Every living key of the database, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &'a Entry> {
        let view = *self;
        self.db().table.iter().filter(move |entry| !view.is_expired(entry))
    }

    /// A living key, each with the same probability.
    pub fn random(&self) -> Option<&'a Entry> {
        // Few keys are past their deadline at any time; should all be, the last draw is answered after so many.
        for _ in 0..100 {
            let entry = self.db().table.random(|n| self.keyspace.random_below(n))?;
            if !self.is_expired(entry) {
                return Some(entry);
            }
        }
        self.iter().next()
    }

    pub fn idle_s(&self, entry: &Entry) -> u32 {
        self.keyspace.idle_s(entry)
    }

    pub fn lfu_counter(&self, entry: &Entry) -> u32 {
        self.keyspace.lfu_counter(entry)
    }
}
