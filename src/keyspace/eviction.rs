//! Eviction: which key goes when memory is short (<https://redis.io/docs/latest/develop/reference/eviction/>).
//!
//! Owns the pool: the best candidates of all samples so far, which is what makes a few samples nearly as good as a look at every key. A
//! key that was used since it was sampled is dropped from it. When memory is short is for the caller to know.
//!
//! Candidates of `allkeys-*` are drawn from the tables. Those of `volatile-*` are drawn from the timing wheel, which holds nothing else,
//! where they are few among many keys; the wheel is also what knows which deadlines come first.
//!
//! Cost: `maxmemory-samples` entries are looked at for each key that goes, neighbours in one segment.

use smallvec::SmallVec;

use super::db::Db;
use super::entry::Entry;
use super::{Event, Key, Keyspace};
use crate::base::hash::KeyHasher;
use crate::config::MaxmemoryPolicy;

/// Candidates kept.
const POOL: usize = 16;
/// Most keys looked at for each one that goes, whatever `maxmemory-samples` says.
const SAMPLES_MAX: usize = 64;
/// With at least one volatile key among so many, volatile keys are drawn from the table.
const DENSE: usize = 4;
/// Records of the wheel drawn to find one volatile key, most of which may be stale; those go.
const DRAWS: usize = 16;
/// Records that are due first, of which the very first is found if the wheel's slot holds no more.
const FIRST: usize = 16;

/// A key that may go, by its hash.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// The greatest goes first.
    score: u64,
    hash: u64,
    db: usize,
}

/// What eviction remembers.
#[derive(Default)]
pub(super) struct Evictor {
    /// By score, the greatest last.
    pool: Vec<Candidate>,
    /// What the scores mean.
    policy: MaxmemoryPolicy,
    /// Where a random key is taken from next.
    next_db: usize,
}

/// What came of an attempt to make room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evicted {
    /// A key has gone.
    Key,
    /// None was found this time, but there are some: another attempt will find one sooner or later.
    NotYet,
    /// There is no key that may go.
    Nothing,
}

impl Evictor {
    /// Keeps a candidate if it is among the best.
    fn offer(&mut self, candidate: Candidate) {
        if self.pool.len() == POOL && self.pool[0].score >= candidate.score {
            return;
        }
        if self.pool.iter().any(|known| known.hash == candidate.hash && known.db == candidate.db) {
            return;
        }
        if self.pool.len() == POOL {
            self.pool.remove(0);
        }
        let at = self.pool.partition_point(|known| known.score <= candidate.score);
        self.pool.insert(at, candidate);
    }

    /// Whether a key with this score would be kept.
    fn wants(&self, score: u64) -> bool {
        self.pool.len() < POOL || self.pool[0].score < score
    }
}

impl Keyspace {
    /// Whether there is a key that may go.
    pub fn may_evict(&self) -> bool {
        match self.settings.policy {
            MaxmemoryPolicy::NoEviction => false,
            policy if policy.is_volatile() => self.dbs[..self.dbs_used].iter().any(|db| db.volatile_len() > 0),
            _ => !self.dbs[..self.dbs_used].iter().all(Db::is_empty),
        }
    }

    /// Removes the key that has to go first according to the policy.
    pub fn evict(&mut self) -> Evicted {
        if !self.may_evict() {
            return Evicted::Nothing;
        }
        let policy = self.settings.policy;
        let mut evictor = std::mem::take(&mut self.evictor);
        if evictor.policy != policy {
            evictor.pool.clear();
            evictor.policy = policy;
        }
        let victim = match policy {
            MaxmemoryPolicy::AllkeysRandom | MaxmemoryPolicy::VolatileRandom => self.any_key(&mut evictor),
            _ => self.best_candidate(&mut evictor),
        };
        self.evictor = evictor;
        match victim {
            Some((db, hash)) if self.remove_evicted(db, hash) => Evicted::Key,
            _ => Evicted::NotYet,
        }
    }

    /// Removes a key that nobody asked to remove: whoever keeps a copy of the keyspace is to be told so here.
    fn remove_evicted(&mut self, db: usize, hash: u64) -> bool {
        let is_volatile = self.settings.policy.is_volatile();
        let may_go = |entry: &Entry| !is_volatile || entry.deadline_ms().is_some();
        let Some(entry) = self.dbs[db].remove_hashed(hash, &self.hasher, may_go) else { return false };
        self.stats.evicted_keys += 1;
        let key = Key { bytes: entry.key(), hash };
        self.journal.removed(db, key.bytes, self.settings.lazy_eviction);
        self.journal.close_apart();
        self.observers.changed(db, key);
        if self.settings.notify.contains(Event::EVICTED.class) {
            self.observers.notify(Event::EVICTED, db, key.bytes);
        }
        self.reclaimer.entry(entry);
        true
    }

    /// Some key of the next database that has one that may go.
    fn any_key(&mut self, evictor: &mut Evictor) -> Option<(usize, u64)> {
        for step in 0..self.dbs_used {
            let db = (evictor.next_db + step) % self.dbs_used;
            let mut found = None;
            self.sample(db, 1, |hash, _| found = Some(hash));
            if let Some(hash) = found {
                evictor.next_db = db + 1;
                return Some((db, hash));
            }
        }
        None
    }

