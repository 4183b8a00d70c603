//! Removing keys and fields of hashes at their deadlines: what is due, in slices, in the order of the deadlines.

use std::cell::RefCell;

use super::db::{fields_due_ms, save_early, tick_of};
use super::entry::Entry;
use super::{Db, Event, EventClass, Key, Keyspace, Object, Typed};

/// Which of the fields that are past their deadlines go.
#[derive(Clone, Copy)]
enum Overdue<'a> {
    /// The first so many, in the order of their deadlines.
    First(usize),
    /// Those that are among these.
    Named(&'a [&'a [u8]]),
}

/// When the next field of a database is due, if one has a deadline.
#[inline(never)]
fn first_field_tick(db: &Db) -> u64 {
    db.field_deadlines.first().map_or(u64::MAX, |&(deadline_ms, _)| tick_of(deadline_ms))
}

impl Keyspace {
    /// Removes up to `budget` keys and fields whose deadline has passed; what is left of the budget. 0 means that there may be more.
    pub fn expire_slice(&mut self, mut budget: usize) -> usize {
        self.reap_seen();
        if self.active_expire && !self.expiry_is_paused {
            budget = self.expire_databases(budget);
            self.journal.close_apart();
        }
        budget
    }

    /// Whether there may be something to remove or to file: time has gone on since all of it was done, readers found something, or
    /// something was given a deadline of the past.
    #[inline]
    pub fn has_to_expire(&mut self) -> bool {
        self.expired_at_ms != self.now_ms
            || !self.expired_seen.get_mut().is_empty()
            || self.next_expiry_ms().is_some_and(|next| next <= self.now_ms.max(0) as u64)
    }

    /// All that was to be removed or filed at this time has been.
    pub fn note_all_expired(&mut self) {
        self.expired_at_ms = self.now_ms;
    }

    fn expire_databases(&mut self, mut budget: usize) -> usize {
        for db in 0..self.dbs_used {
            // Fields first, with half of it, so that neither keys nor fields wait until there are none of the others.
            let half = budget.div_ceil(2);
            budget = budget - half + self.expire_fields(db, half);
            budget = self.expire_slice_of(db, budget);
            budget = self.expire_fields(db, budget);
            if budget == 0 {
                break;
            }
        }
        budget
    }

    /// When the next key or field is due, Unix milliseconds; None: none has a deadline.
    #[inline]
    pub fn next_expiry_ms(&self) -> Option<u64> {
        if !self.active_expire || self.expiry_is_paused {
            return None;
        }
        // Asked in every turn, so without iterators over options.
        let mut next = u64::MAX;
        for db in &self.dbs[..self.dbs_used] {
            if let Some(tick) = db.wheel.next_tick() {
                next = next.min(tick);
            }
            if !db.field_deadlines.is_empty() {
                next = next.min(first_field_tick(db));
            }
        }
        (next != u64::MAX).then_some(next)
    }

    /// Files up to `budget` records of the wheels where they belong, before time comes to them; what is left of the budget. 0 means that
    /// there may be more.
    pub fn file_ahead(&mut self, mut budget: usize) -> usize {
        if !self.active_expire {
            return budget;
        }
        for db in 0..self.dbs_used {
            if !self.dbs[db].wheel.has_to_file() {
                continue;
            }
            let mut wheel = std::mem::take(&mut self.dbs[db].wheel);
            let keyspace = RefCell::new(&mut *self);
            budget = wheel.file_ahead(
                budget,
                |hash| _ = keyspace.borrow().prefetch(db, hash),
                |hash| keyspace.borrow_mut().record_due(db, hash, true),
            );
            self.dbs[db].wheel = wheel;
            if budget == 0 {
                break;
            }
        }
        budget
    }

    /// About how many percent of the keys with deadlines wait to be removed.
    pub fn stale_percent(&self) -> f64 {
        let dbs = &self.dbs[..self.dbs_used];
        let due: usize = dbs.iter().map(|db| db.wheel.due_len()).sum();
        let filed: usize = dbs.iter().map(|db| db.wheel.len()).sum();
        due as f64 * 100.0 / filed.max(1) as f64
    }

