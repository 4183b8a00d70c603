//! The keyspace: databases of keys with values and deadlines.
//!
//! Commands read through a [`View`] and change through a [`Writer`], which is where their changes are counted and told to those who want to
//! know; what goes by itself, by its deadline or for want of memory, the keyspace removes. Time is handed in ([`Keyspace::now_ms`], once a
//! turn). The keyspace knows no command, no protocol and no connection.
//!
//! Deadlines are kept twice: in the entry, which decides, and as a hash of the key in a timing wheel, which sees to it that the key goes at
//! its millisecond whether or not anybody asks for it. Those of the fields of hashes are in the hashes, and the first of each hash is in an
//! ordered set of the database.

mod awaited;
mod db;
mod entry;
mod event;
mod eviction;
mod expiry;
mod hash;
mod journal;
mod lag;
mod list;
mod lru;
mod object;
mod observers;
mod reclaim;
mod set;
mod snapshot;
mod sorted_set;
mod view;
mod watched;
mod writer;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::base::allocator;
use crate::base::hash::KeyHasher;
use crate::base::random::Random;
use crate::config::MaxmemoryPolicy;

use eviction::Evictor;

pub use awaited::ReadyKey;
pub use db::Db;
pub use entry::{EMBEDDED_MAX, Entry, NewValue, Value, ValueRef};
pub use event::{Event, EventClass};
pub use eviction::Evicted;
pub use hash::{FIELD_DEADLINE_MAX_MS, FieldText, Hash};
pub use journal::Journal;
pub use lag::Lags;
pub use list::{List, Side};
pub use lru::UseClock;
pub use object::{Context, Kind, Object, Typed, WrongType};
pub use observers::{Invalidation, Notification, Observers, Pending};
pub use reclaim::{Bulk, Discarded, Reclaimer};
pub use set::{Member, Set};
pub use snapshot::{Element, Head, SharedSink, SnapshotSink};
pub use sorted_set::{End, Members, Scanned, SortedSet};
pub use view::{StringBytes, View};
pub use writer::{Changed, Ttl, Writer};

/// A key's bytes and their hash.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    pub bytes: &'a [u8],
    pub hash: u64,
}

impl<'a> Key<'a> {
    #[inline]
    pub fn with_hash(bytes: &'a [u8], hash: u64) -> Key<'a> {
        Key { bytes, hash }
    }
}

/// What the configuration says to the keyspace.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `proto-max-bulk-len`: no string grows beyond it, bytes.
    pub bulk_max: usize,
    /// `maxmemory-policy`: whether the 24 bits are a clock or a counter.
    pub policy: MaxmemoryPolicy,
    /// Whether Redis has one object for all values that are the same small number: not if each has to say when it was used.
    pub shared_integers: bool,
    /// `maxmemory-samples`: keys that are looked at for each one that goes.
    pub eviction_samples: usize,
    /// `lfu-log-factor`, `lfu-decay-time` (minutes).
    pub lfu_log_factor: u32,
    pub lfu_decay_time: u32,
    /// `lazyfree-lazy-expire`, `lazyfree-lazy-eviction`: the journal says UNLINK where it would say DEL. Freeing is off
    /// the loop either way.
    pub lazy_expire: bool,
    pub lazy_eviction: bool,
    /// `notify-keyspace-events`: the classes that somebody may have subscribed to.
    pub notify: EventClass,
    /// Until when a list is one listpack, and its nodes are: positive: entries; negative: size class.
    pub list_max_listpack_size: i32,
    /// Nodes at each end of a list that stay as they are while those between them are compressed; 0: all do.
    pub list_compress_depth: u32,
    pub hash_max_listpack: PackMax,
    pub set_max_listpack: PackMax,
    pub set_max_intset_entries: usize,
    pub zset_max_listpack: PackMax,
    /// `hll-sparse-max-bytes`
    pub hll_sparse_max_bytes: usize,
}

/// Until when a value is kept as a listpack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackMax {
    /// Elements; of a hash or sorted set pairs of them.
    pub entries: usize,
    /// Length of the longest one, bytes.
    pub value_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            bulk_max: 512 * 1024 * 1024,
            policy: MaxmemoryPolicy::NoEviction,
            shared_integers: true,
            eviction_samples: 5,
            lfu_log_factor: 10,
            lfu_decay_time: 1,
            lazy_expire: false,
            lazy_eviction: false,
            notify: EventClass::empty(),
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            hash_max_listpack: PackMax { entries: 512, value_bytes: 64 },
            set_max_listpack: PackMax { entries: 128, value_bytes: 64 },
            set_max_intset_entries: 512,
            zset_max_listpack: PackMax { entries: 128, value_bytes: 64 },
            hll_sparse_max_bytes: 3000,
        }
    }
}

