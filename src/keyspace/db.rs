//! One database: the table of entries, the wheel with the hashes of those that have deadlines, and the order in which fields of
//! hashes are due.
//!
//! Invariants: `volatile` entries have a deadline, and `deadline_sum_ms` is the sum of them; each of them is filed, that is, a record
//! with its hash is in the wheel at its deadline or earlier. `field_deadlines` has one record for each hash that has a field with a
//! deadline: the first of these, exactly. (In the wheel, a hash whose fields get ever earlier deadlines would leave a record for each
//! of them, and each would be asked for, again and again, at every deadline of a field.)

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::entry::{ByKey, Entry, ValueRef};
use super::snapshot::{UndoLog, Unsaved};
use super::{Key, Kind, NewValue};
use crate::base::hash::KeyHasher;
use crate::collections::segmented_table::SegmentedTable;
use crate::collections::timing_wheel::TimingWheel;

/// Stale records tolerated in the wheel beyond one per volatile key, before a sweep.
pub(super) const STALE_MAX: usize = 64 * 1024;

pub struct Db {
    pub(super) table: SegmentedTable<Entry>,
    /// What has this hash or a higher one and is no mark's, a snapshot is still to have: see [`super::snapshot`]. Without one the highest
    /// of all.
    pub(super) unsaved_from: u64,
    pub(super) unsaved: Option<Box<Unsaved>>,
    pub(super) wheel: TimingWheel,
    /// First deadline of a field and hash of the key, of each hash that has such fields.
    pub(super) field_deadlines: BTreeSet<(i64, u64)>,
    pub(super) volatile: usize,
    deadline_sum_ms: i128,
    /// Parity of the current or last sweep of the wheel.
    pub(super) sweep_parity: bool,
}

/// The tick at which a key with this deadline is gone: the first millisecond after it, as Redis counts.
pub(super) fn tick_of(deadline_ms: i64) -> u64 {
    (deadline_ms.max(0) as u64).saturating_add(1)
}

/// Whether two keys are equal. Keys of usual length are compared in a few words that may overlap, which is half the cost of a call
/// to memcmp.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let word = |bytes: &[u8], at: usize| bytes[at..].first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    match a.len() {
        len @ 8..=16 => word(a, 0) == word(b, 0) && word(a, len - 8) == word(b, len - 8),
        len @ 17..=32 => {
            word(a, 0) == word(b, 0)
                && word(a, 8) == word(b, 8)
                && word(a, len - 16) == word(b, len - 16)
                && word(a, len - 8) == word(b, len - 8)
        }
        _ => a == b,
    }
}

/// When the first of the fields of a hash is due, if any has a deadline.
#[inline]
pub(super) fn fields_due_ms(entry: &Entry) -> Option<i64> {
    if entry.kind() != Kind::Hash {
        return None;
    }
    match entry.value() {
        ValueRef::Object(object) => object.next_deadline_ms(),
        _ => None,
    }
}

/// Hands an entry that is about to be changed to the snapshot that wants it. If that takes its value in parts: what is to know of changes
/// to elements.
#[inline]
pub(super) fn save_early<'u>(
    unsaved: &'u mut Option<Box<Unsaved>>,
    hash: u64,
    entry: &mut Entry,
) -> Option<&'u RefCell<UndoLog>> {
    unsaved.as_mut().and_then(|unsaved| unsaved.save_early(hash, entry))
}

impl Db {
    pub(super) fn new(now_ms: i64) -> Db {
        Db {
            table: SegmentedTable::new(),
            unsaved_from: u64::MAX,
            unsaved: None,
            wheel: TimingWheel::new(now_ms.max(0) as u64),
            field_deadlines: BTreeSet::new(),
            volatile: 0,
            deadline_sum_ms: 0,
            sweep_parity: false,
        }
    }

    /// Keys, expired ones that have not been removed yet among them.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Keys with a deadline.
    pub fn volatile_len(&self) -> usize {
        self.volatile
    }

    /// Hashes that have fields with deadlines.
    pub fn timed_hashes(&self) -> usize {
        self.field_deadlines.len()
    }

    /// Mean time to live of the keys with a deadline, milliseconds.
    pub fn ttl_mean_ms(&self, now_ms: i64) -> i64 {
        if self.volatile == 0 {
            return 0;
        }
        let mean = self.deadline_sum_ms / self.volatile as i128 - i128::from(now_ms);
        i64::try_from(mean.max(0)).unwrap_or(i64::MAX)
    }

    /// Table and wheel, for DEBUG HTSTATS and INFO: segments, buckets, records in the wheel.
    pub fn shape(&self) -> (usize, usize, usize) {
        (self.table.segments(), self.table.buckets(), self.wheel.len())
    }

    /// Memory of the timing wheel, bytes.
    pub fn wheel_bytes(&self) -> usize {
        self.wheel.memory_bytes()
    }

    /// Memory of table and wheel without the entries, bytes.
    pub fn overhead_bytes(&self) -> usize {
        self.table.memory_bytes() + self.wheel.memory_bytes()
    }

    #[inline(always)]
    pub(super) fn find(&self, key: Key<'_>) -> Option<&Entry> {
        self.table.find(key.hash, |entry| same(entry.key(), key.bytes))
    }