    /// The best of the pool, after more candidates have been put into it.
    fn best_candidate(&mut self, evictor: &mut Evictor) -> Option<(usize, u64)> {
        let samples = self.settings.eviction_samples.min(SAMPLES_MAX);
        // Another one is the first each time, so that of equal candidates it is not always the same database's that go.
        evictor.next_db = (evictor.next_db + 1) % self.dbs_used;
        for step in 0..self.dbs_used {
            let db = (evictor.next_db + step) % self.dbs_used;
            let mut seen: SmallVec<[(u64, u64); 16]> = SmallVec::new();
            if evictor.policy == MaxmemoryPolicy::VolatileTtl {
                self.first_due(db, samples.max(FIRST), |hash, score| seen.push((score, hash)));
            } else {
                self.sample(db, samples, |hash, score| {
                    if evictor.wants(score) {
                        seen.push((score, hash));
                    }
                });
            }
            for (score, hash) in seen {
                evictor.offer(Candidate { score, hash, db });
            }
        }
        while let Some(candidate) = evictor.pool.pop() {
            // Gone, or used in the meantime: then it is not the best any more.
            let is_still = self
                .hashed(candidate.db, candidate.hash)
                .is_some_and(|entry| self.may_go(entry) && self.score(entry) >= candidate.score);
            if is_still {
                return Some((candidate.db, candidate.hash));
            }
        }
        None
    }

    /// The entry with exactly this hash.
    fn hashed(&self, db: usize, hash: u64) -> Option<&Entry> {
        self.dbs.get(db)?.hashed(hash, &self.hasher)
    }

    fn may_go(&self, entry: &Entry) -> bool {
        !self.settings.policy.is_volatile() || entry.deadline_ms().is_some()
    }

    /// How much a key deserves to go.
    fn score(&self, entry: &Entry) -> u64 {
        match self.settings.policy {
            MaxmemoryPolicy::VolatileTtl => u64::MAX - entry.deadline_ms().unwrap_or(i64::MAX).max(0) as u64,
            policy if policy.is_lfu() => {
                // Of keys used equally often the one that was not used for longer.
                u64::from(255 - self.lfu_counter(entry)) << 16 | u64::from(self.lfu_minutes(entry))
            }
            _ => u64::from(self.idle_s(entry)),
        }
    }

    /// Hash and score of about `count` keys of a database, drawn at random from those that may go.
    fn sample(&mut self, db: usize, count: usize, mut visit: impl FnMut(u64, u64)) {
        let is_volatile = self.settings.policy.is_volatile();
        let Db { table, volatile, .. } = &self.dbs[db];
        if is_volatile && *volatile == 0 {
            return;
        }
        if is_volatile && *volatile < table.len() / DENSE {
            return self.sample_wheel(db, count, visit);
        }
        let mut left = count;
        table.sample(
            |n| self.random_below(n),
            |entry| {
                if self.may_go(entry) {
                    visit(self.hasher.hash(entry.key()), self.score(entry));
                    left -= 1;
                }
                left > 0
            },
        );
    }

    /// The same by way of the wheel's records.
    fn sample_wheel(&mut self, db: usize, count: usize, mut visit: impl FnMut(u64, u64)) {
        let mut wheel = std::mem::take(&mut self.dbs[db].wheel);
        let mut left = count;
        for _ in 0..DRAWS * count {
            let keep = |hash| match self.filed(db, hash) {
                Some(entry) => {
                    visit(hash, self.score(entry));
                    left -= 1;
                    true
                }
                None => false,
            };
            wheel.draw(|n| self.random_below(n), keep);
            if left == 0 {
                break;
            }
        }
        self.dbs[db].wheel = wheel;
    }

    /// Hash and score of about `count` of the keys whose deadlines come first: of all of them, if the wheel files no more than that under
    /// the first times, else of some that it does not tell apart.
    fn first_due(&mut self, db: usize, count: usize, mut visit: impl FnMut(u64, u64)) {
        let mut wheel = std::mem::take(&mut self.dbs[db].wheel);
        wheel.first(
            count,
            |n| self.random_below(n),
            |hash| match self.filed(db, hash) {
                Some(entry) => {
                    visit(hash, self.score(entry));
                    true
                }
                None => false,
            },
        );
        self.dbs[db].wheel = wheel;
    }

    /// The key that a record of the wheel leads to; None: the record is stale.
    fn filed(&self, db: usize, hash: u64) -> Option<&Entry> {
        self.hashed(db, hash).filter(|entry| entry.is_filed() && entry.deadline_ms().is_some())
    }
}

impl Db {
    /// The entry with exactly this hash.
    fn hashed(&self, hash: u64, hasher: &KeyHasher) -> Option<&Entry> {
        self.table.find(hash, |entry| hasher.hash(entry.key()) == hash)
    }
}

#[cfg(test)]
mod tests;
