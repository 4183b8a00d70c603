//! Changing: how commands change a key. Every change ends in [`Writer::changed`] (a key that moves: in [`Writer::signal`] for the place
//! that it leaves), so that watchers and caches are told in one place, and every key that was not there comes through [`Writer::made`],
//! which tells blocked clients. Keys and fields that go by themselves (`expiry`, `eviction`) are removed by the keyspace, which tells the
//! same observers.
//!
//! Looking a key up here removes it if its deadline has passed, so commands see living keys only.

use std::sync::Arc;

use super::db::fields_due_ms;
use super::entry::{Displaced, Entry, NewValue, Value, ValueRef};
use super::journal::removal;
use super::view::{StringBytes, string_bytes};
use super::{Context, Db, Event, Key, Keyspace, Kind, Object, Typed, View, WrongType};
use crate::base::hash;

/// What becomes of a key's deadline when its value is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ttl {
    Clear,
    Keep,
    /// Unix milliseconds; in the past: the key goes at once.
    At(i64),
}

/// What a change came to: the answer, and how many elements it changed. With none, nothing has happened.
pub struct Changed<R>(pub R, pub usize);

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

    /// What times to live count from, Unix milliseconds. While an append-only file is executed again nothing is past its deadline, but what
    /// has so long to live has it from now on.
    pub fn relative_to_ms(&self) -> i64 {
        self.keyspace.relative_to_ms
    }

    /// `proto-max-bulk-len`: no string may grow beyond it, bytes.
    pub fn bulk_max(&self) -> usize {
        self.keyspace.settings.bulk_max
    }

    /// Whether payloads are taken whatever their checksums.
    pub fn skips_checksums(&self) -> bool {
        self.keyspace.skips_checksums
    }

    /// A key with its hash.
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.keyspace.hash(bytes) }
    }

    /// The gate: a key has been changed.
    #[inline]
    pub fn changed(&mut self, key: Key<'_>) {
        self.signal(key);
        self.keyspace.dirty += 1;
    }

    /// Whether a journal of changes is kept.
    #[inline]
    pub fn propagates(&self) -> bool {
        self.keyspace.journal.is_on()
    }

    /// Names an effect of the command that is being executed, for the journal: instead of the command itself, whose effect depends on the
    /// time, on chance or on who waits for what.
    #[inline]
    pub fn propagate(&mut self, args: &[&[u8]]) {
        if self.propagates() {
            self.keyspace.journal.propagate(self.db, args);
        }
    }

    /// The command that is being executed has removed the key, and what the journal should know is that: since its deadline is over.
    pub fn propagate_expired(&mut self, key: &[u8]) {
        self.propagate(&[removal(self.keyspace.settings.lazy_expire), key]);
    }

    /// The command that is being executed has no effect that the journal should know.
    #[inline]
    pub fn propagate_nothing(&mut self) {
        if self.propagates() {
            self.keyspace.journal.propagate_nothing();
        }
    }

    /// Tells those who subscribed to it of what happened to a key.
    #[inline]
    pub fn notify(&mut self, event: Event, key: Key<'_>) {
        if self.keyspace.settings.notify.contains(event.class) {
            self.keyspace.observers.notify(event, self.db, key.bytes);
        }
    }

    /// Tells of a changed key whose change counts as one with another's (RENAME changes two keys at once), or as none.
    #[inline]
    pub fn signal(&mut self, key: Key<'_>) {
        self.keyspace.observers.changed(self.db, key);
    }

    /// A key is there that was not: whoever waits for one is told, and subscribers are.
    #[inline]
    fn made(&mut self, key: Key<'_>, kind: Kind) {
        self.keyspace.observers.made(self.db, key, kind);
        self.notify(Event::NEW, key);
    }

    /// Brings what a lookup of the key will touch into the cache.
    #[inline]
    pub fn prefetch(&self, key: Key<'_>) {
        self.keyspace.prefetch(self.db, key.hash);
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
        // Of a key that takes the place of one whose deadline has passed.
        let mut made_kind = None;
        match db.find_mut(key) {
            Some(entry) => {
                // A key whose deadline has passed is not there: its count and its deadline don't pass to the new one.
                let expired = entry.deadline_ms().is_some_and(|deadline_ms| deadline_ms < now_ms);
                // Only hashes have fields; a string in place of a string is not asked for them.
                let may_have_fields = entry.kind() == Kind::Hash || matches!(value, NewValue::Object(_));
                let fields_due_before = if may_have_fields { fields_due_ms(entry) } else { None };
                if expired {
                    made_kind = Some(value.kind());
                }
                let mut displaced = entry.set_value(value);
                if !policy_lfu || expired {
                    entry.set_lru(lru);
                }
                let volatile = entry.deadline_ms().is_some();
                if may_have_fields {
                    let fields_due = fields_due_ms(entry);
                    db.refile_fields(key.hash, fields_due_before, fields_due);
                }
                db.displaced(key, &mut displaced);
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
                let kind = value.kind();
                db.insert(key, value, deadline_ms, lru, hasher);
                self.made(key, kind);
            }
        }
        if let Some(kind) = made_kind {
            self.keyspace.note_expired(self.db, key);
            self.made(key, kind);
        }
        self.changed(key);
    }

    /// Changes the bytes of a string in place, which makes it a raw one; a missing key becomes an empty string first. What
    /// `change` answers. Err: another type.
    pub fn change_string<R>(&mut self, key: Key<'_>, change: impl FnOnce(&mut Vec<u8>) -> R) -> Result<R, Kind> {
        let Keyspace { dbs, reclaimer, now_ms, lru_clock, settings, .. } = &mut *self.keyspace;
        let answer = match dbs[self.db].find_mut(key) {
            Some(entry) if !entry.is_expired(*now_ms) => {
                if let ValueRef::Object(object) = entry.value() {
                    return Err(object.kind());
                }
                if entry.raw_mut().is_none() {
                    let bytes = string_bytes(entry).map_or(Vec::new(), |mut bytes| bytes.as_bytes().to_vec());
                    reclaimer.displaced(entry.set_value(NewValue::Raw(Arc::new(bytes))));
                }
                let answer = change(entry.raw_mut().expect("it was made raw"));
                if settings.policy.is_lfu() {
                    self.used(key)
                } else {
                    entry.set_lru(*lru_clock)
                }
                answer
            }
            _ => {
                let mut bytes = Vec::new();
                let answer = change(&mut bytes);
                self.insert(key, NewValue::Raw(Arc::new(bytes)));
                answer
            }
        };
        self.changed(key);
        Ok(answer)
    }

    /// As [`Writer::change_string`], for a change that may come to nothing: only what it counts is signalled and, if there
    /// is an `event`, told.
    pub fn change_bytes<R>(
        &mut self,
        key: Key<'_>,
        event: impl Into<Option<Event>>,
        change: impl FnOnce(&mut Vec<u8>) -> Changed<R>,
    ) -> Result<R, Kind> {
        if let Some(entry) = self.find(key) {
            if let ValueRef::Object(object) = entry.value() {
                return Err(object.kind());
            }
        } else {
            self.insert(key, NewValue::Raw(Arc::new(Vec::new())));
        }
        let Keyspace { dbs, reclaimer, .. } = &mut *self.keyspace;
        let entry = dbs[self.db].find_mut(key).expect("it was found or made");
        if entry.raw_mut().is_none() {
            let bytes = string_bytes(entry).map_or(Vec::new(), |mut bytes| bytes.as_bytes().to_vec());
            reclaimer.displaced(entry.set_value(NewValue::Raw(Arc::new(bytes))));
        }
        let Changed(answer, changes) = change(entry.raw_mut().expect("it was made raw"));
        if changes > 0 {
            self.modified(key);
            self.signal(key);
            self.keyspace.dirty += changes as u64;
            event.into().into_iter().for_each(|event| self.notify(event, key));
        }
        Ok(answer)
    }

    /// Makes the key the integer that `change` makes of its value; the deadline stays. Err, and nothing changed: what `change`
    /// says.
    #[inline]
    pub fn change_int<E>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(Option<ValueRef<'_>>) -> Result<i64, E>,
    ) -> Result<i64, E> {
        let Keyspace { dbs, reclaimer, now_ms, lru_clock, settings, .. } = &mut *self.keyspace;
        let int = match dbs[self.db].find_mut(key) {
            Some(entry) if !entry.is_expired(*now_ms) => {
                let int = change(Some(entry.value()))?;
                reclaimer.displaced(entry.set_value(NewValue::Int(int)));
                if settings.policy.is_lfu() {
                    self.used(key)
                } else {
                    entry.set_lru(*lru_clock)
                }
                int
            }
            _ => {
                let int = change(None)?;
                self.insert(key, NewValue::Int(int));
                int
            }
        };
        self.changed(key);
        Ok(int)
    }

    /// The value of a key, for a command that is going to change it or not: no hit, no miss, but a use.
    pub fn object<T: Typed>(&mut self, key: Key<'_>) -> Result<Option<&T>, WrongType> {
        match self.find(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::Object(object)) => T::of(object).map(Some).ok_or(WrongType),
            Some(_) => Err(WrongType),
        }
    }

    /// Changes the value of a key that is there; a key left without elements goes. What `change` answers; None: no such key.
    /// `event` is told if anything was changed.
    pub fn change<T: Typed, R>(
        &mut self,
        key: Key<'_>,
        event: Event,
        change: impl FnOnce(&mut T, &Context<'_>) -> Changed<R>,
    ) -> Result<Option<R>, WrongType> {
        let Keyspace { dbs, hasher, settings, random, discarded, now_ms, lru_clock, .. } = &mut *self.keyspace;
        let Some((entry, undo)) = dbs[self.db].find_to_change(key) else { return Ok(None) };
        if entry.is_expired(*now_ms) {
            self.keyspace.remove_expired(self.db, key);
            return Ok(None);
        }
        let lru_clock = *lru_clock;
        let clock_of_uses = settings.policy.is_clock_of_uses();
        if clock_of_uses {
            entry.set_lru(lru_clock);
        }
        let value = entry.object_mut().and_then(T::of_mut).ok_or(WrongType)?;
        let context = Context { settings, hasher, now_ms: *now_ms, random, discarded, undo };
        let due_before = value.next_deadline_ms();
        let Changed(answer, changes) = change(value, &context);
        let is_empty = value.is_empty();
        let due = value.next_deadline_ms();
        dbs[self.db].refile_fields(key.hash, due_before, due);
        if !clock_of_uses {
            self.used(key);
            if changes > 0 {
                self.modified(key);
            }
        }
        self.changed_in(key, event, changes, is_empty);
        Ok(Some(answer))
    }

    /// Changes the value of a key, which is made first if it is not there. A key left (or made) without elements goes.
    /// `event` is told if anything was changed.
    pub fn change_or_make<T: Typed, R>(
        &mut self,
        key: Key<'_>,
        event: Event,
        make: impl FnOnce(&Context<'_>) -> T,
        change: impl FnOnce(&mut T, &Context<'_>) -> Changed<R>,
    ) -> Result<R, WrongType> {
        let mut change = Some(change);
        let changed = self.change(key, event, |value: &mut T, context| {
            let change = change.take().expect("it is called once");
            change(value, context)
        })?;
        if let Some(answer) = changed {
            return Ok(answer);
        }
        let change = change.take().expect("there was nothing to change");
        let context = self.context();
        let mut value = make(&context);
        let Changed(answer, changes) = change(&mut value, &context);
        if !value.is_empty() {
            self.insert(key, NewValue::Object(value.into_object()));
            self.changed_in(key, event, changes, false);
        }
        Ok(answer)
    }

    /// To be called with the fields that a command looks at, before it changes the hash: those that are past their deadlines and have not
    /// been removed yet are removed now, if there is a journal. See [`Keyspace::expire_named_fields`].
    #[inline]
    pub fn expire_fields<'f>(&mut self, key: Key<'_>, fields: impl Iterator<Item = &'f [u8]>) {
        if self.keyspace.journal.is_on() && self.keyspace.has_fields_due(self.db) {
            self.keyspace.expire_named_fields(self.db, key, &fields.collect::<Vec<_>>());
        }
    }

    /// Gives the key this value, whatever it had before, without a deadline; without elements it goes. `event` is told of a value, or `del`
    /// of a key that went.
    pub fn put(&mut self, key: Key<'_>, object: impl Into<Object>, event: Event) {
        let object: Object = object.into();
        if object.is_empty() {
            self.delete_and_tell(key);
            return;
        }
        self.set(key, NewValue::Object(object), Ttl::Clear);
        self.notify(event, key);
    }

    /// Takes `changes` back from the number of changes: a command's that Redis counts once though two keys saw them.
    pub fn count_less(&mut self, changes: usize) {
        self.keyspace.dirty -= changes as u64;
    }

    /// Adds to the number of changes: of a command that Redis counts by what it has stored.
    pub fn count_more(&mut self, changes: usize) {
        self.keyspace.dirty += changes as u64;
    }

    /// Frees an object that a change has taken out of its key: here if that is cheap, else off the loop.
    pub fn discard(&mut self, object: impl Into<Object>) {
        self.keyspace.reclaimer.displaced(Displaced::Value(Value::Object(object.into())));
    }

    /// What a value may need while it is made.
    pub fn context(&self) -> Context<'_> {
        let Keyspace { hasher, settings, random, discarded, now_ms, .. } = &*self.keyspace;
        Context { settings, hasher, now_ms: *now_ms, random, discarded, undo: None }
    }

    /// Elements of the key's value have been changed, and perhaps none is left.
    #[inline]
    fn changed_in(&mut self, key: Key<'_>, event: Event, changes: usize, is_empty: bool) {
        if changes > 0 {
            self.signal(key);
            self.keyspace.dirty += changes as u64;
            self.notify(event, key);
        }
        if is_empty {
            self.remove(key);
            self.notify(Event::DEL, key);
        }
    }

    /// A key that is there was changed, which its clock may have to say.
    fn modified(&self, key: Key<'_>) {
        if self.keyspace.settings.policy.is_lrm()
            && let Some(entry) = self.keyspace.dbs[self.db].find(key)
        {
            self.keyspace.modified(entry);
        }
    }

    /// A key that is there was used, with a policy that counts uses.
    #[cold]
    fn used(&self, key: Key<'_>) {
        if let Some(entry) = self.keyspace.dbs[self.db].find(key) {
            self.keyspace.touch(entry);
        }
    }

    /// Adds a key that is not there, or is there and expired.
    fn insert(&mut self, key: Key<'_>, value: NewValue<'_>) {
        let _ = self.living(key);
        let lru = self.keyspace.new_lru();
        let Keyspace { dbs, hasher, .. } = &mut *self.keyspace;
        let kind = value.kind();
        dbs[self.db].insert(key, value, None, lru, hasher);
        self.made(key, kind);
    }

    /// Sets the deadline (None: takes it away) of a key that is there. Whether there was anything to do: the same deadline once more
    /// counts as a change, as in Redis.
    pub fn set_deadline(&mut self, key: Key<'_>, deadline_ms: Option<i64>) -> bool {
        if !self.living(key) {
            return false;
        }
        let db = &mut self.keyspace.dbs[self.db];
        if deadline_ms.is_none() && db.find(key).is_none_or(|entry| entry.deadline_ms().is_none()) {
            return false;
        }
        db.set_deadline(key, deadline_ms);
        self.modified(key);
        self.changed(key);
        true
    }

    /// Whether it was there.
    pub fn delete(&mut self, key: Key<'_>) -> bool {
        if !self.living(key) {
            return false;
        }
        self.remove(key);
        self.changed(key);
        true
    }

    /// The same; subscribers are told of a `del`.
    pub fn delete_and_tell(&mut self, key: Key<'_>) -> bool {
        let deleted = self.delete(key);
        if deleted {
            self.notify(Event::DEL, key);
        }
        deleted
    }

    /// Removes a key as a part of another change, which is told of.
    pub fn remove(&mut self, key: Key<'_>) {
        let Keyspace { dbs, hasher, reclaimer, .. } = &mut *self.keyspace;
        if let Some(entry) = dbs[self.db].remove(key, hasher) {
            reclaimer.entry(entry);
        }
    }

    /// Says when, or how often, a key that is there was last used, as far as the policy keeps it.
    pub fn set_use(&mut self, key: Key<'_>, idle_s: Option<i64>, frequency: Option<u8>) {
        if let Some(entry) = self.keyspace.dbs[self.db].find(key) {
            self.keyspace.set_use(entry, idle_s, frequency);
        }
    }

    /// Gives a key, with its deadline, another name; what had that name goes. False: there is no such key.
    pub fn rename(&mut self, from: Key<'_>, to: Key<'_>) -> bool {
        if !self.living(from) {
            return false;
        }
        let in_parts = self.keyspace.dbs[self.db].lift(from);
        let Some(detached) = self.detach(from) else { return false };
        self.attach(to, detached);
        if in_parts {
            self.keyspace.dbs[self.db].put_down(to);
        }
        true
    }

    /// Moves a key, with its deadline, to another database; what had its name there goes. False: there is no such key.
    pub fn move_to(&mut self, key: Key<'_>, db: usize) -> bool {
        if !self.living(key) {
            return false;
        }
        self.keyspace.finish_parts(self.db, key);
        let Some(detached) = self.detach(key) else { return false };
        self.of_db(db).attach(key, detached);
        true
    }

    /// Copies a key, with its deadline, to a name in a database; what had that name there goes. False: there is no such key.
    /// A long string is shared until one of the two changes.
    pub fn copy_to(&mut self, from: Key<'_>, db: usize, to: Key<'_>) -> bool {
        if !self.living(from) {
            return false;
        }
        let Some(entry) = self.keyspace.dbs[self.db].find(from) else { return false };
        let (value, deadline_ms, lru) =
            (Value::copy_of(entry.value(), &self.keyspace.hasher), entry.deadline_ms(), self.keyspace.new_lru());
        self.of_db(db).attach(to, Detached { value, deadline_ms, lru });
        true
    }

    /// Takes a key that is living out, to attach it elsewhere.
    fn detach(&mut self, key: Key<'_>) -> Option<Detached> {
        let Keyspace { dbs, hasher, .. } = &mut *self.keyspace;
        let mut entry = dbs[self.db].remove(key, hasher)?;
        self.keyspace.touch(&entry);
        let detached = Detached { deadline_ms: entry.deadline_ms(), lru: entry.lru(), value: entry.take_value() };
        self.signal(key);
        Some(detached)
    }

    /// Puts what was detached or copied under a name; what had that name goes.
    fn attach(&mut self, key: Key<'_>, mut detached: Detached) {
        if self.living(key) {
            self.remove(key);
        }
        let Keyspace { dbs, hasher, .. } = &mut *self.keyspace;
        let value = detached.value.as_new();
        let kind = value.kind();
        dbs[self.db].insert(key, value, detached.deadline_ms, detached.lru, hasher);
        self.made(key, kind);
        self.modified(key);
        self.changed(key);
    }

    /// Removes every key of one database; how many there were. The time does not depend on that, unless somebody watches keys: then it
    /// takes a look for each key that was there or each that is watched, whichever are fewer.
    pub fn flush(&mut self, db: usize) -> usize {
        let now_ms = self.keyspace.now_ms;
        let old = std::mem::replace(&mut self.keyspace.dbs[db], Db::new(now_ms));
        let len = old.len();
        let Keyspace { observers, hasher, .. } = &mut *self.keyspace;
        // Also one that is past its deadline: it was alive when it was watched.
        if len < observers.watched_keys() {
            old.table
                .iter()
                .for_each(|entry| observers.flushed(db, Key::with_hash(entry.key(), hasher.hash(entry.key()))));
        } else if observers.watched_keys() > 0 {
            observers.databases_changed(&[db], |key| old.find(key).is_some());
        }
        self.keyspace.discard(old);
        self.keyspace.dirty += len as u64;
        len
    }

    /// So many keys are going to be loaded: makes the table of an empty database what it will be with them, so that it need not grow to
    /// that by and by.
    pub fn expect_keys(&mut self, keys: usize) {
        let table = &mut self.keyspace.dbs[self.db].table;
        if table.is_empty() {
            table.expect(|first, last| keys as f64 * hash::share_of(first, last));
        }
    }

    /// Adds a key that a file holds, which is no change. False: it is there already, and stays as it is.
    pub fn load(
        &mut self,
        key: Key<'_>,
        value: NewValue<'_>,
        deadline_ms: Option<i64>,
        idle_s: Option<i64>,
        frequency: Option<u8>,
    ) -> bool {
        let lru = self.keyspace.new_lru();
        let Keyspace { dbs, hasher, .. } = &mut *self.keyspace;
        if dbs[self.db].find(key).is_some() {
            return false;
        }
        dbs[self.db].insert(key, value, deadline_ms, lru, hasher);
        if idle_s.is_some() || frequency.is_some() {
            self.set_use(key, idle_s, frequency);
        }
        true
    }

    /// FLUSHALL: what is in the RDB file, or on its way there, is to go too.
    pub fn flushed_all(&mut self) {
        self.keyspace.is_flushed = true;
    }

    /// Databases have been emptied: whoever keeps copies of values has to forget all of them.
    pub fn flushed(&mut self) {
        self.keyspace.observers.invalidate_all();
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        // What is past its deadline is not there, neither where it was nor where it would come to.
        for name in self.keyspace.observers.watched_in(&[a, b]) {
            let key = self.key(&name);
            for db in [a, b] {
                self.of_db(db).living(key);
            }
        }
        self.keyspace.dbs.swap(a, b);
        self.keyspace.dbs_used = self.keyspace.dbs_used.max(a.max(b) + 1);
        let Keyspace { dbs, observers, .. } = &mut *self.keyspace;
        observers.databases_changed(&[a, b], |key| dbs[a].find(key).is_some() || dbs[b].find(key).is_some());
        for db in [a, b] {
            observers.database_made(db, |key| dbs[db].find(key).map(Entry::kind));
        }
        self.keyspace.dirty += 1;
    }
}

/// What a key is without its name: what RENAME, MOVE and COPY carry from one place to another.
struct Detached {
    value: Value,
    deadline_ms: Option<i64>,
    lru: u32,
}