    #[inline]
    pub(super) fn find_mut(&mut self, key: Key<'_>) -> Option<&mut Entry> {
        self.find_to_change(key).map(|(entry, _)| entry)
    }

    /// The same, for who changes elements of the value one by one and tells the log of it.
    #[inline]
    pub(super) fn find_to_change(&mut self, key: Key<'_>) -> Option<(&mut Entry, Option<&RefCell<UndoLog>>)> {
        let entry = self.table.find_mut(key.hash, |entry| same(entry.key(), key.bytes))?;
        let undo = if key.hash >= self.unsaved_from { save_early(&mut self.unsaved, key.hash, entry) } else { None };
        Some((entry, undo))
    }

    /// Adds a key that is not there.
    pub(super) fn insert(
        &mut self,
        key: Key<'_>,
        value: NewValue<'_>,
        deadline_ms: Option<i64>,
        lru: u32,
        hasher: &KeyHasher,
    ) -> &mut Entry {
        let mut entry = Entry::new(key.bytes, value, deadline_ms, lru);
        if let Some(deadline_ms) = deadline_ms {
            self.volatile += 1;
            self.deadline_sum_ms += i128::from(deadline_ms);
            self.wheel.file(tick_of(deadline_ms), key.hash);
            entry.set_filed(true);
            entry.set_swept(self.sweep_parity);
        }
        self.refile_fields(key.hash, None, fields_due_ms(&entry));
        if key.hash >= self.unsaved_from
            && let Some(unsaved) = &self.unsaved
        {
            unsaved.pass_by(key.hash, &entry);
        }
        self.table.insert_unique(key.hash, entry, ByKey(hasher))
    }

    pub(super) fn remove(&mut self, key: Key<'_>, hasher: &KeyHasher) -> Option<Entry> {
        let entry = self.table.remove(key.hash, |entry| entry.key() == key.bytes, ByKey(hasher))?;
        Some(self.removed(key.hash, entry))
    }

    /// Removes the key with exactly this hash, if it is one that is meant.
    pub(super) fn remove_hashed(
        &mut self,
        hash: u64,
        hasher: &KeyHasher,
        is_meant: impl Fn(&Entry) -> bool,
    ) -> Option<Entry> {
        let is_it = |entry: &Entry| is_meant(entry) && hasher.hash(entry.key()) == hash;
        let entry = self.table.remove(hash, is_it, ByKey(hasher))?;
        Some(self.removed(hash, entry))
    }

    #[inline]
    fn removed(&mut self, hash: u64, mut entry: Entry) -> Entry {
        let fields_due = fields_due_ms(&entry);
        if hash >= self.unsaved_from
            && let Some(unsaved) = &mut self.unsaved
        {
            unsaved.removed(hash, &mut entry);
        }
        if let Some(deadline_ms) = entry.deadline_ms() {
            self.volatile -= 1;
            self.deadline_sum_ms -= i128::from(deadline_ms);
        }
        self.refile_fields(hash, fields_due, None);
        // Its record in the wheel, if any, is stale now and goes when its tick comes, or in a sweep.
        entry
    }

    /// The first deadline of the fields of a hash has become another.
    #[inline]
    pub(super) fn refile_fields(&mut self, hash: u64, old: Option<i64>, new: Option<i64>) {
        if old != new {
            self.refile_fields_slowly(hash, old, new);
        }
    }

    #[cold]
    fn refile_fields_slowly(&mut self, hash: u64, old: Option<i64>, new: Option<i64>) {
        if let Some(old) = old {
            self.field_deadlines.remove(&(old, hash));
        }
        if let Some(new) = new {
            self.field_deadlines.insert((new, hash));
        }
    }

    /// Sets or removes the deadline of a key that is there.
    pub(super) fn set_deadline(&mut self, key: Key<'_>, deadline_ms: Option<i64>) {
        let parity = self.sweep_parity;
        let Some(entry) = self.table.find_mut(key.hash, |entry| entry.key() == key.bytes) else { return };
        let old = entry.deadline_ms();
        if old == deadline_ms {
            return;
        }
        if key.hash >= self.unsaved_from {
            save_early(&mut self.unsaved, key.hash, entry);
        }
        entry.set_deadline_ms(deadline_ms);
        if let Some(old) = old {
            self.volatile -= 1;
            self.deadline_sum_ms -= i128::from(old);
        }
        let Some(new) = deadline_ms else { return };
        self.volatile += 1;
        self.deadline_sum_ms += i128::from(new);
        // A record that fires too early is filed again then; one that would fire too late is of no use. Without a
        // deadline before, it is not known when the old record fires.
        if !entry.is_filed() || old.is_none_or(|old| new < old) {
            entry.set_filed(true);
            entry.set_swept(parity);
            self.wheel.file(tick_of(new), key.hash);
        }
    }

    /// Whether the wheel holds so many stale records that a sweep is due.
    pub(super) fn wants_sweep(&self) -> bool {
        !self.wheel.is_sweeping() && self.wheel.len() > 2 * self.volatile + STALE_MAX
    }
}