/// Counters that INFO shows; reset by CONFIG RESETSTAT.
#[derive(Default, Debug)]
pub struct KeyspaceStats {
    pub hits: Cell<u64>,
    pub misses: Cell<u64>,
    pub expired_keys: u64,
    /// Keys that went because memory was short.
    pub evicted_keys: u64,
    /// Fields of hashes.
    pub expired_subkeys: u64,
    /// Delays between the deadlines of keys and fields and their removal.
    pub expire_lags: Lags,
    /// Slices of expiry that ended because their time was over, and the time of all.
    pub expire_time_cap_reached: u64,
    pub expire_ns: u64,
}

/// So many small keys, with their table, fit into a core's own cache of a megabyte.
const CACHED_KEYS: usize = 4096;

/// A clock that goes back by no more than this, milliseconds, is waited for: it was adjusted, not set.
const CLOCK_SLACK_MS: i64 = 50;

/// All databases and what they share.
pub struct Keyspace {
    dbs: Vec<Db>,
    /// Databases from here on have never been written to: nothing in them expires.
    dbs_used: usize,
    hasher: KeyHasher,
    random: RefCell<Random>,
    reclaimer: Reclaimer,
    walk: snapshot::Walk,
    /// What the reclaimer gets at the end of the turn.
    discarded: Discarded,
    evictor: Evictor,
    /// Keys found expired by readers, which can't remove them: database and hash.
    expired_seen: RefCell<Vec<(usize, u64)>>,
    /// Those of them of which subscribers have been told already.
    expired_told: RefCell<BTreeSet<(usize, u64)>>,
    /// All that was due at this time is gone.
    expired_at_ms: i64,
    now_ms: i64,
    /// What relative times count from: the same, unless time has been stopped.
    relative_to_ms: i64,
    lru_clock: u32,
    /// Who wants to know of changes.
    pub observers: Observers,
    /// Changes as commands.
    pub journal: Journal,
    /// What the threads that write files allocate, less what they free, bytes: they free what the loop has allocated.
    pub elsewhere: Arc<AtomicI64>,
    /// Memory of what has been taken of a snapshot and waits for what must be written before it, bytes.
    pub waiting: Rc<Cell<usize>>,
    /// What has been set aside for bytes that clients have announced and not sent, bytes.
    pub unreceived: Rc<Cell<usize>>,
    /// FLUSHALL has been executed, which the RDB file does not know yet.
    pub is_flushed: bool,
    /// Whether the wheel removes keys by itself (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: bool,
    /// What is overdue is not removed, though nobody finds it either.
    pub expiry_is_paused: bool,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION.
    pub skips_checksums: bool,
    pub settings: Settings,
    pub stats: KeyspaceStats,
    /// Changes since start; INFO's `rdb_changes_since_last_save` counts from some value of it.
    pub dirty: u64,
}

impl Keyspace {
    /// `databases` empty databases. The hash function and every random choice derive from `random`.
    pub fn new(databases: usize, mut random: Random, now_ms: i64) -> Keyspace {
        let hasher = KeyHasher::new(random.next_u64(), random.next_u64());
        let mut keyspace = Keyspace {
            dbs: (0..databases).map(|_| Db::new(now_ms)).collect(),
            dbs_used: 0,
            hasher,
            random: RefCell::new(random),
            reclaimer: Reclaimer::default(),
            walk: snapshot::Walk::default(),
            discarded: Discarded::default(),
            evictor: Evictor::default(),
            expired_seen: RefCell::default(),
            expired_told: RefCell::default(),
            expired_at_ms: i64::MIN,
            now_ms,
            relative_to_ms: now_ms,
            lru_clock: 0,
            observers: Observers::default(),
            journal: Journal::default(),
            elsewhere: Arc::default(),
            waiting: Rc::default(),
            unreceived: Rc::default(),
            is_flushed: false,
            active_expire: true,
            expiry_is_paused: false,
            skips_checksums: false,
            settings: Settings::default(),
            stats: KeyspaceStats::default(),
            dirty: 0,
        };
        keyspace.set_now_ms(now_ms);
        keyspace
    }