    fn expire_slice_of(&mut self, db: usize, budget: usize) -> usize {
        let now_tick = self.now_ms.max(0) as u64;
        if self.dbs[db].wheel.pass(now_tick) && !self.dbs[db].wants_sweep() {
            return budget;
        }
        // Out of the database while it runs, so that it can look keys up there.
        let mut wheel = std::mem::take(&mut self.dbs[db].wheel);
        let keyspace = RefCell::new(&mut *self);
        let left = wheel.advance_ahead(
            now_tick,
            budget,
            |hash| _ = keyspace.borrow().prefetch(db, hash),
            |hash| keyspace.borrow_mut().record_due(db, hash, true),
        );
        if wheel.is_sweeping() {
            let parity = self.dbs[db].sweep_parity;
            wheel.sweep(left.min(SWEEP_BUDGET), |hash| self.record_swept(db, hash, parity));
        }
        self.dbs[db].wheel = wheel;
        if self.dbs[db].wants_sweep() {
            self.dbs[db].sweep_parity = !self.dbs[db].sweep_parity;
            self.dbs[db].wheel.begin_sweep();
        }
        left
    }

    /// A record of the wheel came up: removes the key if it is due, else says when it will be. `filed_again`: that the record then is
    /// filed at that time.
    fn record_due(&mut self, db: usize, hash: u64, filed_again: bool) -> Option<u64> {
        let now_ms = self.now_ms;
        let is_due = |entry: &Entry| entry.is_filed() && entry.is_expired(now_ms);
        if let Some(entry) = self.dbs[db].remove_hashed(hash, &self.hasher, is_due) {
            let late_ms = now_ms - entry.deadline_ms().unwrap_or(now_ms) - 1;
            self.stats.expire_lags.record(late_ms.max(0) as u64);
            let key = Key::with_hash(entry.key(), hash);
            self.observers.changed(db, key);
            self.note_expired(db, key);
            self.reclaimer.entry(entry);
            // Should another key have the same hash, which hardly ever happens, whoever reads it removes it.
            return None;
        }
        let Db { table, sweep_parity, .. } = &self.dbs[db];
        let mut later = None;
        for entry in table.candidates(hash) {
            let Some(deadline_ms) = entry.deadline_ms() else { continue };
            if !entry.is_filed() || self.hasher.hash(entry.key()) != hash {
                continue;
            }
            later = Some(tick_of(deadline_ms));
            if filed_again {
                // As if a sweep had kept it. Without the mark, the next sweep could take the only record for a second one.
                entry.set_swept(*sweep_parity);
            }
        }
        later
    }

    /// Removes up to `budget` fields whose deadline has passed, and the hashes that have no other; what is left of the budget.
    fn expire_fields(&mut self, db: usize, mut budget: usize) -> usize {
        let now_ms = self.now_ms;
        while budget > 0
            && let Some(&(deadline_ms, hash)) = self.dbs[db].field_deadlines.first()
            && deadline_ms < now_ms
        {
            // At least one, so that this ends.
            let expired = self.expire_fields_of(db, hash, deadline_ms, Overdue::First(budget));
            budget = budget.saturating_sub(expired.max(1));
        }
        budget
    }

    /// Removes those of the named fields whose deadline has passed, since a command is about to change the hash by them: with a journal
    /// that must find it without them when it is executed again, and with a hash that has nothing else, without the hash. The other fields
    /// that are due are left to the slices: there may be very many.
    #[cold]
    pub(super) fn expire_named_fields(&mut self, db: usize, key: Key<'_>, fields: &[&[u8]]) {
        let due_ms = self.dbs[db].find(key).and_then(fields_due_ms);
        if let Some(due_ms) = due_ms.filter(|&due_ms| due_ms < self.now_ms) {
            self.expire_fields_of(db, key.hash, due_ms, Overdue::Named(fields));
        }
    }

    /// Whether a hash has fields whose deadline has passed.
    #[inline]
    pub(super) fn has_fields_due(&self, db: usize) -> bool {
        self.dbs[db].field_deadlines.first().is_some_and(|&(deadline_ms, _)| deadline_ms < self.now_ms)
    }

