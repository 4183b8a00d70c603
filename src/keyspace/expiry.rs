//! Removing keys at their deadlines: what the timing wheel says is due, in slices, in the order of the deadlines.

use super::db::tick_of;
use super::{Db, Key, Keyspace};

impl Keyspace {
    /// Removes up to `budget` keys whose deadline has passed; what is left of the budget. 0 means that there may be more.
    pub fn expire_slice(&mut self, mut budget: usize) -> usize {
        self.reap_seen();
        if !self.active_expire {
            return budget;
        }
        for db in 0..self.dbs_used {
            budget = self.expire_slice_of(db, budget);
            if budget == 0 {
                break;
            }
        }
        budget
    }

    /// When the next key is due, Unix milliseconds; None: no key has a deadline.
    pub fn next_expiry_ms(&self) -> Option<u64> {
        if !self.active_expire {
            return None;
        }
        self.dbs[..self.dbs_used].iter().filter_map(|db| db.wheel.next_tick()).min()
    }

    fn expire_slice_of(&mut self, db: usize, budget: usize) -> usize {
        let now_ms = self.now_ms;
        if self.dbs[db].wheel.is_empty() {
            return budget;
        }
        // Out of the database while it runs, so that it can look keys up there.
        let empty = crate::collections::timing_wheel::TimingWheel::new(0);
        let mut wheel = std::mem::replace(&mut self.dbs[db].wheel, empty);
        let left = wheel.advance(now_ms.max(0) as u64, budget, |hash| self.record_due(db, hash, true));
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
        let hasher = &self.hasher;
        let Db { table, sweep_parity, .. } = &self.dbs[db];
        let mut later = None;
        let mut due: Option<Vec<u8>> = None;
        for entry in table.candidates(hash) {
            let Some(deadline_ms) = entry.deadline_ms() else { continue };
            if !entry.is_filed() || hasher.hash(entry.key()) != hash {
                continue;
            }
            if deadline_ms < self.now_ms {
                self.stats.expire_lag_max_ms =
                    self.stats.expire_lag_max_ms.max((self.now_ms - deadline_ms - 1).max(0) as u64);
                due = Some(entry.key().to_vec());
                break;
            }
            later = Some(tick_of(deadline_ms));
            if filed_again {
                // As if a sweep had kept it. Without the mark, the next sweep could take the only record for a second one.
                entry.set_swept(*sweep_parity);
            }
        }
        if let Some(key) = due {
            self.remove_expired(db, Key::with_hash(&key, hash));
            // Two keys with the same 64 bits would be a miracle; the second one is then removed by whoever reads it.
            return None;
        }
        later
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
            self.stats.expired_keys += 1;
            self.reclaimer.entry(entry);
            self.awaited.changed(db, key);
        }
    }

    /// Removes what readers found expired.
    pub fn reap_seen(&mut self) {
        if self.expired_seen.get_mut().is_empty() {
            return;
        }
        for (db, hash) in std::mem::take(self.expired_seen.get_mut()) {
            self.record_due(db, hash, false);
        }
    }
}

/// Records looked at per slice of a sweep.
const SWEEP_BUDGET: usize = 512;