    /// The time that commands see, Unix milliseconds.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub fn set_now_ms(&mut self, now_ms: i64) {
        if now_ms < self.now_ms - CLOCK_SLACK_MS {
            self.turn_back(now_ms);
        }
        self.now_ms = now_ms;
        self.relative_to_ms = now_ms;
        self.lru_clock = (now_ms / 1000) as u32 & lru::CLOCK_MAX;
    }

    /// The system's clock was set back: deadlines are as far away as they say by the new one.
    #[cold]
    fn turn_back(&mut self, now_ms: i64) {
        let by_ms = self.now_ms.abs_diff(now_ms);
        self.dbs.iter_mut().for_each(|db| db.wheel.turn_back(by_ms));
    }

    /// Until the next [`Keyspace::set_now_ms`] nothing is past its deadline. Times from now on, and how long ago
    /// something was used, are measured as before.
    pub fn stop_time(&mut self) {
        self.now_ms = 0;
    }

    /// Seconds, 24 bits of them: what idle times are measured with.
    pub fn lru_clock(&self) -> u32 {
        self.lru_clock
    }

    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// Whether the first database, the one that nearly everybody uses, is so small that touching its keys ahead of use is wasted.
    #[inline]
    pub fn fits_in_cache(&self) -> bool {
        self.dbs[0].len() < CACHED_KEYS
    }

    /// Brings what a lookup of this hash will touch into the cache. False: there is no such key.
    #[inline]
    pub fn prefetch(&self, db: usize, hash: u64) -> bool {
        self.dbs[db].table.guess(hash).map(Entry::prefetch).is_some()
    }

    /// Brings what the insertion of a key with this hash will touch into the cache, after [`Keyspace::prefetch`].
    #[inline]
    pub fn prefetch_vacancy(&self, db: usize, hash: u64) {
        self.dbs[db].table.vacancy(hash).into_iter().for_each(entry::prefetch);
    }

    /// Brings what the insertion of keys with these hashes will touch into the cache.
    #[inline]
    pub fn expect_inserts(&self, db: usize, hashes: impl Iterator<Item = u64> + Clone) {
        let table = &self.dbs[db].table;
        hashes.clone().for_each(|hash| table.touch(hash));
        hashes.filter_map(|hash| table.vacancy(hash)).for_each(entry::prefetch);
    }

    #[inline]
    pub fn view(&self, db: usize) -> View<'_> {
        View::new(self, db)
    }

    #[inline]
    pub fn writer(&mut self, db: usize) -> Writer<'_> {
        self.dbs_used = self.dbs_used.max(db + 1);
        Writer::new(self, db)
    }

    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    pub fn db(&self, db: usize) -> &Db {
        &self.dbs[db]
    }

    /// Keys in all databases.
    pub fn keys(&self) -> usize {
        self.dbs.iter().map(Db::len).sum()
    }

    /// Changes so far: with the same number, nothing has changed.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.dirty
    }

    pub fn reclaimer_mut(&mut self) -> &mut Reclaimer {
        &mut self.reclaimer
    }

    pub fn reclaimer(&self) -> &Reclaimer {
        &self.reclaimer
    }

    /// Has something else freed by the thread that frees large values.
    pub fn free_elsewhere(&mut self, bulk: Box<dyn Bulk>) {
        self.reclaimer.bulk(bulk);
    }

    /// Hands what the turn's commands let go of to the thread that frees it.
    #[inline]
    pub fn flush_garbage(&mut self) {
        if self.discarded.has_any() {
            self.collect_discarded();
        }
        self.reclaimer.flush();
    }

    #[cold]
    #[inline(never)]
    fn collect_discarded(&mut self) {
        for displaced in self.discarded.drain() {
            self.reclaimer.displaced(displaced);
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.stats = KeyspaceStats::default();
        self.reclaimer.reset_stats();
    }

    /// Memory in use, bytes: by all that this thread has allocated, whatever for, but for what nobody has touched yet.
    #[inline]
    pub fn used_bytes(&self) -> usize {
        let elsewhere = self.elsewhere.load(Ordering::Relaxed) + self.reclaimer.thread_bytes();
        let allocated = usize::try_from(allocator::thread_bytes() + elsewhere).unwrap_or(0);
        allocated.saturating_sub(self.unreceived.get())
    }

    /// Memory in use without what has been let go of and only waits to be freed, bytes: what a limit is compared with.
    #[inline]
    pub fn kept_bytes(&self) -> usize {
        let leaving = self.reclaimer.pending_bytes() + self.taken_bytes() + self.waiting.get();
        self.used_bytes().saturating_sub(leaving)
    }

    /// The process ends: its memory goes with it, at once, and not key by key.
    pub fn leave_behind(&mut self) {
        // A sanitizer would take it for a leak.
        if cfg!(not(system_allocator)) {
            self.dbs.iter_mut().for_each(|db| std::mem::forget(std::mem::take(&mut db.table)));
        }
    }

    /// A number below `n`, which is not 0.
    pub fn random_below(&self, n: usize) -> usize {
        self.random.borrow_mut().below(n as u64) as usize
    }
}

#[cfg(test)]
mod tests;