    /// Removes fields of one hash whose deadline has passed; how many.
    fn expire_fields_of(&mut self, db: usize, hash: u64, deadline_ms: i64, which: Overdue<'_>) -> usize {
        let Keyspace { dbs, hasher, reclaimer, now_ms, stats, settings, observers, journal, .. } = &mut *self;
        let now_ms = *now_ms;
        let Db { table, field_deadlines, unsaved_from, unsaved, .. } = &mut dbs[db];
        field_deadlines.remove(&(deadline_ms, hash));
        let is_it = |entry: &Entry| fields_due_ms(entry) == Some(deadline_ms) && hasher.hash(entry.key()) == hash;
        let Some(entry) = table.find_mut(hash, is_it) else { return 0 };
        let name = if journal.is_on() { entry.key().to_vec() } else { Vec::new() };
        let undo = if hash >= *unsaved_from { save_early(unsaved, hash, entry) } else { None };
        let Some(Object::Hash(fields)) = entry.object_mut() else { return 0 };
        let mut free = |entry: Entry| {
            let left = match undo {
                Some(undo) => undo.borrow_mut().removed(hasher.hash(entry.key()), entry, hasher),
                None => Some(entry),
            };
            left.into_iter().for_each(|entry| reclaimer.entry(entry));
        };
        let expired = match which {
            Overdue::First(budget) => {
                if journal.is_on() {
                    let due = fields.due(now_ms, budget);
                    let mut command = vec![b"HDEL".as_slice(), &name];
                    command.extend(due.iter().map(|field| field.as_slice()));
                    journal.happened(db, &command);
                }
                fields.expire(now_ms, budget, hasher, free)
            }
            Overdue::Named(names) => {
                let mut command = vec![b"HDEL".as_slice(), &name];
                command.extend(names.iter().filter(|field| fields.expire_one(field, now_ms, hasher, &mut free)));
                let expired = command.len() - 2;
                if expired > 0 {
                    journal.happened(db, &command);
                }
                expired
            }
        };
        stats.expired_subkeys += expired as u64;
        for _ in 0..expired {
            stats.expire_lags.record((now_ms - deadline_ms - 1).max(0) as u64);
        }
        let is_empty = fields.is_empty();
        if let Some(next_ms) = fields.next_deadline_ms() {
            field_deadlines.insert((next_ms, hash));
        }
        if expired > 0 && (is_empty || !settings.notify.is_empty() || observers.is_interested()) {
            let name = entry.key().to_vec();
            self.fields_expired(db, Key::with_hash(&name, hash), is_empty);
        }
        expired
    }

    /// Tells of fields that have gone, and removes the hash if those were all.
    fn fields_expired(&mut self, db: usize, key: Key<'_>, is_empty: bool) {
        self.observers.changed(db, key);
        let mut events = vec![Event::HEXPIRED];
        if is_empty {
            if let Some(entry) = self.dbs[db].remove(key, &self.hasher) {
                self.reclaimer.entry(entry);
            }
            events.push(Event::DEL);
        }
        for event in events {
            if self.settings.notify.contains(event.class) {
                self.observers.notify(event, db, key.bytes);
            }
        }
    }

    /// A record came up in a sweep: kept if it is the first of a volatile key in this sweep.
    fn record_swept(&mut self, db: usize, hash: u64, parity: bool) -> Option<u64> {
        let hasher = &self.hasher;
        let entry = self.dbs[db].table.find_mut(hash, |entry| hasher.hash(entry.key()) == hash)?;
        let Some(deadline_ms) = entry.deadline_ms() else {
            entry.set_filed(false);
            return None;
        };
        if entry.swept() == parity {
            return None;
        }
        entry.set_swept(parity);
        Some(tick_of(deadline_ms))
    }

    /// Removes a key whose deadline has passed.
    pub(super) fn remove_expired(&mut self, db: usize, key: Key<'_>) {
        if let Some(entry) = self.dbs[db].remove(key, &self.hasher) {
            self.reclaimer.entry(entry);
            self.observers.changed(db, key);
            self.note_expired(db, key);
        }
    }

    /// Counts a key that its deadline ended, and tells subscribers if a reader has not done so.
    #[cold]
    pub(super) fn note_expired(&mut self, db: usize, key: Key<'_>) {
        self.stats.expired_keys += 1;
        self.journal.removed(db, key.bytes, self.settings.lazy_expire);
        if self.settings.notify.contains(EventClass::EXPIRED) && !self.expired_told.get_mut().remove(&(db, key.hash)) {
            self.observers.notify(Event::EXPIRED, db, key.bytes);
        }
    }

    /// What has been found expired outside of a command is a matter of its own to the journal.
    pub fn end_removals(&mut self) {
        self.journal.close_apart();
    }

    /// Removes what readers found expired.
    #[inline]
    pub fn reap_seen(&mut self) {
        if !self.expired_seen.get_mut().is_empty() {
            self.reap_slowly();
            self.journal.close_apart();
        }
    }

    /// The same as part of what is being executed. A command that found a key expired must not find it when the journal is executed again,
    /// so its removal comes before the command.
    #[inline]
    pub fn reap_read(&mut self) {
        if !self.expired_seen.get_mut().is_empty() {
            self.reap_slowly();
        }
    }

    #[cold]
    fn reap_slowly(&mut self) {
        if self.expiry_is_paused {
            // They will be seen again, or come out of the wheel.
            self.expired_seen.get_mut().clear();
        }
        for (db, hash) in std::mem::take(self.expired_seen.get_mut()) {
            self.record_due(db, hash, false);
        }
        // What is left has another fate by now: it was given a new deadline or deleted.
        self.expired_told.get_mut().clear();
    }
}

/// Records looked at per slice of a sweep.
const SWEEP_BUDGET: usize = 512;
